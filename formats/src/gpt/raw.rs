//! On-disk structures of GPT, in file order (UEFI 2.10, 5.3).

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    little_endian::{U16, U32, U64},
};

/// What a header starts with.
pub(super) const SIGNATURE: [u8; 8] = *b"EFI PART";
/// Version 1.0.
pub(super) const REVISION: u32 = 0x0001_0000;
/// Bytes of a header that its checksum covers.
pub(super) const HEADER_LEN: u32 = 92;
/// Entries of a table.
pub(super) const ENTRY_COUNT: u32 = 128;
/// Bytes of an entry.
pub(crate) const ENTRY_LEN: u32 = 128;
/// Bytes of all entries.
pub(super) const ENTRIES_LEN: u64 = ENTRY_COUNT as u64 * ENTRY_LEN as u64;
/// UTF-16 units of a name.
pub(super) const NAME_UNITS: usize = 36;

/// The header of a table, at the start of a sector.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Header {
    /// `EFI PART`.
    pub signature: [u8; 8],
    /// 1.0.
    pub revision: U32,
    /// Bytes of the header.
    pub header_len: U32,

    /// CRC-32 of the header with this field 0.
    pub crc: U32,
    /// 0.
    pub reserved: U32,
    /// The sector of this header.
    pub lba: U64,

    /// The sector of the other header.
    pub alternate_lba: U64,
    /// First sector that a partition may use.
    pub first_usable: U64,

    /// Last sector that a partition may use.
    pub last_usable: U64,
    /// The disk's GUID.
    pub disk_guid: [u8; 16],
    /// First sector of the entries.
    pub entries_lba: U64,

    /// Entries, used or not.
    pub entry_count: U32,
    /// Bytes of an entry.
    pub entry_len: U32,
    /// CRC-32 of all entries.
    pub entries_crc: U32,
}
const _: () = assert!(size_of::<Header>() == HEADER_LEN as usize);

/// A partition of a table.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Entry {
    /// What the partition holds; zeros for an unused entry.
    pub kind: [u8; 16],

    /// The partition's own GUID.
    pub guid: [u8; 16],

    /// First sector.
    pub first: U64,
    /// Last sector.
    pub last: U64,

    /// Bits for firmware and operating systems.
    pub attributes: U64,
    /// UTF-16, filled with zeros.
    pub name: [U16; NAME_UNITS],
}
const _: () = assert!(size_of::<Entry>() == ENTRY_LEN as usize);

impl Header {
    /// The checksum that belongs into `crc`.
    pub(super) fn checksum(&self) -> u32 {
        let blank = Self {
            crc: U32::ZERO,
            ..*self
        };
        crc32fast::hash(blank.as_bytes())
    }
}

impl Entry {
    /// The name up to its end; what is no UTF-16 is replaced.
    pub fn name(&self) -> String {
        let units: Vec<u16> = self
            .name
            .iter()
            .map(|unit| unit.get())
            .take_while(|unit| *unit != 0)
            .collect();
        String::from_utf16_lossy(&units)
    }
}
