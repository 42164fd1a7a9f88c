//! On-disk structures of XFS, version 5, in the order of an allocation group ("XFS Algorithms & Data Structures", 3rd edition).
//!
//! Everything is big-endian but the checksums, which are CRC-32C over the whole structure with the field itself as zeros.

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    big_endian::{I32, U16, U32, U64},
    little_endian,
};

use crate::crc32c;

/// No block, no inode: where an allocation group's 32-bit number is optional.
pub(super) const NONE: u32 = u32::MAX;

/// Sector 0 of every allocation group; only the first counts while it is whole.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Superblock {
    /// `XFSB`.
    pub magic: [u8; 4],
    /// Bytes of a block.
    pub block_len: U32,
    /// Blocks of the volume.
    pub blocks: U64,

    /// Blocks of the realtime part.
    pub realtime_blocks: U64,
    /// Extents of the realtime part.
    pub realtime_extents: U64,

    /// Names the volume.
    pub uuid: [u8; 16],

    /// First block of the log.
    pub log_start: U64,
    /// Inode of the root directory.
    pub root_inode: U64,

    /// Inode of the realtime bitmap.
    pub realtime_bitmap_inode: U64,
    /// Inode of the realtime summary.
    pub realtime_summary_inode: U64,

    /// Blocks of a realtime extent.
    pub realtime_extent_blocks: U32,
    /// Blocks of an allocation group; the last may have fewer.
    pub ag_blocks: U32,
    /// Allocation groups.
    pub ag_count: U32,
    /// Blocks of the realtime bitmap.
    pub realtime_bitmap_blocks: U32,

    /// Blocks of the log.
    pub log_blocks: U32,
    /// Version, and features of before version 5.
    pub version: U16,
    /// Bytes of a sector.
    pub sector_len: U16,
    /// Bytes of an inode.
    pub inode_len: U16,
    /// Inodes of a block.
    pub block_inodes: U16,
    /// The label, padded with zeros.
    pub label: [u8; 12],

    /// Bits of `block_len`.
    pub block_bits: u8,
    /// Bits of `sector_len`.
    pub sector_bits: u8,
    /// Bits of `inode_len`.
    pub inode_bits: u8,
    /// Bits of `block_inodes`.
    pub block_inode_bits: u8,
    /// Bits of a block's number within its group, rounded up.
    pub ag_block_bits: u8,
    /// Bits of `realtime_extents`.
    pub realtime_extent_bits: u8,
    /// Being made.
    pub in_progress: u8,
    /// Percent of the volume that inodes may take.
    pub inode_percent: u8,
    /// Inodes there are.
    pub inodes: U64,

    /// Inodes that are free.
    pub free_inodes: U64,
    /// Blocks that are free, those kept for the free lists among them.
    pub free_blocks: U64,

    /// Extents that are free in the realtime part.
    pub free_realtime_extents: U64,
    /// Inode of the user quotas.
    pub user_quota_inode: U64,

    /// Inode of the group quotas.
    pub group_quota_inode: U64,
    /// Quota flags.
    pub quota_flags: U16,
    /// Miscellaneous flags.
    pub flags: u8,
    /// 0.
    pub shared_version: u8,
    /// Blocks that inode chunks are aligned to.
    pub inode_alignment: U32,

    /// Blocks of a stripe unit.
    pub stripe_unit: U32,
    /// Blocks of a stripe.
    pub stripe_width: U32,
    /// Bits of the blocks of a directory block.
    pub directory_block_bits: u8,
    /// Bits of a sector of the log, 0 for 512 bytes.
    pub log_sector_bits: u8,
    /// Bytes of a sector of the log, 0 for 512.
    pub log_sector_len: U16,
    /// Bytes that writes to the log are rounded to.
    pub log_stripe_unit: U32,

    /// More features of before version 5.
    pub features_2: U32,
    /// The same: where it lay on machines that aligned it otherwise.
    pub features_2_copy: U32,
    /// Features that any reader may ignore.
    pub compatible: U32,
    /// Features that readers may ignore, writers not.
    pub read_only_compatible: U32,

    /// Features that nobody may ignore.
    pub incompatible: U32,
    /// The same for the log.
    pub log_incompatible: U32,
    /// Over the sector.
    pub checksum: little_endian::U32,
    /// Blocks that sparse inode chunks are aligned to.
    pub sparse_inode_alignment: U32,

    /// Inode of the project quotas.
    pub project_quota_inode: U64,
    /// Last write.
    pub lsn: U64,

    /// UUID of metadata, where it is not `uuid`.
    pub metadata_uuid: [u8; 16],
}
const _: () = assert!(size_of::<Superblock>() == 264);

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
pub(super) struct FreeListHeader {
    pub(super) magic: [u8; 4],
    pub(super) number: U32,
    pub(super) uuid: [u8; 16],
    pub(super) lsn: U64,
    pub(super) checksum: little_endian::U32,
}
const _: () = assert!(size_of::<FreeListHeader>() == 36);

