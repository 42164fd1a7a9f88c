//! Squashfs images: what is written reads the same, and what is damaged is refused.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[path = "squashfs/trees.rs"]
pub mod trees;

use std::io;
use std::num::NonZeroUsize;

use bytes::Bytes;
use formats::Digest;
use formats::squashfs::{
    Compression, Compressor, Content, Directory, File, Image, Limits, Node, Options, ReadError,
    Symlink, WriteError, Xattrs, dump, fuzz, layout, write, write_to_vec,
};
use proptest::prelude::*;

use trees::{Blobs, TIME, assert_same, everything, labelled, lines, noise, opener, small};

fn options(compression: Compression, threads: usize) -> Options {
    Options {
        compression,
        time: TIME,
        threads: NonZeroUsize::new(threads).unwrap(),
    }
}

fn compressed(root: &Directory, blobs: &Blobs, compression: Compression) -> Vec<u8> {
    write_to_vec(root, &options(compression, 2), opener(blobs)).unwrap()
}

fn stored(root: &Directory, blobs: &Blobs) -> Vec<u8> {
    layout(root, Compressor::Zstd, TIME)
        .unwrap()
        .collect(|digest| blobs[digest].clone())
}

/// Every way to make an image.
fn images(root: &Directory, blobs: &Blobs) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        (
            "zstd",
            compressed(root, blobs, Compression::Zstd { level: 3 }),
        ),
        ("xz", compressed(root, blobs, Compression::Xz)),
        ("stored", stored(root, blobs)),
    ]
}

fn open(image: &[u8]) -> Image<&[u8]> {
    Image::open(image, Limits::default()).unwrap()
}

#[test]
fn everything_reads_back_as_it_was_written() {
    let (root, blobs) = everything();
    for (_, image) in images(&root, &blobs) {
        assert_eq!(image.len() % 4096, 0);
        assert_same(
            &lines(&open(&image).to_directory().unwrap(), &Blobs::new()),
            &lines(&root, &blobs),
        );
    }
}

#[test]
fn dumps_name_every_field() {
    for (tree, root) in [
        ("small", small()),
        ("labelled", labelled()),
        ("empty", Directory::new(0o755)),
    ] {
        for (name, image) in images(&root, &Blobs::new()) {
            insta::assert_snapshot!(format!("{tree}_{name}"), dump(&open(&image)));
        }
    }
}

#[test]
fn digests_of_small_images_are_pinned() {
    let pinned: Vec<_> = images(&labelled(), &Blobs::new())
        .iter()
        .map(|(name, image)| format!("{name} {} {}", image.len(), Digest::of(image)))
        .collect();
    insta::assert_snapshot!(pinned.join("\n"));
}

#[test]
fn threads_change_no_byte() {
    let (root, blobs) = everything();
    let image = |threads| {
        write_to_vec(
            &root,
            &options(Compression::Zstd { level: 1 }, threads),
            opener(&blobs),
        )
        .unwrap()
    };
    let one = image(1);
    assert!(one == image(2));
    assert!(one == image(7));
}

#[test]
fn the_superblock_comes_last_and_the_rest_in_order() {
    let mut sink = Vec::new();
    let options = options(Compression::Xz, 1);
    let written = write(&small(), &options, opener(&Blobs::new()), &mut sink).unwrap();
    assert_eq!(written.len, 96 + sink.len() as u64);
    let whole = [&written.superblock[..], &sink].concat();
    assert_eq!(
        whole,
        write_to_vec(&small(), &options, opener(&Blobs::new())).unwrap()
    );
}

#[test]
fn a_layout_reads_no_blob_and_splits_anywhere() {
    let (root, blobs) = everything();
    let layout = layout(&root, Compressor::Xz, TIME).unwrap();
    let whole = layout.collect(|digest| blobs[digest].clone());
    for step in [1_000_003, 65_537, 4096] {
        let mut pieces = Vec::new();
        for from in (0..layout.len()).step_by(step) {
            let part = layout.slice(from..(from + step as u64).min(layout.len()));
            pieces.extend(part.collect(|digest| blobs[digest].clone()));
        }
        assert!(pieces == whole);
    }
    // Equal blobs lie in it once.
    let mut named: Vec<_> = layout
        .blobs()
        .into_iter()
        .map(|(digest, ..)| digest)
        .collect();
    let count = named.len();
    named.sort_unstable();
    named.dedup();
    assert_eq!(named.len(), count);
}

