//! Whole layouts, where it may block: into a file, and as a digest.

use std::{
    io::{self, Write},
    ops::Range,
};

use formats::{Digest, Layout, extent::Segment};
use sha2::{Digest as _, Sha256};

use super::{
    ReadError, ZEROS,
    buffer::Buffer,
    deferred::value,
    source::{Source, open},
    to_usize,
};
use crate::blobs::{Blob, Blobs};

/// Why a layout could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Its bytes could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// They could not be written.
    #[error("write")]
    Write(#[source] io::Error),
}

/// Writes the whole layout and returns its SHA-256. `progress` is told of each piece that has been written, in bytes.
/// Blocks.
pub fn write_to(
    layout: &Layout,
    blobs: &dyn Blobs,
    out: &mut dyn Write,
    mut progress: impl FnMut(u64),
) -> Result<Digest, WriteError> {
    let mut hasher = Sha256::new();
    let all = 0..layout.len();
    each_piece(layout, all, blobs, |piece| -> Result<(), WriteError> {
        hasher.update(piece);
        out.write_all(piece).map_err(WriteError::Write)?;
        progress(piece.len() as u64);
        Ok(())
    })?;
    out.flush().map_err(WriteError::Write)?;
    Ok(Digest::finish(hasher))
}

/// The SHA-256 of the whole layout. Blocks.
pub fn sha256(layout: &Layout, blobs: &dyn Blobs) -> Result<Digest, ReadError> {
    let mut hasher = Sha256::new();
    let all = 0..layout.len();
    each_piece(layout, all, blobs, |piece| -> Result<(), ReadError> {
        hasher.update(piece);
        Ok(())
    })?;
    Ok(Digest::finish(hasher))
}

/// Hands the bytes of `range` to `piece`, in order. Blocks.
pub(super) fn each_piece<E: From<ReadError>>(
    layout: &Layout,
    range: Range<u64>,
    blobs: &dyn Blobs,
    mut piece: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut current: Option<(Digest, Blob)> = None;
    for segment in layout.segments(range) {
        match segment {
            Segment::Bytes(bytes) => piece(&bytes)?,
            Segment::Deferred(deferred) => piece(&value(&deferred, blobs)?)?,
            Segment::Zeros(mut left) => {
                while left > 0 {
                    let len = left.min(ZEROS.len() as u64);
                    piece(&ZEROS[..to_usize(len)])?;
                    left -= len;
                }
            }
            Segment::Blob {
                digest,
                offset,
                len,
            } => {
                let blob = match current.take() {
                    Some((name, blob)) if name == digest => blob,
                    _ => open(blobs, &digest)?,
                };
                let whole = Source {
                    digest,
                    blob,
                    offset,
                    len,
                };
                whole.check()?;
                each_piece_of_blob(&whole, &mut piece)?;
                current = Some((digest, whole.blob));
            }
        }
    }
    Ok(())
}

fn each_piece_of_blob<E: From<ReadError>>(
    whole: &Source,
    piece: &mut impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    for part in whole.parts() {
        let buffer = part.read_blocking(Buffer::new(part.len, false))?;
        piece(buffer.as_ref())?;
    }
    Ok(())
}
