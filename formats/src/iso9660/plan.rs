//! Where everything of an image lies, worked out before its first byte.

use super::{
    BootImage, CATALOG_NAME, Catalog, Directory, Error, File, Image, Node, SystemArea,
    catalog::Place,
    directory::{self, Order, View},
    names::Identifiers,
    raw::{BLOCK, BLOCK_LEN, FIRST_DESCRIPTOR, ShortDate},
    tree::MAX_LEVELS,
};
use crate::{Layout, civil::Civil};

/// Partitions start and end at multiples of this: a cylinder of 64 heads with 32 sectors.
pub(super) const CYLINDER: u64 = 1 << 20;
/// Zeros at the end, because drives read ahead and some fail at the last blocks (`-padding 300k` of xorriso).
const PADDING_BLOCKS: u64 = 150;
/// Permissions of the boot catalogue.
const CATALOG_MODE: u16 = 0o444;
/// Directories that path tables count.
const MAX_DIRECTORIES: usize = u16::MAX as usize;

/// Addresses of an image, in blocks of 2048 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The descriptors and directories of each set: the first, and the second where there is a partition offset.
    pub sets: Vec<Set>,
    /// A block of zeros that files without content point at: extents at block 0 confuse some readers.
    pub empty: u32,
    /// The boot catalogue.
    pub catalog: Option<u32>,
    /// Files in the order of the tree.
    pub files: Vec<(String, u32)>,
    /// First block and blocks of each appended partition.
    pub appended: Vec<(u32, u32)>,
    /// First block after the ISO proper: that of the first appended partition.
    pub iso_end: u32,
    /// Blocks of the image: the volume space size, which covers appended partitions.
    pub end: u32,
}

/// Descriptors and directories of one set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// The block that the set takes for its medium's first.
    pub base: u32,
    /// Its primary volume descriptor.
    pub descriptors: u32,
    /// Its first directory, the root.
    pub directories: u32,
    /// Its little-endian path table.
    pub path_table_l: u32,
    /// Its big-endian path table.
    pub path_table_m: u32,
}

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

/// Counts blocks; wide, so that nothing wraps before it is refused.
struct Cursor(u64);

impl Cursor {
    /// The block where `len` bytes go.
    fn take(&mut self, len: u64) -> u32 {
        let block = self.0;
        self.0 += len.div_ceil(BLOCK);
        // Refused at the end, where everything is known.
        u32::try_from(block).unwrap_or(u32::MAX)
    }

    fn align(&mut self, len: u64) {
        self.0 = self.0.next_multiple_of(len / BLOCK);
    }

    fn block(&self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }
}

impl Plan {
    /// Works out all addresses of `image` and writes them into `tree`.
    pub(super) fn new(image: &Image, tree: &mut Tree, date: ShortDate) -> Result<Self, Error> {
        let first_end = FIRST_DESCRIPTOR + 2 + u32::from(image.catalog.is_some());
        let offset = image.partition_offset;
        let min = first_end - FIRST_DESCRIPTOR;
        if offset != 0 && offset < min {
            return Err(Error::PartitionOffset { offset, min });
        }
        let bases: &[u32] = if offset == 0 { &[0] } else { &[0, offset] };
        let mut cursor = Cursor(u64::from(first_end));
        if offset != 0 {
            // The second primary descriptor and its terminator.
            cursor.0 = u64::from(offset) + u64::from(FIRST_DESCRIPTOR) + 2;
        }
        let mut sets = Vec::new();
        for (set, base) in bases.iter().enumerate() {
            sets.push(plan_set(
                tree,
                View { base: *base, set },
                &mut cursor,
                date,
            )?);
        }

        tree.empty_block = cursor.take(BLOCK);
        let mut catalog = None;
        for file in &mut tree.files {
            if matches!(file.content, Content::Catalog) {
                file.block = cursor.take(file.len);
                catalog = Some(file.block);
            }
        }
        for file in &mut tree.files {
            if !matches!(file.content, Content::Catalog) {
                file.block = if file.len == 0 {
                    tree.empty_block
                } else {
                    cursor.take(file.len)
                };
            }
        }
        if matches!(image.system_area, SystemArea::Mbr { .. }) || !image.appended.is_empty() {
            cursor.align(CYLINDER);
        }
        let iso_end = cursor.block();
        let mut appended = Vec::new();
        for partition in &image.appended {
            let start = cursor.take(partition.content.len());
            cursor.align(CYLINDER);
            appended.push((start, cursor.block() - start));
        }
        cursor.0 += PADDING_BLOCKS;
        // Partitions are counted in 512-byte sectors of 32 bits.
        if cursor.0 * (BLOCK / 512) > u64::from(u32::MAX) {
            return Err(Error::TooLarge { blocks: cursor.0 });
        }
        Ok(Self {
            sets,
            empty: tree.empty_block,
            catalog,
            files: tree
                .files
                .iter()
                .map(|file| (file.path.clone(), file.block))
                .collect(),
            appended,
            iso_end,
            end: cursor.block(),
        })
    }

    /// Where the boot images of `catalog` are.
    pub(super) fn boot_images(
        &self,
        image: &Image,
        tree: &Tree,
        catalog: &Catalog,
    ) -> Result<Vec<Place>, Error> {
        let place = |entry: &super::BootEntry| match &entry.image {
            BootImage::Appended(index) => {
                let missing = Error::BootPartition {
                    index: *index,
                    count: self.appended.len(),
                };
                let (block, _) = self.appended.get(*index).ok_or(missing)?;
                Ok((*block, image.appended[*index].content.len()))
            }
            BootImage::File(path) => {
                let file = tree.files.iter().find(|file| file.path == *path);
                let file = file.ok_or_else(|| Error::BootImage { path: path.clone() })?;
                Ok((file.block, file.len))
            }
        };
        catalog.entries().map(place).collect()
    }
}

/// Directories in the order of the tree, each with its continuation areas, then path tables.
fn plan_set(
    tree: &mut Tree,
    view: View,
    cursor: &mut Cursor,
    date: ShortDate,
) -> Result<Set, Error> {
    let directories = cursor.block();
    for index in 0..tree.folders.len() {
        let blocks = directory::blocks(tree, &tree.folders[index], view, date);
        let folder = &mut tree.folders[index];
        let too_large = |_| Error::TooLarge {
            blocks: blocks.records.len() as u64 / BLOCK,
        };
        folder.records_len = u32::try_from(blocks.records.len()).map_err(too_large)?;
        folder.blocks[view.set] =
            cursor.take((blocks.records.len() + blocks.continued.len()) as u64);
    }
    let table_len = directory::path_table(tree, view, Order::Little).len() as u64;
    Ok(Set {
        base: view.base,
        descriptors: view.base + FIRST_DESCRIPTOR,
        directories,
        path_table_l: cursor.take(table_len),
        path_table_m: cursor.take(table_len),
    })
}

/// The date of everything in an image.
pub(super) fn date(epoch: i64) -> Result<ShortDate, Error> {
    ShortDate::new(Civil::from_epoch(epoch)).ok_or(Error::Date(epoch))
}

const _: () = assert!(BLOCK == BLOCK_LEN as u64);
