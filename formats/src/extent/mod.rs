//! Layouts: an artifact as a list of extents, complete before its first byte exists.
//!
//! - Pushing is the only way to add, so the extents tile `0..len` by construction.
//! - Every extent knows its length without I/O; any offset is found in `O(log extents)`.
//! - Equal inputs give equal layouts, and [`Layout::fingerprint`] is a strong validator of the bytes.
//!
//! ```
//! use formats::{Digest, Extent, Layout};
//!
//! let mut layout = Layout::new();
//! layout.section("header");
//! layout.bytes(b"magic".as_slice());
//! layout.pad_to(512);
//! layout.section("payload");
//! layout.blob(Digest::of(b"kernel"), 0, 6);
//! assert_eq!(layout.len(), 518);
//! assert_eq!(layout.collect(|_| b"kernel".as_slice().into())[510..], *b"\0\0kernel");
//! ```

mod deferred;
mod framed;
mod runs;
mod segment;
#[cfg(test)]
mod tests;

use std::{fmt, ops::Range, sync::Arc};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

pub use self::deferred::{Deferred, Function, KnownCrc, crc_of};
pub(crate) use self::framed::ZLIB_HEADER;
pub use self::framed::{Framed, Framing};
pub use self::runs::Run;
pub use self::segment::{Segment, Segments};
use crate::Digest;

/// One run of an artifact's bytes.
#[derive(Clone, PartialEq, Eq)]
pub enum Extent {
    /// Metadata, inline.
    Bytes(Bytes),
    /// A range of an immutable blob.
    Blob {
        /// The blob's name.
        digest: Digest,
        /// First byte within the blob.
        offset: u64,
        /// Bytes taken.
        len: u64,
    },
    /// A run of zero bytes of this length.
    Zeros(u64),
    /// Little-endian 32-bit words `start, start + step, …` (wrapping): FAT chains, cluster tables.
    Sequence {
        /// The first word.
        start: u32,
        /// What each word adds to the one before it.
        step: u32,
        /// How many words.
        count: u64,
    },
    /// Big-endian 64-bit words `start, start + step, …` (wrapping): qcow2's tables.
    Sequence64 {
        /// The first word.
        start: u64,
        /// What each word adds to the one before it.
        step: u64,
        /// How many words.
        count: u64,
    },
    /// A layout cut into chunks, each between bytes that follow from its place and length.
    Framed(Framed),
    /// A checksum or digest over other extents, worked out when it is first read.
    Deferred(Deferred),
}

impl Extent {
    /// Bytes the extent stands for.
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Blob { len, .. } | Self::Zeros(len) => *len,
            Self::Sequence { count, .. } => count * 4,
            Self::Sequence64 { count, .. } => count * 8,
            Self::Framed(framed) => framed.len(),
            Self::Deferred(deferred) => deferred.len(),
        }
    }

    /// Whether the extent stands for no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn hash_into(&self, hasher: &mut Sha256) {
        match self {
            Self::Bytes(bytes) => {
                hasher.update([0]);
                hasher.update((bytes.len() as u64).to_le_bytes());
                hasher.update(bytes);
            }
            Self::Blob {
                digest,
                offset,
                len,
            } => {
                hasher.update([1]);
                hasher.update(digest.as_bytes());
                hasher.update(offset.to_le_bytes());
                hasher.update(len.to_le_bytes());
            }
            Self::Zeros(len) => {
                hasher.update([2]);
                hasher.update(len.to_le_bytes());
            }
            Self::Sequence { start, step, count } => {
                hasher.update([3]);
                hasher.update(start.to_le_bytes());
                hasher.update(step.to_le_bytes());
                hasher.update(count.to_le_bytes());
            }
            Self::Framed(framed) => {
                hasher.update([4]);
                framed.hash_into(hasher);
            }
            Self::Sequence64 { start, step, count } => {
                hasher.update([5]);
                hasher.update(start.to_le_bytes());
                hasher.update(step.to_le_bytes());
                hasher.update(count.to_le_bytes());
            }
            Self::Deferred(deferred) => {
                hasher.update([6]);
                deferred.hash_into(hasher);
            }
        }
    }
}

