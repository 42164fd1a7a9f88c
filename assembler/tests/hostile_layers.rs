//! Layers that mean harm are refused with the entry's name, in bounded time and memory. All are made here, none is stored.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::{
    io::{self, Read},
    time::{Duration, Instant},
};

use assembler::store::{
    Store, Tree,
    layer::{Compression, Error, Limits, ingest},
};
use flate2::{Compression as Level, write::GzEncoder};
use formats::Digest;
use tar::{Builder, EntryType, Header};

fn header(kind: EntryType, len: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_size(len);
    header.set_mode(0o644);
    header
}

/// An entry under a name that the `tar` crate itself would refuse to write.
fn raw_entry(name: &str, kind: EntryType, link: &str, content: &[u8]) -> Vec<u8> {
    let mut header = header(kind, content.len() as u64);
    let bytes = header.as_mut_bytes();
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    bytes[157..157 + link.len()].copy_from_slice(link.as_bytes());
    header.set_cksum();
    let mut entry = header.as_bytes().to_vec();
    entry.extend_from_slice(content);
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}

fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let mut content = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let len = (1..5)
            .map(|digits| rest + digits)
            .find(|len| len.to_string().len() + rest == *len)
            .unwrap();
        content.extend(format!("{len} {key}={value}\n").into_bytes());
    }
    raw_entry("pax", EntryType::XHeader, "", &content)
}

fn take(archive: &[u8], limits: &Limits) -> Result<Tree, Error> {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 1 << 30).unwrap();
    let result = ingest(
        &store,
        &Digest::of(archive),
        Compression::None,
        archive,
        limits,
    );
    if result.is_err() {
        let left = std::fs::read_dir(folder.path().join("tmp"))
            .unwrap()
            .count();
        assert_eq!(left, 0, "nothing half-written stays");
    }
    result
}

fn refused(archive: &[u8]) -> String {
    take(archive, &Limits::default())
        .expect_err("the layer should be refused")
        .to_string()
}

#[test]
fn names_that_leave_the_image_are_refused() {
    for name in ["/etc/passwd", "../up", "a/../../b", "a/.."] {
        let text = refused(&raw_entry(name, EntryType::Regular, "", b"x"));
        assert!(text.contains(&format!("{name:?}")), "{text}");
    }
    let archive = [
        pax(&[("path", "../../etc/shadow")]),
        raw_entry("innocent", EntryType::Regular, "", b"x"),
    ];
    assert!(refused(&archive.concat()).contains("../../etc/shadow"));
}

#[test]
fn links_that_leave_the_image_are_refused() {
    for (kind, name, target) in [
        (EntryType::Symlink, "a", "../b"),
        (EntryType::Symlink, "a/b/c", "../../../d"),
        (EntryType::Symlink, "a/b", "x/../../../d"),
        (EntryType::Link, "a", "../b"),
        (EntryType::Link, "a", "/etc/passwd"),
    ] {
        let text = refused(&raw_entry(name, kind, target, b""));
        assert!(text.contains("out of the image"), "{text}");
    }
    let inside = raw_entry("a/b/c", EntryType::Symlink, "../../d", b"");
    assert!(take(&inside, &Limits::default()).is_ok());
    let absolute = raw_entry("a", EntryType::Symlink, "/usr/bin/x", b"");
    let taken = take(&absolute, &Limits::default());
    assert!(
        taken.is_ok(),
        "an absolute target stays below the image's root"
    );
}

#[test]
fn devices_and_pipes_are_refused() {
    for kind in [EntryType::Char, EntryType::Block, EntryType::Fifo] {
        let text = refused(&raw_entry("dev/sda", kind, "", b""));
        assert!(text.contains("\"dev/sda\": devices"), "{text}");
    }
}

#[test]
fn duplicate_names_are_refused_but_directories_may_repeat() {
    let twice = [
        raw_entry("a", EntryType::Regular, "", b"1"),
        raw_entry("./a", EntryType::Regular, "", b"2"),
    ];
    assert!(refused(&twice.concat()).contains("occurs twice"));
    let folders = [
        raw_entry("a/", EntryType::Directory, "", b""),
        raw_entry("a", EntryType::Directory, "", b""),
    ];
    let tree = take(&folders.concat(), &Limits::default()).unwrap();
    assert_eq!(tree.entries.len(), 1);
}

#[test]
fn sparse_files_are_refused() {
    let sparse = [
        pax(&[("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0")]),
        raw_entry("f", EntryType::Regular, "", b"1"),
    ];
    assert!(refused(&sparse.concat()).contains("sparse"));
    assert!(refused(&raw_entry("f", EntryType::GNUSparse, "", b"")).contains("sparse"));
    let resized = [
        pax(&[("path", "f"), ("size", "99")]),
        raw_entry("f", EntryType::Regular, "", b"1"),
    ];
    assert!(refused(&resized.concat()).contains("size"));
}

