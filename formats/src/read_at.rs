//! Bytes read at positions: what readers of whole images need, so that nobody must hold an image in memory.

use std::io;

/// A source of bytes of known length: a slice, a file, a window of either.
pub trait ReadAt {
    /// Bytes there are.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buffer` with the bytes from `offset` on, or fails: with [`io::ErrorKind::UnexpectedEof`] when the source ends
    /// before.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

impl ReadAt for [u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let piece = usize::try_from(offset)
            .ok()
            .and_then(|from| self.get(from..)?.get(..buffer.len()))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(piece);
        Ok(())
    }
}

impl<R: ReadAt + ?Sized> ReadAt for &R {
    fn len(&self) -> u64 {
        (**self).len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        (**self).read_at(offset, buffer)
    }
}

/// A part of a source, as a source: a partition of a disk, a file of an image.
#[derive(Debug, Clone, Copy)]
pub struct Window<R> {
    source: R,
    start: u64,
    len: u64,
}

impl<R: ReadAt> Window<R> {
    /// `len` bytes of `source` from `start` on, fewer where the source ends before.
    pub fn new(source: R, start: u64, len: u64) -> Self {
        let start = start.min(source.len());
        let len = len.min(source.len() - start);
        Self { source, start, len }
    }
}

impl<R: ReadAt> ReadAt for Window<R> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        match offset.checked_add(buffer.len() as u64) {
            Some(end) if end <= self.len => self.source.read_at(self.start + offset, buffer),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_where_it_says_and_where_its_source_does() {
        let source = b"0123456789".as_slice();
        let mut buffer = [0; 2];
        let window = Window::new(source, 4, 3);
        window.read_at(1, &mut buffer).unwrap();
        assert_eq!(&buffer, b"56");
        assert!(window.read_at(2, &mut buffer).is_err());
        assert!(window.read_at(u64::MAX, &mut buffer).is_err());
        assert_eq!(Window::new(source, 8, 100).len(), 2);
        assert!(Window::new(source, 100, 100).is_empty());
    }
}
