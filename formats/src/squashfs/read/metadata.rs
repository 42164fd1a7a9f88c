//! Metadata streams and tables, expanded.

use zerocopy::FromBytes;

use super::{Image, ReadAt, ReadError, compressor_name};
use crate::squashfs::codec::{DecodeError, decode};
use crate::squashfs::raw::{METADATA_SIZE, METADATA_STORED};

/// What is left of [`Limits::metadata`](super::Limits::metadata).
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    limit: usize,
    left: usize,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, left: limit }
    }

    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), ReadError> {
        self.left = self.left.checked_sub(bytes).ok_or(ReadError::Limit {
            what: "bytes of metadata",
            limit: self.limit as u64,
        })?;
        Ok(())
    }
}

/// A metadata stream, expanded.
#[derive(Debug)]
pub(super) struct Table {
    what: &'static str,
    bytes: Vec<u8>,
    /// Where each block starts: stored, relative to the stream; and expanded.
    starts: Vec<(u64, usize)>,
}

/// A table that is found through an index, expanded.
#[derive(Debug)]
pub(super) struct Indexed {
    pub(super) bytes: Vec<u8>,
    /// Where its first block starts in the image; the largest number if it has none.
    pub(super) first: u64,
}

impl Table {
    /// Reads the stream from `start` to `end` of the image.
    pub(super) fn read<R: ReadAt>(
        image: &Image<R>,
        what: &'static str,
        start: u64,
        end: u64,
        budget: &mut Budget,
    ) -> Result<Self, ReadError> {
        let mut table = Self {
            what,
            bytes: Vec::new(),
            starts: Vec::new(),
        };
        let mut position = start;
        if start > end {
            return Err(table.malformed(0, "ends before it starts"));
        }
        while position < end {
            let (bytes, next) = image.read_metadata(what, position)?;
            if next > end {
                return Err(table.malformed(table.bytes.len(), "its last block is cut off"));
            }
            budget.spend(bytes.len())?;
            table.starts.push((position - start, table.bytes.len()));
            table.bytes.extend_from_slice(&bytes);
            position = next;
        }
        Ok(table)
    }

    /// Reads from the place that `reference` means: the start of a stored block, and 16 bits of offset.
    pub(super) fn cursor(&self, reference: u64) -> Result<Cursor<'_>, ReadError> {
        let (block, offset) = (reference >> 16, usize::from((reference & 0xffff) as u16));
        let place = self
            .starts
            .binary_search_by_key(&block, |(start, _)| *start)
            .ok()
            .map(|index| self.starts[index].1 + offset)
            .filter(|position| *position <= self.bytes.len());
        match place {
            Some(position) => Ok(Cursor {
                table: self,
                position,
            }),
            // An empty listing may stand behind the last block.
            None if offset == 0 && self.starts.last().is_none_or(|(start, _)| block > *start) => {
                Ok(Cursor {
                    table: self,
                    position: self.bytes.len(),
                })
            }
            None => Err(self.malformed(0, "a reference leads nowhere")),
        }
    }

    pub(super) fn malformed(&self, offset: usize, why: &'static str) -> ReadError {
        ReadError::Malformed {
            table: self.what,
            offset: offset as u64,
            why,
        }
    }
}

/// A place in a table, moving forward.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    table: &'a Table,
    pub(super) position: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], ReadError> {
        let bytes = self.table.bytes[self.position..]
            .get(..len)
            .ok_or_else(|| self.malformed("cut off"))?;
        self.position += len;
        Ok(bytes)
    }

    pub(super) fn read<T: FromBytes>(&mut self) -> Result<T, ReadError> {
        let bytes = self.take(size_of::<T>())?;
        Ok(T::read_from_bytes(bytes).expect("of that size"))
    }

    pub(super) fn malformed(&self, why: &'static str) -> ReadError {
        self.table.malformed(self.position, why)
    }
}

impl<R: ReadAt> Image<R> {
    /// Reads a table of `len` bytes whose index is at `index` in the image.
    pub(super) fn read_indexed(
        &self,
        what: &'static str,
        index: u64,
        len: usize,
        budget: &mut Budget,
    ) -> Result<Indexed, ReadError> {
        budget.spend(len)?;
        let mut indexed = Indexed {
            bytes: Vec::new(),
            first: u64::MAX,
        };
        for block in 0..len.div_ceil(METADATA_SIZE) {
            let start = self.read_u64(index.saturating_add(block as u64 * 8))?;
            if block == 0 {
                indexed.first = start;
            }
            let (bytes, _) = self.read_metadata(what, start)?;
            if bytes.len() != METADATA_SIZE.min(len - indexed.bytes.len()) {
                let offset = indexed.bytes.len() as u64;
                return Err(ReadError::Malformed {
                    table: what,
                    offset,
                    why: "a block has the wrong length",
                });
            }
            indexed.bytes.extend_from_slice(&bytes);
        }
        Ok(indexed)
    }

    /// Reads and expands the metadata block at `offset` in the image. Returns it and where the next one starts.
    fn read_metadata(&self, what: &'static str, offset: u64) -> Result<(Vec<u8>, u64), ReadError> {
        let mut header = [0; 2];
        self.read_at(offset, &mut header)?;
        let header = u16::from_le_bytes(header);
        let len = usize::from(header & !METADATA_STORED);
        if len == 0 || len > METADATA_SIZE {
            let why = "a metadata block has no length, or more than 8 KiB";
            return Err(ReadError::Malformed {
                table: what,
                offset: 0,
                why,
            });
        }
        let mut block = vec![0; len];
        // Reading the header has shown that this does not overflow by much.
        let start = offset.saturating_add(2);
        self.read_at(start, &mut block)?;
        if header & METADATA_STORED == 0 {
            block = self.expand(offset, &block, METADATA_SIZE)?;
        }
        if block.is_empty() {
            return Err(ReadError::Block { offset });
        }
        Ok((block, start.saturating_add(len as u64)))
    }

    /// Expands a block that starts at `offset` in the image.
    pub(super) fn expand(
        &self,
        offset: u64,
        block: &[u8],
        limit: usize,
    ) -> Result<Vec<u8>, ReadError> {
        decode(self.superblock.compressor.get(), block, limit).map_err(|error| match error {
            DecodeError::Compressor(number) => ReadError::Compressor {
                offset,
                name: compressor_name(number),
            },
            DecodeError::Damaged => ReadError::Block { offset },
        })
    }
}
