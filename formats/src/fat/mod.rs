//! FAT32 and FAT12 volumes: EFI system partitions, as mkfs.fat 4.2 and mtools 4.0 make them, from layouts.
//!
//! ```text
//! sector 0  boot sector      6  copy
//!        1  FSInfo           7  copy, as of an empty volume
//!       32  FAT, FAT again
//!           cluster 2: the root directory, then every directory before what it holds, files whole
//! ```
//!
//! On FAT12, the floppy disks that ISOs of old hold for UEFI:
//!
//! ```text
//! sector 0  boot sector
//!        1  FAT, FAT again
//!       19  the root directory
//!       34  cluster 2: directories and files, as above
//! ```
//!
//! - Every file and directory is one run of clusters, numbered in the order of the tree; entries are sorted by name.
//! - A chain of a FAT is arithmetic (a [`Sequence`](crate::Extent::Sequence)), so the FATs of any volume are a few hundred bytes.
//! - File contents are layouts: the volume refers to their blobs and copies nothing.
//!
//! ```
//! use formats::{Layout, fat};
//!
//! let mut root = fat::Directory::default();
//! let mut content = Layout::new();
//! content.bytes(b"timeout 10\n".as_slice());
//! root.insert("loader/loader.conf", fat::File { attributes: fat::Attributes::ARCHIVE, content })?;
//! let len = fat::iso_esp_len(0, 0);
//! let volume = fat::Volume {
//!     geometry: fat::Geometry::mkfs(len, 512, fat::iso_esp_cluster(len))?,
//!     id: fat::INVARIANT_ID,
//!     label: "EFI".parse()?,
//!     label_epoch: fat::INVARIANT_EPOCH,
//!     epoch: 1_559_424_892,
//!     root,
//! };
//! assert_eq!(volume.layout()?.len(), len);
//! # Ok::<(), fat::Error>(())
//! ```
//!
//! Sources: Microsoft, "FAT32 File System Specification" 1.03; dosfstools 4.2 and mtools 4.0 for what they leave open.
//! Out of scope: FAT16, writing into an existing volume, a boot program.

mod attributes;
mod chains;
mod dump;
mod geometry;
mod layout;
mod names;
mod plan;
mod raw;
mod read;
#[cfg(test)]
mod tests;
mod tree;

pub use self::{
    attributes::Attributes,
    geometry::{ClusterSize, Geometry, Kind, iso_esp_cluster, iso_esp_len},
    layout::{INVARIANT_EPOCH, INVARIANT_ID, Label, Volume},
    raw::{BootSector, BootSector12, FsInfo},
    read::{Contents, Entry, Limits, ReadError, fuzz, read},
    tree::{Directory, File, Node},
};

/// What cannot be made into a FAT volume.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// FAT knows sectors of 512, 1024, 2048 and 4096 bytes.
    #[error("sector of {0} bytes: expected 512, 1024, 2048 or 4096")]
    SectorSize(u16),
    /// Clusters are 1, 2, 4, … or 128 sectors.
    #[error("cluster of {0} sectors: expected a power of two up to 128")]
    ClusterSize(u8),
    /// Sectors are counted in 32 bits.
    #[error("volume of {len} bytes: more sectors than 32 bits count")]
    VolumeTooLarge {
        /// Bytes asked for.
        len: u64,
    },
    /// Whoever counts clusters would take the volume for FAT16.
    #[error("volume of {len} bytes: {clusters} clusters, and FAT32 has at least {min}")]
    TooFewClusters {
        /// Bytes asked for.
        len: u64,
        /// Clusters that gives.
        clusters: u32,
        /// Clusters needed.
        min: u32,
    },
    /// Clusters have 28-bit numbers.
    #[error("volume of {len} bytes: {clusters} clusters, and FAT32 has at most {max}")]
    TooManyClusters {
        /// Bytes asked for.
        len: u64,
        /// Clusters that gives.
        clusters: u32,
        /// Clusters possible.
        max: u32,
    },
    /// The tree is larger than the volume.
    #[error("contents of {needed} clusters do not fit into {available}")]
    DoesNotFit {
        /// Clusters of the tree.
        needed: u64,
        /// Clusters of the volume.
        available: u32,
    },
    /// The length of a file is a field of 32 bits.
    #[error("{path}: file of {len} bytes, and FAT knows at most {}", u32::MAX)]
    FileTooLarge {
        /// The file.
        path: String,
        /// Its length in bytes.
        len: u64,
    },
    /// A directory has at most 65,536 slots, of which long names take several; the root directory of FAT12 has fewer.
    #[error("{path}: directory of {slots} slots, and it has at most {max}")]
    DirectoryTooLarge {
        /// The directory.
        path: String,
        /// Slots it would take.
        slots: usize,
        /// Slots possible.
        max: usize,
    },
    /// A name that VFAT does not know.
    #[error("{path:?}: {problem}")]
    Name {
        /// Path up to and including the name.
        path: String,
        /// What is wrong with it.
        problem: NameProblem,
    },
    /// Names that differ in case only are the same.
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
    /// A label is 1 to 11 characters of short names, or spaces.
    #[error(
        "volume label {0:?}: expected 1 to 11 upper-case letters, digits, spaces or any of $%'-_@~`!(){{}}^#&"
    )]
    Label(String),
    /// Dates are from 1980 to 2107.
    #[error("date {0} seconds after 1970: FAT knows 1980 to 2107")]
    Date(i64),
}

/// What is wrong with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameProblem {
    /// No characters.
    #[error("empty name")]
    Empty,
    /// More than 255 UTF-16 units.
    #[error("name longer than 255 UTF-16 units")]
    TooLong,
    /// A character that means something else.
    #[error("forbidden character {0:?} in a name")]
    Character(char),
    /// Full stops and spaces at the end are dropped by readers.
    #[error("name that ends in a full stop or a space")]
    End,
}
