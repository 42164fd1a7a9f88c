//! Trees to be written, and the same trees numbered.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use bytes::Bytes;

use super::raw::{XATTR_NAMESPACES, kind};
use super::write::WriteError;
use super::{MAX_FILE, MAX_NAME, MAX_TARGET, MAX_XATTR_NAME, MAX_XATTR_VALUE};
use crate::Digest;

/// Extended attributes: full name (`security.selinux`) → value. Namespaces `user.`, `trusted.` and `security.` exist.
pub type Xattrs = BTreeMap<Vec<u8>, Vec<u8>>;

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A directory.
    Directory(Directory),
    /// A regular file.
    File(File),
    /// A symbolic link.
    Symlink(Symlink),
}

/// A directory, and the root of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Permissions, 12 bits.
    pub mode: u16,
    /// Extended attributes.
    pub xattrs: Xattrs,
    /// What is in it, by name.
    pub entries: BTreeMap<Vec<u8>, Node>,
}

/// A regular file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Permissions, 12 bits.
    pub mode: u16,
    /// Extended attributes.
    pub xattrs: Xattrs,
    /// The bytes of it.
    pub content: Content,
}

/// A symbolic link; its mode is 0777.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symlink {
    /// Where it leads, unchecked.
    pub target: Vec<u8>,
    /// Extended attributes.
    pub xattrs: Xattrs,
}

/// Bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Bytes in hand.
    Inline(Bytes),
    /// A whole blob.
    Blob {
        /// The blob's name: files of equal digest are stored once.
        digest: Digest,
        /// The blob's length in bytes.
        len: u64,
    },
}

impl Directory {
    /// An empty directory.
    pub fn new(mode: u16) -> Self {
        Self {
            mode,
            xattrs: Xattrs::new(),
            entries: BTreeMap::new(),
        }
    }

    /// Puts `node` at `path` (components between `/`; empty ones are skipped), making missing parents with mode 0755.
    /// What was there before is returned.
    pub fn insert(&mut self, path: &[u8], node: Node) -> Result<Option<Node>, WriteError> {
        let mut components = path
            .split(|byte| *byte == b'/')
            .filter(|name| !name.is_empty());
        let Some(mut name) = components.next() else {
            return Err(WriteError::Name {
                path: lossy(path),
                why: "its name is empty",
            });
        };
        let mut folder = self;
        for next in components {
            let child = folder
                .entries
                .entry(name.to_vec())
                .or_insert_with(|| Node::Directory(Self::new(0o755)));
            let Node::Directory(child) = child else {
                return Err(WriteError::NotADirectory {
                    path: lossy(path),
                    name: lossy(name),
                });
            };
            (folder, name) = (child, next);
        }
        Ok(folder.entries.insert(name.to_vec(), node))
    }
}

impl File {
    /// A file of bytes in hand.
    pub fn inline(mode: u16, content: impl Into<Bytes>) -> Self {
        Self {
            mode,
            xattrs: Xattrs::new(),
            content: Content::Inline(content.into()),
        }
    }

    /// A file that is a whole blob.
    pub fn blob(mode: u16, digest: Digest, len: u64) -> Self {
        Self {
            mode,
            xattrs: Xattrs::new(),
            content: Content::Blob { digest, len },
        }
    }
}

impl Symlink {
    /// A link to `target`.
    pub fn new(target: impl Into<Vec<u8>>) -> Self {
        Self {
            target: target.into(),
            xattrs: Xattrs::new(),
        }
    }
}

impl Content {
    /// Bytes of the file.
    pub fn len(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Blob { len, .. } => *len,
        }
    }

    /// Whether the file is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The SHA-256 of the bytes.
    pub fn digest(&self) -> Digest {
        match self {
            Self::Inline(bytes) => Digest::of(bytes),
            Self::Blob { digest, .. } => *digest,
        }
    }
}

/// What a numbered entry is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Item<'a> {
    Directory(&'a Directory),
    File(&'a File),
    Symlink(&'a Symlink),
}

impl<'a> Item<'a> {
    fn of(node: &'a Node) -> Self {
        match node {
            Node::Directory(directory) => Self::Directory(directory),
            Node::File(file) => Self::File(file),
            Node::Symlink(symlink) => Self::Symlink(symlink),
        }
    }

    pub(super) fn xattrs(self) -> &'a Xattrs {
        match self {
            Self::Directory(directory) => &directory.xattrs,
            Self::File(file) => &file.xattrs,
            Self::Symlink(symlink) => &symlink.xattrs,
        }
    }

    pub(super) fn mode(self) -> u16 {
        match self {
            Self::Directory(directory) => directory.mode,
            Self::File(file) => file.mode,
            Self::Symlink(_) => 0o777,
        }
    }

    /// The basic number of [`kind`].
    pub(super) fn kind(self) -> u16 {
        match self {
            Self::Directory(_) => kind::DIRECTORY,
            Self::File(_) => kind::FILE,
            Self::Symlink(_) => kind::SYMLINK,
        }
    }
}

/// One entry of a numbered tree.
#[derive(Debug)]
pub(super) struct Numbered<'a> {
    pub(super) name: &'a [u8],
    /// Index of the directory it is in; the root's is its own.
    pub(super) parent: usize,
    pub(super) item: Item<'a>,
    /// Indices of what is in it, in order of name.
    pub(super) children: Range<usize>,
}

