//! Disks in the containers of hypervisors, read back and held against qemu-img.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests are tests"
)]

#[path = "../images/mod.rs"]
pub mod images;
#[path = "../judges/mod.rs"]
pub mod judges;
mod vmdk_ova;

use std::{io::Read as _, path::Path};

use formats::{
    Digest, Extent, Layout,
    deflate::NO_PIECES,
    ova,
    qcow2::{self, ClusterSize},
    read_at::ReadAt,
    vhd, vmdk,
};
use images::{Blobs, verdict};
use judges::judge;
use proptest::prelude::*;
use vmdk_ova::{OVA, grains};

const MIB: u64 = 1 << 20;
const TIME: u32 = 1_559_424_892;

const VHD: vhd::Options = vhd::Options {
    created: TIME,
    unique_id: *b"0123456789abcdef",
};
const VMDK: vmdk::Options = vmdk::Options {
    content_id: *b"0123456789abcdef",
};

fn noise(len: usize) -> Vec<u8> {
    let byte = |index: usize| (index.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0] | 1;
    (0..len).map(byte).collect()
}

/// 80 MiB: a table at the start, files that begin and end anywhere, holes of every size, something in the last sector.
fn disk(blobs: &mut Blobs) -> Layout {
    let file = blobs.add(1, 3_000_001);
    let mut disk = Layout::new();
    disk.section("table");
    disk.bytes(noise(700));
    disk.pad_to(MIB);
    disk.section("file");
    disk.append(&file);
    disk.pad_to(5 * MIB);
    disk.push(Extent::Sequence {
        start: 3,
        step: 1,
        count: 50_000,
    });
    for gap in [512, 4096, 8192, 65_536, 100_000, 1_000_000, 20 * MIB] {
        disk.append(&file);
        disk.align(512);
        disk.zeros(gap);
    }
    disk.pad_to(80 * MIB - 512);
    disk.section("backup table");
    disk.bytes(noise(512));
    disk
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

fn blobs() -> Blobs {
    Blobs::default()
}

/// What qemu-img says when the image in `format` is checked and compared with the disk; `None` without qemu-img.
fn judged(blobs: &Blobs, disk: &Layout, image: &Layout, format: &str) -> Option<()> {
    judge("qemu-img")?;
    let (raw, image) = (blobs.write(disk), blobs.write(image));
    let run = |arguments: &[&str], paths: &[&Path]| {
        verdict(judge("qemu-img").unwrap().args(arguments).args(paths))
    };
    if format != "vpc" {
        let check = run(&["check", "-f", format], &[&image]);
        assert!(check.contains("No errors were found"), "{check}");
    }
    let same = run(&["compare", "-f", "raw", "-F", format], &[&raw, &image]);
    assert!(same.contains("Images are identical"), "{same}");
    let folder = tempfile::tempdir().unwrap();
    let back = folder.path().join("raw");
    run(&["convert", "-f", format, "-O", "raw"], &[&image, &back]);
    let (mut one, mut other) = (Vec::new(), Vec::new());
    std::fs::File::open(&raw)
        .unwrap()
        .read_to_end(&mut one)
        .unwrap();
    std::fs::File::open(&back)
        .unwrap()
        .read_to_end(&mut other)
        .unwrap();
    assert!(one == other);
    Some(())
}

#[test]
fn qemu_img_accepts_qcow2_images_of_every_cluster_size() {
    let mut blobs = blobs();
    let disk = disk(&mut blobs);
    for bits in 9..=21 {
        let image = qcow2::image(&disk, ClusterSize::new(1 << bits).unwrap());
        let read = qcow2::read(&blobs.source(&image), qcow2::Limits::default()).unwrap();
        assert_eq!(
            read.counted,
            image.len() >> bits,
            "every cluster is counted"
        );
        if judged(&blobs, &disk, &image, "qcow2").is_none() {
            return;
        }
    }
}

#[test]
fn a_disk_of_zeros_or_none_at_all_is_an_image_too() {
    for (len, data) in [(0, 0), (MIB, 0), (4247 * MIB, 0), (4247 * MIB, 1)] {
        let blobs = blobs();
        let mut disk = Layout::new();
        disk.zeros(len);
        disk.bytes(noise(data));
        disk.align(512);
        for size in [ClusterSize::new(8192).unwrap(), ClusterSize::DEFAULT] {
            let image = qcow2::image(&disk, size);
            assert!(image.len() <= 8 * size.bytes(), "{len}");
            assert_eq!(
                qcow2::read(&blobs.source(&image), qcow2::Limits::default())
                    .unwrap()
                    .header
                    .size
                    .get(),
                disk.len()
            );
        }
        let image = vmdk::image(&disk, VMDK, NO_PIECES);
        vmdk::read(&blobs.source(&image), vmdk::Limits::default()).unwrap();
    }
}

#[test]
fn cluster_sizes_are_powers_of_two() {
    for bytes in [0, 256, 1000, 3 << 12, 4 << 20] {
        assert!(ClusterSize::new(bytes).is_err(), "{bytes}");
    }
}

/// The header of the reference's image of 4247 MiB, but for what depends on how much data there is.
#[test]
fn a_qcow2_header_is_that_of_qemu_img() {
    let mut disk = Layout::new();
    disk.bytes(noise(5000));
    disk.pad_to(4_453_302_272);
    let blobs = blobs();
    let bytes = blobs.collect(&qcow2::image(&disk, ClusterSize::new(8192).unwrap()));
    let header = hex(&bytes[..112]);
    assert_eq!(
        header,
        "514649fb000000030000000000000000000000000000000d0000000109700000000000000000021300000000\
         0000600000000000000020000000000100000000000000000000000000000000000000000000000000000000\
         0000000000000000000000040000007000000000000000\
         00"
    );
    let names = hex(&bytes[112..120]);
    assert_eq!(names, "6803f85700000180");
    assert_eq!(bytes[168..170], [0, 1]);
    assert!(bytes[170..].starts_with(b"corrupt bit\0"));
}

#[test]
fn qemu_img_finds_the_disk_in_a_vhd() {
    let mut blobs = blobs();
    let disk = disk(&mut blobs);
    let image = vhd::image(&disk, VHD);
    assert_eq!(image.len(), disk.len() + 512);
    vhd::read(&blobs.source(&image)).unwrap();
    judged(&blobs, &disk, &image, "vpc");
}

#[test]
fn dumps_show_tables_and_runs() {
    let mut blobs = blobs();
    let disk = disk(&mut blobs);
    let image = qcow2::image(&disk, ClusterSize::new(8192).unwrap());
    insta::assert_snapshot!(
        "qcow2",
        qcow2::read(&blobs.source(&image), qcow2::Limits::default())
            .unwrap()
            .dump()
    );
    insta::assert_snapshot!("qcow2_layout", image.dump());
    let image = vhd::image(&disk, VHD);
    insta::assert_snapshot!("vhd", vhd::read(&blobs.source(&image)).unwrap().dump());
    let image = vmdk::image(&disk, VMDK, NO_PIECES);
    insta::assert_snapshot!(
        "vmdk",
        vmdk::read(&blobs.source(&image), vmdk::Limits::default())
            .unwrap()
            .dump()
    );
    insta::assert_snapshot!("vmdk_layout", image.dump());
    insta::assert_snapshot!("ova_layout", ova::archive(&disk, OVA, NO_PIECES).dump());
}

#[test]
fn the_bytes_of_small_images_are_pinned() {
    let blobs = blobs();
    let mut disk = Layout::new();
    disk.bytes(noise(5000));
    disk.pad_to(3 * MIB);
    disk.bytes(noise(512));
    disk.align(MIB);
    let pinned = [
        qcow2::image(&disk, ClusterSize::DEFAULT),
        qcow2::image(&disk, ClusterSize::new(8192).unwrap()),
        vhd::image(&disk, VHD),
        vmdk::image(&disk, VMDK, NO_PIECES),
    ]
    .map(|image| (image.len(), Digest::of(blobs.collect(&image)).to_string()));
    insta::assert_debug_snapshot!(pinned);
}

/// What qemu-img makes of the disk in `format`; `None` without qemu-img.
fn converted(raw: &Path, format: &str, options: &str) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    let mut convert = judge("qemu-img")?;
    convert.args(["convert", "-f", "raw", "-O", format, "-o", options]);
    verdict(convert.arg(raw).arg(&image));
    Some(std::fs::read(image).unwrap())
}

