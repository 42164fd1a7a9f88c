//! Directories as blocks of records, and path tables (ECMA-119, 9.1 and 9.4).

use zerocopy::IntoBytes;

use super::{
    planned::{Child, Folder, Tree},
    raw::{BLOCK_LEN, Both16, Both32, DIRECTORY, MAX_EXTENT, MULTI_EXTENT, RecordHead, ShortDate},
    rock_ridge::{self, SystemUse, file_type},
};

/// What the first set and the second see differently: where block 0 is.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    /// Block of the image that the set's addresses count from.
    pub(super) base: u32,
    /// Which set's directories are meant.
    pub(super) set: usize,
}

/// A directory's blocks and the continuation areas behind them.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    pub(super) records: Vec<u8>,
    pub(super) continued: Vec<u8>,
}

/// A block, as the length of records is counted.
const RECORDS_BLOCK: u32 = 2048;
const _: () = assert!(RECORDS_BLOCK as usize == BLOCK_LEN);

/// Renders the directory `folder` of `tree`. Its length does not depend on any address, so the planner asks it for lengths
/// before there are addresses.
pub(super) fn blocks(tree: &Tree, folder: &Folder, view: View, date: ShortDate) -> Blocks {
    let mut blocks = Blocks::default();
    let parent = &tree.folders[folder.parent];
    let mode = |folder: &Folder| u32::from(folder.mode) | file_type::DIRECTORY;
    let directory = |folder: &Folder| Extent {
        block: folder.blocks[view.set].wrapping_sub(view.base),
        len: folder.records_len,
        flags: DIRECTORY,
    };
    // Continuation areas lie in the blocks after the records.
    let areas = directory(folder)
        .block
        .wrapping_add(folder.records_len / RECORDS_BLOCK);
    let own = if folder.is_root() {
        SystemUse::root(mode(folder), date)
    } else {
        SystemUse::dots(mode(folder), date)
    };
    blocks.push(&[0], directory(folder), own, areas, date);
    blocks.push(
        &[1],
        directory(parent),
        SystemUse::dots(mode(parent), date),
        areas,
        date,
    );
    for child in &folder.children {
        let identifier = child.record_identifier();
        let taken = record_len(identifier.len(), 0);
        let system_use = |mode, target| SystemUse::named(mode, date, child.name(), target, taken);
        match child {
            Child::Folder { index, .. } => {
                let inner = &tree.folders[*index];
                blocks.push(
                    &identifier,
                    directory(inner),
                    system_use(mode(inner), None),
                    areas,
                    date,
                );
            }
            Child::Symlink { target, .. } => {
                let nothing = Extent {
                    block: tree.empty_block.wrapping_sub(view.base),
                    len: 0,
                    flags: 0,
                };
                let mode = 0o777 | file_type::SYMLINK;
                blocks.push(
                    &identifier,
                    nothing,
                    system_use(mode, Some(target)),
                    areas,
                    date,
                );
            }
            Child::File { index, .. } => {
                let file = &tree.files[*index];
                let mode = u32::from(file.mode) | file_type::FILE;
                for extent in extents(file.block.wrapping_sub(view.base), file.len) {
                    blocks.push(&identifier, extent, system_use(mode, None), areas, date);
                }
            }
        }
    }
    blocks
        .records
        .resize(blocks.records.len().next_multiple_of(BLOCK_LEN), 0);
    blocks
        .continued
        .resize(blocks.continued.len().next_multiple_of(BLOCK_LEN), 0);
    blocks
}

/// One piece of a file.
#[derive(Debug, Clone, Copy)]
struct Extent {
    block: u32,
    len: u32,
    flags: u8,
}

/// The pieces of a file of `len` bytes: a record counts to 4 GiB.
fn extents(block: u32, len: u64) -> impl Iterator<Item = Extent> {
    let count = len.div_ceil(MAX_EXTENT).max(1);
    (0..count).map(move |index| {
        let start = index * MAX_EXTENT;
        let blocks =
            u32::try_from(start / BLOCK_LEN as u64).expect("the plan fits into 32 bits of blocks");
        Extent {
            block: block.wrapping_add(blocks),
            len: u32::try_from((len - start).min(MAX_EXTENT)).expect("MAX_EXTENT fits"),
            flags: if index + 1 < count { MULTI_EXTENT } else { 0 },
        }
    })
}

