//! Anyone's squashfs, read within limits.

mod content;
mod inode;
mod metadata;
mod walk;
mod xattr;

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::{fmt, io};

use bytes::Bytes;
use zerocopy::FromBytes;

use super::raw::{Compressor, Fragment, MAGIC, NO_TABLE, Superblock};

pub use self::content::Blocks;
pub use self::inode::{Entry, Kind, Placed};
use self::metadata::{Budget, Table};

/// Bytes that can be read from any place.
pub trait ReadAt {
    /// Fills `buffer` with the bytes from `offset` on; an error of kind `UnexpectedEof` if they end before that.
    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

impl ReadAt for [u8] {
    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|from| self.get(from..)?.get(..buffer.len()))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

impl ReadAt for Bytes {
    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        (**self).read_exact_at(offset, buffer)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        (**self).read_exact_at(offset, buffer)
    }
}

/// What an image may cost its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Names in all directories together.
    pub entries: usize,
    /// Directories inside one another.
    pub depth: usize,
    /// Bytes of expanded tables, and again of what is understood from them.
    pub metadata: usize,
    /// Bytes of content that [`Image::read`] and [`Image::to_directory`] hold in memory.
    pub content: u64,
}

impl Default for Limits {
    /// Ten times what the largest system extensions hold.
    fn default() -> Self {
        Self {
            entries: 1 << 18,
            depth: 256,
            metadata: 256 << 20,
            content: 1 << 30,
        }
    }
}

/// Why an image cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source cannot be read at a place, or ends before it.
    #[error("squashfs cannot be read at offset {offset}")]
    Source {
        /// Bytes from the beginning of the image.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// Not a squashfs.
    #[error("not a squashfs: starts with {found:#010x}, expected {MAGIC:#010x}")]
    Magic {
        /// The first four bytes, little-endian.
        found: u32,
    },
    /// A squashfs of another version.
    #[error("squashfs version {major}.{minor} is not supported, only 4.0")]
    Version {
        /// Before the dot.
        major: u16,
        /// Behind it.
        minor: u16,
    },
    /// A block is compressed in a way that is not read.
    #[error("squashfs block at offset {offset} is compressed with {name}, which is not supported")]
    Compressor {
        /// Bytes from the beginning of the image.
        offset: u64,
        /// The compressor, as mksquashfs calls it.
        name: &'static str,
    },
    /// A block that does not expand, or expands to another length than it must.
    #[error("squashfs block at offset {offset} is damaged")]
    Block {
        /// Bytes from the beginning of the image.
        offset: u64,
    },
    /// Something that no writer writes.
    #[error("squashfs {table} at byte {offset}: {why}")]
    Malformed {
        /// Which part of the image.
        table: &'static str,
        /// Bytes from the beginning of that part, expanded.
        offset: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// More than the reader was told to accept.
    #[error("squashfs has more than {limit} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much is accepted.
        limit: u64,
    },
    /// Something that a tree to be written cannot hold.
    #[error("squashfs holds {path:?}, which is neither a directory nor a file nor a link")]
    Special {
        /// From the root.
        path: String,
    },
}

/// An image whose superblock, names and inodes are read; contents stay where they are until they are asked for.
pub struct Image<R> {
    source: R,
    limits: Limits,
    superblock: Superblock,
    fragments: Vec<Fragment>,
    entries: Vec<Entry>,
    /// The fragment block that was expanded last: small files come one after the other.
    last_fragment: Mutex<Option<(u32, Arc<Vec<u8>>)>>,
}

impl<R: ReadAt> Image<R> {
    /// Reads the tables of the image that starts at offset 0 of `source`.
    pub fn open(source: R, limits: Limits) -> Result<Self, ReadError> {
        let mut superblock = [0; size_of::<Superblock>()];
        source
            .read_exact_at(0, &mut superblock)
            .map_err(|source| ReadError::Source { offset: 0, source })?;
        let superblock = Superblock::read_from_bytes(&superblock).expect("of that size");
        check(&superblock)?;
        let mut image = Self {
            source,
            limits,
            superblock,
            fragments: Vec::new(),
            entries: Vec::new(),
            last_fragment: Mutex::new(None),
        };
        image.read_tables()?;
        Ok(image)
    }

    /// The first 96 bytes.
    pub fn superblock(&self) -> &Superblock {
        &self.superblock
    }

    /// What the image holds: the root first, every directory before what is in it, names in byte order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The path of the entry `index`, from the root, without a leading `/`; nothing for the root.
    ///
    /// # Panics
    /// If there is no such entry.
    pub fn path(&self, mut index: usize) -> Vec<u8> {
        let mut names = Vec::new();
        while index != 0 {
            names.push(&*self.entries[index].name);
            index = self.entries[index].parent;
        }
        names.reverse();
        names.join(&b'/')
    }

