//! A stub with sections appended.

use zerocopy::{IntoBytes, little_endian::U32};

use super::{
    Error, Image,
    raw::{
        CERTIFICATE_TABLE, CoffHeader, DIRECTORIES, DataDirectory, DosHeader, INITIALIZED_DATA,
        MEM_READ, OptionalHeader, SIGNATURE, SectionHeader,
    },
    read::MAX_SECTIONS,
};
use crate::{Digest, Layout};

/// Where the PE signature stands in what we write: behind the DOS header and as many zeros instead of a DOS program.
const E_LFANEW: u32 = 0x80;

/// Appended sections start at pages, whatever the stub's own alignment: firmware that enforces NX refuses others.
const PAGE: u64 = 0x1000;

/// Length of the optional header with all data directories.
const OPTIONAL_LEN: usize = size_of::<OptionalHeader>() + DIRECTORIES * size_of::<DataDirectory>();

/// Length of the headers before the section table.
const FIXED_LEN: usize =
    E_LFANEW as usize + SIGNATURE.len() + size_of::<CoffHeader>() + OPTIONAL_LEN;

/// The image that sections are appended to: systemd-stub, as a rule.
#[derive(Debug, Clone, Copy)]
pub struct Stub<'a> {
    /// Its first [`HEAD_LEN`](super::HEAD_LEN) bytes, or all.
    pub head: &'a [u8],
    /// The blob that it is.
    pub digest: Digest,
    /// Its length in bytes.
    pub len: u64,
}

/// The name of a section, padded with NUL.
pub type SectionName = [u8; 8];

/// The stub's sections and behind them `added`, with nothing else changed than appending requires.
///
/// The optional header's entry point, base and data directories stay as they are, because no section of the stub moves in
/// memory. Linker version and checksum become 0; UEFI looks at neither.
pub fn append(
    stub: &Stub<'_>,
    time_date_stamp: u32,
    added: &[(SectionName, Layout)],
) -> Result<Layout, Error> {
    let image = Image::parse(stub.head, stub.len)?;
    check(&image)?;
    let plan = Plan::new(&image, added)?;

    let mut layout = Layout::new();
    layout.section("PE headers");
    layout.bytes(plan.headers(&image, time_date_stamp)?);
    let (stub_table, added_table) = plan.sections.split_at(image.sections.len());
    for (before, after) in image.sections.iter().zip(stub_table) {
        layout.pad_to(after.pointer_to_raw_data.get().into());
        layout.section(format!("{} of the stub", before.name().escape_ascii()));
        layout.blob(
            stub.digest,
            before.pointer_to_raw_data.get().into(),
            before.size_of_raw_data.get().into(),
        );
    }
    for ((_, content), header) in added.iter().zip(added_table) {
        layout.pad_to(header.pointer_to_raw_data.get().into());
        layout.section(header.name().escape_ascii().to_string());
        layout.append(content);
    }
    layout.pad_to(plan.end);
    Ok(layout)
}

/// Whether the image is one that sections can be appended to.
fn check(image: &Image) -> Result<(), Error> {
    let unfit = |why| Err(Error::UnfitStub { why });
    let optional = &image.optional;
    let (section_alignment, file_alignment) = (
        optional.section_alignment.get(),
        optional.file_alignment.get(),
    );
    if usize::from(image.coff.size_of_optional_header.get()) != OPTIONAL_LEN
        || image.directories.len() != DIRECTORIES
    {
        return unfit("its optional header is not 240 bytes with 16 data directories");
    }
    if image.coff.pointer_to_symbol_table.get() != 0 || image.coff.number_of_symbols.get() != 0 {
        return unfit("it has a symbol table");
    }
    if image.directories[CERTIFICATE_TABLE] != DataDirectory::default() {
        return unfit("it is signed");
    }
    if !section_alignment.is_power_of_two() || !file_alignment.is_power_of_two() {
        return unfit("an alignment is not a power of two");
    }
    if image.sections.is_empty() {
        return unfit("it has no sections");
    }
    let whole = |section: &SectionHeader| {
        section
            .size_of_raw_data
            .get()
            .is_multiple_of(file_alignment)
    };
    if !image.sections.iter().all(whole) {
        return unfit("a section is not padded to the file alignment");
    }
    let ends = image.sections.iter().map(memory_end);
    let starts = image
        .sections
        .iter()
        .skip(1)
        .map(|next| next.virtual_address.get());
    if ends.zip(starts).any(|(end, start)| end > u64::from(start)) {
        return unfit("its sections are not in the order of their addresses");
    }
    Ok(())
}

