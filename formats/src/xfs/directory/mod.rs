//! Directories as bytes: within the inode, as one block with an index by hash, or as blocks with an index apart.

mod blocks;

use zerocopy::IntoBytes;

pub(super) use self::blocks::Blocks;
use super::{
    geometry::{BLOCK, BLOCK_LEN, Geometry, INODE_LEN},
    plan::Place,
    raw::{
        DirectoryHeader, DirectoryTail, FREE_INDEX_START, FreeIndexHeader, HashRecord, INDEX_START,
        IndexHeader, Inode, ShortHeader,
    },
};

/// Bytes of an inode for what it holds.
const LITERAL_LEN: usize = INODE_LEN - size_of::<Inode>();
/// In an entry: a file.
const KIND_FILE: u8 = 1;
/// In an entry: a directory.
const KIND_DIRECTORY: u8 = 2;
/// Entries of a block start at multiples of this.
const ENTRY_ALIGNMENT: usize = 8;
/// Bytes of what is free in a block, in a list of that.
const BEST_LEN: usize = size_of::<u16>();
/// Names in a leaf of several.
const LEAF_NAMES: usize = (BLOCK - size_of::<IndexHeader>()) / size_of::<HashRecord>();
/// Blocks of entries that a block tells of where there are several leaves.
const FREE_INDEX_COUNT: usize = (BLOCK - size_of::<FreeIndexHeader>()) / BEST_LEN;

/// Where the entries of a directory are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// In the inode.
    Short,
    /// In one block, with their index.
    Block,
    /// In blocks, with their index in another.
    Leaf {
        /// Blocks of entries.
        data: u32,
    },
    /// In blocks, with their index in several, and what is free in others.
    Node {
        /// Blocks of entries.
        data: u32,
        /// Blocks of the index; of several the first is a root above the others.
        index: u32,
        /// Blocks that say what is free.
        free: u32,
    },
}

impl Form {
    /// Blocks as the directory counts them: the first and how many, with gaps between.
    pub(super) fn blocks(self) -> Vec<(u64, u32)> {
        let [index_start, free_start] = [INDEX_START, FREE_INDEX_START].map(|at| at / BLOCK_LEN);
        match self {
            Self::Short => vec![],
            Self::Block => vec![(0, 1)],
            Self::Leaf { data } => vec![(0, data), (index_start, 1)],
            Self::Node { data, index, free } => {
                vec![(0, data), (index_start, index), (free_start, free)]
            }
        }
    }
}

/// A name in a directory.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    name: String,
    kind: u8,
    place: Place,
}

impl Entry {
    pub(super) fn file(name: &str, place: Place) -> Self {
        Self {
            name: name.to_owned(),
            kind: KIND_FILE,
            place,
        }
    }

    pub(super) fn directory(name: &str, place: Place) -> Self {
        Self {
            name: name.to_owned(),
            kind: KIND_DIRECTORY,
            place,
        }
    }

    pub(super) fn is_directory(&self) -> bool {
        self.kind == KIND_DIRECTORY
    }

    /// Length of the name, place, name, type, inode.
    fn short_len(&self) -> usize {
        1 + 2 + self.name.len() + 1 + 4
    }
}

/// Bytes of an entry in a block: inode, length of the name, name, type, place.
fn block_entry_len(name: &[u8]) -> usize {
    (8 + 1 + name.len() + 1 + 2).next_multiple_of(ENTRY_ALIGNMENT)
}

/// Where entries lie that follow each other in blocks, each in one: the block and the offset in it. `.` and `..` are the first.
fn places(entries: &[Entry]) -> Vec<(usize, usize)> {
    let names = entries.iter().map(|entry| entry.name.as_bytes());
    let (mut block, mut end) = (0, size_of::<DirectoryHeader>());
    let place = |name: &[u8]| {
        let len = block_entry_len(name);
        if end + len > BLOCK {
            (block, end) = (block + 1, size_of::<DirectoryHeader>());
        }
        end += len;
        (block, end - len)
    };
    [b".".as_slice(), b".."]
        .into_iter()
        .chain(names)
        .map(place)
        .collect()
}

/// The first form that has room for `entries`.
pub(super) fn form(entries: &[Entry]) -> Form {
    let count_fits = u8::try_from(entries.len()).is_ok();
    if count_fits && short_len(entries) <= LITERAL_LEN {
        return Form::Short;
    }
    let places = places(entries);
    let names = places.len();
    let (last, start) = places[names - 1];
    let last_len = entries
        .last()
        .map_or(0, |entry| block_entry_len(entry.name.as_bytes()));
    let index_len = names * size_of::<HashRecord>();
    if last == 0 && start + last_len + index_len + size_of::<DirectoryTail>() <= BLOCK {
        return Form::Block;
    }
    let data = last + 1;
    let narrow = |count: usize| u32::try_from(count).expect("fewer than inodes");
    let leaf_len = size_of::<IndexHeader>() + index_len + data * BEST_LEN + size_of::<u32>();
    if leaf_len <= BLOCK {
        return Form::Leaf { data: narrow(data) };
    }
    let leaves = names.div_ceil(LEAF_NAMES);
    Form::Node {
        data: narrow(data),
        index: narrow(if leaves == 1 { 1 } else { 1 + leaves }),
        free: narrow(data.div_ceil(FREE_INDEX_COUNT)),
    }
}

