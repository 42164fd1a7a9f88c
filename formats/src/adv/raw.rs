//! Numbers of a copy, in file order.

/// Bytes of a copy.
pub(super) const COPY_LEN: usize = 256 << 10;
/// Bytes of a magic number.
pub(super) const MAGIC_LEN: usize = 4;
/// What a copy starts with.
pub(super) const MAGIC: [u8; MAGIC_LEN] = [0x5a, 0x4b, 0x3c, 0x2d];
/// Bytes of a tag and a length.
pub(super) const ENTRY_HEADER_LEN: usize = 8;
/// Bytes of the checksum.
pub(super) const CHECKSUM_LEN: usize = 32;
/// Bytes of checksum and magic number at the end.
pub(super) const FOOTER_LEN: usize = CHECKSUM_LEN + MAGIC_LEN;
/// What a copy ends with.
pub(super) const END_MAGIC: [u8; MAGIC_LEN] = [0xa5, 0xb4, 0xc3, 0xd2];
