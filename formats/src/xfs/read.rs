//! The reader: total, bounded, over any source of bytes.
//!
//! It reads what we write and what mkfs.xfs and kernels make of it: also directories of several blocks, sparse files, and the features of
//! newer volumes, as long as an inode lists its extents itself.

use std::io;

use zerocopy::FromBytes;

use super::{
    raw::{FreeSpace, InodeSpace, Superblock},
    volume::Opened,
    walk::Walk,
};
use crate::read_at::ReadAt;

/// How much of a volume is looked at before it is refused.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Allocation groups.
    pub groups: u32,
    /// Files and directories.
    pub entries: usize,
    /// Names of a path.
    pub depth: usize,
    /// Bytes of the blocks of all directories.
    pub directories_len: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            groups: 256,
            entries: 65_536,
            depth: 32,
            directories_len: 16 << 20,
        }
    }
}

/// What a volume holds.
#[derive(Debug, Clone)]
pub struct Contents {
    /// The first one.
    pub superblock: Superblock,
    /// The other headers of each allocation group.
    pub groups: Vec<Group>,
    /// Everything with a name, the root directory first, directories before what they hold, otherwise by path.
    pub entries: Vec<Entry>,
    /// Structures whose checksum is not theirs: they were read all the same.
    pub wrong_checksums: Vec<String>,
}

/// Headers of an allocation group.
#[derive(Debug, Clone)]
pub struct Group {
    /// Sector 1.
    pub free_space: FreeSpace,
    /// Sector 2.
    pub inode_space: InodeSpace,
}

/// A file, a directory, or something else with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Names from the root on, separated by `/`; the root directory has none.
    pub path: String,
    /// Number of its inode.
    pub inode: u64,
    /// Type and permissions.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group of the owner.
    pub gid: u32,
    /// Names it has.
    pub links: u32,
    /// Bytes.
    pub len: u64,
    /// Date of the last change, seconds after 1970.
    pub modified: i64,
    /// Tells apart the files that an inode has been.
    pub generation: u32,
    /// Where the bytes of a file lie, or the blocks of a directory.
    pub runs: Vec<Run>,
}

/// Bytes of a file that lie together. What no run covers is zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Where it starts in the file.
    pub file_offset: u64,
    /// Where it starts in the source.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
}

/// What is not an XFS volume, or too much of one.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source did not give its bytes.
    #[error("XFS: reading {len} bytes at {offset:#x}")]
    Source {
        /// Where.
        offset: u64,
        /// How many.
        len: usize,
        /// Why.
        source: io::Error,
    },
    /// A field of the superblock that no volume has, or none that is known here.
    #[error("XFS superblock: {field} is {found:#x}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// Its value.
        found: u64,
    },
    /// The volume ends after its source.
    #[error("XFS: volume of {expected} bytes in a source of {found}")]
    Truncated {
        /// By the superblock.
        expected: u64,
        /// Of the source.
        found: u64,
    },
    /// A header of an allocation group is not one.
    #[error("XFS: no {what} at {offset:#x}")]
    Header {
        /// Which.
        what: &'static str,
        /// Where it should be.
        offset: u64,
    },
    /// An inode is not where its number says.
    #[error("XFS: {path:?}: {inode} is no inode")]
    Inode {
        /// Its name.
        path: String,
        /// Its number.
        inode: u64,
    },
    /// A file or a directory whose blocks are not listed in its inode.
    #[error("XFS: {path:?}: inode of format {format}, which is not read here")]
    Format {
        /// Its name.
        path: String,
        /// The format.
        format: u8,
    },
    /// Extents lead out of the volume or are out of order.
    #[error("XFS: {path:?}: extents that are not those of a file")]
    Extents {
        /// Its name.
        path: String,
    },
    /// Entries that are none.
    #[error("XFS: {path:?}: damaged directory")]
    Directory {
        /// Its name.
        path: String,
    },
    /// A directory has two names, or is in itself.
    #[error("XFS: {path:?}: directory with two names")]
    Shared {
        /// The second name.
        path: String,
    },
    /// More than [`Limits`] allow.
    #[error("XFS: more than {limit} {what}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How many are allowed.
        limit: u64,
    },
}

/// Reads a volume from its start.
pub fn read(source: &(impl ReadAt + ?Sized), limits: &Limits) -> Result<Contents, ReadError> {
    let mut source = Opened::new(source, limits)?;
    let groups = (0..source.superblock.ag_count.get())
        .map(|ag| group(&mut source, ag))
        .collect::<Result<_, _>>()?;
    let mut walk = Walk::new(&mut source, limits);
    walk.all()?;
    let mut entries = walk.entries;
    entries.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
    Ok(Contents {
        superblock: source.superblock,
        groups,
        entries,
        wrong_checksums: source.wrong_checksums,
    })
}

fn group<R: ReadAt + ?Sized>(source: &mut Opened<R>, ag: u32) -> Result<Group, ReadError> {
    let start = source.group_offset(ag);
    let mut sector = |number: u64, what: &'static str, magic: [u8; 4], checksum: usize| {
        let offset = start + number * source.sector_len;
        let bytes = source.fetch(offset, source.sector_len)?;
        if !bytes.starts_with(&magic) {
            return Err(ReadError::Header { what, offset });
        }
        source.check(&bytes, checksum, || format!("{what} of group {ag}"));
        Ok(bytes)
    };
    let free_space = sector(
        1,
        "header of free space",
        *b"XAGF",
        std::mem::offset_of!(FreeSpace, checksum),
    )?;
    let inode_space = sector(
        2,
        "header of inodes",
        *b"XAGI",
        std::mem::offset_of!(InodeSpace, checksum),
    )?;
    let (free_space, _) = FreeSpace::read_from_prefix(&free_space).expect("sectors are longer");
    let (inode_space, _) = InodeSpace::read_from_prefix(&inode_space).expect("sectors are longer");
    Ok(Group {
        free_space,
        inode_space,
    })
}

/// What the fuzz target checks: any bytes are read or refused, and what is read lies within them.
///
/// Inputs can be short: the reader never looks at the trees, so an input is block 0 and what lies behind the trees, and zeros
/// follow.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let source = Input(data);
    let Ok(contents) = read(&source, &Limits::default()) else {
        return;
    };
    for entry in &contents.entries {
        let mut end = 0;
        for run in &entry.runs {
            assert!(run.len > 0 && run.file_offset >= end);
            end = run.file_offset + run.len;
            assert!(end <= entry.len && run.offset + run.len <= source.len());
        }
    }
    assert!(!contents.dump().is_empty());
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    /// What an input leaves out: from the first tree to the first inode of the volumes that we write.
    const GAP: std::ops::Range<usize> = 1 << 12..1 << 16;
}

impl ReadAt for Input<'_> {
    fn len(&self) -> u64 {
        1 << 32
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        for (at, byte) in (start..).zip(buffer) {
            let there = if at < Self::GAP.end {
                Some(at).filter(|at| *at < Self::GAP.start)
            } else {
                Some(at - Self::GAP.len())
            };
            *byte = there.and_then(|at| self.0.get(at)).copied().unwrap_or(0);
        }
        Ok(())
    }
}
