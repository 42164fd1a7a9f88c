//! Trees to write, and trees as lines to compare.

use std::collections::{BTreeMap, HashMap};
use std::io;

use bytes::Bytes;
use formats::Digest;
use formats::squashfs::{Content, Directory, File, Node, Symlink};

/// The time that images of the service carry.
pub const TIME: u32 = 1_559_424_892;

/// Blobs by name.
pub type Blobs = HashMap<Digest, Bytes>;

/// Opens blobs of `blobs`.
pub fn opener(blobs: &Blobs) -> impl FnMut(&Digest) -> io::Result<io::Cursor<Bytes>> {
    |digest| {
        let blob = blobs.get(digest).ok_or(io::ErrorKind::NotFound)?;
        Ok(io::Cursor::new(blob.clone()))
    }
}

/// Bytes that do not compress, the same for the same seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Bytes that compress.
pub fn text(len: usize) -> Vec<u8> {
    (0_u32..)
        .flat_map(|line| format!("line {line} of a long text\n").into_bytes())
        .take(len)
        .collect()
}

/// A handful of entries.
pub fn small() -> Directory {
    let mut root = Directory::new(0o755);
    put(
        &mut root,
        "usr/local/etc/greeting",
        File::inline(0o644, "hello\n"),
    );
    put(
        &mut root,
        "usr/local/bin/tool",
        File::inline(0o4755, text(3000)),
    );
    put(&mut root, "usr/local/bin/empty", File::inline(0o400, ""));
    root.insert(b"usr/local/bin/alias", Node::Symlink(Symlink::new("tool")))
        .unwrap();
    root.insert(b"private", Node::Directory(Directory::new(0o1700)))
        .unwrap();
    root
}

/// A label on a single file, as on an embedded configuration.
pub fn labelled() -> Directory {
    let mut root = Directory::new(0o755);
    let mut file = File::inline(0o600, "version: v1alpha1\n");
    file.xattrs.insert(
        b"security.selinux".to_vec(),
        b"system_u:object_r:system_config_t:s0".to_vec(),
    );
    put(&mut root, "usr/local/etc/config.yaml", file);
    root
}

/// One of everything that is different somewhere in the format, and the blobs it refers to.
pub fn everything() -> (Directory, Blobs) {
    let mut root = small();
    let mut blobs = Blobs::new();
    let block = 512 << 10;
    for (name, content) in [
        ("block-less-1", noise(1, block - 1)),
        ("block", noise(2, block)),
        ("block-and-1", noise(3, block + 1)),
        ("text", text(1_200_000)),
        ("noise", noise(4, 1_600_000)),
        ("noise-again", noise(4, 1_600_000)),
        ("zeros", vec![0; 3 * block + 5]),
        (
            "hole",
            [vec![1; block], vec![0; 2 * block], vec![2; 77]].concat(),
        ),
        ("small", text(1000)),
        ("small-again", text(1000)),
        ("small-zeros", vec![0; 5000]),
    ] {
        let (digest, len) = (Digest::of(&content), content.len() as u64);
        blobs.insert(digest, content.into());
        put(
            &mut root,
            &format!("blobs/{name}"),
            File::blob(0o640, digest, len),
        );
    }
    for number in 0..3000 {
        let file = File::inline(0o644, format!("{number}"));
        put(
            &mut root,
            &format!("many/a name that is long enough to fill listings {number:04}"),
            file,
        );
    }
    for number in 0..100 {
        put(
            &mut root,
            &format!("noisy/{number}"),
            File::inline(0o644, noise(number, 9000)),
        );
    }
    put(
        &mut root,
        &"deep/".repeat(60),
        File::inline(0o644, "bottom"),
    );
    for name in [
        "with space",
        "with\nnewline",
        "ünïcødé",
        "back\\slash",
        "\u{7f}\u{1}",
        &"n".repeat(255),
    ] {
        put(
            &mut root,
            &format!("names/{name}"),
            File::inline(0o644, name.to_owned()),
        );
    }
    root.insert(
        b"names/\xff\xfe",
        Node::File(File::inline(0o644, "not UTF-8")),
    )
    .unwrap();
    root.insert(
        b"links/long",
        Node::Symlink(Symlink::new("x/".repeat(2000))),
    )
    .unwrap();
    root.insert(b"links/dangling", Node::Symlink(Symlink::new("/nowhere")))
        .unwrap();
    attribute(&mut root);
    (root, blobs)
}

/// Adds attributes of every namespace, on every kind, short and long, equal and different.
fn attribute(root: &mut Directory) {
    let mut folder = Directory::new(0o1777);
    folder
        .xattrs
        .insert(b"user.folder".to_vec(), b"yes".to_vec());
    for number in 0..200_u32 {
        let mut file = File::inline(0o644, format!("{}", number / 2));
        let label = format!("system_u:object_r:type_{}_t:s0\0", number / 2);
        file.xattrs
            .insert(b"security.selinux".to_vec(), label.into_bytes());
        file.xattrs
            .insert(b"user.number".to_vec(), noise(u64::from(number / 3), 40));
        folder
            .entries
            .insert(format!("{number}").into_bytes(), Node::File(file));
    }
    let mut file = File::inline(0o644, noise(9, 700_000));
    file.xattrs.insert(b"user.long".to_vec(), text(3000));
    file.xattrs.insert(b"user.empty".to_vec(), Vec::new());
    folder.entries.insert(b"large".to_vec(), Node::File(file));
    let mut link = Symlink::new("large");
    link.xattrs
        .insert(b"trusted.link".to_vec(), b"\x00\x01\xff".to_vec());
    folder.entries.insert(b"link".to_vec(), Node::Symlink(link));
    root.entries
        .insert(b"attributes".to_vec(), Node::Directory(folder));
}

fn put(root: &mut Directory, path: &str, file: File) {
    root.insert(path.as_bytes(), Node::File(file)).unwrap();
}

/// Every path of `directory` with all that is to be said of it, for comparisons that fail readably.
pub fn lines(directory: &Directory, blobs: &Blobs) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    add_directory(directory, "", blobs, &mut lines);
    lines
}

fn add_directory(
    directory: &Directory,
    path: &str,
    blobs: &Blobs,
    lines: &mut BTreeMap<String, String>,
) {
    lines.insert(
        format!("{path}/"),
        format!("{:04o} {:?}", directory.mode, directory.xattrs),
    );
    for (name, node) in &directory.entries {
        let path = format!("{path}/{}", name.escape_ascii());
        let line = match node {
            Node::Directory(directory) => {
                add_directory(directory, &path, blobs, lines);
                continue;
            }
            Node::File(File {
                mode,
                xattrs,
                content,
            }) => {
                if let Content::Blob { digest, len } = content {
                    assert_eq!(blobs[digest].len() as u64, *len);
                }
                format!(
                    "{mode:04o} {} {} {xattrs:?}",
                    content.len(),
                    content.digest()
                )
            }
            Node::Symlink(Symlink { target, xattrs }) => {
                format!("-> {} {xattrs:?}", target.escape_ascii())
            }
        };
        lines.insert(path, line);
    }
}

/// Fails with the first few lines that differ.
pub fn assert_same(found: &BTreeMap<String, String>, expected: &BTreeMap<String, String>) {
    let differ: Vec<_> = expected
        .keys()
        .chain(found.keys())
        .filter(|path| found.get(*path) != expected.get(*path))
        .take(5)
        .map(|path| {
            format!(
                "{path}\n  found    {:?}\n  expected {:?}",
                found.get(path),
                expected.get(path)
            )
        })
        .collect();
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}
