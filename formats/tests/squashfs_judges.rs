//! Squashfs images before judges: squashfs-tools in both directions, and the kernel.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests are tests"
)]

pub mod judges;
#[path = "squashfs/trees.rs"]
pub mod trees;

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::os::unix::{ffi::OsStrExt, fs::PermissionsExt};
use std::path::Path;
use std::process::{Command, Output};
use std::{fs, sync::LazyLock};

use formats::squashfs::{
    Compression, Compressor, Directory, File, Image, Kind, Limits, Node, Options, ReadError,
    Symlink, Xattrs, layout, write_to_vec,
};

use judges::judge;
use trees::{Blobs, TIME, assert_same, everything, labelled, lines, opener, small};

type NamedImages = Vec<(&'static str, Vec<u8>)>;

/// Every way to make an image.
fn images(root: &Directory, blobs: &Blobs) -> NamedImages {
    let compressed = |compression| {
        let threads = NonZeroUsize::new(2).unwrap();
        write_to_vec(
            root,
            &Options {
                compression,
                time: TIME,
                threads,
            },
            opener(blobs),
        )
        .unwrap()
    };
    let stored = |compressor| {
        layout(root, compressor, TIME)
            .unwrap()
            .collect(|digest| blobs[digest].clone())
    };
    vec![
        ("zstd-3", compressed(Compression::Zstd { level: 3 })),
        ("zstd-18", compressed(Compression::Zstd { level: 18 })),
        ("xz", compressed(Compression::Xz)),
        ("zstd-stored", stored(Compressor::Zstd)),
        ("xz-stored", stored(Compressor::Xz)),
    ]
}

/// What three trees hold, and every image of each: compressed once for all tests.
static WRITTEN: LazyLock<Vec<(BTreeMap<String, String>, NamedImages)>> = LazyLock::new(|| {
    let empty = Directory::new(0o755);
    [everything(), (small(), Blobs::new()), (empty, Blobs::new())]
        .iter()
        .map(|(root, blobs)| (lines(root, blobs), images(root, blobs)))
        .collect()
});

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// What lies in `folder`, with attributes as getfattr shows them.
fn on_disk(folder: &Path) -> Option<Directory> {
    let mut xattrs = attributes(folder)?;
    Some(read_folder(folder, &mut xattrs))
}

fn read_folder(folder: &Path, xattrs: &mut HashMap<Vec<u8>, Xattrs>) -> Directory {
    let mut directory = Directory::new(mode(folder));
    directory.xattrs = xattrs
        .remove(folder.as_os_str().as_bytes())
        .unwrap_or_default();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let attributes = xattrs
            .remove(path.as_os_str().as_bytes())
            .unwrap_or_default();
        let kind = path.symlink_metadata().unwrap().file_type();
        let node = if kind.is_dir() {
            xattrs.insert(path.as_os_str().as_bytes().to_vec(), attributes);
            Node::Directory(read_folder(&path, xattrs))
        } else if kind.is_symlink() {
            let target = fs::read_link(&path)
                .unwrap()
                .as_os_str()
                .as_bytes()
                .to_vec();
            Node::Symlink(Symlink {
                target,
                xattrs: attributes,
            })
        } else {
            let mut file = File::inline(mode(&path), fs::read(&path).unwrap());
            file.xattrs = attributes;
            Node::File(file)
        };
        directory
            .entries
            .insert(path.file_name().unwrap().as_bytes().to_vec(), node);
    }
    directory
}

fn mode(path: &Path) -> u16 {
    let mode = path.symlink_metadata().unwrap().permissions().mode();
    u16::try_from(mode & 0o7777).unwrap()
}

/// Path → attributes of everything below `folder`.
fn attributes(folder: &Path) -> Option<HashMap<Vec<u8>, Xattrs>> {
    let mut getfattr = judge("getfattr")?;
    let output = getfattr
        .args(["-R", "-P", "-h", "-d", "-m-", "-ehex", "--absolute-names"])
        .arg(folder)
        .output()
        .unwrap();
    // The kernel knows no attributes on an image that has no table of them.
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        complaints
            .lines()
            .all(|line| line.ends_with(": Operation not supported")),
        "{complaints}"
    );
    let mut found: HashMap<Vec<u8>, Xattrs> = HashMap::new();
    let mut path = Vec::new();
    for line in output.stdout.split(|byte| *byte == b'\n') {
        if let Some(name) = line.strip_prefix(b"# file: ") {
            path = unescape(name);
        } else if let Some(equals) = line.iter().position(|byte| *byte == b'=') {
            let hex = line[equals + 1..].strip_prefix(b"0x").unwrap();
            let value = hex
                .chunks(2)
                .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
                .collect();
            found
                .entry(path.clone())
                .or_default()
                .insert(line[..equals].to_vec(), value);
        } else if let Some(name) = (!line.is_empty()).then_some(line) {
            // An empty value is a name alone.
            found
                .entry(path.clone())
                .or_default()
                .insert(name.to_vec(), Vec::new());
        }
    }
    Some(found)
}

