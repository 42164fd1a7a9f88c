//! Symbolic links of an extension, followed inside its own root file system and nowhere else.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::{Node, Tree};

/// Links followed on the way to one file, Linux's `MAXSYMLINKS`.
const MAX_LINKS: usize = 40;

/// A tree that knows what is in each directory, also in those that are only implied by what is below them.
#[derive(Debug)]
pub(super) struct Directories<'a> {
    tree: &'a Tree,
    names: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

/// What a path is when its links have been followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A directory, the root being the empty path; without an entry of its own it has no mode.
    Directory { path: String, mode: Option<u32> },
    /// A regular file.
    File {
        mode: u32,
        content: &'a crate::store::Content,
    },
}

impl<'a> Directories<'a> {
    pub(super) fn new(tree: &'a Tree) -> Self {
        let mut names: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::from([("", BTreeSet::new())]);
        for (path, entry) in &tree.entries {
            if entry.node == Node::Directory {
                names.entry(path).or_default();
            }
            let mut path = path.as_str();
            loop {
                let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
                let is_known = names.contains_key(above);
                names.entry(above).or_default().insert(name);
                if is_known || above.is_empty() {
                    break;
                }
                path = above;
            }
        }
        Self { tree, names }
    }

    /// What is in the directory at `path`, in byte order; nothing if there is no such directory.
    pub(super) fn names(&self, path: &str) -> impl Iterator<Item = &'a str> {
        self.names.get(path).into_iter().flatten().copied()
    }

    /// Whether there is something of any kind at `path`, links not followed.
    pub(super) fn contains(&self, path: &str) -> bool {
        self.names.contains_key(path) || self.tree.entries.contains_key(path)
    }

    /// Follows the links on the way to `path` and the last one. Says why there is nothing.
    pub(super) fn find(&self, path: &str) -> Result<Found<'a>, &'static str> {
        let mut ahead: Vec<&str> = parts(path).rev().collect();
        let mut path = String::new();
        let mut links = 0;
        while let Some(part) = ahead.pop() {
            if part == ".." {
                path.truncate(path.rfind('/').unwrap_or(0));
                continue;
            }
            let next = join(&path, part);
            match self.tree.entries.get(&next).map(|entry| &entry.node) {
                Some(Node::Symlink(target)) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err("too many links, or links in a circle");
                    }
                    if target.starts_with('/') {
                        path.clear();
                    }
                    ahead.extend(parts(target).rev());
                }
                Some(Node::File(_)) if !ahead.is_empty() => return Err("not a directory"),
                Some(Node::File(_) | Node::Directory) => path = next,
                Some(Node::Hardlink(_)) => unreachable!("flattening resolves hard links"),
                None if self.names.contains_key(next.as_str()) => path = next,
                None => return Err("no such file or directory"),
            }
        }
        let entry = self.tree.entries.get(&path);
        Ok(match entry.map(|entry| (&entry.node, entry.mode)) {
            Some((Node::File(content), mode)) => Found::File { mode, content },
            entry => Found::Directory {
                mode: entry.map(|(_, mode)| mode),
                path,
            },
        })
    }
}

/// `path` with `name` below it.
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}/{name}")
    }
}

fn parts(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/')
        .filter(|part| !part.is_empty() && *part != ".")
}
