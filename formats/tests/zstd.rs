//! Frames written, read back, and held against libzstd and the zstd program.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "helpers of tests are tests"
)]

pub mod judges;

use std::{io::Write as _, process::Stdio};

use bytes::Bytes;
use formats::{
    Digest, Extent, Layout,
    zstd::{BlockKind, Error, Limits, WINDOW, frame, read_frame},
};
use judges::judge;
use proptest::prelude::*;

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

fn judged(arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut child = judge("zstd")?
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || pipe.write_all(&input));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    assert!(output.status.success(), "zstd {arguments:?}");
    Some(output.stdout)
}

#[test]
fn a_dump_shows_header_and_blocks() {
    let bytes = whole(&frame(&example()));
    insta::assert_snapshot!(
        read_frame(bytes.as_slice(), Limits::default())
            .unwrap()
            .dump()
    );
}

#[test]
fn a_layout_dump_shows_the_plan() {
    insta::assert_snapshot!(frame(&example()).dump());
}

#[test]
fn the_bytes_of_small_frames_are_pinned() {
    let digests =
        [Layout::new(), example()].map(|inner| Digest::of(whole(&frame(&inner))).to_string());
    insta::assert_debug_snapshot!(digests);
}

#[test]
fn the_zstd_program_accepts_and_decompresses_our_frames() {
    for inner in [Layout::new(), example()] {
        let bytes = whole(&frame(&inner));
        if judged(&["-t", "-q"], &bytes).is_none() {
            return;
        }
        assert!(judged(&["-dc", "-q"], &bytes).unwrap() == whole(&inner));
    }
}

#[test]
fn the_zstd_program_lists_one_frame_with_our_window_and_size() {
    let Some(mut zstd) = judge("zstd") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frame.zst");
    std::fs::write(&path, whole(&frame(&example()))).unwrap();
    let output = zstd
        .args(["-lv", "--no-progress"])
        .arg(&path)
        .output()
        .unwrap();
    let listing = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{listing}");
    assert!(
        listing.contains("Window Size: 128 KiB (131072 B)"),
        "{listing}"
    );
    assert!(listing.contains("(731180 B)"), "{listing}");
    assert!(listing.contains("Check: None"), "{listing}");
}

#[test]
fn four_gibibytes_of_zeros_are_131_kilobytes() {
    let mut inner = Layout::new();
    inner.zeros(4 << 30);
    let layout = frame(&inner);
    assert_eq!(layout.len(), 14 + 4 * 32_768);
    let frame = read_frame(whole(&layout).as_slice(), Limits::default()).unwrap();
    assert_eq!(frame.header.content_size, Some(4 << 30));
    assert!(
        layout
            .extents()
            .any(|(_, extent)| matches!(extent, Extent::Sequence { .. }))
    );
}

#[test]
fn a_frame_ends_where_the_library_says() {
    let mut frames = Vec::new();
    for level in [1, 19] {
        let compressed = zstd::stream::encode_all(blob().slice(..200_000).as_ref(), level).unwrap();
        let frame = read_frame(compressed.as_slice(), Limits::default()).unwrap();
        assert_eq!(frame.len, compressed.len() as u64);
        frames.extend(compressed);
    }
    let sized = zstd::bulk::compress(&[7; 300], 3).unwrap();
    let header = read_frame(sized.as_slice(), Limits::default())
        .unwrap()
        .header;
    assert_eq!(header.content_size, Some(300));
    assert!(header.single_segment);
    let first = read_frame(frames.as_slice(), Limits::default()).unwrap();
    assert!(
        first.len < frames.len() as u64,
        "the second frame is not read"
    );
}

#[test]
fn windows_beyond_the_limit_are_refused() {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    encoder.long_distance_matching(true).unwrap();
    encoder.window_log(28).unwrap();
    encoder.write_all(&blob()).unwrap();
    let bytes = encoder.finish().unwrap();
    assert!(matches!(
        read_frame(bytes.as_slice(), Limits::default()),
        Err(Error::WindowTooLarge {
            window: 0x1000_0000,
            ..
        })
    ));
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = whole(&frame(&example()));
    for len in (0..bytes.len())
        .step_by(977)
        .chain(bytes.len() - 9..bytes.len())
    {
        assert!(
            read_frame(&bytes[..len], Limits::default()).is_err(),
            "{len}"
        );
    }
}

fn extent() -> impl Strategy<Value = Extent> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| Extent::Bytes(bytes.into())),
        (0..1000_u64, 0..399_000_u64).prop_map(|(offset, len)| Extent::Blob {
            digest: Digest::of(blob()),
            offset,
            len
        }),
        (0..400_000_u64).prop_map(Extent::Zeros),
        (0..5000_u64).prop_map(Extent::Zeros),
        (any::<u32>(), any::<u32>(), 0..40_000_u64)
            .prop_map(|(start, step, count)| Extent::Sequence { start, step, count }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_framed_is_what_libzstd_gives_back(extents in proptest::collection::vec(extent(), 0..6)) {
        let mut inner = Layout::new();
        for extent in extents {
            inner.push(extent);
        }
        let layout = frame(&inner);
        let bytes = whole(&layout);
        let content = whole(&inner);
        prop_assert_eq!(layout.len(), bytes.len() as u64);
        let read = read_frame(bytes.as_slice(), Limits::default()).unwrap();
        prop_assert_eq!(read.len, layout.len());
        prop_assert_eq!(read.header.content_size, Some(inner.len()));
        prop_assert_eq!(read.header.window, WINDOW);
        prop_assert!(!read.header.single_segment && !read.header.checksum);
        prop_assert!(read.blocks.iter().all(|block| block.kind != BlockKind::Compressed));
        prop_assert!(zstd::stream::decode_all(bytes.as_slice()).unwrap() == content);
    }

    #[test]
    fn damaged_frames_never_panic(
        flips in proptest::collection::vec((0..64_usize, any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut inner = Layout::new();
        inner.bytes(b"some payload".as_slice());
        inner.zeros(5000);
        inner.bytes(b"more".as_slice());
        let mut bytes = whole(&frame(&inner));
        for (index, value) in flips {
            let index = index % bytes.len();
            bytes[index] = value;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        formats::zstd::fuzz(&bytes);
    }
}
