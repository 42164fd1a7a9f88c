//! Inodes, and the extents that they list.

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    big_endian::{I32, U16, U32, U64},
    little_endian,
};

/// An inode, before what it holds.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(in super::super) struct Inode {
    pub(in super::super) magic: [u8; 2],
    /// Type and permissions.
    pub(in super::super) mode: U16,
    pub(in super::super) version: u8,
    /// [`LOCAL`], [`EXTENTS`], …
    pub(in super::super) format: u8,
    pub(in super::super) old_links: U16,
    pub(in super::super) uid: U32,
    pub(in super::super) gid: U32,

    pub(in super::super) links: U32,
    pub(in super::super) project_low: U16,
    pub(in super::super) project_high: U16,
    /// Extents, where [`LARGE_COUNTS`] says so.
    pub(in super::super) large_extents: U64,

    pub(in super::super) accessed: Stamp,
    pub(in super::super) modified: Stamp,

    pub(in super::super) changed: Stamp,
    pub(in super::super) len: U64,

    pub(in super::super) blocks: U64,
    pub(in super::super) extent_hint: U32,
    pub(in super::super) extents: U32,

    pub(in super::super) attribute_extents: U16,
    /// Where attributes start, in units of 8 bytes; 0 for none.
    pub(in super::super) attribute_offset: u8,
    pub(in super::super) attribute_format: u8,
    pub(in super::super) dmapi_events: U32,
    pub(in super::super) dmapi_state: U16,
    pub(in super::super) flags: U16,
    pub(in super::super) generation: U32,

    pub(in super::super) next_unlinked: U32,
    pub(in super::super) checksum: little_endian::U32,
    pub(in super::super) changes: U64,

    pub(in super::super) lsn: U64,
    pub(in super::super) flags_2: U64,

    pub(in super::super) copy_hint: U32,
    pub(in super::super) reserved: [u8; 12],

    pub(in super::super) created: Stamp,
    pub(in super::super) number: U64,

    pub(in super::super) uuid: [u8; 16],
}
const _: () = assert!(size_of::<Inode>() == 176);

/// `IN`.
pub(in super::super) const INODE_MAGIC: [u8; 2] = *b"IN";
/// The content is in the inode.
pub(in super::super) const LOCAL: u8 = 1;
/// The inode lists extents.
pub(in super::super) const EXTENTS: u8 = 2;
/// Type of a directory in a mode.
pub(in super::super) const MODE_DIRECTORY: u16 = 0o040_000;
/// Type of a file in a mode.
pub(in super::super) const MODE_FILE: u16 = 0o100_000;
/// The bits of a mode that are its type.
pub(in super::super) const MODE_TYPE: u16 = 0o170_000;
/// In [`Inode::flags`]: blocks were taken ahead of writes, and are not given back at close.
pub(in super::super) const PREALLOCATED: u16 = 1 << 1;
/// In [`Inode::flags`]: the bitmap of the realtime part, which has its sequence number.
pub(in super::super) const NEW_REALTIME_BITMAP: u16 = 1 << 2;
/// In [`Inode::flags_2`]: times count nanoseconds from December 1901.
pub(in super::super) const BIG_TIME: u64 = 1 << 3;

/// In [`Inode::flags_2`]: [`Inode::large_extents`] counts.
pub(in super::super) const LARGE_COUNTS: u64 = 1 << 4;

/// A time: with [`BIG_TIME`] nanoseconds since December 1901, else 32 bits each of seconds since 1970 and nanoseconds.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(in super::super) struct Stamp {
    pub(in super::super) high: I32,
    pub(in super::super) low: U32,
}
const _: () = assert!(size_of::<Stamp>() == 8);

impl Stamp {
    /// Seconds since 1970, for an inode with these [`Inode::flags_2`].
    pub(in super::super) fn epoch(self, flags_2: u64) -> i64 {
        if flags_2 & BIG_TIME == 0 {
            return i64::from(self.high.get());
        }
        let nanoseconds: U64 = zerocopy::transmute!(self);
        let seconds = i64::try_from(nanoseconds.get() / 1_000_000_000);
        seconds.expect("2⁶⁴ nanoseconds are 2³⁵ seconds") - (1 << 31)
    }
}

/// A run of a file: from the highest bit on, 1 for unwritten, 54 of the block of the file, 52 of the block of the volume, 21 of
/// the count.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(in super::super) struct ExtentRecord {
    pub(in super::super) high: U64,
    pub(in super::super) low: U64,
}
const _: () = assert!(size_of::<ExtentRecord>() == 16);
