//! What a reader of layouts needs of a store: immutable blobs by digest.

use std::{fs::File, io, os::unix::fs::FileExt as _, sync::Arc};

use formats::Digest;

/// An open blob. It stays readable until dropped, whatever the store evicts meanwhile.
#[derive(Debug, Clone)]
pub struct Blob {
    /// Open for reading; use positioned reads only.
    pub file: Arc<File>,
    /// Its length in bytes.
    pub len: u64,
}

impl Blob {
    /// Its bytes from `position` to the end, in order.
    pub fn reader(&self, position: u64) -> BlobReader {
        BlobReader {
            file: Arc::clone(&self.file),
            position,
        }
    }
}

/// A blob read in order; others may read it meanwhile.
#[derive(Debug)]
pub struct BlobReader {
    file: Arc<File>,
    position: u64,
}

impl io::Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.file.read_at(buffer, self.position)?;
        self.position += len as u64;
        Ok(len)
    }
}

/// Immutable blobs by digest.
pub trait Blobs: std::fmt::Debug + Send + Sync + 'static {
    /// Opens a blob for positioned reads. [`io::ErrorKind::NotFound`] when it is not here (it may have been evicted).
    fn open(&self, digest: &Digest) -> io::Result<Blob>;

    /// Told when an open blob turned out not to be what it should: it is checked before it is used again.
    fn doubt(&self, digest: &Digest) {
        let _ = digest;
    }
}

/// No blob at all: enough for layouts of which no byte is read.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoBlobs;

impl Blobs for NoBlobs {
    fn open(&self, digest: &Digest) -> io::Result<Blob> {
        let text = format!("blob {digest} is not held");
        Err(io::Error::new(io::ErrorKind::NotFound, text))
    }
}