/// Before the records of a block of a tree of an allocation group.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct TreeHeader {
    pub(super) magic: [u8; 4],
    pub(super) level: U16,
    pub(super) records: U16,
    pub(super) left: U32,
    pub(super) right: U32,

    /// Its own place, in units of 512 bytes.
    pub(super) place: U64,
    pub(super) lsn: U64,

    pub(super) uuid: [u8; 16],

    /// The group's number.
    pub(super) owner: U32,
    pub(super) checksum: little_endian::U32,
}
const _: () = assert!(size_of::<TreeHeader>() == 56);

/// Free runs by place.
pub(super) const BY_PLACE_MAGIC: [u8; 4] = *b"AB3B";
/// Free runs by size.
pub(super) const BY_SIZE_MAGIC: [u8; 4] = *b"AB3C";
/// Inode chunks.
pub(super) const INODES_MAGIC: [u8; 4] = *b"IAB3";
/// Inode chunks with free inodes.
pub(super) const FREE_INODES_MAGIC: [u8; 4] = *b"FIB3";
/// Blocks that several files share.
pub(super) const REFERENCES_MAGIC: [u8; 4] = *b"R3FC";

/// A run of free blocks.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct FreeRecord {
    pub(super) start: U32,
    pub(super) count: U32,
}
const _: () = assert!(size_of::<FreeRecord>() == 8);

/// A chunk of 64 inodes.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct ChunkRecord {
    /// Its first inode, by its number within the group.
    pub(super) start: U32,
    /// Sixteenths that a sparse chunk does not have.
    pub(super) holes: U16,
    pub(super) inodes: u8,
    pub(super) free_inodes: u8,
    /// A bit an inode, from the lowest.
    pub(super) free: U64,
}
const _: () = assert!(size_of::<ChunkRecord>() == 16);

/// Inodes of a chunk.
pub(super) const CHUNK_INODES: u32 = 64;

/// An inode, before what it holds.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct Inode {
    pub(super) magic: [u8; 2],
    /// Type and permissions.
    pub(super) mode: U16,
    pub(super) version: u8,
    /// [`LOCAL`], [`EXTENTS`], …
    pub(super) format: u8,
    pub(super) old_links: U16,
    pub(super) uid: U32,
    pub(super) gid: U32,

    pub(super) links: U32,
    pub(super) project_low: U16,
    pub(super) project_high: U16,
    /// Extents, where [`LARGE_COUNTS`] says so.
    pub(super) large_extents: U64,

    pub(super) accessed: Stamp,
    pub(super) modified: Stamp,

    pub(super) changed: Stamp,
    pub(super) len: U64,

    pub(super) blocks: U64,
    pub(super) extent_hint: U32,
    pub(super) extents: U32,

    pub(super) attribute_extents: U16,
    /// Where attributes start, in units of 8 bytes; 0 for none.
    pub(super) attribute_offset: u8,
    pub(super) attribute_format: u8,
    pub(super) dmapi_events: U32,
    pub(super) dmapi_state: U16,
    pub(super) flags: U16,
    pub(super) generation: U32,

    pub(super) next_unlinked: U32,
    pub(super) checksum: little_endian::U32,
    pub(super) changes: U64,

    pub(super) lsn: U64,
    pub(super) flags_2: U64,

    pub(super) copy_hint: U32,
    pub(super) reserved: [u8; 12],

    pub(super) created: Stamp,
    pub(super) number: U64,

    pub(super) uuid: [u8; 16],
}
const _: () = assert!(size_of::<Inode>() == 176);

/// In [`Superblock::incompatible`]: entries of directories have a type.
pub(super) const INCOMPATIBLE_TYPES: u32 = 1;
/// `IN`.
pub(super) const INODE_MAGIC: [u8; 2] = *b"IN";
/// The content is in the inode.
pub(super) const LOCAL: u8 = 1;
/// The inode lists extents.
pub(super) const EXTENTS: u8 = 2;
/// Type of a directory in a mode.
pub(super) const MODE_DIRECTORY: u16 = 0o040_000;
/// Type of a file in a mode.
pub(super) const MODE_FILE: u16 = 0o100_000;
/// The bits of a mode that are its type.
pub(super) const MODE_TYPE: u16 = 0o170_000;
/// In [`Inode::flags`]: blocks were taken ahead of writes, and are not given back at close.
pub(super) const PREALLOCATED: u16 = 1 << 1;
/// In [`Inode::flags`]: the bitmap of the realtime part, which has its sequence number.
pub(super) const NEW_REALTIME_BITMAP: u16 = 1 << 2;
/// In [`Inode::flags_2`]: times count nanoseconds from December 1901.
pub(super) const BIG_TIME: u64 = 1 << 3;

