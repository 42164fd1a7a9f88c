//! The reader: total, bounded, over any source of bytes.

use std::{io, ops::Range};

use zerocopy::FromBytes;

use super::{
    catalog::word_sum,
    raw::{
        BLOCK, BLOCK_LEN, BOOTABLE, BootRecord, CATALOG_ENTRY_LEN, EL_TORITO, FIRST_DESCRIPTOR,
        ImageEntry, LAST_SECTION, MORE_SECTIONS, PrimaryVolumeDescriptor, STANDARD_ID,
        SectionHeader, ValidationEntry, kind,
    },
    rock_ridge::Attributes,
    walk::Walk,
};
use crate::{
    civil::Civil,
    mbr::{self, Mbr},
    read_at::ReadAt,
};

/// How much of an image is looked at before it is refused.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Files, directories and links of one volume.
    pub entries: usize,
    /// Names of a path.
    pub depth: usize,
    /// Bytes of all directories of one volume.
    pub directories_len: u64,
    /// Bytes of the continuation areas of one record.
    pub continuation_len: u64,
    /// Volume descriptors before their terminator.
    pub descriptors: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 65_536,
            depth: 32,
            directories_len: 64 << 20,
            continuation_len: 64 << 10,
            descriptors: 64,
        }
    }
}

/// What an image holds.
#[derive(Debug, Clone)]
pub struct Contents {
    /// The master boot record, where block 0 has one.
    pub mbr: Option<Mbr>,
    /// The volume, and the one that partition 1 is when it starts elsewhere.
    pub volumes: Vec<Volume>,
    /// What firmware can boot, the default entry first.
    pub catalog: Vec<CatalogEntry>,
}

/// Descriptors and directories of one set.
#[derive(Debug, Clone)]
pub struct Volume {
    /// Block that addresses count from.
    pub base: u32,
    /// The descriptor.
    pub descriptor: PrimaryVolumeDescriptor,
    /// Everything below the root directory, sorted by path.
    pub entries: Vec<Entry>,
}

/// A file, a directory or a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Names from the root on, separated by `/`: Rock Ridge's, or the identifiers where there is none.
    pub path: String,
    /// The identifier of the record.
    pub identifier: String,
    /// What it is.
    pub kind: Kind,
    /// Mode, owner and group, where Rock Ridge says them.
    pub attributes: Option<Attributes>,
    /// Date of the record.
    pub modified: Civil,
    /// Bytes.
    pub len: u64,
    /// Where they lie in the source.
    pub runs: Vec<Range<u64>>,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Bytes.
    File,
    /// More entries.
    Directory,
    /// Another path.
    Symlink(String),
}

/// An image of the boot catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatalogEntry {
    /// 0 BIOS, EF UEFI.
    pub platform: u8,
    /// Whether firmware may start it.
    pub bootable: bool,
    /// 0: no emulation of a disk.
    pub media: u8,
    /// 512-byte sectors.
    pub sectors: u16,
    /// First block.
    pub block: u32,
}

/// What is not an ISO 9660 image, or too much of one.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source did not give its bytes.
    #[error("ISO 9660: reading {len} bytes at {offset:#x}")]
    Source {
        /// Where.
        offset: u64,
        /// How many.
        len: usize,
        /// Why.
        source: io::Error,
    },
    /// No primary volume descriptor.
    #[error("ISO 9660: no primary volume descriptor from block {block} on")]
    NoDescriptor {
        /// Where one was expected.
        block: u32,
    },
    /// A field that no image we read has.
    #[error("ISO 9660: {field} is {found:#x}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// Its value.
        found: u64,
    },
    /// A directory whose records are not some.
    #[error("ISO 9660: {path:?}: broken record at {offset:#x}")]
    Record {
        /// The directory.
        path: String,
        /// Where in the source.
        offset: u64,
    },
    /// A file or directory that lies beyond the source.
    #[error("ISO 9660: {path:?}: {len} bytes at {offset:#x} of a source of {source_len}")]
    Extent {
        /// Its path.
        path: String,
        /// Where it should start.
        offset: u64,
        /// How long it should be.
        len: u64,
        /// How long the source is.
        source_len: u64,
    },
    /// A directory that is below itself, or has two names.
    #[error("ISO 9660: {path:?}: directory seen before")]
    Shared {
        /// Its second path.
        path: String,
    },
    /// The boot catalogue does not validate.
    #[error("ISO 9660: boot catalogue at block {block} does not validate")]
    Catalog {
        /// Where.
        block: u32,
    },
    /// More than [`Limits`] allow.
    #[error("ISO 9660: more than {limit} {what}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How many are allowed.
        limit: u64,
    },
}

