//! Numbers of the frame format (RFC 8878, section 3.1.1).

/// First four bytes of a frame, little-endian.
pub const MAGIC: u32 = 0xfd2f_b528;

/// Longest content of one block, whatever the window.
pub const BLOCK_MAX: u64 = 128 << 10;

/// The window that our frames declare: raw and run-length blocks need none, and blocks are at most as long as the window.
pub const WINDOW: u64 = 128 << 10;

/// `Window_Descriptor` of [`WINDOW`]: exponent 7 (2^(10+7) bytes), mantissa 0.
pub(super) const WINDOW_DESCRIPTOR: u8 = 7 << 3;
const _: () = assert!(1 << (10 + (WINDOW_DESCRIPTOR >> 3)) == WINDOW);

/// `Frame_Header_Descriptor`: an eight-byte content size, several segments, no checksum, no dictionary.
pub(super) const DESCRIPTOR: u8 = 3 << 6;

pub(super) const SINGLE_SEGMENT: u8 = 1 << 5;
pub(super) const RESERVED: u8 = 1 << 3;
pub(super) const CHECKSUM: u8 = 1 << 2;

/// Length of a block header in bytes.
pub(super) const BLOCK_HEADER_LEN: u64 = 3;

/// What the content of a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockKind {
    /// The content itself.
    Raw,
    /// One byte that is repeated.
    Rle,
    /// Compressed content.
    Compressed,
}

impl BlockKind {
    /// From the two bits of a block header; `None` for the reserved value.
    pub(super) const fn from_bits(bits: u32) -> Option<Self> {
        match bits & 3 {
            0 => Some(Self::Raw),
            1 => Some(Self::Rle),
            2 => Some(Self::Compressed),
            _ => None,
        }
    }
}

/// A run-length block of `len` zeros as a little-endian word: three bytes of header and the repeated byte.
pub(super) const fn zero_block(len: u32, last: bool) -> u32 {
    assert!(len as u64 <= BLOCK_MAX);
    len << 3 | 1 << 1 | last as u32
}
