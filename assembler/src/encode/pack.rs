//! Blobs compressed once for `.xz` images: those that compress, as blocks that go into any stream.
//!
//! Most of what disks hold is compressed already, and trying costs seconds: a fast compressor tells beforehand.

use std::io::{self, Write};

use formats::xz;
use liblzma::{
    stream::{Check, MtStreamBuilder},
    write::XzEncoder,
};
use serde::{Deserialize, Serialize};

use crate::{
    blobs::Blob,
    error::Kind,
    store::{self, Content, Store},
};

/// Raised whenever the same blob comes out differently.
pub(crate) const RECIPE: &str = "1";

/// Blobs below this length are stored: what they could save is not worth a blob of their own.
pub(crate) const MIN_LEN: u64 = 256 << 10;

/// The one level; more take ten times as long for 1 % of a kernel.
const PRESET: u32 = 0;
/// Bytes of a block: the reference's.
const BLOCK: u64 = 1 << 20;
/// The level of the compressor that tells whether it pays.
const PROBE_LEVEL: i32 = 1;
/// It pays from this on: percents of the length that are left.
const PAYS: u64 = 97;
/// Bytes of a CRC-64.
const CHECK_LEN: u64 = 8;
const BUFFER: usize = 1 << 20;

/// What became of a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pack {
    /// Its stream, when it compresses.
    pub(crate) made: Option<Made>,
}

/// A stream that holds a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Made {
    /// The stream.
    pub(crate) content: Content,
    /// Where its blocks begin.
    offset: u64,
    /// Unpadded size and content of each block, in bytes.
    blocks: Vec<(u64, u64)>,
}

impl Made {
    /// The blocks of the stream, to be put in another.
    pub(crate) fn blocks(&self) -> xz::Packed {
        let record = |(unpadded, uncompressed): &(u64, u64)| xz::Record {
            unpadded: *unpadded,
            uncompressed: *uncompressed,
        };
        xz::Packed {
            digest: self.content.digest,
            offset: self.offset,
            records: self.blocks.iter().map(record).collect(),
        }
    }
}

/// Why a blob could not be compressed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be read, or a library failed.
    #[error("compress: {0}")]
    Io(#[from] io::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// What the library wrote is not a stream.
    #[error("compress: {0}")]
    Xz(#[from] xz::Error),
}

impl Error {
    /// What kind of answer this calls for.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Io(error) if error.kind() == io::ErrorKind::StorageFull => Kind::StorageFull,
            Self::Io(_) | Self::Xz(_) => Kind::Internal,
            Self::Store(error) => error.kind(),
        }
    }
}

/// Compresses `blob` into `store` if that pays. Blocks for as long as it takes.
pub(crate) fn make(store: &Store, blob: &Blob) -> Result<Pack, Error> {
    let mut probe = zstd::stream::write::Encoder::new(Count(0), PROBE_LEVEL)?;
    copy(blob, &mut probe)?;
    let Count(len) = probe.finish()?;
    if len * 100 > blob.len * PAYS {
        return Ok(Pack { made: None });
    }
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get().min(8));
    let stream = MtStreamBuilder::new()
        .threads(u32::try_from(threads).expect("at most eight"))
        .preset(PRESET)
        .block_size(BLOCK)
        .check(Check::Crc64)
        .encoder()
        .map_err(io::Error::from)?;
    let mut encoder = XzEncoder::new_stream(store.writer()?, stream);
    copy(blob, &mut encoder)?;
    let content = encoder.finish()?.commit()?;
    let made = store.pin(&content.digest)?;
    let made = made.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    let read = xz::read_stream(io::BufReader::new(made.reader(0)), xz::Limits::default())?;
    let record = |block: &xz::Block| {
        let unpadded = block.header_len + block.compressed + CHECK_LEN;
        (unpadded, block.uncompressed)
    };
    Ok(Pack {
        made: Some(Made {
            offset: read.blocks.first().map_or(read.index, |block| block.offset),
            blocks: read.blocks.iter().map(record).collect(),
            content,
        }),
    })
}

/// Bytes written, and nothing else of them.
struct Count(u64);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn copy(blob: &Blob, out: &mut dyn Write) -> io::Result<()> {
    let mut input = io::BufReader::with_capacity(BUFFER, blob.reader(0));
    io::copy(&mut input, out)?;
    Ok(())
}