/// Reads an image from its start.
pub fn read(source: &(impl ReadAt + ?Sized), limits: &Limits) -> Result<Contents, ReadError> {
    let descriptors = Descriptors::read(source, 0, limits)?;
    let catalog = match descriptors.catalog {
        Some(block) => catalog(source, block)?,
        None => Vec::new(),
    };
    let mut volumes = vec![Walk::volume(source, limits, 0, &descriptors.primary)?];
    let mbr =
        Mbr::read_from_bytes(&fetch(source, 0, size_of::<Mbr>())?).expect("read as many bytes");
    let mbr = Some(mbr).filter(|mbr| mbr.signature == mbr::SIGNATURE);
    let start = mbr.map_or(0, |mbr| mbr.partitions[0].start.get());
    let base = start / 4;
    // A partition of anything else has no descriptor there.
    if base > 0
        && start.is_multiple_of(4)
        && let Ok(second) = Descriptors::read(source, base, limits)
    {
        volumes.push(Walk::volume(source, limits, base, &second.primary)?);
    }
    Ok(Contents {
        mbr,
        volumes,
        catalog,
    })
}

struct Descriptors {
    primary: PrimaryVolumeDescriptor,
    /// Block of the boot catalogue.
    catalog: Option<u32>,
}

impl Descriptors {
    fn read(
        source: &(impl ReadAt + ?Sized),
        base: u32,
        limits: &Limits,
    ) -> Result<Self, ReadError> {
        let first = base.saturating_add(FIRST_DESCRIPTOR);
        let (mut primary, mut catalog) = (None, None);
        for block in (first..).take(limits.descriptors as usize) {
            let bytes = fetch(source, u64::from(block) * BLOCK, BLOCK_LEN)?;
            if bytes[1..6] != STANDARD_ID {
                break;
            }
            match bytes[0] {
                kind::BOOT_RECORD => {
                    let record = BootRecord::read_from_bytes(&bytes).expect("a block");
                    if record.boot_system_id == EL_TORITO {
                        catalog.get_or_insert(record.catalog.get());
                    }
                }
                kind::PRIMARY => {
                    primary.get_or_insert(
                        PrimaryVolumeDescriptor::read_from_bytes(&bytes).expect("a block"),
                    );
                }
                kind::TERMINATOR => break,
                _ => {}
            }
        }
        let primary = primary.ok_or(ReadError::NoDescriptor { block: first })?;
        let block_size = primary.logical_block_size.get();
        if u64::from(block_size) != BLOCK {
            return Err(ReadError::Field {
                field: "logical block size",
                found: u64::from(block_size),
            });
        }
        Ok(Self { primary, catalog })
    }
}

fn catalog(source: &(impl ReadAt + ?Sized), block: u32) -> Result<Vec<CatalogEntry>, ReadError> {
    let bytes = fetch(source, u64::from(block) * BLOCK, BLOCK_LEN)?;
    let mut slots = bytes.chunks_exact(CATALOG_ENTRY_LEN);
    let validation = slots.next().expect("a block has several");
    let sum = word_sum(validation);
    let validation = ValidationEntry::read_from_bytes(validation).expect("an entry");
    if validation.header != 1 || validation.signature != mbr::SIGNATURE || sum != 0 {
        return Err(ReadError::Catalog { block });
    }
    let entry = |platform, slot: &[u8]| {
        let entry = ImageEntry::read_from_bytes(slot).expect("an entry");
        CatalogEntry {
            platform,
            bootable: entry.indicator == BOOTABLE,
            media: entry.media,
            sectors: entry.sector_count.get(),
            block: entry.block.get(),
        }
    };
    let mut entries: Vec<CatalogEntry> = slots
        .next()
        .map(|slot| entry(validation.platform, slot))
        .into_iter()
        .collect();
    while let Some(slot) = slots.next() {
        let header = SectionHeader::read_from_bytes(slot).expect("an entry");
        if !matches!(header.indicator, MORE_SECTIONS | LAST_SECTION) {
            break;
        }
        let images = slots.by_ref().take(usize::from(header.entries.get()));
        entries.extend(images.map(|slot| entry(header.platform, slot)));
        if header.indicator == LAST_SECTION {
            break;
        }
    }
    Ok(entries)
}

pub(super) fn fetch(
    source: &(impl ReadAt + ?Sized),
    offset: u64,
    len: usize,
) -> Result<Vec<u8>, ReadError> {
    if offset + len as u64 > source.len() {
        // Before a buffer is made for bytes that are not there.
        return Err(ReadError::Source {
            offset,
            len,
            source: io::ErrorKind::UnexpectedEof.into(),
        });
    }
    let mut bytes = vec![0; len];
    source
        .read_at(offset, &mut bytes)
        .map_err(|source| ReadError::Source {
            offset,
            len,
            source,
        })?;
    Ok(bytes)
}

/// What the fuzz target checks: any bytes are read or refused, and what is read lies within them.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let Ok(contents) = read(data, &Limits::default()) else {
        return;
    };
    for entry in contents.volumes.iter().flat_map(|volume| &volume.entries) {
        let len: u64 = entry.runs.iter().map(|run| run.end - run.start).sum();
        assert_eq!(len, entry.len);
        assert!(
            entry
                .runs
                .iter()
                .all(|run| run.end <= data.len() as u64 || run.is_empty())
        );
    }
    assert!(!contents.dump().is_empty());
}
