//! Images followed from the header to every grain's marker.

use std::{io, ops::Range};

use zerocopy::FromBytes as _;

use super::{
    Error,
    raw::{
        DEFLATE, DIRECTORY_AT_END, FLAGS, FOOTER_FROM_END, GRAIN, GRAIN_LEN, Header, LINE_ENDS,
        MAGIC, MARKER_LEN, SECOND_DIRECTORY, SECTOR, TABLE_ENTRIES, VERSION,
    },
};
use crate::read_at::ReadAt;

/// What a reader puts up with.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Sectors of the disk.
    pub capacity: u64,
    /// Sectors of the descriptor.
    pub descriptor_sectors: u64,
    /// Runs of grains.
    pub runs: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            capacity: 1 << 32,
            descriptor_sectors: 128,
            runs: 1 << 20,
        }
    }
}

/// Grains one behind the other, on the disk and in the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grains {
    /// Sector of the disk at which the first begins.
    pub lba: u64,
    /// Sector of the image at which its marker stands.
    pub sector: u64,
    /// How many.
    pub count: u64,
    /// Sectors that each of them takes in the image.
    pub sectors: u64,
    /// Bytes of their compressed content together.
    pub compressed: u64,
}

/// A grain: up to [`GRAIN_LEN`] bytes of the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grain {
    /// Where on the disk it begins, in bytes.
    pub at: u64,
    /// Where in the image its zlib stream lies.
    pub stream: Range<u64>,
}

/// An image's structure.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its header; from the footer when the tables stand behind the grains.
    pub header: Header,
    /// The descriptor, without the zeros behind it.
    pub descriptor: Vec<u8>,
    /// What of the disk is there, in order; the rest is zeros.
    pub grains: Vec<Grains>,
    /// Bytes of the image.
    pub len: u64,
}

impl Image {
    /// Bytes of the disk.
    pub fn disk_len(&self) -> u64 {
        self.header.capacity.get() * SECTOR
    }

    /// How many grains there are.
    pub fn grain_count(&self) -> u64 {
        self.grains.iter().map(|grains| grains.count).sum()
    }

    /// Every grain, in the order of the disk; `source` is what the image was read from.
    pub fn each_grain<'a, S: ReadAt + ?Sized>(
        &'a self,
        source: &'a S,
    ) -> impl Iterator<Item = Result<Grain, Error>> + 'a {
        let places = self.grains.iter().flat_map(|grains| {
            let place = |index| {
                (
                    grains.lba + index * GRAIN,
                    grains.sector + index * grains.sectors,
                )
            };
            (0..grains.count).map(place)
        });
        places.map(|(lba, sector)| {
            let start = sector * SECTOR;
            let len = grain(source, lba, sector, start)?;
            let start = start + MARKER_LEN;
            Ok(Grain {
                at: lba * SECTOR,
                stream: start..start + len,
            })
        })
    }
}

/// The image in `source`.
pub fn read<S: ReadAt + ?Sized>(source: &S, limits: Limits) -> Result<Image, Error> {
    let first = header(source, 0, limits)?;
    let header = if first.directory.get() == DIRECTORY_AT_END {
        let footer = source.len().saturating_sub(FOOTER_FROM_END);
        let header = header(source, footer, limits)?;
        if header.capacity != first.capacity {
            return Err(Error::Invalid {
                what: "footer, capacity",
                offset: footer + 12,
                value: header.capacity.get(),
            });
        }
        header
    } else {
        first
    };
    let place = bytes_of(header.descriptor.get(), "descriptor", 28)?;
    let sectors = header.descriptor_sectors.get();
    if sectors > limits.descriptor_sectors {
        return Err(Error::TooMany {
            what: "sectors of descriptor",
            limit: limits.descriptor_sectors,
        });
    }
    let mut descriptor = bytes(source, place, sectors * SECTOR)?;
    let end = descriptor.iter().position(|byte| *byte == 0);
    descriptor.truncate(end.unwrap_or(descriptor.len()));

    let tables = header.capacity.get().div_ceil(GRAIN * TABLE_ENTRIES);
    let directory = bytes_of(header.directory.get(), "directory", 56)?;
    let mut grains: Vec<Grains> = Vec::new();
    for (number, table) in (0..).zip(words(source, directory, tables)?) {
        if table == 0 {
            continue;
        }
        let table = u64::from(table) * SECTOR;
        for (index, sector) in (0..).zip(words(source, table, TABLE_ENTRIES)?) {
            if sector == 0 {
                continue;
            }
            let lba = (number * TABLE_ENTRIES + index) * GRAIN;
            let (sector, table) = (u64::from(sector), table + index * 4);
            let compressed = grain(source, lba, sector, table)?;
            if lba >= header.capacity.get() {
                return Err(Error::Invalid {
                    what: "grain table entry",
                    offset: table,
                    value: sector,
                });
            }
            push(&mut grains, lba, sector, compressed, limits)?;
        }
    }
    Ok(Image {
        header,
        descriptor,
        grains,
        len: source.len(),
    })
}

