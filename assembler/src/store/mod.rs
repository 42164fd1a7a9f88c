//! The store: immutable blobs by SHA-256 on local disk, and the small facts that outlive them.
//!
//! ```text
//! <root>/blobs/ab/<64 hex>     content, named by its SHA-256
//! <root>/facts/<kind>/<name>   small JSON documents: trees, manifests, tags, recipes' results
//! <root>/tmp/                  what is being written; emptied at start
//! ```
//!
//! - A blob appears under its name only when it is whole: temporary file, fsync, rename. Those of a layer come together,
//!   and the disk is waited for once.
//! - A blob is checked against its name once a process before it is first used; one that does not match is dropped, and so
//!   is fetched or made again.
//! - Eviction is by size, least recently used first, and never takes a blob that someone holds open. It runs when asked to:
//!   after what a request needs is pinned, never while it is being fetched.
//! - The files of recently used blobs stay open for the next request (`index`); that does not keep them from eviction.
//! - No container layer is ever extracted: see [`layer`].

pub mod flight;
mod index;
pub mod layer;
mod lock;
pub mod sums;
pub mod tree;
mod writer;

#[cfg(test)]
mod tests;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use formats::Digest;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    blobs::{Blob, Blobs},
    error::Kind,
};

use self::index::Index;
pub use self::lock::DataLock;
pub use self::sums::Sums;
pub use self::tree::{Entry, Node, Tree};
pub use self::writer::{Batch, BlobWriter, Content};

/// Digests in JSON, as `sha256:…`.
pub(crate) mod hex {
    use formats::Digest;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(
        digest: &Digest,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(digest)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Digest, D::Error> {
        std::borrow::Cow::<str>::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

/// What goes wrong with the store itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk has no room left. Where it lies is for the log, as the source.
    #[error("the store's disk is full")]
    Full {
        /// What was being written.
        #[from]
        source: Unwritten,
    },
    /// Another failure of the file system.
    #[error("store {path}: {source}")]
    Io {
        /// What was being read or written.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Another process uses the data directory.
    #[error("data directory {path} is in use by {holder}")]
    Locked {
        /// The directory.
        path: PathBuf,
        /// Who holds it, as written into the lock.
        holder: String,
    },
}

/// What could not be written.
#[derive(Debug, thiserror::Error)]
#[error("writing {}", .0.display())]
pub struct Unwritten(PathBuf);

impl Error {
    /// What kind of answer this calls for.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Full { .. } => Kind::StorageFull,
            Self::Io { .. } | Self::Locked { .. } => Kind::Internal,
        }
    }

    /// A failure to write a blob that has no name yet.
    pub(crate) fn writing(source: io::Error) -> Self {
        Self::at(Path::new("new blob"))(source)
    }

    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Unwritten(path.to_owned()).into()
            }
            _ => Self::Io {
                path: path.to_owned(),
                source,
            },
        }
    }
}

/// What a pass over the store found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Stat {
    /// Blobs here.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Where eviction starts, in bytes.
    pub max_bytes: u64,
}

/// Immutable blobs by digest on local disk.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    max_bytes: u64,
    index: Mutex<Index>,
    counter: std::sync::atomic::AtomicU64,
}

impl Store {
    /// Opens the store below `root`, making it when absent; eviction starts at `max_bytes`.
    pub fn open(root: &Path, max_bytes: u64) -> Result<Self, Error> {
        for folder in ["blobs", "facts", "tmp"] {
            let path = root.join(folder);
            fs::create_dir_all(&path).map_err(Error::at(&path))?;
        }
        let tmp = root.join("tmp");
        for entry in fs::read_dir(&tmp).map_err(Error::at(&tmp))? {
            let path = entry.map_err(Error::at(&tmp))?.path();
            fs::remove_file(&path).map_err(Error::at(&path))?;
        }
        let index = Mutex::new(scan(&root.join("blobs"))?);
        Ok(Self {
            root: root.to_owned(),
            max_bytes,
            index,
            counter: 0.into(),
        })
    }

