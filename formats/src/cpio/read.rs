//! Archives back to back, read in order.

use std::{
    io::{self, Read},
    ops::Range,
};

use super::{
    Error,
    raw::{ALIGNMENT, Header, MAX_NAME, TRAILER},
};
use crate::input::Input;

/// What a reader puts up with.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Entries of all archives together, trailers included.
    pub entries: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 1 << 20 }
    }
}

/// An entry as found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Which archive it belongs to, from 0.
    pub archive: u64,
    /// Where its header starts.
    pub offset: u64,
    /// Its header.
    pub header: Header,
    /// Its name without the NUL.
    pub name: Vec<u8>,
    /// Where its content lies.
    pub content: Range<u64>,
}

/// Reads archives back to back, with zeros between them, as the kernel does.
///
/// It ends without an error at the end of the input, and where something else than an archive or zeros begins (another
/// compressed archive, as a rule): [`position`](Self::position) then tells where. Between two calls of
/// [`next_member`](Self::next_member), the content of the member is read from the reader itself.
#[derive(Debug)]
pub struct Reader<R> {
    input: Input<R>,
    limits: Limits,
    entries: u64,
    archives: u64,
    inside: bool,
    content: u64,
}

impl<R: Read> Reader<R> {
    /// Reads from `input`, whose first byte is offset 0.
    pub fn new(input: R, limits: Limits) -> Self {
        Self {
            input: Input::new(input),
            limits,
            entries: 0,
            archives: 0,
            inside: false,
            content: 0,
        }
    }

    /// Bytes read so far; after the last member, where the archives end.
    pub fn position(&self) -> u64 {
        self.input.position()
    }

    /// The next member; what is left of the content of the one before is passed over.
    pub fn next_member(&mut self) -> Result<Option<Member>, Error> {
        loop {
            self.input.skip(self.content)?;
            self.content = 0;
            if self.inside {
                self.align()?;
            } else if !self.find_archive()? {
                return Ok(None);
            }
            let member = self.member()?;
            self.content = member.content.end - member.content.start;
            if member.name != TRAILER.as_bytes() {
                return Ok(Some(member));
            }
            self.inside = false;
            self.archives += 1;
        }
    }

    /// Passes over zeros; whether an archive starts behind them.
    fn find_archive(&mut self) -> Result<bool, Error> {
        while self.input.peek()? == Some(0) {
            self.input.skip(1)?;
        }
        if self.input.peek()? != Some(b'0') {
            return Ok(false);
        }
        let offset = self.input.position();
        if !offset.is_multiple_of(ALIGNMENT) {
            return Err(Error::Unaligned { offset });
        }
        self.inside = true;
        Ok(true)
    }

    fn align(&mut self) -> Result<(), Error> {
        let position = self.input.position();
        Ok(self
            .input
            .skip(position.next_multiple_of(ALIGNMENT) - position)?)
    }

    fn member(&mut self) -> Result<Member, Error> {
        let offset = self.input.position();
        if self.entries == self.limits.entries {
            return Err(Error::TooManyEntries {
                limit: self.limits.entries,
            });
        }
        self.entries += 1;
        let header = Header::decode(&self.input.array()?, offset)?;
        let name = self.name(header.name_size, offset)?;
        self.align()?;
        let start = self.input.position();
        Ok(Member {
            archive: self.archives,
            offset,
            header,
            name,
            content: start..start + u64::from(header.file_size),
        })
    }

    fn name(&mut self, name_size: u32, offset: u64) -> Result<Vec<u8>, Error> {
        let len = usize::try_from(name_size).unwrap_or(usize::MAX);
        if !(2..=MAX_NAME).contains(&len) {
            return Err(Error::InvalidEntryName { offset });
        }
        let mut name = vec![0; len];
        self.input.exact(&mut name)?;
        if name.iter().position(|byte| *byte == 0) != Some(len - 1) {
            return Err(Error::InvalidEntryName { offset });
        }
        name.pop();
        Ok(name)
    }
}

/// The content of the current member.
impl<R: Read> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want =
            usize::try_from(self.content).map_or(buffer.len(), |left| left.min(buffer.len()));
        let taken = self
            .input
            .take(&mut buffer[..want])
            .map_err(io::Error::other)?;
        if taken == 0 && want > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.content -= taken as u64;
        Ok(taken)
    }
}

/// Archives in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// All members, in order.
    pub members: Vec<Member>,
    /// Where the archives and the zeros behind them end: the length of the input unless something else follows.
    pub end: u64,
}

/// All members of the archives that `bytes` starts with.
pub fn members(bytes: &[u8], limits: Limits) -> Result<Listing, Error> {
    let mut reader = Reader::new(bytes, limits);
    let mut members = Vec::new();
    while let Some(member) = reader.next_member()? {
        members.push(member);
    }
    let end = reader.position();
    Ok(Listing { members, end })
}

/// Body of the fuzz target `cpio`.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let limits = Limits { entries: 1000 };
    let listing = members(data, limits);
    assert_eq!(listing.is_ok(), super::dump(data, limits).is_ok());
    let Ok(listing) = listing else { return };
    assert!(listing.end <= data.len() as u64);
    let mut end = 0;
    for member in &listing.members {
        assert!(end <= member.offset && member.offset < member.content.start);
        assert!(
            member.offset.is_multiple_of(ALIGNMENT)
                && member.content.start.is_multiple_of(ALIGNMENT)
        );
        assert!(member.content.end <= listing.end);
        end = member.content.end;
    }
}