/// The header at `place`: 0 or the footer's.
fn header<S: ReadAt + ?Sized>(source: &S, place: u64, limits: Limits) -> Result<Header, Error> {
    let header = bytes(source, place, SECTOR)?;
    let header = Header::read_from_bytes(&header).expect("as long as a header");
    let expected = [
        (
            "magic",
            0,
            u32::from_le_bytes(header.magic).into(),
            u32::from_le_bytes(MAGIC).into(),
        ),
        ("version", 4, header.version.get().into(), VERSION.into()),
        (
            "flags",
            8,
            (header.flags.get() & !SECOND_DIRECTORY).into(),
            FLAGS.into(),
        ),
        ("grain size", 20, header.grain.get(), GRAIN),
        (
            "table length",
            44,
            header.table_entries.get().into(),
            TABLE_ENTRIES,
        ),
        (
            "line ends",
            73,
            u32::from_le_bytes(header.line_ends).into(),
            u32::from_le_bytes(LINE_ENDS).into(),
        ),
        (
            "compression",
            77,
            header.compression.get().into(),
            DEFLATE.into(),
        ),
    ];
    for (what, offset, value, expected) in expected {
        if value != expected {
            return Err(Error::Invalid {
                what,
                offset: place + offset,
                value,
            });
        }
    }
    if header.capacity.get() > limits.capacity {
        return Err(Error::TooMany {
            what: "sectors",
            limit: limits.capacity,
        });
    }
    Ok(header)
}

fn bytes_of(sector: u64, what: &'static str, offset: u64) -> Result<u64, Error> {
    sector.checked_mul(SECTOR).ok_or(Error::Invalid {
        what,
        offset,
        value: sector,
    })
}

/// `len` bytes from `offset` on, after a look at whether the input is that long.
fn bytes<S: ReadAt + ?Sized>(source: &S, offset: u64, len: u64) -> Result<Vec<u8>, Error> {
    let input = |source| Error::Input { offset, source };
    let end = offset.checked_add(len).filter(|end| *end <= source.len());
    let len = end.and_then(|_| usize::try_from(len).ok());
    let mut bytes = vec![0; len.ok_or_else(|| input(io::ErrorKind::UnexpectedEof.into()))?];
    source.read_at(offset, &mut bytes).map_err(input)?;
    Ok(bytes)
}

fn words<S: ReadAt + ?Sized>(source: &S, offset: u64, count: u64) -> Result<Vec<u32>, Error> {
    let bytes = bytes(source, offset, count * 4)?;
    let (words, _) = bytes.as_chunks::<4>();
    Ok(words.iter().map(|word| u32::from_le_bytes(*word)).collect())
}

/// Bytes of compressed content of the grain at `sector`; `table` is where that number stands.
fn grain<S: ReadAt + ?Sized>(source: &S, lba: u64, sector: u64, table: u64) -> Result<u64, Error> {
    let marker = bytes(source, sector * SECTOR, MARKER_LEN)?;
    let (place, size) = marker.split_at(8);
    let place = u64::from_le_bytes(place.try_into().expect("eight bytes"));
    let size = u64::from(u32::from_le_bytes(size.try_into().expect("four bytes")));
    if place != lba || size == 0 {
        return Err(Error::Invalid {
            what: "grain marker",
            offset: table,
            value: place,
        });
    }
    if sector * SECTOR + MARKER_LEN + size > source.len() {
        return Err(Error::Input {
            offset: sector * SECTOR,
            source: io::ErrorKind::UnexpectedEof.into(),
        });
    }
    Ok(size)
}

fn push(
    grains: &mut Vec<Grains>,
    lba: u64,
    sector: u64,
    compressed: u64,
    limits: Limits,
) -> Result<(), Error> {
    let sectors = (MARKER_LEN + compressed).div_ceil(SECTOR);
    let full = grains.len() as u64 == limits.runs;
    match grains.last_mut() {
        Some(last)
            if last.sectors == sectors
                && last.lba + last.count * GRAIN == lba
                && last.sector + last.count * sectors == sector =>
        {
            last.count += 1;
            last.compressed += compressed;
        }
        _ if full => {
            return Err(Error::TooMany {
                what: "runs of grains",
                limit: limits.runs,
            });
        }
        _ => grains.push(Grains {
            lba,
            sector,
            count: 1,
            sectors,
            compressed,
        }),
    }
    Ok(())
}

/// Body of the fuzz target `vmdk`.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let limits = Limits {
        capacity: 1 << 22,
        descriptor_sectors: 64,
        runs: 1 << 12,
    };
    let image = read(data, limits);
    let Ok(image) = image else { return };
    assert!(!image.dump().is_empty());
    let ascend = |pair: &[Grains]| pair[0].lba + pair[0].count * GRAIN <= pair[1].lba;
    assert!(image.grains.windows(2).all(ascend));
    let capacity = image.header.capacity.get().next_multiple_of(GRAIN);
    for grains in &image.grains {
        assert!(grains.lba + grains.count * GRAIN <= capacity);
    }
    let mut count = 0;
    for grain in image.each_grain(data) {
        let grain = grain.expect("markers have been read before");
        assert!(grain.at < image.disk_len() && grain.at.is_multiple_of(GRAIN_LEN));
        assert!(grain.stream.start < grain.stream.end && grain.stream.end <= data.len() as u64);
        count += 1;
    }
    assert_eq!(count, image.grain_count());
}
