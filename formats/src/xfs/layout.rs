//! A volume as a layout: inodes and blocks are numbered first, then everything is pushed in the order of the disk.

use std::str::FromStr;

use zerocopy::{FromZeros, IntoBytes};

use super::{
    Directory, Error,
    directory::Blocks,
    geometry::{
        AG_COUNT, BLOCK_BITS, BLOCK_INODE_BITS, BLOCK_INODES, BLOCK_LEN, CHUNK_BLOCKS,
        FREE_LIST_BLOCKS, Geometry, INODE_BITS, INODE_LEN, LOG_AG,
    },
    group::Group,
    inode::Common,
    plan::{Content, Plan, Planned, Run},
    raw::{LOG_MAGIC, LogRecord, Stamp, Superblock, Unmount, seal},
};
use crate::Layout;

/// Version 5; links are 32 bits wide, attributes, aligned inodes, log version 2, unwritten extents, directories of version 2,
/// and more features elsewhere. Attributes are declared, as in the recorded reports, though no inode has any.
const VERSION: u16 = 0xb4b5;
/// In [`VERSION`]: sectors are not of 512 bytes.
const VERSION_SECTOR: u16 = 0x0800;
/// Counters are written at unmount only, attributes of version 2, project identifiers of 32 bits, checksums.
const FEATURES_2: u32 = 0x018a;
/// Tree of chunks with free inodes, shared blocks, counted blocks of inode trees; no tree of owners.
const READ_ONLY_COMPATIBLE: u32 = 0b1101;
/// Types in directories, sparse inode chunks, times to 2486.
const INCOMPATIBLE: u32 = 0b1011;
/// Inodes that the root chunk has in use before the tree's: the root directory, bitmap and summary of the realtime part.
const REALTIME_BITMAP: u32 = 1;
const REALTIME_SUMMARY: u32 = 2;
/// Bytes that a driver may hold back before it writes them to the log.
const LOG_BUFFER_LEN: u32 = 32 << 10;

/// A volume label: up to 12 characters, padded with zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label([u8; 12]);

impl FromStr for Label {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut label = [0; 12];
        match label.get_mut(..text.len()) {
            Some(start) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) => {
                start.copy_from_slice(text.as_bytes());
            }
            _ => return Err(Error::Label(text.to_owned())),
        }
        Ok(Self(label))
    }
}

/// A volume to be made.
#[derive(Debug, Clone)]
pub struct Volume {
    /// Bytes of the whole: 300 MiB to 32 GiB.
    pub len: u64,
    /// Bytes of a sector of the disk: 512 or 4096.
    pub sector_len: u16,
    /// Names the volume; bytes in the order of the text.
    pub uuid: [u8; 16],
    /// What it is mounted by.
    pub label: Label,
    /// All dates, seconds after 1970, UTC.
    pub epoch: i64,
    /// What the volume holds.
    pub root: Directory,
}

impl Volume {
    /// The volume as extents, `len` bytes of them.
    pub fn layout(&self) -> Result<Layout, Error> {
        self.with_geometry(&Geometry::new(self.len, self.sector_len)?)
    }

    pub(super) fn with_geometry(&self, geometry: &Geometry) -> Result<Layout, Error> {
        let plan = Plan::new(geometry, &self.root)?;
        let common = Common {
            uuid: self.uuid,
            time: Stamp::big(self.epoch)?,
        };
        let groups: Vec<Group> = (0..)
            .zip(plan.taken)
            .map(|(ag, taken)| Group {
                geometry,
                uuid: self.uuid,
                ag,
                taken,
            })
            .collect();
        let superblock = self.superblock(geometry, &groups);

        let mut layout = Layout::new();
        for group in &groups {
            let ag = group.ag;
            let section = |what: &str| format!("XFS group {ag} {what}");
            layout.pad_to(geometry.offset(ag, 0));
            layout.section(section("headers"));
            layout.bytes(superblock.clone());
            layout.bytes([group.free_space(), group.inode_space(), group.free_list()].concat());
            layout.pad_to(geometry.offset(ag, geometry.header_blocks()));
            layout.section(section("trees"));
            layout.bytes(group.trees());
            if ag == LOG_AG {
                layout.pad_to(geometry.offset(ag, geometry.log_block()));
                layout.section("XFS log");
                layout.bytes(self.log(geometry));
            }
            layout.pad_to(geometry.offset(ag, geometry.free_list_block(ag)));
            layout.section(section("free list"));
            layout.pad_to(geometry.offset(ag, geometry.first_free_block(ag)));
            if group.taken.inodes > 0 {
                layout.pad_to(geometry.offset(ag, geometry.first_chunk_block(ag)));
                layout.section(section("inodes"));
                layout.bytes(inodes(geometry, group, &plan, &common));
            }
            self.push_data(&mut layout, geometry, &plan, ag);
            layout.pad_to(geometry.offset(ag, group.taken.end));
            layout.section(section("free space"));
        }
        layout.pad_to(self.len);
        Ok(layout)
    }

