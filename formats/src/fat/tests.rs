use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::{Digest, Layout};

const EPOCH: i64 = 1_559_424_892;

/// A volume that mkfs.fat would not make: as small as the structures allow.
fn tiny(clusters: u32) -> Geometry {
    let fat_sectors = ((clusters + 2) * 4).div_ceil(512);
    let total_sectors = 8 + 2 * fat_sectors + clusters;
    Geometry {
        kind: Kind::Fat32,
        root_entries: 0,
        media: 0xf8,
        len: u64::from(total_sectors) * 512,
        bytes_per_sector: 512,
        sectors_per_cluster: 1,
        reserved_sectors: 8,
        fat_sectors,
        clusters,
        total_sectors,
        sectors_per_track: 32,
        heads: 8,
        hidden_sectors: 0,
    }
}

fn inline(content: &[u8]) -> Layout {
    let mut layout = Layout::new();
    layout.bytes(content.to_vec());
    layout
}

fn file(content: &[u8]) -> File {
    File {
        attributes: Attributes::ARCHIVE,
        content: inline(content),
    }
}

fn volume(geometry: Geometry, root: Directory) -> Volume {
    Volume {
        geometry,
        id: INVARIANT_ID,
        label: "EFI".parse().unwrap(),
        label_epoch: INVARIANT_EPOCH,
        epoch: EPOCH,
        root,
    }
}

fn collect(volume: &Volume) -> Vec<u8> {
    volume.layout().unwrap().collect(|_| Bytes::new())
}

fn esp() -> Volume {
    let mut root = Directory::default();
    root.insert("EFI/BOOT/BOOTX64.EFI", file(&[1; 700]))
        .unwrap();
    root.insert("EFI/Linux/Talos-v1.14.0.efi", file(&[2; 12_000]))
        .unwrap();
    root.insert("loader/loader.conf", file(b"timeout 10\n"))
        .unwrap();
    let seed = File {
        attributes: Attributes::ARCHIVE | Attributes::READ_ONLY,
        content: inline(&[0; 32]),
    };
    root.insert("loader/random-seed", seed).unwrap();
    root.insert("empty", file(b"")).unwrap();
    root.insert_directory("loader/keys/auto").unwrap();
    volume(tiny(60), root)
}

/// `efi.img` of an ISO that boots GRUB only.
fn floppy() -> Volume {
    let mut root = Directory::default();
    root.insert("efi/boot/bootx64.efi", file(&[1; 3000]))
        .unwrap();
    root.insert("efi/boot/bootaa64.efi", file(&[2; 1024]))
        .unwrap();
    root.insert("efi/boot/grub.cfg", file(b"x")).unwrap();
    Volume {
        label: Label::NONE,
        ..volume(Geometry::floppy(), root)
    }
}

#[test]
fn a_floppy_disk_reads_back_as_written() {
    let contents = read(collect(&floppy()).as_slice(), &Limits::default()).unwrap();
    insta::assert_snapshot!(contents.dump());
}

#[test]
fn the_layout_of_a_floppy_disk_is_metadata_between_contents() {
    insta::assert_snapshot!(floppy().layout().unwrap().dump());
    let digest = Digest::of(collect(&floppy())).hex();
    insta::assert_snapshot!(digest);
}

#[test]
fn a_floppy_disk_takes_what_it_has_room_for() {
    let filled = |len: usize| {
        let mut root = Directory::default();
        root.insert("file", file(&vec![7; len])).unwrap();
        Volume { root, ..floppy() }
    };
    let full = collect(&filled(2863 * 1024));
    let contents = read(full.as_slice(), &Limits::default()).unwrap();
    let run = &contents.entries[0].runs[0];
    assert_eq!((run.start, run.end), (34 * 512, 5760 * 512));
    let error = filled(2863 * 1024 + 1).layout().unwrap_err();
    assert_eq!(
        error,
        Error::DoesNotFit {
            needed: 2864,
            available: 2863
        }
    );
    let mut root = Directory::default();
    for index in 0..241 {
        root.insert(&format!("F{index}"), file(b"")).unwrap();
    }
    let error = Volume { root, ..floppy() }.layout().unwrap_err();
    assert_eq!(
        error,
        Error::DirectoryTooLarge {
            path: String::new(),
            slots: 241,
            max: 240
        }
    );
}

