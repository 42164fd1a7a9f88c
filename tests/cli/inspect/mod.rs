//! What `inspect` says of images, ours and others'.

mod refused;

use std::{
    fs::File,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use formats::{fat, xfs};
use serde_json::Value as Json;

use crate::{forge, json, judges::judge, over, standin, stdout};

#[test]
fn volumes_are_inspected_whoever_made_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut content = formats::Layout::new();
    content.bytes(b"set timeout=3\n".as_slice());
    let mut root = xfs::Directory::default();
    let file = xfs::File {
        mode: 0o600,
        content: content.clone(),
    };
    root.insert("grub/grub.cfg", file).unwrap();
    let boot = xfs::Volume {
        len: 300 << 20,
        sector_len: 512,
        uuid: [0x5a; 16],
        label: "BOOT".parse().unwrap(),
        epoch: 1_559_424_892,
        root,
    };
    let mut root = fat::Directory::default();
    let file = fat::File {
        attributes: fat::Attributes::ARCHIVE,
        content,
    };
    root.insert("efi/boot/grub.cfg", file).unwrap();
    let floppy = fat::Volume {
        geometry: fat::Geometry::floppy(),
        id: 7,
        label: fat::Label::NONE,
        label_epoch: fat::INVARIANT_EPOCH,
        epoch: 1_559_424_892,
        root,
    };
    for (name, layout, expected) in [
        (
            "boot",
            boot.layout().unwrap(),
            [
                "XFS file system, 314572800 bytes",
                "5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a5a",
                "0100600 0:0 1 2019-06-01 21:34:52",
            ],
        ),
        (
            "floppy",
            floppy.layout().unwrap(),
            [
                "FAT file system, 2949120 bytes",
                "FAT12 boot sector",
                "efi/boot/grub.cfg",
            ],
        ),
    ] {
        let path = folder.path().join(name);
        let file = std::fs::File::create(&path).unwrap();
        file.set_len(layout.len()).unwrap();
        for (offset, extent) in layout.extents() {
            if let formats::Extent::Bytes(bytes) = extent {
                file.write_all_at(bytes, offset).unwrap();
            }
        }
        let text = stdout(forge().arg("inspect").arg(path));
        for expected in expected {
            assert!(text.contains(expected), "{name}: no {expected} in\n{text}");
        }
    }
}

