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
/// Bit 1: the second directory below is valid. qemu-img writes one.
pub(super) const SECOND_DIRECTORY: u32 = 1 << 1;
pub(super) const LINE_ENDS: [u8; 4] = *b"\n \r\n";
pub(super) const DEFLATE: u16 = 1;

/// Sectors of a grain: 64 KiB.
pub(super) const GRAIN: u64 = 128;
/// Bytes of a grain.
pub const GRAIN_LEN: u64 = GRAIN * SECTOR;
/// Sectors of a grain in the image: its frame is one sector more.
pub(super) const STORED_GRAIN: u64 = 129;
/// Entries of a grain table, four sectors of them.
pub(super) const TABLE_ENTRIES: u64 = 512;
pub(super) const TABLE_SECTORS: u64 = TABLE_ENTRIES * 4 / SECTOR;

pub(super) const DESCRIPTOR_SECTOR: u64 = 1;
pub(super) const DESCRIPTOR_SECTORS: u64 = 20;
pub(super) const DIRECTORY_SECTOR: u64 = DESCRIPTOR_SECTOR + DESCRIPTOR_SECTORS;

/// `directory` where the tables stand behind the grains: the header's copy in the footer says where.
pub(super) const DIRECTORY_AT_END: u64 = u64::MAX;
/// The footer, from the end of the image: it is followed by the marker of the end of the stream.
pub(super) const FOOTER_FROM_END: u64 = 2 * SECTOR;
/// Place and length before a grain's content.
pub(super) const MARKER_LEN: u64 = 12;

/// Sector 0, and the footer.
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
    /// First sector of a copy of the grain directory; 0 for none.
    pub second_directory: U64,
    /// First sector of the grain directory; all ones in sector 0 when the footer has it.
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