/// Bytes of a record; what stands in it is even.
fn record_len(identifier: usize, system_use: usize) -> usize {
    (size_of::<RecordHead>() + identifier).next_multiple_of(2) + system_use.next_multiple_of(2)
}

impl Blocks {
    fn push(
        &mut self,
        identifier: &[u8],
        extent: Extent,
        mut system_use: SystemUse,
        areas: u32,
        date: ShortDate,
    ) {
        let len = record_len(identifier.len(), system_use.inline_len());
        // Neither a record nor a continuation area crosses the border of a block.
        skip_border(&mut self.records, len);
        if !system_use.continued.is_empty() {
            let continued = system_use.continued.len();
            skip_border(&mut self.continued, continued);
            let (block, offset) = (
                self.continued.len() / BLOCK_LEN,
                self.continued.len() % BLOCK_LEN,
            );
            let small = |value| u32::try_from(value).expect("directories are far below 4 GiB");
            let entry = rock_ridge::continuation(
                areas.wrapping_add(small(block)),
                small(offset),
                continued,
            );
            system_use.inline.extend(entry);
            self.continued.append(&mut system_use.continued);
        }
        let end = self.records.len() + len;
        self.records
            .extend_from_slice(head(identifier, extent, len, date).as_bytes());
        self.records.extend_from_slice(identifier);
        if identifier.len().is_multiple_of(2) {
            self.records.push(0);
        }
        self.records.extend(system_use.inline);
        self.records.resize(end, 0);
    }
}

/// Fills the current block when less than `len` bytes of it are left.
fn skip_border(bytes: &mut Vec<u8>, len: usize) {
    let left = BLOCK_LEN - bytes.len() % BLOCK_LEN;
    if len > left {
        bytes.resize(bytes.len() + left, 0);
    }
}

fn head(identifier: &[u8], extent: Extent, len: usize, date: ShortDate) -> RecordHead {
    let byte = |value| u8::try_from(value).expect("records have at most 254 bytes");
    RecordHead {
        len: byte(len),
        extended_attribute_len: 0,
        extent: Both32::new(extent.block),
        data_len: Both32::new(extent.len),
        date,
        flags: extent.flags,
        file_unit_size: 0,
        interleave_gap: 0,
        volume_sequence_number: Both16::new(1),
        identifier_len: byte(identifier.len()),
    }
}

/// The record of the root directory in the volume descriptor: only its head, whose identifier is one zero.
pub(super) fn root_head(tree: &Tree, view: View, date: ShortDate) -> RecordHead {
    let root = &tree.folders[0];
    let extent = Extent {
        block: root.blocks[view.set] - view.base,
        len: root.records_len,
        flags: DIRECTORY,
    };
    head(&[0], extent, record_len(1, 0), date)
}

/// Byte order of a path table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

/// A path table without what fills its last block.
pub(super) fn path_table(tree: &Tree, view: View, order: Order) -> Vec<u8> {
    let mut table = Vec::new();
    for index in &tree.by_level {
        let folder = &tree.folders[*index];
        let identifier = if folder.is_root() {
            &[0]
        } else {
            folder.identifier.as_bytes()
        };
        let block = folder.blocks[view.set].wrapping_sub(view.base);
        let parent = tree.folders[folder.parent].number;
        table.extend([
            u8::try_from(identifier.len()).expect("at most 31 characters"),
            0,
        ]);
        match order {
            Order::Little => {
                table.extend(block.to_le_bytes());
                table.extend(parent.to_le_bytes());
            }
            Order::Big => {
                table.extend(block.to_be_bytes());
                table.extend(parent.to_be_bytes());
            }
        }
        table.extend_from_slice(identifier);
        if !identifier.len().is_multiple_of(2) {
            table.push(0);
        }
    }
    table
}
