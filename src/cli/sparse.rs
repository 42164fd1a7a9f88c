//! Files with holes where their content is zeros: a disk image takes the room of what is on the disk.

use std::{
    fs::File,
    io::{self, Seek as _, SeekFrom, Write},
};

/// Shorter runs of zeros are written: a hole is whole blocks of the file system.
const HOLE: usize = 4096;

/// Writes to a file that is empty. [`Write::flush`] gives it its length.
pub(super) struct Sparse<'a>(pub(super) &'a File);

impl Write for Sparse<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() < HOLE || bytes.iter().any(|byte| *byte != 0) {
            return self.0.write(bytes);
        }
        let len = i64::try_from(bytes.len()).expect("a slice fits into memory");
        self.0.seek(SeekFrom::Current(len))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // A hole at the end is not there until the file has its length.
        let len = self.0.stream_position()?;
        self.0.set_len(len)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn zeros_take_no_room_and_read_back() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let zeros = vec![0; 1 << 20];
        let mut sparse = Sparse(file.as_file());
        for piece in [&b"head"[..], &zeros, &zeros[..100], b"tail", &zeros] {
            sparse.write_all(piece).unwrap();
        }
        sparse.flush().unwrap();
        let content = std::fs::read(file.path()).unwrap();
        let expected = [b"head", &zeros[..], &zeros[..100], b"tail", &zeros].concat();
        assert!(content == expected);
        let room = file.as_file().metadata().unwrap().blocks() * 512;
        assert!(room < 64 << 10, "{room} bytes");
    }
}
