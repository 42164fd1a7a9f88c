//! Deflate blocks around payload (RFC 1951): stored ones, and ones that were made beforehand for blobs that compress.
//!
//! Every block begins and ends where a byte does, so payload and pieces are ranges of blobs.

use std::{ops::Range, sync::Arc};

use crate::{
    Digest, Extent, Layout,
    extent::{Framed, Framing},
};

/// A stored block of no bytes, the last, from a byte's start.
pub(crate) const LAST_BLOCK: [u8; 5] = [1, 0, 0, 0xff, 0xff];

/// A blob compressed beforehand in pieces of equal length, one behind the other in another blob. A piece is a run of whole
/// blocks, none the last of a stream, that begins and ends where a byte does and refers to nothing before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pieces {
    digest: Digest,
    unit: u64,
    len: u64,
    ends: Arc<[u64]>,
}

/// Pieces that do not fit the blob they are said to hold.
#[derive(Debug, thiserror::Error)]
#[error("{found} pieces of {unit} bytes for {len} bytes")]
pub struct PiecesError {
    found: usize,
    unit: u64,
    len: u64,
}

/// The pieces of a blob, where it has some.
pub type KnownPieces<'a> = &'a dyn Fn(&Digest) -> Option<Pieces>;

/// For payload that nothing was made for.
pub const NO_PIECES: KnownPieces<'static> = &|_| None;

impl Pieces {
    /// The blob `digest` holds another of `len` bytes in pieces of `unit` bytes (the last may be shorter), `lens` bytes long when
    /// compressed.
    pub fn new(
        digest: Digest,
        unit: u64,
        len: u64,
        lens: impl IntoIterator<Item = u32>,
    ) -> Result<Self, PiecesError> {
        let mut end = 0;
        let ends: Arc<[u64]> = lens
            .into_iter()
            .map(|len| {
                end += u64::from(len);
                end
            })
            .collect();
        if unit == 0 || ends.len() as u64 != len.div_ceil(unit) {
            let found = ends.len();
            return Err(PiecesError { found, unit, len });
        }
        Ok(Self {
            digest,
            unit,
            len,
            ends,
        })
    }

    /// The blob that they lie in.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Whole pieces inside a range of the blob: their content's range, and theirs.
    fn within(&self, range: Range<u64>) -> Option<(Range<u64>, Range<u64>)> {
        let first = range.start.div_ceil(self.unit);
        let last = if range.end >= self.len {
            self.ends.len() as u64
        } else {
            range.end / self.unit
        };
        let end = |pieces: u64| {
            let last = pieces.checked_sub(1)?;
            let last = usize::try_from(last).expect("pieces are in memory");
            Some(self.ends[last])
        };
        (first < last).then(|| {
            let content = first * self.unit..self.len.min(last * self.unit);
            (content, end(first).unwrap_or(0)..end(last).unwrap_or(0))
        })
    }
}

/// Adds blocks that hold `content`, none of them the last: pieces where there are some, stored ones around the rest.
pub(crate) fn push(layout: &mut Layout, content: &Layout, known: KnownPieces<'_>) {
    let mut stored = 0;
    for (place, extent) in content.extents() {
        let Extent::Blob {
            digest,
            offset,
            len,
        } = extent
        else {
            continue;
        };
        let Some(pieces) = known(digest) else {
            continue;
        };
        let Some((inside, made)) = pieces.within(*offset..offset + len) else {
            continue;
        };
        let begin = place + (inside.start - offset);
        push_stored(layout, content, stored..begin);
        section(layout, content, begin);
        layout.blob(pieces.digest, made.start, made.end - made.start);
        stored = place + (inside.end - offset);
    }
    push_stored(layout, content, stored..content.len());
}

fn push_stored(layout: &mut Layout, content: &Layout, range: Range<u64>) {
    if range.is_empty() {
        return;
    }
    section(layout, content, range.start);
    let content = if range == (0..content.len()) {
        content.clone()
    } else {
        content.slice(range)
    };
    layout.push(Extent::Framed(Framed::new(content, Framing::DeflateStored)));
}

fn section(layout: &mut Layout, content: &Layout, offset: u64) {
    if let Some(name) = content.section_at(offset) {
        layout.section(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(len: u64, lens: &[u32]) -> Pieces {
        Pieces::new(Digest::of(b"made"), 10, len, lens.iter().copied()).unwrap()
    }

    #[test]
    fn only_whole_pieces_are_taken() {
        let pieces = pieces(35, &[7, 8, 9, 4]);
        for (range, expected) in [
            (0..35, Some((0..35, 0..28))),
            (0..34, Some((0..30, 0..24))),
            (1..35, Some((10..35, 7..28))),
            (9..31, Some((10..30, 7..24))),
            (11..29, None),
            (30..35, Some((30..35, 24..28))),
            (31..35, None),
            (5..5, None),
        ] {
            assert_eq!(pieces.within(range.clone()), expected, "{range:?}");
        }
    }

    #[test]
    fn pieces_that_are_not_those_of_the_blob_are_refused() {
        for (unit, len, lens) in [(10, 35, 3), (10, 35, 5), (10, 0, 1), (0, 1, 1)] {
            let error = Pieces::new(Digest::of(b""), unit, len, vec![1; lens]).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("{lens} pieces of {unit} bytes for {len} bytes")
            );
        }
    }

    #[test]
    fn what_lies_beside_pieces_is_stored() {
        let blob = Digest::of(b"blob");
        let pieces = pieces(35, &[7, 8, 9, 4]);
        let known = |digest: &Digest| (*digest == blob).then(|| pieces.clone());
        let mut content = Layout::new();
        content.bytes(b"head".as_slice());
        content.section("blob");
        content.blob(blob, 3, 29);
        content.blob(Digest::of(b"other"), 0, 8);
        let mut layout = Layout::new();
        push(&mut layout, &content, &known);
        let lens: Vec<u64> = layout.extents().map(|(_, extent)| extent.len()).collect();
        assert_eq!(lens, [5 + 4 + 7, 8 + 9, 5 + 2 + 8]);
        assert_eq!(layout.section_at(16), Some("blob"));
    }
}