#[test]
fn paths_are_found_and_contents_come_block_by_block() {
    let (root, blobs) = everything();
    let image = compressed(&root, &blobs, Compression::Zstd { level: 1 });
    let image = open(&image);
    assert_eq!(image.find(b"/"), Some(0));
    assert_eq!(image.find(b"blobs/absent"), None);
    assert_eq!(image.find(b"usr/local/etc/greeting/x"), None);
    let index = image.find(b"/blobs//noise").unwrap();
    assert_eq!(image.path(index), b"blobs/noise");
    let entry = &image.entries()[index];
    let blocks: Vec<usize> = image
        .blocks(entry)
        .unwrap()
        .map(|block| block.unwrap().len())
        .collect();
    assert_eq!(blocks, [524_288, 524_288, 524_288, 27_136]);
    assert!(image.read(entry).unwrap().unwrap() == noise(4, 1_600_000));
    assert!(image.read(&image.entries()[0]).unwrap().is_none());
    let many = image.find(b"many").unwrap();
    assert_eq!(image.children(many).count(), 3000);
    // What is equal lies at one place.
    let again = image.find(b"blobs/noise-again").unwrap();
    assert_eq!(image.entries()[again].kind, entry.kind);
}

#[test]
fn contents_of_another_length_are_refused() {
    for len in [10, 1 << 19, 1_200_000] {
        let mut root = Directory::new(0o755);
        root.insert(
            b"a/file",
            Node::File(File::blob(0o644, Digest::of("x"), len)),
        )
        .unwrap();
        for wrong in [len - 1, len + 1] {
            let open = |_: &Digest| Ok(io::Read::take(io::repeat(1), wrong));
            let refused = write_to_vec(&root, &options(Compression::Xz, 1), open).unwrap_err();
            assert!(
                matches!(&refused, WriteError::Length { path, expected } if path == "a/file" && *expected == len),
                "{refused}"
            );
        }
    }
}

#[test]
fn unreadable_contents_and_full_sinks_are_told_apart() {
    let mut root = Directory::new(0o755);
    root.insert(
        b"file",
        Node::File(File::blob(0o644, Digest::of("x"), 1 << 22)),
    )
    .unwrap();
    let options = options(Compression::Zstd { level: 3 }, 2);
    let absent = write_to_vec(&root, &options, opener(&Blobs::new())).unwrap_err();
    assert!(matches!(absent, WriteError::Content { path, .. } if path == "file"));
    let blobs = Blobs::from([(Digest::of("x"), Bytes::from(noise(1, 1 << 22)))]);
    let mut short = [0; 1000];
    let full = write(&root, &options, opener(&blobs), &mut &mut short[..]).unwrap_err();
    assert!(matches!(full, WriteError::Sink(_)));
    let level = write_to_vec(
        &root,
        &Options {
            compression: Compression::Zstd { level: 23 },
            ..options
        },
        opener(&blobs),
    );
    assert!(matches!(level, Err(WriteError::Level(23))));
}

#[test]
fn limits_are_kept() {
    let (root, blobs) = everything();
    let image = stored(&root, &blobs);
    let limits = Limits::default();
    let refused = |limits| match Image::open(&*image, limits) {
        Err(ReadError::Limit { what, limit }) => (what, limit),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        refused(Limits {
            entries: 3000,
            ..limits
        }),
        ("entries", 3000)
    );
    assert_eq!(
        refused(Limits {
            depth: 10,
            ..limits
        }),
        ("directories inside one another", 10)
    );
    assert_eq!(
        refused(Limits {
            metadata: 100_000,
            ..limits
        }),
        ("bytes of metadata", 100_000)
    );
    let image = Image::open(
        &*image,
        Limits {
            content: 1_599_999,
            ..limits
        },
    )
    .unwrap();
    let entry = &image.entries()[image.find(b"blobs/noise").unwrap()];
    assert!(matches!(
        image.read(entry),
        Err(ReadError::Limit {
            what: "bytes of content",
            ..
        })
    ));
    assert!(matches!(
        image.to_directory(),
        Err(ReadError::Limit {
            what: "bytes of content",
            ..
        })
    ));
}