/// Undoes getfattr's `\012`.
fn unescape(name: &[u8]) -> Vec<u8> {
    let mut rest = name;
    let mut bytes = Vec::new();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match (first, tail.get(..3)) {
            (b'\\', Some(octal)) => {
                bytes.push(u8::from_str_radix(std::str::from_utf8(octal).unwrap(), 8).unwrap());
                rest = &tail[3..];
            }
            _ => bytes.push(*first),
        }
    }
    bytes
}

#[test]
fn unsquashfs_extracts_what_was_written() {
    for (expected, images) in &*WRITTEN {
        for (name, image) in images {
            let Some(mut unsquashfs) = judge("unsquashfs") else {
                return;
            };
            let place = tempfile::tempdir().unwrap();
            let file = place.path().join(name);
            fs::write(&file, image).unwrap();
            let folder = place.path().join("extracted");
            run(unsquashfs
                .args(["-no-progress", "-strict-errors", "-d"])
                .arg(&folder)
                .arg(&file));
            let Some(found) = on_disk(&folder) else {
                return;
            };
            assert_same(&lines(&found, &Blobs::new()), expected);
        }
    }
}

#[test]
fn unsquashfs_names_the_fields_of_the_superblock() {
    for (name, image) in images(&labelled(), &Blobs::new()) {
        let Some(mut unsquashfs) = judge("unsquashfs") else {
            return;
        };
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join(name);
        fs::write(&file, &image).unwrap();
        let output = run(unsquashfs.env("TZ", "UTC").arg("-s").arg(&file));
        let text = String::from_utf8(output.stdout).unwrap();
        let (compressor, options) = name.split_once('-').unwrap_or((name, ""));
        let mut expected = vec![
            format!("Compression {compressor}"),
            "Creation or last append time Sat Jun  1 21:34:52 2019".to_owned(),
            "Block size 524288".to_owned(),
            "Filesystem is exportable via NFS".to_owned(),
            "Duplicates are removed".to_owned(),
            "Number of fragments 1".to_owned(),
            "Number of inodes 5".to_owned(),
            "Number of ids 1".to_owned(),
            "Number of xattr ids 1".to_owned(),
        ];
        let word = if options == "stored" {
            "uncompressed"
        } else {
            "compressed"
        };
        for what in [
            "Inodes are",
            "Data is",
            "Uids/Gids (Id table) are",
            "Fragments are",
            "Xattrs are",
        ] {
            expected.push(format!("{what} {word}"));
        }
        if let Ok(level) = options.parse::<i32>() {
            expected.push(format!("\tcompression-level {level}"));
        }
        for line in expected {
            assert!(
                text.lines().any(|found| found == line),
                "{name}: no {line:?} in\n{text}"
            );
        }
    }
}

/// Mounts `image` below `place`, or says why nobody can here.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn new(image: &Path, at: &'a Path) -> Option<Self> {
        let mut mount = judge("mount")?;
        let root = fs::metadata("/proc/self")
            .is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0);
        if !root || !Path::new("/dev/loop-control").exists() {
            assert!(
                std::env::var_os("TALOS_FORGE_REQUIRE_JUDGES").is_none(),
                "only root can mount loop devices"
            );
            println!("skipped: only root can mount loop devices");
            return None;
        }
        fs::create_dir_all(at).unwrap();
        run(mount
            .args(["-t", "squashfs", "-o", "loop,ro"])
            .arg(image)
            .arg(at));
        Some(Self(at))
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.0).status().unwrap();
        assert!(unmounted.success() || std::thread::panicking());
    }
}

