//! On-disk structures, in file order (Virtual Disk Format 5.0, "Hosted Sparse Extents", "Stream-Optimized Compressed Extents").

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    little_endian::{U16, U32, U64},
};

pub(super) const SECTOR: u64 = 512;

pub(super) const MAGIC: [u8; 4] = *b"KDMV";
pub(super) const VERSION: u32 = 3;
/// Bit 0: the line ends below are valid; bit 16: grains are compressed; bit 17: with markers.
pub(super) const FLAGS: u32 = 0x0003_0001;
pub(super) const LINE_ENDS: [u8; 4] = *b"\n \r\n";
pub(super) const DEFLATE: u16 = 1;

/// Sectors of a grain: 64 KiB.
pub(super) const GRAIN: u64 = 128;
/// Sectors of a grain in the image: its frame is one sector more.
pub(super) const STORED_GRAIN: u64 = 129;
/// Entries of a grain table, four sectors of them.
pub(super) const TABLE_ENTRIES: u64 = 512;
pub(super) const TABLE_SECTORS: u64 = TABLE_ENTRIES * 4 / SECTOR;

pub(super) const DESCRIPTOR_SECTOR: u64 = 1;
pub(super) const DESCRIPTOR_SECTORS: u64 = 20;
pub(super) const DIRECTORY_SECTOR: u64 = DESCRIPTOR_SECTOR + DESCRIPTOR_SECTORS;

/// Sector 0.
#[derive(Debug, Clone, Copy, IntoBytes, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Header {
    /// `KDMV`.
    pub magic: [u8; 4],
    /// 3.
    pub version: U32,
    /// Newline test, compressed grains, markers.
    pub flags: U32,
    /// Sectors of the disk.
    pub capacity: U64,
    /// Sectors of a grain.
    pub grain: U64,
    /// First sector of the descriptor.
    pub descriptor: U64,
    /// Its sectors.
    pub descriptor_sectors: U64,
    /// Entries of a grain table.
    pub table_entries: U32,
    /// 0: no second directory.
    pub second_directory: U64,
    /// First sector of the grain directory.
    pub directory: U64,
    /// First sector of the grains.
    pub overhead: U64,
    /// 0.
    pub unclean: u8,
    /// As they are when nobody has converted the file as if it were text.
    pub line_ends: [u8; 4],
    /// 1: Deflate.
    pub compression: U16,
    /// Zeros.
    pub padding: [u8; 433],
}
const _: () = assert!(size_of::<Header>() == 512);
