use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::{geometry::Geometry, *};
use crate::{Digest, Layout};

const EPOCH: i64 = 1_559_424_892;
const BLOCK: usize = 4096;

/// Volumes that mkfs.xfs would not make: as small as the structures allow.
fn tiny(ag_blocks: u64, sector_len: u16) -> Geometry {
    Geometry::with_log(4 * ag_blocks * 4096, sector_len, 8).unwrap()
}

fn inline(content: &[u8]) -> Layout {
    let mut layout = Layout::new();
    layout.bytes(content.to_vec());
    layout
}

fn file(content: &[u8]) -> File {
    File {
        mode: 0o644,
        content: inline(content),
    }
}

fn volume(root: Directory) -> Volume {
    Volume {
        len: 0,
        sector_len: 512,
        uuid: *b"0123456789abcdef",
        label: "BOOT".parse().unwrap(),
        epoch: EPOCH,
        root,
    }
}

fn of(root: Directory, geometry: &Geometry) -> Result<Layout, Error> {
    let volume = Volume {
        len: geometry.len,
        sector_len: geometry.sector_len,
        ..volume(root)
    };
    volume.with_geometry(geometry)
}

fn collect(layout: &Layout) -> Vec<u8> {
    layout.collect(|_| Bytes::new())
}

fn boot() -> Directory {
    let mut root = Directory::new(0o755);
    root.insert("A/vmlinuz", file(&[1; 10_000])).unwrap();
    root.insert("A/initramfs.xz", file(&vec![2; 100_000]))
        .unwrap();
    root.insert_directory("grub", 0o700).unwrap();
    let configuration = File {
        mode: 0o600,
        content: inline(b"set timeout=3\n"),
    };
    root.insert("grub/grub.cfg", configuration).unwrap();
    for index in 0..20 {
        root.insert(&format!("EFI/firmware{index:02}.dat"), file(b"x"))
            .unwrap();
    }
    root.insert("EFI/empty", file(b"")).unwrap();
    root
}

#[test]
fn a_boot_partition_reads_back_as_written() {
    let bytes = collect(&of(boot(), &tiny(48, 512)).unwrap());
    let contents = read(bytes.as_slice(), &Limits::default()).unwrap();
    insta::assert_snapshot!(contents.dump());
}

#[test]
fn the_layout_of_a_boot_partition_is_metadata_between_contents() {
    insta::assert_snapshot!(of(boot(), &tiny(48, 512)).unwrap().dump());
}

#[test]
fn small_volumes_have_the_bytes_they_had() {
    let volumes = [
        of(boot(), &tiny(48, 512)),
        of(boot(), &tiny(48, 4096)),
        of(Directory::default(), &tiny(40, 512)),
        of(folder(130, 12), &tiny(200, 512)),
        of(folder(600, 12), &tiny(400, 4096)),
    ];
    let digests = volumes.map(|layout| Digest::of(collect(&layout.unwrap())).hex());
    insta::assert_debug_snapshot!(digests);
}