/// A tree in breadth-first order, the root first: what one directory holds has consecutive indices, always above the
/// directory's own. Inode numbers are the indices plus 1.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    pub(super) entries: Vec<Numbered<'a>>,
}

impl<'a> Tree<'a> {
    /// Numbers and checks everything below `root`.
    pub(super) fn new(root: &'a Directory) -> Result<Self, WriteError> {
        let mut tree = Self {
            entries: Vec::new(),
        };
        tree.push(b"", 0, Item::Directory(root))?;
        let mut queue = VecDeque::from([(0, root)]);
        while let Some((index, directory)) = queue.pop_front() {
            let first = tree.entries.len();
            for (name, node) in &directory.entries {
                if let Node::Directory(child) = node {
                    queue.push_back((tree.entries.len(), child));
                }
                tree.push(name, index, Item::of(node))?;
            }
            tree.entries[index].children = first..tree.entries.len();
        }
        // The root's parent number is one more than the last.
        if u32::try_from(tree.entries.len()).is_ok_and(|count| count < u32::MAX) {
            Ok(tree)
        } else {
            Err(WriteError::TooLarge {
                what: "number of inodes",
            })
        }
    }

    fn push(&mut self, name: &'a [u8], parent: usize, item: Item<'a>) -> Result<(), WriteError> {
        let index = self.entries.len();
        self.entries.push(Numbered {
            name,
            parent,
            item,
            children: 0..0,
        });
        if index != 0
            && let Err(why) = check_name(name)
        {
            return Err(WriteError::Name {
                path: self.path(index),
                why,
            });
        }
        let why = if item.mode() > 0o7777 {
            Err("its mode has more than 12 bits")
        } else {
            check_item(item).and_then(|()| check_xattrs(item.xattrs()))
        };
        why.map_err(|why| WriteError::Entry {
            path: self.path(index),
            why,
        })
    }

    /// `usr/lib/x`; nothing for the root.
    pub(super) fn path(&self, mut index: usize) -> String {
        let mut names = Vec::new();
        while index != 0 {
            names.push(self.entries[index].name);
            index = self.entries[index].parent;
        }
        names.reverse();
        lossy(&names.join(&b'/'))
    }
}

fn lossy(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

/// Says what is wrong with a name.
pub(super) fn check_name(name: &[u8]) -> Result<(), &'static str> {
    match name {
        b"" => Err("its name is empty"),
        b"." | b".." => Err("its name is . or .."),
        _ if name.len() > MAX_NAME => Err("its name is longer than 255 bytes"),
        _ if name.contains(&b'/') => Err("its name contains /"),
        _ if name.contains(&0) => Err("its name contains NUL"),
        _ => Ok(()),
    }
}

fn check_item(item: Item<'_>) -> Result<(), &'static str> {
    match item {
        Item::File(file) if file.content.len() > MAX_FILE => Err("it is longer than 512 TiB"),
        Item::Symlink(link) if link.target.is_empty() => Err("its target is empty"),
        Item::Symlink(link) if link.target.len() > MAX_TARGET => {
            Err("its target is longer than 4095 bytes")
        }
        Item::Symlink(link) if link.target.contains(&0) => Err("its target contains NUL"),
        _ => Ok(()),
    }
}

fn check_xattrs(xattrs: &Xattrs) -> Result<(), &'static str> {
    for (name, value) in xattrs {
        let (_, bare) = split_namespace(name)
            .ok_or("an extended attribute is not in user., trusted. or security.")?;
        if bare.is_empty() || bare.contains(&0) {
            return Err("an extended attribute's name is empty or contains NUL");
        }
        if name.len() > MAX_XATTR_NAME {
            return Err("an extended attribute's name is longer than 255 bytes");
        }
        if value.len() > MAX_XATTR_VALUE {
            return Err("an extended attribute's value is longer than 64 KiB");
        }
    }
    Ok(())
}

/// `security.selinux` → 2, `selinux`.
pub(super) fn split_namespace(name: &[u8]) -> Option<(u16, &[u8])> {
    XATTR_NAMESPACES
        .iter()
        .find_map(|(number, prefix)| Some((*number, name.strip_prefix(*prefix)?)))
}
