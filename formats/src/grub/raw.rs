//! What stands in GRUB's files: ELF (System V ABI, gABI 4.1), the header of the module area, the places that are patched.

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    little_endian::{I64, U16, U32, U64},
};

/// First bytes of an ELF file, little-endian: class and data follow.
pub(super) const ELF_MAGIC: [u8; 4] = *b"\x7fELF";
/// `e_ident[4]`: 32 bits.
pub(super) const CLASS_32: u8 = 1;
/// `e_ident[4]`: 64 bits.
pub(super) const CLASS_64: u8 = 2;
/// `e_ident[5]`.
pub(super) const LITTLE_ENDIAN: u8 = 1;

/// `sh_type`.
pub(super) mod section {
    pub(in super::super) const SYMBOLS: u32 = 2;
    pub(in super::super) const RELOCATIONS: u32 = 4;
    pub(in super::super) const NO_BITS: u32 = 8;
}

/// `sh_flags`: has a place in memory.
pub(super) const ALLOC: u64 = 2;
/// `sh_flags`: code.
pub(super) const EXECUTABLE: u64 = 4;

/// `st_shndx` of symbols that are defined elsewhere.
pub(super) const UNDEFINED: u16 = 0;
/// `st_shndx` of symbols that have a value, not an address.
pub(super) const ABSOLUTE: u16 = 0xfff1;

/// Header of an ELF file of 32 bits.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct Header32 {
    pub(super) ident: [u8; 16],

    pub(super) kind: U16,
    pub(super) machine: U16,
    pub(super) version: U32,
    pub(super) entry: U32,
    pub(super) program_headers: U32,

    pub(super) section_headers: U32,
    pub(super) flags: U32,
    pub(super) header_size: U16,
    pub(super) program_header_size: U16,
    pub(super) program_header_count: U16,
    pub(super) section_header_size: U16,

    pub(super) section_count: U16,
    pub(super) names: U16,
}
const _: () = assert!(size_of::<Header32>() == 52);

/// Header of an ELF file of 64 bits.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct Header64 {
    pub(super) ident: [u8; 16],

    pub(super) kind: U16,
    pub(super) machine: U16,
    pub(super) version: U32,
    pub(super) entry: U64,

    pub(super) program_headers: U64,
    pub(super) section_headers: U64,

    pub(super) flags: U32,
    pub(super) header_size: U16,
    pub(super) program_header_size: U16,
    pub(super) program_header_count: U16,
    pub(super) section_header_size: U16,
    pub(super) section_count: U16,
    pub(super) names: U16,
}
const _: () = assert!(size_of::<Header64>() == 64);

/// A section of 32 bits.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct Section32 {
    pub(super) name: U32,
    pub(super) kind: U32,
    pub(super) flags: U32,
    pub(super) address: U32,

    pub(super) offset: U32,
    pub(super) size: U32,
    pub(super) link: U32,
    pub(super) info: U32,

    pub(super) align: U32,
    pub(super) entry_size: U32,
}
const _: () = assert!(size_of::<Section32>() == 40);

/// A section of 64 bits.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct Section64 {
    pub(super) name: U32,
    pub(super) kind: U32,
    pub(super) flags: U64,

    pub(super) address: U64,
    pub(super) offset: U64,

    pub(super) size: U64,
    pub(super) link: U32,
    pub(super) info: U32,

    pub(super) align: U64,
    pub(super) entry_size: U64,
}
const _: () = assert!(size_of::<Section64>() == 64);

/// A symbol of 64 bits.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct Symbol {
    pub(super) name: U32,
    pub(super) info: u8,
    pub(super) other: u8,
    pub(super) section: U16,
    pub(super) value: U64,

    pub(super) size: U64,
}
const _: () = assert!(size_of::<Symbol>() == 24);

/// A relocation of 64 bits, with addend.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct Relocation {
    pub(super) offset: U64,
    /// The symbol's number above, what to do below 32 bits.
    pub(super) info: U64,

    pub(super) addend: I64,
}
const _: () = assert!(size_of::<Relocation>() == 24);

/// First bytes of the module area.
pub(super) const AREA_MAGIC: [u8; 4] = *b"mimg";

/// Header of the module area, 32 bits (boot.md 6.4).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct Area32 {
    pub(super) magic: [u8; 4],
    pub(super) offset: U32,
    pub(super) size: U32,
}
const _: () = assert!(size_of::<Area32>() == 12);

/// Header of the module area, 64 bits.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct Area64 {
    pub(super) magic: [u8; 4],
    pub(super) padding: U32,
    pub(super) offset: U64,

    pub(super) size: U64,
}
const _: () = assert!(size_of::<Area64>() == 24);

/// What stands before each object of the module area.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct ObjectHeader {
    pub(super) kind: U32,
    /// With this header and the padding.
    pub(super) size: U32,
}
const _: () = assert!(size_of::<ObjectHeader>() == 8);

/// `ObjectHeader::kind`. Others were numbered anew in 2.14 and are of no use here.
pub(super) mod object {
    pub(in super::super) const MODULE: u32 = 0;
    pub(in super::super) const CONFIG: u32 = 2;
    pub(in super::super) const PREFIX: u32 = 3;
}

/// Bytes of `diskboot.img` and of sectors.
pub(super) const SECTOR: usize = 512;
/// Bytes of `cdboot.img`.
pub(super) const CD_BOOT: usize = 2048;

/// Where `boot.img` has the sector of `core.img`, a `u64`.
pub(super) const BOOT_KERNEL_SECTOR: usize = 0x5c;
/// Where `boot.img` jumps over the check for drive numbers that a BIOS made up.
pub(super) const BOOT_DRIVE_CHECK: usize = 0x66;
/// Where `boot_hybrid.img` has the sector behind `cdboot.img`, a `u64`.
pub(super) const HYBRID_KERNEL_SECTOR: usize = 0x1b0;
/// Where `cdboot.img` has the sector behind `diskboot.img`, a `u64`: the first field of the block list of the latter.
pub(super) const CD_KERNEL_SECTOR: usize = CD_BOOT + BLOCK_LIST;
/// Where `diskboot.img` has its one block list.
pub(super) const BLOCK_LIST: usize = 0x1f4;

/// Where `diskboot.img` is told to find the rest.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct BlockList {
    /// First sector.
    pub(super) start: U64,
    /// Sectors.
    pub(super) len: U16,
    /// Where in memory they go.
    pub(super) segment: U16,
}
const _: () = assert!(size_of::<BlockList>() == 12);

/// What `lzma_decompress.img` is told, from [`DECOMPRESSOR_FIELDS`] on.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct DecompressorFields {
    pub(super) compressed: U32,
    pub(super) uncompressed: U32,
}
const _: () = assert!(size_of::<DecompressorFields>() == 8);

/// Where `lzma_decompress.img` has its fields.
pub(super) const DECOMPRESSOR_FIELDS: usize = 8;

/// The boot information table of El Torito, at byte 8 of a boot image (mkisofs, `-boot-info-table`).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct BootInfo {
    /// Block of the primary volume descriptor.
    pub(super) descriptor: U32,
    /// Block of the boot image.
    pub(super) block: U32,
    /// Bytes of the boot image.
    pub(super) len: U32,
    /// Sum of its words from byte 64 on.
    pub(super) checksum: U32,
    pub(super) reserved: [u8; 40],
}
const _: () = assert!(size_of::<BootInfo>() == 56);

/// Where the boot information table stands.
pub(super) const BOOT_INFO: usize = 8;
