//! Compressed images, streamed.

use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::sync::mpsc::channel;
use std::{collections::VecDeque, sync::Mutex, thread};

use zerocopy::IntoBytes;

use super::codec::{Compression, Encoder};
use super::data::{Packing, Run, StoredBlock};
use super::pipeline::{Pipeline, Zeros, work};
use super::raw::{METADATA_STORED, Superblock};
use super::source::Source;
use super::tables::{self, Setup};
use super::tree::{Directory, Tree};
use super::{ALIGNMENT, BLOCK_SIZE};
use crate::Digest;

/// Blocks that wait for a worker or for their turn to be written, for each worker.
const QUEUE: usize = 4;

/// What unsquashfs accepts in the compressor options.
const ZSTD_LEVELS: std::ops::RangeInclusive<i32> = 1..=22;

/// How an image is made.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Of data and metadata alike.
    pub compression: Compression,
    /// Time of the image and of everything in it, seconds since 1970.
    pub time: u32,
    /// Threads that compress; they change no byte of the image.
    pub threads: NonZeroUsize,
}

/// What an image comes to, after everything else of it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The first 96 bytes of the image, which the sink was not given.
    pub superblock: [u8; 96],
    /// Bytes of the whole image: the superblock and all that the sink was given. A multiple of [`ALIGNMENT`].
    pub len: u64,
}

/// Why a tree cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A name that cannot exist.
    #[error("cannot name {path:?} in a squashfs: {why}")]
    Name {
        /// From the root.
        path: String,
        /// What is wrong.
        why: &'static str,
    },
    /// Something else of an entry that cannot be stored.
    #[error("cannot store {path:?} in a squashfs: {why}")]
    Entry {
        /// From the root.
        path: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A path through something that is not a directory.
    #[error("cannot put {path:?} into a squashfs: {name:?} is not a directory")]
    NotADirectory {
        /// From the root.
        path: String,
        /// The component that is not a directory.
        name: String,
    },
    /// More than the format's fields can say.
    #[error("{what} too large for a squashfs")]
    TooLarge {
        /// What is too large.
        what: &'static str,
    },
    /// A compression level that does not exist.
    #[error("zstd has no level {0}, only 1 to 22")]
    Level(i32),
    /// A file's content is not as long as the tree says.
    #[error("content of {path:?} is not {expected} bytes long")]
    Length {
        /// From the root.
        path: String,
        /// What the tree says.
        expected: u64,
    },
    /// A file's content could not be read.
    #[error("content of {path:?} cannot be read")]
    Content {
        /// From the root.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The compressor refused.
    #[error("compressor failed")]
    Compressor(#[source] io::Error),
    /// The image could not be written.
    #[error("squashfs cannot be written")]
    Sink(#[source] io::Error),
}

/// Writes the tree below `root`, compressed, without its first 96 bytes: those are known last, and returned.
///
/// `sink` is given bytes 96 to the end, in order. Somebody who writes a file leaves 96 bytes free, and fills them in afterwards;
/// somebody who hashes on the way may put the two together in a [`Layout`](crate::Layout). `open` is called for the content of
/// each blob once, or not at all for blobs that are empty or not in the tree; it is believed that what it reads has the digest.
/// About twice `threads` MiB are in memory besides the tree and its metadata.
pub fn write<R: Read>(
    root: &Directory,
    options: &Options,
    mut open: impl FnMut(&Digest) -> io::Result<R>,
    sink: &mut dyn Write,
) -> Result<Written, WriteError> {
    let tree = Tree::new(root)?;
    let packing = Packing::new(&tree)?;
    let setup = Setup {
        compressor: options.compression.compressor(),
        level: match options.compression {
            Compression::Zstd { level } => Some(level),
            Compression::Xz => None,
        },
        time: options.time,
        stored: false,
    };
    let mut encoder = Encoder::new(options.compression).map_err(WriteError::Compressor)?;
    let mut position = size_of::<Superblock>() as u64;
    if let Some(level) = setup.level {
        if !ZSTD_LEVELS.contains(&level) {
            return Err(WriteError::Level(level));
        }
        let mut block = [0; 6];
        block[..2].copy_from_slice(&(METADATA_STORED | 4).to_le_bytes());
        block[2..].copy_from_slice(&level.to_le_bytes());
        sink.write_all(&block).map_err(WriteError::Sink)?;
        position += block.len() as u64;
    }
    let (blocks, position) = write_data(&tree, &packing, options, position, &mut open, sink)?;
    let tables = tables::build(&tree, &packing, &blocks, position, &mut encoder, &setup)?;
    sink.write_all(&tables.bytes).map_err(WriteError::Sink)?;

    let used = tables.superblock.bytes_used.get();
    let len = used.next_multiple_of(ALIGNMENT);
    io::copy(&mut io::repeat(0).take(len - used), sink).map_err(WriteError::Sink)?;
    let superblock = tables.superblock.as_bytes().try_into().expect("96 bytes");
    Ok(Written { superblock, len })
}

/// The same as [`write()`], whole and in memory: for small images.
pub fn write_to_vec<R: Read>(
    root: &Directory,
    options: &Options,
    open: impl FnMut(&Digest) -> io::Result<R>,
) -> Result<Vec<u8>, WriteError> {
    let mut image = vec![0; size_of::<Superblock>()];
    let written = write(root, options, open, &mut image)?;
    image[..written.superblock.len()].copy_from_slice(&written.superblock);
    Ok(image)
}

/// Compresses and writes the data area, which starts at `position`. Returns its blocks and its end.
fn write_data<R: Read>(
    tree: &Tree<'_>,
    packing: &Packing,
    options: &Options,
    position: u64,
    open: &mut impl FnMut(&Digest) -> io::Result<R>,
    sink: &mut dyn Write,
) -> Result<(Vec<StoredBlock>, u64), WriteError> {
    let encoders = (0..options.threads.get())
        .map(|_| Encoder::new(options.compression))
        .collect::<io::Result<Vec<_>>>()
        .map_err(WriteError::Compressor)?;
    let (jobs, queue) = channel();
    let queue = Mutex::new(queue);
    thread::scope(|scope| {
        for encoder in encoders {
            scope.spawn(|| work(encoder, &queue));
        }
        let mut pipeline = Pipeline {
            jobs,
            waiting: VecDeque::new(),
            room: QUEUE * options.threads.get(),
            blocks: Vec::new(),
            position,
            sink,
        };
        for run in &packing.runs {
            match run {
                Run::File(index) => {
                    let mut source = Source::open(tree, *index, open)?;
                    while let Some(block) = source.next_block()? {
                        pipeline.push(block, Zeros::LeaveOut)?;
                    }
                }
                Run::Fragment(indices) => {
                    let mut block = Vec::with_capacity(BLOCK_SIZE as usize);
                    for index in indices {
                        Source::open(tree, *index, open)?.append_to(&mut block)?;
                    }
                    pipeline.push(block, Zeros::Keep)?;
                }
            }
        }
        pipeline.finish()
    })
}
