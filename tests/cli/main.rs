//! The command line over the stand-in release.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a step that fails is a test that fails"
)]

mod inspect;
#[path = "../../formats/tests/judges/mod.rs"]
mod judges;
#[path = "../../assembler/tests/support/standin.rs"]
mod standin;

use std::path::Path;

use assert_cmd::Command;
use serde_json::Value as Json;

const DEFAULT_ID: &str = "376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba";

/// The program, with nothing from the environment of whoever tests.
fn forge() -> Command {
    let mut command = Command::cargo_bin("talos-forge").unwrap();
    command.env_clear().env("HOME", "/nonexistent");
    command
}

/// The program over a release, with a data directory.
fn over(release: &Path, data: &Path) -> Command {
    let mut command = forge();
    let source = format!("oci:{}", release.display());
    command
        .arg("--data-dir")
        .arg(data)
        .args(["--source", &source]);
    command
}

fn stdout(command: &mut Command) -> String {
    let output = command.assert().success().get_output().clone();
    String::from_utf8(output.stdout).unwrap()
}

fn json(command: &mut Command) -> Json {
    serde_json::from_str(&stdout(command)).unwrap()
}

#[test]
fn what_needs_no_release_needs_none() {
    let id = stdout(
        forge()
            .args(["schematic", "-"])
            .write_stdin("customization:"),
    );
    assert_eq!(id.trim(), DEFAULT_ID);
    let yaml = stdout(
        forge()
            .args(["schematic", "--canonical", "-"])
            .write_stdin("{}"),
    );
    assert_eq!(yaml, "customization: {}\n");
    assert!(stdout(forge().args(["completions", "bash"])).contains("complete -F"));
    let data = tempfile::tempdir().unwrap();
    let check = stdout(
        forge()
            .arg("--data-dir")
            .arg(data.path())
            .args(["serve", "--check"]),
    );
    assert!(check.contains("externalURL"), "{check}");
}

#[test]
fn failures_are_one_line_and_wrong_usage_is_status_two() {
    forge().arg("nonsense").assert().code(2);
    forge().assert().code(2);
    forge().args(["build", "v1.14.0"]).assert().code(2);
    for arguments in [
        &["schematic", "/nonexistent"],
        &["inspect", "/nonexistent"],
        &["inspect", "/dev/null"],
    ] {
        let output = forge()
            .args(*arguments)
            .assert()
            .code(1)
            .get_output()
            .clone();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.stdout.is_empty());
        assert!(
            text.starts_with("error: ") && text.lines().count() == 1,
            "{text}"
        );
    }
}

#[test]
fn lists_plans_and_artifacts_come_from_the_release() {
    let Some(release) = standin::release() else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let run = || over(&release, data.path());
    let versions = json(run().args(["versions", "--json"]));
    for (path, text) in [
        ("metal-amd64.raw.bz2", "raw.bz2\": expected kernel-ARCH, "),
        (
            "foo-amd64.raw",
            "unknown platform: \"foo\": expected metal, ",
        ),
    ] {
        let failed = run().args(["plan", "v1.14.0", path]).assert().code(1);
        let said = String::from_utf8_lossy(&failed.get_output().stderr).into_owned();
        assert!(said.contains(text), "{said}");
    }
    assert!(
        versions.as_array().unwrap().contains(&"v1.14.0".into()),
        "{versions}"
    );
    assert_eq!(
        stdout(run().arg("versions")).lines().count(),
        versions.as_array().unwrap().len()
    );
    let extensions = json(run().args(["extensions", "--json", "v1.14.0"]));
    assert!(
        extensions
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["name"] == "siderolabs/iscsi-tools")
    );
    assert!(stdout(run().args(["overlays", "v1.14.0"])).contains("rpi"));

    let plan = json(run().args(["plan", "--json", "v1.14.0", "metal-amd64.iso"]));
    let mut next = 0;
    for extent in plan["extents"].as_array().unwrap() {
        assert_eq!(extent["offset"], next);
        next += extent["len"].as_u64().unwrap();
    }
    assert_eq!(plan["len"], next);
    assert!(stdout(run().args(["plan", "v1.14.0", "metal-amd64.iso"])).ends_with("end\n"));

    let line = run()
        .args(["build", "-o", "-", "v1.14.0", "cmdline-metal-amd64"])
        .assert()
        .success()
        .get_output()
        .clone();
    assert!(line.stdout.starts_with(b"talos.platform=metal "));
    let failed = run()
        .args(["build", "-o", "-", "v9.9.9", "kernel-amd64"])
        .assert()
        .code(1)
        .get_output()
        .clone();
    assert!(failed.stdout.is_empty() && String::from_utf8_lossy(&failed.stderr).contains("9.9.9"));

    run().args(["prefetch", "v1.14.0"]).assert().success();
    assert!(stdout(run().args(["store", "stat"])).contains("blobs"));
    assert_eq!(stdout(run().args(["store", "verify"])), "");
    assert_eq!(stdout(run().args(["store", "gc"])).trim(), "0");
}