    /// Indices of what is in the directory `index`, in order of name; nothing for what is no directory.
    ///
    /// # Panics
    /// If there is no such entry.
    pub fn children(&self, index: usize) -> impl Iterator<Item = usize> {
        let end = self.entries[index].end;
        let inside = move |next: &usize| *next < end;
        std::iter::successors(Some(index + 1).filter(inside), move |child| {
            Some(self.entries[*child].end).filter(inside)
        })
    }

    /// Indices of everything inside the directory `index`, however deep; nothing for what is no directory.
    ///
    /// # Panics
    /// If there is no such entry.
    pub fn inside(&self, index: usize) -> Range<usize> {
        index + 1..self.entries[index].end
    }

    /// The index of the entry at `path` (components between `/`; empty ones are skipped). Links are not followed.
    pub fn find(&self, path: &[u8]) -> Option<usize> {
        path.split(|byte| *byte == b'/')
            .filter(|name| !name.is_empty())
            .try_fold(0, |folder, name| {
                self.children(folder)
                    .find(|child| *self.entries[*child].name == *name)
            })
    }

    fn read_tables(&mut self) -> Result<(), ReadError> {
        let superblock = self.superblock;
        let mut budget = Budget::new(self.limits.metadata);
        let id_count = usize::from(superblock.id_count.get());
        let ids = self.read_indexed(
            "id table",
            superblock.id_table_start.get(),
            id_count * 4,
            &mut budget,
        )?;
        let fragment_count = superblock.fragment_count.get() as usize;
        let fragment_bytes = fragment_count.saturating_mul(size_of::<Fragment>());
        let fragments = self.read_indexed(
            "fragment table",
            superblock.fragment_table_start.get(),
            fragment_bytes,
            &mut budget,
        )?;
        self.fragments = fragments
            .bytes
            .chunks_exact(size_of::<Fragment>())
            .map(|bytes| Fragment::read_from_bytes(bytes).expect("of that size"))
            .collect();
        let xattrs = xattr::Xattrs::read(self, &mut budget)?;

        let export = match superblock.export_table_start.get() {
            NO_TABLE => u64::MAX,
            start => self.read_u64(start)?,
        };
        let inode_start = superblock.inode_table_start.get();
        let directory_start = superblock.directory_table_start.get();
        let directory_end = [
            ids.first,
            fragments.first,
            export,
            xattrs.start(),
            superblock.bytes_used.get(),
        ]
        .into_iter()
        .min()
        .expect("not empty");
        let inodes = Table::read(
            self,
            "inode table",
            inode_start,
            directory_start,
            &mut budget,
        )?;
        let directories = Table::read(
            self,
            "directory table",
            directory_start,
            directory_end,
            &mut budget,
        )?;
        self.entries =
            walk::Walk::new(self, &inodes, &directories, &ids.bytes, xattrs).entries()?;
        Ok(())
    }

    fn read_u64(&self, offset: u64) -> Result<u64, ReadError> {
        let mut word = [0; 8];
        self.read_at(offset, &mut word)?;
        Ok(u64::from_le_bytes(word))
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
        self.source
            .read_exact_at(offset, buffer)
            .map_err(|source| ReadError::Source { offset, source })
    }
}

impl<R> fmt::Debug for Image<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Image")
            .field("superblock", &self.superblock)
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}

/// Refuses what is not squashfs 4.0 and block sizes that the format does not have.
fn check(superblock: &Superblock) -> Result<(), ReadError> {
    if superblock.magic != MAGIC {
        return Err(ReadError::Magic {
            found: superblock.magic.get(),
        });
    }
    let (major, minor) = (
        superblock.version_major.get(),
        superblock.version_minor.get(),
    );
    if (major, minor) != (4, 0) {
        return Err(ReadError::Version { major, minor });
    }
    let log = superblock.block_log.get();
    if !(12..=20).contains(&log) || superblock.block_size != 1 << log {
        return Err(ReadError::Malformed {
            table: "superblock",
            offset: std::mem::offset_of!(Superblock, block_size) as u64,
            why: "block size is not a power of two from 4 KiB to 1 MiB, or not that of its logarithm",
        });
    }
    Ok(())
}

/// A compressor as mksquashfs calls it.
pub(super) fn compressor_name(number: u16) -> &'static str {
    match number {
        1 => "gzip",
        2 => "lzma",
        3 => "lzo",
        _ if number == Compressor::Xz as u16 => "xz",
        5 => "lz4",
        _ if number == Compressor::Zstd as u16 => "zstd",
        _ => "an unknown compressor",
    }
}
