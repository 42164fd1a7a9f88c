//! FAT32 and FAT12 volumes before the judges: fsck.fat, mtools, fatfs, and mkfs.fat and mformat for the geometry.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests are tests"
)]

mod images;
pub mod judges;

use std::{fs, io::Read as _};

use formats::{
    Layout,
    fat::{self, Attributes, ClusterSize, Directory, File, Geometry, Label, Volume},
    read_at::ReadAt as _,
};
use images::{Blobs, verdict};
use judges::judge;

const MIB: u64 = 1 << 20;

fn volume(geometry: Geometry, root: Directory) -> Layout {
    let volume = Volume {
        geometry,
        id: fat::INVARIANT_ID,
        label: "EFI".parse().unwrap(),
        label_epoch: fat::INVARIANT_EPOCH,
        epoch: 1_559_424_892,
        root,
    };
    volume.layout().unwrap()
}

/// Long names, short names, colliding ones, an empty file, files around the border of a cluster, a directory of several.
fn root(blobs: &mut Blobs) -> Directory {
    let mut root = Directory::default();
    let mut add = |path: &str, seed, len| {
        let content = blobs.add(seed, len);
        root.insert(
            path,
            File {
                attributes: Attributes::ARCHIVE,
                content,
            },
        )
        .unwrap();
    };
    add("EFI/BOOT/BOOTX64.EFI", 1, 124_416);
    add("EFI/Linux/Talos-v1.14.0.efi", 2, 10_000_001);
    add("loader/loader.conf", 3, 65);
    add("loader/keys/auto/PK.auth", 4, 1024);
    add("loader/keys/auto/db.auth", 5, 1023);
    add("loader/keys/auto/KEK.auth", 6, 1025);
    add("empty.txt", 7, 0);
    add("größe: no".replace(':', "").as_str(), 8, 512);
    for index in 0..300 {
        add(
            &format!("many/a file with a long name, number {index}.text"),
            9 + index,
            700,
        );
    }
    let content = blobs.add_bytes(vec![0; 32]);
    let attributes = Attributes::ARCHIVE | Attributes::READ_ONLY;
    root.insert(
        "loader/random-seed",
        File {
            attributes,
            content,
        },
    )
    .unwrap();
    root
}

fn geometries() -> Vec<Geometry> {
    let iso = |mib: u64| Geometry::mkfs(mib * MIB, 512, fat::iso_esp_cluster(mib * MIB)).unwrap();
    let disk = |mib: u64, sector| Geometry::partition(mib * MIB, sector).unwrap();
    vec![
        iso(33),
        iso(66),
        iso(132),
        iso(264),
        iso(600),
        disk(100, 512),
        disk(1101, 512),
        disk(2101, 4096),
    ]
}

#[test]
fn fsck_has_nothing_to_say() {
    let mut blobs = Blobs::default();
    let root = root(&mut blobs);
    for geometry in geometries() {
        let Some(mut fsck) = judge("fsck.fat") else {
            return;
        };
        let path = blobs.write(&volume(geometry, root.clone()));
        let text = verdict(fsck.args(["-n", "-v"]).arg(&path));
        let files = text.lines().last().unwrap();
        assert!(files.contains("317 files"), "{text}");
        for complaint in [
            "differ",
            "Dirty",
            "Warning",
            "WARNING",
            "Wrong",
            "incorrect",
            "nitial",
            "reclaim",
        ] {
            assert!(!text.contains(complaint), "{complaint}: {text}");
        }
    }
}

/// `efi.img` of an ISO that boots GRUB only.
fn floppy(blobs: &mut Blobs) -> Layout {
    let mut root = Directory::default();
    for (path, seed, len) in FLOPPY_FILES {
        let content = blobs.add(seed, len);
        let attributes = Attributes::ARCHIVE;
        let file = File {
            attributes,
            content,
        };
        root.insert(path, file).unwrap();
    }
    let volume = Volume {
        geometry: Geometry::floppy(),
        id: 0x1234_5678,
        label: Label::NONE,
        label_epoch: fat::INVARIANT_EPOCH,
        epoch: 1_559_424_892,
        root,
    };
    volume.layout().unwrap()
}

const FLOPPY_FILES: [(&str, u32, usize); 3] = [
    ("efi/boot/bootaa64.efi", 1, 700_001),
    ("efi/boot/bootx64.efi", 2, 1_200_000),
    ("efi/boot/fallback options.csv", 3, 512),
];

