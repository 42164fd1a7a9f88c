//! ISO 9660 images with Rock Ridge names that firmware boots: from a CD through El Torito, from a disk through an MBR.
//!
//! ```text
//! block 0   system area: MBR, or GPT behind one that a BIOS can start, with the ISO itself as partition 1
//!       16  primary volume descriptor, boot record, terminator
//!       32  descriptors of the second set (partition offset 16), so that partition 1 can be mounted as well
//!           directories and path tables, of the first set and of the second
//!           an empty block, the boot catalogue, files in the order of the tree
//!  at 1 MiB appended partitions, each a whole number of MiB
//!           150 blocks of zeros, the copy of the GPT
//! ```
//!
//! - All addresses are known before the first byte: see [`Plan`].
//! - File contents and partitions are layouts: the image refers to their blobs and copies nothing.
//! - What xorriso 1.5 writes with the options of boot.md, 4.3 is the model: same addresses, same records.
//!
//! Sources: ECMA-119 (3rd edition); SUSP and Rock Ridge 1.12; El Torito 1.0; UEFI 2.10, 13.3.2.
//! Out of scope: Joliet, relocation of deep directories, interleaving.

mod catalog;
mod directory;
mod dump;
mod layout;
mod names;
mod partitions;
mod plan;
mod planned;
mod raw;
mod read;
mod rock_ridge;
#[cfg(test)]
mod tests;
mod tree;
mod walk;

pub use self::{
    catalog::{BootEntry, BootImage, CATALOG_NAME, Catalog, LoadSectors, Platform},
    layout::{Appended, Image, SystemArea},
    names::volume_id,
    plan::Plan,
    raw::PrimaryVolumeDescriptor,
    read::{CatalogEntry, Contents, Entry, Kind, Limits, ReadError, Volume, fuzz, read},
    rock_ridge::Attributes,
    tree::{Directory, File, Node},
};

/// Characters of a volume id.
const MAX_VOLUME_ID: usize = 32;
/// Characters of the ids of set and preparer.
const MAX_LONG_ID: usize = 128;

/// What cannot be made into an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A name that no directory can hold.
    #[error("{path:?}: {problem}")]
    Name {
        /// Path up to and including the name.
        path: String,
        /// What is wrong with it.
        problem: NameProblem,
    },
    /// A name for the second time.
    #[error("{path:?}: exists already")]
    Exists {
        /// The path.
        path: String,
    },
    /// A path leads through something else.
    #[error("{path:?}: not a directory")]
    NotADirectory {
        /// The path up to there.
        path: String,
    },
    /// ECMA-119 knows eight levels.
    #[error("{path:?}: directory deeper than {max} levels")]
    TooDeep {
        /// The directory.
        path: String,
        /// Levels possible.
        max: usize,
    },
    /// A symbolic link says nothing or too much.
    #[error("{path:?}: symbolic link of {len} bytes, expected 1 to {max}")]
    Target {
        /// The link.
        path: String,
        /// Bytes of its target.
        len: usize,
        /// Bytes possible.
        max: usize,
    },
    /// Path tables number directories in 16 bits.
    #[error("{count} directories, and path tables know at most {max}")]
    TooManyDirectories {
        /// How many.
        count: usize,
        /// How many are possible.
        max: usize,
    },
    /// Blocks, and sectors of partitions, are counted in 32 bits.
    #[error("image of {blocks} blocks, and addresses have 32 bits")]
    TooLarge {
        /// Blocks of 2048 bytes.
        blocks: u64,
    },
    /// A text for a field of the volume descriptor.
    #[error("{field} {text:?}: expected at most {max} printable ASCII characters")]
    Text {
        /// Which.
        field: &'static str,
        /// Its text.
        text: String,
        /// Characters possible.
        max: usize,
    },
    /// Dates are from 1900 to 2155.
    #[error("date {0} seconds after 1970: ISO 9660 knows 1900 to 2155")]
    Date(i64),
    /// The second set of descriptors would lie upon the first.
    #[error("partition offset {offset}: expected 0 or at least {min}")]
    PartitionOffset {
        /// Blocks.
        offset: u32,
        /// Blocks possible.
        min: u32,
    },
    /// A boot entry names a file that the tree does not have.
    #[error("boot image {path:?}: no such file in the image")]
    BootImage {
        /// The path.
        path: String,
    },
    /// A boot entry names a partition that is not appended.
    #[error("boot image in appended partition {index}: there are {count}")]
    BootPartition {
        /// From 0.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// The catalogue has one block.
    #[error("boot catalogue of {entries} entries, and one block holds {max}")]
    Catalog {
        /// 32-byte entries.
        entries: usize,
        /// How many are possible.
        max: usize,
    },
    /// An MBR has four partitions, one of which is the ISO.
    #[error("{count} appended partitions, and an MBR holds {max} beside the ISO")]
    Partitions {
        /// How many.
        count: usize,
        /// How many are possible.
        max: usize,
    },
}

/// What is wrong with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameProblem {
    /// No characters.
    #[error("empty name")]
    Empty,
    /// `.` or `..`.
    #[error("name that stands for a directory itself")]
    Dots,
    /// More than 255 bytes.
    #[error("name longer than 255 bytes")]
    TooLong,
    /// Ends texts.
    #[error("NUL in a name")]
    Nul,
}
