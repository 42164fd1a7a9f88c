//! The whole way on the stand-in release, in an OCI layout: `TALOS_FORGE_TEST_RELEASE` names its directory.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a step that fails is a test that fails"
)]

#[path = "support/artifact.rs"]
mod artifact;
#[path = "support/standin.rs"]
mod standin;

use std::{collections::HashMap, sync::Arc, time::Duration};

use artifact::{content, members, options};
use assembler::{
    error::Kind,
    forge::{Forge, Need, Options},
};
use formats::Digest;
use standin::release;

const PLAIN: &str = "customization:
  extraKernelArgs: [a=1]
  meta: [{key: 10, value: x}]
  systemExtensions:
    officialExtensions: [siderolabs/hello-world-service, siderolabs/util-linux-tools, siderolabs/iscsi-tools]
";

#[tokio::test]
async fn every_artifact_of_every_version_has_the_same_tag_with_an_empty_store() {
    let Some(release) = release() else { return };
    let mut tags: HashMap<(String, String), Digest> = HashMap::new();
    for round in 0..2 {
        let data = tempfile::tempdir().unwrap();
        let forge = Forge::open(options(&release, data.path())).await.unwrap();
        let (id, ..) = forge.create_schematic(PLAIN.as_bytes()).await.unwrap();
        let versions = forge.versions().await.unwrap();
        assert_eq!(versions.len(), 11, "{versions:?}");
        for version in versions {
            for arch in ["amd64", "arm64"] {
                for path in [
                    format!("kernel-{arch}"),
                    format!("cmdline-metal-{arch}"),
                    format!("initramfs-{arch}.xz"),
                    format!("metal-{arch}-uki.efi"),
                    format!("metal-{arch}.iso"),
                ] {
                    let need = if round == 0 {
                        Need::Payload
                    } else {
                        Need::Layout
                    };
                    let artifact = forge
                        .artifact(&id.to_string(), &version.tag(), &path, need)
                        .await;
                    let artifact = match artifact {
                        Ok(artifact) => artifact,
                        Err(error) => {
                            let old_uki =
                                path.contains("-uki.") && error.kind() == Kind::BadRequest;
                            assert!(old_uki, "{version} {path}: {error}");
                            continue;
                        }
                    };
                    let tag = tags
                        .entry((version.tag(), path.clone()))
                        .or_insert(artifact.etag);
                    assert_eq!(*tag, artifact.etag, "{version} {path}");
                }
            }
        }
    }
    assert!(tags.len() >= 11 * 8 + 10 * 2, "{}", tags.len());
}

#[tokio::test]
async fn evicted_and_damaged_blobs_are_fetched_and_made_again() {
    let Some(release) = release() else { return };
    let data = tempfile::tempdir().unwrap();
    let forge = Forge::open(options(&release, data.path())).await.unwrap();
    let (id, ..) = forge.create_schematic(PLAIN.as_bytes()).await.unwrap();
    let hex = id.to_string();
    let ask = |need| forge.artifact(&hex, "v1.14.0", "initramfs-amd64.xz", need);
    let first = content(&ask(Need::Payload).await.unwrap());
    drop(forge);

    // Every blob is damaged behind the store's back.
    let mut damaged = 0;
    for folder in std::fs::read_dir(data.path().join("store/blobs")).unwrap() {
        for blob in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = blob.unwrap().path();
            let mut bytes = std::fs::read(&path).unwrap();
            if let Some(byte) = bytes.first_mut() {
                *byte ^= 1;
                std::fs::write(&path, bytes).unwrap();
                damaged += 1;
            }
        }
    }
    assert!(damaged > 10);
    let forge = Forge::open(options(&release, data.path())).await.unwrap();
    let again = forge
        .artifact(
            &id.to_string(),
            "v1.14.0",
            "initramfs-amd64.xz",
            Need::Payload,
        )
        .await
        .unwrap();
    assert_eq!(content(&again), first);

    // Nothing may stay but what is held: and what is held stays readable.
    drop(forge);
    let tiny = Options {
        store_max_bytes: 0,
        ..options(&release, data.path())
    };
    let forge = Forge::open(tiny).await.unwrap();
    let held = forge
        .artifact(
            &id.to_string(),
            "v1.14.0",
            "initramfs-amd64.xz",
            Need::Payload,
        )
        .await
        .unwrap();
    forge.store_collect_garbage().unwrap();
    assert_eq!(content(&held), first);
    drop((held, again));
    forge.store_collect_garbage().unwrap();
    assert_eq!(forge.store_stat().blobs, 0);
    let layout = forge
        .artifact(
            &id.to_string(),
            "v1.14.0",
            "initramfs-amd64.xz",
            Need::Layout,
        )
        .await
        .unwrap();
    assert_eq!(forge.store_stat().blobs, 0, "a known layout needs no blob");
    assert_eq!(layout.layout.len(), first.len() as u64);
    let back = forge
        .artifact(
            &id.to_string(),
            "v1.14.0",
            "initramfs-amd64.xz",
            Need::Payload,
        )
        .await
        .unwrap();
    assert_eq!(content(&back), first);
}