#[test]
fn what_is_no_squashfs_is_refused_by_what_is_wrong() {
    let image = stored(&small(), &Blobs::new());
    let refused = |offset: usize, bytes: &[u8]| {
        let mut image = image.clone();
        image[offset..offset + bytes.len()].copy_from_slice(bytes);
        Image::open(&*image, Limits::default())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refused(0, b"sqsh"),
        "not a squashfs: starts with 0x68737173, expected 0x73717368"
    );
    assert_eq!(
        refused(28, &[3, 0, 1, 0]),
        "squashfs version 3.1 is not supported, only 4.0"
    );
    assert!(refused(12, &[1, 0, 0, 0]).contains("superblock at byte 12: block size"));
    assert_eq!(
        refused(64, &[0xff; 8]),
        format!("squashfs inode table at byte 0: ends before it starts")
    );
    assert!(Image::open(&image[..95], Limits::default()).is_err());
    assert!(Image::open(&b""[..], Limits::default()).is_err());
}

/// File contents of every way to lie in an image.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let block = 1 << 19;
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..200),
        2 => (any::<u64>(), 0..20_000_usize).prop_map(|(seed, len)| noise(seed, len)),
        1 => (any::<u64>(), block - 2..block + 2_usize).prop_map(|(seed, len)| noise(seed, len)),
        1 => (0..1_200_000_usize).prop_map(|len| vec![0; len]),
        1 => (0..1_200_000_usize).prop_map(trees::text),
    ]
}

fn xattrs() -> impl Strategy<Value = Xattrs> {
    let name = (
        prop::sample::select(vec!["user.", "trusted.", "security."]),
        "[a-z]{1,9}",
    )
        .prop_map(|(namespace, name)| format!("{namespace}{name}").into_bytes());
    let some = prop::collection::btree_map(name, prop::collection::vec(any::<u8>(), 0..100), 1..4);
    prop_oneof![3 => Just(Xattrs::new()), 1 => some]
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 1..12).prop_filter("a name", |name| {
        !name.contains(&b'/') && !name.contains(&0) && name != b"." && name != b".."
    })
}

fn directory(
    mode: u16,
    xattrs: Xattrs,
    entries: std::collections::BTreeMap<Vec<u8>, Node>,
) -> Directory {
    Directory {
        mode,
        xattrs,
        entries,
    }
}

fn tree() -> impl Strategy<Value = Directory> {
    let file = (0..0o10000_u16, xattrs(), content()).prop_map(|(mode, xattrs, content)| {
        Node::File(File {
            mode,
            xattrs,
            content: Content::Inline(content.into()),
        })
    });
    let link = (prop::collection::vec(1..=255_u8, 1..100), xattrs())
        .prop_map(|(target, xattrs)| Node::Symlink(Symlink { target, xattrs }));
    let node = prop_oneof![3 => file, 1 => link].prop_recursive(4, 40, 10, |node| {
        (
            0..0o10000_u16,
            xattrs(),
            prop::collection::btree_map(name(), node, 0..10),
        )
            .prop_map(|(mode, xattrs, entries)| Node::Directory(directory(mode, xattrs, entries)))
    });
    (
        0..0o10000_u16,
        xattrs(),
        prop::collection::btree_map(name(), node, 0..10),
    )
        .prop_map(|(mode, xattrs, entries)| directory(mode, xattrs, entries))
}

/// A tree whose image has an index, several metadata blocks of each table and shared attributes, in few bytes.
fn dense() -> Directory {
    let mut root = labelled();
    for number in 0..400 {
        let path = format!("folder/{number:03}-{}", "x".repeat(30));
        let mut file = File::inline(0o644, "same");
        file.xattrs
            .insert(b"user.x".to_vec(), format!("{number}").into_bytes());
        root.insert(path.as_bytes(), Node::File(file)).unwrap();
    }
    root
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_tree_reads_back_as_it_was_written(tree in tree()) {
        for (_, image) in images(&tree, &Blobs::new()) {
            prop_assert_eq!(&open(&image).to_directory().unwrap(), &tree);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn damaged_images_never_panic(
        which in 0..5_usize,
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        use std::sync::LazyLock;
        static IMAGES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
            let mut all: Vec<_> = images(&small(), &Blobs::new()).into_iter().map(|(_, image)| image).collect();
            all.extend([stored(&dense(), &Blobs::new()), stored(&labelled(), &Blobs::new())]);
            all
        });
        let mut image = IMAGES[which].clone();
        let used = usize::try_from(u64::from_le_bytes(image[40..48].try_into().unwrap())).unwrap();
        for (place, byte) in places {
            image[place.index(used)] = byte;
        }
        if let Some(cut) = cut {
            image.truncate(cut.index(used));
        }
        fuzz(&image);
    }
}
