//! What a volume is made of: directories and files by name. Everything belongs to root.

use std::collections::BTreeMap;

use super::{Error, NameProblem};
use crate::Layout;

/// Names of the longest path: far more than any boot partition has, few enough to recurse over.
pub(super) const MAX_DEPTH: usize = 32;
/// Bytes of the longest name.
const MAX_NAME_LEN: usize = 255;
/// Permissions of directories that only are on the way to a file.
const DEFAULT_DIRECTORY_MODE: u16 = 0o755;
/// The bits of a mode that are permissions.
const PERMISSIONS: u16 = 0o7777;

/// Entries by name, in byte order.
#[derive(Debug, Clone)]
pub struct Directory {
    pub(super) mode: u16,
    pub(super) entries: BTreeMap<String, Node>,
}

/// What a name stands for.
#[derive(Debug, Clone)]
pub enum Node {
    /// More names.
    Directory(Directory),
    /// Bytes.
    File(File),
}

/// A file.
#[derive(Debug, Clone)]
pub struct File {
    /// Permissions; other bits are ignored.
    pub mode: u16,
    /// Its bytes.
    pub content: Layout,
}

impl Default for Directory {
    fn default() -> Self {
        Self::new(DEFAULT_DIRECTORY_MODE)
    }
}

impl Directory {
    /// An empty directory with these permissions.
    pub fn new(mode: u16) -> Self {
        Self {
            mode: mode & PERMISSIONS,
            entries: BTreeMap::new(),
        }
    }

    /// Adds a file at `path`, names separated by `/`; directories on the way are made, with permissions 0755.
    pub fn insert(&mut self, path: &str, file: File) -> Result<(), Error> {
        let mode = file.mode & PERMISSIONS;
        self.place(path, Node::File(File { mode, ..file }))
    }

    /// Adds an empty directory at `path`, with these permissions; directories on the way are made.
    pub fn insert_directory(&mut self, path: &str, mode: u16) -> Result<(), Error> {
        self.place(path, Node::Directory(Self::new(mode)))
    }

    /// The entries in order.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (&str, &Node)> + Clone {
        self.entries
            .iter()
            .map(|(name, node)| (name.as_str(), node))
    }

    /// The directories among the entries.
    pub(super) fn directories(&self) -> impl Iterator<Item = (&str, &Self)> {
        self.entries().filter_map(|(name, node)| match node {
            Node::Directory(directory) => Some((name, directory)),
            Node::File(_) => None,
        })
    }

    /// The files among the entries.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &File)> {
        self.entries().filter_map(|(name, node)| match node {
            Node::Directory(_) => None,
            Node::File(file) => Some((name, file)),
        })
    }

    fn place(&mut self, path: &str, node: Node) -> Result<(), Error> {
        if path.split('/').count() > MAX_DEPTH {
            return Err(Error::TooDeep {
                path: path.to_owned(),
                max: MAX_DEPTH,
            });
        }
        let mut directory = self;
        let mut end = 0;
        for name in path.split('/') {
            end += name.len();
            let here = &path[..end];
            check(name).map_err(|problem| Error::Name {
                path: here.to_owned(),
                problem,
            })?;
            if end == path.len() {
                if directory.entries.contains_key(name) {
                    return Err(Error::Exists {
                        path: path.to_owned(),
                    });
                }
                directory.entries.insert(name.to_owned(), node);
                break;
            }
            end += 1;
            let next = directory
                .entries
                .entry(name.to_owned())
                .or_insert_with(|| Node::Directory(Self::default()));
            match next {
                Node::Directory(next) => directory = next,
                Node::File(_) => {
                    return Err(Error::NotADirectory {
                        path: here.to_owned(),
                    });
                }
            }
        }
        Ok(())
    }
}

fn check(name: &str) -> Result<(), NameProblem> {
    match name {
        "" => Err(NameProblem::Empty),
        "." | ".." => Err(NameProblem::Dots),
        _ if name.len() > MAX_NAME_LEN => Err(NameProblem::TooLong),
        _ if name.contains('\0') => Err(NameProblem::Zero),
        _ => Ok(()),
    }
}