#[test]
fn images_are_inspected_down_to_their_files() {
    let Some(release) = standin::release() else {
        return;
    };
    let (data, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let schematic = out.path().join("schematic.yaml");
    std::fs::write(
        &schematic,
        "customization: {systemExtensions: {officialExtensions: [siderolabs/iscsi-tools]}}",
    )
    .unwrap();
    for (version, name, expected) in [
        (
            "v1.14.0",
            "metal-amd64.iso",
            &[
                "El Torito",
                "FAT32 boot sector",
                "loader/loader.conf",
                "section .linux",
                "PRETTY_NAME",
                "extensions.yaml",
                "compressor",
                "zstd frame",
            ][..],
        ),
        (
            "v1.14.0",
            "metal-arm64-uki.efi",
            &["section .initrd", "talos.platform=metal", "0.sqsh"],
        ),
        (
            "v1.14.0",
            "initramfs-amd64.xz",
            &["zstd frame", "extensions.yaml", "0.sqsh"],
        ),
        (
            "v1.7.7",
            "initramfs-amd64.xz",
            &["xz stream", "extensions.yaml", "0.sqsh"],
        ),
    ] {
        let mut build = over(&release, data.path());
        build
            .args(["build", "-s"])
            .arg(&schematic)
            .arg("-o")
            .arg(out.path());
        build.args([version, name]).assert().success();
        let text = stdout(forge().arg("inspect").arg(out.path().join(name)));
        for expected in expected {
            assert!(text.contains(expected), "{name}: no {expected} in\n{text}");
        }
        let json = json(
            forge()
                .args(["inspect", "--json"])
                .arg(out.path().join(name)),
        );
        assert!(!json["parts"].as_array().unwrap().is_empty(), "{name}");
        assert_eq!(
            json["len"],
            std::fs::metadata(out.path().join(name)).unwrap().len()
        );
    }
}

/// The kind of a raw disk.
const DISK: &str = "disk with GUID partition table";

/// The smallest disk: 1246 MiB, with GRUB, so with FAT and XFS.
const VERSION: &str = "v1.9.5";

/// Artifacts of `VERSION` in a folder of their own, with a data directory.
struct Built(tempfile::TempDir);

impl Built {
    /// `None` without a release.
    fn new(names: &[&str]) -> Option<Self> {
        let release = standin::release()?;
        let built = Self(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
        let mut build = over(&release, &built.path("data"));
        build.args(["build", "-o"]).arg(built.path(""));
        build.arg(VERSION).args(names).assert().success();
        Some(built)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn inspected(&self, name: &str) -> Json {
        json(forge().args(["inspect", "--json"]).arg(self.path(name)))
    }
}

/// A judge that writes what it makes of `arguments` to `target`; `None` without it.
fn made(program: &str, arguments: &[&str], source: &Path, target: &Path) -> Option<()> {
    let mut judge = judge(program)?;
    let made = judge
        .args(arguments)
        .arg(source)
        .stdout(File::create(target).unwrap());
    let made = made.status().unwrap();
    assert!(made.success(), "{program} {arguments:?}");
    Some(())
}

/// The raw disks in a description, but for their names.
fn disks(part: &Json) -> Vec<Json> {
    if part["kind"] == DISK {
        let mut disk = part.clone();
        disk["name"] = "".into();
        return vec![disk];
    }
    let parts = part["parts"].as_array().unwrap();
    parts.iter().flat_map(disks).collect()
}

/// The kinds from the outermost to the disk.
fn kinds(part: &Json) -> Vec<&str> {
    let mut kinds = vec![part["kind"].as_str().unwrap()];
    let disk = |part: &&Json| !disks(part).is_empty();
    if part["kind"] != DISK
        && let Some(inner) = part["parts"].as_array().unwrap().iter().find(disk)
    {
        kinds.extend(self::kinds(inner));
    }
    kinds
}

/// Lines of a part and of all in it.
fn lines(part: &Json) -> Vec<&str> {
    let own = part["lines"].as_array().unwrap().iter();
    let inner = part["parts"].as_array().unwrap().iter().flat_map(lines);
    own.map(|line| line.as_str().unwrap())
        .chain(inner)
        .collect()
}

const QCOW2: &str = "qcow2 image";
const VHD: &str = "VHD image";
const VMDK: &str = "VMDK image";
const OVA: &str = "open virtualization archive (OVA)";
const TAR: &str = "tar archive";
const ZSTD: &str = "Zstandard frames";
const XZ: &str = "xz stream";
const GZIP: &str = "gzip file";

#[test]
fn every_disk_image_is_read_back_to_the_files_on_the_disk() {
    let images = [
        ("metal-amd64.raw", &[][..]),
        ("metal-amd64.raw.zst", &[ZSTD]),
        ("metal-amd64.raw.xz", &[XZ]),
        ("metal-amd64.raw.gz", &[GZIP]),
        ("metal-amd64.raw.tar.gz", &[GZIP, TAR]),
        ("metal-amd64.qcow2", &[QCOW2]),
        ("metal-amd64.qcow2.xz", &[XZ, QCOW2]),
        ("metal-amd64.vhd", &[VHD]),
        ("metal-amd64.vhd.gz", &[GZIP, VHD]),
        ("metal-amd64.ova", &[OVA, VMDK]),
        ("metal-amd64.ova.zst", &[ZSTD, OVA, VMDK]),
    ];
    let Some(built) = Built::new(&images.map(|(name, _)| name)) else {
        return;
    };
    let [raw] = &disks(&built.inspected("metal-amd64.raw"))[..] else {
        panic!("a raw disk is one disk");
    };
    let found = lines(raw);
    for expected in ["XFS superblock", "FAT32 boot sector", "grub.cfg", "EFI"] {
        let some = found.iter().any(|line| line.contains(expected));
        assert!(some, "no {expected} in {found:#?}");
    }
    for (name, around) in images {
        let image = built.inspected(name);
        let len = std::fs::metadata(built.path(name)).unwrap().len();
        assert_eq!(image["len"], len, "{name}");
        let expected: Vec<_> = around.iter().copied().chain([DISK]).collect();
        assert_eq!(kinds(&image), expected, "{name}");
        assert!(disks(&image) == [raw.clone()], "{name}: {image:#}");
    }
}

/// What clouds get as their default, by its name.
#[test]
fn the_images_of_platforms_are_read_back() {
    let images = [
        ("gcp-amd64.raw.tar.gz", &[GZIP, TAR, DISK][..]),
        ("azure-amd64.vhd", &[VHD, DISK]),
        ("vmware-amd64.ova", &[OVA, VMDK, DISK]),
        ("openstack-arm64.qcow2", &[QCOW2, DISK]),
    ];
    let Some(built) = Built::new(&images.map(|(name, _)| name)) else {
        return;
    };
    for (name, expected) in images {
        let image = built.inspected(name);
        assert_eq!(kinds(&image), expected, "{name}");
        let found = lines(&image);
        for expected in ["FAT32 boot sector", "META"] {
            let some = found.iter().any(|line| line.contains(expected));
            assert!(some, "{name}: no {expected} in {found:#?}");
        }
    }
}

#[test]
fn what_others_make_of_the_disk_is_read_back_too() {
    let Some(built) = Built::new(&["metal-amd64.raw"]) else {
        return;
    };
    let raw = built.path("metal-amd64.raw");
    let expected = disks(&built.inspected("metal-amd64.raw"));
    for (name, format, options, kind) in [
        ("qemu.qcow2", "qcow2", "cluster_size=64k", QCOW2),
        ("qemu.vmdk", "vmdk", "subformat=streamOptimized", VMDK),
        ("qemu.vhd", "vpc", "subformat=fixed,force_size", VHD),
    ] {
        let Some(mut convert) = judge("qemu-img") else {
            return;
        };
        convert.args(["convert", "-f", "raw", "-O", format, "-o", options]);
        let converted = convert.arg(&raw).arg(built.path(name)).status();
        assert!(converted.unwrap().success(), "{name}");
        let image = built.inspected(name);
        assert_eq!(kinds(&image), [kind, DISK]);
        assert!(disks(&image) == expected, "{name}: {image:#}");
    }
    for (program, arguments, source, target, around) in [
        ("gzip", &["-1c"][..], "metal-amd64.raw", "gzip", &[GZIP][..]),
        ("pigz", &["-1c"], "metal-amd64.raw", "pigz", &[GZIP]),
        ("xz", &["-0c", "-T2"], "metal-amd64.raw", "xz", &[XZ]),
        (
            "zstd",
            &["-1c", "--long=27"],
            "metal-amd64.raw",
            "zstd",
            &[ZSTD],
        ),
        ("zstd", &["-1c"], "qemu.qcow2", "qcow2.zst", &[ZSTD, QCOW2]),
        ("gzip", &["-1c"], "qemu.vmdk", "vmdk.gz", &[GZIP, VMDK]),
    ] {
        let (source, path) = (built.path(source), built.path(target));
        if made(program, arguments, &source, &path).is_none() {
            return;
        }
        let image = built.inspected(target);
        let kinds_expected: Vec<_> = around.iter().copied().chain([DISK]).collect();
        assert_eq!(kinds(&image), kinds_expected, "{target}");
        assert!(disks(&image) == expected, "{target}: {image:#}");
    }
    // Several members are one file.
    let (gzip, two) = (
        std::fs::read(built.path("gzip")).unwrap(),
        built.path("two.gz"),
    );
    std::fs::write(&two, gzip.repeat(2)).unwrap();
    let text = stdout(forge().arg("inspect").arg(two));
    let len = 2 * std::fs::metadata(&raw).unwrap().len();
    assert!(
        text.contains(&format!("content: {DISK}, {len} bytes")),
        "{text}"
    );
}

#[test]
fn a_manifest_is_held_against_the_files() {
    let Some(built) = Built::new(&["metal-amd64.ova"]) else {
        return;
    };
    let manifest = |image: &Json| {
        let parts = image["parts"].as_array().unwrap();
        let manifest = parts.iter().find(|part| part["name"] == "disk.mf").unwrap();
        lines(manifest)
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let found = manifest(&built.inspected("metal-amd64.ova"));
    assert_eq!(found.len(), 2, "{found:?}");
    for (line, name) in found.iter().zip(["disk.vmdk", "disk.ovf"]) {
        assert!(line.starts_with(&format!("SHA256({name})= ")) && line.ends_with(": true"));
    }
    // A word of the description: behind its header, which has a checksum.
    let file = File::options()
        .write(true)
        .open(built.path("metal-amd64.ova"));
    file.unwrap().write_all_at(b"<?XML", 512).unwrap();
    let found = manifest(&built.inspected("metal-amd64.ova"));
    assert!(found[0].ends_with(": true"), "{found:?}");
    assert!(found[1].contains(": FALSE, the file has "), "{found:?}");
}
