//! Archives of regular files walked header by header.

use std::io::Read;

use zerocopy::{FromBytes as _, IntoBytes as _};

use super::{
    Error,
    raw::{
        BLOCK, Extension, Header, MAGIC, OLD_REGULAR, POSIX_MAGIC, REGULAR, RawRun, SPARSE,
        parse_number,
    },
};
use crate::{
    input::Input,
    read_at::{Mapped, Piece, ReadAt},
};

/// What a reader puts up with.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Members.
    pub members: u64,
    /// Runs of all sparse members together.
    pub runs: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            members: 1 << 10,
            runs: 1 << 20,
        }
    }
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: Vec<u8>,
    /// When it was modified, seconds since 1970.
    pub modified: u64,
    /// Where its header starts.
    pub header: u64,
    /// Where its content starts.
    pub offset: u64,
    /// Bytes of content in the archive.
    pub stored: u64,
    /// Bytes of the file.
    pub len: u64,
    /// Offset in the file and length of what is stored of it; one run for a file that is not sparse.
    pub runs: Vec<(u64, u64)>,
}

impl Entry {
    /// The file, holes and all; `archive` is what the entry was read from.
    pub fn content<S: ReadAt>(&self, archive: S) -> Mapped<S> {
        let mut offset = self.offset;
        let piece = |(at, len): &(u64, u64)| {
            let (at, len) = (*at, *len);
            let piece = Piece { at, offset, len };
            offset += len;
            piece
        };
        let pieces = self.runs.iter().map(piece).collect();
        Mapped::new(archive, self.len, pieces)
    }
}

/// The members of the archive that `input` starts with, up to its first block of zeros.
pub fn read_archive(input: impl Read, limits: Limits) -> Result<Vec<Entry>, Error> {
    let mut input = Input::new(input);
    let (mut entries, mut left) = (Vec::new(), limits);
    loop {
        let offset = input.position();
        let block: [u8; 512] = input.array()?;
        if block == [0; 512] {
            return Ok(entries);
        }
        if entries.len() as u64 == limits.members {
            return Err(Error::TooMany {
                what: "members",
                limit: limits.members,
            });
        }
        let entry = entry(&mut input, offset, &block, left)?;
        left.runs = left.runs.saturating_sub(entry.runs.len() as u64);
        let padded = entry.stored.checked_next_multiple_of(BLOCK);
        input.skip(padded.ok_or(Error::Invalid {
            what: "size",
            offset,
        })?)?;
        entries.push(entry);
    }
}

fn entry(
    input: &mut Input<impl Read>,
    offset: u64,
    block: &[u8; 512],
    limits: Limits,
) -> Result<Entry, Error> {
    let invalid = |what| Error::Invalid { what, offset };
    let header = Header::read_from_bytes(block).expect("a block is a header");
    let is_posix = header.magic == POSIX_MAGIC;
    if header.magic != MAGIC && !is_posix {
        return Err(invalid("magic"));
    }
    if parse_number(&header.checksum) != Some(header.sum()) {
        return Err(invalid("checksum"));
    }
    let stored = parse_number(&header.size).ok_or_else(|| invalid("size"))?;
    let modified = parse_number(&header.mtime).ok_or_else(|| invalid("time"))?;
    let (len, runs) = match header.kind {
        REGULAR | OLD_REGULAR => (stored, vec![(0, stored)]),
        SPARSE if !is_posix => {
            let len = parse_number(&header.real_size).ok_or_else(|| invalid("real size"))?;
            let mut map = Map {
                offset,
                len,
                limits,
                runs: Vec::new(),
            };
            map.push(&header.runs)?;
            let mut extended = header.extended != 0;
            while extended {
                let block: [u8; 512] = input.array()?;
                let extension = Extension::read_from_bytes(&block).expect("a block fits");
                map.push(&extension.runs)?;
                extended = extension.extended != 0;
            }
            (len, map.runs)
        }
        kind => return Err(Error::Unsupported { kind, offset }),
    };
    if runs.iter().map(|(_, len)| len).sum::<u64>() != stored {
        return Err(invalid("map"));
    }
    Ok(Entry {
        name: name(&header, is_posix),
        modified,
        header: offset,
        offset: input.position(),
        stored,
        len,
        runs,
    })
}

/// The whole name: POSIX has a part of it where GNU has times and the map.
fn name(header: &Header, is_posix: bool) -> Vec<u8> {
    const PREFIX: std::ops::Range<usize> = 345..500;
    let text = |field: &[u8]| {
        let text = field.split(|byte| *byte == 0).next();
        text.unwrap_or_default().to_vec()
    };
    let name = text(&header.name);
    let prefix = text(&header.as_bytes()[PREFIX]);
    if is_posix && !prefix.is_empty() {
        [&prefix[..], b"/", &name].concat()
    } else {
        name
    }
}

/// The map of a sparse member: runs ascend and lie in the file.
struct Map {
    offset: u64,
    len: u64,
    limits: Limits,
    runs: Vec<(u64, u64)>,
}

impl Map {
    fn push(&mut self, runs: &[RawRun]) -> Result<(), Error> {
        let invalid = Error::Invalid {
            what: "map",
            offset: self.offset,
        };
        for run in runs {
            let (Some(offset), Some(len)) = (parse_number(&run.offset), parse_number(&run.len))
            else {
                return Err(invalid);
            };
            if len == 0 {
                // The rest of a block, or the file's end.
                continue;
            }
            let last = self.runs.last().map_or(0, |(offset, len)| offset + len);
            let end = offset.checked_add(len).filter(|end| *end <= self.len);
            if end.is_none() || offset < last {
                return Err(invalid);
            }
            self.runs.push((offset, len));
            if self.runs.len() as u64 > self.limits.runs {
                return Err(Error::TooMany {
                    what: "runs",
                    limit: self.limits.runs,
                });
            }
        }
        Ok(())
    }
}

/// Body of the fuzz target `tar`.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let limits = Limits {
        members: 100,
        runs: 1000,
    };
    let entries = read_archive(data, limits);
    let Ok(entries) = entries else { return };
    assert_eq!(super::dump(&entries).is_empty(), entries.is_empty());
    let mut end = 0;
    for entry in &entries {
        assert_eq!(entry.header, end);
        let stored: u64 = entry.runs.iter().map(|(_, len)| len).sum();
        assert!(stored == entry.stored && stored <= entry.len);
        end = entry.offset + entry.stored.next_multiple_of(BLOCK);
        let (content, mut offset) = (entry.content(data), entry.offset);
        for (at, len) in &entry.runs {
            let mut bytes = vec![0; usize::try_from(*len).expect("in memory")];
            content
                .read_at(*at, &mut bytes)
                .expect("all of it is there");
            let place = usize::try_from(offset).expect("in memory");
            assert_eq!(bytes, data[place..][..bytes.len()]);
            offset += len;
        }
    }
    assert!(end <= data.len() as u64);
}
