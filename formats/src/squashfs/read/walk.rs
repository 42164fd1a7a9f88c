//! From the root inode to the list of everything.

use std::collections::HashMap;
use std::sync::Arc;

use super::inode::{Entry, Inode, Kind, ListingPlace};
use super::metadata::{Budget, Table};
use super::xattr::Xattrs;
use super::{Image, Limits, ReadAt, ReadError};
use crate::squashfs::raw::{DIRECTORY_RUN, DirectoryEntry, DirectoryHeader, NAME_LEN, kind};

/// What inodes are checked against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shared {
    pub(super) block_size: u32,
    pub(super) fragment_count: u32,
}

/// A name that was listed and is not yet an entry.
struct Listed {
    name: Box<[u8]>,
    parent: usize,
    depth: usize,
    reference: u64,
    kind: u16,
}

/// The tables, on the way to the entries.
pub(super) struct Walk<'a> {
    inodes: &'a Table,
    directories: &'a Table,
    ids: &'a [u8],
    xattrs: Xattrs,
    limits: Limits,
    shared: Shared,
    root: u64,
    /// For what is read from the tables, perhaps many times over.
    budget: Budget,
}

impl<'a> Walk<'a> {
    pub(super) fn new<R: ReadAt>(
        image: &Image<R>,
        inodes: &'a Table,
        directories: &'a Table,
        ids: &'a [u8],
        xattrs: Xattrs,
    ) -> Self {
        Self {
            inodes,
            directories,
            ids,
            xattrs,
            limits: image.limits,
            shared: Shared {
                block_size: image.superblock.block_size.get(),
                fragment_count: image.superblock.fragment_count.get(),
            },
            root: image.superblock.root_inode.get(),
            budget: Budget::new(image.limits.metadata),
        }
    }

    /// Every entry, directories before what is in them.
    pub(super) fn entries(mut self) -> Result<Vec<Entry>, ReadError> {
        let mut entries: Vec<Entry> = Vec::new();
        // Names of one file share its inode; a directory has one name, or the tree is none.
        let mut known: HashMap<u64, usize> = HashMap::new();
        let mut listed = vec![Listed {
            name: Box::default(),
            parent: 0,
            depth: 0,
            reference: self.root,
            kind: kind::DIRECTORY,
        }];
        while let Some(next) = listed.pop() {
            let index = entries.len();
            if let Some(first) = known.get(&next.reference) {
                let Entry { kind, .. } = &entries[*first];
                if *kind == Kind::Directory {
                    return Err(self
                        .directories
                        .malformed(0, "a directory is in two places"));
                }
                let entry = Entry {
                    name: next.name,
                    parent: next.parent,
                    end: index + 1,
                    ..entries[*first].clone()
                };
                entries.push(entry);
                continue;
            }
            known.insert(next.reference, index);
            let (depth, reference, kind) = (next.depth, next.reference, next.kind);
            let (entry, listing) = self.entry(next, index, reference, kind)?;
            entries.push(entry);
            if let Some(place) = listing {
                if depth == self.limits.depth {
                    return Err(ReadError::Limit {
                        what: "directories inside one another",
                        limit: depth as u64,
                    });
                }
                self.list(place, index, depth + 1, &mut listed)?;
                if entries.len() + listed.len() > self.limits.entries {
                    return Err(ReadError::Limit {
                        what: "entries",
                        limit: self.limits.entries as u64,
                    });
                }
            }
        }
        close(&mut entries);
        Ok(entries)
    }

    fn entry(
        &mut self,
        listed: Listed,
        index: usize,
        reference: u64,
        kind: u16,
    ) -> Result<(Entry, Option<ListingPlace>), ReadError> {
        let mut cursor = self.inodes.cursor(reference)?;
        let start = cursor.position;
        let inode = Inode::read(&mut cursor, self.shared)?;
        self.budget.spend(cursor.position - start)?;
        if inode.basic_kind() != kind {
            return Err(self
                .inodes
                .malformed(start, "its directory says it is something else"));
        }
        let header = inode.header;
        let id = |number: u16| {
            let from = usize::from(number) * 4;
            let bytes = self.ids.get(from..from + 4);
            bytes
                .map(|bytes| u32::from_le_bytes(bytes.try_into().expect("four bytes")))
                .ok_or_else(|| {
                    self.inodes
                        .malformed(start, "its owner is not in the id table")
                })
        };
        let entry = Entry {
            name: listed.name,
            parent: listed.parent,
            end: index + 1,
            mode: header.mode.get() & 0o7777,
            uid: id(header.uid.get())?,
            gid: id(header.gid.get())?,
            mtime: header.mtime.get(),
            inode: header.number.get(),
            nlink: inode.nlink,
            kind: inode.kind,
            xattrs: Arc::clone(&self.xattrs.set(inode.xattr, &mut self.budget)?),
        };
        Ok((entry, inode.listing))
    }

    /// Puts the names of a listing on the stack, the first on top.
    fn list(
        &mut self,
        place: ListingPlace,
        parent: usize,
        depth: usize,
        listed: &mut Vec<Listed>,
    ) -> Result<(), ReadError> {
        let bottom = listed.len();
        if place.len == 0 {
            return Ok(());
        }
        self.budget.spend(place.len)?;
        let mut cursor = self.directories.cursor(place.reference)?;
        let end = cursor.position + place.len;
        while cursor.position < end {
            let header: DirectoryHeader = cursor.read()?;
            let count = header.count.get() as usize + 1;
            if count > DIRECTORY_RUN {
                return Err(cursor.malformed("more than 256 names behind one header"));
            }
            for _ in 0..count {
                let head: DirectoryEntry = cursor.read()?;
                let name = cursor.take(usize::from(head.name_size.get()) + 1)?;
                let before = listed[bottom..].last().map(|listed| &*listed.name);
                if let Err(why) = check_name(name, before) {
                    return Err(cursor.malformed(why));
                }
                listed.push(Listed {
                    name: name.into(),
                    parent,
                    depth,
                    reference: u64::from(header.start.get()) << 16 | u64::from(head.offset.get()),
                    kind: head.kind.get(),
                });
            }
        }
        if cursor.position != end {
            return Err(cursor.malformed("a listing has another length than its directory says"));
        }
        listed[bottom..].reverse();
        Ok(())
    }
}

/// Refuses names that would escape their directory, and those that a lookup would not find.
fn check_name(name: &[u8], before: Option<&[u8]>) -> Result<(), &'static str> {
    if name.len() > NAME_LEN {
        Err("a name is longer than 256 bytes")
    } else if name == b"." || name == b".." || name.contains(&b'/') || name.contains(&0) {
        Err("a name is . or .., or contains / or NUL")
    } else if before.is_some_and(|before| before >= name) {
        Err("names are not in order")
    } else {
        Ok(())
    }
}

/// Tells every directory where what is in it ends.
fn close(entries: &mut [Entry]) {
    for index in (1..entries.len()).rev() {
        let Entry { parent, end, .. } = entries[index];
        entries[parent].end = entries[parent].end.max(end);
    }
}
