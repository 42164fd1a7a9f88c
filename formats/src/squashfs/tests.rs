use std::collections::BTreeMap;

use super::codec::{Compression, Encoder, decode};
use super::data::{Packing, Place, Run};
use super::tree::{Content, Directory, File, Node, Tree};
use super::{BLOCK_SIZE, Symlink, WriteError, Xattrs};
use crate::Digest;

/// Bytes of a window that a Zstandard frame demands (RFC 8878, section 3.1.1.1).
fn window(frame: &[u8]) -> u64 {
    assert_eq!(frame[..4], 0xfd2f_b528_u32.to_le_bytes());
    let descriptor = frame[4];
    if descriptor & 0x20 == 0 {
        let (exponent, mantissa) = (frame[5] >> 3, u64::from(frame[5] & 7));
        let base = 1_u64 << (10 + exponent);
        return base + base / 8 * mantissa;
    }
    match descriptor >> 6 {
        0 => u64::from(frame[5]),
        1 => u64::from(u16::from_le_bytes([frame[5], frame[6]])) + 256,
        2 => u64::from(u32::from_le_bytes(frame[5..9].try_into().unwrap())),
        _ => u64::from_le_bytes(frame[5..13].try_into().unwrap()),
    }
}

fn text(len: usize) -> Vec<u8> {
    (0_u32..)
        .flat_map(|line| format!("line {line}\n").into_bytes())
        .take(len)
        .collect()
}

#[test]
fn zstd_windows_are_no_larger_than_their_block() {
    for level in [1, 3, 9, 15, 18, 19, 22] {
        let mut encoder = Encoder::new(Compression::Zstd { level }).unwrap();
        for len in [100, 8192, 70_000, BLOCK_SIZE as usize] {
            let encoded = encoder.encode(text(len)).unwrap();
            assert!(!encoded.stored);
            assert!(
                window(&encoded.bytes) <= len as u64,
                "level {level} of {len} bytes"
            );
        }
    }
}

#[test]
fn xz_streams_have_crc32_and_a_dictionary_of_their_block() {
    let mut encoder = Encoder::new(Compression::Xz).unwrap();
    for (len, dictionary) in [(8192, 2), (BLOCK_SIZE as usize, 14)] {
        let encoded = encoder.encode(text(len)).unwrap();
        assert_eq!(
            encoded.bytes[..8],
            *b"\xfd7zXZ\0\0\x01",
            "stream flags: CRC32"
        );
        // Block header: size, no lengths, LZMA2, one byte of properties: 2 << bits / 2 + 11 (xz format, section 5.3.1).
        assert_eq!(encoded.bytes[14..17], [0x21, 1, dictionary]);
    }
}

#[test]
fn blocks_that_do_not_shrink_are_stored() {
    let block: Vec<u8> = Digest::of("seed").as_bytes().to_vec();
    for compression in [Compression::Zstd { level: 3 }, Compression::Xz] {
        let encoded = Encoder::new(compression)
            .unwrap()
            .encode(block.clone())
            .unwrap();
        assert!(encoded.stored);
        assert_eq!(encoded.bytes, block);
    }
}

#[test]
fn expanding_stops_at_the_limit() {
    for compression in [Compression::Zstd { level: 3 }, Compression::Xz] {
        let compressor = compression.compressor() as u16;
        let encoded = Encoder::new(compression)
            .unwrap()
            .encode(vec![7; 8192])
            .unwrap();
        assert_eq!(decode(compressor, &encoded.bytes, 8192).unwrap(), [7; 8192]);
        assert!(decode(compressor, &encoded.bytes, 8191).is_err());
        assert!(decode(compressor, &encoded.bytes[..encoded.bytes.len() - 1], 8192).is_err());
    }
}

fn files(sizes: &[(&str, u64)]) -> Directory {
    let mut root = Directory::new(0o755);
    for (name, len) in sizes {
        // Equal lengths, equal blobs.
        let file = File::blob(0o644, Digest::of(len.to_le_bytes()), *len);
        root.insert(name.as_bytes(), Node::File(file)).unwrap();
    }
    root
}

#[test]
fn equal_files_are_packed_once_and_small_ones_together() {
    let block = u64::from(BLOCK_SIZE);
    let root = files(&[
        ("a", 280_000),
        ("b", block),
        ("c", 280_000),
        ("d", 240_000),
        ("e", 2 * block + 1),
        ("f", 8000),
        ("g", block),
    ]);
    let tree = Tree::new(&root).unwrap();
    let packing = Packing::new(&tree).unwrap();
    let runs: Vec<Vec<usize>> = packing
        .runs
        .iter()
        .map(|run| match run {
            Run::File(index) => vec![*index],
            Run::Fragment(indices) => indices.clone(),
        })
        .collect();
    // a + d fill a fragment block up to 520,000 bytes; f opens the next; c is a and g is b.
    assert_eq!(runs, [vec![2], vec![5], vec![1, 4], vec![6]]);
    let place = |index: usize| packing.places[index].clone().unwrap();
    assert!(matches!(
        place(3),
        Place::Fragment {
            number: 0,
            offset: 0
        }
    ));
    assert!(matches!(
        place(4),
        Place::Fragment {
            number: 0,
            offset: 280_000
        }
    ));
    assert!(matches!(
        place(6),
        Place::Fragment {
            number: 1,
            offset: 0
        }
    ));
    assert!(matches!(place(5), Place::Blocks(range) if range == (1..4)));
    assert!(matches!(place(7), Place::Blocks(range) if range == (0..1)));
    assert_eq!(packing.fragments, [4, 5]);
}