#[test]
fn limits_name_what_there_is_too_much_of() {
    let limits = Limits {
        entries: 3,
        path: 20,
        header: 100,
        file: 5,
        unpacked: 4096,
        ratio: 100,
    };
    let entry = |name: &str, content: &[u8]| raw_entry(name, EntryType::Regular, "", content);
    let fails = |archive: &[u8]| take(archive, &limits).unwrap_err().to_string();
    let four = ["a", "b", "c", "d"].map(|name| entry(name, b"")).concat();
    assert_eq!(fails(&four), "more than 3 entries");
    assert!(fails(&entry(&"x".repeat(21), b"")).contains("overlong name"));
    assert_eq!(
        fails(&entry("x", b"123456")),
        "more than 5 bytes of one file"
    );
    let comment = "y".repeat(200);
    assert!(fails(&pax(&[("comment", &comment)])).contains("extended header"));
    let big = raw_entry("a", EntryType::Regular, "", &[1; 8192]);
    let limits = Limits {
        file: 1 << 20,
        ..limits
    };
    let error = take(&big, &limits).unwrap_err().to_string();
    assert_eq!(error, "more than 4096 unpacked bytes");
}

/// An endless archive of one entry over and over.
struct Endless {
    entry: Vec<u8>,
    position: usize,
    served: u64,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(self.entry.len() - self.position);
        buffer[..len].copy_from_slice(&self.entry[self.position..][..len]);
        self.position = (self.position + len) % self.entry.len();
        self.served += len as u64;
        Ok(len)
    }
}

#[test]
fn a_million_entries_are_refused_in_bounded_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 1 << 30).unwrap();
    let start = Instant::now();
    let entry = raw_entry("d", EntryType::Directory, "", b"");
    let mut endless = Endless {
        entry,
        position: 0,
        served: 0,
    };
    let limits = Limits::default();
    let error = ingest(
        &store,
        &Digest::of(b""),
        Compression::None,
        &mut endless,
        &limits,
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("more than {} entries", limits.entries)
    );
    assert!(endless.served < 512 << 20 && start.elapsed() < Duration::from_mins(1));
}

#[test]
fn a_gzip_bomb_is_refused_soon_after_the_free_allowance() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 1 << 30).unwrap();
    let mut bomb = GzEncoder::new(Vec::new(), Level::best());
    let mut big = header(EntryType::Regular, 3 << 30);
    big.set_path("zeros").unwrap();
    big.set_cksum();
    io::copy(&mut big.as_bytes().as_slice(), &mut bomb).unwrap();
    io::copy(&mut io::repeat(0).take(256 << 20), &mut bomb).unwrap();
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 1 << 20);
    let digest = Digest::of(&bomb);
    let error = ingest(
        &store,
        &digest,
        Compression::Gzip,
        bomb.as_slice(),
        &Limits::default(),
    );
    assert_eq!(
        error.unwrap_err().to_string(),
        "more than 100 times the compressed size"
    );
    assert_eq!(
        std::fs::read_dir(folder.path().join("tmp"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn a_wrong_digest_is_found_whatever_the_archive_holds() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 1 << 30).unwrap();
    let archive = raw_entry("a", EntryType::Regular, "", b"x");
    let other = Digest::of(b"other");
    let error = ingest(
        &store,
        &other,
        Compression::None,
        archive.as_slice(),
        &Limits::default(),
    );
    assert!(matches!(error, Err(Error::Digest { .. })));
}

#[test]
fn truncated_layers_are_refused() {
    let mut builder = Builder::new(GzEncoder::new(Vec::new(), Level::fast()));
    let content: Vec<u8> = (0..100_000u32)
        .flat_map(|index| index.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    let mut file = header(EntryType::Regular, content.len() as u64);
    builder
        .append_data(&mut file, "kernel", content.as_slice())
        .unwrap();
    let whole = builder.into_inner().unwrap().finish().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), 1 << 30).unwrap();
    let gunzip = |digest: &Digest, bytes: &[u8]| {
        ingest(&store, digest, Compression::Gzip, bytes, &Limits::default())
    };
    for len in [0, 1, 10, 500, whole.len() / 2, whole.len() - 1] {
        let part = &whole[..len];
        assert!(gunzip(&Digest::of(&whole), part).is_err(), "{len} bytes");
        assert!(
            gunzip(&Digest::of(part), part).is_err(),
            "{len} bytes, honest digest"
        );
    }
    let tree = gunzip(&Digest::of(&whole), &whole).unwrap();
    assert_eq!(tree.file("kernel").unwrap().digest, Digest::of(&content));
}

#[test]
fn extended_attributes_and_long_names_are_kept() {
    let name = format!("{}/file", "long".repeat(40));
    let label = "system_u:object_r:etc_t:s0";
    let archive = [
        pax(&[("path", &name), ("SCHILY.xattr.security.selinux", label)]),
        raw_entry("short", EntryType::Regular, "", b"x"),
        raw_entry("next", EntryType::Regular, "", b"y"),
    ];
    let tree = take(&archive.concat(), &Limits::default()).unwrap();
    assert_eq!(
        tree.entries[&name].xattrs["security.selinux"],
        label.as_bytes()
    );
    assert!(tree.entries["next"].xattrs.is_empty());
}
