//! The directories of one volume, read with their system use entries.

use std::{collections::BTreeSet, ops::Range};

use zerocopy::FromBytes;

use super::{
    Entry, Kind, Limits, ReadError, Volume,
    raw::{BLOCK, BLOCK_LEN, DIRECTORY, MULTI_EXTENT, PrimaryVolumeDescriptor, RecordHead},
    read::fetch,
    rock_ridge::{self, file_type},
};
use crate::read_at::ReadAt;

/// Goes through the directories of one volume.
pub(super) struct Walk<'a, R: ?Sized> {
    source: &'a R,
    limits: &'a Limits,
    base: u32,
    /// Bytes at the start of system use areas that are not Rock Ridge's; none if the volume does not speak it.
    skip: Option<usize>,
    /// First blocks of directories seen.
    seen: BTreeSet<u32>,
    left: u64,
    entries: Vec<Entry>,
}

impl<'a, R: ReadAt + ?Sized> Walk<'a, R> {
    pub(super) fn volume(
        source: &'a R,
        limits: &'a Limits,
        base: u32,
        descriptor: &PrimaryVolumeDescriptor,
    ) -> Result<Volume, ReadError> {
        let left = limits.directories_len;
        let mut walk = Self {
            source,
            limits,
            base,
            skip: None,
            seen: BTreeSet::new(),
            left,
            entries: Vec::new(),
        };
        walk.directory("", &descriptor.root)?;
        // Entries are appended while they are walked, so this visits each level after the one above.
        let mut next = 0;
        while let Some(entry) = walk.entries.get(next) {
            next += 1;
            if entry.kind == Kind::Directory {
                let (path, run) = (entry.path.clone(), entry.runs[0].clone());
                walk.records(&path, run)?;
            }
        }
        let mut entries = walk.entries;
        entries.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
        Ok(Volume {
            base,
            descriptor: *descriptor,
            entries,
        })
    }

    fn directory(&mut self, path: &str, head: &RecordHead) -> Result<(), ReadError> {
        let run = self.run(path, head)?;
        self.records(path, run)
    }

    /// Where the bytes of a record lie.
    fn run(&self, path: &str, head: &RecordHead) -> Result<Range<u64>, ReadError> {
        let block = u64::from(self.base)
            + u64::from(head.extent.get())
            + u64::from(head.extended_attribute_len);
        let (offset, len) = (block * BLOCK, u64::from(head.data_len.get()));
        let source_len = self.source.len();
        if len > 0 && offset + len > source_len {
            return Err(ReadError::Extent {
                path: path.to_owned(),
                offset,
                len,
                source_len,
            });
        }
        Ok(offset..offset + len)
    }

    /// Adds the entries of the directory that lies at `run`.
    fn records(&mut self, path: &str, run: Range<u64>) -> Result<(), ReadError> {
        let broken = |offset| ReadError::Record {
            path: path.to_owned(),
            offset,
        };
        let block = u32::try_from(run.start / BLOCK).map_err(|_| broken(run.start))?;
        if !self.seen.insert(block) {
            return Err(ReadError::Shared {
                path: path.to_owned(),
            });
        }
        if path.split('/').count() >= self.limits.depth {
            return Err(ReadError::Limit {
                what: "names in a path",
                limit: self.limits.depth as u64,
            });
        }
        let limit = self.limits.directories_len;
        let len = run.end - run.start;
        self.left = self.left.checked_sub(len).ok_or(ReadError::Limit {
            what: "bytes of directories",
            limit,
        })?;
        let bytes = fetch(
            self.source,
            run.start,
            usize::try_from(len).expect("within the limit"),
        )?;
        // Whether the record before said that its file goes on.
        let mut unfinished = false;
        for (block, start) in bytes
            .chunks(BLOCK_LEN)
            .zip((run.start..).step_by(BLOCK_LEN))
        {
            let mut at = 0;
            while let Some(len) = block
                .get(at)
                .map(|len| usize::from(*len))
                .filter(|len| *len > 0)
            {
                let offset = start + at as u64;
                let record = block
                    .get(at..at + len)
                    .and_then(Record::parse)
                    .ok_or_else(|| broken(offset))?;
                self.record(path, &record, &mut unfinished, offset)?;
                at += len;
            }
        }
        Ok(())
    }

