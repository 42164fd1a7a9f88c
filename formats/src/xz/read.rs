//! Streams walked block by block and chunk by chunk, without decompressing.

use std::io::Read;

use super::{
    Error,
    raw::{
        ALIGNMENT, CHECK_LEN, DICTIONARY_MAX, FILTERS, FOOTER_MAGIC, HAS_COMPRESSED_SIZE,
        HAS_UNCOMPRESSED_SIZE, LZMA2, MAGIC, RESERVED_FLAGS, VLI_LEN_MAX,
    },
};
use crate::input::Input;

/// What a reader puts up with.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Blocks of one stream.
    pub blocks: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { blocks: 1 << 20 }
    }
}

/// A block's structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Where its header starts.
    pub offset: u64,
    /// Length of its header in bytes.
    pub header_len: u64,
    /// Whether the header states both sizes.
    pub sized: bool,
    /// `Dictionary Size` as stored: 2 or 3 times a power of two.
    pub dictionary: u8,
    /// Bytes of its chunks, with the one that ends them.
    pub compressed: u64,
    /// Bytes that the chunks stand for.
    pub uncompressed: u64,
    /// Chunks that are stored.
    pub stored: u64,
    /// Chunks that are compressed.
    pub packed: u64,
}

/// A stream's structure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// ID of the check that ends each block: 0 none, 1 CRC32, 4 CRC64, 10 SHA-256.
    pub check: u8,
    /// The blocks, in order.
    pub blocks: Vec<Block>,
    /// Where the index starts.
    pub index: u64,
    /// Length of the whole stream in bytes.
    pub len: u64,
}

/// The stream that `input` starts with; nothing behind it is read.
pub fn read_stream(input: impl Read, limits: Limits) -> Result<Stream, Error> {
    let mut input = Input::new(input);
    let check = stream_header(&mut input)?;
    let mut blocks = Vec::new();
    let index = loop {
        let offset = input.position();
        let [size] = input.array()?;
        if size == 0 {
            break offset;
        }
        if blocks.len() as u64 == limits.blocks {
            return Err(Error::TooMany {
                what: "blocks",
                limit: limits.blocks,
            });
        }
        blocks.push(block(&mut input, offset, size, check)?);
    };
    read_index(&mut input, index, &blocks, check)?;
    let index_len = input.position() - index;
    footer(&mut input, index_len, check)?;
    Ok(Stream {
        check,
        blocks,
        index,
        len: input.position(),
    })
}

fn stream_header(input: &mut Input<impl Read>) -> Result<u8, Error> {
    if input.array()? != MAGIC {
        return Err(Error::Invalid {
            what: "magic",
            offset: 0,
        });
    }
    let flags: [u8; 2] = input.array()?;
    checksum(input, "stream header", &flags)?;
    match flags {
        [0, check] if check < 16 => Ok(check),
        _ => Err(Error::Unsupported {
            what: "stream flags",
            id: u64::from(u16::from_be_bytes(flags)),
            offset: 6,
        }),
    }
}

/// Reads a CRC32 and holds it against that of `bytes`.
fn checksum(input: &mut Input<impl Read>, what: &'static str, bytes: &[u8]) -> Result<(), Error> {
    let offset = input.position();
    let stated = u32::from_le_bytes(input.array()?);
    if stated == crc32fast::hash(bytes) {
        Ok(())
    } else {
        Err(Error::Checksum { what, offset })
    }
}

fn block(input: &mut Input<impl Read>, offset: u64, size: u8, check: u8) -> Result<Block, Error> {
    let mut header = vec![0; usize::from(size) * 4];
    header[0] = size;
    input.exact(&mut header[1..])?;
    checksum(input, "block header", &header)?;
    let stated = BlockHeader::parse(&header, offset)?;
    let mut block = Block {
        offset,
        header_len: input.position() - offset,
        sized: stated.compressed.is_some() && stated.uncompressed.is_some(),
        dictionary: stated.dictionary,
        compressed: 0,
        uncompressed: 0,
        stored: 0,
        packed: 0,
    };
    chunks(input, &mut block)?;
    agree("compressed size", stated.compressed, block.compressed)?;
    agree("uncompressed size", stated.uncompressed, block.uncompressed)?;
    padding(input, block.compressed, "block padding")?;
    input.skip(CHECK_LEN[usize::from(check)])?;
    Ok(block)
}