fn memory_end(section: &SectionHeader) -> u64 {
    u64::from(section.virtual_address.get()) + u64::from(section.virtual_size.get())
}

/// Where everything lies.
struct Plan {
    /// The new section table, the stub's sections first.
    sections: Vec<SectionHeader>,
    size_of_headers: u64,
    size_of_image: u64,
    /// Length of the file.
    end: u64,
}

impl Plan {
    fn new(image: &Image, added: &[(SectionName, Layout)]) -> Result<Self, Error> {
        let count = image.sections.len() + added.len();
        if count > usize::from(MAX_SECTIONS) {
            return Err(Error::TooManySections { count });
        }
        let file_alignment = u64::from(image.optional.file_alignment.get());
        let section_alignment = u64::from(image.optional.section_alignment.get());
        let table_len = count * size_of::<SectionHeader>();
        let size_of_headers = ((FIXED_LEN + table_len) as u64).next_multiple_of(file_alignment);
        let first = image.sections[0].virtual_address.get();
        if size_of_headers > u64::from(first) {
            return Err(Error::UnfitStub {
                why: "its first section leaves no room for more headers",
            });
        }

        let mut pointer = size_of_headers;
        let mut address = 0;
        let mut sections = Vec::with_capacity(count);
        for before in &image.sections {
            let mut section = *before;
            section.pointer_to_raw_data = word(pointer)?;
            pointer += u64::from(before.size_of_raw_data.get());
            address = memory_end(before);
            sections.push(section);
        }
        for (name, content) in added {
            address = address.next_multiple_of(section_alignment.max(PAGE));
            let size_of_raw_data = content.len().next_multiple_of(file_alignment);
            sections.push(SectionHeader {
                name: *name,
                virtual_size: word(content.len())?,
                virtual_address: word(address)?,
                size_of_raw_data: word(size_of_raw_data)?,
                pointer_to_raw_data: word(pointer)?,
                characteristics: (INITIALIZED_DATA | MEM_READ).into(),
                ..SectionHeader::default()
            });
            pointer += size_of_raw_data;
            address += content.len();
        }
        Ok(Self {
            sections,
            size_of_headers,
            size_of_image: address.next_multiple_of(section_alignment),
            end: pointer,
        })
    }

    fn size_of(&self, wanted: impl Fn(&SectionHeader) -> bool) -> u64 {
        self.sections
            .iter()
            .filter(|section| wanted(section))
            .map(|section| u64::from(section.size_of_raw_data.get()))
            .sum()
    }

    fn headers(&self, image: &Image, time_date_stamp: u32) -> Result<Vec<u8>, Error> {
        let dos = DosHeader {
            e_lfanew: E_LFANEW.into(),
            ..image.dos
        };
        let count = u16::try_from(self.sections.len()).expect("at most MAX_SECTIONS");
        let coff = CoffHeader {
            number_of_sections: count.into(),
            time_date_stamp: time_date_stamp.into(),
            ..image.coff
        };
        let optional = OptionalHeader {
            major_linker_version: 0,
            minor_linker_version: 0,
            check_sum: 0.into(),
            size_of_code: word(self.size_of(|section| !section.is_initialized_data()))?,
            size_of_initialized_data: word(self.size_of(SectionHeader::is_initialized_data))?,
            size_of_headers: word(self.size_of_headers)?,
            size_of_image: word(self.size_of_image)?,
            ..image.optional
        };
        let mut bytes = dos.as_bytes().to_vec();
        bytes.resize(E_LFANEW as usize, 0);
        bytes.extend(SIGNATURE);
        bytes.extend(coff.as_bytes());
        bytes.extend(optional.as_bytes());
        bytes.extend(image.directories.as_bytes());
        assert_eq!(bytes.len(), FIXED_LEN, "headers of a checked stub");
        bytes.extend(self.sections.as_bytes());
        Ok(bytes)
    }
}

/// Offsets, addresses and sizes have 32 bits.
fn word(value: u64) -> Result<U32, Error> {
    u32::try_from(value)
        .map(U32::new)
        .map_err(|_| Error::ImageTooLarge { reached: value })
}
