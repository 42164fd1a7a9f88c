//! Streams written, read back, and held against liblzma and the xz program.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests are tests"
)]

pub mod judges;

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use formats::{
    Digest, Extent, Layout,
    crc::Crc,
    xz::{BLOCK_MAX, Error, Known, Limits, Packed, Record, read_stream, stream},
};
use judges::judge;
use proptest::prelude::*;

const MIB: u64 = 1 << 20;

/// 40 MiB and 5 bytes, so that blocks end inside it.
fn blob() -> Bytes {
    static BLOB: std::sync::OnceLock<Bytes> = std::sync::OnceLock::new();
    let make = || {
        (0..(40_u32 << 20) + 5)
            .map(|index| (index.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0])
            .collect::<Vec<_>>()
            .into()
    };
    BLOB.get_or_init(make).clone()
}

fn whole(layout: &Layout) -> Vec<u8> {
    layout.collect(|_| blob())
}

/// The sums of [`blob`] where a store that keeps them for each MiB can tell them.
fn by_mib(crc: Crc, _: &Digest, offset: u64, len: u64) -> Option<u64> {
    let (blob, end) = (blob(), offset + len);
    let known = offset.is_multiple_of(MIB) && (end.is_multiple_of(MIB) || end == blob.len() as u64);
    let range = usize::try_from(offset).unwrap()..usize::try_from(end).unwrap();
    known.then(|| crc.of(&blob[range]))
}

fn framed(inner: &Layout) -> Layout {
    with_check(inner, Crc::Crc32)
}

fn with_check(inner: &Layout, check: Crc) -> Layout {
    let known = Known {
        crc: &by_mib,
        packed: &|_| None,
    };
    stream(inner, check, known)
}

fn decompressed(bytes: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    liblzma::read::XzDecoder::new(bytes)
        .read_to_end(&mut content)
        .unwrap();
    content
}

fn digest() -> Digest {
    Digest::of(b"name of the blob")
}

fn example() -> Layout {
    let mut inner = Layout::new();
    inner.section("head");
    inner.bytes(b"head".as_slice());
    inner.section("payload");
    inner.blob(digest(), 0, blob().len() as u64);
    inner.section("tail");
    inner.zeros(300_000);
    inner.bytes(b"tail".as_slice());
    inner
}

fn small() -> Layout {
    let mut inner = Layout::new();
    inner.bytes(b"some payload".as_slice());
    inner.zeros(100);
    inner
}

#[test]
fn a_dump_shows_blocks_and_index() {
    let bytes = whole(&framed(&example()));
    insta::assert_snapshot!(
        read_stream(bytes.as_slice(), Limits::default())
            .unwrap()
            .dump()
    );
}

#[test]
fn a_layout_dump_shows_the_plan() {
    insta::assert_snapshot!(framed(&example()).dump());
}

#[test]
fn the_bytes_of_small_streams_are_pinned() {
    let digests =
        [Layout::new(), small()].map(|inner| Digest::of(whole(&framed(&inner))).to_string());
    insta::assert_debug_snapshot!(digests);
}

#[test]
fn the_xz_program_accepts_and_decompresses_our_streams() {
    let folder = tempfile::tempdir().unwrap();
    for (name, inner) in [
        ("empty", Layout::new()),
        ("small", small()),
        ("large", example()),
    ] {
        let Some(mut xz) = judge("xz") else { return };
        let path = folder.path().join(format!("{name}.xz"));
        std::fs::write(&path, whole(&framed(&inner))).unwrap();
        assert!(xz.arg("-t").arg(&path).status().unwrap().success());
        let output = judge("xz")
            .unwrap()
            .args(["-dc", "-T2"])
            .arg(&path)
            .output()
            .unwrap();
        assert!(output.status.success());
        assert!(output.stdout == whole(&inner), "{name}");
    }
}

