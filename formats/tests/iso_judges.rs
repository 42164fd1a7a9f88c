//! ISO 9660 images before the judges: xorriso, isoinfo, sfdisk, hadris-iso.

mod images;
mod judges;

use std::{path::Path, process::Command};

use formats::{
    Layout, fat,
    iso9660::{
        Appended, BootEntry, BootImage, Catalog, Directory, File, Image, LoadSectors, Node,
        Platform, SystemArea, volume_id,
    },
    mbr,
};
use images::Blobs;
use judges::judge;

const EPOCH: i64 = 1_559_424_892;

fn esp(files: &[(&str, Layout)]) -> Layout {
    let mut root = fat::Directory::default();
    for (path, content) in files {
        let content = content.clone();
        root.insert(
            path,
            fat::File {
                attributes: fat::Attributes::ARCHIVE,
                content,
            },
        )
        .unwrap();
    }
    let len = fat::iso_esp_len(
        0,
        files
            .iter()
            .map(|(_, content)| content.len())
            .max()
            .unwrap_or(0),
    );
    let volume = fat::Volume {
        geometry: fat::Geometry::mkfs(len, 512, fat::iso_esp_cluster(len)).unwrap(),
        id: fat::INVARIANT_ID,
        label: "EFI".parse().unwrap(),
        label_epoch: fat::INVARIANT_EPOCH,
        epoch: EPOCH,
        root,
    };
    volume.layout().unwrap()
}

/// A UEFI image of these files, in the ISO and in its ESP.
fn uefi(files: &[(&str, Layout)]) -> Image {
    let mut root = Directory::new(0o755);
    for (path, content) in files {
        let content = content.clone();
        root.insert(
            path,
            Node::File(File {
                mode: 0o644,
                content,
            }),
        )
        .unwrap();
    }
    let default = BootEntry {
        platform: Platform::Efi,
        image: BootImage::Appended(0),
        load: LoadSectors::Whole,
    };
    Image {
        volume_id: volume_id("Talos-v1.14.0"),
        volume_set_id: "Talos-v1.14.0".to_owned(),
        preparer_id: "TALOS-FORGE".to_owned(),
        epoch: EPOCH,
        root,
        catalog: Some(Catalog {
            default,
            more: Vec::new(),
        }),
        system_area: SystemArea::Mbr {
            iso_kind: mbr::LINUX,
        },
        partition_offset: 16,
        appended: vec![Appended {
            kind: mbr::EFI_SYSTEM,
            content: esp(files),
        }],
    }
}

/// Standard output and standard error of a judge that must be content.
fn verdict(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{text}");
    text
}

fn written(blobs: &Blobs, layout: &Layout) -> tempfile::TempPath {
    let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
    blobs.write(layout, &path);
    path
}

fn xorriso(path: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = judge("xorriso")?;
    Some(verdict(
        command
            .env("TZ", "UTC")
            .arg("-indev")
            .arg(path)
            .args(arguments),
    ))
}

#[test]
fn xorriso_finds_partitions_and_boot_images() {
    let mut blobs = Blobs::default();
    let files = [
        ("EFI/BOOT/BOOTX64.EFI", blobs.add(1, 120_000)),
        ("EFI/Linux/Talos-v1.14.0.efi", blobs.add(2, 5_000_000)),
    ];
    let image = written(&blobs, &uefi(&files).layout().unwrap());
    let Some(report) = xorriso(
        &image,
        &[
            "-report_el_torito",
            "plain",
            "-report_system_area",
            "plain",
            "-find",
            "/",
            "-exec",
            "lsdl",
            "--",
        ],
    ) else {
        return;
    };
    println!("{report}");
}
