//! Images for UEFI: the linked kernel and its modules as a PE32+ program.

use zerocopy::{FromZeros, IntoBytes, little_endian::U32};

use super::{
    Contents, Error,
    area::Width,
    link::{Linked, PAGE},
    relocate::Effect,
};
use crate::pe::{CoffHeader, DataDirectory, OptionalHeader, SectionHeader};

/// The machine of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Machine {
    /// x86_64-efi.
    X86_64,
    /// arm64-efi.
    Arm64,
}

/// What `modinfo.sh` says of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Build {
    /// Whether its kernel keeps what can be written apart from what can be run.
    pub nx: bool,
}

/// 2015-01-01: a date that is in the past of every machine and the same in every image.
const TIME: u32 = 0x54a4_8e00;
/// Executable; without symbols, line numbers and debugging information.
const CHARACTERISTICS: u16 = 0x20e;
/// An EFI application.
const SUBSYSTEM: u16 = 10;
/// `DllCharacteristics`: memory need not be both.
const NX_COMPATIBLE: u16 = 0x100;
/// Bytes of stack and heap.
const STACK: u64 = 0x1_0000;
/// `DIR64`, in the upper four bits of an entry.
const MOVING_64: u16 = 10 << 12;
/// Index of the base relocation directory.
const BASE_RELOCATIONS: usize = 5;
const DIRECTORIES: usize = 16;
const SECTIONS: usize = 4;

const CODE: u32 = 0x6000_0020;
const DATA: u32 = 0xc000_0040;
const RELOCATIONS: u32 = 0x4200_0040;

/// What DOS runs: it says that it cannot run this. Its first 64 bytes are the DOS header.
const DOS_PROGRAM: [u8; 0x80] = dos_program();
const DOS_TEXT: &[u8] = b"This program cannot be run in DOS mode.\r\r\n$";

impl Machine {
    /// `e_machine`.
    pub(super) fn elf(self) -> u16 {
        match self {
            Self::X86_64 => 62,
            Self::Arm64 => 183,
        }
    }

    fn pe(self) -> u16 {
        match self {
            Self::X86_64 => 0x8664,
            Self::Arm64 => 0xaa64,
        }
    }

    /// What a relocation does; nothing for those that GRUB's builds do not have.
    pub(super) fn effect(self, kind: u32) -> Option<Effect> {
        match self {
            Self::X86_64 => Effect::x86_64(kind),
            Self::Arm64 => Effect::aarch64(kind),
        }
    }
}

impl Build {
    /// Reads `modinfo.sh`. A build that does not tell its version is taken for an old one.
    pub fn parse(modinfo: &[u8]) -> Self {
        /// The first version whose images say that they are compatible with NX.
        const NX: (u32, u32) = (2, 14);
        let version = std::str::from_utf8(modinfo).ok().and_then(|text| {
            let line = |line: &str| {
                let value = line.strip_prefix("grub_version=")?.trim_matches('"');
                let (major, rest) = value.split_once('.')?;
                let end = rest.find(|c: char| !c.is_ascii_digit());
                let minor = &rest[..end.unwrap_or(rest.len())];
                Some((major.parse().ok()?, minor.parse().ok()?))
            };
            text.lines().find_map(line)
        });
        Self {
            nx: version.is_some_and(|version: (u32, u32)| version >= NX),
        }
    }
}

/// The image of a machine.
pub fn efi(machine: Machine, build: Build, contents: &Contents<'_>) -> Result<Vec<u8>, Error> {
    let linked = Linked::new(contents.kernel, machine)?;
    let mut modules = contents.area(Width::Bits64);
    modules.resize(modules.len().next_multiple_of(PAGE_LEN), 0);
    let relocations = base_relocations(&linked.moving);
    let text_len = linked.text_len;
    let data_len = linked.memory.len() as u64 - text_len;
    let lens = [
        (*b".text\0\0\0", text_len, CODE),
        (*b".data\0\0\0", data_len, DATA),
        (*b"mods\0\0\0\0", modules.len() as u64, DATA),
        (*b".reloc\0\0", relocations.len() as u64, RELOCATIONS),
    ];

    let mut address = PAGE;
    let mut table = [SectionHeader::default(); SECTIONS];
    for (header, (name, len, characteristics)) in table.iter_mut().zip(lens) {
        *header = SectionHeader {
            name,
            virtual_size: word(len)?,
            virtual_address: word(address)?,
            size_of_raw_data: word(len)?,
            pointer_to_raw_data: word(address)?,
            characteristics: characteristics.into(),
            ..SectionHeader::default()
        };
        address += len;
    }
    let mut directories = [DataDirectory::default(); DIRECTORIES];
    directories[BASE_RELOCATIONS] = DataDirectory {
        virtual_address: table[SECTIONS - 1].virtual_address,
        size: table[SECTIONS - 1].virtual_size,
    };
    let coff = CoffHeader {
        machine: machine.pe().into(),
        number_of_sections: u16::try_from(SECTIONS).expect("4").into(),
        time_date_stamp: TIME.into(),
        pointer_to_symbol_table: 0.into(),
        number_of_symbols: 0.into(),
        size_of_optional_header: u16::try_from(
            size_of::<OptionalHeader>() + size_of_val(&directories),
        )
        .expect("240")
        .into(),
        characteristics: CHARACTERISTICS.into(),
    };
    let mut optional = OptionalHeader::new_zeroed();
    optional.magic = 0x20b.into();
    optional.size_of_code = word(text_len)?;
    optional.size_of_initialized_data = word(data_len + modules.len() as u64)?;
    optional.address_of_entry_point = word(linked.entry)?;
    optional.base_of_code = word(PAGE)?;
    optional.section_alignment = word(PAGE)?;
    optional.file_alignment = word(PAGE)?;
    optional.size_of_image = word(address)?;
    optional.size_of_headers = word(PAGE)?;
    optional.subsystem = SUBSYSTEM.into();
    optional.dll_characteristics = if build.nx { NX_COMPATIBLE } else { 0 }.into();
    optional.size_of_stack_reserve = STACK.into();
    optional.size_of_stack_commit = STACK.into();
    optional.size_of_heap_reserve = STACK.into();
    optional.size_of_heap_commit = STACK.into();
    optional.number_of_rva_and_sizes = u32::try_from(DIRECTORIES).expect("16").into();

    let mut image = DOS_PROGRAM.to_vec();
    image.extend_from_slice(b"PE\0\0");
    image.extend_from_slice(coff.as_bytes());
    image.extend_from_slice(optional.as_bytes());
    image.extend_from_slice(directories.as_bytes());
    image.extend_from_slice(table.as_bytes());
    image.resize(PAGE_LEN, 0);
    image.extend(linked.memory);
    image.extend(modules);
    image.extend(relocations);
    Ok(image)
}

