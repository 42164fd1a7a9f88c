//! The superblock, sector 0 of every allocation group.

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    big_endian::{U16, U32, U64},
    little_endian,
};

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

/// In [`Superblock::incompatible`]: entries of directories have a type.
pub(in super::super) const INCOMPATIBLE_TYPES: u32 = 1;