#[test]
fn what_squashfs_or_linux_cannot_hold_is_refused_with_its_path() {
    let file = |xattrs: Xattrs| {
        Node::File(File {
            mode: 0o644,
            xattrs,
            content: Content::Inline(text(3).into()),
        })
    };
    let xattr = |name: &str, len| file(Xattrs::from([(name.as_bytes().to_vec(), vec![0; len])]));
    let link = |len| Node::Symlink(Symlink::new(vec![b'x'; len]));
    let plain = || file(Xattrs::new());
    let long = "n".repeat(256);
    let cases: [(&str, Node, &str); 14] = [
        ("", plain(), "its name is empty"),
        (".", plain(), "its name is . or .."),
        ("..", plain(), "its name is . or .."),
        ("a/b", plain(), "its name contains /"),
        ("a\0b", plain(), "its name contains NUL"),
        (&long, plain(), "its name is longer than 255 bytes"),
        ("link", link(0), "its target is empty"),
        ("link", link(4096), "its target is longer than 4095 bytes"),
        (
            "link",
            Node::Symlink(Symlink::new("a\0")),
            "its target contains NUL",
        ),
        (
            "file",
            Node::File(File::inline(0o10000, "")),
            "its mode has more than 12 bits",
        ),
        (
            "file",
            xattr("system.posix_acl_access", 1),
            "an extended attribute is not in user., trusted. or security.",
        ),
        (
            "file",
            xattr("user.", 1),
            "an extended attribute's name is empty or contains NUL",
        ),
        (
            "file",
            xattr(&format!("user.{}", "n".repeat(251)), 1),
            "an extended attribute's name is longer than 255 bytes",
        ),
        (
            "file",
            xattr("user.x", 65537),
            "an extended attribute's value is longer than 64 KiB",
        ),
    ];
    for (name, node, why) in cases {
        let mut folder = Directory::new(0o755);
        folder.entries.insert(name.into(), node);
        let mut root = Directory::new(0o755);
        root.entries
            .insert(b"folder".to_vec(), Node::Directory(folder));
        let error = Tree::new(&root).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot {} {:?} in a squashfs: {why}",
                verb(&error),
                format!("folder/{name}")
            )
        );
    }
    let root = files(&[("huge", super::MAX_FILE + 1)]);
    assert!(Tree::new(&root).is_err());
    assert!(Tree::new(&files(&[("huge", super::MAX_FILE)])).is_ok());
}

fn verb(error: &WriteError) -> &'static str {
    if matches!(error, WriteError::Name { .. }) {
        "name"
    } else {
        "store"
    }
}

#[test]
fn inserting_makes_parents_and_refuses_to_pass_through_files() {
    let mut root = Directory::new(0o700);
    let file = || Node::File(File::inline(0o644, "x"));
    assert_eq!(root.insert(b"/a//b/c", file()).unwrap(), None);
    assert_eq!(root.insert(b"a/b/c", file()).unwrap(), Some(file()));
    let Node::Directory(a) = &root.entries[&b"a"[..]] else {
        panic!("not a directory")
    };
    assert_eq!((a.mode, a.entries.len()), (0o755, 1));
    let refused = root.insert(b"a/b/c/d", file()).unwrap_err().to_string();
    assert_eq!(
        refused,
        r#"cannot put "a/b/c/d" into a squashfs: "c" is not a directory"#
    );
    assert!(root.insert(b"//", file()).is_err());
}

#[test]
fn numbers_of_a_directory_are_consecutive() {
    let mut root = Directory::new(0o755);
    for path in ["b/x/1", "b/y", "a/z/2", "c"] {
        root.insert(path.as_bytes(), Node::File(File::inline(0o644, "")))
            .unwrap();
    }
    let tree = Tree::new(&root).unwrap();
    let paths: Vec<String> = (0..tree.entries.len())
        .map(|index| tree.path(index))
        .collect();
    assert_eq!(
        paths,
        ["", "a", "b", "c", "a/z", "b/x", "b/y", "a/z/2", "b/x/1"]
    );
    let children: BTreeMap<_, _> = paths
        .iter()
        .zip(&tree.entries)
        .map(|(path, entry)| (path.as_str(), entry.children.clone()))
        .collect();
    assert_eq!(children[""], 1..4);
    assert_eq!(children["b"], 5..7);
}
