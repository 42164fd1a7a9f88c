//! Every disk image that can be asked for, laid out: no byte is read.

use std::collections::BTreeSet;

use assembler::{
    forge::Need,
    platform::{Arch, Platform},
};
use reqwest::{
    Client, StatusCode,
    header::{CONTENT_LENGTH, ETAG},
};

use crate::{encodings::encodings, standin, support::Running};

/// Extensions of a schematic: one whose squashfs is all there is of it, one with firmware, one with kernel modules.
const EXTENSIONS: &str = "systemExtensions: {officialExtensions: \
    [siderolabs/hello-world-service, siderolabs/realtek-firmware, siderolabs/btrfs]}";

async fn schematic(server: &Running, customization: &str) -> String {
    let forge = &server.app.as_ref().unwrap().forge;
    let document = format!("customization: {{{customization}}}");
    let (id, ..) = forge.create_schematic(document.as_bytes()).await.unwrap();
    id.to_string()
}

async fn versions(client: &Client, server: &Running) -> Vec<String> {
    let answer = client.get(server.url("versions")).send().await.unwrap();
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

/// HEAD says what the layout holds, which tiles its length. Answers the length.
async fn check(client: &Client, server: &Running, id: &str, version: &str, name: &str) -> u64 {
    let path = format!("image/{id}/{version}/{name}");
    let answer = client.head(server.url(&path)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    let forge = &server.app.as_ref().unwrap().forge;
    let artifact = forge.artifact(id, version, name, Need::Layout);
    let artifact = artifact.await.unwrap();
    let layout = &artifact.layout;
    let len = answer.headers()[CONTENT_LENGTH].to_str().unwrap();
    assert_eq!(len, layout.len().to_string(), "{path}");
    let tag = answer.headers()[ETAG].to_str().unwrap();
    assert!(tag.contains(&artifact.etag.hex()[..16]), "{path}: {tag}");
    let mut next = 0;
    for (offset, extent) in layout.extents() {
        assert_eq!(offset, next, "{path}");
        next += extent.len();
    }
    assert_eq!(next, layout.len(), "{path}");
    layout.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_platform_architecture_version_and_format_is_laid_out() {
    let Some(release) = standin::release() else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let server = Running::over(&release, data.path(), &[]).await;
    let client = Client::new();
    let plain = schematic(&server, "").await;
    let extended = schematic(&server, EXTENSIONS).await;
    let (mut laid_out, mut sizes) = (0, BTreeSet::new());
    for version in versions(&client, &server).await {
        for platform in Platform::all() {
            for arch in Arch::ALL {
                for (format, packing) in encodings() {
                    let name = format!("{}-{arch}.{format}{packing}", platform.name);
                    let mut ids = vec![&plain];
                    if platform.name == "metal" {
                        ids.push(&extended);
                    }
                    for id in ids {
                        let len = check(&client, &server, id, &version, &name).await;
                        if format == "raw" && packing.is_empty() {
                            sizes.insert(len >> 20);
                        }
                        laid_out += 1;
                    }
                }
            }
        }
    }
    assert!(laid_out >= 11 * 20 * 2 * 20, "{laid_out}");
    // The table of spec/disk.md 1.7.
    let expected = [
        1246, 2246, 2247, 4247, 8192, 9192, 9193, 10240, 11193, 11240, 11241, 13241,
    ];
    assert_eq!(sizes, BTreeSet::from(expected));
    println!("{laid_out} images laid out");
}

#[tokio::test(flavor = "multi_thread")]
async fn boot_loaders_and_sectors_are_laid_out_or_refused_with_what_is_possible() {
    let Some(release) = standin::release() else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let server = Running::over(&release, data.path(), &[]).await;
    let client = Client::new();
    let mut refused = BTreeSet::new();
    for version in versions(&client, &server).await {
        let has_uki = version.as_str() != "v1.3.7" && version.as_str() != "1.3.7";
        for bootloader in ["sd-boot", "grub", "dual-boot"] {
            for sector in [512, 4096, 513] {
                let customization =
                    format!("bootloader: {bootloader}, diskImage: {{sectorSize: {sector}}}");
                let id = schematic(&server, &customization).await;
                for arch in ["amd64", "arm64"] {
                    let path = format!("image/{id}/{version}/metal-{arch}.raw");
                    let answer = client.get(server.url(&path)).header("Range", "bytes=0-0");
                    let answer = answer.send().await.unwrap();
                    let status = answer.status();
                    let possible = sector != 513
                        && (bootloader == "grub" || has_uki)
                        && (bootloader != "dual-boot" || arch == "amd64");
                    let text = answer.text().await.unwrap();
                    if possible {
                        assert_eq!(status, StatusCode::PARTIAL_CONTENT, "{path}: {text}");
                    } else {
                        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}: {text}");
                        refused.insert(text.replace(version.trim_start_matches('v'), "…"));
                    }
                }
            }
        }
    }
    insta::assert_debug_snapshot!(refused);
}
