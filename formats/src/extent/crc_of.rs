//! The CRC of a layout, put together from what is known of its blobs.

use std::sync::Arc;

use super::{
    Deferred, Extent, Function, Layout, Segment,
    deferred::{Part, crc_bytes},
};
use crate::{
    Digest,
    crc::{Checksum, Crc},
};

/// Where blobs' checksums are known: for each MiB of a blob, and for the whole.
const BORDER: u64 = 1 << 20;

/// The CRC of a range (offset, length) of a blob, where somebody knows it.
pub type KnownCrc<'a> = &'a dyn Fn(Crc, &Digest, u64, u64) -> Option<u64>;

/// The CRC of `covered`, as little-endian bytes where it can be put together from what is known, deferred otherwise: then only
/// the parts that nobody knows are read. `known` is asked for ranges that begin at the start of an extent or at a whole MiB of
/// their blob, and end likewise.
pub fn crc_of(crc: Crc, covered: &Layout, known: KnownCrc<'_>) -> Extent {
    let mut parts = Parts {
        crc,
        done: Vec::new(),
        sum: Checksum::new(crc),
        len: 0,
    };
    for (offset, extent) in covered.extents() {
        match extent {
            Extent::Bytes(bytes) => {
                parts.sum.update(bytes);
                parts.len += bytes.len() as u64;
            }
            Extent::Zeros(len) => parts.known(crc.of_zeros(*len), *len),
            Extent::Blob {
                digest,
                offset,
                len,
            } => parts.blob(digest, *offset, *len, known),
            Extent::Sequence { .. } | Extent::Sequence64 { .. } => {
                for segment in covered.segments(offset..offset + extent.len()) {
                    if let Segment::Bytes(bytes) = segment {
                        parts.sum.update(&bytes);
                        parts.len += bytes.len() as u64;
                    }
                }
            }
            Extent::Framed(_) | Extent::Deferred(_) => {
                let mut content = Layout::new();
                content.push(extent.clone());
                parts.content(content);
            }
        }
    }
    parts.finish()
}

/// Collects the parts that a CRC covers.
struct Parts {
    crc: Crc,
    done: Vec<Part>,
    /// Of what follows the last of `done`.
    sum: Checksum,
    len: u64,
}

impl Parts {
    fn known(&mut self, crc: u64, len: u64) {
        self.sum.append(crc, len);
        self.len += len;
    }

    fn blob(&mut self, digest: &Digest, offset: u64, len: u64, known: KnownCrc<'_>) {
        let end = offset + len;
        let first = offset.next_multiple_of(BORDER).min(end);
        let last = (end / BORDER * BORDER).max(first);
        if let Some(sum) = known(self.crc, digest, offset, len) {
            return self.known(sum, len);
        }
        for (from, to) in [(offset, first), (first, last), (last, end)] {
            if from == to {
                continue;
            }
            if let Some(sum) = known(self.crc, digest, from, to - from) {
                self.known(sum, to - from);
            } else {
                let mut content = Layout::new();
                content.blob(*digest, from, to - from);
                self.content(content);
            }
        }
    }

    fn content(&mut self, content: Layout) {
        self.flush();
        let range = 0..content.len();
        self.done.push(Part::Content(Arc::new(content), range));
    }

    fn flush(&mut self) {
        if self.len > 0 {
            self.done.push(Part::Known {
                crc: self.sum.value(),
                len: self.len,
            });
            self.sum = Checksum::new(self.crc);
            self.len = 0;
        }
    }

    fn finish(mut self) -> Extent {
        if self.done.is_empty() {
            return Extent::Bytes(crc_bytes(self.crc, self.sum.value()));
        }
        self.flush();
        Extent::Deferred(Deferred::new(Function::Crc(self.crc), self.done.into()))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn blob() -> Bytes {
        (0..3_000_000_u32)
            .map(|index| (index.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0])
            .collect::<Vec<_>>()
            .into()
    }

    /// Everything but the middle MiB of the blob has to be read.
    #[test]
    fn a_crc_reads_only_what_nobody_knows() {
        let blob = blob();
        let mut covered = Layout::new();
        covered.bytes(b"head".as_slice());
        covered.zeros(100_000);
        covered.blob(Digest::of(&blob), 5, 2_500_000);
        covered.push(Extent::Sequence {
            start: 1,
            step: 2,
            count: 50_000,
        });
        let whole = covered.collect(|_| blob.clone());
        for crc in [Crc::Crc32, Crc::Crc64] {
            let by_mib = |crc: Crc, _: &Digest, offset: u64, len: u64| {
                (offset == BORDER && len == BORDER).then(|| crc.of(&blob[1 << 20..2 << 20]))
            };
            let Extent::Deferred(deferred) = crc_of(crc, &covered, &by_mib) else {
                panic!("the edges are not known");
            };
            let read: u64 = deferred.contents().map(|(_, range)| range.end).sum();
            assert_eq!(read, 2_500_000 - BORDER);
            let mut layout = Layout::new();
            layout.push(Extent::Deferred(deferred));
            let len = usize::try_from(crc.width()).unwrap();
            assert_eq!(
                layout.collect(|_| blob.clone()),
                crc.of(&whole).to_le_bytes()[..len]
            );

            let all = |crc: Crc, _: &Digest, offset: u64, len: u64| {
                let (offset, len) = (
                    usize::try_from(offset).unwrap(),
                    usize::try_from(len).unwrap(),
                );
                Some(crc.of(&blob[offset..offset + len]))
            };
            assert_eq!(
                crc_of(crc, &covered, &all),
                Extent::Bytes(crc_bytes(crc, crc.of(&whole)))
            );
        }
    }
}
