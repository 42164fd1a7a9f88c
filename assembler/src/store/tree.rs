//! What a container layer or image holds: paths with modes, links and extended attributes, contents by digest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Content;

/// A file system as data. Paths have no leading or trailing slash and no `.` or `..`; every parent of an entry may or may not be
/// listed itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    /// Entries by path, in byte order.
    pub entries: BTreeMap<String, Entry>,
}

/// One path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Permission, set-id and sticky bits.
    pub mode: u32,
    /// What it is.
    pub node: Node,
    /// Extended attributes, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// What a path is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Node {
    /// A directory.
    Directory,
    /// A regular file.
    File(Content),
    /// A symbolic link with this target, as written.
    Symlink(String),
    /// Another name of the file at this path; only in layers, where the file may be a lower layer's.
    Hardlink(String),
}

/// The names by which a layer takes away what lower layers hold (OCI image layer specification, whiteouts).
const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";

/// A hard link to something that is not a file of the image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("hard link {path:?} names {target:?}, which is not a file of the image")]
pub struct DanglingHardlink {
    /// The link.
    pub path: String,
    /// What it names.
    pub target: String,
}

impl Tree {
    /// The file at `path`.
    pub fn file(&self, path: &str) -> Option<&Content> {
        match &self.entries.get(path)?.node {
            Node::File(content) => Some(content),
            _ => None,
        }
    }

    /// Everything below the directory `path`, with paths relative to it.
    #[must_use]
    pub fn below(&self, path: &str) -> Self {
        let prefix = format!("{path}/");
        let entries = self
            .entries
            .range(prefix.clone()..)
            .map_while(|(path, entry)| {
                Some((path.strip_prefix(&prefix)?.to_owned(), entry.clone()))
            })
            .collect();
        Self { entries }
    }

    /// The file system of an image: layers laid over each other from the lowest up, whiteouts applied, hard links resolved.
    pub fn flatten<'a>(
        layers: impl IntoIterator<Item = &'a Self>,
    ) -> Result<Self, DanglingHardlink> {
        let mut image = Self::default();
        for layer in layers {
            image.take_away(layer);
            image.lay_over(layer)?;
        }
        Ok(image)
    }

    /// Applies the whiteouts of `layer`, which concern lower layers only.
    fn take_away(&mut self, layer: &Self) {
        for path in layer.entries.keys() {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            if name == OPAQUE {
                self.remove_below(parent);
            } else if let Some(hidden) = name.strip_prefix(WHITEOUT) {
                let hidden = if parent.is_empty() {
                    hidden.to_owned()
                } else {
                    format!("{parent}/{hidden}")
                };
                self.entries.remove(&hidden);
                self.remove_below(&hidden);
            }
        }
    }

    fn lay_over(&mut self, layer: &Self) -> Result<(), DanglingHardlink> {
        let (links, others): (Vec<_>, Vec<_>) = layer
            .entries
            .iter()
            .filter(|(path, _)| {
                !path
                    .rsplit('/')
                    .next()
                    .is_some_and(|name| name.starts_with(WHITEOUT))
            })
            .partition(|(_, entry)| matches!(entry.node, Node::Hardlink(_)));
        for (path, entry) in others {
            if entry.node != Node::Directory {
                self.remove_below(path);
            }
            self.remove_files_above(path);
            self.entries.insert(path.clone(), entry.clone());
        }
        for (path, entry) in links {
            let target = self.link_target(layer, entry);
            let Some(target) = target.and_then(|target| self.entries.get(&target)) else {
                let Node::Hardlink(target) = &entry.node else {
                    unreachable!("partitioned by this very pattern")
                };
                return Err(DanglingHardlink {
                    path: path.clone(),
                    target: target.clone(),
                });
            };
            let target = target.clone();
            self.remove_below(path);
            self.remove_files_above(path);
            self.entries.insert(path.clone(), target);
        }
        Ok(())
    }

    /// The path of the file that a hard link ends at, through further links of its layer.
    fn link_target(&self, layer: &Self, link: &Entry) -> Option<String> {
        let mut entry = link;
        for _ in 0..=layer.entries.len() {
            let Node::Hardlink(target) = &entry.node else {
                return None;
            };
            match layer.entries.get(target) {
                Some(next) if matches!(next.node, Node::Hardlink(_)) => entry = next,
                _ => {
                    let found = self.entries.get(target)?;
                    return matches!(found.node, Node::File(_)).then(|| target.clone());
                }
            }
        }
        None
    }

    fn remove_below(&mut self, path: &str) {
        if path.is_empty() {
            self.entries.clear();
            return;
        }
        let prefix = format!("{path}/");
        let doomed: Vec<String> = self
            .entries
            .range(prefix.clone()..)
            .map(|(path, _)| path)
            .take_while(|path| path.starts_with(&prefix))
            .cloned()
            .collect();
        for path in doomed {
            self.entries.remove(&path);
        }
    }

    /// A lower layer's file or link where this path needs a directory gives way.
    fn remove_files_above(&mut self, path: &str) {
        let mut parent = path;
        while let Some((above, _)) = parent.rsplit_once('/') {
            if self
                .entries
                .get(above)
                .is_some_and(|entry| entry.node != Node::Directory)
            {
                self.entries.remove(above);
            }
            parent = above;
        }
    }
}