#[test]
fn images_of_qemu_img_read_back() {
    let mut blobs = blobs();
    let disk = disk(&mut blobs);
    let (raw, content) = (blobs.write(&disk), blobs.collect(&disk));
    for options in [
        "cluster_size=64k",
        "cluster_size=512",
        "preallocation=metadata",
    ] {
        let Some(bytes) = converted(&raw, "qcow2", options) else {
            return;
        };
        let image = qcow2::read(bytes.as_slice(), qcow2::Limits::default()).unwrap();
        let mut back = vec![0; content.len()];
        image.disk(bytes.as_slice()).read_at(0, &mut back).unwrap();
        assert!(back == content, "{options}");
    }
    let bytes = converted(&raw, "vmdk", "subformat=streamOptimized").unwrap();
    let image = vmdk::read(bytes.as_slice(), vmdk::Limits::default()).unwrap();
    assert!(grains(&bytes, &image) == content);
    let bytes = converted(&raw, "vpc", "subformat=fixed,force_size").unwrap();
    vhd::read(bytes.as_slice()).unwrap();
    assert!(bytes[..content.len()] == content);
}

#[test]
fn what_a_reader_does_not_follow_is_named() {
    let mut blobs = blobs();
    let disk = disk(&mut blobs);
    let raw = blobs.write(&disk);
    for (format, options, expected) in [
        ("qcow2", "compat=0.10", "unsupported qcow2 version: 0x2"),
        (
            "qcow2",
            "refcount_bits=1",
            "unsupported qcow2 refcount order: 0x0",
        ),
        (
            "qcow2",
            "extended_l2=on,cluster_size=128k",
            "unsupported qcow2 incompatible features: 0x10",
        ),
        (
            "vmdk",
            "subformat=monolithicSparse",
            "invalid VMDK version at offset 0x4: 0x1",
        ),
        (
            "vpc",
            "subformat=dynamic,force_size",
            "invalid type in the VHD footer at offset 0x",
        ),
    ] {
        let Some(bytes) = converted(&raw, format, options) else {
            return;
        };
        let error = match format {
            "qcow2" => qcow2::read(bytes.as_slice(), qcow2::Limits::default())
                .unwrap_err()
                .to_string(),
            "vmdk" => vmdk::read(bytes.as_slice(), vmdk::Limits::default())
                .unwrap_err()
                .to_string(),
            _ => vhd::read(bytes.as_slice()).unwrap_err().to_string(),
        };
        assert!(error.starts_with(expected), "{options}: {error}");
    }
}

