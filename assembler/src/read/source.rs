//! A range of a blob, read at once if it lies in the page cache, otherwise where it may block.

use std::{
    io::{self, IoSliceMut},
    os::unix::fs::FileExt as _,
};

use formats::Digest;
use rustix::io::{Errno, ReadWriteFlags};

use super::{CHUNK, ReadError, buffer::Buffer, to_usize};
use crate::blobs::{Blob, Blobs};

pub(super) fn open(blobs: &dyn Blobs, digest: &Digest) -> Result<Blob, ReadError> {
    blobs.open(digest).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ReadError::Missing(*digest),
        _ => ReadError::Io {
            digest: *digest,
            offset: 0,
            source,
        },
    })
}

/// A range of an open blob.
pub(super) struct Source {
    pub(super) digest: Digest,
    pub(super) blob: Blob,
    pub(super) offset: u64,
    pub(super) len: u64,
}

impl Source {
    fn short(&self) -> ReadError {
        ReadError::Short {
            digest: self.digest,
            end: self.offset + self.len,
        }
    }

    /// The range in pieces of at most [`CHUNK`] bytes.
    pub(super) fn parts(&self) -> impl Iterator<Item = Self> + '_ {
        (0..self.len).step_by(CHUNK).map(|done| Self {
            digest: self.digest,
            blob: self.blob.clone(),
            offset: self.offset + done,
            len: (self.len - done).min(CHUNK as u64),
        })
    }

    pub(super) fn check(&self) -> Result<(), ReadError> {
        if self.offset + self.len > self.blob.len {
            return Err(self.short());
        }
        Ok(())
    }

    /// Reads what is in the page cache, possibly nothing.
    pub(super) fn read_cached(&self, space: &mut [u8]) -> Result<usize, ReadError> {
        let mut space = [IoSliceMut::new(space)];
        let flags = ReadWriteFlags::NOWAIT;
        match rustix::io::preadv2(&self.blob.file, &mut space, self.offset, flags) {
            Ok(0) => Err(self.short()),
            Ok(read) => Ok(read),
            // Not cached, or a file system that cannot tell.
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS | Errno::INTR) => {
                Ok(0)
            }
            Err(error) => Err(self.failed(error.into())),
        }
    }

    pub(super) fn read_blocking(&self, mut buffer: Buffer) -> Result<Buffer, ReadError> {
        let read = self
            .blob
            .file
            .read_exact_at(buffer.space(self.len), self.offset);
        match read {
            Ok(()) => {
                buffer.filled += to_usize(self.len);
                Ok(buffer)
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(self.short()),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn failed(&self, source: io::Error) -> ReadError {
        ReadError::Io {
            digest: self.digest,
            offset: self.offset,
            source,
        }
    }
}
