//! Numbers of the member format (RFC 1952, section 2.3) and of Deflate blocks (RFC 1951, section 3.2).

/// `ID1`, `ID2`, and `CM` 8 for Deflate.
pub(super) const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

/// `FLG`: the original file name follows the header.
pub(super) const FNAME: u8 = 1 << 3;
pub(super) const FHCRC: u8 = 1 << 1;
pub(super) const FEXTRA: u8 = 1 << 2;
pub(super) const FCOMMENT: u8 = 1 << 4;
pub(super) const RESERVED: u8 = 0xe0;

/// `OS`: Unix.
pub(super) const UNIX: u8 = 3;

/// Longest match of Deflate.
pub(super) const MATCH_MAX: u64 = 258;
