//! One new blob on its way into the store.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Write},
    os::unix::fs::FileExt as _,
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
    /// Whether the start was written over, so that sums have to be taken from the file.
    overwritten: bool,
    committed: bool,
}

impl<'a> BlobWriter<'a> {
    pub(super) fn create(store: &'a Store, path: PathBuf) -> Result<Self, Error> {
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(Error::at(&path))?;
        Ok(Self {
            store,
            path,
            file,
            hasher: Sha256::new(),
            sums: SumsBuilder::default(),
            len: 0,
            overwritten: false,
            committed: false,
        })
    }

    /// Adds `bytes` at the end.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.write_all(bytes).map_err(Error::at(&self.path))
    }

    /// Writes over the first bytes, for formats whose head is known last.
    pub fn overwrite_start(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.overwritten = true;
        self.file
            .write_all_at(bytes, 0)
            .map_err(Error::at(&self.path))
    }

    /// Takes the sums from the file.
    fn read_again(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; 256 << 10];
        let (mut hasher, mut sums, mut offset) = (Sha256::new(), SumsBuilder::default(), 0);
        while offset < self.len {
            let len = self.file.read_at(&mut buffer, offset)?;
            hasher.update(&buffer[..len]);
            sums.update(&buffer[..len]);
            offset += len as u64;
        }
        (self.hasher, self.sums) = (hasher, sums);
        Ok(())
    }

    /// What was written.
    fn finish(&mut self) -> Result<Content, Error> {
        if self.overwritten {
            self.read_again().map_err(Error::at(&self.path))?;
        }
        let hasher = std::mem::take(&mut self.hasher);
        let sums = std::mem::take(&mut self.sums).finish();
        Ok(Content {
            digest: Digest::finish(hasher),
            len: self.len,
            sums,
        })
    }

    /// Makes what was written a blob of the store: it is on disk when this returns.
    pub fn commit(mut self) -> Result<Content, Error> {
        let written = self.finish()?;
        // One that was not looked at yet may be damaged: it is replaced, or it would be found out and fetched once for each file.
        if self.store.is_sound(&written.digest) {
            return Ok(written);
        }
        self.file.sync_all().map_err(Error::at(&self.path))?;
        self.store.adopt(&self.path, &written)?;
        self.committed = true;
        Ok(written)
    }
}

/// New blobs that come together, as those of a layer do: the disk is waited for once, not for each of them.
#[derive(Debug)]
pub struct Batch<'a> {
    store: &'a Store,
    /// Finished temporary files.
    files: BTreeMap<Digest, (PathBuf, Content)>,
}

impl<'a> Batch<'a> {
    /// Up to so many files are waited for one by one: what else is being written on their disk is none of our business.
    const FEW: usize = 8;

    pub(super) fn new(store: &'a Store) -> Self {
        Self {
            store,
            files: BTreeMap::new(),
        }
    }

    /// Adds what was written. It is no blob before all of them are.
    pub fn add(&mut self, mut writer: BlobWriter<'a>) -> Result<Content, Error> {
        let written = writer.finish()?;
        let is_new = !self.files.contains_key(&written.digest);
        if is_new && !self.store.is_sound(&written.digest) {
            writer.committed = true;
            let file = (std::mem::take(&mut writer.path), written.clone());
            self.files.insert(written.digest, file);
        }
        Ok(written)
    }

    /// Makes all of them blobs of the store: they are on disk when this returns.
    pub fn commit(mut self) -> Result<(), Error> {
        if self.files.len() > Self::FEW {
            self.store.sync()?;
        } else {
            for (path, _) in self.files.values() {
                let file = File::open(path).map_err(Error::at(path))?;
                file.sync_all().map_err(Error::at(path))?;
            }
        }
        while let Some((_, (path, written))) = self.files.pop_first() {
            self.store.adopt(&path, &written).inspect_err(|_| {
                let _ = std::fs::remove_file(&path);
            })?;
        }
        Ok(())
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        for (path, _) in self.files.values() {
            let _ = std::fs::remove_file(path);
        }
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