#[test]
fn a_large_volume_costs_its_metadata_only() {
    let digest = Digest::of(b"initramfs");
    let mut content = Layout::new();
    content.blob(digest, 0, 700 << 20);
    let mut root = boot();
    root.insert(
        "A/large",
        File {
            mode: 0o644,
            content,
        },
    )
    .unwrap();
    let volume = Volume {
        len: 2000 << 20,
        ..volume(root)
    };
    let layout = volume.layout().unwrap();
    assert_eq!(layout.len(), 2000 << 20);
    // What the first group had room for, and the rest.
    let ranges = layout.blobs();
    assert_eq!(ranges.len(), 2);
    assert_eq!((ranges[0].1, ranges[1].1), (0, ranges[0].2));
    assert_eq!(ranges[0].2 + ranges[1].2, 700 << 20);
    let inline = |(_, extent): (u64, &crate::Extent)| match extent {
        crate::Extent::Bytes(bytes) => bytes.len(),
        _ => 0,
    };
    let metadata: usize = layout.extents().map(inline).sum();
    assert!(metadata < 512 << 10, "{metadata} bytes of metadata");
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let mut root = Directory::default();
    root.insert("file", file(&vec![0; 76 * BLOCK + 1])).unwrap();
    let error = of(root.clone(), &tiny(40, 512)).unwrap_err();
    let found = match error {
        Error::DoesNotFit { needed, available } => (needed, available),
        other => panic!("{other}"),
    };
    // 40 − 24 − 8, twice 40 − 10 − 8, 40 − 18 − 8.
    assert_eq!(found, (77, 8 + 22 + 14 + 22));

    let exists = root.insert("file", file(b""));
    assert_eq!(
        exists,
        Err(Error::Exists {
            path: "file".to_owned()
        })
    );
    let inside = root.insert("file/more", file(b""));
    assert_eq!(
        inside,
        Err(Error::NotADirectory {
            path: "file".to_owned()
        })
    );
    for (path, problem) in [
        ("a//b", NameProblem::Empty),
        ("../b", NameProblem::Dots),
        ("a/.", NameProblem::Dots),
        ("a\0", NameProblem::Zero),
        (&"n".repeat(256), NameProblem::TooLong),
    ] {
        let error = root.insert(path, file(b"")).unwrap_err();
        assert!(
            matches!(error, Error::Name { problem: found, .. } if found == problem),
            "{error}"
        );
    }
    assert!(matches!(
        root.insert(&"a/".repeat(40), file(b"")),
        Err(Error::TooDeep { .. })
    ));

    for label in ["", "THIRTEEN_CHAR", "a b", "É"] {
        assert!(label.parse::<Label>().is_err(), "{label:?}");
    }
    let small = volume(Directory::default()).layout().unwrap_err();
    assert!(matches!(small, Error::VolumeTooSmall { len: 0, .. }));
    let early = Volume {
        len: 300 << 20,
        epoch: i64::MIN,
        ..volume(Directory::default())
    };
    assert_eq!(early.layout().unwrap_err(), Error::Date(i64::MIN));
}

#[test]
fn a_full_volume_keeps_eight_blocks_of_each_group() {
    let geometry = tiny(40, 512);
    let mut root = Directory::default();
    root.insert("file", file(&vec![7; 66 * BLOCK])).unwrap();
    let bytes = collect(&of(root, &geometry).unwrap());
    let contents = read(bytes.as_slice(), &Limits::default()).unwrap();
    // The rest of the first group lies before its inodes.
    let free = contents
        .groups
        .iter()
        .map(|group| group.free_space.free_blocks.get());
    assert_eq!(free.collect::<Vec<_>>(), [8 + 6, 8, 8, 8]);
    let file = &contents.entries[1];
    assert_eq!(file.runs.len(), 4);
    assert_eq!(content(&bytes, file), vec![7; 66 * BLOCK]);
}

fn content(bytes: &[u8], entry: &Entry) -> Vec<u8> {
    let mut content = vec![0; usize::try_from(entry.len).unwrap()];
    for run in &entry.runs {
        let [from, to, len] =
            [run.offset, run.file_offset, run.len].map(|n| usize::try_from(n).unwrap());
        content[to..to + len].copy_from_slice(&bytes[from..from + len]);
    }
    content
}

/// Names of a length of their own, none of which is another's.
fn names(count: usize, len: usize) -> impl Iterator<Item = String> {
    (0..count).map(move |index| format!("{index:05}{}", "x".repeat(len - 5)))
}

/// A directory of empty files.
fn folder(count: usize, len: usize) -> Directory {
    let mut root = Directory::default();
    for name in names(count, len) {
        root.insert(&format!("d/{name}"), file(b"")).unwrap();
    }
    root
}

#[test]
fn directories_of_every_form_are_read_as_written() {
    // One block; one leaf above one and three blocks; a leaf alone that has no room for what is free; a root above leaves.
    for (count, len) in [
        (124, 12),
        (125, 12),
        (166, 12),
        (500, 12),
        (501, 12),
        (502, 12),
        (503, 12),
        (3000, 255),
    ] {
        let bytes = collect(&of(folder(count, len), &tiny(1000, 512)).unwrap());
        let contents = read(bytes.as_slice(), &Limits::default()).unwrap();
        assert!(contents.wrong_checksums.is_empty());
        let found = contents.entries.iter();
        let found: Vec<String> = found
            .filter_map(|entry| entry.path.strip_prefix("d/"))
            .map(str::to_owned)
            .collect();
        assert_eq!(found, names(count, len).collect::<Vec<_>>());
    }
}

