//! One process a data directory.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Seek as _, Write as _},
    path::Path,
};

use rustix::fs::FlockOperation;

use super::Error;

/// Held for as long as the process uses the data directory.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

impl DataLock {
    /// Takes the lock of `folder` (making the folder when absent), or says who holds it.
    pub fn take(folder: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(folder).map_err(Error::at(folder))?;
        let path = folder.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::at(&path))?;
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            let holder = if holder.is_empty() {
                "another process".to_owned()
            } else {
                holder.trim_end().to_owned()
            };
            return Err(Error::Locked {
                path: folder.to_owned(),
                holder,
            });
        }
        let host = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        file.set_len(0).map_err(Error::at(&path))?;
        file.rewind().map_err(Error::at(&path))?;
        writeln!(file, "process {} on {host}", std::process::id()).map_err(Error::at(&path))?;
        Ok(Self { _file: file })
    }
}
