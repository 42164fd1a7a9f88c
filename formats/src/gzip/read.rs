//! Members walked block by block.

use std::io::Read;

use super::{
    Error,
    inflate::{Bits, Codes},
    raw::{FCOMMENT, FEXTRA, FHCRC, FNAME, MAGIC, RESERVED},
};
use crate::input::Input;

/// What a reader puts up with.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Blocks of one member.
    pub blocks: u64,
    /// Bytes of content.
    pub content: u64,
    /// Bytes of a name or comment.
    pub text: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            blocks: 1 << 22,
            content: 1 << 40,
            text: 4096,
        }
    }
}

/// What the content of a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockKind {
    /// The content itself.
    Stored,
    /// Compressed with the codes of the format.
    Fixed,
    /// Compressed with codes of its own.
    Dynamic,
}

/// A block of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// The byte its header begins in.
    pub offset: u64,
    /// What its content is.
    pub kind: BlockKind,
    /// Bytes of content.
    pub content: u64,
}

/// A member's structure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The original file name, without the byte 0.
    pub name: Option<Vec<u8>>,
    /// When that was modified, seconds since 1970; 0 for unknown.
    pub modified: u32,
    /// Its blocks, in order.
    pub blocks: Vec<Block>,
    /// CRC-32 of the content as stated.
    pub crc32: u32,
    /// Length of the whole member in bytes.
    pub len: u64,
}

/// The member that `input` starts with; nothing behind it is read, and the content is not held against the CRC-32.
pub fn read_member(input: impl Read, limits: Limits) -> Result<Member, Error> {
    let mut input = Input::new(input);
    let (name, modified) = header(&mut input, limits)?;
    let mut bits = Bits::new(input);
    let mut blocks = Vec::new();
    let mut content = 0;
    loop {
        if blocks.len() as u64 == limits.blocks {
            return Err(Error::TooMany {
                what: "blocks",
                limit: limits.blocks,
            });
        }
        let (last, block) = block(&mut bits, limits.content - content)?;
        content += block.content;
        blocks.push(block);
        if last {
            break;
        }
    }
    let crc32 = u32::from_le_bytes(bits.bytes().array()?);
    let stated = u32::from_le_bytes(bits.bytes().array()?);
    if u64::from(stated) != content % (1 << 32) {
        return Err(Error::Length {
            stated,
            found: content,
        });
    }
    Ok(Member {
        name,
        modified,
        blocks,
        crc32,
        len: bits.position(),
    })
}

fn header(input: &mut Input<impl Read>, limits: Limits) -> Result<(Option<Vec<u8>>, u32), Error> {
    if input.array()? != MAGIC {
        return Err(Error::Invalid {
            what: "magic",
            offset: 0,
        });
    }
    let [flags] = input.array()?;
    if flags & RESERVED != 0 {
        return Err(Error::Invalid {
            what: "flags",
            offset: 3,
        });
    }
    let modified = u32::from_le_bytes(input.array()?);
    let [_extra_flags, _system] = input.array()?;
    if flags & FEXTRA != 0 {
        let len = u16::from_le_bytes(input.array()?);
        input.skip(u64::from(len))?;
    }
    let mut text = |flag| -> Result<Option<Vec<u8>>, Error> {
        if flags & flag == 0 {
            return Ok(None);
        }
        let mut text = Vec::new();
        loop {
            match input.array()? {
                [0] => return Ok(Some(text)),
                [byte] => text.push(byte),
            }
            if text.len() as u64 > limits.text {
                return Err(Error::TooMany {
                    what: "bytes of text",
                    limit: limits.text,
                });
            }
        }
    };
    let name = text(FNAME)?;
    text(FCOMMENT)?;
    if flags & FHCRC != 0 {
        input.skip(2)?;
    }
    Ok((name, modified))
}

/// A block, and whether it is the last.
fn block(bits: &mut Bits<impl Read>, limit: u64) -> Result<(bool, Block), Error> {
    let before = bits.position();
    let last = bits.number(1)? == 1;
    let offset = before.min(bits.position() - 1);
    let (kind, content) = match bits.number(2)? {
        0 => (BlockKind::Stored, stored(bits)?),
        1 => (BlockKind::Fixed, Codes::fixed().content_len(bits, limit)?),
        2 => (
            BlockKind::Dynamic,
            Codes::read(bits)?.content_len(bits, limit)?,
        ),
        _ => {
            return Err(Error::Invalid {
                what: "block type",
                offset,
            });
        }
    };
    if content > limit {
        return Err(Error::TooMany {
            what: "bytes of content",
            limit,
        });
    }
    let block = Block {
        offset,
        kind,
        content,
    };
    Ok((last, block))
}

fn stored(bits: &mut Bits<impl Read>) -> Result<u64, Error> {
    let input = bits.bytes();
    let offset = input.position();
    let len = u16::from_le_bytes(input.array()?);
    let complement = u16::from_le_bytes(input.array()?);
    if len != !complement {
        return Err(Error::Invalid {
            what: "stored length",
            offset,
        });
    }
    input.skip(u64::from(len))?;
    Ok(u64::from(len))
}

/// Body of the fuzz target `gzip`.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let limits = Limits {
        blocks: 1000,
        content: 1 << 24,
        text: 100,
    };
    let member = read_member(data, limits);
    let Ok(member) = member else { return };
    assert!(!member.dump().is_empty());
    assert!(member.len <= data.len() as u64);
    assert!(member.blocks.is_sorted_by_key(|block| block.offset));
}