/// A directory whose blocks and index lie in several groups.
#[test]
fn a_directory_goes_on_in_the_next_group() {
    let mut root = Directory::default();
    root.insert("A/fill", file(&vec![7; 20 * BLOCK])).unwrap();
    // Inodes of 125 blocks, 67 of entries.
    for name in names(1000, 250) {
        root.insert(&format!("A/d/{name}"), file(b"")).unwrap();
    }
    let geometry = tiny(200, 512);
    let bytes = collect(&of(root, &geometry).unwrap());
    let contents = read(bytes.as_slice(), &Limits::default()).unwrap();
    assert!(contents.wrong_checksums.is_empty());
    let directory = contents.entries.iter().find(|entry| entry.path == "A/d");
    let group = |offset: u64| offset / (200 * 4096);
    let runs = &directory.unwrap().runs;
    assert!(runs.len() > 1, "{runs:?}");
    assert!(group(runs[0].offset) != group(runs[1].offset), "{runs:?}");
    assert_eq!(contents.entries.len(), 1000 + 4);
}

#[test]
fn damage_is_refused_or_told() {
    let bytes = collect(&of(boot(), &tiny(48, 512)).unwrap());
    let first = read(bytes.as_slice(), &Limits::default()).unwrap();
    assert!(first.wrong_checksums.is_empty());
    let with = |offset: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[offset] = byte;
        read(bytes.as_slice(), &Limits::default())
    };
    let inode = 17 * BLOCK - BLOCK;
    for (offset, expected) in [
        (108, "superblock"),
        (512 + 52, "header of free space of group 0"),
        (1024 + 28, "header of inodes of group 0"),
        (inode + 92, "inode 128"),
    ] {
        let contents = with(offset, 0x55).unwrap();
        assert_eq!(contents.wrong_checksums, [expected]);
    }
    let refused = |offset, byte| with(offset, byte).unwrap_err();
    assert!(matches!(
        refused(0, b'Y'),
        ReadError::Field { field: "magic", .. }
    ));
    assert!(matches!(
        refused(218, 1),
        ReadError::Field {
            field: "incompatible features",
            ..
        }
    ));
    assert!(matches!(
        refused(15, 255),
        ReadError::Field {
            field: "blocks",
            ..
        }
    ));
    assert!(matches!(
        refused(512, 0),
        ReadError::Header { offset: 512, .. }
    ));
    assert!(matches!(
        refused(inode, 0),
        ReadError::Inode { inode: 128, .. }
    ));
    assert!(matches!(
        refused(inode + 176, 200),
        ReadError::Directory { .. }
    ));
    let cut = read(&bytes[..bytes.len() - 1], &Limits::default()).unwrap_err();
    assert!(matches!(cut, ReadError::Truncated { .. }));
    let few = Limits {
        entries: 3,
        ..Limits::default()
    };
    let error = read(bytes.as_slice(), &few).unwrap_err();
    assert!(matches!(error, ReadError::Limit { limit: 3, .. }));
}

/// As [`fuzz`] takes volumes: without the trees.
fn input(bytes: &[u8]) -> Vec<u8> {
    let part = |range: std::ops::Range<usize>| bytes.get(range).unwrap_or_default();
    [part(0..BLOCK), part(16 * BLOCK..bytes.len())].concat()
}

/// Files of a few blocks.
fn files() -> impl Strategy<Value = BTreeMap<String, Vec<u8>>> {
    let name = "[a-zA-Z0-9 ._~é+-]{1,40}";
    let path = proptest::collection::vec(name, 1..4).prop_map(|names| names.join("/"));
    proptest::collection::btree_map(path, proptest::collection::vec(any::<u8>(), 0..9000), 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_written_is_read(files in files(), sector in prop_oneof![Just(512), Just(4096)]) {
        let mut root = Directory::default();
        let expected: BTreeMap<String, Vec<u8>> = files
            .into_iter()
            .filter(|(path, content)| root.insert(path, file(content)).is_ok())
            .collect();
        let bytes = collect(&of(root, &tiny(120, sector)).unwrap());
        let contents = read(bytes.as_slice(), &Limits::default()).unwrap();
        prop_assert!(contents.wrong_checksums.is_empty());
        let files = contents.entries.iter().filter(|entry| entry.mode == 0o100_644);
        let found: BTreeMap<String, Vec<u8>> =
            files.map(|entry| (entry.path.clone(), content(&bytes, entry))).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn damaged_volumes_are_read_or_refused(
        damage in proptest::collection::vec((0..30 * BLOCK, any::<u8>()), 1..20),
        len in 0..100 * BLOCK,
    ) {
        let mut bytes = collect(&of(boot(), &tiny(48, 512)).unwrap());
        for (offset, byte) in damage {
            bytes[offset] = byte;
        }
        fuzz(&input(&bytes));
        bytes.truncate(len);
        fuzz(&input(&bytes));
    }
}