#[cfg(test)]
mod tests {
    use formats::Digest;

    use super::*;
    use crate::store::Sums;

    fn file(text: &str) -> Node {
        Node::File(Content {
            digest: Digest::of(text),
            len: text.len() as u64,
            sums: Sums::default(),
        })
    }

    fn tree(entries: &[(&str, Node)]) -> Tree {
        let entry = |node: &Node| Entry {
            mode: 0o644,
            node: node.clone(),
            xattrs: BTreeMap::new(),
        };
        Tree {
            entries: entries
                .iter()
                .map(|(path, node)| ((*path).to_owned(), entry(node)))
                .collect(),
        }
    }

    fn paths(tree: &Tree) -> Vec<&str> {
        tree.entries.keys().map(String::as_str).collect()
    }

    #[test]
    fn whiteouts_hide_lower_layers_only() {
        let lower = tree(&[
            ("a/b", file("1")),
            ("a/c", file("2")),
            ("d/e", file("3")),
            ("f", file("4")),
            ("f2", file("5")),
        ]);
        let upper = tree(&[
            ("a/.wh..wh..opq", file("")),
            ("a/new", file("6")),
            (".wh.f", file("")),
            ("d/.wh.e", file("")),
        ]);
        let image = Tree::flatten([&lower, &upper]).unwrap();
        assert_eq!(paths(&image), ["a/new", "f2"]);
    }

    #[test]
    fn hard_links_take_the_content_of_their_layer_or_of_a_lower_one() {
        let lower = tree(&[("old", file("1"))]);
        let link = |target: &str| Node::Hardlink(target.to_owned());
        let upper = tree(&[
            ("a", link("z")),
            ("b", link("a")),
            ("c", link("old")),
            ("z", file("2")),
        ]);
        let image = Tree::flatten([&lower, &upper]).unwrap();
        for (path, text) in [("a", "2"), ("b", "2"), ("c", "1")] {
            assert_eq!(image.entries[path].node, file(text), "{path}");
        }
        let lost = Tree::flatten([&tree(&[("a", link("nowhere"))])]).unwrap_err();
        assert_eq!(lost.target, "nowhere");
        let circle = Tree::flatten([&tree(&[("a", link("b")), ("b", link("a"))])]);
        assert!(circle.is_err());
    }

    #[test]
    fn a_file_replaces_a_directory_and_the_other_way_round() {
        let lower = tree(&[("a", Node::Directory), ("a/b", file("1")), ("c", file("2"))]);
        let upper = tree(&[("a", file("3")), ("c/d", file("4"))]);
        assert_eq!(
            paths(&Tree::flatten([&lower, &upper]).unwrap()),
            ["a", "c/d"]
        );
    }

    #[test]
    fn below_is_relative() {
        let tree = tree(&[
            ("usr", Node::Directory),
            ("usr/bin", Node::Directory),
            ("usr/bin/x", file("1")),
            ("usrx", file("2")),
        ]);
        assert_eq!(paths(&tree.below("usr")), ["bin", "bin/x"]);
    }
}
