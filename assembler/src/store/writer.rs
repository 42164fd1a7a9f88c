//! One new blob on its way into the store.

use std::{
    fs::File,
    io::{self, Write},
    path::PathBuf,
};

use formats::Digest;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Error, Store, Sums, sums::SumsBuilder};

/// A blob that was in the store at least once: all that layouts need to know of it, without its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// The blob's name.
    #[serde(with = "super::hex")]
    pub digest: Digest,
    /// Its length in bytes.
    pub len: u64,
    /// Its checksums.
    pub sums: Sums,
}

/// A temporary file that becomes a blob when committed, and vanishes when dropped.
#[derive(Debug)]
pub struct BlobWriter<'a> {
    store: &'a Store,
    path: PathBuf,
    file: File,
    hasher: Sha256,
    sums: SumsBuilder,
    len: u64,
    committed: bool,
}

impl<'a> BlobWriter<'a> {
    pub(super) fn create(store: &'a Store, path: PathBuf) -> Result<Self, Error> {
        let file = File::create_new(&path).map_err(Error::at(&path))?;
        Ok(Self {
            store,
            path,
            file,
            hasher: Sha256::new(),
            sums: SumsBuilder::default(),
            len: 0,
            committed: false,
        })
    }

    /// Adds `bytes` at the end.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.write_all(bytes).map_err(Error::at(&self.path))
    }

    /// Makes what was written a blob of the store: it is on disk when this returns.
    pub fn commit(mut self) -> Result<Content, Error> {
        let hasher = std::mem::take(&mut self.hasher);
        let sums = std::mem::take(&mut self.sums).finish();
        let written = Content {
            digest: Digest::finish(hasher),
            len: self.len,
            sums,
        };
        if self.store.contains(&written.digest) {
            return Ok(written);
        }
        self.file.sync_all().map_err(Error::at(&self.path))?;
        self.store.adopt(&self.path, &written)?;
        self.committed = true;
        Ok(written)
    }
}

impl Write for BlobWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.file.write(bytes)?;
        self.hasher.update(&bytes[..len]);
        self.sums.update(&bytes[..len]);
        self.len += len as u64;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for BlobWriter<'_> {
    fn drop(&mut self) {
        if !self.committed {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
