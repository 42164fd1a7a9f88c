//! Where the fixed parts of a volume lie: the arithmetic of mkfs.xfs for an image file, with the features of `lts_6.1.conf`.

use super::Error;

/// Bytes of a block in memory.
pub(super) const BLOCK: usize = 1 << BLOCK_BITS;
/// Bytes of a block.
pub const BLOCK_LEN: u64 = 1 << BLOCK_BITS;
/// Bits of [`BLOCK_LEN`].
pub(super) const BLOCK_BITS: u8 = 12;
/// Bytes of an inode.
pub(super) const INODE_LEN: usize = 512;
/// Bits of [`INODE_LEN`].
pub(super) const INODE_BITS: u8 = 9;
/// Inodes of a block.
pub(super) const BLOCK_INODES: u32 = 8;
/// Bits of [`BLOCK_INODES`].
pub(super) const BLOCK_INODE_BITS: u8 = 3;
/// Blocks of a chunk of 64 inodes, and what chunks are aligned to.
pub(super) const CHUNK_BLOCKS: u32 = 8;
/// Allocation groups of every volume that we make, as mkfs.xfs gives to a file of less than 4 TiB.
pub(super) const AG_COUNT: u32 = 4;
/// The group in the middle, which has the log.
pub(super) const LOG_AG: u32 = 2;
/// Blocks on the free list of a group: two for each of the trees of free space.
pub(super) const FREE_LIST_BLOCKS: u32 = 4;

/// mkfs.xfs makes nothing smaller.
const MIN_LEN: u64 = 300 << 20;
/// A free run of a group is then at most one extent, and mkfs.xfs still gives the same log; a boot partition never comes near.
const MAX_LEN: u64 = 32 << 30;
/// 64 MiB.
const LOG_BLOCKS: u32 = 16_384;
/// Superblock, free space, inodes, free list.
const HEADER_SECTORS: u32 = 4;

/// Numbers of a volume, in blocks unless named otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    /// Bytes of the whole; what is no whole block is unused.
    pub(super) len: u64,
    /// Bytes of a sector.
    pub(super) sector_len: u16,
    /// Of the volume.
    pub(super) blocks: u64,
    /// Of an allocation group; the last may have fewer.
    pub(super) ag_blocks: u32,
    /// Of the log.
    pub(super) log_blocks: u32,
}

impl Geometry {
    pub(super) fn new(len: u64, sector_len: u16) -> Result<Self, Error> {
        if len < MIN_LEN {
            return Err(Error::VolumeTooSmall { len, min: MIN_LEN });
        }
        if len > MAX_LEN {
            return Err(Error::VolumeTooLarge { len, max: MAX_LEN });
        }
        Self::with_log(len, sector_len, LOG_BLOCKS)
    }

    /// Of any length: tests and seeds of the fuzzer are smaller than mkfs.xfs allows.
    pub(super) fn with_log(len: u64, sector_len: u16, log_blocks: u32) -> Result<Self, Error> {
        if !matches!(sector_len, 512 | 4096) {
            return Err(Error::SectorSize(sector_len));
        }
        let blocks = len / BLOCK_LEN;
        let ag_blocks = u32::try_from(blocks.div_ceil(u64::from(AG_COUNT)))
            .map_err(|_| Error::VolumeTooLarge { len, max: MAX_LEN })?;
        Ok(Self {
            len,
            sector_len,
            blocks,
            ag_blocks,
            log_blocks,
        })
    }

    /// Bits of a block's number within its group.
    pub(super) fn ag_block_bits(&self) -> u8 {
        let bits = self.ag_blocks.next_power_of_two().trailing_zeros();
        u8::try_from(bits).expect("fewer bits than a word has")
    }

    /// Blocks of the group `ag`.
    pub(super) fn blocks_of(&self, ag: u32) -> u32 {
        let before = u64::from(ag) * u64::from(self.ag_blocks);
        let rest = self.blocks.saturating_sub(before);
        u32::try_from(rest.min(u64::from(self.ag_blocks))).expect("at most a group")
    }

    /// Blocks that the four headers of a group take.
    pub(super) fn header_blocks(&self) -> u32 {
        let block_len = u32::try_from(BLOCK_LEN).expect("a block is small");
        (HEADER_SECTORS * u32::from(self.sector_len)).div_ceil(block_len)
    }

