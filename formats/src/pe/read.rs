//! Headers read from the start of a file.

use zerocopy::FromBytes;

use super::{
    Error,
    raw::{
        CoffHeader, DIRECTORIES, DOS_MAGIC, DataDirectory, DosHeader, OptionalHeader, PE32_PLUS,
        SIGNATURE, SectionHeader,
    },
};

/// As much of the start of a file as its headers may take; longer heads are cut. Real ones take 512 to 1536 bytes.
pub const HEAD_LEN: usize = 8 << 10;

/// Most sections of an image: the limit of the Windows loader.
pub const MAX_SECTIONS: u16 = 96;

/// The headers of a PE32+ image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The DOS header.
    pub dos: DosHeader,
    /// The COFF file header.
    pub coff: CoffHeader,
    /// The optional header.
    pub optional: OptionalHeader,
    /// The data directories that are present, at most 16.
    pub directories: Vec<DataDirectory>,
    /// The section table. Names may repeat.
    pub sections: Vec<SectionHeader>,
}

impl Image {
    /// Parses `head`, the first [`HEAD_LEN`] bytes (or all) of a file of `file_len` bytes.
    ///
    /// In the result, the raw data of each section lies inside the file.
    pub fn parse(head: &[u8], file_len: u64) -> Result<Self, Error> {
        let head = &head[..head.len().min(HEAD_LEN)];
        let dos: DosHeader = at(head, 0, "DOS header")?;
        if dos.magic != DOS_MAGIC {
            return Err(Error::InvalidMagic {
                what: "DOS",
                offset: 0,
            });
        }
        let mut offset = usize::try_from(dos.e_lfanew.get()).unwrap_or(usize::MAX);
        if at::<[u8; 4]>(head, offset, "signature")? != SIGNATURE {
            return Err(Error::InvalidMagic { what: "PE", offset });
        }
        offset += SIGNATURE.len();
        let coff: CoffHeader = at(head, offset, "COFF header")?;
        offset += size_of::<CoffHeader>();
        let optional: OptionalHeader = at(head, offset, "optional header")?;
        if optional.magic.get() != PE32_PLUS {
            return Err(Error::InvalidMagic {
                what: "PE32+",
                offset,
            });
        }
        let directories = directories(head, offset, &coff, &optional)?;
        offset += usize::from(coff.size_of_optional_header.get());
        let sections = sections(head, offset, &coff, file_len)?;
        Ok(Self {
            dos,
            coff,
            optional,
            directories,
            sections,
        })
    }

    /// The first section of this name: what a stub or `kexec` takes.
    pub fn section(&self, name: &str) -> Option<&SectionHeader> {
        self.sections
            .iter()
            .find(|section| section.name() == name.as_bytes())
    }
}

/// The structure at `offset`.
fn at<T: FromBytes>(head: &[u8], offset: usize, what: &'static str) -> Result<T, Error> {
    head.get(offset..)
        .and_then(|rest| T::read_from_prefix(rest).ok())
        .map(|(value, _)| value)
        .ok_or(Error::Truncated { what, offset })
}

fn directories(
    head: &[u8],
    offset: usize,
    coff: &CoffHeader,
    optional: &OptionalHeader,
) -> Result<Vec<DataDirectory>, Error> {
    let first = offset + size_of::<OptionalHeader>();
    let end = offset + usize::from(coff.size_of_optional_header.get());
    let stated = optional.number_of_rva_and_sizes.get();
    let count = usize::try_from(stated).unwrap_or(usize::MAX);
    let room = end.saturating_sub(first) / size_of::<DataDirectory>();
    if count > DIRECTORIES || count > room {
        return Err(Error::TooManyDirectories {
            count: stated,
            limit: room.min(DIRECTORIES),
        });
    }
    (0..count)
        .map(|index| {
            at(
                head,
                first + index * size_of::<DataDirectory>(),
                "data directory",
            )
        })
        .collect()
}

fn sections(
    head: &[u8],
    offset: usize,
    coff: &CoffHeader,
    file_len: u64,
) -> Result<Vec<SectionHeader>, Error> {
    let count = coff.number_of_sections.get();
    if count > MAX_SECTIONS {
        return Err(Error::TooManySections {
            count: usize::from(count),
        });
    }
    (0..usize::from(count))
        .map(|index| {
            let offset = offset + index * size_of::<SectionHeader>();
            let section: SectionHeader = at(head, offset, "section header")?;
            let len = section.size_of_raw_data.get();
            let end = u64::from(section.pointer_to_raw_data.get()) + u64::from(len);
            if len > 0 && end > file_len {
                return Err(Error::SectionOutsideFile {
                    name: section.name().to_vec(),
                    end,
                    file_len,
                });
            }
            Ok(section)
        })
        .collect()
}

/// Body of the fuzz target `pe`.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let file_len = data.len() as u64;
    let image = Image::parse(data, file_len);
    assert_eq!(image.is_ok(), super::dump(data, file_len).is_ok());
    let Ok(image) = image else { return };
    assert!(image.sections.len() <= usize::from(MAX_SECTIONS));
    let stub = super::Stub {
        head: data,
        digest: crate::Digest::of(data),
        len: file_len,
    };
    let mut content = crate::Layout::new();
    content.zeros(1000);
    let name = *b".fuzz\0\0\0";
    let Ok(appended) = super::append(&stub, 0, &[(name, content)]) else {
        return;
    };
    let blob = bytes::Bytes::copy_from_slice(data);
    let whole = appended.collect(|_| blob.clone());
    let written = Image::parse(&whole, appended.len()).expect("what is written can be read");
    assert_eq!(written.sections.len(), image.sections.len() + 1);
    for (before, after) in image.sections.iter().zip(&written.sections) {
        let range = |section: &SectionHeader| {
            let start = section.pointer_to_raw_data.get() as usize;
            start..start + section.size_of_raw_data.get() as usize
        };
        if before.size_of_raw_data.get() > 0 {
            assert_eq!(data[range(before)], whole[range(after)]);
        }
    }
}