    fn superblock(&self, geometry: &Geometry, groups: &[Group]) -> Vec<u8> {
        let is_512 = geometry.sector_len == 512;
        let (mut inodes, mut free_inodes, mut free_blocks) = (0, 0, 0);
        for group in groups {
            inodes += u64::from(group.inodes());
            free_inodes += u64::from(group.inodes() - group.taken.inodes);
            free_blocks += u64::from(group.free_blocks() + FREE_LIST_BLOCKS);
        }
        let root = geometry.inode(0, geometry.first_chunk_block(0) * BLOCK_INODES);
        let sector_bits = u8::try_from(geometry.sector_len.trailing_zeros()).expect("9 or 12");
        let superblock = Superblock {
            magic: *b"XFSB",
            block_len: u32::try_from(BLOCK_LEN).expect("a block is small").into(),
            blocks: geometry.blocks.into(),
            realtime_blocks: 0.into(),
            realtime_extents: 0.into(),
            uuid: self.uuid,
            log_start: geometry.volume_block(LOG_AG, geometry.log_block()).into(),
            root_inode: root.into(),
            realtime_bitmap_inode: (root + u64::from(REALTIME_BITMAP)).into(),
            realtime_summary_inode: (root + u64::from(REALTIME_SUMMARY)).into(),
            realtime_extent_blocks: 1.into(),
            ag_blocks: geometry.ag_blocks.into(),
            ag_count: AG_COUNT.into(),
            realtime_bitmap_blocks: 0.into(),
            log_blocks: geometry.log_blocks.into(),
            version: if is_512 {
                VERSION
            } else {
                VERSION | VERSION_SECTOR
            }
            .into(),
            sector_len: geometry.sector_len.into(),
            inode_len: u16::try_from(INODE_LEN).expect("an inode is small").into(),
            block_inodes: u16::try_from(BLOCK_INODES).expect("8").into(),
            label: self.label.0,
            block_bits: BLOCK_BITS,
            sector_bits,
            inode_bits: INODE_BITS,
            block_inode_bits: BLOCK_INODE_BITS,
            ag_block_bits: geometry.ag_block_bits(),
            realtime_extent_bits: 0,
            in_progress: 0,
            inode_percent: 25,
            inodes: inodes.into(),
            free_inodes: free_inodes.into(),
            free_blocks: free_blocks.into(),
            free_realtime_extents: 0.into(),
            user_quota_inode: 0.into(),
            group_quota_inode: 0.into(),
            quota_flags: 0.into(),
            flags: 0,
            shared_version: 0,
            inode_alignment: CHUNK_BLOCKS.into(),
            stripe_unit: 0.into(),
            stripe_width: 0.into(),
            directory_block_bits: 0,
            log_sector_bits: if is_512 { 0 } else { sector_bits },
            log_sector_len: if is_512 { 0 } else { geometry.sector_len }.into(),
            log_stripe_unit: if is_512 {
                1
            } else {
                u32::from(geometry.sector_len)
            }
            .into(),
            features_2: FEATURES_2.into(),
            features_2_copy: FEATURES_2.into(),
            compatible: 0.into(),
            read_only_compatible: READ_ONLY_COMPATIBLE.into(),
            incompatible: INCOMPATIBLE.into(),
            log_incompatible: 0.into(),
            checksum: 0.into(),
            sparse_inode_alignment: 4.into(),
            project_quota_inode: 0.into(),
            lsn: 0.into(),
            metadata_uuid: [0; 16],
        };
        let mut sector = superblock.as_bytes().to_vec();
        sector.resize(usize::from(geometry.sector_len), 0);
        seal(&mut sector, std::mem::offset_of!(Superblock, checksum));
        sector
    }

