//! What an image is made of: directories, files and symbolic links by name.

use std::collections::BTreeMap;

use super::{Error, NameProblem};
use crate::Layout;

/// Levels of directories, the root directory included (ECMA-119, 6.8.2.1). Rock Ridge could relocate deeper ones; nothing
/// we make has them.
pub(super) const MAX_LEVELS: usize = 8;
/// Bytes of a name (`NAME_MAX` of POSIX).
const MAX_NAME: usize = 255;
/// Bytes of what a symbolic link says: its entries fit into one block.
const MAX_TARGET: usize = 1024;

/// Entries by name.
#[derive(Debug, Clone)]
pub struct Directory {
    /// Permissions, twelve bits.
    pub mode: u16,
    pub(super) entries: BTreeMap<String, Node>,
}

/// What a name stands for.
#[derive(Debug, Clone)]
pub enum Node {
    /// More names.
    Directory(Directory),
    /// Bytes.
    File(File),
    /// Another path.
    Symlink(String),
}

/// A file.
#[derive(Debug, Clone)]
pub struct File {
    /// Permissions, twelve bits.
    pub mode: u16,
    /// Its bytes.
    pub content: Layout,
}

impl Directory {
    /// A directory without entries.
    pub fn new(mode: u16) -> Self {
        Self {
            mode,
            entries: BTreeMap::new(),
        }
    }

    /// Adds a file, a link or a directory at `path`, names separated by `/`; directories on the way are made, with the mode of the
    /// one they are in.
    pub fn insert(&mut self, path: &str, node: Node) -> Result<(), Error> {
        if let Node::Symlink(target) = &node
            && !(1..=MAX_TARGET).contains(&target.len())
        {
            return Err(Error::Target {
                path: path.to_owned(),
                len: target.len(),
                max: MAX_TARGET,
            });
        }
        let (parent, name) = path
            .rsplit_once('/')
            .map_or((None, path), |(parent, name)| (Some(parent), name));
        let mut directory = self;
        let mut end = 0;
        for step in parent.into_iter().flat_map(|parent| parent.split('/')) {
            end += step.len();
            let here = &path[..end];
            end += 1;
            check(here, step)?;
            let mode = directory.mode;
            let next = directory.entries.entry(step.to_owned());
            match next.or_insert_with(|| Node::Directory(Self::new(mode))) {
                Node::Directory(next) => directory = next,
                Node::File(_) | Node::Symlink(_) => {
                    return Err(Error::NotADirectory {
                        path: here.to_owned(),
                    });
                }
            }
        }
        check(path, name)?;
        if directory.entries.contains_key(name) {
            return Err(Error::Exists {
                path: path.to_owned(),
            });
        }
        directory.entries.insert(name.to_owned(), node);
        Ok(())
    }

    /// The file at `path`, if there is one: contents that depend on where they lie are put in once that is known.
    pub fn file_mut(&mut self, path: &str) -> Option<&mut File> {
        let mut directory = self;
        let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
        for step in parents.split('/').filter(|step| !step.is_empty()) {
            let Node::Directory(next) = directory.entries.get_mut(step)? else {
                return None;
            };
            directory = next;
        }
        match directory.entries.get_mut(name)? {
            Node::File(file) => Some(file),
            Node::Directory(_) | Node::Symlink(_) => None,
        }
    }
}

fn check(path: &str, name: &str) -> Result<(), Error> {
    let problem = match name {
        "" => NameProblem::Empty,
        "." | ".." => NameProblem::Dots,
        _ if name.len() > MAX_NAME => NameProblem::TooLong,
        _ if name.contains('\0') => NameProblem::Nul,
        _ => return Ok(()),
    };
    Err(Error::Name {
        path: path.to_owned(),
        problem,
    })
}
