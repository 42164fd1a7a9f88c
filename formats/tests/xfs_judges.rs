//! XFS volumes before the judges: xfs_repair, xfs_db, GRUB, and the kernel.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests are tests"
)]

mod images;
pub mod judges;

use std::{io::Write as _, path::Path};

use formats::{
    Layout,
    read_at::ReadAt as _,
    xfs::{Directory, File, Volume},
};
use images::{Blobs, verdict};
use judges::judge;

const MIB: u64 = 1 << 20;
const UUID: [u8; 16] = [
    0x24, 0xc7, 0x30, 0x76, 0x40, 0x92, 0x85, 0xdd, 0x9d, 0x98, 0x68, 0x6a, 0x2d, 0xbf, 0x6d, 0x81,
];
const CONFIGURATION: &[u8] = b"set default=\"A\"\nset timeout=3\n";
/// Lengths of boot partitions of the specification, and the least that mkfs.xfs makes, with both sizes of sectors.
const VOLUMES: [(u64, u16); 5] = [
    (300, 512),
    (1000, 512),
    (1000, 4096),
    (2000, 512),
    (2000, 4096),
];

fn volume(mib: u64, sector_len: u16, root: &Directory) -> Layout {
    let volume = Volume {
        len: mib * MIB,
        sector_len,
        uuid: UUID,
        label: "BOOT".parse().unwrap(),
        epoch: 1_559_424_892,
        root: root.clone(),
    };
    volume.layout().unwrap()
}

fn file(content: Layout) -> File {
    File {
        mode: 0o644,
        content,
    }
}

/// The boot partition of a disk.
fn boot(blobs: &mut Blobs) -> Directory {
    let mut root = Directory::new(0o755);
    root.insert("A/vmlinuz", file(blobs.add(1, 14_149_568)))
        .unwrap();
    root.insert("A/initramfs.xz", file(blobs.add(2, 30_000_001)))
        .unwrap();
    root.insert_directory("grub", 0o700).unwrap();
    let content = blobs.add_bytes(CONFIGURATION);
    root.insert(
        "grub/grub.cfg",
        File {
            mode: 0o600,
            content,
        },
    )
    .unwrap();
    root
}

/// Also what boot partitions rarely have: a directory of a block, an empty one, an empty file, depth, more directories than
/// groups, more inodes than a chunk, a file of several groups.
fn odd(blobs: &mut Blobs, large: u64) -> Directory {
    let mut root = boot(blobs);
    for index in 0..19 {
        let content = blobs.add(100 + index, 5000);
        root.insert(&format!("EFI/firmware{index:02}.dat"), file(content))
            .unwrap();
    }
    for index in 0..70 {
        let content = blobs.add(200 + index, 1);
        root.insert(&format!("EFI/dtb/board number {index}.dtb"), file(content))
            .unwrap();
    }
    root.insert_directory("empty directory", 0o1777).unwrap();
    root.insert("a/b/c/d/e/empty", file(Layout::new())).unwrap();
    root.insert(&"n".repeat(255), file(blobs.add(3, 4096)))
        .unwrap();
    // Zeros between marks, so that the test needs no space.
    let mut content = blobs.add(4, 10_000);
    content.pad_to(large / 2);
    content.append(&blobs.add(5, 10_000));
    content.pad_to(large - 10_000);
    content.append(&blobs.add(6, 10_000));
    root.insert("A/large", file(content)).unwrap();
    root
}

#[test]
fn repair_finds_nothing() {
    let mut blobs = Blobs::default();
    let root = boot(&mut blobs);
    for (mib, sector) in VOLUMES {
        repair(&blobs.write(&volume(mib, sector, &root)));
    }
    for (mib, sector, large) in [(1000, 512, 700), (2000, 4096, 1800)] {
        let root = odd(&mut blobs, large * MIB + 1);
        repair(&blobs.write(&volume(mib, sector, &root)));
    }
    repair(&blobs.write(&volume(300, 512, &Directory::default())));
}

fn repair(path: &Path) {
    let Some(mut repair) = judge("xfs_repair") else {
        return;
    };
    verdict(repair.args(["-n", "-f"]).arg(path));
}

#[test]
fn every_group_starts_with_the_superblock() {
    let mut blobs = Blobs::default();
    let layout = volume(2000, 512, &boot(&mut blobs));
    let sector = |group: u64| {
        let mut sector = [0; 512];
        let offset = group * 500 * MIB;
        blobs.source(&layout).read_at(offset, &mut sector).unwrap();
        sector
    };
    assert!(sector(0).starts_with(b"XFSB"));
    for group in 1..4 {
        assert_eq!(sector(group), sector(0));
    }
}

#[test]
fn grub_reads_every_file() {
    let mut blobs = Blobs::default();
    for (mib, sector) in VOLUMES {
        let root = boot(&mut blobs);
        let path = blobs.write(&volume(mib, sector, &root));
        grub_compares(&mut blobs, &path, "/A/vmlinuz", 1, 14_149_568);
        grub_compares(&mut blobs, &path, "/A/initramfs.xz", 2, 30_000_001);
        let Some(mut grub) = judge("grub-fstest") else {
            return;
        };
        let text = verdict(grub.arg(&path).args(["cat", "(loop0)/grub/grub.cfg"]));
        assert_eq!(text.as_bytes(), CONFIGURATION);
    }
    let root = odd(&mut blobs, 700 * MIB + 1);
    let path = blobs.write(&volume(1000, 512, &root));
    grub_compares(&mut blobs, &path, "/EFI/firmware18.dat", 118, 5000);
    grub_compares(&mut blobs, &path, "/EFI/dtb/board number 69.dtb", 269, 1);
    let Some(mut grub) = judge("grub-fstest") else {
        return;
    };
    let listing = verdict(grub.arg(&path).args(["ls", "(loop0)/EFI/dtb/"]));
    assert_eq!(listing.matches("board number").count(), 70, "{listing}");
}

fn grub_compares(blobs: &mut Blobs, image: &Path, path: &str, seed: u32, len: usize) {
    let Some(mut grub) = judge("grub-fstest") else {
        return;
    };
    let content = blobs.add(seed, len);
    let mut expected = tempfile::NamedTempFile::new().unwrap();
    expected.write_all(&blobs.collect(&content)).unwrap();
    verdict(
        grub.arg(image)
            .arg("cmp")
            .arg(format!("(loop0){path}"))
            .arg(expected.path()),
    );
}