    /// The block with the root of `tree`.
    pub(super) fn root(&self, tree: Tree) -> u32 {
        self.header_blocks() + tree as u32
    }

    /// First block of the log within [`LOG_AG`], behind the trees.
    pub(super) fn log_block(&self) -> u32 {
        self.header_blocks() + Tree::COUNT
    }

    /// First block of the free list's of the group `ag`.
    pub(super) fn free_list_block(&self, ag: u32) -> u32 {
        let log_blocks = if ag == LOG_AG { self.log_blocks } else { 0 };
        self.log_block() + log_blocks
    }

    /// The first block of the group `ag` that nothing fixed takes.
    pub(super) fn first_free_block(&self, ag: u32) -> u32 {
        self.free_list_block(ag) + FREE_LIST_BLOCKS
    }

    /// The first block for inodes of the group `ag`. The root directory's is found by this arithmetic, also by xfs_repair.
    pub(super) fn first_chunk_block(&self, ag: u32) -> u32 {
        self.first_free_block(ag).next_multiple_of(CHUNK_BLOCKS)
    }

    /// The number of a block in the whole volume, as extents name it.
    pub(super) fn volume_block(&self, ag: u32, block: u32) -> u64 {
        u64::from(ag) << self.ag_block_bits() | u64::from(block)
    }

    /// The number of an inode in the whole volume.
    pub(super) fn inode(&self, ag: u32, inode: u32) -> u64 {
        u64::from(ag) << (self.ag_block_bits() + BLOCK_INODE_BITS) | u64::from(inode)
    }

    /// Where a block lies.
    pub(super) fn offset(&self, ag: u32, block: u32) -> u64 {
        (u64::from(ag) * u64::from(self.ag_blocks) + u64::from(block)) * BLOCK_LEN
    }
}

/// The trees of an allocation group, in the order of their roots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tree {
    /// Free runs by place.
    ByPlace = 0,
    /// Free runs by size.
    BySize = 1,
    /// Inode chunks.
    Inodes = 2,
    /// Inode chunks with free inodes.
    FreeInodes = 3,
    /// Blocks that several files share.
    References = 4,
}

impl Tree {
    /// How many there are.
    pub(super) const COUNT: u32 = 5;
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// The tables of disk.md, 2.3, and what mkfs.xfs 6.1 makes with `lts_6.1.conf`.
    #[test]
    fn numbers_are_those_of_mkfs_xfs() {
        for (mib, sector, blocks, ag_blocks, bits, log, first, root) in [
            (1000, 512, 256_000, 64_000, 16, 131_078, 10, 128),
            (1000, 4096, 256_000, 64_000, 16, 131_081, 13, 128),
            (2000, 512, 512_000, 128_000, 17, 262_150, 10, 128),
            (2000, 4096, 512_000, 128_000, 17, 262_153, 13, 128),
        ] {
            let geometry = Geometry::new(mib * MIB, sector).unwrap();
            assert_eq!((geometry.blocks, geometry.ag_blocks), (blocks, ag_blocks));
            assert_eq!(geometry.ag_block_bits(), bits);
            assert_eq!(geometry.volume_block(LOG_AG, geometry.log_block()), log);
            assert_eq!(geometry.first_free_block(0), first);
            assert_eq!(geometry.first_chunk_block(0) * BLOCK_INODES, root);
        }
    }

    #[test]
    fn a_volume_that_is_no_multiple_of_four_blocks_ends_with_a_shorter_group() {
        let geometry = Geometry::new(300 * MIB + 4096 + 17, 512).unwrap();
        let groups = [0, 1, 2, 3].map(|ag| geometry.blocks_of(ag));
        assert_eq!(groups, [19_201, 19_201, 19_201, 19_198]);
        assert_eq!(
            groups.into_iter().map(u64::from).sum::<u64>(),
            geometry.blocks
        );
    }

    #[test]
    fn what_xfs_does_not_know_is_refused() {
        for (len, sector) in [
            (300 * MIB - 1, 512),
            ((32 << 30) + 1, 512),
            (1000 * MIB, 1024),
            (0, 0),
        ] {
            assert!(Geometry::new(len, sector).is_err(), "{len} {sector}");
        }
    }
}
