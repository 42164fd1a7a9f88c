//! Metadata streams: blocks of 8 KiB before compression, each behind two bytes of length.

use super::codec::Encoder;
use super::raw::{METADATA_SIZE, METADATA_STORED};
use super::write::WriteError;

/// Where something starts in a metadata stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Position {
    /// Start of the metadata block as it is stored, relative to the stream.
    pub(super) block: u32,
    /// Bytes into the block, expanded.
    pub(super) offset: u16,
}

impl Position {
    /// As inodes and attributes are referred to.
    pub(super) fn reference(self) -> u64 {
        u64::from(self.block) << 16 | u64::from(self.offset)
    }
}

/// A metadata stream being written.
#[derive(Debug)]
pub(super) struct Stream {
    /// For errors.
    what: &'static str,
    /// Finished blocks.
    bytes: Vec<u8>,
    /// Less than a block.
    block: Vec<u8>,
}

impl Stream {
    pub(super) fn new(what: &'static str) -> Self {
        Self {
            what,
            bytes: Vec::new(),
            block: Vec::with_capacity(METADATA_SIZE),
        }
    }

    /// Where the next byte goes.
    pub(super) fn position(&self) -> Result<Position, WriteError> {
        Ok(Position {
            block: u32::try_from(self.bytes.len())
                .map_err(|_| WriteError::TooLarge { what: self.what })?,
            offset: u16::try_from(self.block.len()).expect("less than 8 KiB"),
        })
    }

    pub(super) fn push(
        &mut self,
        encoder: &mut Encoder,
        mut bytes: &[u8],
    ) -> Result<(), WriteError> {
        while !bytes.is_empty() {
            let room = METADATA_SIZE - self.block.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.block.extend_from_slice(now);
            bytes = later;
            if self.block.len() == METADATA_SIZE {
                self.flush(encoder)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self, encoder: &mut Encoder) -> Result<(), WriteError> {
        let block = std::mem::replace(&mut self.block, Vec::with_capacity(METADATA_SIZE));
        append_block(&mut self.bytes, encoder, block)
    }

    /// The stream as it is stored.
    pub(super) fn finish(mut self, encoder: &mut Encoder) -> Result<Vec<u8>, WriteError> {
        if !self.block.is_empty() {
            self.flush(encoder)?;
        }
        Ok(self.bytes)
    }
}

/// Appends one metadata block of at most 8 KiB to `bytes`.
fn append_block(
    bytes: &mut Vec<u8>,
    encoder: &mut Encoder,
    block: Vec<u8>,
) -> Result<(), WriteError> {
    let encoded = encoder.encode(block).map_err(WriteError::Compressor)?;
    let len = u16::try_from(encoded.bytes.len()).expect("never more than 8 KiB");
    let header = if encoded.stored {
        len | METADATA_STORED
    } else {
        len
    };
    bytes.extend_from_slice(&header.to_le_bytes());
    bytes.extend_from_slice(&encoded.bytes);
    Ok(())
}

/// Appends a table of fixed-size entries that is found through an index: metadata blocks, then the 64-bit start of each.
/// `bytes` start at `base` in the image. Returns where the index starts.
pub(super) fn append_indexed(
    bytes: &mut Vec<u8>,
    base: u64,
    encoder: &mut Encoder,
    table: &[u8],
) -> Result<u64, WriteError> {
    let starts = append_blocks(bytes, base, encoder, table)?;
    let index = base + bytes.len() as u64;
    bytes.extend(starts.iter().flat_map(|start| start.to_le_bytes()));
    Ok(index)
}

/// Appends `table` as metadata blocks and returns where each starts.
pub(super) fn append_blocks(
    bytes: &mut Vec<u8>,
    base: u64,
    encoder: &mut Encoder,
    table: &[u8],
) -> Result<Vec<u64>, WriteError> {
    table
        .chunks(METADATA_SIZE)
        .map(|chunk| {
            let start = base + bytes.len() as u64;
            append_block(bytes, encoder, chunk.to_vec()).map(|()| start)
        })
        .collect()
}
