use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::{Digest, Layout, mbr};

const EPOCH: i64 = 1_559_424_892;

fn inline(content: &[u8]) -> Layout {
    let mut layout = Layout::new();
    layout.bytes(content.to_vec());
    layout
}

fn file(content: &[u8]) -> Node {
    Node::File(File {
        mode: 0o644,
        content: inline(content),
    })
}

fn efi(image: BootImage) -> BootEntry {
    BootEntry {
        platform: Platform::Efi,
        image,
        load: LoadSectors::Whole,
    }
}

/// Only a CD, without second set.
fn plain(root: Directory) -> Image {
    Image {
        volume_id: "ISOIMAGE".to_owned(),
        volume_set_id: String::new(),
        preparer_id: "TALOS-FORGE".to_owned(),
        epoch: EPOCH,
        root,
        catalog: None,
        system_area: SystemArea::Empty,
        partition_offset: 0,
        appended: Vec::new(),
    }
}

/// With MBR, second set and an appended partition to boot from.
fn uefi(root: Directory) -> Image {
    Image {
        volume_id: volume_id("Talos-v1.14.0"),
        volume_set_id: "Talos-v1.14.0".to_owned(),
        catalog: Some(Catalog {
            default: efi(BootImage::Appended(0)),
            more: Vec::new(),
        }),
        system_area: SystemArea::Mbr {
            iso_kind: mbr::LINUX,
        },
        partition_offset: 16,
        appended: vec![Appended {
            kind: mbr::EFI_SYSTEM,
            content: inline(&[7; 5000]),
        }],
        ..plain(root)
    }
}

fn collect(image: &Image) -> Vec<u8> {
    image.layout().unwrap().collect(|_| Bytes::new())
}

fn root() -> Directory {
    let mut root = Directory::new(0o755);
    root.insert("EFI/BOOT/BOOTX64.EFI", file(&[1; 3000]))
        .unwrap();
    root.insert("EFI/Linux/Talos-v1.14.0.efi", file(&[2; 9000]))
        .unwrap();
    root.insert("loader/loader.conf", file(b"timeout 10\n"))
        .unwrap();
    let seed = File {
        mode: 0o444,
        content: inline(&[0; 32]),
    };
    root.insert("loader/random-seed", Node::File(seed)).unwrap();
    root.insert("empty", file(b"")).unwrap();
    root.insert(
        "link",
        Node::Symlink("/EFI/../loader/loader.conf".to_owned()),
    )
    .unwrap();
    root.insert(&format!("{}.txt", "long".repeat(40)), file(b"long"))
        .unwrap();
    root
}

#[test]
fn an_image_for_uefi_reads_back_as_written() {
    let contents = read(collect(&uefi(root())).as_slice(), &Limits::default()).unwrap();
    insta::assert_snapshot!(contents.dump());
}

#[test]
fn the_layout_of_an_image_is_metadata_between_contents() {
    insta::assert_snapshot!(uefi(root()).layout().unwrap().dump());
}

#[test]
fn a_catalogue_may_have_several_entries_and_images_in_the_tree() {
    let mut image = plain(root());
    let bios = BootEntry {
        platform: Platform::X86,
        image: BootImage::File("loader/loader.conf".to_owned()),
        load: LoadSectors::Count(4),
    };
    let more = vec![
        efi(BootImage::File("EFI/BOOT/BOOTX64.EFI".to_owned())),
        efi(BootImage::Appended(0)),
    ];
    image.catalog = Some(Catalog {
        default: bios,
        more,
    });
    image.appended = uefi(root()).appended;
    let plan = image.plan().unwrap();
    let contents = read(collect(&image).as_slice(), &Limits::default()).unwrap();
    let block = |path: &str| plan.files.iter().find(|(name, _)| name == path).unwrap().1;
    let entry = |platform, sectors, block| CatalogEntry {
        platform,
        bootable: true,
        media: 0,
        sectors,
        block,
    };
    let expected = [
        entry(0x00, 4, block("loader/loader.conf")),
        entry(0xef, 6, block("EFI/BOOT/BOOTX64.EFI")),
        entry(0xef, 10, plan.appended[0].0),
    ];
    assert_eq!(contents.catalog, expected);
    assert_eq!((contents.volumes.len(), contents.mbr.is_some()), (1, false));
}