    /// Whether the blob is here, going by its name and length alone.
    pub fn contains(&self, digest: &Digest) -> bool {
        self.index().contains(digest)
    }

    /// Whether the blob is here and was checked by this process, or written by it.
    fn is_sound(&self, digest: &Digest) -> bool {
        self.index().checked(digest).is_some()
    }

    /// The blob, open and pinned, if that takes no system call: it is in use, or was a short while ago.
    pub fn pin_open(&self, digest: &Digest) -> Option<Blob> {
        self.index().open(digest)
    }

    /// The blob, open and pinned, or `None` when it is not here (any more). The first use in a process reads it whole to
    /// check it against its name: this blocks.
    pub fn pin(&self, digest: &Digest) -> Result<Option<Blob>, Error> {
        let checked = {
            let mut index = self.index();
            if let Some(blob) = index.open(digest) {
                return Ok(Some(blob));
            }
            if !index.contains(digest) {
                return Ok(None);
            }
            index.checked(digest)
        };
        let path = self.blob_path(digest);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return self.forget(digest).map(|()| None);
            }
            Err(error) => return Err(Error::at(&path)(error)),
        };
        let sound = match checked {
            Some(len) => file.metadata().map_err(Error::at(&path))?.len() == len,
            None => sums::digest_of(&file).map_err(Error::at(&path))? == *digest,
        };
        if !sound {
            tracing::warn!(%digest, "damaged blob dropped");
            self.forget(digest)?;
            return Ok(None);
        }
        let _ = file.set_modified(SystemTime::now());
        Ok(self.index().opened(digest, file))
    }

    /// Puts `content` into the store, whole.
    pub fn put(&self, content: &[u8]) -> Result<Content, Error> {
        let mut writer = self.writer()?;
        writer.append(content)?;
        writer.commit()
    }

    /// A writer of one new blob, which is dropped unless committed.
    pub fn writer(&self) -> Result<BlobWriter<'_>, Error> {
        BlobWriter::create(self, self.tmp_path())
    }

    /// New blobs that come together, which are dropped unless committed.
    pub fn batch(&self) -> Batch<'_> {
        Batch::new(self)
    }

    /// Waits until everything written so far is on disk.
    fn sync(&self) -> Result<(), Error> {
        let path = self.root.join("tmp");
        let sync = || rustix::fs::syncfs(File::open(&path)?).map_err(io::Error::from);
        sync().map_err(Error::at(&path))
    }

    /// An empty file without a name, for what has to be read from any place while something is made of it. It is gone when
    /// it is closed, however that comes about.
    pub fn scratch(&self) -> Result<File, Error> {
        let number = self
            .counter
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = self.root.join("tmp").join(number.to_string());
        let open = || {
            let file = File::options()
                .read(true)
                .write(true)
                .create_new(true)
                .open(&path)?;
            fs::remove_file(&path)?;
            Ok(file)
        };
        open().map_err(Error::at(&path))
    }

    /// A remembered fact, or `None`; one that cannot be read is as good as absent.
    pub fn fact<T: DeserializeOwned>(&self, kind: &str, name: &str) -> Option<T> {
        let bytes = fs::read(self.fact_path(kind, name)).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Remembers a fact, replacing an earlier one.
    pub fn remember<T: Serialize>(&self, kind: &str, name: &str, fact: &T) -> Result<(), Error> {
        use io::Write as _;
        let path = self.fact_path(kind, name);
        let folder = path
            .parent()
            .expect("a fact lies in the folder of its kind");
        fs::create_dir_all(folder).map_err(Error::at(folder))?;
        let tmp = self.tmp_path();
        let write = || {
            let mut file = File::create_new(&tmp)?;
            file.write_all(&serde_json::to_vec(fact)?)?;
            file.sync_all()?;
            fs::rename(&tmp, &path)
        };
        write().map_err(|error| {
            let _ = fs::remove_file(&tmp);
            Error::at(&path)(error)
        })
    }

    /// How much is here.
    pub fn stat(&self) -> Stat {
        let index = self.index();
        Stat {
            blobs: index.count(),
            bytes: index.bytes(),
            max_bytes: self.max_bytes,
        }
    }

    /// Reads every blob and drops those that do not match their name, which are returned.
    pub fn verify(&self, mut progress: impl FnMut(u64)) -> Result<Vec<Digest>, Error> {
        let digests = self.index().digests();
        let mut dropped = Vec::new();
        for digest in digests {
            self.index().doubt(&digest);
            match self.pin(&digest)? {
                Some(blob) => progress(blob.len),
                None => dropped.push(digest),
            }
        }
        dropped.sort_unstable();
        Ok(dropped)
    }

    /// Evicts down to the limit; returns how many bytes went.
    pub fn collect_garbage(&self) -> Result<u64, Error> {
        self.evict(self.max_bytes)
    }

    /// Evicts least recently used blobs that nobody holds until at most `target` bytes are left (or all are held).
    pub fn evict(&self, target: u64) -> Result<u64, Error> {
        let (mut evicted, mut doomed) = (0, Vec::new());
        {
            let mut index = self.index();
            let bytes = index.bytes();
            if bytes <= target {
                return Ok(0);
            }
            for (digest, len) in index.idle() {
                if bytes - evicted <= target {
                    break;
                }
                // Renamed under the lock, so that the name is free for the same blob to come again; removing takes longer.
                let (path, tmp) = (self.blob_path(&digest), self.tmp_path());
                match fs::rename(&path, &tmp) {
                    Ok(()) => doomed.push(tmp),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(Error::at(&path)(error)),
                }
                index.remove(&digest);
                evicted += len;
            }
        }
        for path in doomed {
            remove(&path)?;
        }
        Ok(evicted)
    }

    /// Takes a finished temporary file in under its name.
    fn adopt(&self, tmp: &Path, written: &Content) -> Result<(), Error> {
        let path = self.blob_path(&written.digest);
        let folder = path.parent().expect("a blob lies in a folder");
        fs::create_dir_all(folder).map_err(Error::at(folder))?;
        fs::rename(tmp, &path).map_err(Error::at(&path))?;
        let now = SystemTime::now();
        self.index().insert(written.digest, written.len, now, true);
        Ok(())
    }

    fn forget(&self, digest: &Digest) -> Result<(), Error> {
        let mut index = self.index();
        index.remove(digest);
        remove(&self.blob_path(digest))
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A name for a file that is being written, or removed.
    fn tmp_path(&self) -> PathBuf {
        let number = self
            .counter
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.root.join("tmp").join(number.to_string())
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.root.join("blobs").join(&hex[..2]).join(hex)
    }

    fn fact_path(&self, kind: &str, name: &str) -> PathBuf {
        self.root.join("facts").join(kind).join(name)
    }
}

impl Blobs for Store {
    fn open(&self, digest: &Digest) -> io::Result<Blob> {
        match self.pin(digest) {
            Ok(Some(blob)) => Ok(blob),
            Ok(None) => Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("blob {digest} is not in the store"),
            )),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn doubt(&self, digest: &Digest) {
        self.index().doubt(digest);
    }
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::at(path)(error)),
        _ => Ok(()),
    }
}

/// The blobs that are on disk, by name; files with other names are left alone.
fn scan(blobs: &Path) -> Result<Index, Error> {
    let mut index = Index::default();
    for folder in fs::read_dir(blobs).map_err(Error::at(blobs))? {
        let folder = folder.map_err(Error::at(blobs))?.path();
        if !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&folder).map_err(Error::at(&folder))? {
            let entry = entry.map_err(Error::at(&folder))?;
            let Some(digest) = entry
                .file_name()
                .to_str()
                .and_then(|hex| Digest::from_hex(hex).ok())
            else {
                continue;
            };
            let metadata = entry.metadata().map_err(Error::at(&folder))?;
            let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            index.insert(digest, metadata.len(), used, false);
        }
    }
    Ok(index)
}
