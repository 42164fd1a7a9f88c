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

/// A piece of a source that lies elsewhere in what it is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Where it is to be read.
    pub at: u64,
    /// Where it lies in the source.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
}

/// Pieces of a source over zeros, as a source: the disk in an image, a sparse file in an archive.
#[derive(Debug, Clone)]
pub struct Mapped<R> {
    source: R,
    len: u64,
    pieces: Vec<Piece>,
}

impl<R: ReadAt> Mapped<R> {
    /// `len` bytes, those of `pieces` from `source`, the others zeros. What a piece has beyond `len` is left out.
    ///
    /// # Panics
    /// When `pieces` are not in order, overlap or end beyond 2^64.
    pub fn new(source: R, len: u64, pieces: Vec<Piece>) -> Self {
        let ascend = |pair: &[Piece]| pair[0].at + pair[0].len <= pair[1].at;
        assert!(pieces.windows(2).all(ascend), "pieces are in order");
        Self {
            source,
            len,
            pieces,
        }
    }
}

impl<R: ReadAt> ReadAt for Mapped<R> {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64);
        let end = end.filter(|end| *end <= self.len);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.fill(0);
        let first = self
            .pieces
            .partition_point(|piece| piece.at + piece.len <= offset);
        let within = |place: u64| usize::try_from(place - offset).expect("within the buffer");
        for piece in &self.pieces[first..] {
            let (from, to) = (piece.at.max(offset), end.min(piece.at + piece.len));
            if from >= to {
                break;
            }
            let target = &mut buffer[within(from)..within(to)];
            self.source
                .read_at(piece.offset + (from - piece.at), target)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_read_over_zeros() {
        let source = b"0123456789".as_slice();
        let piece = |at, offset, len| Piece { at, offset, len };
        let pieces = vec![piece(2, 7, 2), piece(4, 0, 1), piece(8, 4, 5)];
        let mapped = Mapped::new(source, 11, pieces);
        let whole = b"\0\x0078\x30\0\0\x00456";
        assert_eq!(mapped.len(), 11);
        for from in 0..=11 {
            for to in from..=11 {
                let mut buffer = vec![0xff; to - from];
                mapped.read_at(from as u64, &mut buffer).unwrap();
                assert_eq!(buffer, whole[from..to], "{from}..{to}");
            }
        }
        assert!(mapped.read_at(10, &mut [0; 2]).is_err());
        assert!(mapped.read_at(u64::MAX, &mut [0; 2]).is_err());
    }

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