#[test]
fn a_boot_image_that_16_bits_cannot_measure_reaches_to_the_end_of_the_volume() {
    for (len, sectors) in [
        (65_535 * 512, 65_535),
        (65_535 * 512 + 1, 0),
        (100 << 20, 0),
    ] {
        let mut image = uefi(root());
        let mut content = Layout::new();
        content.zeros(len);
        image.appended[0].content = content;
        let layout = image.layout().unwrap();
        let plan = image.plan().unwrap();
        let head = layout.segments(0..u64::from(plan.iso_end) * 2048);
        let mut bytes = Vec::new();
        for segment in head {
            match segment {
                crate::extent::Segment::Bytes(piece) => bytes.extend_from_slice(&piece),
                other => bytes.resize(bytes.len() + usize::try_from(other.len()).unwrap(), 0),
            }
        }
        let contents = read(bytes.as_slice(), &Limits::default()).unwrap();
        assert_eq!(contents.catalog[0].sectors, sectors, "{len} bytes");
        assert_eq!(
            contents.volumes[0].descriptor.volume_space_size.get(),
            plan.end,
            "covers the partition"
        );
        assert_eq!(
            contents.volumes[1].descriptor.volume_space_size.get(),
            plan.iso_end - 16,
            "covers the ISO only"
        );
        assert_eq!(layout.len(), u64::from(plan.end) * 2048);
    }
}

#[test]
fn small_images_have_the_bytes_they_had() {
    let images = [uefi(root()), plain(root()), plain(Directory::new(0o755))];
    let digests = images.map(|image| Digest::of(collect(&image)).hex());
    assert_eq!(
        digests,
        [
            "3f78d7bed0443d4ae627268cf2582f44f7daea010eedd955e1efd9abdbfaec8c",
            "3a65ec48f2b5c4757999f686f627c6f8861ac75c46ded1342f4a8871c8f33501",
            "9ee1a3c33e63fc5a12f79712a27535d1616f51188a2f5d2eeb3cb5bf0bc03b74"
        ]
    );
}