    fn record(
        &mut self,
        directory: &str,
        record: &Record,
        unfinished: &mut bool,
        offset: u64,
    ) -> Result<(), ReadError> {
        if matches!(record.identifier, [0 | 1]) {
            // The root directory's own record comes first and says whether the volume speaks Rock Ridge.
            if directory.is_empty() && record.identifier == [0] {
                self.skip = rock_ridge::announced(record.system_use);
            }
            return Ok(());
        }
        let broken = || ReadError::Record {
            path: directory.to_owned(),
            offset,
        };
        let identifier = String::from_utf8_lossy(record.identifier).into_owned();
        let goes_on = record.head.flags & MULTI_EXTENT != 0;
        if std::mem::replace(unfinished, goes_on) {
            let path = self
                .entries
                .last()
                .filter(|last| last.identifier == identifier)
                .ok_or_else(broken)?
                .path
                .clone();
            let run = self.run(&path, &record.head)?;
            let last = self.entries.last_mut().ok_or_else(broken)?;
            last.len += run.end - run.start;
            match last.runs.last_mut() {
                Some(before) if before.end == run.start => before.end = run.end,
                _ => last.runs.push(run),
            }
            return Ok(());
        }
        if self.entries.len() == self.limits.entries {
            return Err(ReadError::Limit {
                what: "entries",
                limit: self.limits.entries as u64,
            });
        }
        let extension = match self.skip {
            Some(skip) => {
                let area = self.system_use(record.system_use.get(skip..).unwrap_or_default())?;
                rock_ridge::parse(&area)
            }
            None => rock_ridge::Parsed::default(),
        };
        let name = extension.name.unwrap_or_else(|| plain_name(&identifier));
        let path = if directory.is_empty() {
            name
        } else {
            format!("{directory}/{name}")
        };
        let is_symlink = extension
            .attributes
            .is_some_and(|attributes| attributes.mode & file_type::MASK == file_type::SYMLINK);
        let kind = match extension.target {
            _ if record.head.flags & DIRECTORY != 0 => Kind::Directory,
            Some(target) if is_symlink => Kind::Symlink(target),
            _ => Kind::File,
        };
        let run = self.run(&path, &record.head)?;
        let len = run.end - run.start;
        let runs = if len > 0 || kind == Kind::Directory {
            vec![run]
        } else {
            Vec::new()
        };
        let modified = record.head.date.civil();
        self.entries.push(Entry {
            path,
            identifier,
            kind,
            attributes: extension.attributes,
            modified,
            len,
            runs,
        });
        Ok(())
    }

    /// The system use entries of a record with those of its continuation areas.
    fn system_use(&self, inline: &[u8]) -> Result<Vec<u8>, ReadError> {
        let mut area = inline.to_vec();
        let mut left = self.limits.continuation_len;
        let mut next = rock_ridge::continues(inline);
        while let Some((block, offset, len)) = next {
            let limit = self.limits.continuation_len;
            // An area of no bytes would go on for ever.
            left = left
                .checked_sub(u64::from(len).max(1))
                .ok_or(ReadError::Limit {
                    what: "bytes of continuation areas",
                    limit,
                })?;
            let start = (u64::from(self.base) + u64::from(block)) * BLOCK + u64::from(offset);
            let piece = fetch(
                self.source,
                start,
                usize::try_from(len).expect("within the limit"),
            )?;
            next = rock_ridge::continues(&piece);
            rock_ridge::append(&mut area, &piece);
        }
        Ok(area)
    }
}

/// A directory record.
struct Record<'a> {
    head: RecordHead,
    identifier: &'a [u8],
    system_use: &'a [u8],
}

impl<'a> Record<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (head, rest) = RecordHead::read_from_prefix(bytes).ok()?;
        let len = usize::from(head.identifier_len);
        let (identifier, rest) = rest.split_at_checked(len)?;
        let padding = usize::from(len.is_multiple_of(2));
        (len > 0).then_some(Self {
            head,
            identifier,
            system_use: rest.get(padding..).unwrap_or_default(),
        })
    }
}

/// What a name was before the identifier was made of it, as far as one can tell.
fn plain_name(identifier: &str) -> String {
    let name = identifier
        .split_once(';')
        .map_or(identifier, |(name, _)| name);
    name.strip_suffix('.').unwrap_or(name).to_owned()
}
