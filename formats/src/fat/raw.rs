//! On-disk structures of FAT12 and FAT32, in file order (Microsoft, "FAT32 File System Specification" 1.03).

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    little_endian::{U16, U32},
};

/// End of a chain as mtools writes it; readers accept anything from [`END_OF_CHAIN_MIN`] on.
pub(super) const END_OF_CHAIN: u32 = 0x0fff_ffff;
/// The least value that ends a chain; also what mkfs.fat writes for the root directory.
pub(super) const END_OF_CHAIN_MIN: u32 = 0x0fff_fff8;
/// The upper four bits of a FAT entry are reserved.
pub(super) const ENTRY_MASK: u32 = 0x0fff_ffff;
/// First words of a FAT: the medium and the clean-shutdown flags, which no cluster belongs to.
pub(super) const FIRST_ENTRIES: [u32; 2] = [0x0fff_ff00 | FIXED_DISK as u32, 0x0fff_ffff];
/// The upper bits of a word that stands for an entry of 12 bits that is no cluster: it then means the same.
pub(super) const WIDENED: u32 = 0x0fff_f000;
/// The least entry of 12 bits that is no cluster.
pub(super) const NO_CLUSTER_12: u32 = 0xff0;
/// The first cluster that holds data.
pub(super) const FIRST_CLUSTER: u32 = 2;
/// Medium: a fixed disk.
pub(super) const FIXED_DISK: u8 = 0xf8;
/// Medium: a floppy disk of 3½ inches.
pub(super) const FLOPPY_DISK: u8 = 0xf0;
/// At the end of boot sector and FSInfo.
pub(super) const SIGNATURE: [u8; 2] = [0x55, 0xaa];

/// Sector 0 (and 6) of FAT32: where everything is.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct BootSector {
    /// A jump over the parameters.
    pub jump: [u8; 3],
    /// Who made the volume.
    pub oem_name: [u8; 8],
    /// 512 to 4096.
    pub bytes_per_sector: U16,
    /// A power of two.
    pub sectors_per_cluster: u8,
    /// Sectors before the first FAT.
    pub reserved_sectors: U16,

    /// Copies of the FAT.
    pub fats: u8,
    /// 0 on FAT32.
    pub root_entries: U16,
    /// 0 where `total_sectors_32` counts.
    pub total_sectors_16: U16,
    /// F8 for fixed disks, F0 for floppy disks.
    pub media: u8,
    /// 0 on FAT32.
    pub fat_sectors_16: U16,
    /// Geometry for BIOS calls.
    pub sectors_per_track: U16,
    /// Geometry for BIOS calls.
    pub heads: U16,
    /// Sectors before the volume.
    pub hidden_sectors: U32,

    /// Sectors of the volume.
    pub total_sectors_32: U32,
    /// Sectors of one FAT.
    pub fat_sectors_32: U32,
    /// Mirroring.
    pub extended_flags: U16,
    /// 0.
    pub version: U16,
    /// First cluster of the root directory.
    pub root_cluster: U32,

    /// Sector of the FSInfo.
    pub fs_info_sector: U16,
    /// Sector of the copy of this one.
    pub backup_boot_sector: U16,
    /// Zeros.
    pub reserved: [u8; 12],

    /// 80 for hard disks.
    pub drive: u8,
    /// 0.
    pub reserved_1: u8,
    /// 29: the next three fields are there.
    pub boot_signature: u8,
    /// Serial number.
    pub volume_id: U32,
    /// Padded with spaces.
    pub volume_label: [u8; 11],
    /// `FAT32   `.
    pub file_system: [u8; 8],

    /// What the jump leads to.
    pub boot_code: [u8; 420],
    /// 55 AA.
    pub signature: [u8; 2],
}
const _: () = assert!(size_of::<BootSector>() == 512);

/// Sector 0 of FAT12: as that of FAT32 up to the total sectors.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct BootSector12 {
    /// What FAT32 has too.
    pub common: [u8; 36],

    /// 0 for floppy disks.
    pub drive: u8,
    /// 0.
    pub reserved: u8,
    /// 29: the next three fields are there.
    pub boot_signature: u8,
    /// Serial number.
    pub volume_id: U32,
    /// Padded with spaces.
    pub volume_label: [u8; 11],
    /// `FAT12   `.
    pub file_system: [u8; 8],

    /// What the jump leads to.
    pub boot_code: [u8; 448],
    /// 55 AA.
    pub signature: [u8; 2],
}
const _: () = assert!(size_of::<BootSector12>() == 512);

impl BootSector {
    /// The same bytes as FAT12 has them.
    pub fn as_fat12(&self) -> BootSector12 {
        zerocopy::transmute!(*self)
    }
}

/// Sector 1 (and 7): hints, not truth.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct FsInfo {
    /// `RRaA`.
    pub lead_signature: [u8; 4],
    /// Zeros.
    pub reserved: [u8; 480],

    /// `rrAa`.
    pub structure_signature: [u8; 4],
    /// Free clusters.
    pub free: U32,
    /// Cluster where to look for a free one.
    pub next_free: U32,
    /// Zeros.
    pub reserved_2: [u8; 14],
    /// 55 AA.
    pub signature: [u8; 2],
}
const _: () = assert!(size_of::<FsInfo>() == 512);

/// A slot of a directory that names a file, a directory or the volume.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct DirectoryEntry {
    pub(super) name: [u8; 11],
    pub(super) attributes: u8,
    /// Bits of Windows NT: which halves of the short name are lower case.
    pub(super) case: u8,
    pub(super) created_hundredths: u8,
    pub(super) created: Stamp,
    pub(super) accessed_date: U16,
    pub(super) cluster_high: U16,
    pub(super) written: Stamp,
    pub(super) cluster_low: U16,
    pub(super) len: U32,
}
const _: () = assert!(size_of::<DirectoryEntry>() == ENTRY_LEN);

/// Bytes of a slot of a directory.
pub(super) const ENTRY_LEN: usize = 32;

impl DirectoryEntry {
    pub(super) fn cluster(&self) -> u32 {
        u32::from(self.cluster_high.get()) << 16 | u32::from(self.cluster_low.get())
    }
}

/// A slot that holds 13 UTF-16 units of the long name of the entry that follows.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct LongNameEntry {
    /// From 1; [`LAST_LONG_ENTRY`] is added to the last, which comes first on disk.
    pub(super) order: u8,
    pub(super) units_0: [U16; 5],
    pub(super) attributes: u8,
    pub(super) kind: u8,
    pub(super) checksum: u8,
    pub(super) units_5: [U16; 6],
    pub(super) cluster: U16,
    pub(super) units_11: [U16; 2],
}
const _: () = assert!(size_of::<LongNameEntry>() == ENTRY_LEN);

/// UTF-16 units of a [`LongNameEntry`].
pub(super) const LONG_ENTRY_UNITS: usize = 13;
/// Set in the order of the slot with the end of the name.
pub(super) const LAST_LONG_ENTRY: u8 = 0x40;
/// First byte of a slot that is free, though later ones need not be.
pub(super) const ERASED: u8 = 0xe5;
/// First byte of a slot that is free like all after it.
pub(super) const END_OF_DIRECTORY: u8 = 0;
/// First byte of a name that starts with [`ERASED`].
pub(super) const ESCAPED_ERASED: u8 = 0x05;

/// Time and date of two-second grain, 1980 to 2107.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub(super) struct Stamp {
    /// Hour << 11 | minute << 5 | second / 2.
    pub(super) time: U16,
    /// (Year − 1980) << 9 | month << 5 | day.
    pub(super) date: U16,
}