    /// One record, a write of one sector of the disk at least, that says that the volume was unmounted.
    fn log(&self, geometry: &Geometry) -> Vec<u8> {
        const SECTOR: usize = 512;
        const CYCLE: u32 = 1;
        /// Length, client and flags of the operation lie behind its number, in whose place the cycle stands.
        const OPERATION: u32 = 0xb0c0_d0d0;
        let written = (2 * SECTOR).max(usize::from(geometry.sector_len));
        let mut record = LogRecord::new_zeroed();
        record.magic = LOG_MAGIC.into();
        record.cycle = CYCLE.into();
        record.version = 2.into();
        record.len = u32::try_from(written - SECTOR)
            .expect("less than a sector")
            .into();
        record.lsn = (u64::from(CYCLE) << 32).into();
        record.tail_lsn = record.lsn;
        record.previous = u32::MAX.into();
        record.operations = 1.into();
        record.first_words[0] = OPERATION.into();
        record.format = 1.into();
        record.uuid = self.uuid;
        record.buffer_len = LOG_BUFFER_LEN.into();
        let unmount = Unmount {
            cycle: CYCLE.into(),
            len: 8.into(),
            client: 0xaa,
            flags: 0x20,
            reserved: 0.into(),
            magic: *b"nU",
            reserved_2: [0; 6],
        };
        let mut bytes = record.as_bytes().to_vec();
        bytes.resize(SECTOR, 0);
        bytes.extend(unmount.as_bytes());
        bytes.resize(2 * SECTOR, 0);
        while bytes.len() < written {
            bytes.extend(CYCLE.to_be_bytes());
            bytes.resize(bytes.len().next_multiple_of(SECTOR), 0);
        }
        bytes
    }

    /// The data of the group `ag`, in the order of its blocks.
    fn push_data(&self, layout: &mut Layout, geometry: &Geometry, plan: &Plan, ag: u32) {
        let mut pieces: Vec<(Run, u64, &Planned)> = Vec::new();
        for planned in &plan.inodes {
            let mut offset = 0;
            for run in &planned.runs {
                if run.ag == ag {
                    pieces.push((*run, offset, planned));
                }
                offset += u64::from(run.count) * BLOCK_LEN;
            }
        }
        pieces.sort_unstable_by_key(|(run, ..)| run.block);
        for (run, offset, planned) in pieces {
            let start = geometry.offset(ag, run.block);
            layout.pad_to(start);
            match &planned.content {
                Content::Directory {
                    parent,
                    entries,
                    form,
                    ..
                } => {
                    layout.section(format!("XFS directory /{}", planned.path));
                    let blocks = Blocks {
                        geometry,
                        uuid: self.uuid,
                        own: planned.place,
                        parent: *parent,
                        entries,
                        form: *form,
                    };
                    let bytes = blocks.bytes(&offsets(geometry, &planned.runs));
                    let [from, len] = [offset, u64::from(run.count) * BLOCK_LEN]
                        .map(|len| usize::try_from(len).expect("in memory"));
                    layout.bytes(bytes[from..from + len].to_vec());
                }
                Content::File(file) => {
                    layout.section(format!("XFS file /{}", planned.path));
                    let end = (offset + u64::from(run.count) * BLOCK_LEN).min(file.content.len());
                    layout.append_range(&file.content, offset..end);
                }
            }
        }
    }
}

/// Where each block of `runs` lies.
fn offsets(geometry: &Geometry, runs: &[Run]) -> Vec<u64> {
    let blocks = runs
        .iter()
        .flat_map(|run| (run.block..run.block + run.count).map(|block| (run.ag, block)));
    blocks
        .map(|(ag, block)| geometry.offset(ag, block))
        .collect()
}

/// The chunks of a group: the inodes in use, then the free ones.
fn inodes(geometry: &Geometry, group: &Group, plan: &Plan, common: &Common) -> Vec<u8> {
    let number = |index: u32| geometry.inode(group.ag, group.first_inode() + index);
    let mut bytes = Vec::new();
    for planned in plan
        .inodes
        .iter()
        .filter(|planned| planned.place.ag == group.ag)
    {
        bytes.extend(common.planned(geometry, planned));
        if planned.path.is_empty() {
            bytes.extend(common.realtime_bitmap(number(REALTIME_BITMAP)));
            bytes.extend(common.realtime_summary(number(REALTIME_SUMMARY)));
        }
    }
    for index in group.taken.inodes..group.inodes() {
        bytes.extend(common.free(number(index)));
    }
    bytes
}