#[test]
fn judges_accept_a_floppy_disk() {
    let mut blobs = Blobs::default();
    let layout = floppy(&mut blobs);
    let path = blobs.write(&layout);
    let (Some(mut fsck), Some(mut minfo)) = (judge("fsck.fat"), judge("minfo")) else {
        return;
    };
    let text = verdict(fsck.args(["-n", "-v"]).arg(&path));
    assert!(text.contains("5 files, 1859/2863 clusters"), "{text}");
    for complaint in ["differ", "Dirty", "arning", "Wrong", "incorrect", "reclaim"] {
        assert!(!text.contains(complaint), "{complaint}: {text}");
    }
    let text = verdict(minfo.arg("-i").arg(&path).arg("::"));
    for line in [
        "disk type=\"FAT12   \"",
        "max available root directory slots: 240",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }

    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let theirs = fatfs::FileSystem::new(file, fatfs::FsOptions::new()).unwrap();
    assert_eq!(theirs.fat_type(), fatfs::FatType::Fat12);
    for (path, seed, len) in FLOPPY_FILES {
        let mut bytes = Vec::new();
        theirs
            .root_dir()
            .open_file(path)
            .unwrap()
            .read_to_end(&mut bytes)
            .unwrap();
        let content = blobs.add(seed, len);
        assert!(bytes == blobs.collect(&content), "{path}");
    }
}

/// What mformat and mcopy make of the same files, but for the boot program, the maker's name, and a partition table within the
/// boot sector.
#[test]
fn a_floppy_disk_is_that_of_mtools() {
    let mut blobs = Blobs::default();
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("efi.img");
    let (Some(mut mformat), Some(mut mmd)) = (judge("mformat"), judge("mmd")) else {
        return;
    };
    verdict(
        mformat
            .args(["-C", "-f", "2880", "-L", "16", "-N", "12345678", "-i"])
            .arg(&image)
            .arg("::"),
    );
    verdict(mmd.arg("-i").arg(&image).args(["::efi", "::efi/boot"]));
    for (path, seed, len) in FLOPPY_FILES {
        let Some(mut mcopy) = judge("mcopy") else {
            return;
        };
        let source = folder.path().join("source");
        let content = blobs.add(seed, len);
        fs::write(&source, blobs.collect(&content)).unwrap();
        verdict(
            mcopy
                .arg("-i")
                .arg(&image)
                .arg(&source)
                .arg(format!("::{path}")),
        );
    }
    let theirs = fs::read(&image).unwrap();
    let layout = floppy(&mut blobs);
    let ours = blobs.collect(&layout);
    assert_eq!(ours.len(), theirs.len());
    assert_eq!(ours[..3], theirs[..3], "jump");
    assert_eq!(ours[11..62], theirs[11..62], "boot sector");
    assert_eq!(ours[512..19 * 512], theirs[512..19 * 512], "FATs");
    // The directories have other dates.
    assert!(ours[38 * 512..] == theirs[38 * 512..], "files");
}

/// FAT32 by its boot sector, FAT16 by the count of its clusters, as the reference makes it.
#[test]
fn a_small_partition_of_large_sectors_is_read_as_fat32() {
    let mut blobs = Blobs::default();
    let root = root(&mut blobs);
    let layout = volume(Geometry::partition(100 * MIB, 4096).unwrap(), root);
    let contents = fat::read(&blobs.source(&layout), &fat::Limits::default()).unwrap();
    assert_eq!(
        (contents.kind, contents.clusters),
        (fat::Kind::Fat32, 25_518)
    );
    let Some(mut fsck) = judge("fsck.fat") else {
        return;
    };
    let path = blobs.write(&layout);
    let text = verdict(fsck.args(["-n", "-v"]).arg(&path));
    assert!(text.contains("317 files"), "{text}");
    assert!(
        text.contains("Filesystem is FAT32 according to fat_length"),
        "{text}"
    );
}

#[test]
fn mtools_lists_names_and_copies_contents() {
    let mut blobs = Blobs::default();
    let root = root(&mut blobs);
    let path = blobs.write(&volume(geometries()[1], root.clone()));
    let (Some(mut mdir), Some(mut mcopy), Some(mut mattrib)) =
        (judge("mdir"), judge("mcopy"), judge("mattrib"))
    else {
        return;
    };
    let listing = verdict(mdir.args(["-/", "-b", "-i"]).arg(&path).arg("::"));
    for name in [
        "::/EFI/BOOT/BOOTX64.EFI",
        "::/EFI/Linux/Talos-v1.14.0.efi",
        "::/loader/keys/auto/db.auth",
        "::/empty.txt",
    ] {
        assert!(
            listing.lines().any(|line| line == name),
            "{name}: {listing}"
        );
    }
    assert_eq!(
        listing
            .lines()
            .filter(|line| line.starts_with("::/many/a file"))
            .count(),
        300
    );
    let attributes = verdict(mattrib.args(["-/", "-i"]).arg(&path).arg("::/loader"));
    assert!(
        attributes
            .lines()
            .any(|line| line == "  A    R     ::/loader/random-seed"),
        "{attributes}"
    );

    let folder = tempfile::tempdir().unwrap();
    verdict(
        mcopy
            .args(["-s", "-Q", "-i"])
            .arg(&path)
            .arg("::/EFI")
            .arg("::/loader")
            .arg("::/many")
            .arg(folder.path()),
    );
    let content = |path: &str| fs::read(folder.path().join(path)).unwrap();
    let mut expected = |seed, len| {
        let layout = blobs.add(seed, len);
        blobs.collect(&layout)
    };
    assert_eq!(
        content("EFI/Linux/Talos-v1.14.0.efi"),
        expected(2, 10_000_001)
    );
    assert_eq!(content("loader/keys/auto/KEK.auth"), expected(6, 1025));
    assert_eq!(
        content("many/a file with a long name, number 299.text"),
        expected(308, 700)
    );
}

