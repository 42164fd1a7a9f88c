//! Images followed from the header to every grain's marker.

use std::io;

use zerocopy::FromBytes as _;

use super::{
    Error,
    raw::{DEFLATE, FLAGS, GRAIN, Header, LINE_ENDS, MAGIC, SECTOR, TABLE_ENTRIES, VERSION},
};
use crate::read_at::ReadAt;

/// What a reader puts up with.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Sectors of the disk.
    pub capacity: u64,
    /// Sectors of the descriptor.
    pub descriptor_sectors: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            capacity: 1 << 32,
            descriptor_sectors: 128,
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
    /// Bytes of their compressed content together.
    pub compressed: u64,
}

/// An image's structure.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its header.
    pub header: Header,
    /// The descriptor, without the zeros behind it.
    pub descriptor: Vec<u8>,
    /// What of the disk is there, in order; the rest is zeros.
    pub grains: Vec<Grains>,
}

/// The image in `source`, whose tables stand before its grains.
pub fn read<S: ReadAt + ?Sized>(source: &S, limits: Limits) -> Result<Image, Error> {
    let header = header(source, limits)?;
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
            let (compressed, next) = grain(source, lba, sector, table)?;
            if lba >= header.capacity.get() {
                return Err(Error::Invalid {
                    what: "grain table entry",
                    offset: table,
                    value: sector,
                });
            }
            push(&mut grains, lba, sector, next, compressed);
        }
    }
    Ok(Image {
        header,
        descriptor,
        grains,
    })
}

fn header<S: ReadAt + ?Sized>(source: &S, limits: Limits) -> Result<Header, Error> {
    let header = bytes(source, 0, SECTOR)?;
    let header = Header::read_from_bytes(&header).expect("as long as a header");
    let expected = [
        (
            "magic",
            0,
            u32::from_le_bytes(header.magic).into(),
            u32::from_le_bytes(MAGIC).into(),
        ),
        ("version", 4, header.version.get().into(), VERSION.into()),
        ("flags", 8, header.flags.get().into(), FLAGS.into()),
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
                offset,
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

/// Bytes of compressed content of the grain at `sector`, and the sector behind it.
fn grain<S: ReadAt + ?Sized>(
    source: &S,
    lba: u64,
    sector: u64,
    table: u64,
) -> Result<(u64, u64), Error> {
    let marker = bytes(source, sector * SECTOR, 12)?;
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
    let end = sector * SECTOR + 12 + size;
    if end > source.len() {
        return Err(Error::Input {
            offset: sector * SECTOR,
            source: io::ErrorKind::UnexpectedEof.into(),
        });
    }
    Ok((size, end.div_ceil(SECTOR)))
}

fn push(grains: &mut Vec<Grains>, lba: u64, sector: u64, next: u64, compressed: u64) {
    let len = next - sector;
    match grains.last_mut() {
        Some(last)
            if last.lba + last.count * GRAIN == lba && last.sector + last.count * len == sector =>
        {
            last.count += 1;
            last.compressed += compressed;
        }
        _ => grains.push(Grains {
            lba,
            sector,
            count: 1,
            compressed,
        }),
    }
}

/// Body of the fuzz target `vmdk`.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let limits = Limits {
        capacity: 1 << 22,
        descriptor_sectors: 64,
    };
    let image = read(data, limits);
    assert_eq!(image.is_ok(), super::dump(data, limits).is_ok());
    let Ok(image) = image else { return };
    let ascend = |pair: &[Grains]| pair[0].lba + pair[0].count * GRAIN <= pair[1].lba;
    assert!(image.grains.windows(2).all(ascend));
    let capacity = image.header.capacity.get().next_multiple_of(GRAIN);
    for grains in &image.grains {
        assert!(grains.lba + grains.count * GRAIN <= capacity);
    }
}
