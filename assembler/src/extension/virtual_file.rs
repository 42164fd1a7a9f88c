//! Extensions made here: a manifest, and files that exist nowhere else.

use bytes::Bytes;
use formats::Digest;

use super::Manifest;

/// Modes of what most extensions consist of.
const DIRECTORY: u32 = 0o755;
const FILE: u32 = 0o644;

/// A file of an extension. Owner and group are 0, and so is the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualFile {
    /// Path below the root of the extension's file system, without a slash in front.
    pub path: String,
    /// Permissions.
    pub mode: u32,
    /// What it is.
    pub content: Content,
    /// Extended attributes, such as `security.selinux`.
    pub xattrs: Vec<(String, Bytes)>,
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A directory.
    Directory,
    /// A regular file.
    File(Bytes),
}

/// An extension made here. Parents come before what they contain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualExtension {
    /// What it says about itself.
    pub manifest: Manifest,
    /// Its files.
    pub files: Vec<VirtualFile>,
}

impl VirtualExtension {
    /// An extension of a single file, with the directories it needs.
    pub(super) fn of_file(manifest: Manifest, file: VirtualFile) -> VirtualExtension {
        let parents = file.path.match_indices('/').map(|(at, _)| &file.path[..at]);
        let mut files: Vec<_> = parents.map(VirtualFile::directory).collect();
        files.push(file);
        VirtualExtension { manifest, files }
    }

    /// Equal for equal extensions: all that goes into an image, hashed. Names squashfs images made of them.
    pub fn digest(&self) -> Digest {
        let mut text = self.manifest.to_yaml().into_bytes();
        let mut field = |bytes: &[u8]| {
            text.extend((bytes.len() as u64).to_le_bytes());
            text.extend(bytes);
        };
        for file in &self.files {
            field(file.path.as_bytes());
            field(&file.mode.to_le_bytes());
            match &file.content {
                Content::Directory => field(b"directory"),
                Content::File(bytes) => {
                    field(b"file");
                    field(bytes);
                }
            }
            field(&file.xattrs.len().to_le_bytes());
            for (name, value) in &file.xattrs {
                field(name.as_bytes());
                field(value);
            }
        }
        Digest::of(&text)
    }
}

impl VirtualFile {
    fn directory(path: &str) -> VirtualFile {
        VirtualFile {
            path: path.into(),
            mode: DIRECTORY,
            content: Content::Directory,
            xattrs: Vec::new(),
        }
    }

    pub(super) fn file(path: &str, content: Bytes) -> VirtualFile {
        VirtualFile {
            path: path.into(),
            mode: FILE,
            content: Content::File(content),
            xattrs: Vec::new(),
        }
    }
}
