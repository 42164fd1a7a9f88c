//! Members written, read back, and held against other people's programs.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests are tests"
)]

pub mod judges;

use std::{io::Write as _, process::Stdio};

use bytes::Bytes;
use flate2::{Compression, write::DeflateEncoder};
use formats::{
    Digest, Extent, Layout,
    crc::Crc,
    deflate::{NO_PIECES, Pieces},
    gzip::{BlockKind, Error, Known, Limits, member, read_member},
};
use judges::judge;
use proptest::prelude::*;

/// Nothing known of any blob.
const NOTHING: Known<'_> = Known {
    crc: &|_, _, _, _| None,
    pieces: NO_PIECES,
};

/// 400,000 bytes that do not repeat within a block.
fn blob() -> Bytes {
    (0..400_000_u32)
        .map(|index| (index.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0])
        .collect::<Vec<_>>()
        .into()
}

fn whole(layout: &Layout) -> Vec<u8> {
    layout.collect(|_| blob())
}

fn packed(inner: &Layout) -> Vec<u8> {
    whole(&member(inner, "disk.raw", NOTHING))
}

fn example() -> Layout {
    let mut inner = Layout::new();
    inner.section("head");
    inner.bytes(b"head".as_slice());
    inner.zeros(100);
    inner.section("payload");
    inner.blob(Digest::of(blob()), 1000, 300_000);
    inner.section("gap");
    inner.zeros(300_000);
    inner.section("tail");
    inner.bytes(b"tail".as_slice());
    inner.zeros(128 << 10);
    inner
}

/// What `program` makes of `input`.
fn unpacked(program: &str, input: &[u8]) -> Option<Vec<u8>> {
    let mut child = judge(program)?
        .arg("-dc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || pipe.write_all(&input));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    assert!(output.status.success(), "{program}");
    Some(output.stdout)
}

#[test]
fn a_dump_shows_header_and_blocks() {
    insta::assert_snapshot!(
        read_member(packed(&example()).as_slice(), Limits::default())
            .unwrap()
            .dump()
    );
}

#[test]
fn a_layout_dump_shows_the_plan() {
    insta::assert_snapshot!(member(&example(), "", NOTHING).dump());
}

#[test]
fn the_bytes_of_small_members_are_pinned() {
    let digests = [Layout::new(), example()].map(|inner| Digest::of(packed(&inner)).to_string());
    insta::assert_debug_snapshot!(digests);
}

#[test]
fn gzip_and_pigz_unpack_our_members() {
    for program in ["gzip", "pigz"] {
        for inner in [Layout::new(), example()] {
            let Some(unpacked) = unpacked(program, &packed(&inner)) else {
                break;
            };
            assert!(unpacked == whole(&inner), "{program}");
        }
    }
}

/// A blob in pieces, whole and from the middle of a piece to the middle of another.
#[test]
fn what_was_compressed_beforehand_is_taken_over() {
    let line = |number: u32| format!("{number} bottles of beer on the wall\n").into_bytes();
    let text: Bytes = (0..20_000).flat_map(line).collect();
    let unit = 100_000;
    let (mut made, mut lens) = (Vec::new(), Vec::new());
    for piece in text.chunks(unit) {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(6));
        encoder.write_all(piece).unwrap();
        encoder.flush().unwrap();
        lens.push(u32::try_from(encoder.get_ref().len()).unwrap());
        made.extend_from_slice(encoder.get_ref());
    }
    let digest = Digest::of(&text);
    let pieces = Pieces::new(Digest::of(&made), unit as u64, text.len() as u64, lens).unwrap();
    let known = Known {
        pieces: &|name| (*name == digest).then(|| pieces.clone()),
        ..NOTHING
    };
    let mut inner = example();
    inner.blob(digest, 0, text.len() as u64);
    inner.zeros(1 << 20);
    inner.blob(digest, 12_345, 456_789);
    let made = Bytes::from(made);
    let bytes = |layout: &Layout| {
        layout.collect(|name| match name {
            name if *name == digest => text.clone(),
            name if *name == pieces.digest() => made.clone(),
            _ => blob(),
        })
    };
    let layout = member(&inner, "disk.raw", known);
    let (packed, whole) = (bytes(&layout), bytes(&inner));
    let stored = member(&inner, "disk.raw", NOTHING).len();
    assert!(
        layout.len() + 700_000 < stored,
        "{} of {stored}",
        layout.len()
    );
    let read = read_member(packed.as_slice(), Limits::default()).unwrap();
    let content: u64 = read.blocks.iter().map(|block| block.content).sum();
    assert_eq!(content, whole.len() as u64);
    for program in ["gzip", "pigz"] {
        let Some(unpacked) = unpacked(program, &packed) else {
            break;
        };
        assert!(unpacked == whole, "{program}");
    }
}

