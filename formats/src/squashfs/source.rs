//! Contents of files on their way into an image.

use std::io::{self, Read};

use super::BLOCK_SIZE;
use super::layout::content;
use super::tree::{Content, Tree};
use super::write::WriteError;
use crate::Digest;

/// The content of one file, being read.
pub(super) struct Source<'a, R> {
    tree: &'a Tree<'a>,
    index: usize,
    reader: Reader<'a, R>,
    len: u64,
    left: u64,
}

enum Reader<'a, R> {
    Inline(&'a [u8]),
    Blob(R),
}

impl<R: Read> Read for Reader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Inline(bytes) => bytes.read(buffer),
            Self::Blob(reader) => reader.read(buffer),
        }
    }
}

impl<'a, R: Read> Source<'a, R> {
    pub(super) fn open(
        tree: &'a Tree<'a>,
        index: usize,
        open: &mut impl FnMut(&Digest) -> io::Result<R>,
    ) -> Result<Self, WriteError> {
        let content = content(tree, index);
        let reader = match content {
            Content::Inline(bytes) => Reader::Inline(bytes),
            Content::Blob { digest, .. } => {
                Reader::Blob(open(digest).map_err(|source| WriteError::Content {
                    path: tree.path(index),
                    source,
                })?)
            }
        };
        let len = content.len();
        Ok(Self {
            tree,
            index,
            reader,
            len,
            left: len,
        })
    }

    /// The next block of the file: full ones, then perhaps a shorter one.
    pub(super) fn next_block(&mut self) -> Result<Option<Vec<u8>>, WriteError> {
        if self.left == 0 {
            self.expect_end()?;
            return Ok(None);
        }
        let mut block = Vec::with_capacity(BLOCK_SIZE as usize);
        self.fill(&mut block, self.left.min(u64::from(BLOCK_SIZE)))?;
        Ok(Some(block))
    }

    /// The whole of a file that is less than a block.
    pub(super) fn append_to(&mut self, block: &mut Vec<u8>) -> Result<(), WriteError> {
        self.fill(block, self.left)?;
        self.expect_end()
    }

    fn fill(&mut self, block: &mut Vec<u8>, len: u64) -> Result<(), WriteError> {
        let read = (&mut self.reader).take(len).read_to_end(block);
        let read = read.map_err(|source| self.unreadable(source))?;
        self.left -= read as u64;
        if read as u64 == len {
            Ok(())
        } else {
            Err(self.wrong_length())
        }
    }

    fn expect_end(&mut self) -> Result<(), WriteError> {
        let mut more = Vec::new();
        let read = (&mut self.reader).take(1).read_to_end(&mut more);
        match read.map_err(|source| self.unreadable(source))? {
            0 => Ok(()),
            _ => Err(self.wrong_length()),
        }
    }

    fn unreadable(&self, source: io::Error) -> WriteError {
        WriteError::Content {
            path: self.tree.path(self.index),
            source,
        }
    }

    fn wrong_length(&self) -> WriteError {
        WriteError::Length {
            path: self.tree.path(self.index),
            expected: self.len,
        }
    }
}
