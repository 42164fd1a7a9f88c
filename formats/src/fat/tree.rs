//! What a volume is made of: directories and files by name.

use std::collections::BTreeMap;

use super::{Attributes, Error, names};
use crate::Layout;

/// Names of the longest path: far more than any ESP has, few enough to recurse over.
pub(super) const MAX_DEPTH: usize = 32;

/// Entries by name, in byte order.
#[derive(Debug, Clone, Default)]
pub struct Directory {
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
    /// [`Attributes::ARCHIVE`] for a file as mtools copies it, and more.
    pub attributes: Attributes,
    /// Its bytes.
    pub content: Layout,
}

impl Directory {
    /// Adds a file at `path`, names separated by `/`; directories on the way are made.
    pub fn insert(&mut self, path: &str, file: File) -> Result<(), Error> {
        self.place(path, Node::File(file))
    }

    /// Adds an empty directory at `path`; directories on the way are made.
    pub fn insert_directory(&mut self, path: &str) -> Result<(), Error> {
        self.place(path, Node::Directory(Self::default()))
    }

    /// The entries in order.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (&str, &Node)> + Clone {
        self.entries
            .iter()
            .map(|(name, node)| (name.as_str(), node))
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
            names::check(name).map_err(|problem| Error::Name {
                path: here.to_owned(),
                problem,
            })?;
            if end == path.len() {
                let other = directory
                    .entries
                    .keys()
                    .find(|key| key.to_lowercase() == name.to_lowercase());
                if other.is_some() {
                    return Err(Error::Exists {
                        path: path.to_owned(),
                    });
                }
                directory.entries.insert(name.to_owned(), node);
                break;
            }
            end += 1;
            let other = directory
                .entries
                .keys()
                .find(|key| *key != name && key.to_lowercase() == name.to_lowercase());
            if other.is_some() {
                return Err(Error::Exists {
                    path: here.to_owned(),
                });
            }
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
