//! Where everything of an image lies, worked out before its first byte.

use super::{
    BootImage, Catalog, Error, Image, SystemArea,
    catalog::Place,
    directory::{self, Order, View},
    partitions,
    planned::{Content, Tree},
    raw::{BLOCK, BLOCK_LEN, FIRST_DESCRIPTOR, ShortDate},
};
use crate::civil::Civil;

/// Partitions start and end at multiples of this: a cylinder of 64 heads with 32 sectors.
pub(super) const CYLINDER: u64 = 1 << 20;
/// Zeros at the end, because drives read ahead and some fail at the last blocks (`-padding 300k` of xorriso).
const PADDING_BLOCKS: u64 = 150;

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
    /// First block behind the padding, where the copy of a GUID partition table begins.
    pub padding_end: u32,
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
        if image.system_area != SystemArea::Empty || !image.appended.is_empty() {
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
        let padding_end = cursor.block();
        if matches!(image.system_area, SystemArea::Gpt { .. }) {
            cursor.0 += partitions::COPY_BLOCKS;
        }
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
            padding_end,
            end: cursor.block(),
        })
    }

    /// The first block of the file at `path`.
    pub fn file(&self, path: &str) -> Option<u32> {
        let file = self.files.iter().find(|(name, _)| name == path);
        file.map(|(_, block)| *block)
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
