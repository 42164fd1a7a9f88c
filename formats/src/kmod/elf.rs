//! Sections of a kernel module: 64-bit little-endian relocatable ELF. What is appended, a signature, is nobody's section.

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    little_endian::{U16, U32, U64},
};

/// `e_ident` up to the version: 64 bits, little-endian, version 1.
const IDENT: [u8; 7] = *b"\x7fELF\x02\x01\x01";

/// `e_type` of object files.
const RELOCATABLE: u16 = 1;

/// `sh_type` of sections without bytes in the file.
const NO_BITS: u32 = 8;

/// What a file begins with.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Header {
    ident: [u8; 16],

    kind: U16,
    machine: U16,
    version: U32,
    entry: U64,

    program_headers: U64,
    section_headers: U64,

    flags: U32,
    own_size: U16,
    program_header_size: U16,
    program_header_count: U16,
    section_header_size: U16,
    section_count: U16,
    names: U16,
}
const _: () = assert!(size_of::<Header>() == 64);

/// One row of the section table.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct SectionHeader {
    /// Where its name starts in the table of names.
    pub name: U32,
    /// `sh_type`.
    pub kind: U32,
    /// `sh_flags`.
    pub flags: U64,

    /// Address, 0 in object files.
    pub address: U64,
    /// Where its bytes start in the file.
    pub offset: U64,

    /// Bytes it has.
    pub size: U64,
    /// `sh_link`.
    pub link: U32,
    /// `sh_info`.
    pub info: U32,

    /// `sh_addralign`.
    pub alignment: U64,
    /// Bytes of one entry, if it is a table.
    pub entry_size: U64,
}
const _: () = assert!(size_of::<SectionHeader>() == 64);

/// One row of `.symtab`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Symbol {
    /// Where its name starts in `.strtab`.
    pub name: U32,
    /// Binding and type.
    pub info: u8,
    /// Visibility.
    pub other: u8,
    /// The section it is in; 0 if it is somebody else's.
    pub section: U16,
    /// `st_value`.
    pub value: U64,

    /// `st_size`.
    pub size: U64,
}
const _: () = assert!(size_of::<Symbol>() == 24);

/// Why a file is not a module that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// Not ELF, or of another class, byte order, version or type.
    #[error("not a 64-bit little-endian relocatable ELF file")]
    Kind,
    /// Something that lies outside of the file.
    #[error(
        "ELF {what} of {len} bytes at offset {offset} ends behind the {file_len} bytes there are"
    )]
    Outside {
        /// What.
        what: &'static str,
        /// Where it starts, in bytes from the beginning of the file or table it is in.
        offset: u64,
        /// Bytes it takes.
        len: u64,
        /// Bytes there are.
        file_len: u64,
    },
    /// A field with a value that it cannot have.
    #[error("ELF {what} is {found}")]
    Field {
        /// Which.
        what: &'static str,
        /// Its value.
        found: u64,
    },
    /// More than the reader was told to accept.
    #[error("ELF file has more than {limit} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much is accepted.
        limit: u64,
    },
}

/// A file whose section table was found.
#[derive(Debug, Clone, Copy)]
pub struct Elf<'a> {
    bytes: &'a [u8],
    sections: &'a [SectionHeader],
    names: &'a [u8],
}

impl<'a> Elf<'a> {
    /// Finds the section table of `bytes` and the names in it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ElfError> {
        let (header, _) = Header::read_from_prefix(bytes).map_err(|_| ElfError::Kind)?;
        if !header.ident.starts_with(&IDENT) || header.kind.get() != RELOCATABLE {
            return Err(ElfError::Kind);
        }
        let size = header.section_header_size.get();
        if usize::from(size) != size_of::<SectionHeader>() {
            return Err(ElfError::Field {
                what: "section header size",
                found: u64::from(size),
            });
        }
        let count = header.section_count.get();
        let table = slice(
            bytes,
            "section table",
            header.section_headers.get(),
            u64::from(count) * u64::from(size),
        )?;
        let sections =
            <[SectionHeader]>::ref_from_bytes(table).expect("a whole number of unaligned headers");
        let mut elf = Self {
            bytes,
            sections,
            names: &[],
        };
        let names = header.names.get();
        let section = sections.get(usize::from(names)).ok_or(ElfError::Field {
            what: "index of the section names",
            found: u64::from(names),
        })?;
        elf.names = elf.content(section)?;
        Ok(elf)
    }

    /// All sections, the unnamed one first.
    pub fn sections(&self) -> &'a [SectionHeader] {
        self.sections
    }

    /// The name of a section; empty if it lies outside of the table of names.
    pub fn name(&self, section: &SectionHeader) -> &'a [u8] {
        let start = usize::try_from(section.name.get()).unwrap_or(usize::MAX);
        let rest = self.names.get(start..).unwrap_or_default();
        let len = rest.iter().position(|byte| *byte == 0);
        &rest[..len.unwrap_or(0)]
    }

    /// The bytes of the first section called `name`, if there is one.
    pub fn section(&self, name: &str) -> Result<Option<&'a [u8]>, ElfError> {
        self.sections
            .iter()
            .find(|section| self.is_named(section, name))
            .map(|section| self.content(section))
            .transpose()
    }

    /// Compares without looking for the end of a name, which may be far away.
    fn is_named(&self, section: &SectionHeader, name: &str) -> bool {
        let start = usize::try_from(section.name.get()).unwrap_or(usize::MAX);
        self.names
            .get(start..)
            .and_then(|rest| rest.strip_prefix(name.as_bytes()))
            .is_some_and(|rest| rest.first() == Some(&0))
    }

    fn content(&self, section: &SectionHeader) -> Result<&'a [u8], ElfError> {
        if section.kind.get() == NO_BITS {
            return Ok(&[]);
        }
        slice(
            self.bytes,
            "section",
            section.offset.get(),
            section.size.get(),
        )
    }
}

/// `len` bytes from `offset` on.
fn slice<'a>(
    bytes: &'a [u8],
    what: &'static str,
    offset: u64,
    len: u64,
) -> Result<&'a [u8], ElfError> {
    let range = || {
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(usize::try_from(len).ok()?)?;
        bytes.get(start..end)
    };
    range().ok_or(ElfError::Outside {
        what,
        offset,
        len,
        file_len: bytes.len() as u64,
    })
}
