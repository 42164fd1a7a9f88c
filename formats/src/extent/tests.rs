use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::crc::Crc;

fn content() -> Bytes {
    (0..200_000u32)
        .map(|index| u8::try_from(index % 251).unwrap())
        .collect::<Vec<_>>()
        .into()
}

fn extent() -> impl Strategy<Value = Extent> {
    let simple =
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40)
                .prop_map(|bytes| Extent::Bytes(bytes.into())),
            (0..1000u64, 0..199_000u64).prop_map(|(offset, len)| Extent::Blob {
                digest: Digest::of(content()),
                offset,
                len
            }),
            (0..300u64).prop_map(Extent::Zeros),
            (any::<u32>(), any::<u32>(), 0..40u64)
                .prop_map(|(start, step, count)| Extent::Sequence { start, step, count }),
            (any::<u64>(), any::<u64>(), 0..20u64)
                .prop_map(|(start, step, count)| Extent::Sequence64 { start, step, count }),
        ];
    simple.prop_recursive(2, 8, 4, |inner| {
        let layout = proptest::collection::vec(inner, 1..4).prop_map(|extents| {
            let mut layout = Layout::new();
            for extent in extents {
                layout.push(extent);
            }
            layout
        });
        let framing = prop_oneof![
            any::<bool>().prop_map(|first| Framing::Lzma2Stored { first }),
            any::<bool>().prop_map(|last| Framing::ZstdRaw { last }),
            Just(Framing::DeflateStored),
            Just(Framing::VmdkGrain { lba: 128 }),
        ];
        prop_oneof![
            (layout.clone(), framing)
                .prop_map(|(layout, framing)| Extent::Framed(Framed::new(layout, framing))),
            (
                layout.clone(),
                prop_oneof![Just(Crc::Crc32), Just(Crc::Crc64)]
            )
                .prop_map(|(layout, crc)| crc_of(crc, &layout, &|_, _, _, _| None)),
            layout.prop_map(|layout| Extent::Deferred(Deferred::sha256_hex(Arc::new(layout)))),
        ]
    })
}

