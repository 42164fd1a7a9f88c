//! ELF files as far as GRUB's are: sections, symbols and relocations of little-endian files of 32 and 64 bits.

use zerocopy::{FromBytes, little_endian::U16};

use super::{
    Error,
    raw::{
        CLASS_32, CLASS_64, ELF_MAGIC, Header32, Header64, LITTLE_ENDIAN, Relocation, Section32,
        Section64, Symbol, section,
    },
};

/// Most sections of a file; GRUB's have some fifteen.
const MAX_SECTIONS: u64 = 1 << 10;

/// A file of either class.
#[derive(Debug)]
pub(super) struct Elf<'a> {
    pub(super) class: u8,
    /// `e_machine`.
    pub(super) machine: u16,
    pub(super) sections: Vec<Section<'a>>,
}

/// A section.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section<'a> {
    pub(super) name: &'a [u8],
    pub(super) kind: u32,
    pub(super) flags: u64,
    pub(super) address: u64,
    pub(super) size: u64,
    /// Number of a related section.
    pub(super) link: usize,
    /// Number of another.
    pub(super) info: usize,
    /// At least 1.
    pub(super) align: u64,
    /// Its bytes; none where the file has none.
    pub(super) content: &'a [u8],
}

/// `sh_name` and `sh_offset`, of no use once names and contents are there.
struct Places {
    name: u64,
    offset: u64,
}

impl<'a> Elf<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let ident: [u8; 6] = *at(bytes, 0, "ELF header")?;
        let [.., class, data] = ident;
        if !ident.starts_with(&ELF_MAGIC) || data != LITTLE_ENDIAN {
            return Err(Error::Unknown("a little-endian ELF file"));
        }
        let (machine, table, size, count, names) = match class {
            CLASS_32 => {
                let header: &Header32 = at(bytes, 0, "ELF header")?;
                (
                    header.machine,
                    u64::from(header.section_headers.get()),
                    header.section_header_size,
                    header.section_count,
                    header.names,
                )
            }
            CLASS_64 => {
                let header: &Header64 = at(bytes, 0, "ELF header")?;
                (
                    header.machine,
                    header.section_headers.get(),
                    header.section_header_size,
                    header.section_count,
                    header.names,
                )
            }
            _ => return Err(Error::Unknown("an ELF file of 32 or 64 bits")),
        };
        let count = u64::from(count.get());
        if count > MAX_SECTIONS {
            return Err(Error::TooMany {
                what: "ELF sections",
                count,
                limit: MAX_SECTIONS,
            });
        }
        let expected = if class == CLASS_32 {
            size_of::<Section32>()
        } else {
            size_of::<Section64>()
        };
        if count > 0 && usize::from(size.get()) != expected {
            return Err(Error::Invalid {
                what: "size of ELF section headers",
                value: u64::from(size.get()),
            });
        }
        let mut sections = Vec::new();
        let mut places = Vec::new();
        for index in 0..count {
            let offset = table.saturating_add(index * expected as u64);
            let (section, place) = header(bytes, class, offset)?;
            sections.push(section);
            places.push(place);
        }
        for (section, place) in sections.iter_mut().zip(&places) {
            if section.kind != section::NO_BITS && section.kind != 0 {
                section.content = slice(bytes, place.offset, section.size, "ELF section")?;
            }
        }
        let texts = sections
            .get(usize::from(U16::get(names)))
            .map_or(&[][..], |section| section.content);
        for (section, place) in sections.iter_mut().zip(&places) {
            section.name = text(texts, place.name)?;
        }
        Ok(Self {
            class,
            machine: machine.get(),
            sections,
        })
    }

    /// The first section of that name.
    pub(super) fn section(&self, name: &[u8]) -> Option<&Section<'a>> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// The symbols, with the texts of their names.
    pub(super) fn symbols(&self) -> Result<(&'a [Symbol], &'a [u8]), Error> {
        let Some(table) = self
            .sections
            .iter()
            .find(|section| section.kind == section::SYMBOLS)
        else {
            return Ok((&[], &[]));
        };
        let names = self
            .sections
            .get(table.link)
            .map_or(&[][..], |section| section.content);
        Ok((items(table.content, "ELF symbols")?, names))
    }

    /// The relocations, each table with the number of the section that it changes.
    pub(super) fn relocations(&self) -> Result<Vec<(usize, &'a [Relocation])>, Error> {
        self.sections
            .iter()
            .filter(|section| section.kind == section::RELOCATIONS)
            .map(|section| Ok((section.info, items(section.content, "ELF relocations")?)))
            .collect()
    }
}

fn header(bytes: &[u8], class: u8, offset: u64) -> Result<(Section<'_>, Places), Error> {
    let number = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
    if class == CLASS_32 {
        let raw: &Section32 = at(bytes, offset, "ELF section header")?;
        let section = Section {
            name: &[],
            kind: raw.kind.get(),
            flags: raw.flags.get().into(),
            address: raw.address.get().into(),
            size: raw.size.get().into(),
            link: number(raw.link.get()),
            info: number(raw.info.get()),
            align: u64::from(raw.align.get()).max(1),
            content: &[],
        };
        let places = Places {
            name: raw.name.get().into(),
            offset: raw.offset.get().into(),
        };
        return Ok((section, places));
    }
    let raw: &Section64 = at(bytes, offset, "ELF section header")?;
    let section = Section {
        name: &[],
        kind: raw.kind.get(),
        flags: raw.flags.get(),
        address: raw.address.get(),
        size: raw.size.get(),
        link: number(raw.link.get()),
        info: number(raw.info.get()),
        align: raw.align.get().max(1),
        content: &[],
    };
    let places = Places {
        name: raw.name.get().into(),
        offset: raw.offset.get(),
    };
    Ok((section, places))
}

/// The structure at `offset`.
pub(super) fn at<'a, T>(bytes: &'a [u8], offset: u64, what: &'static str) -> Result<&'a T, Error>
where
    T: FromBytes + zerocopy::KnownLayout + zerocopy::Immutable + zerocopy::Unaligned,
{
    let content = slice(bytes, offset, size_of::<T>() as u64, what)?;
    Ok(T::ref_from_bytes(content).expect("as long as the structure"))
}

/// `len` bytes from `offset` on.
pub(super) fn slice<'a>(
    bytes: &'a [u8],
    offset: u64,
    len: u64,
    what: &'static str,
) -> Result<&'a [u8], Error> {
    let range = || {
        let start = usize::try_from(offset).ok()?;
        bytes.get(start..start.checked_add(usize::try_from(len).ok()?)?)
    };
    range().ok_or(Error::Truncated { what, offset })
}

/// The NUL-terminated text at `offset` of a table.
pub(super) fn text(table: &[u8], offset: u64) -> Result<&[u8], Error> {
    if table.is_empty() {
        return Ok(&[]);
    }
    let what = "ELF name";
    let rest = usize::try_from(offset)
        .ok()
        .and_then(|start| table.get(start..))
        .ok_or(Error::Truncated { what, offset })?;
    let end = rest.iter().position(|byte| *byte == 0);
    Ok(&rest[..end.ok_or(Error::Truncated { what, offset })?])
}

fn items<'a, T>(bytes: &'a [u8], what: &'static str) -> Result<&'a [T], Error>
where
    T: FromBytes + zerocopy::Immutable + zerocopy::Unaligned,
{
    <[T]>::ref_from_bytes(bytes).map_err(|_| Error::Invalid {
        what,
        value: bytes.len() as u64,
    })
}
