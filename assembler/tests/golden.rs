//! Whole initramfs against the recorded reports of served ones: archives, names, order, modes, and the lengths of what comes
//! from equal input. The release is the stand-in's, named by `TALOS_FORGE_TEST_RELEASE`; contents of `.sqsh` files have
//! their own compressor, and texts of the recorded release differ in its descriptions.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a step that fails is a test that fails; one that is skipped says so"
)]

#[path = "support/artifact.rs"]
mod artifact;
#[path = "support/standin.rs"]
mod standin;

use std::{collections::BTreeMap, path::Path};

use artifact::{content, members, options};
use assembler::forge::{Forge, Need};
use serde_json::{Value, json};
use standin::release;

/// A file or directory: `mode name`, and the length of what is copied as it is.
type Line = (String, Option<u64>);

fn line(mode_and_name: &str, len: u64) -> Line {
    let (_, name) = mode_and_name.split_once(' ').unwrap();
    // What is made by somebody's compressor, or says something of the release.
    let is_made = Path::new(name)
        .extension()
        .is_some_and(|extension| extension == "sqsh" || extension == "yaml");
    (mode_and_name.to_owned(), (!is_made).then_some(len))
}

/// The archives of a report but the release's own, with the trailers left out.
fn recorded(name: &str) -> Vec<Vec<Line>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/reports");
    let text = std::fs::read(folder.join(format!("initramfs-{name}.xz.json"))).unwrap();
    let report: Value = serde_json::from_slice(&text).unwrap();
    let archives = report["archives"]
        .as_array()
        .unwrap()
        .iter()
        .map(|archive| {
            let entries = archive["entries"].as_array().unwrap().iter();
            let entries = entries.filter(|entry| entry["name"] != "TRAILER!!!");
            let entries = entries.map(|entry| {
                let mode = entry["mode"].as_str().unwrap().trim_start_matches("0o");
                let name = entry["name"].as_str().unwrap();
                line(&format!("{mode} {name}"), entry["size"].as_u64().unwrap())
            });
            entries.collect::<Vec<_>>()
        });
    archives
        .filter(|archive| archive.iter().all(|(name, _)| name != "100755 init"))
        .collect()
}

#[tokio::test]
async fn initramfs_hold_what_was_recorded_in_the_order_that_was_recorded() {
    let Some(release) = release() else { return };
    let data = tempfile::tempdir().unwrap();
    let forge = Forge::open(options(&release, data.path())).await.unwrap();
    let all = [
        "hello-world-service",
        "realtek-firmware",
        "iscsi-tools",
        "gvisor",
    ];
    let rows: [(&str, &[&str], Option<&str>); 5] = [
        ("amd64", &[], None),
        (
            "config",
            &[],
            Some("apiVersion: v1alpha1\nkind: HostnameConfig\nhostname: worker-33\n"),
        ),
        ("ext3", &[all[0], all[1], all[2]], None),
        (
            "ext8",
            &[
                all[0],
                all[1],
                all[2],
                all[3],
                "intel-ucode",
                "btrfs",
                "nfsd",
                "qemu-guest-agent",
            ],
            None,
        ),
        ("kmod", &["btrfs"], None),
    ];
    for (name, extensions, config) in rows {
        let names: Vec<_> = extensions
            .iter()
            .map(|name| format!("siderolabs/{name}"))
            .collect();
        let mut document =
            json!({"customization": {"systemExtensions": {"officialExtensions": names}}});
        if let Some(config) = config {
            document["customization"]["embeddedMachineConfiguration"] = config.into();
        }
        let (id, ..) = forge
            .create_schematic(document.to_string().as_bytes())
            .await
            .unwrap();
        let made = forge
            .artifact(
                &id.to_string(),
                "v1.14.0",
                "initramfs-amd64.xz",
                Need::Payload,
            )
            .await
            .unwrap();
        let mut archives: BTreeMap<usize, Vec<Line>> = BTreeMap::new();
        for (archive, name, content) in members(&content(&made)) {
            let archive = archives.entry(archive).or_default();
            archive.push(line(&name, content.len() as u64));
        }
        let mut archives: Vec<_> = archives
            .into_values()
            .filter(|archive| archive.iter().all(|(name, _)| name != "100755 init"))
            .collect();
        // Firmware comes in archives of its own behind the one that lists the extensions; unpacked, later ones win.
        let listing = archives
            .iter()
            .position(|archive| {
                archive
                    .iter()
                    .any(|(name, _)| name == "100644 extensions.yaml")
            })
            .unwrap();
        let mut firmware: BTreeMap<Vec<String>, Line> = BTreeMap::new();
        for line in archives.drain(listing + 1..).flatten() {
            let (_, path) = line.0.split_once(' ').unwrap();
            let parts = path.split('/').map(str::to_owned).collect();
            firmware.insert(parts, line);
        }
        archives[listing].extend(firmware.into_values());
        assert_eq!(archives, recorded(name), "{name}");
    }
}
