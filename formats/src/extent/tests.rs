use proptest::prelude::*;

use super::*;

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
        ];
    simple.prop_recursive(2, 8, 4, |inner| {
        (
            proptest::collection::vec(inner, 1..4),
            any::<bool>(),
            any::<bool>(),
        )
            .prop_map(|(extents, xz, edge)| {
                let mut layout = Layout::new();
                for extent in extents {
                    layout.push(extent);
                }
                let framing = if xz {
                    Framing::Lzma2Stored { first: edge }
                } else {
                    Framing::ZstdRaw { last: edge }
                };
                Extent::Framed(Framed::new(layout, framing))
            })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_split_into_ranges_concatenates_to_the_whole(
        extents in proptest::collection::vec(extent(), 0..8),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut layout = Layout::new();
        for extent in extents {
                    layout.push(extent);
                }
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
                match segment {
                    Segment::Bytes(bytes) => part.bytes(bytes),
                    Segment::Blob { digest, offset, len } => part.blob(digest, offset, len),
                    Segment::Zeros(len) => part.zeros(len),
                }
            }
            joined.extend(part.collect(|_| content()));
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
