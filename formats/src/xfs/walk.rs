//! The directories of a volume, from the root on.

use std::collections::BTreeSet;

use zerocopy::{FromBytes, big_endian::U64};

use super::{
    Entry, Limits, ReadError,
    raw::{
        DIRECTORY_BLOCK_MAGIC, DIRECTORY_DATA_MAGIC, DIRECTORY_FREE, DirectoryHeader,
        DirectoryTail, HashRecord, LOCAL, MODE_DIRECTORY, MODE_FILE, MODE_TYPE,
    },
    volume::Opened,
};
use crate::read_at::ReadAt;

/// What is in a directory: names with their inodes.
type Names = Vec<(Vec<u8>, u64)>;

pub(super) struct Walk<'a, 'r, R: ?Sized> {
    pub(super) source: &'a mut Opened<'r, R>,
    pub(super) limits: &'a Limits,
    pub(super) entries: Vec<Entry>,
    /// Inodes of directories that were looked into: none has two names.
    seen: BTreeSet<u64>,
    /// Bytes of directories that may still be read.
    left: u64,
}

impl<'a, 'r, R: ReadAt + ?Sized> Walk<'a, 'r, R> {
    pub(super) fn new(source: &'a mut Opened<'r, R>, limits: &'a Limits) -> Self {
        Self {
            source,
            limits,
            entries: Vec::new(),
            seen: BTreeSet::new(),
            left: limits.directories_len,
        }
    }

    /// Adds all entries, the root directory first.
    pub(super) fn all(&mut self) -> Result<(), ReadError> {
        self.entry(String::new(), self.source.superblock.root_inode.get())?;
        // Entries are appended while they are walked, so this visits each level after the one above.
        let mut next = 0;
        while let Some(entry) = self.entries.get(next) {
            next += 1;
            if entry.mode & MODE_TYPE != MODE_DIRECTORY {
                continue;
            }
            let (path, inode) = (entry.path.clone(), entry.inode);
            for (name, child) in self.names(&path, inode)? {
                let name = String::from_utf8_lossy(&name);
                let path = if path.is_empty() {
                    name.into_owned()
                } else {
                    format!("{path}/{name}")
                };
                self.entry(path, child)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, path: String, inode: u64) -> Result<(), ReadError> {
        if self.entries.len() == self.limits.entries {
            return Err(ReadError::Limit {
                what: "entries",
                limit: self.limits.entries as u64,
            });
        }
        let found = self.source.inode(&path, inode)?;
        if !found.sound {
            self.source.wrong_checksums.push(format!("inode {inode}"));
        }
        let core = &found.core;
        let mode = core.mode.get();
        let has_runs = match mode & MODE_TYPE {
            MODE_DIRECTORY => core.format != LOCAL,
            kind => kind == MODE_FILE,
        };
        let runs = if has_runs {
            self.source.runs(&path, &found)?
        } else {
            Vec::new()
        };
        self.entries.push(Entry {
            path,
            inode,
            mode,
            uid: core.uid.get(),
            gid: core.gid.get(),
            links: core.links.get(),
            len: core.len.get(),
            modified: core.modified.epoch(core.flags_2.get()),
            generation: core.generation.get(),
            runs,
        });
        Ok(())
    }

    /// What the directory `inode` holds.
    fn names(&mut self, path: &str, inode: u64) -> Result<Names, ReadError> {
        if !path.is_empty() && path.split('/').count() >= self.limits.depth {
            return Err(ReadError::Limit {
                what: "names in a path",
                limit: self.limits.depth as u64,
            });
        }
        if !self.seen.insert(inode) {
            return Err(ReadError::Shared {
                path: path.to_owned(),
            });
        }
        let wrong = || ReadError::Directory {
            path: path.to_owned(),
        };
        let found = self.source.inode(path, inode)?;
        if found.core.format == LOCAL {
            let data = found.local().ok_or_else(wrong)?;
            return short(data, self.source.has_types()).ok_or_else(wrong);
        }
        let block_len = self.source.directory_block_len();
        let mut names = Names::new();
        for run in self.source.directory_blocks(path, &found)? {
            self.left = self.left.checked_sub(run.len).ok_or(ReadError::Limit {
                what: "bytes in directories",
                limit: self.limits.directories_len,
            })?;
            // Runs are whole blocks of the volume; blocks of directories may be of several, but not in several runs.
            if run.len % block_len != 0 {
                return Err(wrong());
            }
            for offset in (run.offset..run.offset + run.len)
                .step_by(usize::try_from(block_len).expect("at most 64 KiB"))
            {
                let bytes = self.source.fetch(offset, block_len)?;
                let at = std::mem::offset_of!(DirectoryHeader, checksum);
                self.source
                    .check(&bytes, at, || format!("directory block at {offset:#x}"));
                block(&bytes, self.source.has_types(), &mut names).ok_or_else(wrong)?;
            }
        }
        Ok(names)
    }
}

/// The first `N` bytes of `bytes`, taken.
fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    bytes.split_off(..len)
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The entries of a directory in its inode.
fn short(mut bytes: &[u8], has_types: bool) -> Option<Names> {
    let &[count, wide] = take(&mut bytes, 2)? else {
        return None;
    };
    let number_len = if wide == 0 { 4 } else { 8 };
    take(&mut bytes, number_len)?;
    let mut names = Names::with_capacity(usize::from(count));
    for _ in 0..count {
        let &[name_len, _, _] = take(&mut bytes, 3)? else {
            return None;
        };
        let name = take(&mut bytes, usize::from(name_len))?;
        take(&mut bytes, usize::from(has_types))?;
        let inode = number(take(&mut bytes, number_len)?);
        names.push((checked(name)?, inode));
    }
    Some(names)
}

/// Adds the entries of a block of a directory but `.` and `..`.
fn block(bytes: &[u8], has_types: bool, names: &mut Names) -> Option<()> {
    let (header, _) = DirectoryHeader::read_from_prefix(bytes).ok()?;
    let end = match header.magic {
        DIRECTORY_DATA_MAGIC => bytes.len(),
        DIRECTORY_BLOCK_MAGIC => {
            let (_, tail) = DirectoryTail::read_from_suffix(bytes).ok()?;
            let index = usize::try_from(tail.records.get())
                .ok()?
                .checked_mul(size_of::<HashRecord>())?;
            bytes
                .len()
                .checked_sub(size_of::<DirectoryTail>())?
                .checked_sub(index)?
        }
        _ => return None,
    };
    let mut rest = bytes.get(size_of::<DirectoryHeader>()..end)?;
    while !rest.is_empty() {
        let mut entry = rest;
        let first = take(&mut entry, size_of::<U64>())?;
        let len = if first.starts_with(&DIRECTORY_FREE.to_be_bytes()) {
            usize::try_from(number(&first[2..4])).ok()?
        } else {
            let &[name_len] = take(&mut entry, 1)? else {
                return None;
            };
            let name = take(&mut entry, usize::from(name_len))?;
            if !matches!(name, b"." | b"..") {
                names.push((checked(name)?, number(first)));
            }
            (8 + 1 + name.len() + usize::from(has_types) + 2).next_multiple_of(8)
        };
        if len == 0 || len % 8 != 0 {
            return None;
        }
        take(&mut rest, len)?;
    }
    Some(())
}

/// A name that can be one.
fn checked(name: &[u8]) -> Option<Vec<u8>> {
    let is_one = !name.is_empty() && !matches!(name, b"." | b"..");
    (is_one && !name.iter().any(|byte| matches!(byte, 0 | b'/'))).then(|| name.to_vec())
}
