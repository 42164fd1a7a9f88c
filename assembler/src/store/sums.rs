//! Checksums of a blob that formats need and that combine: known once, never computed on the way of a request.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use formats::{
    Digest,
    crc::{Checksum, Crc},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Bytes covered by one checksum; the last may cover fewer.
pub const UNIT: u64 = 1 << 20;

/// CRC-32 and CRC-64 (as in gzip and xz) of each [`UNIT`] of a blob.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// The blob's length in bytes.
    pub len: u64,
    /// One value a unit, in order.
    pub crc32: Vec<u32>,
    /// One value a unit, in order.
    pub crc64: Vec<u64>,
}

impl Sums {
    /// The CRC of `len` bytes from `offset` on, when both ends lie on borders of units (or at the blob's end).
    pub fn crc(&self, crc: Crc, offset: u64, len: u64) -> Option<u64> {
        let end = offset.checked_add(len)?;
        let on_border = |position: u64| position.is_multiple_of(UNIT) || position == self.len;
        if end > self.len || !on_border(offset) || !on_border(end) {
            return None;
        }
        let mut whole = Checksum::new(crc);
        let mut position = offset;
        while position < end {
            let unit = usize::try_from(position / UNIT).ok()?;
            let sum = match crc {
                Crc::Crc32 => u64::from(*self.crc32.get(unit)?),
                Crc::Crc64 => *self.crc64.get(unit)?,
            };
            let len = UNIT.min(end - position);
            whole.append(sum, len);
            position += len;
        }
        Some(whole.value())
    }
}

/// Computes [`Sums`] while a blob is written.
#[derive(Debug)]
pub(super) struct SumsBuilder {
    sums: Sums,
    crc32: Checksum,
    crc64: Checksum,
}

impl Default for SumsBuilder {
    fn default() -> Self {
        Self {
            sums: Sums::default(),
            crc32: Checksum::new(Crc::Crc32),
            crc64: Checksum::new(Crc::Crc64),
        }
    }
}

impl SumsBuilder {
    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = UNIT - self.sums.len % UNIT;
            let take = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
            let (now, later) = bytes.split_at(take);
            self.crc32.update(now);
            self.crc64.update(now);
            self.sums.len += take as u64;
            if self.sums.len.is_multiple_of(UNIT) {
                self.end_unit();
            }
            bytes = later;
        }
    }

    fn end_unit(&mut self) {
        let crc32 = u32::try_from(self.crc32.value()).expect("a CRC-32 has 32 bits");
        self.sums.crc32.push(crc32);
        self.sums.crc64.push(self.crc64.value());
        self.crc32 = Checksum::new(Crc::Crc32);
        self.crc64 = Checksum::new(Crc::Crc64);
    }

    pub(super) fn finish(mut self) -> Sums {
        if !self.sums.len.is_multiple_of(UNIT) {
            self.end_unit();
        }
        self.sums
    }
}

/// Reads a file whole for its SHA-256.
pub(super) fn digest_of(file: &File) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    let mut offset = 0;
    loop {
        let len = file.read_at(&mut buffer, offset)?;
        if len == 0 {
            return Ok(Digest::finish(hasher));
        }
        hasher.update(&buffer[..len]);
        offset += len as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_on_borders_combine() {
        let content: Vec<u8> = (0..(5 << 19) + 7u32)
            .map(|index| u8::try_from(index % 253).unwrap())
            .collect();
        let mut builder = SumsBuilder::default();
        content
            .chunks(100_003)
            .for_each(|chunk| builder.update(chunk));
        let sums = builder.finish();
        let len = content.len() as u64;
        for (offset, end) in [
            (0, len),
            (UNIT, len),
            (0, UNIT),
            (UNIT, 2 * UNIT),
            (2 * UNIT, len),
            (len, len),
        ] {
            let range = usize::try_from(offset).unwrap()..usize::try_from(end).unwrap();
            for crc in [Crc::Crc32, Crc::Crc64] {
                assert_eq!(
                    sums.crc(crc, offset, end - offset),
                    Some(crc.of(&content[range.clone()])),
                    "{offset}..{end}"
                );
            }
        }
        assert_eq!(sums.crc(Crc::Crc32, 1, 5), None);
        assert_eq!(sums.crc(Crc::Crc64, 0, len + 1), None);
    }
}
