//! Files of a layout, by name: below a directory, or at offsets of one tar file.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use formats::Digest;

use crate::source::{
    error::Cause,
    layout::{archive::Archive, file_error},
};

/// The file that names the images.
pub(super) const INDEX: &str = "index.json";
/// The file that says what the directory is.
pub(super) const MARKER: &str = "oci-layout";

/// Where a layout's files are.
#[derive(Debug)]
pub(super) enum Files {
    /// In a directory; links are followed, it is the user's own.
    Directory(PathBuf),
    /// In a tar file.
    Archive(Archive),
}

/// A run of bytes of an open file.
#[derive(Debug, Clone)]
pub(super) struct Range {
    pub(super) file: Arc<File>,
    pub(super) path: PathBuf,
    pub(super) offset: u64,
    pub(super) len: u64,
}

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    len: u64,
    modified: (i64, i64),
}

impl Stamp {
    pub(super) fn of(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            len: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

impl Files {
    pub(super) fn archive(path: &Path) -> Result<Self, Cause> {
        Archive::read(path).map(Self::Archive)
    }

    /// The blob of a digest, unless there is none.
    pub(super) fn blob(&self, digest: &Digest) -> Result<Option<Range>, Cause> {
        self.open(&format!("blobs/sha256/{}", digest.hex()))
    }

    /// The file of a name, unless there is none.
    pub(super) fn open(&self, name: &str) -> Result<Option<Range>, Cause> {
        match self {
            Self::Directory(path) => open_file(&path.join(name)),
            Self::Archive(archive) => archive.open(name),
        }
    }
}

fn open_file(path: &Path) -> Result<Option<Range>, Cause> {
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
    match opened {
        Ok((metadata, file)) if metadata.is_file() => Ok(Some(Range {
            file: Arc::new(file),
            path: path.to_owned(),
            offset: 0,
            len: metadata.len(),
        })),
        Ok(_) => Err(Cause::File(format!(
            "{}: not a regular file",
            path.display()
        ))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file_error(path, &error)),
    }
}

impl Range {
    /// Up to `len` bytes from `offset` on; fewer only at the end, none beyond it.
    pub(super) fn read_at(&self, offset: u64, len: u64) -> Result<Bytes, Cause> {
        let len = len.min(self.len.saturating_sub(offset));
        let len = usize::try_from(len).expect("callers ask for a chunk or a limited document");
        let mut buffer = BytesMut::zeroed(len);
        let mut filled = 0;
        while filled < len {
            let at = self.offset + offset + filled as u64;
            match self.file.read_at(&mut buffer[filled..], at) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(file_error(&self.path, &error)),
            }
        }
        buffer.truncate(filled);
        Ok(buffer.freeze())
    }

    /// All of a document of limited length.
    pub(super) fn read_all(&self, what: &'static str, limit: u64) -> Result<Bytes, Cause> {
        if self.len > limit {
            return Err(Cause::TooLarge { what, limit });
        }
        self.read_at(0, self.len)
    }
}
