//! Frames walked block by block, without decompressing.

use std::io::Read;

use super::{
    Error,
    raw::{BLOCK_HEADER_LEN, BLOCK_MAX, BlockKind, CHECKSUM, MAGIC, RESERVED, SINGLE_SEGMENT},
};
use crate::input::Input;

/// What a reader puts up with.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest window in bytes. The kernel accepts 128 MiB in an initramfs.
    pub window: u64,
    /// Blocks of one frame.
    pub blocks: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            window: 128 << 20,
            blocks: 1 << 20,
        }
    }
}

/// The header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Window in bytes: what a decoder must keep.
    pub window: u64,
    /// Length of the content in bytes, if stated.
    pub content_size: Option<u64>,
    /// Whether an XXH64 of the content follows the last block.
    pub checksum: bool,
    /// Dictionary that the content needs; 0 for none.
    pub dictionary: u32,
    /// Whether the window is the whole content.
    pub single_segment: bool,
}

/// A block of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Where its header starts, from the start of the frame.
    pub offset: u64,
    /// What its content is.
    pub kind: BlockKind,
    /// `Block_Size`: content for raw and run-length blocks, bytes in the frame for compressed ones.
    pub size: u64,
    /// Whether it ends the frame.
    pub last: bool,
}

impl Block {
    /// Bytes in the frame behind the block's header.
    pub fn stored(&self) -> u64 {
        match self.kind {
            BlockKind::Raw | BlockKind::Compressed => self.size,
            BlockKind::Rle => 1,
        }
    }
}

/// A frame's structure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its header.
    pub header: FrameHeader,
    /// Its blocks; they tile the frame between header and checksum.
    pub blocks: Vec<Block>,
    /// Length of the whole frame in bytes.
    pub len: u64,
}

/// The frame that `input` starts with; nothing behind it is read.
pub fn read_frame(input: impl Read, limits: Limits) -> Result<Frame, Error> {
    let mut input = Input::new(input);
    let header = header(&mut input)?;
    if header.window > limits.window {
        return Err(Error::WindowTooLarge {
            window: header.window,
            limit: limits.window,
        });
    }
    let block_limit = header.window.min(BLOCK_MAX);
    let mut blocks: Vec<Block> = Vec::new();
    while blocks.last().is_none_or(|block| !block.last) {
        if blocks.len() as u64 == limits.blocks {
            return Err(Error::TooManyBlocks {
                limit: limits.blocks,
            });
        }
        let block = block(&mut input, block_limit)?;
        input.skip(block.stored())?;
        blocks.push(block);
    }
    if header.checksum {
        input.skip(4)?;
    }
    let frame = Frame {
        header,
        blocks,
        len: input.position(),
    };
    frame.check_content_size()?;
    Ok(frame)
}

impl Frame {
    fn check_content_size(&self) -> Result<(), Error> {
        let known = self
            .blocks
            .iter()
            .all(|block| block.kind != BlockKind::Compressed);
        let found = self.blocks.iter().map(|block| block.size).sum();
        match self.header.content_size {
            Some(stated) if known && stated != found => Err(Error::ContentSize { stated, found }),
            _ => Ok(()),
        }
    }
}

fn header(input: &mut Input<impl Read>) -> Result<FrameHeader, Error> {
    let found = u32::from_le_bytes(input.array()?);
    if found != MAGIC {
        return Err(Error::InvalidMagic { found });
    }
    let [descriptor] = input.array()?;
    if descriptor & RESERVED != 0 {
        return Err(Error::ReservedBit { descriptor });
    }
    let single_segment = descriptor & SINGLE_SEGMENT != 0;
    let window = if single_segment {
        None
    } else {
        Some(window(input)?)
    };
    let dictionary_len = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let dictionary = little_endian(input, dictionary_len)?;
    let content_size = match descriptor >> 6 {
        0 if single_segment => Some(little_endian(input, 1)?),
        0 => None,
        1 => Some(little_endian(input, 2)? + 256),
        2 => Some(little_endian(input, 4)?),
        _ => Some(little_endian(input, 8)?),
    };
    Ok(FrameHeader {
        window: window
            .or(content_size)
            .expect("a single segment states its size"),
        content_size,
        checksum: descriptor & CHECKSUM != 0,
        dictionary: u32::try_from(dictionary).expect("at most four bytes"),
        single_segment,
    })
}

/// `Window_Descriptor`: a power of two and eighths of it.
fn window(input: &mut Input<impl Read>) -> Result<u64, Error> {
    let [descriptor] = input.array()?;
    let base = 1_u64 << (10 + (descriptor >> 3));
    Ok(base + base / 8 * u64::from(descriptor & 7))
}

fn little_endian(input: &mut Input<impl Read>, len: usize) -> Result<u64, Error> {
    let mut bytes = [0; 8];
    input.exact(&mut bytes[..len])?;
    Ok(u64::from_le_bytes(bytes))
}

fn block(input: &mut Input<impl Read>, limit: u64) -> Result<Block, Error> {
    let offset = input.position();
    let [a, b, c] = input.array()?;
    let header = u32::from_le_bytes([a, b, c, 0]);
    let kind = BlockKind::from_bits(header >> 1).ok_or(Error::ReservedBlock { offset })?;
    let size = u64::from(header >> 3);
    // The limit of compressed blocks holds for their content; what is stored is never longer than that.
    if size > limit {
        return Err(Error::BlockTooLong {
            offset,
            len: size,
            limit,
        });
    }
    Ok(Block {
        offset,
        kind,
        size,
        last: header & 1 == 1,
    })
}

/// Body of the fuzz target `zstd`.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let limits = Limits {
        blocks: 1000,
        ..Limits::default()
    };
    let frame = read_frame(data, limits);
    let Ok(frame) = frame else { return };
    assert!(!frame.dump().is_empty());
    assert!(frame.len <= data.len() as u64);
    let checksum = u64::from(frame.header.checksum) * 4;
    let mut end = frame.blocks[0].offset;
    for block in &frame.blocks {
        assert_eq!(block.offset, end);
        end += BLOCK_HEADER_LEN + block.stored();
    }
    assert_eq!(frame.len, end + checksum);
    assert_eq!(frame.blocks.iter().filter(|block| block.last).count(), 1);
}
