//! Schematics as files of a directory, named by their ID.
//!
//! Writes are atomic and durable: temporary file, fsync, rename, fsync of the directory. One process writes.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};

use super::{Backend, Put};
use crate::{
    error::Kind,
    schematic::{Error, Id},
    yaml::Limits,
};

/// What a file may hold.
const MAX_BYTES: u64 = Limits::WRITTEN.bytes as u64;

/// A directory of schematics.
#[derive(Debug, Clone)]
pub struct Directory {
    path: PathBuf,
}

impl Directory {
    /// Opens a directory, making it if need be.
    pub fn open(path: impl Into<PathBuf>) -> Result<Directory, Error> {
        let path = path.into();
        fs::create_dir_all(&path).map_err(at(&path))?;
        Ok(Directory { path })
    }

    fn file(&self, id: &Id) -> PathBuf {
        self.path.join(id.to_string())
    }

    fn read(&self, id: &Id) -> Result<Option<Bytes>, Error> {
        let path = self.file(id);
        let len = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(at(&path)(e)),
        };
        if len > MAX_BYTES {
            let place = path.display().to_string();
            return Err(Error::Damaged { id: *id, place });
        }
        fs::read(&path)
            .map(|bytes| Some(bytes.into()))
            .map_err(at(&path))
    }

    fn write(&self, id: &Id, canonical: &Bytes) -> Result<Put, Error> {
        let path = self.file(id);
        if fs::read(&path).is_ok_and(|kept| kept == *canonical) {
            return Ok(Put::Existing);
        }
        let temporary = path.with_extension("tmp");
        let written =
            write_durably(&temporary, canonical).and_then(|()| fs::rename(&temporary, &path));
        if written.is_err() {
            // Nothing is lost if it stays: the next write of this ID replaces it.
            let _ = fs::remove_file(&temporary);
        }
        written.map_err(at(&path))?;
        File::open(&self.path)
            .and_then(|directory| directory.sync_all())
            .map_err(at(&self.path))?;
        Ok(Put::Created)
    }
}

impl Backend for Directory {
    fn get<'a>(&'a self, id: &'a Id) -> BoxFuture<'a, Result<Option<Bytes>, Error>> {
        let (directory, id) = (self.clone(), *id);
        blocking(move || directory.read(&id))
    }

    fn put<'a>(&'a self, id: &'a Id, canonical: Bytes) -> BoxFuture<'a, Result<Put, Error>> {
        let (directory, id) = (self.clone(), *id);
        blocking(move || directory.write(&id, &canonical))
    }

    fn place(&self, id: &Id) -> String {
        self.file(id).display().to_string()
    }
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn at(path: &Path) -> impl Fn(io::Error) -> Error + use<> {
    let path = path.to_path_buf();
    move |e| Error::Io {
        path: path.clone(),
        kind: e.kind(),
    }
}

fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> BoxFuture<'static, Result<T, Error>> {
    let task = tokio::task::spawn_blocking(work);
    let stopped = |e: tokio::task::JoinError| Error::Backend {
        text: e.to_string(),
        kind: Kind::Internal,
    };
    task.map(move |result| result.map_err(stopped)?).boxed()
}
