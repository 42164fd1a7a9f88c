//! Extents one behind the other.

use std::{fmt, ops::Range, sync::Arc};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::{Extent, Segment};
use crate::Digest;

/// An artifact: extents from offset 0 to [`len`](Self::len), without gap or overlap.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// Each extent with the offset it starts at; offsets ascend strictly.
    pub(super) pieces: Vec<(u64, Extent)>,
    /// What the bytes from an offset on are, for people; not part of the bytes nor of the fingerprint.
    pub(super) sections: Vec<(u64, Arc<str>)>,
    pub(super) len: u64,
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
            self.section_from(self.len + offset, Arc::clone(name));
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
        self.section_from(self.len, name.into());
    }

    fn section_from(&mut self, offset: u64, name: Arc<str>) {
        if self.sections.last().is_none_or(|(_, last)| *last != name) {
            self.sections.push((offset, name));
        }
    }

    /// Bytes of memory that the layout takes, about: what is shared counts wherever it is.
    pub fn footprint(&self) -> usize {
        let extent = |(_, extent): &(u64, Extent)| match extent {
            Extent::Bytes(bytes) => bytes.len(),
            Extent::Framed(framed) => framed.inner().footprint(),
            Extent::Deferred(deferred) => {
                let contents = deferred.contents();
                contents.map(|(layout, _)| layout.footprint()).sum()
            }
            Extent::Blob { .. }
            | Extent::Zeros(_)
            | Extent::Sequence { .. }
            | Extent::Sequence64 { .. } => 0,
        };
        size_of::<Self>()
            + self.pieces.len() * size_of::<(u64, Extent)>()
            + self.sections.len() * size_of::<(u64, Arc<str>)>()
            + self.pieces.iter().map(extent).sum::<usize>()
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

    pub(super) fn hash_into(&self, hasher: &mut Sha256) {
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
