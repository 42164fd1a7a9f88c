//! The inode table and the directory table, which are written hand in hand: a directory's inode holds the place of its
//! listing, and the listing holds the places of the inodes in it.

use zerocopy::IntoBytes;

use super::xattrs::XattrSets;
use crate::squashfs::BLOCK_SIZE;
use crate::squashfs::codec::Encoder;
use crate::squashfs::data::{Packing, Place, StoredBlock};
use crate::squashfs::metadata::{Position, Stream};
use crate::squashfs::raw::{
    BasicDirectory, BasicFile, DIRECTORY_EXTRA, DIRECTORY_RUN, DirectoryEntry, DirectoryHeader,
    DirectoryIndex, ExtendedDirectory, ExtendedFile, InodeHeader, METADATA_SIZE, NONE, SymlinkBody,
    kind,
};
use crate::squashfs::tree::{Directory, File, Item, Node, Symlink, Tree};
use crate::squashfs::write::WriteError;

/// What the tables are made from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inodes<'a> {
    pub(super) tree: &'a Tree<'a>,
    pub(super) packing: &'a Packing,
    pub(super) blocks: &'a [StoredBlock],
    pub(super) xattrs: &'a XattrSets<'a>,
    pub(super) time: u32,
}

/// The two tables.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) inodes: Vec<u8>,
    pub(super) directories: Vec<u8>,
    /// Of each inode, by its number less 1.
    pub(super) references: Vec<u64>,
    pub(super) count: u32,
}

/// A directory's listing as its inode describes it.
#[derive(Debug, Clone, Default)]
struct Listing {
    at: Position,
    /// Bytes of the listing alone.
    size: usize,
    index_count: usize,
    /// [`DirectoryIndex`] entries with their names.
    index: Vec<u8>,
}

