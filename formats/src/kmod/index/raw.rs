//! Numbers of the format.

/// First four bytes.
pub const MAGIC: u32 = 0xb007_f457;

/// What follows: major and minor version.
pub const VERSION: u32 = 0x0002_0001;

/// Bytes before the first node.
pub(super) const HEADER_LEN: u32 = 12;

/// Flags of a ref: which parts its node has.
pub(super) const HAS_PREFIX: u32 = 0x8000_0000;
pub(super) const HAS_VALUES: u32 = 0x4000_0000;
pub(super) const HAS_CHILDREN: u32 = 0x2000_0000;

/// The bits of a ref that are an offset.
pub(super) const OFFSET: u32 = 0x0fff_ffff;

/// Characters end here: keys are 7-bit ASCII.
pub(super) const CHARACTERS: u8 = 128;
