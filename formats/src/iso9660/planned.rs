//! The tree of an image as directories and files in order, with identifiers and room for addresses.

use super::{
    CATALOG_NAME, Catalog, Directory, Error, File, Node, names::Identifiers, raw::BLOCK,
    tree::MAX_LEVELS,
};
use crate::Layout;

/// Permissions of the boot catalogue.
const CATALOG_MODE: u16 = 0o444;
/// Directories that path tables count.
const MAX_DIRECTORIES: usize = u16::MAX as usize;

/// The tree of an image, with addresses once they are known.
pub(super) struct Tree<'a> {
    /// Each directory before what it holds.
    pub(super) folders: Vec<Folder<'a>>,
    /// Indices into `folders` in the order of path tables: by level, parent and identifier.
    pub(super) by_level: Vec<usize>,
    pub(super) files: Vec<PlannedFile<'a>>,
    pub(super) empty_block: u32,
}

pub(super) struct Folder<'a> {
    pub(super) path: String,
    pub(super) identifier: String,
    pub(super) mode: u16,
    pub(super) parent: usize,
    /// In path tables, from 1.
    pub(super) number: u16,
    pub(super) children: Vec<Child<'a>>,
    /// Bytes of its records, whole blocks.
    pub(super) records_len: u32,
    /// Its first block in each set.
    pub(super) blocks: [u32; 2],
}

impl Folder<'_> {
    pub(super) fn is_root(&self) -> bool {
        self.identifier.is_empty()
    }
}

pub(super) enum Child<'a> {
    Folder {
        name: &'a str,
        identifier: String,
        index: usize,
    },
    File {
        name: &'a str,
        identifier: String,
        index: usize,
    },
    Symlink {
        name: &'a str,
        identifier: String,
        target: &'a str,
    },
}

impl<'a> Child<'a> {
    pub(super) fn name(&self) -> &'a str {
        let (Self::Folder { name, .. } | Self::File { name, .. } | Self::Symlink { name, .. }) =
            self;
        name
    }

    /// The identifier as a record writes it: files have a version.
    pub(super) fn record_identifier(&self) -> Vec<u8> {
        match self {
            Self::Folder { identifier, .. } => identifier.clone().into_bytes(),
            Self::File { identifier, .. } | Self::Symlink { identifier, .. } => {
                format!("{identifier};1").into_bytes()
            }
        }
    }

    /// ECMA-119, 9.3 compares names, then extensions, padded with spaces. The full stop between them sorts before all
    /// characters of identifiers, so comparing bytes is the same.
    fn sort_key(&self) -> &str {
        let (Self::Folder { identifier, .. }
        | Self::File { identifier, .. }
        | Self::Symlink { identifier, .. }) = self;
        identifier
    }
}

pub(super) struct PlannedFile<'a> {
    pub(super) path: String,
    pub(super) mode: u16,
    pub(super) len: u64,
    pub(super) block: u32,
    pub(super) content: Content<'a>,
}

/// What a file holds.
pub(super) enum Content<'a> {
    Layout(&'a Layout),
    /// The boot catalogue, which is known when all addresses are.
    Catalog,
}

impl<'a> Tree<'a> {
    pub(super) fn new(root: &'a Directory, catalog: Option<&'a Catalog>) -> Result<Self, Error> {
        let mut tree = Self {
            folders: Vec::new(),
            by_level: Vec::new(),
            files: Vec::new(),
            empty_block: 0,
        };
        if catalog.is_some() && root.entries.contains_key(CATALOG_NAME) {
            return Err(Error::Exists {
                path: CATALOG_NAME.to_owned(),
            });
        }
        tree.folder(root, String::new(), String::new(), 0, 1)?;
        if catalog.is_some() {
            tree.add_catalog();
        }
        if tree.folders.len() > MAX_DIRECTORIES {
            return Err(Error::TooManyDirectories {
                count: tree.folders.len(),
                max: MAX_DIRECTORIES,
            });
        }
        // A directory comes after its parent, and after those whose parents come before its own.
        let mut next = 0;
        tree.by_level.push(0);
        while let Some(index) = tree.by_level.get(next).copied() {
            next += 1;
            tree.folders[index].number = u16::try_from(next).expect("at most MAX_DIRECTORIES");
            let inner = tree.folders[index]
                .children
                .iter()
                .filter_map(|child| match child {
                    Child::Folder { index, .. } => Some(*index),
                    _ => None,
                });
            tree.by_level.extend(inner);
        }
        Ok(tree)
    }

    /// Adds a directory and all below.
    fn folder(
        &mut self,
        directory: &'a Directory,
        path: String,
        identifier: String,
        parent: usize,
        level: usize,
    ) -> Result<usize, Error> {
        if level > MAX_LEVELS {
            return Err(Error::TooDeep {
                path,
                max: MAX_LEVELS,
            });
        }
        let own = self.folders.len();
        self.folders.push(Folder {
            path,
            identifier,
            mode: directory.mode,
            parent,
            number: 0,
            children: Vec::new(),
            records_len: 0,
            blocks: [0; 2],
        });
        let mut identifiers = Identifiers::default();
        let mut children = Vec::new();
        for (name, node) in &directory.entries {
            // Indices are given when the order is known.
            let child = match node {
                Node::Directory(_) => Child::Folder {
                    name,
                    identifier: identifiers.directory(name),
                    index: 0,
                },
                Node::File(_) => Child::File {
                    name,
                    identifier: identifiers.file(name),
                    index: 0,
                },
                Node::Symlink(target) => Child::Symlink {
                    name,
                    identifier: identifiers.file(name),
                    target,
                },
            };
            children.push((child, Some(node)));
        }
        children.sort_by(|(a, _), (b, _)| a.sort_key().cmp(b.sort_key()));
        for (child, node) in &mut children {
            match (child, node) {
                (
                    Child::Folder {
                        name,
                        identifier,
                        index,
                    },
                    Some(Node::Directory(inner)),
                ) => {
                    let path = join(&self.folders[own].path, name);
                    *index = self.folder(inner, path, identifier.clone(), own, level + 1)?;
                }
                (Child::File { name, index, .. }, Some(Node::File(File { mode, content }))) => {
                    *index = self.file(own, name, *mode, content.len(), Content::Layout(content));
                }
                _ => {}
            }
        }
        self.folders[own].children = children.into_iter().map(|(child, _)| child).collect();
        Ok(own)
    }

    /// Adds the boot catalogue to the root directory.
    fn add_catalog(&mut self) {
        let index = self.file(0, CATALOG_NAME, CATALOG_MODE, BLOCK, Content::Catalog);
        let root = &mut self.folders[0].children;
        let mut identifiers = Identifiers::taken(root.iter().map(Child::sort_key));
        root.push(Child::File {
            name: CATALOG_NAME,
            identifier: identifiers.file(CATALOG_NAME),
            index,
        });
        root.sort_by(|a, b| a.sort_key().cmp(b.sort_key()));
    }

    fn file(
        &mut self,
        folder: usize,
        name: &str,
        mode: u16,
        len: u64,
        content: Content<'a>,
    ) -> usize {
        let path = join(&self.folders[folder].path, name);
        self.files.push(PlannedFile {
            path,
            mode,
            len,
            block: 0,
            content,
        });
        self.files.len() - 1
    }
}

fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() {
        name.to_owned()
    } else {
        format!("{directory}/{name}")
    }
}
