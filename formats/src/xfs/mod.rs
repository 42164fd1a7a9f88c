//! XFS volumes, version 5: boot partitions that GRUB, Linux and xfs_repair accept, from layouts.
//!
//! ```text
//! allocation group 0                      1                    2                    3
//! superblock AGF AGI AGFL (a sector each) the same             the same             the same
//! roots of five trees, a block each       …                    …                    …
//! 4 blocks of the free list               …                    log, 64 MiB; then …  …
//! inodes, 64 a chunk of 8 blocks          its own inodes       …                    …
//! data                                    its data, and what the group before had no room for
//! free                                    free                 free                 free
//! ```
//!
//! - The features are those of mkfs.xfs' `lts_6.1.conf` whatever the version (disk.md, 2.3): every GRUB since 2.06 and every
//!   kernel in use reads them. Free space and inode chunks are few, so every tree is its root.
//! - Every directory after the root is in the next group with its files, as mkfs.xfs places them; a directory is in its inode, in
//!   one block, or in several with an index of one level or two. A file is one extent, or one in each of the groups it is spread over.
//! - The log is clean: one record that says that the volume was unmounted.
//! - File contents are layouts: the volume refers to their blobs and copies nothing. No checksum covers them.
//!
//! ```
//! use formats::{Layout, xfs};
//!
//! let mut root = xfs::Directory::new(0o755);
//! let mut content = Layout::new();
//! content.bytes(b"set timeout=3\n".as_slice());
//! root.insert_directory("grub", 0o700)?;
//! root.insert("grub/grub.cfg", xfs::File { mode: 0o600, content })?;
//! let volume = xfs::Volume {
//!     len: 1000 << 20,
//!     sector_len: 512,
//!     uuid: [7; 16],
//!     label: "BOOT".parse()?,
//!     epoch: 1_559_424_892,
//!     root,
//! };
//! assert_eq!(volume.layout()?.len(), 1000 << 20);
//! # Ok::<(), xfs::Error>(())
//! ```
//!
//! Sources: "XFS Algorithms & Data Structures", 3rd edition; xfsprogs 6.1 for what it leaves open.
//! Out of scope: owners, links, attributes, realtime parts; trees of groups of more than a level are not written.

mod directory;
mod dump;
mod geometry;
mod group;
mod inode;
mod layout;
mod plan;
mod raw;
mod read;
#[cfg(test)]
mod tests;
mod tree;
mod volume;
mod walk;

pub use self::{
    geometry::BLOCK_LEN,
    layout::{Label, Volume},
    raw::{FreeSpace, InodeSpace, Superblock},
    read::{Contents, Entry, Group, Limits, ReadError, Run, fuzz, read},
    tree::{Directory, File, Node},
};

/// What cannot be made into an XFS volume.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Disks have sectors of 512 or 4096 bytes.
    #[error("sector of {0} bytes: expected 512 or 4096")]
    SectorSize(u16),
    /// mkfs.xfs makes nothing smaller either.
    #[error("volume of {len} bytes: XFS has at least {min}")]
    VolumeTooSmall {
        /// Bytes asked for.
        len: u64,
        /// Bytes needed.
        min: u64,
    },
    /// Larger volumes have other parameters.
    #[error("volume of {len} bytes: at most {max} are laid out here")]
    VolumeTooLarge {
        /// Bytes asked for.
        len: u64,
        /// Bytes possible.
        max: u64,
    },
    /// The tree is larger than the volume.
    #[error("contents of {needed} blocks do not fit into {available}")]
    DoesNotFit {
        /// Blocks of the tree's data.
        needed: u64,
        /// Blocks of the volume that are neither metadata nor in reserve.
        available: u64,
    },
    /// The index of inodes of an allocation group has one block.
    #[error("more than {max} files and directories in an allocation group")]
    TooManyFiles {
        /// How many there may be.
        max: u32,
    },
    /// A name that XFS does not know.
    #[error("{path:?}: {problem}")]
    Name {
        /// Path up to and including the name.
        path: String,
        /// What is wrong with it.
        problem: NameProblem,
    },
    /// A name stands for one thing.
    #[error("{path}: exists already")]
    Exists {
        /// The second of the two.
        path: String,
    },
    /// A path leads through a file.
    #[error("{path}: not a directory")]
    NotADirectory {
        /// The file.
        path: String,
    },
    /// A path of too many names.
    #[error("{path}: deeper than {max} names")]
    TooDeep {
        /// The path.
        path: String,
        /// Names possible.
        max: usize,
    },
    /// A label is 1 to 12 characters of ASCII without spaces.
    #[error("volume label {0:?}: expected 1 to 12 visible ASCII characters")]
    Label(String),
    /// Times are from December 1901 to July 2486.
    #[error("date {0} seconds after 1970: XFS knows 1901 to 2486")]
    Date(i64),
}

/// What is wrong with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameProblem {
    /// No characters.
    #[error("empty name")]
    Empty,
    /// The directory itself, or its parent.
    #[error("name that every directory has already")]
    Dots,
    /// More than 255 bytes.
    #[error("name longer than 255 bytes")]
    TooLong,
    /// A byte that ends names.
    #[error("zero byte in a name")]
    Zero,
}