fn short_len(entries: &[Entry]) -> usize {
    size_of::<ShortHeader>() + entries.iter().map(Entry::short_len).sum::<usize>()
}

/// Bytes of the directory, as its inode says: those of its index are not among them.
pub(super) fn len(form: Form, entries: &[Entry]) -> u64 {
    match form {
        Form::Short => short_len(entries) as u64,
        Form::Block => BLOCK_LEN,
        Form::Leaf { data } | Form::Node { data, .. } => u64::from(data) * BLOCK_LEN,
    }
}

/// What the inode of a short directory holds. Each entry says where it would lie in a block, behind `.` and `..`.
pub(super) fn short(geometry: &Geometry, parent: Place, entries: &[Entry]) -> Vec<u8> {
    let narrow = |place: Place| {
        u32::try_from(geometry.inode(place.ag, place.inode)).expect("volumes of at most 32 GiB")
    };
    let header = ShortHeader {
        entries: u8::try_from(entries.len()).expect("checked with the form"),
        wide: 0,
        parent: narrow(parent).into(),
    };
    let mut bytes = header.as_bytes().to_vec();
    let mut offset = size_of::<DirectoryHeader>() + block_entry_len(b".") + block_entry_len(b"..");
    for entry in entries {
        bytes.push(u8::try_from(entry.name.len()).expect("names have at most 255 bytes"));
        bytes.extend(narrow_offset(offset).to_be_bytes());
        bytes.extend(entry.name.as_bytes());
        bytes.push(entry.kind);
        bytes.extend(narrow(entry.place).to_be_bytes());
        offset += block_entry_len(entry.name.as_bytes());
    }
    bytes
}

fn narrow_offset(offset: usize) -> u16 {
    u16::try_from(offset).expect("within a block")
}

/// What the index sorts names by.
fn hash(name: &[u8]) -> u32 {
    let mut chunks = name.chunks_exact(4);
    let mut hash = 0_u32;
    for four in &mut chunks {
        hash = word(four) ^ hash.rotate_left(28);
    }
    let rest = chunks.remainder();
    match rest.len() {
        0 => hash,
        1 => word(rest) ^ hash.rotate_left(7),
        2 => word(rest) ^ hash.rotate_left(14),
        _ => word(rest) ^ hash.rotate_left(21),
    }
}

/// Bytes seven bits apart.
fn word(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(0, |word, byte| word << 7 ^ u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As xfs_db prints them in recorded reports.
    #[test]
    fn hashes_are_those_of_xfs() {
        for (name, expected) in [
            (".", 0x2e),
            ("..", 0x172e),
            ("A", 0x41),
            ("EFI", 0x0011_6349),
            ("grub", 0x0cfc_bae2),
            ("vmlinuz", 0xcd3a_6194),
            ("grub.cfg", 0x2517_38c9),
            ("fixup.dat", 0x630a_d35b),
            ("config.txt", 0x9a00_a70b),
            ("initramfs.xz", 0x9a83_00a0),
        ] {
            assert_eq!(hash(name.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn directories_take_the_smallest_form_that_has_room() {
        let place = Place { ag: 0, inode: 0 };
        let named = |len: usize| Entry::file(&"x".repeat(len), place);
        let of = |count: usize, len: usize| form(&vec![named(len); count]);
        assert_eq!(of(0, 0), Form::Short);
        // 6 + 15 × 22 = 336, all there is.
        assert_eq!(of(15, 14), Form::Short);
        assert_eq!(of(15, 15), Form::Block);
        // 64 + 2 × 24 + 124 × 32 + 8 = 4088.
        assert_eq!(of(124, 12), Form::Block);
        // The entries alone fit in a block: 64 + 2 × 16 + 166 × 24 = 4080.
        assert_eq!(of(125, 12), Form::Leaf { data: 1 });
        assert_eq!(of(166, 12), Form::Leaf { data: 1 });
        assert_eq!(of(167, 12), Form::Leaf { data: 2 });
        // 166 in the first block, 168 in others; 64 + 502 × 8 + 3 × 2 + 4 = 4090.
        assert_eq!(of(500, 12), Form::Leaf { data: 3 });
        let node = |data, index| Form::Node {
            data,
            index,
            free: 1,
        };
        assert_eq!(of(501, 12), node(3, 1));
        assert_eq!(of(502, 12), node(3, 1));
        assert_eq!(of(503, 12), node(4, 3));
        // 15 of 264 bytes in a block.
        assert_eq!(
            of(15 * 2016, 252),
            Form::Node {
                data: 2016,
                index: 62,
                free: 1
            }
        );
        assert_eq!(
            of(15 * 2016 + 1, 252),
            Form::Node {
                data: 2017,
                index: 62,
                free: 2
            }
        );
    }
}
