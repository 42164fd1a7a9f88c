//! Compressed images, streamed.

use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::{collections::VecDeque, sync::Mutex, thread};

use zerocopy::IntoBytes;

use super::codec::{Compression, Encoded, Encoder};
use super::data::{Packing, Run, StoredBlock};
use super::layout::content;
use super::raw::{BLOCK_STORED, METADATA_STORED, Superblock};
use super::tables::{self, Setup};
use super::tree::{Content, Directory, Tree};
use super::{ALIGNMENT, BLOCK_SIZE};
use crate::Digest;

/// Blocks that wait for a worker or for their turn to be written, for each worker.
const QUEUE: usize = 8;

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
/// About `threads` MiB are in memory besides the tree and its metadata.
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

/// A block to compress and where its result goes.
type Job = (Vec<u8>, Sender<io::Result<Encoded>>);

/// Compresses what comes until nothing more can come.
fn work(mut encoder: Encoder, queue: &Mutex<Receiver<Job>>) {
    loop {
        let job = queue
            .lock()
            .expect("no worker panics while it holds the queue")
            .recv();
        let Ok((block, result)) = job else { return };
        // Nobody listens any more when writing has failed.
        let _ = result.send(encoder.encode(block));
    }
}

/// What to do about a block of nothing but zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zeros {
    /// Files may have holes.
    LeaveOut,
    /// Fragment blocks may not.
    Keep,
}

/// Blocks on their way through the workers into the sink, in the order in which they were pushed.
struct Pipeline<'a> {
    jobs: Sender<Job>,
    /// Results to come; none for a hole.
    waiting: VecDeque<Option<Receiver<io::Result<Encoded>>>>,
    room: usize,
    blocks: Vec<StoredBlock>,
    position: u64,
    sink: &'a mut dyn Write,
}

impl Pipeline<'_> {
    fn push(&mut self, block: Vec<u8>, zeros: Zeros) -> Result<(), WriteError> {
        while self.waiting.len() >= self.room {
            self.write_next()?;
        }
        if zeros == Zeros::LeaveOut && block.iter().all(|byte| *byte == 0) {
            self.waiting.push_back(None);
            return Ok(());
        }
        let (sender, receiver) = channel();
        self.jobs
            .send((block, sender))
            .expect("workers outlive the pipeline");
        self.waiting.push_back(Some(receiver));
        Ok(())
    }

    /// Waits for the oldest block and writes it.
    fn write_next(&mut self) -> Result<(), WriteError> {
        let start = self.position;
        let Some(waiting) = self.waiting.pop_front() else {
            return Ok(());
        };
        let Some(result) = waiting else {
            self.blocks.push(StoredBlock { start, word: 0 });
            return Ok(());
        };
        let encoded = result
            .recv()
            .expect("workers answer every job")
            .map_err(WriteError::Compressor)?;
        self.sink
            .write_all(&encoded.bytes)
            .map_err(WriteError::Sink)?;
        let len = u32::try_from(encoded.bytes.len()).expect("at most a block");
        self.position += u64::from(len);
        let word = if encoded.stored {
            len | BLOCK_STORED
        } else {
            len
        };
        self.blocks.push(StoredBlock { start, word });
        Ok(())
    }

    fn finish(mut self) -> Result<(Vec<StoredBlock>, u64), WriteError> {
        while !self.waiting.is_empty() {
            self.write_next()?;
        }
        Ok((self.blocks, self.position))
    }
}

/// The content of one file, being read.
struct Source<'a, R> {
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
    fn open(
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
    fn next_block(&mut self) -> Result<Option<Vec<u8>>, WriteError> {
        if self.left == 0 {
            self.expect_end()?;
            return Ok(None);
        }
        let mut block = Vec::with_capacity(BLOCK_SIZE as usize);
        self.fill(&mut block, self.left.min(u64::from(BLOCK_SIZE)))?;
        Ok(Some(block))
    }

    /// The whole of a file that is less than a block.
    fn append_to(&mut self, block: &mut Vec<u8>) -> Result<(), WriteError> {
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