fn agree(what: &'static str, stated: Option<u64>, found: u64) -> Result<(), Error> {
    match stated {
        Some(stated) if stated != found => Err(Error::Contradiction {
            what,
            stated,
            found,
        }),
        _ => Ok(()),
    }
}

/// Zeros from `len` up to the next multiple of 4.
fn padding(input: &mut Input<impl Read>, len: u64, what: &'static str) -> Result<(), Error> {
    for _ in len..len.next_multiple_of(ALIGNMENT) {
        let offset = input.position();
        if input.array()? != [0] {
            return Err(Error::Invalid { what, offset });
        }
    }
    Ok(())
}

struct BlockHeader {
    compressed: Option<u64>,
    uncompressed: Option<u64>,
    dictionary: u8,
}

impl BlockHeader {
    /// `header` without its CRC32; `offset` is where it stands.
    fn parse(header: &[u8], offset: u64) -> Result<Self, Error> {
        let mut fields = Fields {
            bytes: header,
            at: 1,
            offset,
        };
        let flags = fields.byte()?;
        if flags & RESERVED_FLAGS != 0 {
            return Err(Error::Unsupported {
                what: "block flags",
                id: u64::from(flags),
                offset: offset + 1,
            });
        }
        let size = |present: u8, fields: &mut Fields<'_>| {
            (flags & present != 0).then(|| fields.vli()).transpose()
        };
        let compressed = size(HAS_COMPRESSED_SIZE, &mut fields)?;
        let uncompressed = size(HAS_UNCOMPRESSED_SIZE, &mut fields)?;
        for _ in 0..flags & FILTERS {
            let _branch_filter = fields.vli()?;
            let properties_len = fields.vli()?;
            fields.skip(properties_len)?;
        }
        let place = fields.place();
        let (filter, properties_len, dictionary) = (fields.vli()?, fields.vli()?, fields.byte()?);
        if filter != LZMA2 {
            return Err(Error::Unsupported {
                what: "filter",
                id: filter,
                offset: place,
            });
        }
        if properties_len != 1 || dictionary > DICTIONARY_MAX || !fields.rest_is_zero() {
            return Err(Error::Invalid {
                what: "block header",
                offset,
            });
        }
        Ok(Self {
            compressed,
            uncompressed,
            dictionary,
        })
    }
}

/// Fields of a block header, in order.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
    offset: u64,
}

impl Fields<'_> {
    fn place(&self) -> u64 {
        self.offset + self.at as u64
    }

    fn ended(&self) -> Error {
        Error::Invalid {
            what: "block header",
            offset: self.place(),
        }
    }

    fn byte(&mut self) -> Result<u8, Error> {
        let byte = *self.bytes.get(self.at).ok_or_else(|| self.ended())?;
        self.at += 1;
        Ok(byte)
    }

    fn vli(&mut self) -> Result<u64, Error> {
        let place = self.place();
        vli(place, || self.byte())
    }

    fn skip(&mut self, len: u64) -> Result<(), Error> {
        let left = self.bytes.len() - self.at;
        match usize::try_from(len) {
            Ok(len) if len <= left => {
                self.at += len;
                Ok(())
            }
            _ => Err(self.ended()),
        }
    }

    fn rest_is_zero(&self) -> bool {
        self.bytes[self.at..].iter().all(|byte| *byte == 0)
    }
}