#[test]
fn the_kernel_mounts_what_was_written() {
    for (expected, images) in &*WRITTEN {
        for (name, image) in images {
            let place = tempfile::tempdir().unwrap();
            let file = place.path().join(name);
            fs::write(&file, image).unwrap();
            let folder = place.path().join("mounted");
            let Some(_mounted) = Mounted::new(&file, &folder) else {
                return;
            };
            let Some(found) = on_disk(&folder) else {
                return;
            };
            assert_same(&lines(&found, &Blobs::new()), expected);
            for (path, inode) in [("", 1), ("usr/local", 1)] {
                use std::os::unix::fs::MetadataExt;
                let Ok(metadata) = fs::metadata(folder.join(path)) else {
                    continue;
                };
                assert_eq!(
                    (metadata.uid(), metadata.gid(), metadata.mtime()),
                    (0, 0, i64::from(TIME))
                );
                assert!(metadata.ino() >= inode);
                let subdirectories = fs::read_dir(folder.join(path))
                    .unwrap()
                    .filter(|entry| entry.as_ref().unwrap().file_type().unwrap().is_dir())
                    .count();
                assert_eq!(metadata.nlink(), 2 + subdirectories as u64);
            }
        }
    }
}

#[test]
fn images_of_mksquashfs_read_the_same() {
    let (expected, images) = &WRITTEN[0];
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("tree");
    let file = place.path().join("ours");
    fs::write(&file, &images[0].1).unwrap();
    let Some(mut unsquashfs) = judge("unsquashfs") else {
        return;
    };
    run(unsquashfs
        .args(["-no-progress", "-d"])
        .arg(&folder)
        .arg(&file));
    for options in [
        "-comp zstd",
        "-comp zstd -Xcompression-level 18 -b 1M",
        "-comp xz -Xdict-size 100%",
        "-comp xz -b 4096 -always-use-fragments",
        "-comp zstd -always-use-fragments -no-exports",
        "-comp zstd -no-fragments -no-sparse -no-duplicates",
        "-comp gzip -noI -noD -noF -noX",
    ] {
        let Some(mut mksquashfs) = judge("mksquashfs") else {
            return;
        };
        let file = place.path().join("image");
        let tail = ["-all-root", "-noappend", "-no-progress", "-quiet"];
        run(mksquashfs
            .arg(&folder)
            .arg(&file)
            .args(options.split(' '))
            .args(tail));
        let bytes = fs::read(&file).unwrap();
        let image = Image::open(&*bytes, Limits::default()).unwrap();
        assert_same(
            &lines(&image.to_directory().unwrap(), &Blobs::new()),
            expected,
        );
    }
}

#[test]
fn images_of_mksquashfs_hold_owners_devices_and_hard_links() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("tree");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("one"), "linked").unwrap();
    fs::hard_link(folder.join("one"), folder.join("two")).unwrap();
    let Some(mut mksquashfs) = judge("mksquashfs") else {
        return;
    };
    let file = place.path().join("image");
    let pseudo = [
        "null c 666 7 8 1 3",
        "disk b 660 0 6 8 1",
        "pipe i 600 0 0 f",
        "socket i 600 0 0 s",
    ];
    mksquashfs
        .arg(&folder)
        .arg(&file)
        .args("-comp zstd -all-time 0 -quiet -no-progress".split(' '));
    run(mksquashfs.args(pseudo.iter().flat_map(|definition| ["-p", definition])));
    let bytes = fs::read(&file).unwrap();
    let image = Image::open(&*bytes, Limits::default()).unwrap();
    let found = |path: &str| &image.entries()[image.find(path.as_bytes()).unwrap()];
    assert_eq!(found("null").kind, Kind::CharDevice(0x103));
    assert_eq!((found("null").uid, found("null").gid), (7, 8));
    assert_eq!(found("disk").kind, Kind::BlockDevice(0x801));
    assert_eq!(found("pipe").kind, Kind::Fifo);
    assert_eq!(found("socket").kind, Kind::Socket);
    assert_eq!(
        (found("one").inode, found("one").nlink),
        (found("two").inode, 2)
    );
    assert!(matches!(image.to_directory(), Err(ReadError::Special { path }) if path == "disk"));
}

#[test]
fn images_of_other_compressors_are_refused_by_name() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("text"), trees::text(100_000)).unwrap();
    for compressor in ["gzip", "lz4", "lzo"] {
        let Some(mut mksquashfs) = judge("mksquashfs") else {
            return;
        };
        let file = place.path().join(OsStr::new(compressor));
        run(mksquashfs.arg(place.path().join("text")).arg(&file).args([
            "-comp",
            compressor,
            "-quiet",
            "-no-progress",
        ]));
        let bytes = fs::read(&file).unwrap();
        let refused = Image::open(&*bytes, Limits::default()).unwrap_err();
        assert!(
            matches!(refused, ReadError::Compressor { name, .. } if name == compressor),
            "{refused}"
        );
    }
}