/// In [`Inode::flags_2`]: [`Inode::large_extents`] counts.
pub(super) const LARGE_COUNTS: u64 = 1 << 4;

/// A time: with [`BIG_TIME`] nanoseconds since December 1901, else 32 bits each of seconds since 1970 and nanoseconds.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct Stamp {
    pub(super) high: I32,
    pub(super) low: U32,
}
const _: () = assert!(size_of::<Stamp>() == 8);

impl Stamp {
    /// Seconds since 1970, for an inode with these [`Inode::flags_2`].
    pub(super) fn epoch(self, flags_2: u64) -> i64 {
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
pub(super) struct ExtentRecord {
    pub(super) high: U64,
    pub(super) low: U64,
}
const _: () = assert!(size_of::<ExtentRecord>() == 16);

/// In front of the entries of a directory in an inode. With `wide` entries the parent and all numbers have 8 bytes instead of 4.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct ShortHeader {
    pub(super) entries: u8,
    pub(super) wide: u8,
    pub(super) parent: U32,
}
const _: () = assert!(size_of::<ShortHeader>() == 6);

/// In front of the entries of a block of a directory.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct DirectoryHeader {
    /// `XDB3` for the only block, `XDD3` for one of several.
    pub(super) magic: [u8; 4],
    pub(super) checksum: little_endian::U32,
    /// Its own place, in units of 512 bytes.
    pub(super) place: U64,

    pub(super) lsn: U64,
    pub(super) uuid: [u8; 16],
    /// The directory's inode.
    pub(super) owner: U64,

    /// The longest free runs.
    pub(super) free: [DirectoryFree; 3],
    pub(super) reserved: U32,
}
const _: () = assert!(size_of::<DirectoryHeader>() == 64);

/// The only block of a directory, with its own index.
pub(super) const DIRECTORY_BLOCK_MAGIC: [u8; 4] = *b"XDB3";
/// A block of a directory that keeps its index apart.
pub(super) const DIRECTORY_DATA_MAGIC: [u8; 4] = *b"XDD3";
/// Where an entry would start that is none, but a free run.
pub(super) const DIRECTORY_FREE: u16 = 0xffff;

/// A free run of a block of a directory.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct DirectoryFree {
    pub(super) offset: U16,
    pub(super) len: U16,
}
const _: () = assert!(size_of::<DirectoryFree>() == 4);

/// A line of the index of a directory's block.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct HashRecord {
    pub(super) hash: U32,
    /// Of the entry, in units of 8 bytes.
    pub(super) place: U32,
}
const _: () = assert!(size_of::<HashRecord>() == 8);

/// At the end of a directory's only block.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct DirectoryTail {
    pub(super) records: U32,
    pub(super) stale: U32,
}
const _: () = assert!(size_of::<DirectoryTail>() == 8);

/// In front of what a write to the log holds, one sector of 512 bytes.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct LogRecord {
    pub(super) magic: U32,
    pub(super) cycle: U32,
    pub(super) version: U32,
    pub(super) len: U32,

    pub(super) lsn: U64,
    pub(super) tail_lsn: U64,

    /// Of nothing: a checksum of 0 is not looked at.
    pub(super) checksum: U32,
    pub(super) previous: U32,
    pub(super) operations: U32,
    /// The first word of each sector, which has the cycle in its place.
    pub(super) first_words: [U32; 64],
    pub(super) format: U32,

    pub(super) uuid: [u8; 16],

    pub(super) buffer_len: U32,
}
const _: () = assert!(size_of::<LogRecord>() == 324);

/// [`LogRecord::magic`].
pub(super) const LOG_MAGIC: u32 = 0xfeed_babe;

/// The operation of a log that was closed.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct Unmount {
    /// In the place of the operation's number, which the record keeps.
    pub(super) cycle: U32,
    pub(super) len: U32,
    pub(super) client: u8,
    pub(super) flags: u8,
    pub(super) reserved: U16,
    pub(super) magic: [u8; 2],
    pub(super) reserved_2: [u8; 6],
}
const _: () = assert!(size_of::<Unmount>() == 20);

/// The checksum of `bytes`, whose own field is at `offset`.
pub(super) fn checksum(bytes: &[u8], offset: usize) -> u32 {
    crc32c::of(&[&bytes[..offset], &[0; 4], &bytes[offset + 4..]])
}

/// Fills in the checksum of `bytes` at `offset`.
pub(super) fn seal(bytes: &mut [u8], offset: usize) {
    let sum = checksum(bytes, offset);
    bytes[offset..offset + 4].copy_from_slice(&sum.to_le_bytes());
}