/// A multibyte integer in its shortest form (section 1.2).
fn vli(place: u64, mut byte: impl FnMut() -> Result<u8, Error>) -> Result<u64, Error> {
    let mut value = 0;
    for index in 0..VLI_LEN_MAX {
        let next = byte()?;
        value |= u64::from(next & 0x7f) << (7 * index);
        if next & 0x80 == 0 {
            if next == 0 && index > 0 {
                break;
            }
            return Ok(value);
        }
    }
    Err(Error::Invalid {
        what: "integer",
        offset: place,
    })
}

/// LZMA2 chunks up to the byte that ends them.
fn chunks(input: &mut Input<impl Read>, block: &mut Block) -> Result<(), Error> {
    let start = input.position();
    let mut first = true;
    loop {
        let offset = input.position();
        let invalid = Error::Invalid {
            what: "LZMA2 chunk",
            offset,
        };
        let [control] = input.array()?;
        // The first chunk must reset the dictionary.
        match control {
            0 => break,
            0x01 => {}
            0x02 if !first => {}
            0x80.. if !first || control >= 0xe0 => {}
            _ => return Err(invalid),
        }
        first = false;
        if control < 0x80 {
            let len = u64::from(u16::from_be_bytes(input.array()?)) + 1;
            block.stored += 1;
            block.uncompressed += len;
            input.skip(len)?;
        } else {
            let high = u64::from(control & 0x1f) << 16;
            block.packed += 1;
            block.uncompressed += high + u64::from(u16::from_be_bytes(input.array()?)) + 1;
            let len = u64::from(u16::from_be_bytes(input.array()?)) + 1;
            let properties = u64::from(control >= 0xc0);
            input.skip(properties + len)?;
        }
    }
    block.compressed = input.position() - start;
    Ok(())
}

/// The index behind its first byte, held against `blocks`.
fn read_index(
    input: &mut Input<impl Read>,
    start: u64,
    blocks: &[Block],
    check: u8,
) -> Result<(), Error> {
    let mut bytes = vec![0];
    let mut number = |input: &mut Input<_>| {
        let place = input.position();
        vli(place, || {
            let [byte] = input.array()?;
            bytes.push(byte);
            Ok(byte)
        })
    };
    let stated = Some(number(input)?);
    agree("number of blocks", stated, blocks.len() as u64)?;
    for block in blocks {
        let unpadded = block.header_len + block.compressed + CHECK_LEN[usize::from(check)];
        agree("index, unpadded size", Some(number(input)?), unpadded)?;
        agree(
            "index, uncompressed size",
            Some(number(input)?),
            block.uncompressed,
        )?;
    }
    padding(input, input.position() - start, "index padding")?;
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    checksum(input, "index", &bytes)
}

fn footer(input: &mut Input<impl Read>, index_len: u64, check: u8) -> Result<(), Error> {
    let place = input.position();
    let stated_sum = u32::from_le_bytes(input.array()?);
    let fields: [u8; 6] = input.array()?;
    if stated_sum != crc32fast::hash(&fields) {
        return Err(Error::Checksum {
            what: "stream footer",
            offset: place,
        });
    }
    let [a, b, c, d, flags @ ..] = fields;
    let backward = (u64::from(u32::from_le_bytes([a, b, c, d])) + 1) * 4;
    agree("footer, index length", Some(backward), index_len)?;
    let magic: [u8; 2] = input.array()?;
    if flags != [0, check] || magic != FOOTER_MAGIC {
        return Err(Error::Invalid {
            what: "stream footer",
            offset: place,
        });
    }
    Ok(())
}

/// Body of the fuzz target `xz`.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let limits = Limits { blocks: 1000 };
    let stream = read_stream(data, limits);
    let Ok(stream) = stream else { return };
    assert!(!stream.dump().is_empty());
    assert!(stream.len <= data.len() as u64 && stream.len.is_multiple_of(ALIGNMENT));
    let mut end = 12;
    for block in &stream.blocks {
        assert_eq!(block.offset, end);
        let padded = block.compressed.next_multiple_of(ALIGNMENT);
        end += block.header_len + padded + CHECK_LEN[usize::from(stream.check)];
    }
    assert_eq!(stream.index, end);
}