impl Inodes<'_> {
    pub(super) fn build(self, encoder: &mut Encoder) -> Result<Built, WriteError> {
        let count = self.tree.entries.len();
        let mut inodes = Stream::new("inode table");
        let mut directories = Stream::new("directory table");
        let mut at = vec![Position::default(); count];
        let mut listings = vec![Listing::default(); count];
        // Children have higher indices than their directory: backwards, every listing is known when its inode is written.
        for index in (0..count).rev() {
            if !matches!(self.tree.entries[index].item, Item::Directory(_)) {
                continue;
            }
            for child in self.tree.entries[index].children.clone() {
                at[child] = inodes.position()?;
                inodes.push(encoder, &self.inode(child, &listings[child])?)?;
            }
            listings[index] = self.listing(index, &at, &mut directories, encoder)?;
        }
        at[0] = inodes.position()?;
        inodes.push(encoder, &self.inode(0, &listings[0])?)?;
        Ok(Built {
            inodes: inodes.finish(encoder)?,
            directories: directories.finish(encoder)?,
            references: at.into_iter().map(Position::reference).collect(),
            count: number(count - 1),
        })
    }

    fn inode(&self, index: usize, listing: &Listing) -> Result<Vec<u8>, WriteError> {
        match self.tree.entries[index].item {
            Item::Directory(directory) => self.directory(index, directory, listing),
            Item::File(file) => Ok(self.file(index, file)),
            Item::Symlink(link) => Ok(self.symlink(index, link)),
        }
    }

    /// The common header of the basic or the extended form.
    fn header(&self, index: usize, extended: bool) -> Vec<u8> {
        let item = self.tree.entries[index].item;
        let header = InodeHeader {
            kind: (item.kind() + if extended { kind::EXTENDED } else { 0 }).into(),
            mode: item.mode().into(),
            uid: 0.into(),
            gid: 0.into(),
            mtime: self.time.into(),
            number: number(index).into(),
        };
        header.as_bytes().to_vec()
    }

    fn directory(
        &self,
        index: usize,
        directory: &Directory,
        listing: &Listing,
    ) -> Result<Vec<u8>, WriteError> {
        let too_large = |_| WriteError::TooLarge { what: "directory" };
        let subdirectories = directory
            .entries
            .values()
            .filter(|node| matches!(node, Node::Directory(_)))
            .count();
        let nlink = 2 + u32::try_from(subdirectories).expect("less than the number of inodes");
        // By its own place in the numbering, the root's parent is one more than the last number.
        let parent = match index {
            0 => number(self.tree.entries.len()),
            _ => number(self.tree.entries[index].parent),
        };
        let size = u32::try_from(listing.size + DIRECTORY_EXTRA as usize).map_err(too_large)?;
        let xattr = self.xattrs.of(index);
        let mut bytes;
        match u16::try_from(size) {
            Ok(size) if xattr == NONE && listing.index_count == 0 => {
                bytes = self.header(index, false);
                let body = BasicDirectory {
                    start: listing.at.block.into(),
                    nlink: nlink.into(),
                    size: size.into(),
                    offset: listing.at.offset.into(),
                    parent: parent.into(),
                };
                bytes.extend_from_slice(body.as_bytes());
            }
            _ => {
                bytes = self.header(index, true);
                let body = ExtendedDirectory {
                    nlink: nlink.into(),
                    size: size.into(),
                    start: listing.at.block.into(),
                    parent: parent.into(),
                    index_count: u16::try_from(listing.index_count)
                        .map_err(too_large)?
                        .into(),
                    offset: listing.at.offset.into(),
                    xattr: xattr.into(),
                };
                bytes.extend_from_slice(body.as_bytes());
                bytes.extend_from_slice(&listing.index);
            }
        }
        Ok(bytes)
    }

    fn file(&self, index: usize, file: &File) -> Vec<u8> {
        let place = self.packing.places[index].as_ref().expect("it is a file");
        let (blocks, fragment, offset) = match place {
            Place::Empty => (&[][..], NONE, 0),
            Place::Blocks(range) => (&self.blocks[range.clone()], NONE, 0),
            Place::Fragment { number, offset } => (&[][..], *number, *offset),
        };
        let start = blocks.first().map_or(0, |block| block.start);
        let len = file.content.len();
        let sparse = sparse(blocks, len);
        let xattr = self.xattrs.of(index);
        let mut bytes;
        match (u32::try_from(start), u32::try_from(len)) {
            (Ok(start), Ok(size)) if xattr == NONE && sparse == 0 => {
                bytes = self.header(index, false);
                let body = BasicFile {
                    start: start.into(),
                    fragment: fragment.into(),
                    offset: offset.into(),
                    size: size.into(),
                };
                bytes.extend_from_slice(body.as_bytes());
            }
            _ => {
                bytes = self.header(index, true);
                let body = ExtendedFile {
                    start: start.into(),
                    size: len.into(),
                    sparse: sparse.into(),
                    nlink: 1.into(),
                    fragment: fragment.into(),
                    offset: offset.into(),
                    xattr: xattr.into(),
                };
                bytes.extend_from_slice(body.as_bytes());
            }
        }
        bytes.extend(blocks.iter().flat_map(|block| block.word.to_le_bytes()));
        bytes
    }

    fn symlink(&self, index: usize, link: &Symlink) -> Vec<u8> {
        let xattr = self.xattrs.of(index);
        let mut bytes = self.header(index, xattr != NONE);
        let body = SymlinkBody {
            nlink: 1.into(),
            size: u32::try_from(link.target.len())
                .expect("checked with the tree")
                .into(),
        };
        bytes.extend_from_slice(body.as_bytes());
        bytes.extend_from_slice(&link.target);
        if xattr != NONE {
            bytes.extend_from_slice(&xattr.to_le_bytes());
        }
        bytes
    }

    /// Writes the listing of the directory `index`: runs of entries behind headers, and in long listings every 8 KiB a place
    /// to enter.
    fn listing(
        &self,
        index: usize,
        at: &[Position],
        stream: &mut Stream,
        encoder: &mut Encoder,
    ) -> Result<Listing, WriteError> {
        let mut listing = Listing {
            at: stream.position()?,
            ..Listing::default()
        };
        let mut children = self.tree.entries[index].children.clone();
        // Where in the listing a lookup may enter: at its beginning, then at each entry of the index.
        let mut entered = 0;
        while !children.is_empty() {
            let first = children.start;
            if self.end_of_first(listing.size, first) > entered + METADATA_SIZE {
                let name = self.tree.entries[first].name;
                let place = DirectoryIndex {
                    index: u32::try_from(listing.size)
                        .map_err(|_| WriteError::TooLarge { what: "directory" })?
                        .into(),
                    start: stream.position()?.block.into(),
                    name_size: u32::from(one_less(name)).into(),
                };
                listing.index.extend_from_slice(place.as_bytes());
                listing.index.extend_from_slice(name);
                listing.index_count += 1;
                entered = listing.size;
            }
            let run = self.run(children.clone(), at, entered + METADATA_SIZE - listing.size);
            children.start += run;
            let bytes = self.run_bytes(first..first + run, at);
            stream.push(encoder, &bytes)?;
            listing.size += bytes.len();
        }
        Ok(listing)
    }

    /// Where in a listing the entry `index` would end, if its header started at `position`.
    fn end_of_first(&self, position: usize, index: usize) -> usize {
        position + size_of::<DirectoryHeader>() + self.entry_len(index)
    }

    fn entry_len(&self, index: usize) -> usize {
        size_of::<DirectoryEntry>() + self.tree.entries[index].name.len()
    }

    /// How many of `children` go behind one header: their inodes lie in one metadata block, and they take at most `room` bytes.
    fn run(&self, children: std::ops::Range<usize>, at: &[Position], room: usize) -> usize {
        let block = at[children.start].block;
        let mut len = size_of::<DirectoryHeader>();
        children
            .take(DIRECTORY_RUN)
            .take_while(|child| {
                len += self.entry_len(*child);
                at[*child].block == block && len <= room
            })
            .count()
    }

    fn run_bytes(&self, children: std::ops::Range<usize>, at: &[Position]) -> Vec<u8> {
        let first = children.start;
        let header = DirectoryHeader {
            count: u32::try_from(children.len() - 1)
                .expect("at most 256")
                .into(),
            start: at[first].block.into(),
            number: number(first).into(),
        };
        let mut bytes = header.as_bytes().to_vec();
        for child in children {
            let entry = &self.tree.entries[child];
            let head = DirectoryEntry {
                offset: at[child].offset.into(),
                number: i16::try_from(child - first).expect("less than 256").into(),
                kind: entry.item.kind().into(),
                name_size: one_less(entry.name).into(),
            };
            bytes.extend_from_slice(head.as_bytes());
            bytes.extend_from_slice(entry.name);
        }
        bytes
    }
}

/// Bytes of content that the blocks of zeros in `blocks` stand for, in a file of `len` bytes.
fn sparse(blocks: &[StoredBlock], len: u64) -> u64 {
    let block_size = u64::from(BLOCK_SIZE);
    (0_u64..)
        .zip(blocks)
        .filter(|(_, block)| block.word == 0)
        .map(|(index, _)| block_size.min(len - index * block_size))
        .sum()
}

/// The inode number of an index.
fn number(index: usize) -> u32 {
    u32::try_from(index + 1).expect("the tree counted its inodes")
}

/// A name's length as it is written.
fn one_less(name: &[u8]) -> u16 {
    u16::try_from(name.len() - 1).expect("checked with the tree")
}
