//! The log, as an unmount leaves it.

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    big_endian::{U16, U32, U64},
};

/// In front of what a write to the log holds, one sector of 512 bytes.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(in super::super) struct LogRecord {
    pub(in super::super) magic: U32,
    pub(in super::super) cycle: U32,
    pub(in super::super) version: U32,
    pub(in super::super) len: U32,

    pub(in super::super) lsn: U64,
    pub(in super::super) tail_lsn: U64,

    /// Of nothing: a checksum of 0 is not looked at.
    pub(in super::super) checksum: U32,
    pub(in super::super) previous: U32,
    pub(in super::super) operations: U32,
    /// The first word of each sector, which has the cycle in its place.
    pub(in super::super) first_words: [U32; 64],
    pub(in super::super) format: U32,

    pub(in super::super) uuid: [u8; 16],

    pub(in super::super) buffer_len: U32,
}
const _: () = assert!(size_of::<LogRecord>() == 324);

/// [`LogRecord::magic`].
pub(in super::super) const LOG_MAGIC: u32 = 0xfeed_babe;

/// The operation of a log that was closed.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(in super::super) struct Unmount {
    /// In the place of the operation's number, which the record keeps.
    pub(in super::super) cycle: U32,
    pub(in super::super) len: U32,
    pub(in super::super) client: u8,
    pub(in super::super) flags: u8,
    pub(in super::super) reserved: U16,
    pub(in super::super) magic: [u8; 2],
    pub(in super::super) reserved_2: [u8; 6],
}
const _: () = assert!(size_of::<Unmount>() == 20);