#[test]
fn gzip_lists_one_member_with_its_name() {
    let Some(mut gzip) = judge("gzip") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.gz");
    std::fs::write(&path, packed(&example())).unwrap();
    let output = gzip.args(["-lN"]).arg(&path).output().unwrap();
    let listing = String::from_utf8(output.stdout).unwrap();
    assert!(listing.contains("disk.raw"), "{listing}");
    assert!(listing.contains(&example().len().to_string()), "{listing}");
}

#[test]
fn zeros_of_any_length_are_one_block_and_fewer_than_258_bytes() {
    for len in (4096..6000).chain([1 << 20, (64 << 20) + 257]) {
        let mut inner = Layout::new();
        inner.zeros(len);
        let bytes = packed(&inner);
        let read = read_member(bytes.as_slice(), Limits::default()).unwrap();
        assert_eq!(read.blocks[0].kind, BlockKind::Dynamic);
        assert!(len - read.blocks[0].content < 258, "{len}");
        assert_eq!(read.crc32, u32::try_from(Crc::Crc32.of_zeros(len)).unwrap());
        assert_eq!(read.len, bytes.len() as u64);
    }
}

#[test]
fn four_gibibytes_of_zeros_are_four_mebibytes() {
    let mut inner = Layout::new();
    inner.zeros(4 << 30);
    let layout = member(&inner, "", NOTHING);
    assert!(layout.len() < (4 << 30) / 1032 + 400, "{}", layout.len());
    assert!(layout.extents().len() < 12);
}

#[test]
fn a_crc_that_is_known_costs_no_reading() {
    let mut inner = example();
    inner.blob(Digest::of(blob()), 0, 400_000);
    let known = |crc: Crc, _: &Digest, offset: u64, len: u64| {
        let (offset, len) = (
            usize::try_from(offset).unwrap(),
            usize::try_from(len).unwrap(),
        );
        Some(crc.of(&blob()[offset..offset + len]))
    };
    let known = Known {
        crc: &known,
        ..NOTHING
    };
    let layout = member(&inner, "disk.raw", known);
    let deferred = |extent: &Extent| matches!(extent, Extent::Deferred(_));
    assert!(!layout.extents().any(|(_, extent)| deferred(extent)));
    assert!(whole(&layout) == packed(&inner));
}

#[test]
fn members_of_the_gzip_program_are_walked() {
    let Some(mut gzip) = judge("gzip") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("content");
    std::fs::write(&path, "some text, some text. ".repeat(10_000)).unwrap();
    let output = gzip.args(["-9", "-c"]).arg(&path).output().unwrap().stdout;
    let read = read_member(output.as_slice(), Limits::default()).unwrap();
    let content: u64 = read.blocks.iter().map(|block| block.content).sum();
    assert_eq!((content, read.len), (220_000, output.len() as u64));
    assert_eq!(read.name.as_deref(), Some(b"content".as_slice()));
}

#[test]
fn every_truncation_is_an_error() {
    let mut inner = Layout::new();
    inner.bytes(b"some payload".as_slice());
    inner.zeros(5000);
    let bytes = packed(&inner);
    for len in 0..bytes.len() {
        assert!(
            read_member(&bytes[..len], Limits::default()).is_err(),
            "{len}"
        );
    }
}

#[test]
fn more_content_than_the_limit_is_refused() {
    let limits = Limits {
        content: 1000,
        ..Limits::default()
    };
    assert!(matches!(
        read_member(packed(&example()).as_slice(), limits),
        Err(Error::TooMany { .. })
    ));
}

fn extent() -> impl Strategy<Value = Extent> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| Extent::Bytes(bytes.into())),
        (0..200_000_u64, 0..200_000_u64).prop_map(|(offset, len)| Extent::Blob {
            digest: Digest::of(b"name"),
            offset,
            len
        }),
        (0..3_000_000_u64).prop_map(Extent::Zeros),
        (any::<u32>(), any::<u32>(), 0..40_000_u64)
            .prop_map(|(start, step, count)| Extent::Sequence { start, step, count }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_stored_is_what_a_library_gives_back(extents in proptest::collection::vec(extent(), 0..6)) {
        let mut inner = Layout::new();
        for extent in extents {
            inner.push(extent);
        }
        let bytes = packed(&inner);
        let read = read_member(bytes.as_slice(), Limits::default()).unwrap();
        prop_assert_eq!(read.len, bytes.len() as u64);
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(bytes.as_slice()), &mut content).unwrap();
        prop_assert!(content == whole(&inner));
    }

    #[test]
    fn damaged_members_never_panic(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = packed(&example());
        for (index, value) in flips {
            let index = index.index(bytes.len());
            bytes[index] = value;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        formats::gzip::fuzz(&bytes);
    }
}
