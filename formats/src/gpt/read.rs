//! The reader: total, bounded, over any source of bytes.

use std::{io, ops::Range};

use zerocopy::FromBytes;

use super::raw::{ENTRY_LEN, Entry, HEADER_LEN, Header, SIGNATURE};
use crate::{mbr::Mbr, read_at::ReadAt};

/// How much of a table is looked at before it is refused.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of all entries.
    pub entries_len: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries_len: 1 << 20,
        }
    }
}

/// What a disk's tables say.
#[derive(Debug)]
pub struct Contents {
    /// Bytes of a sector.
    pub sector_len: u64,
    /// Sector 0.
    pub mbr: Mbr,
    /// The header in sector 1.
    pub header: Header,
    /// The header that it names as its copy, if it is one: a disk that grew has it elsewhere than at its end.
    pub backup: Result<Header, ReadError>,
    /// Used entries with their number, from 1.
    pub partitions: Vec<(usize, Entry)>,
}

impl Contents {
    /// Where a partition lies in the source, in bytes.
    pub fn range(&self, entry: &Entry) -> Range<u64> {
        // Within the source, by the reader's checks.
        entry.first.get() * self.sector_len..(entry.last.get() + 1) * self.sector_len
    }
}

/// What is not a GUID partition table.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source did not give its bytes.
    #[error("GPT: reading {len} bytes at {offset:#x}")]
    Source {
        /// Where.
        offset: u64,
        /// How many.
        len: usize,
        /// Why.
        source: io::Error,
    },
    /// No header in sector 1, whatever the size of a sector.
    #[error("GPT: no header at 512 or 4096")]
    NoHeader,
    /// A field that no table has.
    #[error("GPT header at sector {lba}: {field} is {found:#x}")]
    Field {
        /// The header's sector.
        lba: u64,
        /// The field's name.
        field: &'static str,
        /// Its value.
        found: u64,
    },
    /// A checksum that does not fit.
    #[error(
        "GPT header at sector {lba}: checksum of the {what} is {expected:#010x}, and they have {found:#010x}"
    )]
    Checksum {
        /// The header's sector.
        lba: u64,
        /// Of what.
        what: &'static str,
        /// As stored.
        expected: u32,
        /// As computed.
        found: u32,
    },
    /// A partition outside of the source.
    #[error("GPT: partition {number} has sectors {first} to {last}, of {sectors}")]
    Range {
        /// The partition, counted from 1.
        number: usize,
        /// Its first sector.
        first: u64,
        /// Its last sector.
        last: u64,
        /// Sectors of the source.
        sectors: u64,
    },
    /// The table's copy says something else.
    #[error("GPT: the copy at sector {lba} does not agree")]
    Disagrees {
        /// Its sector.
        lba: u64,
    },
    /// More than [`Limits`] allow.
    #[error("GPT: entries of {found} bytes, more than {limit}")]
    Limit {
        /// Bytes of all entries.
        found: u64,
        /// How many are allowed.
        limit: u64,
    },
}

/// Reads the tables of a disk.
pub fn read(source: &(impl ReadAt + ?Sized), limits: &Limits) -> Result<Contents, ReadError> {
    let sector_len = [512, 4096]
        .into_iter()
        .find(|sector| {
            fetch(source, *sector, SIGNATURE.len()).is_ok_and(|bytes| bytes == SIGNATURE)
        })
        .ok_or(ReadError::NoHeader)?;
    let mbr = fetch(source, 0, size_of::<Mbr>())?;
    let mbr = Mbr::read_from_bytes(&mbr).expect("a record's length");
    let table = Table {
        source,
        sector_len,
        limits,
    };
    let header = table.header(1)?;
    let partitions = table.partitions(&header)?;
    let backup = table.backup(&header);
    Ok(Contents {
        sector_len,
        mbr,
        header,
        backup,
        partitions,
    })
}

struct Table<'a, R: ?Sized> {
    source: &'a R,
    sector_len: u64,
    limits: &'a Limits,
}

