//! A long inner layout cut into chunks behind headers that follow from place and length: seeking is arithmetic.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::{Layout, Segment};

/// What stands before each chunk. Both headers are 3 bytes long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Raw block of a Zstandard frame, at most 128 KiB (RFC 8878, 3.1.1.2).
    ZstdRaw {
        /// Whether the last chunk is the last block of its frame.
        last: bool,
    },
    /// Uncompressed LZMA2 chunk, at most 64 KiB (xz file format, LZMA2).
    Lzma2Stored {
        /// Whether the first chunk is the first of its block, which resets the dictionary.
        first: bool,
    },
}

impl Framing {
    const HEADER_LEN: u64 = 3;

    /// The largest chunk the header can describe.
    pub const fn max_unit(self) -> u64 {
        match self {
            Self::ZstdRaw { .. } => 128 << 10,
            Self::Lzma2Stored { .. } => 64 << 10,
        }
    }

    fn header(self, chunk: u64, chunks: u64, len: u64) -> [u8; 3] {
        match self {
            Self::ZstdRaw { last } => {
                let last = u64::from(last && chunk + 1 == chunks);
                let [a, b, c, ..] = (len << 3 | last).to_le_bytes();
                [a, b, c]
            }
            Self::Lzma2Stored { first } => {
                let control = if first && chunk == 0 { 0x01 } else { 0x02 };
                let [.., high, low] = (len - 1).to_be_bytes();
                [control, high, low]
            }
        }
    }
}

/// `inner` in chunks of `unit` bytes (the last may be shorter), each behind its header.
#[derive(Clone, PartialEq, Eq)]
pub struct Framed {
    inner: Arc<Layout>,
    unit: u64,
    framing: Framing,
}

impl Framed {
    /// Cuts `inner` into chunks as large as `framing` allows.
    pub fn new(inner: Layout, framing: Framing) -> Self {
        Self {
            inner: Arc::new(inner),
            unit: framing.max_unit(),
            framing,
        }
    }

    /// What is framed.
    pub fn inner(&self) -> &Layout {
        &self.inner
    }

    /// Bytes of headers and chunks together.
    pub fn len(&self) -> u64 {
        self.inner.len() + self.chunks() * Framing::HEADER_LEN
    }

    /// Whether there is nothing to frame.
    pub fn is_empty(&self) -> bool {
        self.inner.is_empty()
    }

    fn chunks(&self) -> u64 {
        self.inner.len().div_ceil(self.unit)
    }

    pub(super) fn segment_at(&self, offset: u64, limit: u64) -> Segment {
        let frame = Framing::HEADER_LEN + self.unit;
        let (chunk, within) = (offset / frame, offset % frame);
        let start = chunk * self.unit;
        let len = self.unit.min(self.inner.len() - start);
        if within < Framing::HEADER_LEN {
            let header = self.framing.header(chunk, self.chunks(), len);
            let from = usize::try_from(within).expect("a header is 3 bytes");
            let to = usize::try_from(Framing::HEADER_LEN.min(within + limit))
                .expect("a header is 3 bytes");
            return Segment::Bytes(Bytes::copy_from_slice(&header[from..to]));
        }
        let done = within - Framing::HEADER_LEN;
        self.inner.segment_at(start + done, limit.min(len - done))
    }

    pub(super) fn hash_into(&self, hasher: &mut Sha256) {
        let framing = match self.framing {
            Framing::ZstdRaw { last } => [0, u8::from(last)],
            Framing::Lzma2Stored { first } => [1, u8::from(first)],
        };
        hasher.update(framing);
        hasher.update(self.unit.to_le_bytes());
        self.inner.hash_into(hasher);
    }
}

impl fmt::Display for Framed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.framing {
            Framing::ZstdRaw { .. } => "zstd raw blocks",
            Framing::Lzma2Stored { .. } => "stored LZMA2 chunks",
        };
        write!(f, "{} {kind} of {} bytes around", self.chunks(), self.unit)?;
        for (_, extent) in self.inner.extents() {
            write!(f, " [{extent:?}]")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Framed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
