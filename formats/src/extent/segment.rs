//! Layouts taken apart into what a reader handles: bytes in hand, ranges of blobs, zeros.

use std::ops::Range;

use bytes::Bytes;

use super::{Deferred, Extent, Layout};
use crate::Digest;

/// A run of bytes in its simplest form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Bytes in hand.
    Bytes(Bytes),
    /// A range of a blob, to be read.
    Blob {
        /// The blob's name.
        digest: Digest,
        /// First byte within the blob.
        offset: u64,
        /// Bytes to read.
        len: u64,
    },
    /// Zero bytes.
    Zeros(u64),
    /// A value over other extents, or a part of it, to be worked out.
    Deferred(Deferred),
}

impl Segment {
    /// Bytes the segment stands for; never 0 for a segment of a layout.
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Blob { len, .. } | Self::Zeros(len) => *len,
            Self::Deferred(deferred) => deferred.len(),
        }
    }

    /// Whether the segment stands for no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Segment> for Extent {
    fn from(segment: Segment) -> Self {
        match segment {
            Segment::Bytes(bytes) => Self::Bytes(bytes),
            Segment::Blob {
                digest,
                offset,
                len,
            } => Self::Blob {
                digest,
                offset,
                len,
            },
            Segment::Zeros(len) => Self::Zeros(len),
            Segment::Deferred(deferred) => Self::Deferred(deferred),
        }
    }
}

/// Words of a sequence are made in pieces of at most this many bytes.
const SEQUENCE_PIECE: u64 = 64 << 10;

impl Layout {
    /// The longest simple run that starts at `offset` and has at most `limit` bytes. Costs a binary search; keeps no state.
    ///
    /// # Panics
    /// If `offset` is not inside the layout or `limit` is 0.
    pub fn segment_at(&self, offset: u64, limit: u64) -> Segment {
        assert!(
            offset < self.len && limit > 0,
            "offset {offset} limit {limit} in a layout of {} bytes",
            self.len
        );
        let index = self.pieces.partition_point(|(start, _)| *start <= offset) - 1;
        let (start, extent) = &self.pieces[index];
        let skip = offset - start;
        let len = (extent.len() - skip).min(limit);
        match extent {
            Extent::Bytes(bytes) => {
                let from = usize::try_from(skip).expect("inline bytes are in memory");
                let to = usize::try_from(skip + len).expect("inline bytes are in memory");
                Segment::Bytes(bytes.slice(from..to))
            }
            Extent::Blob { digest, offset, .. } => Segment::Blob {
                digest: *digest,
                offset: offset + skip,
                len,
            },
            Extent::Zeros(_) => Segment::Zeros(len),
            Extent::Sequence { start, step, .. } => {
                let word = |index: u64| {
                    let index = u32::try_from(index & u64::from(u32::MAX)).expect("32 bits");
                    start.wrapping_add(step.wrapping_mul(index)).to_le_bytes()
                };
                Segment::Bytes(words(word, skip, len.min(SEQUENCE_PIECE)))
            }
            Extent::Sequence64 { start, step, .. } => {
                let word = |index| start.wrapping_add(step.wrapping_mul(index)).to_be_bytes();
                Segment::Bytes(words(word, skip, len.min(SEQUENCE_PIECE)))
            }
            Extent::Framed(framed) => framed.segment_at(skip, len),
            Extent::Deferred(deferred) => Segment::Deferred(deferred.slice(skip..skip + len)),
        }
    }

    /// The simple runs that make up `range`, in order.
    ///
    /// # Panics
    /// If `range` ends beyond the layout.
    pub fn segments(&self, range: Range<u64>) -> Segments<'_> {
        assert!(
            range.end <= self.len,
            "range {range:?} of a layout of {} bytes",
            self.len
        );
        Segments {
            layout: self,
            position: range.start,
            end: range.end,
        }
    }
}

/// `len` bytes from byte `skip` on of words of `N` bytes, which `word` gives by index.
fn words<const N: usize>(word: impl Fn(u64) -> [u8; N], skip: u64, len: u64) -> Bytes {
    let width = N as u64;
    let (first, last) = (skip / width, (skip + len).div_ceil(width));
    let bytes: Vec<u8> = (first..last).flat_map(word).collect();
    let from = usize::try_from(skip % width).expect("below a word");
    let to = from + usize::try_from(len).expect("at most a piece");
    Bytes::from(bytes).slice(from..to)
}

/// Iterator over the simple runs of a range of a layout.
#[derive(Debug, Clone)]
pub struct Segments<'a> {
    layout: &'a Layout,
    position: u64,
    end: u64,
}

impl Iterator for Segments<'_> {
    type Item = Segment;

    fn next(&mut self) -> Option<Segment> {
        if self.position >= self.end {
            return None;
        }
        let segment = self
            .layout
            .segment_at(self.position, self.end - self.position);
        self.position += segment.len();
        Some(segment)
    }
}