impl<R: ReadAt + ?Sized> Table<'_, R> {
    fn offset(&self, lba: u64) -> u64 {
        // What is beyond 64 bits is beyond any source.
        lba.saturating_mul(self.sector_len)
    }

    fn header(&self, lba: u64) -> Result<Header, ReadError> {
        let bytes = fetch(self.source, self.offset(lba), HEADER_LEN as usize)?;
        let header = Header::read_from_bytes(&bytes).expect("a header's length");
        let field = |field, found: u64| ReadError::Field { lba, field, found };
        if header.signature != SIGNATURE {
            return Err(field("signature", u64::from_le_bytes(header.signature)));
        }
        // Later revisions may have longer headers; none exists.
        if header.header_len.get() != HEADER_LEN {
            return Err(field("header length", header.header_len.get().into()));
        }
        let (expected, found) = (header.crc.get(), header.checksum());
        if expected != found {
            return Err(ReadError::Checksum {
                lba,
                what: "header",
                expected,
                found,
            });
        }
        if header.lba.get() != lba {
            return Err(field("own sector", header.lba.get()));
        }
        let entry_len = header.entry_len.get();
        if entry_len < ENTRY_LEN || !entry_len.is_power_of_two() {
            return Err(field("entry length", entry_len.into()));
        }
        Ok(header)
    }

    fn partitions(&self, header: &Header) -> Result<Vec<(usize, Entry)>, ReadError> {
        let entry_len = u64::from(header.entry_len.get());
        let len = u64::from(header.entry_count.get()) * entry_len;
        if len > self.limits.entries_len {
            return Err(ReadError::Limit {
                found: len,
                limit: self.limits.entries_len,
            });
        }
        let len = usize::try_from(len).expect("within the limit");
        let bytes = fetch(self.source, self.offset(header.entries_lba.get()), len)?;
        let (expected, found) = (header.entries_crc.get(), crc32fast::hash(&bytes));
        if expected != found {
            return Err(ReadError::Checksum {
                lba: header.lba.get(),
                what: "entries",
                expected,
                found,
            });
        }
        let sectors = self.source.len() / self.sector_len;
        let slots = bytes.chunks_exact(usize::try_from(entry_len).expect("within the limit"));
        let mut partitions = Vec::new();
        for (slot, number) in slots.zip(1..) {
            let (entry, _) = Entry::read_from_prefix(slot).expect("at least an entry's length");
            if entry.kind == [0; 16] {
                continue;
            }
            let (first, last) = (entry.first.get(), entry.last.get());
            if first > last || last >= sectors {
                return Err(ReadError::Range {
                    number,
                    first,
                    last,
                    sectors,
                });
            }
            partitions.push((number, entry));
        }
        Ok(partitions)
    }

    /// The copy that `header` names, if it says the same.
    fn backup(&self, header: &Header) -> Result<Header, ReadError> {
        let lba = header.alternate_lba.get();
        let copy = self.header(lba)?;
        let as_first = Header {
            crc: header.crc,
            lba: header.lba,
            alternate_lba: header.alternate_lba,
            entries_lba: header.entries_lba,
            ..copy
        };
        if as_first != *header || copy.alternate_lba != header.lba {
            return Err(ReadError::Disagrees { lba });
        }
        // Their checksum is the same, so only this can differ.
        self.partitions(&copy)?;
        Ok(copy)
    }
}

fn fetch(source: &(impl ReadAt + ?Sized), offset: u64, len: usize) -> Result<Vec<u8>, ReadError> {
    let error = |source| ReadError::Source {
        offset,
        len,
        source,
    };
    // No buffer for what a field only claims to be there.
    if source.len().saturating_sub(offset) < len as u64 {
        return Err(error(io::ErrorKind::UnexpectedEof.into()));
    }
    let mut bytes = vec![0; len];
    source.read_at(offset, &mut bytes).map_err(error)?;
    Ok(bytes)
}

/// What the fuzz target checks: any bytes are read or refused, and partitions lie within them.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let Ok(contents) = read(data, &Limits::default()) else {
        return;
    };
    for (_, entry) in &contents.partitions {
        let range = contents.range(entry);
        assert!(range.start < range.end && range.end <= data.len() as u64);
    }
    assert!(!contents.dump().is_empty());
}
