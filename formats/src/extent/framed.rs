//! A long inner layout cut into chunks between headers and trailers that follow from place and length: seeking is arithmetic.

use std::{fmt, ops::Range, sync::Arc};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::{Deferred, Layout, Segment};

/// What stands around each chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Raw block of a Zstandard frame, at most 128 KiB (RFC 8878, 3.1.1.2): three bytes before each chunk.
    ZstdRaw {
        /// Whether the last chunk is the last block of its frame.
        last: bool,
    },
    /// Uncompressed LZMA2 chunk, at most 64 KiB (xz file format, LZMA2): three bytes before each chunk.
    Lzma2Stored {
        /// Whether the first chunk is the first of its block, which resets the dictionary.
        first: bool,
    },
    /// Stored block of a Deflate stream, at most 65,535 bytes (RFC 1951, 3.2.4), where a byte begins: five bytes before each chunk.
    DeflateStored,
    /// Compressed grain of a stream-optimized VMDK that holds a zlib stream of stored blocks: 64 KiB in exactly 129 sectors.
    VmdkGrain {
        /// Where on the disk the first grain lies, in sectors.
        lba: u64,
    },
}

/// Deflate with a window of 32 KiB, at the fastest level (RFC 1950, section 2.2).
pub(crate) const ZLIB_HEADER: [u8; 2] = [0x78, 0x01];

/// Longest header in bytes: marker, zlib header and block header of a grain.
const HEADER_MAX: usize = 19;

/// What a frame is made of, in order.
enum Piece {
    Fixed([u8; HEADER_MAX], usize),
    /// A range of the chunk.
    Content(Range<u64>),
    Adler32,
    Zeros(u64),
}

impl Piece {
    fn fixed(bytes: &[u8]) -> Self {
        let mut fixed = [0; HEADER_MAX];
        fixed[..bytes.len()].copy_from_slice(bytes);
        Self::Fixed(fixed, bytes.len())
    }

    fn len(&self) -> u64 {
        match self {
            Self::Fixed(_, len) => *len as u64,
            Self::Content(range) => range.end - range.start,
            Self::Adler32 => 4,
            Self::Zeros(len) => *len,
        }
    }
}

impl Framing {
    /// The largest chunk that fits in a frame, in bytes.
    pub const fn max_unit(self) -> u64 {
        match self {
            Self::ZstdRaw { .. } => 128 << 10,
            Self::Lzma2Stored { .. } | Self::VmdkGrain { .. } => 64 << 10,
            Self::DeflateStored => (64 << 10) - 1,
        }
    }

    /// Bytes around each chunk.
    const fn overhead(self) -> u64 {
        match self {
            Self::ZstdRaw { .. } | Self::Lzma2Stored { .. } => 3,
            Self::DeflateStored => 5,
            // A sector: marker 12, zlib header 2, two block headers of 5, Adler-32 4, padding.
            Self::VmdkGrain { .. } => 512,
        }
    }

    /// The pieces of the frame of chunk number `chunk` of `chunks`, which has `len` bytes.
    fn pieces(self, chunk: u64, chunks: u64, len: u64) -> impl Iterator<Item = Piece> {
        let mut pieces = [const { None }; 6];
        let last = chunk + 1 == chunks;
        match self {
            Self::ZstdRaw { last: ends } => {
                let header = (len << 3 | u64::from(ends && last)).to_le_bytes();
                pieces[0] = Some(Piece::fixed(&header[..3]));
                pieces[1] = Some(Piece::Content(0..len));
            }
            Self::Lzma2Stored { first } => {
                let control = if first && chunk == 0 { 0x01 } else { 0x02 };
                let [.., high, low] = (len - 1).to_be_bytes();
                pieces[0] = Some(Piece::fixed(&[control, high, low]));
                pieces[1] = Some(Piece::Content(0..len));
            }
            Self::DeflateStored => {
                pieces[0] = Some(Piece::fixed(&deflate_stored_header(len, false)));
                pieces[1] = Some(Piece::Content(0..len));
            }
            Self::VmdkGrain { lba } => {
                const HALF: u64 = 32 << 10;
                const ZLIB_LEN: u32 = 2 + 2 * 5 + (64 << 10) + 4;
                let mut header = [0; HEADER_MAX];
                let place = lba + chunk * (Self::VmdkGrain { lba }.max_unit() / 512);
                header[..8].copy_from_slice(&place.to_le_bytes());
                header[8..12].copy_from_slice(&ZLIB_LEN.to_le_bytes());
                header[12..14].copy_from_slice(&ZLIB_HEADER);
                header[14..].copy_from_slice(&deflate_stored_header(HALF, false));
                pieces = [
                    Some(Piece::fixed(&header)),
                    Some(Piece::Content(0..HALF)),
                    Some(Piece::fixed(&deflate_stored_header(HALF, true))),
                    Some(Piece::Content(HALF..2 * HALF)),
                    Some(Piece::Adler32),
                    Some(Piece::Zeros(512 - 12 - 2 - 2 * 5 - 4)),
                ];
            }
        }
        pieces.into_iter().flatten()
    }
}

