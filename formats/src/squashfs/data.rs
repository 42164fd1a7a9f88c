//! Which file lies in which block, worked out from lengths and digests alone.

use std::collections::HashMap;
use std::ops::Range;

use super::BLOCK_SIZE;
use super::tree::{Item, Tree};
use super::write::WriteError;

/// Blocks that are made together.
#[derive(Debug)]
pub(super) enum Run {
    /// All blocks of one file, by its index in the tree.
    File(usize),
    /// One fragment block: whole files, by their indices, one behind the other.
    Fragment(Vec<usize>),
}

/// Where a file lies.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// Nowhere: it is empty.
    Empty,
    /// In these blocks, counted over the whole image.
    Blocks(Range<usize>),
    /// In a fragment block.
    Fragment {
        /// Counted over fragment blocks.
        number: u32,
        /// Bytes into it.
        offset: u32,
    },
}

/// The data area of an image.
#[derive(Debug, Default)]
pub(super) struct Packing {
    /// In file order.
    pub(super) runs: Vec<Run>,
    /// Of every entry of the tree that is a file.
    pub(super) places: Vec<Option<Place>>,
    /// Which block, counted over the whole image, each fragment block is.
    pub(super) fragments: Vec<usize>,
    /// Blocks so far.
    blocks: usize,
}

/// A block as it lies in the image.
#[derive(Debug, Clone, Copy)]
pub(super) struct StoredBlock {
    /// Bytes from the beginning of the image.
    pub(super) start: u64,
    /// Its length and [`BLOCK_STORED`](super::raw::BLOCK_STORED), or 0 for a block of zeros that is not there.
    pub(super) word: u32,
}

impl Packing {
    /// Packs the files of `tree`: equal ones once, those shorter than a block together in fragment blocks.
    pub(super) fn new(tree: &Tree<'_>) -> Result<Self, WriteError> {
        let mut packing = Self::default();
        let mut known = HashMap::new();
        let mut fragment = Vec::new();
        let mut filled = 0;
        for (index, entry) in tree.entries.iter().enumerate() {
            let Item::File(file) = entry.item else {
                packing.places.push(None);
                continue;
            };
            let len = file.content.len();
            if len == 0 {
                packing.places.push(Some(Place::Empty));
                continue;
            }
            let first = *known.entry((file.content.digest(), len)).or_insert(index);
            let place = if first != index {
                packing.places[first].clone().expect("it is a file")
            } else if len >= u64::from(BLOCK_SIZE) {
                let count = usize::try_from(len.div_ceil(u64::from(BLOCK_SIZE))).map_err(|_| {
                    WriteError::TooLarge {
                        what: "number of blocks",
                    }
                })?;
                packing.runs.push(Run::File(index));
                packing.blocks += count;
                Place::Blocks(packing.blocks - count..packing.blocks)
            } else {
                let len = u32::try_from(len).expect("less than a block");
                if filled + len > BLOCK_SIZE {
                    packing.close(std::mem::take(&mut fragment));
                    filled = 0;
                }
                fragment.push(index);
                filled += len;
                Place::Fragment {
                    number: u32::try_from(packing.fragments.len()).map_err(|_| {
                        WriteError::TooLarge {
                            what: "number of fragments",
                        }
                    })?,
                    offset: filled - len,
                }
            };
            packing.places.push(Some(place));
        }
        if !fragment.is_empty() {
            packing.close(fragment);
        }
        Ok(packing)
    }

    fn close(&mut self, fragment: Vec<usize>) {
        self.runs.push(Run::Fragment(fragment));
        self.fragments.push(self.blocks);
        self.blocks += 1;
    }
}