#[test]
fn the_xz_program_lists_crc32_blocks_with_their_sizes() {
    let Some(mut xz) = judge("xz") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stream.xz");
    std::fs::write(&path, whole(&framed(&example()))).unwrap();
    let output = xz.args(["--robot", "-lvv"]).arg(&path).output().unwrap();
    assert!(output.status.success());
    let listing = String::from_utf8(output.stdout).unwrap();
    let blocks: Vec<Vec<&str>> = listing
        .lines()
        .filter(|line| line.starts_with("block"))
        .map(|line| line.split('\t').collect())
        .collect();
    // The columns: check name, check value, header size, flags, ..., filter chain.
    assert_eq!(blocks.len(), 5, "{listing}");
    for block in &blocks {
        assert!(
            block.contains(&"CRC32") && block.contains(&"cu"),
            "{listing}"
        );
        assert_eq!(block.last().copied(), Some("--lzma2=dict=256KiB"));
    }
}

#[test]
fn a_stored_stream_costs_less_than_a_ten_thousandth() {
    let mut inner = Layout::new();
    inner.blob(digest(), 0, blob().len() as u64);
    let overhead = framed(&inner).len() - inner.len();
    assert!(overhead * 10_000 < inner.len(), "{overhead}");
}

#[test]
fn liblzma_streams_of_compressed_blocks_are_walked() {
    let content = blob().slice(..3 << 20);
    let threads = liblzma::stream::MtStreamBuilder::new()
        .threads(1)
        .preset(1)
        .block_size(1 << 20)
        .check(liblzma::stream::Check::Crc64)
        .encoder()
        .unwrap();
    let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), threads);
    encoder.write_all(&content).unwrap();
    let bytes = encoder.finish().unwrap();
    let stream = read_stream(bytes.as_slice(), Limits::default()).unwrap();
    assert_eq!((stream.check, stream.blocks.len()), (4, 3));
    assert_eq!(stream.len, bytes.len() as u64);
    let uncompressed: u64 = stream.blocks.iter().map(|block| block.uncompressed).sum();
    assert_eq!(uncompressed, content.len() as u64);
}

#[test]
fn a_range_without_a_sum_is_summed_when_it_is_read() {
    let mut inner = Layout::new();
    inner.blob(digest(), 1, 10);
    inner.blob(digest(), 5, 3_000_000);
    for check in [Crc::Crc32, Crc::Crc64] {
        let layout = with_check(&inner, check);
        assert!(
            layout
                .extents()
                .any(|(_, extent)| matches!(extent, Extent::Deferred(_)))
        );
        assert!(decompressed(&whole(&layout)) == whole(&inner));
    }
}

#[test]
fn blocks_end_at_whole_mebibytes_of_a_blob() {
    let mut inner = example();
    inner.blob(digest(), 1 << 20, 20 << 20);
    let asked = std::cell::RefCell::new(Vec::new());
    let crc = |crc, digest: &Digest, offset, len| {
        asked.borrow_mut().push((offset, len));
        by_mib(crc, digest, offset, len)
    };
    let known = Known {
        crc: &crc,
        packed: &|_| None,
    };
    let layout = stream(&inner, Crc::Crc32, known);
    let deferred = |extent: &Extent| matches!(extent, Extent::Deferred(_));
    assert!(!layout.extents().any(|(_, extent)| deferred(extent)));
    let (asked, blob_len) = (asked.into_inner(), blob().len() as u64);
    for (offset, len) in &asked {
        assert_eq!(offset % MIB, 0);
        assert!((offset + len) % MIB == 0 || offset + len == blob_len);
        assert!(*len <= BLOCK_MAX);
    }
    assert_eq!(
        asked.iter().map(|(_, len)| len).sum::<u64>(),
        blob_len + (20 << 20)
    );
}

#[test]
fn four_gibibytes_of_zeros_are_less_than_a_mebibyte() {
    let mut inner = Layout::new();
    inner.bytes(b"head".as_slice());
    inner.zeros(4 << 30);
    let layout = with_check(&inner, Crc::Crc64);
    assert!(layout.len() < MIB, "{}", layout.len());
    let read = read_stream(whole(&layout).as_slice(), Limits::default()).unwrap();
    let uncompressed: u64 = read.blocks.iter().map(|block| block.uncompressed).sum();
    assert_eq!(uncompressed, inner.len());
}

