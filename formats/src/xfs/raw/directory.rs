//! Directories: in inodes, in blocks, and their indexes.

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    big_endian::{U16, U32, U64},
    little_endian,
};

/// In front of the entries of a directory in an inode. With `wide` entries the parent and all numbers have 8 bytes instead of 4.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(in super::super) struct ShortHeader {
    pub(in super::super) entries: u8,
    pub(in super::super) wide: u8,
    pub(in super::super) parent: U32,
}
const _: () = assert!(size_of::<ShortHeader>() == 6);

/// In front of the entries of a block of a directory.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(in super::super) struct DirectoryHeader {
    /// `XDB3` for the only block, `XDD3` for one of several.
    pub(in super::super) magic: [u8; 4],
    pub(in super::super) checksum: little_endian::U32,
    /// Its own place, in units of 512 bytes.
    pub(in super::super) place: U64,

    pub(in super::super) lsn: U64,
    pub(in super::super) uuid: [u8; 16],
    /// The directory's inode.
    pub(in super::super) owner: U64,

    /// The longest free runs.
    pub(in super::super) free: [DirectoryFree; 3],
    pub(in super::super) reserved: U32,
}
const _: () = assert!(size_of::<DirectoryHeader>() == 64);

/// The only block of a directory, with its own index.
pub(in super::super) const DIRECTORY_BLOCK_MAGIC: [u8; 4] = *b"XDB3";
/// A block of a directory that keeps its index apart.
pub(in super::super) const DIRECTORY_DATA_MAGIC: [u8; 4] = *b"XDD3";
/// Where an entry would start that is none, but a free run.
pub(in super::super) const DIRECTORY_FREE: u16 = 0xffff;

/// A free run of a block of a directory.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(in super::super) struct DirectoryFree {
    pub(in super::super) offset: U16,
    pub(in super::super) len: U16,
}
const _: () = assert!(size_of::<DirectoryFree>() == 4);

/// A line of an index of names, sorted by the hash.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[repr(C)]
pub(in super::super) struct HashRecord {
    /// Of the name; in a node, the last one of the leaf below.
    pub(in super::super) hash: U32,
    /// Of the entry, in units of 8 bytes; in a node, the leaf's block.
    pub(in super::super) place: U32,
}
const _: () = assert!(size_of::<HashRecord>() == 8);

/// At the end of a directory's only block.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(in super::super) struct DirectoryTail {
    pub(in super::super) records: U32,
    pub(in super::super) stale: U32,
}
const _: () = assert!(size_of::<DirectoryTail>() == 8);

/// In front of the records of a block of an index that is kept apart.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(in super::super) struct IndexHeader {
    /// The block of the directory with the next leaf, 0 for none.
    pub(in super::super) next: U32,
    /// The block with the leaf before.
    pub(in super::super) previous: U32,
    /// [`LEAF_MAGIC`], …
    pub(in super::super) magic: U16,
    pub(in super::super) reserved: U16,
    pub(in super::super) checksum: little_endian::U32,

    /// Its own place, in units of 512 bytes.
    pub(in super::super) place: U64,
    pub(in super::super) lsn: U64,

    pub(in super::super) uuid: [u8; 16],

    /// The directory's inode.
    pub(in super::super) owner: U64,
    pub(in super::super) records: U16,
    /// Records that name nothing any more; in a node, its levels above the leaves.
    pub(in super::super) stale: U16,
    pub(in super::super) reserved_2: U32,
}
const _: () = assert!(size_of::<IndexHeader>() == 64);

/// The only block of an index. At its end lies how much is free in each block of entries, and how many those are.
pub(in super::super) const LEAF_MAGIC: u16 = 0x3df1;
/// One of several blocks of an index.
pub(in super::super) const NODE_LEAF_MAGIC: u16 = 0x3dff;
/// The root above several leaves.
pub(in super::super) const NODE_MAGIC: u16 = 0x3ebe;

/// In front of how much is free in each block of entries, where the index has not just one leaf.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(in super::super) struct FreeIndexHeader {
    /// `XDF3`.
    pub(in super::super) magic: [u8; 4],
    pub(in super::super) checksum: little_endian::U32,
    /// Its own place, in units of 512 bytes.
    pub(in super::super) place: U64,

    pub(in super::super) lsn: U64,
    pub(in super::super) uuid: [u8; 16],
    /// The directory's inode.
    pub(in super::super) owner: U64,

    /// The first of the blocks that it tells of.
    pub(in super::super) first: U32,
    /// How many they are.
    pub(in super::super) count: U32,
    /// How many of them are there.
    pub(in super::super) used: U32,
    pub(in super::super) reserved: U32,
}
const _: () = assert!(size_of::<FreeIndexHeader>() == 64);

/// [`FreeIndexHeader::magic`].
pub(in super::super) const FREE_INDEX_MAGIC: [u8; 4] = *b"XDF3";

/// Bytes of a directory from which on its index lies.
pub(in super::super) const INDEX_START: u64 = 1 << 35;
/// Bytes of a directory from which on it says what is free.
pub(in super::super) const FREE_INDEX_START: u64 = 1 << 36;
