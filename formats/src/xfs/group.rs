//! The headers and trees of an allocation group as bytes.

use zerocopy::{FromZeros, IntoBytes};

use super::{
    geometry::{BLOCK, BLOCK_INODES, FREE_LIST_BLOCKS, Geometry, Tree},
    plan::Taken,
    raw::{
        BY_PLACE_MAGIC, BY_SIZE_MAGIC, CHUNK_INODES, ChunkRecord, FREE_INODES_MAGIC,
        FreeListHeader, FreeRecord, FreeSpace, INODES_MAGIC, InodeSpace, NONE, REFERENCES_MAGIC,
        TreeHeader, seal,
    },
};

/// The free list is used from this slot on: mkfs.xfs starts behind the first.
const FIRST_SLOT: u32 = 1;

/// A group of the volume, with what is taken of it.
pub(super) struct Group<'a> {
    pub(super) geometry: &'a Geometry,
    pub(super) uuid: [u8; 16],
    pub(super) ag: u32,
    pub(super) taken: Taken,
}

impl Group<'_> {
    /// Runs of free blocks: start, count.
    pub(super) fn free(&self) -> Vec<(u32, u32)> {
        let first = self.geometry.first_free_block(self.ag);
        let before_inodes = if self.taken.inodes > 0 {
            self.geometry.first_chunk_block(self.ag) - first
        } else {
            0
        };
        let end = self.geometry.blocks_of(self.ag);
        let runs = [
            (first, before_inodes),
            (self.taken.end, end - self.taken.end),
        ];
        runs.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    /// Free blocks, without those of the free list.
    pub(super) fn free_blocks(&self) -> u32 {
        self.free().into_iter().map(|(_, count)| count).sum()
    }

    /// Inodes there are.
    pub(super) fn inodes(&self) -> u32 {
        self.taken.chunks() * CHUNK_INODES
    }

    /// Sector 1.
    pub(super) fn free_space(&self) -> Vec<u8> {
        let longest = self.free().into_iter().map(|(_, count)| count).max();
        let header = FreeSpace {
            magic: *b"XAGF",
            version: 1.into(),
            number: self.ag.into(),
            blocks: self.geometry.blocks_of(self.ag).into(),
            by_place_root: self.geometry.root(Tree::ByPlace).into(),
            by_size_root: self.geometry.root(Tree::BySize).into(),
            owner_root: 0.into(),
            by_place_levels: 1.into(),
            by_size_levels: 1.into(),
            owner_levels: 0.into(),
            list_first: FIRST_SLOT.into(),
            list_last: FREE_LIST_BLOCKS.into(),
            list_count: FREE_LIST_BLOCKS.into(),
            free_blocks: self.free_blocks().into(),
            longest: longest.unwrap_or(0).into(),
            tree_blocks: 0.into(),
            uuid: self.uuid,
            owner_blocks: 0.into(),
            reference_blocks: 1.into(),
            reference_root: self.geometry.root(Tree::References).into(),
            reference_levels: 1.into(),
            reserved: [0; 112],
            lsn: 0.into(),
            checksum: 0.into(),
            reserved_2: 0.into(),
        };
        self.sector(
            header.as_bytes(),
            0,
            std::mem::offset_of!(FreeSpace, checksum),
        )
    }

    /// Sector 2.
    pub(super) fn inode_space(&self) -> Vec<u8> {
        let last_chunk = self.taken.chunks().checked_sub(1);
        let newest = last_chunk.map(|chunk| self.first_inode() + chunk * CHUNK_INODES);
        let header = InodeSpace {
            magic: *b"XAGI",
            version: 1.into(),
            number: self.ag.into(),
            blocks: self.geometry.blocks_of(self.ag).into(),
            inodes: self.inodes().into(),
            root: self.geometry.root(Tree::Inodes).into(),
            levels: 1.into(),
            free_inodes: (self.inodes() - self.taken.inodes).into(),
            newest: newest.unwrap_or(NONE).into(),
            directory: NONE.into(),
            unlinked: [NONE.into(); 64],
            uuid: self.uuid,
            checksum: 0.into(),
            reserved: 0.into(),
            lsn: 0.into(),
            free_root: self.geometry.root(Tree::FreeInodes).into(),
            free_levels: 1.into(),
            tree_blocks: 1.into(),
            free_tree_blocks: 1.into(),
        };
        self.sector(
            header.as_bytes(),
            0,
            std::mem::offset_of!(InodeSpace, checksum),
        )
    }

    /// Sector 3.
    pub(super) fn free_list(&self) -> Vec<u8> {
        let header = FreeListHeader {
            magic: *b"XAFL",
            number: self.ag.into(),
            uuid: self.uuid,
            lsn: 0.into(),
            checksum: 0.into(),
        };
        let mut bytes = header.as_bytes().to_vec();
        let first = self.geometry.free_list_block(self.ag);
        bytes.extend(NONE.to_be_bytes().repeat(FIRST_SLOT as usize));
        bytes.extend((first..first + FREE_LIST_BLOCKS).flat_map(u32::to_be_bytes));
        self.sector(
            &bytes,
            u8::MAX,
            std::mem::offset_of!(FreeListHeader, checksum),
        )
    }

    /// The trees, each a block, in their order on disk.
    pub(super) fn trees(&self) -> Vec<u8> {
        let records = |runs: Vec<(u32, u32)>| -> Vec<FreeRecord> {
            let record = |(start, count): (u32, u32)| FreeRecord {
                start: start.into(),
                count: count.into(),
            };
            runs.into_iter().map(record).collect()
        };
        let by_place = records(self.free());
        let mut runs = self.free();
        runs.sort_unstable_by_key(|(start, count)| (*count, *start));
        let by_size = records(runs);
        let chunks: Vec<ChunkRecord> = (0..self.taken.chunks())
            .map(|chunk| self.chunk(chunk))
            .collect();
        let with_free: Vec<ChunkRecord> = chunks
            .iter()
            .filter(|chunk| chunk.free_inodes > 0)
            .copied()
            .collect();
        let none: [ChunkRecord; 0] = [];
        [
            self.tree(Tree::ByPlace, BY_PLACE_MAGIC, &by_place),
            self.tree(Tree::BySize, BY_SIZE_MAGIC, &by_size),
            self.tree(Tree::Inodes, INODES_MAGIC, &chunks),
            self.tree(Tree::FreeInodes, FREE_INODES_MAGIC, &with_free),
            self.tree(Tree::References, REFERENCES_MAGIC, &none),
        ]
        .concat()
    }

    /// First inode of the first chunk, within the group.
    pub(super) fn first_inode(&self) -> u32 {
        self.geometry.first_chunk_block(self.ag) * BLOCK_INODES
    }

    fn chunk(&self, chunk: u32) -> ChunkRecord {
        let before = chunk * CHUNK_INODES;
        let used = (self.taken.inodes - before).min(CHUNK_INODES);
        let small = |count: u32| u8::try_from(count).expect("at most 64");
        ChunkRecord {
            start: (self.first_inode() + before).into(),
            holes: 0.into(),
            inodes: small(CHUNK_INODES),
            free_inodes: small(CHUNK_INODES - used),
            free: u64::MAX.checked_shl(used).unwrap_or(0).into(),
        }
    }

    fn tree<T: IntoBytes + zerocopy::Immutable>(
        &self,
        tree: Tree,
        magic: [u8; 4],
        records: &[T],
    ) -> Vec<u8> {
        let mut header = TreeHeader::new_zeroed();
        header.magic = magic;
        header.records = u16::try_from(records.len())
            .expect("limited by the plan")
            .into();
        header.left = NONE.into();
        header.right = NONE.into();
        header.place = (self.geometry.offset(self.ag, self.geometry.root(tree)) / 512).into();
        header.uuid = self.uuid;
        header.owner = self.ag.into();
        let mut bytes = header.as_bytes().to_vec();
        bytes.extend(records.as_bytes());
        assert!(bytes.len() <= BLOCK, "a tree of one level fits in a block");
        bytes.resize(BLOCK, 0);
        seal(&mut bytes, std::mem::offset_of!(TreeHeader, checksum));
        bytes
    }

    fn sector(&self, bytes: &[u8], filler: u8, checksum: usize) -> Vec<u8> {
        let mut sector = bytes.to_vec();
        sector.resize(usize::from(self.geometry.sector_len), filler);
        seal(&mut sector, checksum);
        sector
    }
}