/// Annotated: what the extent is, without its offset.
impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(_) => write!(f, "bytes"),
            Self::Blob { digest, offset, .. } => write!(f, "blob {digest} at {offset}"),
            Self::Zeros(_) => write!(f, "zeros"),
            Self::Sequence { start, step, .. } => write!(f, "sequence from {start} step {step}"),
            Self::Sequence64 { start, step, .. } => {
                write!(f, "64-bit sequence from {start:#x} step {step:#x}")
            }
            Self::Framed(framed) => write!(f, "{framed}"),
            Self::Deferred(deferred) => write!(f, "{deferred}"),
        }
    }
}

impl fmt::Debug for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} ({} bytes)", self.len())
    }
}

/// An artifact: extents from offset 0 to [`len`](Self::len), without gap or overlap.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// Each extent with the offset it starts at; offsets ascend strictly.
    pieces: Vec<(u64, Extent)>,
    /// What the bytes from an offset on are, for people; not part of the bytes nor of the fingerprint.
    sections: Vec<(u64, Arc<str>)>,
    len: u64,
}

impl Layout {
    /// A layout of no bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes the layout stands for.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the layout stands for no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds one extent at the end. Runs of zeros and adjoining ranges of one blob become one extent; empty ones vanish.
    pub fn push(&mut self, extent: Extent) {
        let len = extent.len();
        if len == 0 {
            return;
        }
        let merged = match (self.pieces.last_mut(), &extent) {
            (Some((_, Extent::Zeros(before))), Extent::Zeros(more)) => {
                *before += more;
                true
            }
            (
                Some((
                    _,
                    Extent::Blob {
                        digest,
                        offset,
                        len,
                    },
                )),
                Extent::Blob {
                    digest: next,
                    offset: from,
                    len: more,
                },
            ) if digest == next && *offset + *len == *from => {
                *len += more;
                true
            }
            _ => false,
        };
        if !merged {
            self.pieces.push((self.len, extent));
        }
        self.len += len;
    }

    /// Adds inline metadata.
    pub fn bytes(&mut self, bytes: impl Into<Bytes>) {
        self.push(Extent::Bytes(bytes.into()));
    }

    /// Adds `len` bytes of the blob `digest` from `offset` on.
    pub fn blob(&mut self, digest: Digest, offset: u64, len: u64) {
        self.push(Extent::Blob {
            digest,
            offset,
            len,
        });
    }

    /// Adds `len` zero bytes.
    pub fn zeros(&mut self, len: u64) {
        self.push(Extent::Zeros(len));
    }

    /// Adds all extents of `other`; its sections keep their names.
    pub fn append(&mut self, other: &Self) {
        for (offset, name) in &other.sections {
            self.sections.push((self.len + offset, Arc::clone(name)));
        }
        for (_, extent) in &other.pieces {
            self.push(extent.clone());
        }
    }

    /// Adds the bytes `range` of `other`, without its sections: a file of several pieces.
    ///
    /// # Panics
    /// If `other` ends before.
    pub fn append_range(&mut self, other: &Self, range: Range<u64>) {
        assert!(
            range.end <= other.len,
            "range to {} of a layout of {} bytes",
            range.end,
            other.len
        );
        for (start, extent) in &other.pieces {
            let end = start + extent.len();
            if range.start <= *start && end <= range.end {
                self.push(extent.clone());
            } else if range.start < end && *start < range.end {
                let part = range.start.max(*start)..range.end.min(end);
                for segment in other.segments(part) {
                    self.push(segment.into());
                }
            }
        }
    }

    /// Names what is pushed from here on, until the next section: for `plan` and dumps.
    pub fn section(&mut self, name: impl Into<Arc<str>>) {
        self.sections.push((self.len, name.into()));
    }

    /// Fills with zeros up to `offset`, where the planner's arithmetic says the next thing starts.
    ///
    /// # Panics
    /// If the layout is already longer: the arithmetic and the pushes disagree.
    pub fn pad_to(&mut self, offset: u64) {
        assert!(
            self.len <= offset,
            "layout is {} bytes long where {offset} was planned",
            self.len
        );
        self.zeros(offset - self.len);
    }

