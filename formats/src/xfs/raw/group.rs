//! The other headers of an allocation group, and its trees.

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    big_endian::{U16, U32, U64},
    little_endian,
};

/// Sector 1 of an allocation group: free space.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct FreeSpace {
    /// `XAGF`.
    pub magic: [u8; 4],
    /// 1.
    pub version: U32,
    /// The group's number.
    pub number: U32,
    /// Its blocks.
    pub blocks: U32,

    /// Root of the tree of free runs by place.
    pub by_place_root: U32,
    /// Root of the tree of free runs by size.
    pub by_size_root: U32,
    /// Root of the tree of owners.
    pub owner_root: U32,
    /// Levels of the tree by place.
    pub by_place_levels: U32,

    /// Levels of the tree by size.
    pub by_size_levels: U32,
    /// Levels of the tree of owners.
    pub owner_levels: U32,
    /// First slot of the free list in use.
    pub list_first: U32,
    /// Last slot of the free list in use.
    pub list_last: U32,

    /// Slots of the free list in use.
    pub list_count: U32,
    /// Free blocks, those of the free list not among them.
    pub free_blocks: U32,
    /// Blocks of the longest free run.
    pub longest: U32,
    /// Blocks of the trees but their roots.
    pub tree_blocks: U32,

    /// As in the superblock.
    pub uuid: [u8; 16],

    /// Blocks of the tree of owners.
    pub owner_blocks: U32,
    /// Blocks of the tree of reference counts.
    pub reference_blocks: U32,
    /// Root of the tree of reference counts.
    pub reference_root: U32,
    /// Its levels.
    pub reference_levels: U32,

    /// Zeros.
    pub reserved: [u8; 112],

    /// Last write.
    pub lsn: U64,
    /// Over the sector.
    pub checksum: little_endian::U32,
    /// 0.
    pub reserved_2: U32,
}
const _: () = assert!(size_of::<FreeSpace>() == 224);

/// Sector 2 of an allocation group: inodes.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct InodeSpace {
    /// `XAGI`.
    pub magic: [u8; 4],
    /// 1.
    pub version: U32,
    /// The group's number.
    pub number: U32,
    /// Its blocks.
    pub blocks: U32,

    /// Inodes there are.
    pub inodes: U32,
    /// Root of the tree of inode chunks.
    pub root: U32,
    /// Its levels.
    pub levels: U32,
    /// Inodes that are free.
    pub free_inodes: U32,

    /// First inode of the newest chunk.
    pub newest: U32,
    /// Unused.
    pub directory: U32,
    /// Inodes that are open and have no name, by hash.
    pub unlinked: [U32; 64],
    /// As in the superblock.
    pub uuid: [u8; 16],
    /// Over the sector.
    pub checksum: little_endian::U32,
    /// 0.
    pub reserved: U32,

    /// Last write.
    pub lsn: U64,
    /// Root of the tree of chunks with free inodes.
    pub free_root: U32,
    /// Its levels.
    pub free_levels: U32,
    /// Blocks of the tree of inode chunks.
    pub tree_blocks: U32,
    /// Blocks of the tree of chunks with free inodes.
    pub free_tree_blocks: U32,
}
const _: () = assert!(size_of::<InodeSpace>() == 344);

/// Sector 3 of an allocation group, before block numbers to its end: blocks kept for the trees of free space.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(in super::super) struct FreeListHeader {
    pub(in super::super) magic: [u8; 4],
    pub(in super::super) number: U32,
    pub(in super::super) uuid: [u8; 16],
    pub(in super::super) lsn: U64,
    pub(in super::super) checksum: little_endian::U32,
}
const _: () = assert!(size_of::<FreeListHeader>() == 36);

/// Before the records of a block of a tree of an allocation group.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(in super::super) struct TreeHeader {
    pub(in super::super) magic: [u8; 4],
    pub(in super::super) level: U16,
    pub(in super::super) records: U16,
    pub(in super::super) left: U32,
    pub(in super::super) right: U32,

    /// Its own place, in units of 512 bytes.
    pub(in super::super) place: U64,
    pub(in super::super) lsn: U64,

    pub(in super::super) uuid: [u8; 16],

    /// The group's number.
    pub(in super::super) owner: U32,
    pub(in super::super) checksum: little_endian::U32,
}
const _: () = assert!(size_of::<TreeHeader>() == 56);

/// Free runs by place.
pub(in super::super) const BY_PLACE_MAGIC: [u8; 4] = *b"AB3B";
/// Free runs by size.
pub(in super::super) const BY_SIZE_MAGIC: [u8; 4] = *b"AB3C";
/// Inode chunks.
pub(in super::super) const INODES_MAGIC: [u8; 4] = *b"IAB3";
/// Inode chunks with free inodes.
pub(in super::super) const FREE_INODES_MAGIC: [u8; 4] = *b"FIB3";
/// Blocks that several files share.
pub(in super::super) const REFERENCES_MAGIC: [u8; 4] = *b"R3FC";

/// A run of free blocks.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(in super::super) struct FreeRecord {
    pub(in super::super) start: U32,
    pub(in super::super) count: U32,
}
const _: () = assert!(size_of::<FreeRecord>() == 8);

/// A chunk of 64 inodes.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(in super::super) struct ChunkRecord {
    /// Its first inode, by its number within the group.
    pub(in super::super) start: U32,
    /// Sixteenths that a sparse chunk does not have.
    pub(in super::super) holes: U16,
    pub(in super::super) inodes: u8,
    pub(in super::super) free_inodes: u8,
    /// A bit an inode, from the lowest.
    pub(in super::super) free: U64,
}
const _: () = assert!(size_of::<ChunkRecord>() == 16);

/// Inodes of a chunk.
pub(in super::super) const CHUNK_INODES: u32 = 64;
