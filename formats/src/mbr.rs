//! The master boot record: 512 bytes with boot code, a disk signature and four partitions.
//!
//! ```text
//!   0  boot code (440)   440  disk signature (4)   446  four entries of 16 bytes   510  55 AA
//! ```
//!
//! Source: UEFI 2.10, 5.2 (also for the protective entry of GPT disks). Extended partitions are out of scope.

use zerocopy::{
    FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout, Unaligned,
    little_endian::{U16, U32},
};

/// A Linux file system.
pub const LINUX: u8 = 0x83;
/// An EFI system partition.
pub const EFI_SYSTEM: u8 = 0xef;
/// All of a disk that has a GUID partition table.
pub const PROTECTIVE: u8 = 0xee;

/// Sector 0 of a disk.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Mbr {
    /// What a BIOS starts.
    pub boot_code: [u8; 440],
    /// Name of the disk; 0 for none.
    pub disk_signature: U32,
    /// 0.
    pub reserved: U16,
    /// Unused ones are zeros.
    pub partitions: [Partition; 4],
    /// [`SIGNATURE`].
    pub signature: [u8; 2],
}
const _: () = assert!(size_of::<Mbr>() == 512);

/// At the end of sector 0.
pub const SIGNATURE: [u8; 2] = [0x55, 0xaa];

/// An entry of the partition table.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Partition {
    /// 80 marks the one to boot from.
    pub status: u8,
    /// First sector.
    pub first: Chs,
    /// What the partition holds, 0 for unused.
    pub kind: u8,
    /// Last sector.
    pub last: Chs,
    /// First sector, of 512 bytes.
    pub start: U32,
    /// Sectors of 512 bytes.
    pub sectors: U32,
}
const _: () = assert!(size_of::<Partition>() == 16);

/// A sector by cylinder, head and number, as INT 13h wants it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Chs([u8; 3]);

impl Mbr {
    /// A record without boot code.
    ///
    /// # Panics
    /// If there are more than four partitions.
    pub fn new(partitions: &[Partition]) -> Self {
        let mut mbr = Self::new_zeroed();
        mbr.partitions[..partitions.len()].copy_from_slice(partitions);
        mbr.signature = SIGNATURE;
        mbr
    }
}

impl Partition {
    /// `sectors` sectors from `start` on, of a disk with this geometry.
    ///
    /// # Panics
    /// If there are no sectors.
    pub fn new(kind: u8, start: u32, sectors: u32, geometry: Geometry) -> Self {
        let last =
            u64::from(start) + u64::from(sectors.checked_sub(1).expect("a partition has sectors"));
        Self {
            status: 0,
            first: geometry.chs(u64::from(start)),
            kind,
            last: geometry.chs(last),
            start: U32::new(start),
            sectors: U32::new(sectors),
        }
    }

    /// What keeps programs that know no GUID partition tables off a disk whose last sector is `last`: an entry over all of it,
    /// counted in the disk's own sectors (UEFI 2.10, 5.2.3).
    pub fn protective(last: u64) -> Self {
        Self {
            status: 0,
            first: Chs([0x00, 0x02, 0x00]),
            kind: PROTECTIVE,
            last: Chs([0xff; 3]),
            start: U32::new(1),
            sectors: U32::new(u32::try_from(last).unwrap_or(u32::MAX)),
        }
    }

    /// Whether the entry describes nothing.
    pub fn is_unused(&self) -> bool {
        self.kind == 0
    }
}

/// Heads and sectors a track that cylinders are counted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Up to 255.
    pub heads: u8,
    /// Up to 63.
    pub sectors: u8,
}

impl Geometry {
    fn chs(self, lba: u64) -> Chs {
        /// What stands for every sector beyond 1024 cylinders (UEFI 2.10, 5.2.3).
        const BEYOND: Chs = Chs([0xfe, 0xff, 0xff]);
        let (heads, sectors) = (u64::from(self.heads), u64::from(self.sectors));
        let (cylinder, head, sector) = (
            lba / sectors / heads,
            lba / sectors % heads,
            lba % sectors + 1,
        );
        let Some([low, high]) = u16::try_from(cylinder)
            .ok()
            .filter(|cylinder| *cylinder < 1024)
            .map(u16::to_le_bytes)
        else {
            return BEYOND;
        };
        let small = |value| u8::try_from(value).expect("below 256 by the geometry");
        Chs([small(head), small(sector) | high << 6, low])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the golden report of metal-arm64.iso.
    #[test]
    fn entries_are_those_of_xorriso() {
        let geometry = Geometry {
            heads: 64,
            sectors: 32,
        };
        let table = [
            Partition::new(LINUX, 64, 186_304, geometry),
            Partition::new(EFI_SYSTEM, 186_368, 208_896, geometry),
        ];
        let bytes: Vec<u8> = table
            .iter()
            .flat_map(|entry| entry.as_bytes().to_vec())
            .collect();
        let expected = [
            0x00, 0x02, 0x01, 0x00, 0x83, 0x3f, 0x20, 0x5a, 0x40, 0, 0, 0, 0xc0, 0xd7, 0x02,
            0x00, //
            0x00, 0x00, 0x01, 0x5b, 0xef, 0x3f, 0x20, 0xc0, 0x00, 0xd8, 0x02, 0, 0x00, 0x30, 0x03,
            0x00,
        ];
        assert_eq!(bytes, expected);
    }

    #[test]
    fn sectors_beyond_1024_cylinders_have_the_last_address() {
        let geometry = Geometry {
            heads: 64,
            sectors: 32,
        };
        let last = 1024 * 64 * 32 - 1;
        assert_eq!(geometry.chs(last), Chs([63, 32 | 0xc0, 0xff]));
        assert_eq!(geometry.chs(last + 1), Chs([0xfe, 0xff, 0xff]));
    }
}