#[test]
fn an_esp_reads_back_as_written() {
    let contents = read(collect(&esp()).as_slice(), &Limits::default()).unwrap();
    insta::assert_snapshot!(contents.dump());
}

#[test]
fn the_layout_of_an_esp_is_metadata_between_contents() {
    insta::assert_snapshot!(esp().layout().unwrap().dump());
}

#[test]
fn small_volumes_have_the_bytes_they_had() {
    let mut names = Directory::default();
    for index in 0..12 {
        names
            .insert(&format!("a long name {index}"), file(b""))
            .unwrap();
    }
    let volumes = [
        esp(),
        volume(tiny(20), Directory::default()),
        volume(tiny(20), names),
    ];
    let digests = volumes.map(|volume| Digest::of(collect(&volume)).hex());
    assert_eq!(
        digests,
        [
            "21298df6f4c45fd604adc2a84674d74440b3b1cba3fe26eafa29a0a6948176cd",
            "90045beb5171afd54f272b5b3983311183ad72dbe459cd842205eb69842b267f",
            "e9e68c623f2de0c0c9657d734773222fa1ea41150a7ee5f60b818d24166e97c4"
        ]
    );
}

#[test]
fn chains_of_files_cost_nothing_however_long() {
    let digest = Digest::of(b"kernel");
    let mut content = Layout::new();
    content.blob(digest, 0, 3 << 30);
    let mut root = Directory::default();
    root.insert(
        "big",
        File {
            attributes: Attributes::ARCHIVE,
            content,
        },
    )
    .unwrap();
    let geometry = Geometry::mkfs(4 << 30, 512, ClusterSize::ByVolume).unwrap();
    let layout = volume(geometry, root).layout().unwrap();
    assert_eq!(layout.blobs(), [(digest, 0, 3 << 30)]);
    let inline: usize = layout
        .extents()
        .filter_map(|(_, extent)| match extent {
            crate::Extent::Bytes(bytes) => Some(bytes.len()),
            _ => None,
        })
        .sum();
    assert!(inline < 4096, "{inline} bytes of metadata");
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let mut root = Directory::default();
    root.insert("EFI/file", file(&[0; 512 * 20])).unwrap();
    let error = volume(tiny(21), root.clone()).layout().unwrap_err();
    assert_eq!(
        error,
        Error::DoesNotFit {
            needed: 22,
            available: 21
        }
    );
    assert!(volume(tiny(22), root.clone()).layout().is_ok());

    let exists = |path: &str| Error::Exists {
        path: path.to_owned(),
    };
    assert_eq!(root.insert("efi/other", file(b"")), Err(exists("efi")));
    assert_eq!(root.insert("EFI/FILE", file(b"")), Err(exists("EFI/FILE")));
    let inside = root.insert("EFI/file/more", file(b""));
    assert_eq!(
        inside,
        Err(Error::NotADirectory {
            path: "EFI/file".to_owned()
        })
    );
    assert!(matches!(
        root.insert("a//b", file(b"")),
        Err(Error::Name { .. })
    ));
    assert!(matches!(
        root.insert(&"a/".repeat(40), file(b"")),
        Err(Error::TooDeep { .. })
    ));

    let mut huge = Layout::new();
    huge.zeros(1 << 32);
    root.insert(
        "huge",
        File {
            attributes: Attributes::ARCHIVE,
            content: huge,
        },
    )
    .unwrap();
    let geometry = Geometry::mkfs(8 << 30, 512, ClusterSize::ByVolume).unwrap();
    let error = volume(geometry, root).layout().unwrap_err();
    assert_eq!(
        error,
        Error::FileTooLarge {
            path: "huge".to_owned(),
            len: 1 << 32
        }
    );

    for label in ["", "lower", "TWELVE CHARS", "É"] {
        assert!(label.parse::<Label>().is_err(), "{label:?}");
    }
    let mut early = volume(tiny(20), Directory::default());
    early.epoch = 0;
    assert_eq!(early.layout().unwrap_err(), Error::Date(0));
}