/// The same as a length.
const PAGE_LEN: usize = 0x1000;
const _: () = assert!(PAGE_LEN as u64 == PAGE);

/// Blocks of entries for one page each, filled up to multiples of 8 bytes; the last block is as long as the section is filled up to.
fn base_relocations(moving: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut last = 0;
    for page in moving.chunk_by(|a, b| a / PAGE == b / PAGE) {
        let mut entries: Vec<u16> = page
            .iter()
            .map(|address| MOVING_64 | u16::try_from(address % PAGE).expect("within a page"))
            .collect();
        entries.resize(entries.len().next_multiple_of(4), 0);
        last = bytes.len();
        let base = u32::try_from(page[0] / PAGE * PAGE).expect("at most 16 MiB");
        bytes.extend(base.to_le_bytes());
        bytes.extend(block_len(entries.len() * 2).to_le_bytes());
        bytes.extend(entries.iter().flat_map(|entry| entry.to_le_bytes()));
    }
    bytes.resize(bytes.len().next_multiple_of(PAGE_LEN), 0);
    if !moving.is_empty() {
        let len = block_len(bytes.len() - last - BLOCK_HEADER);
        bytes[last + 4..last + BLOCK_HEADER].copy_from_slice(&len.to_le_bytes());
    }
    bytes
}

/// Page and length.
const BLOCK_HEADER: usize = 8;

fn block_len(entries: usize) -> u32 {
    u32::try_from(BLOCK_HEADER + entries).expect("at most 32 MiB")
}

/// Offsets, addresses and sizes have 32 bits.
fn word(value: u64) -> Result<U32, Error> {
    let limit = u32::MAX;
    u32::try_from(value)
        .map(U32::new)
        .map_err(|_| Error::TooMany {
            what: "bytes of the image",
            count: value,
            limit: limit.into(),
        })
}

/// The header says 3 pages with 0x90 bytes in the last one, 4 paragraphs of header, all memory, a stack below 0xb8, and where
/// the PE header is. The program: `push cs; pop ds; mov dx, text; mov ah, 9; int 21h; mov ax, 4c01h; int 21h`.
const fn dos_program() -> [u8; 0x80] {
    const WORDS: [(usize, u16); 8] = [
        (0x00, 0x5a4d),
        (0x02, 0x90),
        (0x04, 3),
        (0x08, 4),
        (0x0c, 0xffff),
        (0x10, 0xb8),
        (0x18, 0x40),
        (0x3c, 0x80),
    ];
    const PROGRAM: [u8; 14] = [
        0x0e, 0x1f, 0xba, 0x0e, 0x00, 0xb4, 0x09, 0xcd, 0x21, 0xb8, 0x01, 0x4c, 0xcd, 0x21,
    ];
    let mut bytes = [0; 0x80];
    let mut index = 0;
    while index < WORDS.len() {
        let (offset, word) = WORDS[index];
        [bytes[offset], bytes[offset + 1]] = word.to_le_bytes();
        index += 1;
    }
    index = 0;
    while index < PROGRAM.len() {
        bytes[0x40 + index] = PROGRAM[index];
        index += 1;
    }
    index = 0;
    while index < DOS_TEXT.len() {
        bytes[0x40 + PROGRAM.len() + index] = DOS_TEXT[index];
        index += 1;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_say_their_version() {
        for (text, nx) in [
            ("grub_version=\"2.06\"\n", false),
            ("#\ngrub_version=\"2.12\"\n", false),
            ("a\ngrub_version=\"2.14\"\ngrub_package=\"grub\"\n", true),
            ("grub_version=2.15~rc1", true),
            ("grub_version=\"3.0\"", true),
            ("grub_version=x", false),
            ("", false),
        ] {
            assert_eq!(Build::parse(text.as_bytes()).nx, nx, "{text:?}");
        }
    }

    #[test]
    fn base_relocations_fill_whole_pages() {
        assert!(base_relocations(&[]).is_empty());
        let bytes = base_relocations(&[0x1008, 0x1010, 0x1018, 0x3000]);
        assert_eq!(bytes.len(), PAGE_LEN);
        assert_eq!(
            bytes[..28],
            [
                0, 0x10, 0, 0, 16, 0, 0, 0, 8, 0xa0, 0x10, 0xa0, 0x18, 0xa0, 0, 0, //
                0, 0x30, 0, 0, 0xf0, 0x0f, 0, 0, 0, 0xa0, 0, 0
            ]
        );
    }
}
