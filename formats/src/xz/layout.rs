//! One stream around a layout.

use bytes::Bytes;

use super::{
    Error,
    raw::{
        ALIGNMENT, CHECK_CRC32, DICTIONARY_256_KIB, FOOTER_MAGIC, HAS_COMPRESSED_SIZE,
        HAS_UNCOMPRESSED_SIZE, LZMA2, MAGIC, push_vli, seal,
    },
};
use crate::{
    Digest, Extent, Layout,
    extent::{Framed, Framing, Segment},
};

/// Longest content of a block: what a reader of a part must take in before it can check anything.
pub const BLOCK_MAX: u64 = 16 << 20;

/// Where a block may end inside a blob: CRC32s of blobs are kept for the whole and for each MiB of them.
const BORDER: u64 = 1 << 20;

/// `inner` as one stream of independent blocks of stored chunks, at most [`BLOCK_MAX`] bytes each.
///
/// `crc32_of` gives the CRC32 of a range (offset, length) of a blob. Blocks are cut such that every range it is asked for
/// starts where an extent of `inner` starts or at a whole MiB of the blob, and ends likewise, so sums kept for each MiB
/// answer for extents that are whole blobs.
pub fn stream(
    inner: &Layout,
    mut crc32_of: impl FnMut(&Digest, u64, u64) -> Option<u32>,
) -> Result<Layout, Error> {
    let mut layout = Layout::new();
    layout.section("xz stream header");
    layout.bytes([MAGIC.as_slice(), &flags_and_sum()].concat());
    let mut index = Vec::new();
    let mut blocks = 0;
    let mut start = 0;
    while start < inner.len() {
        let (content, sum) = next_block(inner, start, &mut crc32_of)?;
        layout.section(inner.section_at(start).unwrap_or("payload"));
        let unpadded = push_block(&mut layout, &content, sum);
        push_vli(&mut index, unpadded);
        push_vli(&mut index, content.len());
        blocks += 1;
        start += content.len();
    }
    let mut head = vec![0];
    push_vli(&mut head, blocks);
    push_tail(&mut layout, seal([head, index].concat()));
    Ok(layout)
}

fn flags_and_sum() -> [u8; 6] {
    let [a, b, c, d] = crc32fast::hash(&[0, CHECK_CRC32]).to_le_bytes();
    [0, CHECK_CRC32, a, b, c, d]
}

/// The content of the block that starts at `start`, and its CRC32.
fn next_block(
    inner: &Layout,
    start: u64,
    crc32_of: &mut impl FnMut(&Digest, u64, u64) -> Option<u32>,
) -> Result<(Layout, u32), Error> {
    let mut content = Layout::new();
    let mut sum = crc32fast::Hasher::new();
    while content.len() < BLOCK_MAX && start + content.len() < inner.len() {
        let room = BLOCK_MAX - content.len();
        let Some(segment) = next_segment(inner, start + content.len(), room) else {
            break;
        };
        let len = segment.len();
        match segment {
            Segment::Bytes(bytes) => {
                sum.update(&bytes);
                content.bytes(bytes);
            }
            Segment::Zeros(len) => {
                sum.combine(&hasher(crc32_of_zeros(len), len));
                content.zeros(len);
            }
            Segment::Blob { digest, offset, .. } => {
                let known = crc32_of(&digest, offset, len).ok_or(Error::UnknownSum {
                    digest,
                    offset,
                    len,
                })?;
                sum.combine(&hasher(known, len));
                content.blob(digest, offset, len);
            }
        }
    }
    Ok((content, sum.finalize()))
}

/// The next run, cut to `room`; a range of a blob that does not fit is cut at a [`BORDER`] of the blob, or not begun.
fn next_segment(inner: &Layout, offset: u64, room: u64) -> Option<Segment> {
    let fits = inner.segment_at(offset, room);
    let Segment::Blob {
        digest,
        offset: from,
        len,
    } = fits
    else {
        return Some(fits);
    };
    if inner.segment_at(offset, u64::MAX).len() == len {
        return Some(fits);
    }
    let border = (from + len) / BORDER * BORDER;
    (border > from).then(|| Segment::Blob {
        digest,
        offset: from,
        len: border - from,
    })
}

fn hasher(sum: u32, len: u64) -> crc32fast::Hasher {
    crc32fast::Hasher::new_with_initial_len(sum, len)
}

/// By doubling: the sum of twice as many zeros is a combination of the sum with itself.
fn crc32_of_zeros(len: u64) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    let mut run = (crc32fast::hash(&[0]), 1);
    let mut left = len;
    while left > 0 {
        if left & 1 == 1 {
            sum.combine(&hasher(run.0, run.1));
        }
        left >>= 1;
        if left > 0 {
            let mut doubled = hasher(run.0, run.1);
            doubled.combine(&hasher(run.0, run.1));
            run = (doubled.finalize(), run.1 * 2);
        }
    }
    sum.finalize()
}

/// Adds a block; its `Unpadded Size`.
fn push_block(layout: &mut Layout, content: &Layout, sum: u32) -> u64 {
    let chunks = Framed::new(content.clone(), Framing::Lzma2Stored { first: true });
    let end_of_chunks = Bytes::from_static(&[0]);
    let compressed = chunks.len() + end_of_chunks.len() as u64;
    let header = block_header(compressed, content.len());
    let check = sum.to_le_bytes();
    let unpadded = header.len() as u64 + compressed + check.len() as u64;

    layout.bytes(header);
    layout.push(Extent::Framed(chunks));
    layout.section("xz block end");
    let mut end = end_of_chunks.to_vec();
    let padding = compressed.next_multiple_of(ALIGNMENT) - compressed;
    end.extend((0..padding).map(|_| 0));
    end.extend(check);
    layout.bytes(end);
    unpadded
}

/// States both sizes, so that a reader can decompress blocks in parallel.
fn block_header(compressed: u64, uncompressed: u64) -> Vec<u8> {
    let mut header = vec![0, HAS_COMPRESSED_SIZE | HAS_UNCOMPRESSED_SIZE];
    push_vli(&mut header, compressed);
    push_vli(&mut header, uncompressed);
    push_vli(&mut header, LZMA2);
    header.extend([1, DICTIONARY_256_KIB]);
    // `Block Header Size` counts words beyond the first, the CRC32 being one: as many as there are before it.
    header[0] = u8::try_from(header.len().div_ceil(4)).expect("at most 26 bytes");
    seal(header)
}

/// Index and stream footer.
fn push_tail(layout: &mut Layout, index: Vec<u8>) {
    let backward_size =
        u32::try_from(index.len() / 4 - 1).expect("an index in memory is below 16 GiB");
    layout.section("xz index");
    layout.bytes(index);
    let mut footer = backward_size.to_le_bytes().to_vec();
    footer.extend([0, CHECK_CRC32]);
    let sum = crc32fast::hash(&footer);
    layout.section("xz stream footer");
    layout.bytes([sum.to_le_bytes().as_slice(), &footer, &FOOTER_MAGIC].concat());
}