/// One word of the first FAT of [`esp`], replaced.
fn with_link(cluster: usize, next: u32) -> Vec<u8> {
    let mut bytes = collect(&esp());
    bytes[8 * 512 + cluster * 4..][..4].copy_from_slice(&next.to_le_bytes());
    bytes
}

#[test]
fn broken_chains_are_refused() {
    let contents = read(collect(&esp()).as_slice(), &Limits::default()).unwrap();
    let cluster = |path: &str| {
        contents
            .entries
            .iter()
            .find(|entry| entry.path == path)
            .unwrap()
            .cluster
    };
    let uki = cluster("EFI/Linux/Talos-v1.14.0.efi");
    let directory = cluster("EFI");
    let refused = |at: u32, next| {
        read(
            with_link(usize::try_from(at).unwrap(), next).as_slice(),
            &Limits::default(),
        )
        .unwrap_err()
    };
    assert!(
        matches!(refused(uki, uki), ReadError::ChainLength { .. }),
        "a circle"
    );
    assert!(
        matches!(refused(uki, 0x0fff_ffff), ReadError::ChainLength { .. }),
        "too short"
    );
    assert!(
        matches!(refused(uki, 0), ReadError::Cluster { cluster: 0, .. }),
        "free"
    );
    assert!(
        matches!(
            refused(uki, 10_000),
            ReadError::Cluster {
                cluster: 10_000,
                ..
            }
        ),
        "outside"
    );
    assert!(
        matches!(refused(directory, directory), ReadError::Shared { .. }),
        "a circle of a directory"
    );
}

/// Files of a few clusters under names that VFAT may or may not know.
fn files() -> impl Strategy<Value = BTreeMap<String, Vec<u8>>> {
    let name = "[a-zA-Z0-9 ._~é+-]{1,20}";
    let path = proptest::collection::vec(name, 1..4).prop_map(|names| names.join("/"));
    proptest::collection::btree_map(path, proptest::collection::vec(any::<u8>(), 0..1500), 0..12)
}

/// The files that the tree takes: the others are refused for their names, or because of one that came before.
fn tree(files: BTreeMap<String, Vec<u8>>) -> (Directory, BTreeMap<String, Vec<u8>>) {
    let mut root = Directory::default();
    let taken = files
        .into_iter()
        .filter(|(path, content)| root.insert(path, file(content)).is_ok())
        .collect();
    (root, taken)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_written_is_read(files in files(), floppy in any::<bool>()) {
        let (root, expected) = tree(files);
        let volume = if floppy { Volume { root, ..self::floppy() } } else { volume(tiny(300), root) };
        let bytes = collect(&volume);
        let contents = read(bytes.as_slice(), &Limits::default()).unwrap();
        let content = |entry: &Entry| -> Vec<u8> {
            let range = |run: &std::ops::Range<u64>| usize::try_from(run.start).unwrap()..usize::try_from(run.end).unwrap();
            entry.runs.iter().flat_map(|run| bytes[range(run)].to_vec()).collect()
        };
        let files = contents.entries.iter().filter(|entry| !entry.attributes.contains(Attributes::DIRECTORY));
        let found: BTreeMap<String, Vec<u8>> = files.map(|entry| (entry.path.clone(), content(entry))).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn damaged_volumes_are_read_or_refused(
        damage in proptest::collection::vec((0..20_000usize, any::<u8>()), 1..20),
        len in 0..32_000usize,
        floppy in any::<bool>(),
    ) {
        let mut bytes = collect(&if floppy { self::floppy() } else { esp() });
        for (offset, byte) in damage {
            bytes[offset] = byte;
        }
        fuzz(&bytes);
        bytes.truncate(len);
        fuzz(&bytes);
    }
}
