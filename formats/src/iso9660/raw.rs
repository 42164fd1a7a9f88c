//! On-disk structures of ISO 9660 (ECMA-119, 3rd edition) and El Torito 1.0, in file order.

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, big_endian,
    little_endian::{U16, U32},
};

use crate::civil::Civil;

/// Bytes of a logical block.
pub(super) const BLOCK: u64 = 2048;
/// [`BLOCK`] as the length of a buffer.
pub(super) const BLOCK_LEN: usize = 2048;
/// The block of the first volume descriptor, after the system area.
pub(super) const FIRST_DESCRIPTOR: u32 = 16;
/// In every volume descriptor.
pub(super) const STANDARD_ID: [u8; 5] = *b"CD001";

/// Kinds of volume descriptors (ECMA-119, 8.1.1).
pub(super) mod kind {
    pub(crate) const BOOT_RECORD: u8 = 0;
    pub(crate) const PRIMARY: u8 = 1;
    pub(crate) const TERMINATOR: u8 = 255;
}

/// A number of 16 bits in both byte orders (7.2.3).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Both16 {
    little: U16,
    big: big_endian::U16,
}

impl Both16 {
    /// The number in both orders.
    pub fn new(value: u16) -> Self {
        Self {
            little: U16::new(value),
            big: big_endian::U16::new(value),
        }
    }

    /// The number, as its little-endian half says it.
    pub fn get(self) -> u16 {
        self.little.get()
    }
}

/// A number of 32 bits in both byte orders (7.3.3).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Both32 {
    little: U32,
    big: big_endian::U32,
}

impl Both32 {
    /// The number in both orders.
    pub fn new(value: u32) -> Self {
        Self {
            little: U32::new(value),
            big: big_endian::U32::new(value),
        }
    }

    /// The number, as its little-endian half says it.
    pub fn get(self) -> u32 {
        self.little.get()
    }
}

/// The primary volume descriptor (8.4).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct PrimaryVolumeDescriptor {
    /// 1.
    pub kind: u8,
    /// `CD001`.
    pub standard_id: [u8; 5],
    /// 1.
    pub version: u8,
    /// 0.
    pub unused_7: u8,
    /// Padded with spaces, like all texts here.
    pub system_id: [u8; 32],
    /// The label.
    pub volume_id: [u8; 32],
    /// Zeros.
    pub unused_72: [u8; 8],
    /// Blocks of the volume, from the start of the medium.
    pub volume_space_size: Both32,
    /// Zeros.
    pub unused_88: [u8; 32],
    /// 1.
    pub volume_set_size: Both16,
    /// 1.
    pub volume_sequence_number: Both16,
    /// 2048.
    pub logical_block_size: Both16,
    /// Bytes.
    pub path_table_size: Both32,
    /// Block of the little-endian path table.
    pub path_table_l: U32,
    /// 0: no second copy.
    pub optional_path_table_l: U32,
    /// Block of the big-endian path table.
    pub path_table_m: big_endian::U32,
    /// 0: no second copy.
    pub optional_path_table_m: big_endian::U32,
    /// Directory record of the root directory.
    pub root: RecordHead,
    /// 0: the name of the root directory.
    pub root_identifier: u8,
    /// Name of the set.
    pub volume_set_id: [u8; 128],
    /// Who publishes.
    pub publisher_id: [u8; 128],
    /// What made the image.
    pub preparer_id: [u8; 128],
    /// What the image is for.
    pub application_id: [u8; 128],
    /// A file of the root directory.
    pub copyright_file_id: [u8; 37],
    /// A file of the root directory.
    pub abstract_file_id: [u8; 37],
    /// A file of the root directory.
    pub bibliographic_file_id: [u8; 37],
    /// Made.
    pub created: LongDate,
    /// Changed.
    pub modified: LongDate,
    /// Not to be used after.
    pub expires: LongDate,
    /// Not to be used before.
    pub effective: LongDate,
    /// 1.
    pub file_structure_version: u8,
    /// 0.
    pub unused_882: u8,
    /// Free.
    pub application_use: [u8; 512],
    /// Zeros.
    pub reserved: [u8; 653],
}
const _: () = assert!(size_of::<PrimaryVolumeDescriptor>() == BLOCK_LEN);

/// The boot record volume descriptor (El Torito, figure 7).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct BootRecord {
    pub(super) kind: u8,
    pub(super) standard_id: [u8; 5],
    pub(super) version: u8,
    pub(super) boot_system_id: [u8; 32],
    pub(super) unused_39: [u8; 32],
    /// Block of the boot catalogue.
    pub(super) catalog: U32,
    pub(super) unused_75: [u8; 1973],
}
const _: () = assert!(size_of::<BootRecord>() == BLOCK_LEN);

