//! Contents of files, block by block.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;

use super::inode::{Entry, Kind, Placed};
use super::{Image, ReadAt, ReadError};
use crate::squashfs::raw::BLOCK_STORED;
use crate::squashfs::tree::{Content, Directory, File, Node, Symlink};

/// Iterator over a file's content: one block at a time, at most the image's block size each. After an error it ends.
#[derive(Debug)]
pub struct Blocks<'a, R> {
    image: &'a Image<R>,
    file: &'a Placed,
    /// Where the next block lies in the image.
    offset: u64,
    next: usize,
    /// Bytes still to come.
    left: u64,
}

impl<R: ReadAt> Image<R> {
    /// The content of `entry`, one of [`entries`](Self::entries); nothing for what is not a regular file.
    pub fn blocks<'a>(&'a self, entry: &'a Entry) -> Option<Blocks<'a, R>> {
        match &entry.kind {
            Kind::File(file) => Some(Blocks {
                image: self,
                file,
                offset: file.start,
                next: 0,
                left: file.len,
            }),
            _ => None,
        }
    }

    /// The whole content of `entry` in memory, within [`Limits::content`](super::Limits::content); nothing for what is not a
    /// regular file.
    pub fn read(&self, entry: &Entry) -> Result<Option<Vec<u8>>, ReadError> {
        let mut room = self.limits.content;
        self.read_within(entry, &mut room)
    }

    fn read_within(&self, entry: &Entry, room: &mut u64) -> Result<Option<Vec<u8>>, ReadError> {
        let Some(blocks) = self.blocks(entry) else {
            return Ok(None);
        };
        let limit = self.limits.content;
        *room = room.checked_sub(blocks.left).ok_or(ReadError::Limit {
            what: "bytes of content",
            limit,
        })?;
        let mut content = Vec::new();
        for block in blocks {
            content.extend_from_slice(&block?);
        }
        Ok(Some(content))
    }

    /// The whole image as a tree to be written, all contents in memory within [`Limits::content`](super::Limits::content).
    /// Owners, times and hard links are not part of such a tree.
    pub fn to_directory(&self) -> Result<Directory, ReadError> {
        let mut room = self.limits.content;
        self.directory(0, &mut room)
    }

    fn directory(&self, index: usize, room: &mut u64) -> Result<Directory, ReadError> {
        let entry = &self.entries[index];
        let mut directory = Directory::new(entry.mode);
        directory.xattrs = (*entry.xattrs).clone();
        for child in self.children(index) {
            let node = self.node(child, room)?;
            directory
                .entries
                .insert(self.entries[child].name.to_vec(), node);
        }
        Ok(directory)
    }

    fn node(&self, index: usize, room: &mut u64) -> Result<Node, ReadError> {
        let entry = &self.entries[index];
        let xattrs = (*entry.xattrs).clone();
        match &entry.kind {
            Kind::Directory => Ok(Node::Directory(self.directory(index, room)?)),
            Kind::File(_) => {
                let content = self.read_within(entry, room)?.expect("it is a file");
                Ok(Node::File(File {
                    mode: entry.mode,
                    xattrs,
                    content: Content::Inline(Bytes::from(content)),
                }))
            }
            Kind::Symlink(target) => Ok(Node::Symlink(Symlink {
                target: target.to_vec(),
                xattrs,
            })),
            Kind::BlockDevice(_) | Kind::CharDevice(_) | Kind::Fifo | Kind::Socket => {
                let path = String::from_utf8_lossy(&self.path(index)).into_owned();
                Err(ReadError::Special { path })
            }
        }
    }

    /// Reads the block at `offset` whose length is in `word`, and expands it.
    fn read_block(&self, offset: u64, word: u32) -> Result<Vec<u8>, ReadError> {
        let limit = self.superblock.block_size.get() as usize;
        let len = (word & !BLOCK_STORED) as usize;
        if len > limit {
            return Err(ReadError::Block { offset });
        }
        let mut block = vec![0; len];
        self.read_at(offset, &mut block)?;
        if word & BLOCK_STORED == 0 {
            self.expand(offset, &block, limit)
        } else {
            Ok(block)
        }
    }

    fn fragment(&self, number: u32) -> Result<Arc<Vec<u8>>, ReadError> {
        let mut last = self
            .last_fragment
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((known, block)) = &*last
            && *known == number
        {
            return Ok(Arc::clone(block));
        }
        let fragment = &self.fragments[number as usize];
        let block = Arc::new(self.read_block(fragment.start.get(), fragment.size.get())?);
        *last = Some((number, Arc::clone(&block)));
        Ok(block)
    }
}

impl<R: ReadAt> Blocks<'_, R> {
    fn next_block(&mut self) -> Result<Vec<u8>, ReadError> {
        let block_size = u64::from(self.image.superblock.block_size.get());
        let len = usize::try_from(self.left.min(block_size)).expect("at most 1 MiB");
        let Some(word) = self.file.words.get(self.next) else {
            return self.tail(len);
        };
        let (offset, word) = (self.offset, word.get());
        self.next += 1;
        if word == 0 {
            return Ok(vec![0; len]);
        }
        self.offset = offset.saturating_add(u64::from(word & !BLOCK_STORED));
        let block = self.image.read_block(offset, word)?;
        if block.len() == len {
            Ok(block)
        } else {
            Err(ReadError::Block { offset })
        }
    }

    fn tail(&self, len: usize) -> Result<Vec<u8>, ReadError> {
        let (number, offset) = self
            .file
            .tail
            .expect("what is in no block is in a fragment");
        let block = self.image.fragment(number)?;
        let from = offset as usize;
        block
            .get(from..from + len)
            .map(<[u8]>::to_vec)
            .ok_or_else(|| ReadError::Block {
                offset: self.image.fragments[number as usize].start.get(),
            })
    }
}

impl<R: ReadAt> Iterator for Blocks<'_, R> {
    type Item = Result<Vec<u8>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let block = self.next_block();
        self.left = match &block {
            Ok(block) => self.left - block.len() as u64,
            Err(_) => 0,
        };
        Some(block)
    }
}
