//! The boot catalogue: which images firmware may start (El Torito 1.0, 2.0; UEFI 2.10, 13.3.2).

use zerocopy::{
    FromZeros, IntoBytes,
    little_endian::{U16, U32},
};

use super::{
    Error,
    raw::{
        BLOCK_LEN, BOOTABLE, CATALOG_ENTRY_LEN, ImageEntry, LAST_SECTION, MORE_SECTIONS,
        SectionHeader, ValidationEntry,
    },
};
use crate::mbr;

/// Virtual sectors that boot images are counted in.
const SECTOR: u64 = 512;

/// What firmware finds when it looks for something to boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    /// What is booted when nobody asks.
    pub default: BootEntry,
    /// What there is beside it.
    pub more: Vec<BootEntry>,
}

/// Name of the catalogue as a file of the root directory.
pub const CATALOG_NAME: &str = "boot.catalog";

/// An image that can be booted without emulation of a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootEntry {
    /// Who it is for.
    pub platform: Platform,
    /// Where it is.
    pub image: BootImage,
    /// How much of it is told.
    pub load: LoadSectors,
}

/// Firmware that an image is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// BIOS.
    X86,
    /// UEFI.
    Efi,
}

/// Where a boot image lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootImage {
    /// An appended partition, counted from 0.
    Appended(usize),
    /// A file of the tree.
    File(String),
}

/// The number of 512-byte sectors in the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadSectors {
    /// As many as the image has. Where 16 bits cannot say that, 0: to UEFI, all up to the end of the volume, which is why the
    /// volume space size must cover appended partitions.
    Whole,
    /// This many: what a BIOS loads before the image loads the rest.
    Count(u16),
}

impl Platform {
    pub(super) fn id(self) -> u8 {
        match self {
            Self::X86 => 0x00,
            Self::Efi => 0xef,
        }
    }
}

/// Block and length in bytes of a boot image.
pub(super) type Place = (u32, u64);

impl Catalog {
    /// The catalogue's block without what fills it, when the images of its entries lie at `places`.
    pub(super) fn bytes(&self, places: &[Place]) -> Result<Vec<u8>, Error> {
        let mut bytes = validation(self.default.platform).as_bytes().to_vec();
        for (index, (entry, place)) in self.entries().zip(places).enumerate() {
            let more = index < self.more.len();
            if index == 0 {
                bytes.extend_from_slice(entry.image_entry(*place).as_bytes());
                continue;
            }
            let header = SectionHeader {
                indicator: if more { MORE_SECTIONS } else { LAST_SECTION },
                platform: entry.platform.id(),
                entries: U16::new(1),
                id: [0; 28],
            };
            bytes.extend_from_slice(header.as_bytes());
            bytes.extend_from_slice(entry.image_entry(*place).as_bytes());
        }
        if bytes.len() > BLOCK_LEN {
            let (entries, max) = (
                bytes.len() / CATALOG_ENTRY_LEN,
                BLOCK_LEN / CATALOG_ENTRY_LEN,
            );
            return Err(Error::Catalog { entries, max });
        }
        Ok(bytes)
    }

    /// All entries, the default one first.
    pub fn entries(&self) -> impl Iterator<Item = &BootEntry> {
        std::iter::once(&self.default).chain(&self.more)
    }
}

impl BootEntry {
    fn image_entry(&self, (block, len): Place) -> ImageEntry {
        let count = match self.load {
            LoadSectors::Whole => u16::try_from(len.div_ceil(SECTOR)).unwrap_or(0),
            LoadSectors::Count(count) => count,
        };
        let mut entry = ImageEntry::new_zeroed();
        entry.indicator = BOOTABLE;
        entry.sector_count = U16::new(count);
        entry.block = U32::new(block);
        entry
    }
}

fn validation(platform: Platform) -> ValidationEntry {
    let mut entry = ValidationEntry::new_zeroed();
    entry.header = 1;
    entry.platform = platform.id();
    entry.signature = mbr::SIGNATURE;
    entry.checksum = U16::new(word_sum(entry.as_bytes()).wrapping_neg());
    entry
}

/// The sum of all little-endian words: 0 for a whole validation entry.
pub(super) fn word_sum(bytes: &[u8]) -> u16 {
    bytes.chunks_exact(2).fold(0, |sum, word| {
        sum.wrapping_add(u16::from_le_bytes([word[0], word[1]]))
    })
}