fn layout() -> impl Strategy<Value = Layout> {
    proptest::collection::vec(extent(), 0..8).prop_map(|extents| {
        let mut layout = Layout::new();
        for extent in extents {
            layout.push(extent);
        }
        layout
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_split_into_ranges_concatenates_to_the_whole(
        layout in layout(),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let whole = layout.collect(|_| content());
        prop_assert_eq!(whole.len() as u64, layout.len());
        let mut bounds: Vec<u64> = cuts.iter().map(|cut| cut.index(whole.len() + 1) as u64).collect();
        bounds.extend([0, layout.len()]);
        bounds.sort_unstable();
        let mut joined = Vec::new();
        for pair in bounds.windows(2) {
            let mut part = Layout::new();
            for segment in layout.segments(pair[0]..pair[1]) {
                prop_assert!(!segment.is_empty());
                part.push(segment.into());
            }
            joined.extend(part.collect(|_| content()));
        }
        prop_assert_eq!(joined, whole);
    }

    #[test]
    fn any_slice_is_a_layout_of_that_range(
        layout in layout(),
        (one, other) in any::<(prop::sample::Index, prop::sample::Index)>(),
    ) {
        let whole = layout.collect(|_| content());
        let (one, other) = (one.index(whole.len() + 1), other.index(whole.len() + 1));
        let (start, end) = (one.min(other), one.max(other));
        let slice = layout.slice(start as u64..end as u64);
        prop_assert_eq!(slice.len(), (end - start) as u64);
        prop_assert_eq!(slice.collect(|_| content()), &whole[start..end]);
        let twice = slice.slice(0..slice.len());
        prop_assert_eq!(twice.collect(|_| content()), &whole[start..end]);
    }

    #[test]
    fn runs_are_the_layout_cut_between_units(
        layout in layout(),
        unit in prop_oneof![Just(1_u64), Just(16), Just(512)],
        min_zeros in 0..600_u64,
    ) {
        let whole = layout.collect(|_| content());
        let mut joined = Vec::new();
        for run in layout.runs(unit, min_zeros) {
            prop_assert!(!run.is_empty());
            prop_assert_eq!(joined.len() as u64 % unit, 0);
            match run {
                Run::Zeros(len) => {
                    prop_assert!(len >= min_zeros);
                    joined.resize(joined.len() + usize::try_from(len).unwrap(), 0);
                }
                Run::Payload(payload) => joined.extend(payload.collect(|_| content())),
            }
        }
        prop_assert_eq!(joined, whole);
    }
}

#[test]
fn zeros_and_adjoining_blob_ranges_merge() {
    let digest = Digest::of(b"x");
    let mut layout = Layout::new();
    layout.zeros(3);
    layout.zeros(4);
    layout.blob(digest, 10, 5);
    layout.blob(digest, 15, 5);
    layout.blob(digest, 30, 5);
    assert_eq!(layout.extents().len(), 3);
    assert_eq!(layout.len(), 22);
}

#[test]
fn sections_are_not_part_of_the_fingerprint() {
    let mut named = Layout::new();
    named.section("a name");
    named.bytes(b"x".as_slice());
    let mut plain = Layout::new();
    plain.bytes(b"x".as_slice());
    assert_eq!(named.fingerprint("1"), plain.fingerprint("1"));
    assert_ne!(plain.fingerprint("1"), plain.fingerprint("2"));
    assert_eq!(named.section_at(0), Some("a name"));
}

#[test]
fn framing_headers_are_those_of_the_formats() {
    let mut inner = Layout::new();
    inner.zeros((128 << 10) + 1);
    let zstd = Framed::new(inner.clone(), Framing::ZstdRaw { last: true });
    let mut layout = Layout::new();
    layout.push(Extent::Framed(zstd));
    let bytes = layout.collect(|_| Bytes::new());
    assert_eq!(bytes[..3], [0x00, 0x00, 0x10], "131072 << 3, not last");
    assert_eq!(bytes[3 + (128 << 10)..][..3], [0x09, 0, 0], "1 << 3 | last");

    let mut layout = Layout::new();
    layout.push(Extent::Framed(Framed::new(
        inner,
        Framing::Lzma2Stored { first: true },
    )));
    let bytes = layout.collect(|_| Bytes::new());
    assert_eq!(bytes[..3], [0x01, 0xff, 0xff]);
    assert_eq!(bytes[3 + (64 << 10)..][..3], [0x02, 0xff, 0xff]);
    assert_eq!(bytes[2 * (3 + (64 << 10))..], [0x02, 0x00, 0x00, 0x00]);
}

/// 64 KiB of zeros as a zlib stream of stored blocks, behind their place and the length of the stream.
#[test]
fn a_grain_takes_129_sectors() {
    let mut inner = Layout::new();
    inner.zeros(3 * (64 << 10) - 5);
    let framing = Framing::VmdkGrain { lba: 0x1_0080 };
    let mut layout = Layout::new();
    layout.push(Extent::Framed(Framed::new(inner, framing)));
    let bytes = layout.collect(|_| Bytes::new());
    assert_eq!(bytes.len(), 3 * 129 * 512);
    for (number, grain) in bytes.chunks(129 * 512).enumerate() {
        let place = 0x1_0080 + 128 * number as u64;
        assert_eq!(grain[..8], place.to_le_bytes());
        assert_eq!(grain[8..12], 65_552_u32.to_le_bytes());
        assert_eq!(grain[12..19], [0x78, 0x01, 0, 0, 0x80, 0xff, 0x7f]);
        assert_eq!(grain[19 + 32_768..][..5], [1, 0, 0x80, 0xff, 0x7f]);
        assert_eq!(grain[12 + 65_548..][..4], [0, 0x0f, 0, 1], "Adler-32");
    }
}

#[test]
fn a_footprint_counts_what_is_inside() {
    let mut inner = Layout::new();
    inner.bytes(vec![1; 5000]);
    inner.section("payload");
    inner.blob(Digest::of(b""), 0, 1 << 40);
    inner.section("payload");
    let one = inner.footprint();
    assert!((5000..5500).contains(&one), "{one}");
    let mut outer = Layout::new();
    outer.push(Extent::Framed(Framed::new(
        inner.clone(),
        Framing::DeflateStored,
    )));
    outer.push(Extent::Deferred(Deferred::sha256_hex(inner.into())));
    let two = outer.footprint();
    assert!((2 * one..2 * one + 500).contains(&two), "{two}");
}
