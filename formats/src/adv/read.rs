//! The reader: total, over any source of bytes.

use std::io;

use sha2::{Digest as _, Sha256};

use super::raw::{
    CHECKSUM_LEN, COPY_LEN, END_MAGIC, ENTRY_HEADER_LEN, FOOTER_LEN, MAGIC, MAGIC_LEN,
};
use crate::read_at::ReadAt;

/// What a partition holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The copy that was read.
    pub copy: Copy,
    /// Tags and values in the order of the disk.
    pub values: Vec<(u32, Vec<u8>)>,
}

/// One of the two copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copy {
    /// The first, which is read when it is whole.
    First,
    /// The second, because the first is damaged.
    Second,
}

/// What is not an ADV.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source did not give its bytes.
    #[error("ADV: reading {COPY_LEN} bytes at {offset:#x}")]
    Source {
        /// Where.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// No copy is whole: by the reference's reader an empty one.
    #[error("ADV: no copy with magic numbers and a checksum that fits")]
    Damaged,
}

/// Reads the first copy that is whole, at the start of `source`.
pub fn read(source: &(impl ReadAt + ?Sized)) -> Result<Contents, ReadError> {
    for (copy, offset) in [(Copy::First, 0), (Copy::Second, COPY_LEN as u64)] {
        let mut bytes = vec![0; COPY_LEN];
        source
            .read_at(offset, &mut bytes)
            .map_err(|source| ReadError::Source { offset, source })?;
        if is_whole(&bytes) {
            let values = values(&bytes[MAGIC_LEN..COPY_LEN - FOOTER_LEN]);
            return Ok(Contents { copy, values });
        }
    }
    Err(ReadError::Damaged)
}

fn is_whole(copy: &[u8]) -> bool {
    let (body, footer) = copy.split_at(COPY_LEN - FOOTER_LEN);
    let (checksum, end) = footer.split_at(CHECKSUM_LEN);
    let hash = || {
        Sha256::new()
            .chain_update(body)
            .chain_update([0; CHECKSUM_LEN])
            .chain_update(end)
            .finalize()
    };
    body.starts_with(&MAGIC) && end == END_MAGIC && hash()[..] == *checksum
}

/// Up to tag 0, or to a length that runs out of the copy.
fn values(mut entries: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let mut values = Vec::new();
    while let Some((header, rest)) = entries.split_at_checked(ENTRY_HEADER_LEN) {
        let word =
            |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().expect("four bytes"));
        let (tag, len) = (word(0), word(4));
        let value = usize::try_from(len)
            .ok()
            .and_then(|len| rest.split_at_checked(len));
        let Some((value, rest)) = value.filter(|_| tag != 0) else {
            break;
        };
        values.push((tag, value.to_vec()));
        entries = rest;
    }
    values
}

/// What the fuzz target checks: any bytes are read or refused, and so are they in a copy that is whole.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    let _ = read(data);
    let mut copy = MAGIC.to_vec();
    copy.extend_from_slice(&data[..data.len().min(super::CAPACITY)]);
    copy.resize(COPY_LEN - FOOTER_LEN, 0);
    let checksum = Sha256::new()
        .chain_update(&copy)
        .chain_update([0; CHECKSUM_LEN])
        .chain_update(END_MAGIC)
        .finalize();
    copy.extend_from_slice(&checksum);
    copy.extend_from_slice(&END_MAGIC);
    let contents = read(copy.as_slice()).expect("a whole copy");
    let used: usize = contents
        .values
        .iter()
        .map(|(_, value)| ENTRY_HEADER_LEN + value.len())
        .sum();
    assert!(used <= super::CAPACITY);
    assert!(!contents.dump().is_empty());
}
