//! Archives written, read back, and held against GNU cpio.

#![expect(clippy::print_stdout, reason = "helpers of tests are tests")]

pub mod judges;

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    process::Stdio,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use formats::{
    Digest, Layout,
    cpio::{Entry, Error, Limits, MAX_CONTENT, Reader, archive, dump, members},
};
use judges::judge;
use proptest::prelude::*;

const MTIME: u32 = 1_559_424_892;

fn content(bytes: &[u8]) -> Layout {
    let mut layout = Layout::new();
    layout.bytes(bytes.to_vec());
    layout
}

fn whole(layout: &Layout) -> Vec<u8> {
    layout.collect(|_| Bytes::new())
}

/// No directory in a directory: GNU cpio 2.13 writes the link counts it finds, also with `--reproducible`.
fn example() -> Vec<Entry> {
    vec![
        Entry::file("0.sqsh", MTIME, content(b"hsqs squashfs")),
        Entry::file("extensions.yaml", MTIME, content(b"layers: []\n")),
        Entry::directory("usr", MTIME),
        Entry::directory("lib", MTIME),
        Entry {
            mode: 0o120_777,
            ..Entry::file("lib/link", MTIME, content(b"../target"))
        },
        Entry::file("lib/empty", MTIME, Layout::new()),
        Entry {
            mode: 0o100_755,
            ..Entry::file("lib/with space", 0, content(&[0xa5; 513]))
        },
    ]
}

#[test]
fn a_dump_names_every_field() {
    let bytes = whole(&archive(&example()).unwrap());
    insta::assert_snapshot!(dump(bytes.as_slice(), Limits::default()).unwrap());
}

#[test]
fn a_layout_dump_shows_the_plan() {
    let mut blob = Layout::new();
    blob.blob(Digest::of(b"x"), 0, 5000);
    let entries = [
        Entry::directory("d", MTIME),
        Entry::file("d/blob", MTIME, blob),
    ];
    insta::assert_snapshot!(archive(&entries).unwrap().dump());
}

#[test]
fn the_bytes_of_small_archives_are_pinned() {
    let digests = [archive(&[]), archive(&example())]
        .map(|layout| Digest::of(whole(&layout.unwrap())).to_string());
    insta::assert_debug_snapshot!(digests);
}

#[test]
fn gnu_cpio_writes_the_same_bytes() {
    let Some(mut cpio) = judge("cpio") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut names = Vec::new();
    for entry in example() {
        let name = String::from_utf8(entry.name.clone()).unwrap();
        let path = folder.path().join(&name);
        let bytes = whole(&entry.content);
        match entry.mode >> 12 {
            0o04 => fs::create_dir(&path).unwrap(),
            0o12 => {
                std::os::unix::fs::symlink(String::from_utf8(bytes).unwrap(), &path).unwrap();
            }
            _ => fs::write(&path, bytes).unwrap(),
        }
        names.push(name);
    }
    // Times last, because a new entry changes its directory's; of a symbolic link the standard library cannot set one.
    let mut entries = example();
    for (entry, name) in entries.iter_mut().zip(&names) {
        let path = folder.path().join(name);
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_symlink() {
            let modified = metadata.modified().unwrap();
            let since = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap();
            entry.mtime = u32::try_from(since.as_secs()).unwrap();
            continue;
        }
        let mode = std::os::unix::fs::PermissionsExt::from_mode(entry.mode & 0o7777);
        fs::set_permissions(&path, mode).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(entry.mtime.into());
        File::open(&path).unwrap().set_modified(time).unwrap();
    }
    let mut child = cpio
        .args([
            "--create",
            "-H",
            "newc",
            "--reproducible",
            "--quiet",
            "-R",
            "+0:+0",
        ])
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input
        .write_all((names.join("\n") + "\n").as_bytes())
        .unwrap();
    drop(input);
    let theirs = child.wait_with_output().unwrap();
    assert!(theirs.status.success());
    let ours = whole(&archive(&entries).unwrap());
    assert_eq!(
        dump(ours.as_slice(), Limits::default()).unwrap(),
        dump(theirs.stdout.as_slice(), Limits::default()).unwrap()
    );
    assert!(
        ours == theirs.stdout,
        "the listings agree but not the bytes"
    );
}

#[test]
fn gnu_cpio_lists_what_we_write() {
    let Some(mut cpio) = judge("cpio") else {
        return;
    };
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&whole(&archive(&example()).unwrap()))
        .unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    let output = cpio
        .args(["-itv", "--quiet", "--numeric-uid-gid"])
        .env("TZ", "UTC")
        .env("LC_ALL", "C")
        .stdin(file)
        .output()
        .unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let listing = String::from_utf8(output.stdout).unwrap();
    let fields: Vec<Vec<&str>> = listing
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(fields.len(), example().len());
    assert_eq!(
        fields[0],
        [
            "-rw-r--r--",
            "1",
            "0",
            "0",
            "13",
            "Jun",
            "1",
            "2019",
            "0.sqsh"
        ]
    );
    assert_eq!(fields[2][..5], ["drwxr-xr-x", "2", "0", "0", "0"]);
    assert_eq!(fields[4][8..], ["lib/link", "->", "../target"]);
}