fn extent() -> impl Strategy<Value = Extent> {
    prop_oneof![
        (1..40_000_usize).prop_map(|len| Extent::Bytes(noise(len).into())),
        (1..2_000_000_u64).prop_map(Extent::Zeros),
        (1..100_u64).prop_map(|count| Extent::Zeros(count * 65_536)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn tables_lead_to_the_bytes_of_the_disk(
        extents in proptest::collection::vec(extent(), 0..12),
        bits in 9..17_u32,
    ) {
        let blobs = blobs();
        let mut disk = Layout::new();
        for extent in extents {
            disk.push(extent);
        }
        disk.align(512);
        let raw = blobs.collect(&disk);
        let image = qcow2::image(&disk, ClusterSize::new(1 << bits).unwrap());
        let bytes = blobs.collect(&image);
        let read = qcow2::read(bytes.as_slice(), qcow2::Limits::default()).unwrap();
        let mut back = vec![0; raw.len()];
        read.disk(bytes.as_slice()).read_at(0, &mut back).unwrap();
        prop_assert!(back == raw);

        let bytes = blobs.collect(&vmdk::image(&disk, VMDK, NO_PIECES));
        let read = vmdk::read(bytes.as_slice(), vmdk::Limits::default()).unwrap();
        prop_assert!(grains(&bytes, &read)[..raw.len()] == raw);
    }

    #[test]
    fn damaged_images_never_panic(
        flips in proptest::collection::vec((0..9000_usize, any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let blobs = blobs();
        let mut disk = Layout::new();
        disk.bytes(noise(5000));
        disk.pad_to(MIB);
        for (format, image) in [
            qcow2::image(&disk, ClusterSize::new(512).unwrap()),
            vhd::image(&disk, VHD),
            vmdk::image(&disk, VMDK, NO_PIECES),
        ].into_iter().enumerate() {
            let mut bytes = blobs.collect(&image);
            for (index, value) in &flips {
                let index = index % bytes.len();
                bytes[index] = *value;
            }
            let cut = cut.index(2 * bytes.len());
            bytes.truncate(cut);
            match format {
                0 => qcow2::fuzz(&bytes),
                1 => vhd::fuzz(&bytes),
                _ => vmdk::fuzz(&bytes),
            }
        }
    }
}