/// Extensions that go together, in the order of a schematic.
const EXTENSIONS: [&str; 6] = [
    "siderolabs/hello-world-service",
    "siderolabs/realtek-firmware",
    "siderolabs/gvisor",
    "siderolabs/intel-ucode",
    "siderolabs/btrfs",
    "siderolabs/nfsd",
];

fn write_schematic(path: &Path) {
    let document = serde_json::json!({
        "customization": {"systemExtensions": {"officialExtensions": EXTENSIONS}},
    });
    std::fs::write(path, document.to_string()).unwrap();
}

/// What a command that runs the program is, and what it is to be given first.
fn pinned(threads: Threads) -> Command {
    let program = assert_cmd::cargo::cargo_bin("talos-forge");
    match threads {
        Threads::All => Command::new(program),
        Threads::One => {
            let mut command = Command::new("taskset");
            command.args(["--cpu-list", "0"]).arg(program);
            command
        }
    }
}

#[derive(Clone, Copy)]
enum Threads {
    One,
    All,
}

#[test]
fn the_bytes_do_not_depend_on_threads_or_on_what_was_prepared_before() {
    let Some(release) = standin::release() else {
        return;
    };
    let out = tempfile::tempdir().unwrap();
    let schematic = out.path().join("schematic.json");
    write_schematic(&schematic);
    let mut reversed = EXTENSIONS;
    reversed.reverse();
    let rows = [
        (Threads::All, String::new()),
        (Threads::One, String::new()),
        (Threads::All, reversed.join(",")),
        (Threads::One, format!("{},{}", EXTENSIONS[4], EXTENSIONS[1])),
    ];
    let mut built = std::collections::BTreeSet::new();
    for (threads, first) in rows {
        let data = tempfile::tempdir().unwrap();
        let run = || {
            let mut command = pinned(threads);
            command.env("HOME", "/nonexistent").arg("--data-dir");
            command.arg(data.path()).arg("--source");
            command.arg(format!("oci:{}", release.display()));
            command
        };
        if !first.is_empty() {
            let mut prefetch = run();
            prefetch.args(["prefetch", "v1.14.0", "v1.7.7", "--extensions", &first]);
            prefetch.assert().success();
        }
        let mut digests = String::new();
        for version in ["v1.14.0", "v1.7.7"] {
            let mut build = run();
            build.args(["build", "-s"]).arg(&schematic).arg("-o");
            build.arg(out.path()).args([version, "initramfs-amd64.xz"]);
            digests += &stdout(&mut build);
        }
        println!("{digests}");
        built.insert(digests);
    }
    assert_eq!(built.len(), 1, "{built:?}");
}

#[test]
fn what_was_prefetched_needs_no_source_any_more() {
    let Some(release) = standin::release() else {
        return;
    };
    let (data, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let schematic = out.path().join("schematic.json");
    write_schematic(&schematic);
    let source = out.path().join("release");
    std::os::unix::fs::symlink(&release, &source).unwrap();
    let prefetch = |names: &str| {
        let mut command = over(&source, data.path());
        command.args(["prefetch", "v1.14.0", "--extensions", names]);
        command.assert()
    };
    let output = prefetch("siderolabs/gvisor,siderolabs/nope").failure();
    let output = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
    assert!(output.contains("siderolabs/nope"), "{output}");
    prefetch("siderolabs/gvisor").success();
    let output = prefetch("all").success();
    let output = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
    // The two of the catalogue that no image of this version can have.
    for name in [
        "siderolabs/test-future",
        "siderolabs/test-other-kernel",
        "v1.14.0 is ready",
    ] {
        assert!(output.contains(name), "{name}: {output}");
    }
    std::fs::remove_file(&source).unwrap();
    for arch in ["amd64", "arm64"] {
        let mut build = over(&source, data.path());
        build.args(["build", "-s"]).arg(&schematic).arg("-o");
        build.arg(out.path());
        build.args(["v1.14.0", &format!("initramfs-{arch}.xz")]);
        build.assert().success();
    }
}
