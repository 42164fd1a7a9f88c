//! Where bytes come from: files, and ways to read them.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    os::unix::fs::FileExt as _,
};

use formats::{read_at::ReadAt, squashfs};

use crate::cli::progress;

/// A file read at positions.
#[derive(Debug)]
pub(super) struct Stored {
    file: File,
    len: u64,
}

impl Stored {
    pub(super) fn new(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        Ok(Self { file, len })
    }
}

impl ReadAt for Stored {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}

/// A source read in order, from a position on.
pub(super) struct Sequential<'a>(pub(super) &'a dyn ReadAt, pub(super) u64);

impl Read for Sequential<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.0.len() - self.1).unwrap_or(usize::MAX);
        let len = buffer.len().min(left);
        self.0.read_at(self.1, &mut buffer[..len])?;
        self.1 += len as u64;
        Ok(len)
    }
}

/// A source read in order, with a bar that says `what` is being done when it takes long.
pub(super) fn watched(source: &dyn ReadAt, what: String) -> BufReader<impl Read> {
    const BUFFER: usize = 128 << 10;
    let bar = progress::bytes(what, source.len());
    // The bar goes away with its reader.
    BufReader::with_capacity(BUFFER, bar.wrap_read(Sequential(source, 0)))
}

/// A source as squashfs wants it.
pub(super) struct Positions<'a>(pub(super) &'a dyn ReadAt);

impl squashfs::ReadAt for Positions<'_> {
    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, buffer)
    }
}

/// Up to `len` bytes from `offset` on, fewer where the source ends before.
pub(super) fn head(source: &dyn ReadAt, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let left = usize::try_from(source.len().saturating_sub(offset)).unwrap_or(usize::MAX);
    let mut head = vec![0; len.min(left)];
    source.read_at(offset, &mut head)?;
    Ok(head)
}

/// Where after `offset` something else than a zero begins.
pub(super) fn next(source: &dyn ReadAt, mut offset: u64) -> io::Result<Option<u64>> {
    const PIECE: usize = 32 << 10;
    loop {
        let piece = head(source, offset, PIECE)?;
        if piece.is_empty() {
            return Ok(None);
        }
        if let Some(at) = piece.iter().position(|byte| *byte != 0) {
            return Ok(Some(offset + at as u64));
        }
        offset += piece.len() as u64;
    }
}