/// `BFINAL`, `BTYPE` 00 and padding, `LEN`, `NLEN`, for `len` up to 65,535.
fn deflate_stored_header(len: u64, last: bool) -> [u8; 5] {
    let [a, b, ..] = len.to_le_bytes();
    [u8::from(last), a, b, !a, !b]
}

/// `inner` in chunks (the last may be shorter), each in its frame; or a range of that.
#[derive(Clone, PartialEq, Eq)]
pub struct Framed {
    inner: Arc<Layout>,
    framing: Framing,
    /// Which bytes of the frames.
    window: Range<u64>,
}

impl Framed {
    /// Cuts `inner` into chunks as large as `framing` allows. Grains are never shorter: zeros fill the last one.
    pub fn new(mut inner: Layout, framing: Framing) -> Self {
        if let Framing::VmdkGrain { .. } = framing {
            inner.align(framing.max_unit());
        }
        let chunks = inner.len().div_ceil(framing.max_unit());
        Self {
            window: 0..inner.len() + chunks * framing.overhead(),
            inner: Arc::new(inner),
            framing,
        }
    }

    /// What is framed; also when this is only a range of the frames.
    pub fn inner(&self) -> &Layout {
        &self.inner
    }

    /// Bytes of frames.
    pub fn len(&self) -> u64 {
        self.window.end - self.window.start
    }

    /// Whether there is nothing to frame.
    pub fn is_empty(&self) -> bool {
        self.window.is_empty()
    }

    /// `range` of the frames.
    pub(super) fn slice(&self, range: Range<u64>) -> Self {
        let start = self.window.start;
        Self {
            window: start + range.start..start + range.end,
            ..self.clone()
        }
    }

    fn chunks(&self) -> u64 {
        self.inner.len().div_ceil(self.framing.max_unit())
    }

    pub(super) fn segment_at(&self, offset: u64, limit: u64) -> Segment {
        let unit = self.framing.max_unit();
        let frame = unit + self.framing.overhead();
        let offset = self.window.start + offset;
        let (chunk, mut within) = (offset / frame, offset % frame);
        let start = chunk * unit;
        let len = unit.min(self.inner.len() - start);
        for piece in self.framing.pieces(chunk, self.chunks(), len) {
            let Some(left) = piece.len().checked_sub(within).filter(|left| *left > 0) else {
                within -= piece.len();
                continue;
            };
            let take = limit.min(left);
            return match piece {
                Piece::Fixed(bytes, _) => {
                    let place = |at| usize::try_from(at).expect("headers are short");
                    let range = place(within)..place(within + take);
                    Segment::Bytes(Bytes::copy_from_slice(&bytes[range]))
                }
                Piece::Content(range) => {
                    let content = start + range.start + within;
                    self.inner.segment_at(content, take)
                }
                Piece::Adler32 => {
                    let sum = Deferred::adler32(Arc::clone(&self.inner), start..start + len);
                    Segment::Deferred(sum.slice(within..within + take))
                }
                Piece::Zeros(_) => Segment::Zeros(take),
            };
        }
        unreachable!("the pieces of a frame are as long as the frame")
    }

    pub(super) fn hash_into(&self, hasher: &mut Sha256) {
        let (kind, argument) = match self.framing {
            Framing::ZstdRaw { last } => (0, u64::from(last)),
            Framing::Lzma2Stored { first } => (1, u64::from(first)),
            Framing::DeflateStored => (2, 0),
            Framing::VmdkGrain { lba } => (3, lba),
        };
        hasher.update([kind]);
        hasher.update(argument.to_le_bytes());
        hasher.update(self.window.start.to_le_bytes());
        hasher.update(self.window.end.to_le_bytes());
        self.inner.hash_into(hasher);
    }
}

impl fmt::Display for Framed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.framing {
            Framing::ZstdRaw { .. } => "zstd raw blocks",
            Framing::Lzma2Stored { .. } => "stored LZMA2 chunks",
            Framing::DeflateStored => "stored Deflate blocks",
            Framing::VmdkGrain { .. } => "VMDK grains",
        };
        let (chunks, unit) = (self.chunks(), self.framing.max_unit());
        write!(f, "{chunks} {kind} of {unit} bytes around")?;
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
