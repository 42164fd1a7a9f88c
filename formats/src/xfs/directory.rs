//! Directories as bytes: within the inode, or as one block with an index by hash.

use zerocopy::{FromZeros, IntoBytes};

use super::{
    geometry::{BLOCK, BLOCK_LEN, Geometry, INODE_LEN},
    plan::Place,
    raw::{
        DIRECTORY_BLOCK_MAGIC, DIRECTORY_FREE, DirectoryFree, DirectoryHeader, DirectoryTail,
        HashRecord, Inode, ShortHeader, seal,
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

/// Where the entries of a directory are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// In the inode.
    Short,
    /// In one block.
    Block,
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

/// The form that has room for `entries`, or the length that they would take and what there is.
pub(super) fn form(entries: &[Entry]) -> Result<Form, (usize, usize)> {
    let count_fits = u8::try_from(entries.len()).is_ok();
    if count_fits && short_len(entries) <= LITERAL_LEN {
        return Ok(Form::Short);
    }
    let names = entries.iter().map(|entry| entry.name.as_bytes());
    let needed = size_of::<DirectoryHeader>()
        + names
            .chain([b".".as_slice(), b".."])
            .map(|name| block_entry_len(name) + size_of::<HashRecord>())
            .sum::<usize>()
        + size_of::<DirectoryTail>();
    if needed <= BLOCK {
        Ok(Form::Block)
    } else {
        Err((needed, BLOCK))
    }
}

fn short_len(entries: &[Entry]) -> usize {
    size_of::<ShortHeader>() + entries.iter().map(Entry::short_len).sum::<usize>()
}

/// Bytes of the directory, as its inode says.
pub(super) fn len(form: Form, entries: &[Entry]) -> u64 {
    match form {
        Form::Short => short_len(entries) as u64,
        Form::Block => BLOCK_LEN,
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

/// The block of a directory at `offset`.
pub(super) fn block(
    geometry: &Geometry,
    uuid: [u8; 16],
    own: Place,
    parent: Place,
    entries: &[Entry],
    offset: u64,
) -> Vec<u8> {
    let number = |place: Place| geometry.inode(place.ag, place.inode);
    let mut bytes = vec![0; size_of::<DirectoryHeader>()];
    let mut index = Vec::with_capacity(entries.len() + 2);
    let mut push = |name: &[u8], kind: u8, place: Place| {
        let start = bytes.len();
        index.push((hash(name), start / ENTRY_ALIGNMENT));
        bytes.extend(number(place).to_be_bytes());
        bytes.push(u8::try_from(name.len()).expect("names have at most 255 bytes"));
        bytes.extend(name);
        bytes.push(kind);
        bytes.resize(start + block_entry_len(name) - 2, 0);
        bytes.extend(narrow_offset(start).to_be_bytes());
    };
    push(b".", KIND_DIRECTORY, own);
    push(b"..", KIND_DIRECTORY, parent);
    for entry in entries {
        push(entry.name.as_bytes(), entry.kind, entry.place);
    }
    index.sort_unstable();

    let free_start = bytes.len();
    let free_end = BLOCK - size_of::<DirectoryTail>() - index.len() * size_of::<HashRecord>();
    let mut free = DirectoryFree::new_zeroed();
    if free_start < free_end {
        free = DirectoryFree {
            offset: narrow_offset(free_start).into(),
            len: narrow_offset(free_end - free_start).into(),
        };
        bytes.extend(DIRECTORY_FREE.to_be_bytes());
        bytes.extend(free.len.as_bytes());
        bytes.resize(free_end - 2, 0);
        bytes.extend(free.offset.as_bytes());
    }
    let count = u32::try_from(index.len()).expect("fits in a block");
    for (hash, place) in index {
        let record = HashRecord {
            hash: hash.into(),
            place: u32::try_from(place).expect("within a block").into(),
        };
        bytes.extend(record.as_bytes());
    }
    let tail = DirectoryTail {
        records: count.into(),
        stale: 0.into(),
    };
    bytes.extend(tail.as_bytes());

    let mut header = DirectoryHeader::new_zeroed();
    header.magic = DIRECTORY_BLOCK_MAGIC;
    header.place = (offset / 512).into();
    header.uuid = uuid;
    header.owner = number(own).into();
    header.free[0] = free;
    bytes[..size_of::<DirectoryHeader>()].copy_from_slice(header.as_bytes());
    seal(&mut bytes, std::mem::offset_of!(DirectoryHeader, checksum));
    bytes
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
        assert_eq!(of(0, 0), Ok(Form::Short));
        // 6 + 15 × 22 = 336, all there is.
        assert_eq!(of(15, 14), Ok(Form::Short));
        assert_eq!(of(15, 15), Ok(Form::Block));
        // 64 + 2 × 24 + 124 × 32 + 8 = 4088.
        assert_eq!(of(124, 12), Ok(Form::Block));
        assert_eq!(of(125, 12), Err((4120, 4096)));
    }
}