/// Names the boot record as El Torito's.
pub(super) const EL_TORITO: [u8; 32] = *b"EL TORITO SPECIFICATION\0\0\0\0\0\0\0\0\0";

/// The fixed part of a directory record, before the identifier (ECMA-119, 9.1).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct RecordHead {
    /// Bytes of the whole record.
    pub len: u8,
    /// 0.
    pub extended_attribute_len: u8,
    /// First block.
    pub extent: Both32,
    /// Bytes.
    pub data_len: Both32,
    /// Of the last change.
    pub date: ShortDate,
    /// [`DIRECTORY`], [`MULTI_EXTENT`].
    pub flags: u8,
    /// 0: not interleaved.
    pub file_unit_size: u8,
    /// 0: not interleaved.
    pub interleave_gap: u8,
    /// 1.
    pub volume_sequence_number: Both16,
    /// Bytes of the identifier that follows.
    pub identifier_len: u8,
}
const _: () = assert!(size_of::<RecordHead>() == 33);

/// Flag of a directory.
pub(super) const DIRECTORY: u8 = 0x02;
/// Flag of all extents of a file but the last.
pub(super) const MULTI_EXTENT: u8 = 0x80;
/// Bytes of the longest record; the length is one byte and even.
pub(super) const MAX_RECORD: usize = 254;
/// Bytes of the longest extent that ends with a block.
pub(super) const MAX_EXTENT: u64 = u32::MAX as u64 / BLOCK * BLOCK;

/// A date of 7 bytes (9.1.5).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct ShortDate {
    /// Years after 1900.
    pub year: u8,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
    /// Quarters of an hour east of UTC.
    pub offset: i8,
}

impl ShortDate {
    /// The date in UTC, if its year is one of 1900 to 2155.
    pub(super) fn new(date: Civil) -> Option<Self> {
        let Civil {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = date;
        let year = u8::try_from(year - 1900).ok()?;
        Some(Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
            offset: 0,
        })
    }

    /// The fields as they are, without the offset.
    pub(super) fn civil(self) -> Civil {
        let Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
            ..
        } = self;
        Civil {
            year: 1900 + i64::from(year),
            month,
            day,
            hour,
            minute,
            second,
        }
    }
}

/// A date of 16 digits and an offset (8.4.26.1); all digits zero: not given.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct LongDate {
    /// Year, month, day, hour, minute, second, hundredths.
    pub digits: [u8; 16],
    /// Quarters of an hour east of UTC.
    pub offset: i8,
}

impl LongDate {
    /// Not given.
    pub(super) const NONE: Self = Self {
        digits: [b'0'; 16],
        offset: 0,
    };

    /// The date in UTC, of a year of four digits.
    pub(super) fn new(date: Civil) -> Option<Self> {
        let Civil {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = date;
        let text = format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}00");
        Some(Self {
            digits: text.into_bytes().try_into().ok()?,
            offset: 0,
        })
    }
}

/// First entry of the boot catalogue (El Torito, figure 2).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct ValidationEntry {
    /// 1.
    pub(super) header: u8,
    pub(super) platform: u8,
    pub(super) reserved: U16,
    pub(super) id: [u8; 24],
    /// Makes the sum of all words 0.
    pub(super) checksum: U16,
    pub(super) signature: [u8; 2],
}
const _: () = assert!(size_of::<ValidationEntry>() == CATALOG_ENTRY_LEN);

/// An entry that names a boot image (figures 3 and 5).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct ImageEntry {
    pub(super) indicator: u8,
    pub(super) media: u8,
    pub(super) load_segment: U16,
    pub(super) system_type: u8,
    pub(super) unused_5: u8,
    /// Virtual sectors of 512 bytes.
    pub(super) sector_count: U16,
    pub(super) block: U32,
    pub(super) unused_12: [u8; 20],
}
const _: () = assert!(size_of::<ImageEntry>() == CATALOG_ENTRY_LEN);

/// Head of a section of further images (figure 4).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct SectionHeader {
    pub(super) indicator: u8,
    pub(super) platform: u8,
    pub(super) entries: U16,
    pub(super) id: [u8; 28],
}
const _: () = assert!(size_of::<SectionHeader>() == CATALOG_ENTRY_LEN);

/// Bytes of every entry of the boot catalogue.
pub(super) const CATALOG_ENTRY_LEN: usize = 32;
pub(super) const BOOTABLE: u8 = 0x88;
pub(super) const MORE_SECTIONS: u8 = 0x90;
pub(super) const LAST_SECTION: u8 = 0x91;
