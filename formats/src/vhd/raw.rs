//! The footer (Virtual Hard Disk Image Format Specification 1.0, "Hard Disk Footer Format").

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout,
    big_endian::{U16, U32, U64},
};

/// What a footer begins with.
pub const COOKIE: [u8; 8] = *b"conectix";
/// The bit that is always set.
pub(super) const FEATURES: u32 = 2;
pub(super) const VERSION: u32 = 0x0001_0000;
/// `Data Offset` of images without further structures.
pub(super) const NO_OFFSET: u64 = u64::MAX;
/// Seconds from 1970 to 2000, where the format's time begins.
pub(super) const TIME_BASE: u32 = 946_684_800;
/// qemu-img's name when the size is not to be rounded to a geometry.
pub(super) const CREATOR: [u8; 4] = *b"qem2";
pub(super) const CREATOR_VERSION: u32 = 0x0005_0003;
pub(super) const CREATOR_SYSTEM: [u8; 4] = *b"Wi2k";
/// The largest geometry: cylinders, heads, sectors.
pub(super) const GEOMETRY: (u16, u8, u8) = (65_535, 16, 255);
pub(super) const FIXED: u32 = 2;

/// The last sector of an image.
#[derive(Debug, Clone, Copy, IntoBytes, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Footer {
    /// `conectix`.
    pub cookie: [u8; 8],
    /// Bit 1 is always set.
    pub features: U32,
    /// 1.0.
    pub version: U32,

    /// All ones.
    pub data_offset: U64,
    /// Seconds since 2000.
    pub timestamp: U32,
    /// Who made it.
    pub creator: [u8; 4],

    /// Version of the maker.
    pub creator_version: U32,
    /// System of the maker.
    pub creator_system: [u8; 4],
    /// Bytes of the disk when it was made.
    pub original_size: U64,

    /// Bytes of the disk.
    pub current_size: U64,
    /// Geometry.
    pub cylinders: U16,
    /// Geometry.
    pub heads: u8,
    /// Geometry.
    pub sectors: u8,
    /// 2: fixed.
    pub disk_type: U32,

    /// Complement of the sum of all other bytes.
    pub checksum: U32,
    /// Name of the disk.
    pub unique_id: [u8; 16],
    /// 0.
    pub saved_state: u8,
    /// Zeros.
    pub reserved: [u8; 427],
}
const _: () = assert!(size_of::<Footer>() == 512);

impl Footer {
    /// What the checksum should be.
    pub(super) fn sum(&self) -> u32 {
        let mut blank = *self;
        blank.checksum = 0.into();
        !blank
            .as_bytes()
            .iter()
            .map(|byte| u32::from(*byte))
            .sum::<u32>()
    }
}