#[tokio::test]
async fn what_is_not_there_is_said_in_the_reference_s_words() {
    let Some(release) = release() else { return };
    let data = tempfile::tempdir().unwrap();
    let forge = Forge::open(options(&release, data.path())).await.unwrap();
    let named = |name: &str| {
        format!("customization: {{systemExtensions: {{officialExtensions: [{name}]}}}}")
    };
    let rows = [
        (
            "{}".to_owned(),
            "v9.9.9",
            "kernel-amd64",
            Kind::NotFound,
            "failed to get kernel: version 9.9.9 is not available",
        ),
        (
            named("siderolabs/nope"),
            "v1.14.0",
            "initramfs-amd64.xz",
            Kind::BadRequest,
            "error enhancing profile from schematic: official extension \"siderolabs/nope\" is not available for Talos version v1.14.0",
        ),
        (
            "{}".to_owned(),
            "v1.3.7",
            "metal-amd64-uki.efi",
            Kind::BadRequest,
            "",
        ),
        (
            "{}".to_owned(),
            "v1.14.0",
            "metal-installer-amd64.tar",
            Kind::NotYet,
            "not built yet: installer images",
        ),
        (
            named("siderolabs/test-future"),
            "v1.14.0",
            "initramfs-amd64.xz",
            Kind::BadRequest,
            "",
        ),
        (
            "{}".to_owned(),
            "v1.14.0",
            "metal-amd64.ssd",
            Kind::BadRequest,
            "error parsing profile from path: invalid profile path: \"metal-amd64.ssd\"",
        ),
    ];
    for (document, version, path, kind, text) in rows {
        let (id, ..) = forge.create_schematic(document.as_bytes()).await.unwrap();
        let error = forge
            .artifact(&id.to_string(), version, path, Need::Payload)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), kind, "{version} {path}: {error}");
        assert!(
            text.is_empty() || error.to_string() == text,
            "{version} {path}: {error}"
        );
    }
}

#[tokio::test]
async fn a_warm_store_needs_no_source() {
    let Some(release) = release() else { return };
    let data = tempfile::tempdir().unwrap();
    let copy = data.path().join("release");
    std::os::unix::fs::symlink(&release, &copy).unwrap();
    let warm = Options {
        recheck: Duration::ZERO,
        ..options(&copy, data.path())
    };
    let forge = Forge::open(warm).await.unwrap();
    let (id, ..) = forge.create_schematic(PLAIN.as_bytes()).await.unwrap();
    let first = forge
        .artifact(
            &id.to_string(),
            "v1.14.0",
            "metal-amd64-uki.efi",
            Need::Payload,
        )
        .await
        .unwrap();
    let versions = forge.versions().await.unwrap();
    drop(forge);

    std::fs::remove_file(&copy).unwrap();
    let cold = Options {
        recheck: Duration::ZERO,
        ..options(&copy, data.path())
    };
    let forge = Arc::new(Forge::open(cold).await.unwrap());
    assert_eq!(forge.versions().await.unwrap(), versions);
    let again = forge
        .artifact(
            &id.to_string(),
            "v1.14.0",
            "metal-amd64-uki.efi",
            Need::Payload,
        )
        .await
        .unwrap();
    assert_eq!(again.etag, first.etag);
    let other = forge
        .artifact(&id.to_string(), "v1.13.2", "kernel-amd64", Need::Payload)
        .await
        .unwrap_err();
    assert_eq!(other.kind(), Kind::Upstream, "{other}");
}

const FIRMWARE: &str = "customization: {systemExtensions: {officialExtensions: \
    [siderolabs/amd-ucode, siderolabs/intel-ucode, siderolabs/realtek-firmware]}}";

#[tokio::test]
async fn firmware_and_microcode_stand_where_the_kernel_looks_for_them() {
    let Some(release) = release() else { return };
    let data = tempfile::tempdir().unwrap();
    let forge = Forge::open(options(&release, data.path())).await.unwrap();
    let (id, ..) = forge.create_schematic(FIRMWARE.as_bytes()).await.unwrap();
    for (version, lib) in [("v1.14.0", "usr/lib"), ("v1.9.5", "lib"), ("v1.7.7", "lib")] {
        for arch in ["amd64", "arm64"] {
            let path = format!("initramfs-{arch}.xz");
            let artifact = forge
                .artifact(&id.to_string(), version, &path, Need::Payload)
                .await
                .unwrap();
            let members = members(&content(&artifact));
            let of = |archive: usize| {
                let inside = members
                    .iter()
                    .filter(move |(number, ..)| *number == archive);
                inside.map(|(_, name, _)| name.as_str()).collect::<Vec<_>>()
            };
            let mut early = vec![
                "40755 kernel",
                "40755 kernel/x86",
                "40755 kernel/x86/microcode",
                "100644 kernel/x86/microcode/AuthenticAMD.bin",
            ];
            if arch == "amd64" {
                early.push("100644 kernel/x86/microcode/GenuineIntel.bin");
            }
            assert_eq!(of(0), early, "{version} {arch}");
            assert_eq!(
                of(2),
                ["0.sqsh", "1.sqsh", "2.sqsh", "3.sqsh", "extensions.yaml"]
                    .map(|name| format!("100644 {name}")),
                "{version} {arch}"
            );
            let firmware = format!("{lib}/firmware");
            let directories: Vec<String> = firmware
                .match_indices('/')
                .map(|(at, _)| format!("40755 {}", &firmware[..at]))
                .chain([format!("40755 {firmware}")])
                .collect();
            let amd = of(3);
            assert_eq!(amd[..directories.len()], directories, "{version} {arch}");
            assert_eq!(
                amd[directories.len()],
                format!("40755 {firmware}/amd-ucode")
            );
            assert!(amd.contains(&format!("100644 {firmware}/amd-ucode/README").as_str()));
            assert!(!amd.iter().any(|name| name.contains("/microcode_amd")
                && std::path::Path::new(name).extension() == Some("bin".as_ref())));
            let realtek = of(if arch == "amd64" { 5 } else { 4 });
            assert_eq!(realtek[..directories.len()], directories);
            assert!(realtek.len() > directories.len() + 5, "{realtek:?}");
            println!("{version} {arch}: {} members", members.len());
        }
    }
}
