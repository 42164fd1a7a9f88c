//! Layouts with the blobs they name, as sources and as files.

use std::{
    collections::BTreeMap,
    io::{self, Seek as _, SeekFrom, Write as _},
    process::Command,
};

use bytes::Bytes;
use formats::{Digest, Layout, extent::Segment, read_at::ReadAt};
use tempfile::{NamedTempFile, TempPath};

/// Blobs by digest.
#[derive(Debug, Default)]
pub(crate) struct Blobs(BTreeMap<Digest, Bytes>);

impl Blobs {
    /// A layout of one blob: `len` bytes that differ by `seed` and from block to block.
    pub(crate) fn add(&mut self, seed: u32, len: usize) -> Layout {
        let word = |index: u32| (index ^ seed << 20).wrapping_mul(0x9e37_79b1).to_le_bytes();
        let mut content: Vec<u8> = (0..).flat_map(word).take(len).collect();
        content.truncate(len);
        self.add_bytes(content)
    }

    /// A layout of one blob with this content.
    pub(crate) fn add_bytes(&mut self, content: impl Into<Bytes>) -> Layout {
        let content = content.into();
        let digest = Digest::of(&content);
        let mut layout = Layout::new();
        layout.blob(digest, 0, content.len() as u64);
        self.0.insert(digest, content);
        layout
    }

    pub(crate) fn collect(&self, layout: &Layout) -> Vec<u8> {
        layout.collect(|digest| self.0[digest].clone())
    }

    /// `layout` as a sparse file, which is removed when it is dropped.
    pub(crate) fn write(&self, layout: &Layout) -> TempPath {
        let (mut file, path) = NamedTempFile::new().unwrap().into_parts();
        for segment in layout.segments(0..layout.len()) {
            match segment {
                Segment::Bytes(bytes) => file.write_all(&bytes).unwrap(),
                Segment::Zeros(len) => {
                    file.seek(SeekFrom::Current(i64::try_from(len).unwrap()))
                        .unwrap();
                }
                Segment::Blob {
                    digest,
                    offset,
                    len,
                } => {
                    let (from, len) = (
                        usize::try_from(offset).unwrap(),
                        usize::try_from(len).unwrap(),
                    );
                    file.write_all(&self.0[&digest][from..from + len]).unwrap();
                }
                other @ Segment::Deferred(_) => {
                    let mut value = Layout::new();
                    value.push(other.into());
                    file.write_all(&self.collect(&value)).unwrap();
                }
            }
        }
        file.set_len(layout.len()).unwrap();
        path
    }

    /// `layout` as a source, without its bytes in memory.
    pub(crate) fn source<'a>(&'a self, layout: &'a Layout) -> Source<'a> {
        Source {
            blobs: self,
            layout,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Source<'a> {
    blobs: &'a Blobs,
    layout: &'a Layout,
}

impl ReadAt for Source<'_> {
    fn len(&self) -> u64 {
        self.layout.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset
            .checked_add(buffer.len() as u64)
            .filter(|end| *end <= self.layout.len());
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(&self.blobs.collect(&self.layout.slice(offset..end)));
        Ok(())
    }
}

/// Standard output and standard error of a judge that must be content.
pub(crate) fn verdict(command: &mut Command) -> String {
    let output = command.env("TZ", "UTC").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{text}");
    text
}