#[test]
fn fatfs_and_our_reader_find_the_same() {
    let mut blobs = Blobs::default();
    let root = root(&mut blobs);
    // It reads unbuffered, which takes long on large volumes.
    for geometry in geometries().into_iter().take(3) {
        let layout = volume(geometry, root.clone());
        let contents = fat::read(&blobs.source(&layout), &fat::Limits::default()).unwrap();
        let path = blobs.write(&layout);
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        let theirs = fatfs::FileSystem::new(file, fatfs::FsOptions::new()).unwrap();
        assert_eq!(theirs.volume_id(), fat::INVARIANT_ID);
        assert_eq!(
            theirs.read_volume_label_from_root_dir().unwrap().as_deref(),
            Some("EFI")
        );
        let stats = theirs.stats().unwrap();
        assert_eq!(stats.total_clusters(), contents.clusters);
        assert_eq!(stats.free_clusters(), contents.fs_info.unwrap().free.get());
        for entry in contents
            .entries
            .iter()
            .filter(|entry| !entry.attributes.contains(Attributes::DIRECTORY))
        {
            let mut bytes = Vec::new();
            theirs
                .root_dir()
                .open_file(&entry.path)
                .unwrap()
                .read_to_end(&mut bytes)
                .unwrap();
            let runs = entry
                .runs
                .iter()
                .flat_map(|run| blobs.collect(&layout.slice(run.clone())));
            assert!(runs.eq(bytes), "{}", entry.path);
        }
    }
}

/// The boot sector and FSInfo of mkfs.fat, but for its boot program, and for FSInfo's hint once files are there.
#[test]
fn an_empty_volume_is_that_of_mkfs_fat() {
    for mib in [33, 100, 257, 300, 505, 1101] {
        for (sectors, flag) in [(1, "1"), (2, "2"), (8, "8")] {
            let cluster = ClusterSize::Sectors(sectors);
            if let Ok(geometry) = Geometry::mkfs(mib * MIB, 512, cluster) {
                compare_with_mkfs(geometry, &["-s", flag]);
            }
        }
    }
    for mib in [100, 1101, 2101] {
        for (sector, flag) in [(512, "512"), (4096, "4096")] {
            let geometry = Geometry::partition(mib * MIB, sector).unwrap();
            compare_with_mkfs(geometry, &["-S", flag]);
        }
    }
}

fn compare_with_mkfs(geometry: Geometry, options: &[&str]) {
    let Some(mut mkfs) = judge("mkfs.fat") else {
        return;
    };
    let theirs = tempfile::NamedTempFile::new().unwrap();
    theirs.as_file().set_len(geometry.len).unwrap();
    verdict(
        mkfs.args(["-F", "32", "-n", "EFI", "--invariant"])
            .args(options)
            .arg(theirs.path()),
    );
    let mut expected = vec![0; usize::try_from(geometry.data_offset()).unwrap() + 64];
    fs::File::open(theirs.path())
        .unwrap()
        .read_exact(&mut expected)
        .unwrap();
    let blobs = Blobs::default();
    let layout = volume(geometry, Directory::default());
    assert_eq!(layout.len(), geometry.len);
    let mut ours = vec![0; expected.len()];
    blobs.source(&layout).read_at(0, &mut ours).unwrap();
    let copy = 6 * usize::from(geometry.bytes_per_sector);
    let program = |bytes: &mut [u8]| {
        bytes[0x5a..0x1fe].fill(0);
        bytes[copy + 0x5a..copy + 0x1fe].fill(0);
    };
    program(&mut ours);
    program(&mut expected);
    let differing = ours
        .iter()
        .zip(&expected)
        .position(|(ours, theirs)| ours != theirs);
    assert_eq!(differing, None, "{options:?}, {geometry:?}");
}
