//! Inodes as bytes.

use zerocopy::{FromZeros, IntoBytes};

use super::{
    Error,
    directory::{self, Form},
    geometry::{Geometry, INODE_LEN},
    plan::{Content, Place, Planned, Run},
    raw::{
        BIG_TIME, EXTENTS, ExtentRecord, INODE_MAGIC, Inode, LOCAL, MODE_DIRECTORY, MODE_FILE,
        NEW_REALTIME_BITMAP, NONE, PREALLOCATED, Stamp, seal,
    },
};

/// Of every inode but the root directory's: what mkfs.xfs gives with `DETERMINISTIC_SEED`, where it is random otherwise.
const GENERATION: u32 = 0x5345_4544;
/// Changes that an inode has seen.
const CHANGES: u64 = 1;

/// What inodes have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Common {
    pub(super) uuid: [u8; 16],
    pub(super) time: Stamp,
}

impl Stamp {
    /// Nanoseconds since December 1901, which is 2³¹ seconds before 1970.
    pub(super) fn big(epoch: i64) -> Result<Self, Error> {
        let nanoseconds = epoch
            .checked_add(1 << 31)
            .and_then(|seconds| u64::try_from(seconds).ok())
            .and_then(|seconds| seconds.checked_mul(1_000_000_000))
            .ok_or(Error::Date(epoch))?;
        Ok(zerocopy::transmute!(zerocopy::big_endian::U64::new(
            nanoseconds
        )))
    }
}

impl Common {
    /// An inode that is free.
    pub(super) fn free(&self, number: u64) -> Vec<u8> {
        sealed(&self.blank(number), &[])
    }

    /// The bitmap of the realtime part, which is empty.
    pub(super) fn realtime_bitmap(&self, number: u64) -> Vec<u8> {
        self.realtime(number, NEW_REALTIME_BITMAP)
    }

    /// The summary of the realtime part, which is empty.
    pub(super) fn realtime_summary(&self, number: u64) -> Vec<u8> {
        self.realtime(number, 0)
    }

    fn realtime(&self, number: u64, flags: u16) -> Vec<u8> {
        let mut inode = self.used(number);
        inode.mode = MODE_FILE.into();
        inode.format = EXTENTS;
        inode.links = 1.into();
        inode.flags = flags.into();
        sealed(&inode, &[])
    }

    /// The inode of a directory or a file.
    pub(super) fn planned(&self, geometry: &Geometry, planned: &Planned) -> Vec<u8> {
        let Place { ag, inode } = planned.place;
        let mut core = self.used(geometry.inode(ag, inode));
        core.len = planned.len().into();
        core.blocks = planned.blocks().into();
        let extents = planned.extents();
        core.extents = u32::try_from(extents.len())
            .expect("a few in each group")
            .into();
        let mut literal = records(geometry, &extents);
        core.format = EXTENTS;
        match &planned.content {
            Content::File(file) => {
                core.mode = (MODE_FILE | file.mode).into();
                core.links = 1.into();
                core.flags = PREALLOCATED.into();
            }
            Content::Directory {
                parent,
                mode,
                form,
                entries,
            } => {
                core.mode = (MODE_DIRECTORY | mode).into();
                let inner = entries.iter().filter(|entry| entry.is_directory()).count();
                core.links = u32::try_from(2 + inner).expect("fewer than inodes").into();
                if *form == Form::Short {
                    core.format = LOCAL;
                    literal = directory::short(geometry, *parent, entries);
                }
                if planned.path.is_empty() {
                    core.generation = 0.into();
                }
            }
        }
        sealed(&core, &literal)
    }

    fn blank(&self, number: u64) -> Inode {
        let mut inode = Inode::new_zeroed();
        inode.magic = INODE_MAGIC;
        inode.version = 3;
        inode.generation = GENERATION.into();
        inode.next_unlinked = NONE.into();
        inode.number = number.into();
        inode.uuid = self.uuid;
        inode
    }

    fn used(&self, number: u64) -> Inode {
        let mut inode = self.blank(number);
        inode.attribute_format = EXTENTS;
        inode.accessed = self.time;
        inode.modified = self.time;
        inode.changed = self.time;
        inode.created = self.time;
        inode.changes = CHANGES.into();
        inode.flags_2 = BIG_TIME.into();
        inode
    }
}

fn sealed(inode: &Inode, literal: &[u8]) -> Vec<u8> {
    let mut bytes = inode.as_bytes().to_vec();
    bytes.extend(literal);
    assert!(bytes.len() <= INODE_LEN, "what an inode holds fits into it");
    bytes.resize(INODE_LEN, 0);
    seal(&mut bytes, std::mem::offset_of!(Inode, checksum));
    bytes
}

fn records(geometry: &Geometry, extents: &[(u64, Run)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size_of_val(extents));
    for (file_block, run) in extents {
        let block = geometry.volume_block(run.ag, run.block);
        let record = ExtentRecord {
            high: (file_block << 9 | block >> 43).into(),
            low: (block << 21 | u64::from(run.count)).into(),
        };
        bytes.extend(record.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_that_xfs_has_room_for() {
        let bytes =
            |epoch| Stamp::big(epoch).map(|stamp| <[u8; 8]>::try_from(stamp.as_bytes()).unwrap());
        assert_eq!(bytes(-(1 << 31)), Ok([0; 8]));
        assert_eq!(bytes(0), Ok(2_147_483_648_000_000_000_u64.to_be_bytes()));
        assert_eq!(
            bytes(16_299_260_425),
            Ok(18_446_744_073_000_000_000_u64.to_be_bytes())
        );
        for epoch in [16_299_260_426, -(1 << 31) - 1, i64::MAX, i64::MIN] {
            assert_eq!(bytes(epoch), Err(Error::Date(epoch)));
        }
    }
}
