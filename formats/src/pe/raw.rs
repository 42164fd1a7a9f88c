//! Headers of a PE32+ image in file order (Microsoft PE format, <https://learn.microsoft.com/windows/win32/debug/pe-format>).

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    little_endian::{U16, U32, U64},
};

/// First two bytes of the file.
pub(super) const DOS_MAGIC: [u8; 2] = *b"MZ";

/// What stands at `e_lfanew`.
pub(super) const SIGNATURE: [u8; 4] = *b"PE\0\0";

/// `OptionalHeader::magic` of PE32+.
pub(super) const PE32_PLUS: u16 = 0x20b;

/// Data directories that the format defines.
pub(super) const DIRECTORIES: usize = 16;

/// Index of the directory that locates signatures; its address is a file offset.
pub(super) const CERTIFICATE_TABLE: usize = 4;

/// Names of the directories, by index.
pub(super) const DIRECTORY_NAMES: [&str; DIRECTORIES] = [
    "export",
    "import",
    "resource",
    "exception",
    "certificate",
    "base relocation",
    "debug",
    "architecture",
    "global pointer",
    "TLS",
    "load configuration",
    "bound import",
    "import address",
    "delay import",
    "CLR runtime",
    "reserved",
];

/// Section characteristic: holds initialized data.
pub const INITIALIZED_DATA: u32 = 0x40;

/// Section characteristic: may be read.
pub const MEM_READ: u32 = 0x4000_0000;

/// The header that every image begins with.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct DosHeader {
    /// `MZ`.
    pub magic: [u8; 2],
    /// What DOS would need.
    pub dos: [u8; 58],
    /// File offset of the PE signature.
    pub e_lfanew: U32,
}
const _: () = assert!(size_of::<DosHeader>() == 64);

/// COFF file header.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub struct CoffHeader {
    pub machine: U16,
    pub number_of_sections: U16,
    pub time_date_stamp: U32,
    pub pointer_to_symbol_table: U32,
    pub number_of_symbols: U32,

    pub size_of_optional_header: U16,
    pub characteristics: U16,
}
const _: () = assert!(size_of::<CoffHeader>() == 20);

/// Optional header of PE32+, without the data directories.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub struct OptionalHeader {
    pub magic: U16,
    pub major_linker_version: u8,
    pub minor_linker_version: u8,
    pub size_of_code: U32,
    pub size_of_initialized_data: U32,
    pub size_of_uninitialized_data: U32,

    pub address_of_entry_point: U32,
    pub base_of_code: U32,
    pub image_base: U64,

    pub section_alignment: U32,
    pub file_alignment: U32,
    pub major_operating_system_version: U16,
    pub minor_operating_system_version: U16,
    pub major_image_version: U16,
    pub minor_image_version: U16,

    pub major_subsystem_version: U16,
    pub minor_subsystem_version: U16,
    pub win32_version_value: U32,
    pub size_of_image: U32,
    pub size_of_headers: U32,

    pub check_sum: U32,
    pub subsystem: U16,
    pub dll_characteristics: U16,
    pub size_of_stack_reserve: U64,

    pub size_of_stack_commit: U64,
    pub size_of_heap_reserve: U64,

    pub size_of_heap_commit: U64,
    pub loader_flags: U32,
    pub number_of_rva_and_sizes: U32,
}
const _: () = assert!(size_of::<OptionalHeader>() == 112);

/// Where a table of the image lies.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[repr(C)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub struct DataDirectory {
    pub virtual_address: U32,
    pub size: U32,
}
const _: () = assert!(size_of::<DataDirectory>() == 8);

/// A row of the section table.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[repr(C)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub struct SectionHeader {
    pub name: [u8; 8],
    pub virtual_size: U32,
    pub virtual_address: U32,

    pub size_of_raw_data: U32,
    pub pointer_to_raw_data: U32,
    pub pointer_to_relocations: U32,
    pub pointer_to_linenumbers: U32,

    pub number_of_relocations: U16,
    pub number_of_linenumbers: U16,
    pub characteristics: U32,
}
const _: () = assert!(size_of::<SectionHeader>() == 40);

impl SectionHeader {
    /// The name without its padding.
    pub fn name(&self) -> &[u8] {
        let end = self.name.iter().position(|byte| *byte == 0);
        &self.name[..end.unwrap_or(self.name.len())]
    }

    /// Bytes of the file that the loader takes for the section: what is longer is zero in memory, what is shorter is padding.
    pub fn content_len(&self) -> u32 {
        self.virtual_size.get().min(self.size_of_raw_data.get())
    }

    /// Whether the section counts as initialized data.
    pub fn is_initialized_data(&self) -> bool {
        self.characteristics.get() & INITIALIZED_DATA != 0
    }
}
