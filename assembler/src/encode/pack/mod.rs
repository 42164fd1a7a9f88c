//! Blobs compressed once for the images that hold them: those that compress, in parts that go into any stream.
//!
//! Most of what disks hold is compressed already, and trying costs seconds: a fast compressor tells beforehand.

mod deflate;
mod xz;

use std::{
    collections::HashMap,
    io::{self, Write},
};

use formats::{Digest, deflate::Pieces, xz::Packed};
use serde::{Deserialize, Serialize};

use crate::{
    blobs::Blob,
    error::Kind,
    store::{self, Content, Store},
};

/// Blobs below this length are stored: what they could save is not worth a blob of their own.
pub(crate) const MIN_LEN: u64 = 256 << 10;

/// The level of the compressor that tells whether it pays.
const PROBE_LEVEL: i32 = 1;
/// It pays from this on: percents of the length that are left.
const PAYS: u64 = 97;
const BUFFER: usize = 1 << 20;

/// How blobs are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// Blocks of an xz stream.
    Xz,
    /// Pieces of a Deflate stream, each of so many bytes of content.
    Deflate { unit: u32 },
}

impl Method {
    /// Where it is remembered what became of a blob.
    pub(crate) const fn facts(self) -> &'static str {
        match self {
            Self::Xz => "xz",
            Self::Deflate { .. } => "deflate",
        }
    }

    /// The name of what this makes of a blob. The numbers are raised whenever the same blob comes out differently.
    pub(crate) fn recipe(self, content: &Content) -> Digest {
        let digest = content.digest;
        Digest::of(match self {
            Self::Xz => format!("xz 1 {digest}"),
            Self::Deflate { unit } => format!("deflate 1 {unit} {digest}"),
        })
    }
}

/// What became of a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pack {
    /// Itself compressed, when it compresses.
    pub(crate) made: Option<Made>,
}

/// A blob that holds another, compressed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Made {
    /// The blob.
    pub(crate) content: Content,
    parts: Parts,
}

/// Where in it what lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Parts {
    Xz(xz::Parts),
    Deflate(deflate::Parts),
}

/// What was made of the blobs of a disk, by their digests.
#[derive(Debug, Clone, Default)]
pub struct Packs {
    pub(super) xz: HashMap<Digest, Packed>,
    pub(super) deflate: HashMap<Digest, Pieces>,
}

impl Packs {
    /// Adds what was made of `digest`.
    pub(crate) fn add(&mut self, digest: Digest, made: &Made) -> Result<(), Error> {
        match &made.parts {
            Parts::Xz(parts) => {
                self.xz.insert(digest, parts.packed(made.content.digest));
            }
            Parts::Deflate(parts) => {
                self.deflate
                    .insert(digest, parts.pieces(made.content.digest)?);
            }
        }
        Ok(())
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
    Xz(#[from] formats::xz::Error),
    /// What is remembered cannot be.
    #[error("compress: {0}")]
    Pieces(#[from] formats::deflate::PiecesError),
}

impl Error {
    /// What kind of answer this calls for.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Io(error) if error.kind() == io::ErrorKind::StorageFull => Kind::StorageFull,
            Self::Io(_) | Self::Xz(_) | Self::Pieces(_) => Kind::Internal,
            Self::Store(error) => error.kind(),
        }
    }
}

/// Compresses `blob` into `store` if that pays. Blocks for as long as it takes.
pub(crate) fn make(store: &Store, blob: &Blob, method: Method) -> Result<Pack, Error> {
    let mut probe = zstd::stream::write::Encoder::new(Count(0), PROBE_LEVEL)?;
    copy(blob, &mut probe)?;
    let Count(len) = probe.finish()?;
    if !pays(len, blob.len) {
        return Ok(Pack { made: None });
    }
    let made = match method {
        Method::Xz => Some(xz::make(store, blob)?),
        Method::Deflate { unit } => deflate::make(store, blob, unit)?,
    };
    Ok(Pack { made })
}

/// Whether `len` bytes are worth to be kept instead of `of`.
fn pays(len: u64, of: u64) -> bool {
    len * 100 <= of * PAYS
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
