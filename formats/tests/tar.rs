//! Archives written, read back, and held against GNU tar and other people's readers.

#![expect(clippy::print_stdout, reason = "helpers of tests are tests")]

pub mod judges;

use bytes::Bytes;
use formats::{
    Digest, Layout,
    read_at::ReadAt as _,
    tar::{Content, Limits, Member, archive, dump, read_archive},
};
use judges::judge;
use proptest::prelude::*;

const TIME: u32 = 1_559_424_892;

fn blob() -> Bytes {
    (0..400_000_u32)
        .map(|index| (index.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0])
        .collect::<Vec<_>>()
        .into()
}

/// A disk with `runs` of content, so many that the map needs extension blocks.
fn disk(runs: u64, gap: u64) -> Layout {
    let mut disk = Layout::new();
    for run in 0..runs {
        disk.bytes(format!("run {run}").into_bytes());
        disk.align(512);
        disk.blob(Digest::of(blob()), run, 5120);
        disk.zeros(gap);
    }
    disk
}

fn sparse(content: Layout) -> Layout {
    archive(&[Member {
        name: "disk.raw",
        owner: "",
        modified: TIME,
        content: Content::Sparse(content),
    }])
}

fn whole(layout: &Layout) -> Vec<u8> {
    layout.collect(|_| blob())
}

#[test]
fn a_dump_shows_members_and_runs() {
    let mut small = Layout::new();
    small.bytes(b"text".as_slice());
    let layout = archive(&[
        Member {
            name: "disk.ovf",
            owner: "root",
            modified: TIME,
            content: Content::Whole(small),
        },
        Member {
            name: "disk.raw",
            owner: "",
            modified: TIME,
            content: Content::Sparse(disk(3, 1 << 20)),
        },
    ]);
    let entries = read_archive(whole(&layout).as_slice(), Limits::default()).unwrap();
    insta::assert_snapshot!(dump(&entries));
}

#[test]
fn gnu_tar_unpacks_our_sparse_members() {
    for runs in [0, 1, 3, 4, 5, 24, 25, 26, 100] {
        let disk = disk(runs, 20_000);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive.tar");
        std::fs::write(&path, whole(&sparse(disk.clone()))).unwrap();
        let Some(mut tar) = judge("tar") else { return };
        let status = tar
            .arg("-xf")
            .arg(&path)
            .arg("-C")
            .arg(folder.path())
            .status();
        assert!(status.unwrap().success());
        let unpacked = std::fs::read(folder.path().join("disk.raw")).unwrap();
        assert!(unpacked == whole(&disk), "{runs} runs");
    }
}

#[test]
fn a_disk_beyond_eight_gibibytes_has_its_size_in_binary() {
    let mut disk = disk(2, 9 << 30);
    disk.align(1 << 20);
    let layout = sparse(disk.clone());
    assert!(layout.len() < 30_000);
    let bytes = whole(&layout);
    let entries = read_archive(bytes.as_slice(), Limits::default()).unwrap();
    assert_eq!(entries[0].len, disk.len());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("archive.tar");
    std::fs::write(&path, bytes).unwrap();
    let Some(mut tar) = judge("tar") else { return };
    let output = tar
        .args(["--utc", "--full-time", "-tvf"])
        .arg(&path)
        .output()
        .unwrap();
    let listing = String::from_utf8(output.stdout).unwrap();
    let expected = format!(
        "-rw-r--r-- 0/0     {} 2019-06-01 21:34:52 disk.raw\n",
        disk.len()
    );
    assert_eq!(listing, expected);
}

#[test]
fn archives_of_gnu_tar_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let long = format!("{}/{}", "d".repeat(80), "f".repeat(90));
    std::fs::create_dir(folder.path().join("d".repeat(80))).unwrap();
    std::fs::write(folder.path().join(&long), "long").unwrap();
    let disk = whole(&disk(30, 100_000));
    let file = std::fs::File::create(folder.path().join("disk.raw")).unwrap();
    file.set_len(disk.len() as u64).unwrap();
    for (index, piece) in disk.chunks(4096).enumerate() {
        if piece.iter().any(|byte| *byte != 0) {
            let offset = u64::try_from(index).unwrap() * 4096;
            std::os::unix::fs::FileExt::write_all_at(&file, piece, offset).unwrap();
        }
    }
    for (options, names) in [
        (&["--format=ustar"][..], &[&*long, "disk.raw"][..]),
        (&["--format=oldgnu", "--sparse"], &["disk.raw"]),
        (&["--format=gnu", "--sparse"], &["disk.raw"]),
    ] {
        let Some(mut tar) = judge("tar") else { return };
        tar.current_dir(folder.path()).args(["-cf", "-"]);
        let archive = tar.args(options).args(names).output().unwrap().stdout;
        let entries = read_archive(archive.as_slice(), Limits::default()).unwrap();
        let read: Vec<_> = entries.iter().map(|entry| &*entry.name).collect();
        let expected: Vec<_> = names.iter().map(|name| name.as_bytes()).collect();
        assert_eq!(read, expected);
        let last = entries.last().unwrap();
        let mut content = vec![0; disk.len()];
        assert_eq!(last.len, disk.len() as u64);
        last.content(archive.as_slice())
            .read_at(0, &mut content)
            .unwrap();
        assert!(content == disk, "{options:?}");
        assert_eq!(last.stored < last.len, options.contains(&"--sparse"));
    }
}

#[test]
fn numbers_in_binary_are_read_or_refused_in_every_field() {
    let mut bytes = whole(&sparse(disk(1, 5000)));
    for (field, len) in [(124, 12), (136, 12), (148, 8), (386, 12), (483, 12)] {
        let before = bytes.clone();
        bytes[field] = 0x80;
        bytes[field + 1..field + len].fill(0xff);
        read_archive(bytes.as_slice(), Limits::default()).unwrap_err();
        bytes = before;
    }
    read_archive(bytes.as_slice(), Limits::default()).unwrap();
}

/// The first header of the reference's image, but for what depends on content.
#[test]
fn a_header_is_that_of_gnu_tar() {
    let mut disk = disk(2, 20_000);
    disk.zeros(11193 << 20);
    let header = &whole(&sparse(disk))[..512];
    assert_eq!(
        header[..108],
        *[&b"disk.raw"[..], &[0; 92], b"0000644\0"].concat()
    );
    assert_eq!(header[108..124], *b"0000000\x000000000\0");
    assert_eq!(header[136..148], *b"13474567574\0");
    assert_eq!(
        header[156..265],
        *[&b"S"[..], &[0; 100], b"ustar  \0"].concat()
    );
    assert_eq!(header[265..386], [0; 121]);
    assert_eq!(header[386..398], *b"00000000000\0");
    assert_eq!(header[482..487], [0, 0x80, 0, 0, 0]);
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = whole(&sparse(disk(6, 5000)));
    let entries = read_archive(bytes.as_slice(), Limits::default()).unwrap();
    let end = entries[0].offset + entries[0].stored + 512;
    for len in (0..usize::try_from(end).unwrap()).step_by(61) {
        assert!(
            read_archive(&bytes[..len], Limits::default()).is_err(),
            "{len}"
        );
    }
}

proptest! {
    #[test]
    fn damaged_archives_never_panic(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = whole(&sparse(disk(6, 5000)));
        for (index, value) in flips {
            let index = index.index(bytes.len());
            bytes[index] = value;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        formats::tar::fuzz(&bytes);
    }
}
