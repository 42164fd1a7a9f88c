//! On-disk structures of XFS, version 5, in the order of an allocation group ("XFS Algorithms & Data Structures", 3rd edition).
//!
//! Everything is big-endian but the checksums, which are CRC-32C over the whole structure with the field itself as zeros.

mod directory;
mod group;
mod inode;
mod log;
mod superblock;

pub(super) use self::{
    directory::{
        DIRECTORY_BLOCK_MAGIC, DIRECTORY_DATA_MAGIC, DIRECTORY_FREE, DirectoryFree,
        DirectoryHeader, DirectoryTail, FREE_INDEX_MAGIC, FREE_INDEX_START, FreeIndexHeader,
        HashRecord, INDEX_START, IndexHeader, LEAF_MAGIC, NODE_LEAF_MAGIC, NODE_MAGIC, ShortHeader,
    },
    group::{
        BY_PLACE_MAGIC, BY_SIZE_MAGIC, CHUNK_INODES, ChunkRecord, FREE_INODES_MAGIC,
        FreeListHeader, FreeRecord, INODES_MAGIC, REFERENCES_MAGIC, TreeHeader,
    },
    inode::{
        BIG_TIME, EXTENTS, ExtentRecord, INODE_MAGIC, Inode, LARGE_COUNTS, LOCAL, MODE_DIRECTORY,
        MODE_FILE, MODE_TYPE, NEW_REALTIME_BITMAP, PREALLOCATED, Stamp,
    },
    log::{LOG_MAGIC, LogRecord, Unmount},
    superblock::INCOMPATIBLE_TYPES,
};
pub use self::{
    group::{FreeSpace, InodeSpace},
    superblock::Superblock,
};
use crate::crc32c;

/// No block, no inode: where an allocation group's 32-bit number is optional.
pub(super) const NONE: u32 = u32::MAX;

/// The checksum of `bytes`, whose own field is at `offset`.
pub(super) fn checksum(bytes: &[u8], offset: usize) -> u32 {
    crc32c::of(&[&bytes[..offset], &[0; 4], &bytes[offset + 4..]])
}

/// Fills in the checksum of `bytes` at `offset`.
pub(super) fn seal(bytes: &mut [u8], offset: usize) {
    let sum = checksum(bytes, offset);
    bytes[offset..offset + 4].copy_from_slice(&sum.to_le_bytes());
}