    /// Fills with zeros up to the next multiple of `alignment`.
    pub fn align(&mut self, alignment: u64) {
        self.pad_to(self.len.next_multiple_of(alignment));
    }

    /// The extents with their offsets, in order.
    pub fn extents(&self) -> impl ExactSizeIterator<Item = (u64, &Extent)> {
        self.pieces.iter().map(|(offset, extent)| (*offset, extent))
    }

    /// The section that `offset` lies in, if any was named.
    pub fn section_at(&self, offset: u64) -> Option<&str> {
        let next = self.sections.partition_point(|(start, _)| *start <= offset);
        next.checked_sub(1).map(|index| &*self.sections[index].1)
    }

    /// Every blob range the layout reads, also inside framed and deferred extents, in order of appearance.
    pub fn blobs(&self) -> Vec<(Digest, u64, u64)> {
        let mut ranges = Vec::new();
        for (_, extent) in &self.pieces {
            match extent {
                Extent::Blob {
                    digest,
                    offset,
                    len,
                } => ranges.push((*digest, *offset, *len)),
                Extent::Framed(framed) => ranges.extend(framed.inner().blobs()),
                Extent::Deferred(deferred) => {
                    for (layout, _) in deferred.contents() {
                        ranges.extend(layout.blobs());
                    }
                }
                Extent::Bytes(_)
                | Extent::Zeros(_)
                | Extent::Sequence { .. }
                | Extent::Sequence64 { .. } => {}
            }
        }
        ranges
    }

    /// A hash of the extents and of `epoch`: equal for equal bytes made the same way, on any machine. It covers what blobs
    /// are named, not what they hold, so it costs no I/O.
    pub fn fingerprint(&self, epoch: &str) -> Digest {
        let mut hasher = Sha256::new();
        hasher.update((epoch.len() as u64).to_le_bytes());
        hasher.update(epoch);
        self.hash_into(&mut hasher);
        Digest::finish(hasher)
    }

    fn hash_into(&self, hasher: &mut Sha256) {
        hasher.update(self.len.to_le_bytes());
        for (_, extent) in &self.pieces {
            extent.hash_into(hasher);
        }
    }

    /// A line an extent: offset, length, section, kind. For snapshots.
    pub fn dump(&self) -> String {
        use fmt::Write as _;
        let mut text = String::new();
        for (offset, extent) in self.extents() {
            let section = self.section_at(offset).unwrap_or("-");
            writeln!(
                text,
                "{offset:>#12x} {:>#12x} {section}: {extent}",
                extent.len()
            )
            .expect("writing to a String cannot fail");
        }
        text
    }

    /// The whole as bytes, with blobs supplied by `blob`: for tests and for small layouts only.
    pub fn collect(&self, mut blob: impl FnMut(&Digest) -> Bytes) -> Vec<u8> {
        self.collect_range(0..self.len, &mut blob)
    }

    fn collect_range(&self, range: Range<u64>, blob: &mut dyn FnMut(&Digest) -> Bytes) -> Vec<u8> {
        let mut whole = Vec::new();
        for segment in self.segments(range) {
            match segment {
                Segment::Bytes(bytes) => whole.extend_from_slice(&bytes),
                Segment::Zeros(len) => whole.resize(
                    whole.len() + usize::try_from(len).expect("fits in memory"),
                    0,
                ),
                Segment::Blob {
                    digest,
                    offset,
                    len,
                } => {
                    let (offset, len) = (
                        usize::try_from(offset).expect("fits"),
                        usize::try_from(len).expect("fits"),
                    );
                    whole.extend_from_slice(&blob(&digest)[offset..offset + len]);
                }
                Segment::Deferred(deferred) => {
                    let read = |layout: &Arc<Self>, range, feed: &mut dyn FnMut(&[u8])| {
                        feed(&layout.collect_range(range, blob));
                        Ok::<_, std::convert::Infallible>(())
                    };
                    let Ok(value) = deferred.value(read);
                    whole.extend_from_slice(&deferred.cut(&value));
                }
            }
        }
        whole
    }
}

impl fmt::Debug for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.dump())
    }
}