#[test]
fn what_iso_9660_cannot_say_is_refused_by_name() {
    let mut tree = Directory::new(0o755);
    tree.insert("a/b/c/d/e/f/g/file", file(b"")).unwrap();
    plain(tree.clone()).layout().unwrap();
    tree.insert("a/b/c/d/e/f/g/h/file", file(b"")).unwrap();
    let deep = Error::TooDeep {
        path: "a/b/c/d/e/f/g/h".to_owned(),
        max: 8,
    };
    assert_eq!(plain(tree.clone()).layout().unwrap_err(), deep);

    assert_eq!(
        tree.insert("a/b", file(b"")),
        Err(Error::Exists {
            path: "a/b".to_owned()
        })
    );
    let inside = tree.insert("a/b/c/d/e/f/g/file/x", file(b""));
    assert_eq!(
        inside,
        Err(Error::NotADirectory {
            path: "a/b/c/d/e/f/g/file".to_owned()
        })
    );
    for path in ["", "a//b", "..", "a/.", &"x".repeat(256), "a\0b"] {
        assert!(
            matches!(tree.insert(path, file(b"")), Err(Error::Name { .. })),
            "{path:?}"
        );
    }
    for target in [String::new(), "x".repeat(1025)] {
        assert!(matches!(
            tree.insert("link", Node::Symlink(target)),
            Err(Error::Target { .. })
        ));
    }

    let mut taken = root();
    taken.insert("boot.catalog", file(b"")).unwrap();
    assert_eq!(
        uefi(taken).layout().unwrap_err(),
        Error::Exists {
            path: "boot.catalog".to_owned()
        }
    );
    let mut image = uefi(root());
    image.catalog = Some(Catalog {
        default: efi(BootImage::Appended(1)),
        more: Vec::new(),
    });
    assert_eq!(
        image.layout().unwrap_err(),
        Error::BootPartition { index: 1, count: 1 }
    );
    image.catalog = Some(Catalog {
        default: efi(BootImage::File("x".to_owned())),
        more: Vec::new(),
    });
    assert_eq!(
        image.layout().unwrap_err(),
        Error::BootImage {
            path: "x".to_owned()
        }
    );
    let default = efi(BootImage::Appended(0));
    image.catalog = Some(Catalog {
        default: default.clone(),
        more: vec![default; 32],
    });
    assert_eq!(
        image.layout().unwrap_err(),
        Error::Catalog {
            entries: 66,
            max: 64
        }
    );

    let mut image = uefi(root());
    image.partition_offset = 2;
    assert_eq!(
        image.layout().unwrap_err(),
        Error::PartitionOffset { offset: 2, min: 3 }
    );
    let mut image = uefi(root());
    image.volume_id = "x".repeat(33);
    assert!(matches!(
        image.layout().unwrap_err(),
        Error::Text {
            field: "volume id",
            ..
        }
    ));
    let mut image = uefi(root());
    image.epoch = i64::from(u32::MAX) * 100;
    assert!(matches!(image.layout().unwrap_err(), Error::Date(_)));
    let mut image = uefi(root());
    image.appended = vec![image.appended[0].clone(); 4];
    assert_eq!(
        image.layout().unwrap_err(),
        Error::Partitions { count: 4, max: 3 }
    );
    let mut huge = Layout::new();
    huge.zeros(3 << 40);
    let mut image = uefi(root());
    image.appended[0].content = huge;
    assert!(matches!(
        image.layout().unwrap_err(),
        Error::TooLarge { .. }
    ));
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kept {
    File(u16, Vec<u8>),
    Symlink(String),
}

/// Files and links under names of all lengths.
fn nodes() -> impl Strategy<Value = BTreeMap<String, Kept>> {
    let name = prop_oneof!["[a-zA-Z0-9 ._é-]{1,12}", "[a-z.]{100,255}"];
    let path = proptest::collection::vec(name, 1..5).prop_map(|names| names.join("/"));
    let target =
        proptest::collection::vec("[a-z]{1,250}|\\.\\.", 1..4).prop_map(|names| names.join("/"));
    let node = prop_oneof![
        (
            0..0o10000u16,
            proptest::collection::vec(any::<u8>(), 0..5000)
        )
            .prop_map(|(mode, content)| Kept::File(mode, content)),
        (target, any::<bool>()).prop_map(|(target, root)| Kept::Symlink(if root {
            format!("/{target}")
        } else {
            target
        })),
    ];
    proptest::collection::btree_map(path, node, 0..30)
}

fn tree(nodes: BTreeMap<String, Kept>) -> (Directory, BTreeMap<String, Kept>) {
    let mut root = Directory::new(0o755);
    let mut insert = |path: &str, kept: &Kept| {
        let node = match kept {
            Kept::File(mode, content) => Node::File(File {
                mode: *mode,
                content: inline(content),
            }),
            Kept::Symlink(target) => Node::Symlink(target.clone()),
        };
        root.insert(path, node).is_ok()
    };
    let taken = nodes
        .into_iter()
        .filter(|(path, kept)| insert(path, kept))
        .collect();
    (root, taken)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read_from_both_sets(nodes in nodes()) {
        let (root, expected) = tree(nodes);
        let bytes = collect(&uefi(root));
        let contents = read(bytes.as_slice(), &Limits::default()).unwrap();
        prop_assert_eq!(contents.volumes.len(), 2);
        let kept = |entry: &Entry| {
            let range = |run: &std::ops::Range<u64>| usize::try_from(run.start).unwrap()..usize::try_from(run.end).unwrap();
            let mode = u16::try_from(entry.attributes.unwrap().mode & 0o7777).unwrap();
            match &entry.kind {
                Kind::Symlink(target) => Kept::Symlink(target.clone()),
                _ => Kept::File(mode, entry.runs.iter().flat_map(|run| bytes[range(run)].to_vec()).collect()),
            }
        };
        for volume in &contents.volumes {
            let files = volume.entries.iter().filter(|entry| entry.kind != Kind::Directory && entry.path != CATALOG_NAME);
            let found: BTreeMap<String, Kept> = files.map(|entry| (entry.path.clone(), kept(entry))).collect();
            prop_assert_eq!(&found, &expected);
        }
    }

    #[test]
    fn damaged_images_are_read_or_refused(
        damage in proptest::collection::vec((0..60_000usize, any::<u8>()), 1..40),
        descriptors in proptest::collection::vec((32_768..33_000usize, any::<u8>()), 0..3),
        len in 0..140_000usize,
    ) {
        let mut bytes = collect(&uefi(root()));
        for (offset, byte) in damage.into_iter().chain(descriptors) {
            bytes[offset] = byte;
        }
        fuzz(&bytes);
        bytes.truncate(len);
        fuzz(&bytes);
    }
}
