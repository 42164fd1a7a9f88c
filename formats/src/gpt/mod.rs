//! GUID partition tables of disks with sectors of 512 or 4096 bytes, as go-blockdevice lays them out, from layouts.
//!
//! ```text
//! LBA 0             protective MBR, with boot code for BIOSes
//!     1             header
//!     2 + skip      128 entries of 128 bytes
//!     1 MiB …       partitions, each at a whole MiB
//!     last − n      the entries again (n sectors)
//!     last          the header again
//! ```
//!
//! - Nothing is random: a GUID is the hash of a label ([`Guid::of_label`]).
//! - The last piece of a MiB is never allocated, and the first usable sector is at a whole MiB behind the entries.
//! - What partitions hold are layouts: the disk refers to their blobs and copies nothing.
//!
//! ```
//! use formats::{Layout, gpt};
//!
//! const MIB: u64 = 1 << 20;
//! let geometry = gpt::Geometry::new(4 * MIB, 512, 0)?;
//! let runs = geometry.place(&[gpt::Size::Bytes(MIB)])?;
//! let disk = gpt::Disk {
//!     geometry,
//!     guid: gpt::Guid::of_label("disk"),
//!     boot_code: [0; gpt::BOOT_CODE_LEN],
//!     partitions: vec![gpt::Partition {
//!         kind: gpt::LINUX_FILE_SYSTEM,
//!         guid: gpt::Guid::of_label("META"),
//!         attributes: 0,
//!         name: "META".to_owned(),
//!         run: runs[0],
//!         content: Layout::new(),
//!     }],
//! };
//! assert_eq!(runs[0].first, 2048);
//! assert_eq!(disk.layout()?.len(), 4 * MIB);
//! # Ok::<(), gpt::Error>(())
//! ```
//!
//! Sources: UEFI 2.10, 5.2 and 5.3; spec/disk.md 1.3 to 1.6. Out of scope: hybrid MBRs, changing a table, other numbers of entries.

mod dump;
mod geometry;
mod guid;
mod layout;
mod raw;
mod read;
#[cfg(test)]
mod tests;

pub use self::{
    geometry::{Geometry, Run, Size},
    guid::Guid,
    layout::{BOOT_CODE_LEN, Disk, LEGACY_BIOS_BOOTABLE, Partition},
    raw::{Entry, Header},
    read::{Contents, Limits, ReadError, fuzz, read},
};
pub(crate) use self::{
    layout::{Table, label},
    raw::ENTRY_LEN,
};

/// An EFI system partition.
pub const EFI_SYSTEM: Guid = Guid::from_u128(0xc12a7328_f81f_11d2_ba4b_00a0c93ec93b);
/// Where GRUB's core image lies for BIOSes.
pub const BIOS_BOOT: Guid = Guid::from_u128(0x21686148_6449_6e6f_744e_656564454649);
/// What ISOs call their own partition.
pub const BASIC_DATA: Guid = Guid::from_u128(0xebd0a0a2_b9e5_4433_87c0_68b6b72699c7);
/// A Linux file system.
pub const LINUX_FILE_SYSTEM: Guid = Guid::from_u128(0x0fc63daf_8483_4772_8e79_3d69d8477de4);

/// What cannot be a disk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Disks have sectors of 512 or 4096 bytes.
    #[error("sector of {0} bytes: expected 512 or 4096")]
    SectorSize(u64),
    /// There is not even room for the tables.
    #[error("disk of {len} bytes: too small for partition tables")]
    TooSmall {
        /// Bytes of the disk.
        len: u64,
    },
    /// A partition is larger than what the ones before it leave.
    #[error(
        "partition {number} of {needed} bytes does not fit: {free} bytes are left of a disk of {len}"
    )]
    NoRoom {
        /// The partition, counted from 1.
        number: usize,
        /// Bytes it should have.
        needed: u64,
        /// Bytes that are left.
        free: u64,
        /// Bytes of the disk.
        len: u64,
    },
    /// A partition has no room for what it should hold.
    #[error("partition {name}: contents of {len} bytes do not fit into {available}")]
    ContentTooLarge {
        /// The partition.
        name: String,
        /// Bytes of its contents.
        len: u64,
        /// Bytes of the partition.
        available: u64,
    },
    /// Names have up to 36 UTF-16 units.
    #[error("partition {0:?}: name longer than {max} UTF-16 units", max = raw::NAME_UNITS)]
    Name(String),
    /// A table has 128 entries.
    #[error("{0} partitions: a table has room for {max}", max = raw::ENTRY_COUNT)]
    TooManyPartitions(usize),
    /// Partitions are in the order of the disk, within its usable sectors, and share none.
    #[error(
        "partition {name}: sectors {first} to {last} are not behind the one before and within the usable ones"
    )]
    Misplaced {
        /// The partition.
        name: String,
        /// Its first sector.
        first: u64,
        /// Its last sector.
        last: u64,
    },
}