/// A blob that compresses is there as the blocks that a library made of it; its neighbours are stored.
#[test]
fn blocks_compressed_beforehand_take_the_place_of_a_blob() {
    let text: Bytes = b"all work and no play ".repeat(200_000).into();
    let threads = liblzma::stream::MtStreamBuilder::new()
        .threads(1)
        .preset(1)
        .block_size(1 << 20)
        .check(liblzma::stream::Check::Crc64)
        .encoder()
        .unwrap();
    let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), threads);
    encoder.write_all(&text).unwrap();
    let made = encoder.finish().unwrap();
    let read = read_stream(made.as_slice(), Limits::default()).unwrap();
    let made = Bytes::from(made);
    let packed = Packed {
        digest: Digest::of(&made),
        offset: read.blocks[0].offset,
        records: read
            .blocks
            .iter()
            .map(|block| Record {
                unpadded: block.header_len + block.compressed + 8,
                uncompressed: block.uncompressed,
            })
            .collect(),
    };

    let mut inner = Layout::new();
    inner.bytes(b"before".as_slice());
    inner.blob(Digest::of(&text), 0, text.len() as u64);
    inner.bytes(b"after".as_slice());
    inner.blob(Digest::of(&text), 1, 100);
    let name = Digest::of(&text);
    let known = Known {
        crc: &|_, _, _, _| None,
        packed: &|digest| (*digest == name).then(|| packed.clone()),
    };
    let layout = stream(&inner, Crc::Crc64, known);
    assert!(layout.len() < 100_000, "{}", layout.len());
    let blob = |digest: &Digest| if *digest == name { &text } else { &made }.clone();
    assert!(decompressed(&layout.collect(blob)) == inner.collect(blob));
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = whole(&framed(&small()));
    for len in 0..bytes.len() {
        assert!(
            read_stream(&bytes[..len], Limits::default()).is_err(),
            "{len}"
        );
    }
}

#[test]
fn every_damaged_byte_of_the_structure_is_an_error() {
    let inner = small();
    let bytes = whole(&framed(&inner));
    let stream = read_stream(bytes.as_slice(), Limits::default()).unwrap();
    let block = stream.blocks[0];
    let payload = block.offset + block.header_len + 3;
    let check = payload + inner.len() + 1..stream.index;
    for index in 0..bytes.len() {
        let place = index as u64;
        if (payload..payload + inner.len()).contains(&place)
            || place + 4 >= check.end && check.contains(&place)
        {
            continue;
        }
        let mut damaged = bytes.clone();
        damaged[index] ^= 0x40;
        assert!(
            read_stream(damaged.as_slice(), Limits::default()).is_err(),
            "{index}"
        );
    }
}

#[test]
fn more_blocks_than_the_limit_are_refused() {
    let bytes = whole(&framed(&example()));
    assert!(read_stream(bytes.as_slice(), Limits { blocks: 5 }).is_ok());
    assert!(matches!(
        read_stream(bytes.as_slice(), Limits { blocks: 4 }),
        Err(Error::TooMany {
            what: "blocks",
            limit: 4
        })
    ));
}

fn extent() -> impl Strategy<Value = Extent> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| Extent::Bytes(bytes.into())),
        (0..20_u64, 0..20_u64).prop_map(|(first, count)| Extent::Blob {
            digest: digest(),
            offset: first << 20,
            len: count << 20
        }),
        (0..3_000_000_u64).prop_map(Extent::Zeros),
        (any::<u32>(), any::<u32>(), 0..40_000_u64)
            .prop_map(|(start, step, count)| Extent::Sequence { start, step, count }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_stored_is_what_liblzma_gives_back(extents in proptest::collection::vec(extent(), 0..4)) {
        let mut inner = Layout::new();
        for extent in extents {
            inner.push(extent);
        }
        let layout = framed(&inner);
        let bytes = whole(&layout);
        let read = read_stream(bytes.as_slice(), Limits::default()).unwrap();
        prop_assert_eq!(read.len, layout.len());
        prop_assert!(read.blocks.iter().all(|block| block.uncompressed <= BLOCK_MAX && (block.packed == 0 || block.stored == 0)));
        prop_assert!(decompressed(&bytes) == whole(&inner));
    }

    #[test]
    fn damaged_streams_never_panic(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = whole(&framed(&small()));
        for (index, value) in flips {
            let index = index.index(bytes.len());
            bytes[index] = value;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        formats::xz::fuzz(&bytes);
    }
}