#[test]
fn the_cpio_crate_reads_what_we_write() {
    let bytes = whole(&archive(&example()).unwrap());
    let mut input = bytes.as_slice();
    for expected in example() {
        let mut reader = cpio::newc::Reader::new(input).unwrap();
        assert_eq!(reader.entry().name().as_bytes(), expected.name);
        assert_eq!(reader.entry().mode(), expected.mode);
        assert_eq!(reader.entry().mtime(), expected.mtime);
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        assert_eq!(read, whole(&expected.content));
        input = reader.finish().unwrap();
    }
    assert!(cpio::newc::Reader::new(input).unwrap().entry().is_trailer());
}

#[test]
fn archives_back_to_back_are_read_up_to_what_follows() {
    let first = whole(&archive(&example()[..1]).unwrap());
    let second = whole(&archive(&example()[2..4]).unwrap());
    let bytes = [
        first.as_slice(),
        &[0; 64],
        &second,
        b"\x28\xb5\x2f\xfd rest",
    ]
    .concat();
    let listing = members(&bytes, Limits::default()).unwrap();
    let found: Vec<_> = listing
        .members
        .iter()
        .map(|member| (member.archive, member.name.escape_ascii().to_string()))
        .collect();
    assert_eq!(
        found,
        [
            (0, "0.sqsh".to_owned()),
            (1, "usr".to_owned()),
            (1, "lib".to_owned())
        ]
    );
    assert_eq!(listing.end, (first.len() + 64 + second.len()) as u64);
}

#[test]
fn an_archive_that_the_kernel_would_not_find_is_an_error() {
    let one = whole(&archive(&[]).unwrap());
    let bytes = [one.as_slice(), &[0; 2], &one].concat();
    assert!(matches!(
        members(&bytes, Limits::default()),
        Err(Error::Unaligned { offset: 514 })
    ));
}

#[test]
fn contents_are_read_through_the_reader() {
    let bytes = whole(&archive(&example()).unwrap());
    let mut reader = Reader::new(bytes.as_slice(), Limits::default());
    for expected in example() {
        let member = reader.next_member().unwrap().unwrap();
        assert_eq!(member.name, expected.name);
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        assert_eq!(read, whole(&expected.content));
    }
    assert!(reader.next_member().unwrap().is_none());
    assert_eq!(reader.position(), bytes.len() as u64);
}

#[test]
fn names_and_contents_beyond_the_format_are_refused() {
    let mut just_fits = Layout::new();
    just_fits.zeros(MAX_CONTENT);
    assert!(archive(&[Entry::file("a", 0, just_fits.clone())]).is_ok());
    just_fits.zeros(1);
    assert!(matches!(
        archive(&[Entry::file("a", 0, just_fits)]),
        Err(Error::ContentTooLong {
            len: 0x1_0000_0000,
            ..
        })
    ));
    for name in ["", "a\0b", "TRAILER!!!", &"x".repeat(4096)] {
        assert!(
            matches!(
                archive(&[Entry::directory(name, 0)]),
                Err(Error::InvalidName { .. })
            ),
            "{name:?}"
        );
    }
    assert!(archive(&[Entry::directory("x".repeat(4095), 0)]).is_ok());
}

#[test]
fn more_entries_than_the_limit_are_refused() {
    let bytes = whole(&archive(&example()).unwrap());
    let entries = example().len() as u64 + 1;
    assert!(members(&bytes, Limits { entries }).is_ok());
    assert!(matches!(
        members(
            &bytes,
            Limits {
                entries: entries - 1
            }
        ),
        Err(Error::TooManyEntries { .. })
    ));
}

#[test]
fn every_truncation_within_an_archive_is_an_error() {
    let bytes = whole(&archive(&example()).unwrap());
    let trailer = bytes
        .windows(10)
        .position(|window| window == b"TRAILER!!!")
        .unwrap();
    for len in 1..bytes.len() {
        let listing = members(&bytes[..len], Limits::default());
        assert_eq!(
            listing.is_ok(),
            len >= (trailer + 11).next_multiple_of(4),
            "{len}"
        );
    }
}

fn entry() -> impl Strategy<Value = Entry> {
    let name = proptest::collection::vec(1..=255_u8, 1..20);
    let bytes = proptest::collection::vec(any::<u8>(), 0..40);
    (name, any::<u32>(), any::<u32>(), any::<u32>(), bytes).prop_map(
        |(name, mode, nlink, mtime, bytes)| Entry {
            name,
            mode,
            nlink,
            mtime,
            content: content(&bytes),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_is_written_is_read_back(entries in proptest::collection::vec(entry(), 0..8)) {
        let bytes = whole(&archive(&entries).unwrap());
        prop_assert_eq!(bytes.len() % 512, 0);
        let listing = members(&bytes, Limits::default()).unwrap();
        prop_assert_eq!(listing.end, bytes.len() as u64);
        prop_assert_eq!(listing.members.len(), entries.len());
        for (ino, (member, entry)) in (0..).zip(listing.members.iter().zip(&entries)) {
            prop_assert_eq!(&member.name, &entry.name);
            prop_assert_eq!(member.header.ino, ino);
            prop_assert_eq!(member.header.mode, entry.mode);
            prop_assert_eq!(member.header.nlink, entry.nlink);
            prop_assert_eq!(member.header.mtime, entry.mtime);
            let range = usize::try_from(member.content.start).unwrap()..usize::try_from(member.content.end).unwrap();
            prop_assert_eq!(&bytes[range], whole(&entry.content));
        }
    }

    #[test]
    fn damaged_archives_never_panic(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = whole(&archive(&example()).unwrap());
        for (index, value) in flips {
            let index = index.index(bytes.len());
            bytes[index] = value;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        formats::cpio::fuzz(&bytes);
    }
}
