//! An archive around contents that stay where they are.

use super::{
    Error,
    raw::{ALIGNMENT, BLOCK, Header, MAX_NAME, TRAILER},
};
use crate::Layout;

/// An entry to be written; owner and group are always 0.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Path without a leading `/` or `./`.
    pub name: Vec<u8>,
    /// Type and permissions, as `st_mode`.
    pub mode: u32,
    /// Number of links.
    pub nlink: u32,
    /// Seconds since 1970.
    pub mtime: u32,
    /// A file's content, a symbolic link's target; empty for everything else.
    pub content: Layout,
}

impl Entry {
    /// A directory, mode 0755. Its link count is 2 whatever it holds, as `--reproducible` writes it.
    pub fn directory(name: impl Into<Vec<u8>>, mtime: u32) -> Self {
        Self {
            name: name.into(),
            mode: 0o040_755,
            nlink: 2,
            mtime,
            content: Layout::new(),
        }
    }

    /// A regular file, mode 0644.
    pub fn file(name: impl Into<Vec<u8>>, mtime: u32, content: Layout) -> Self {
        Self {
            name: name.into(),
            mode: 0o100_644,
            nlink: 1,
            mtime,
            content,
        }
    }
}

/// One archive of `entries` in their order, from `0` on inode by inode, with its trailer, padded to [`BLOCK`].
///
/// The result must start at a multiple of 4 where it is used uncompressed: the kernel does not find it elsewhere.
pub fn archive(entries: &[Entry]) -> Result<Layout, Error> {
    let mut layout = Layout::new();
    for (ino, entry) in (0..).zip(entries) {
        push(&mut layout, ino, entry)?;
    }
    layout.section("cpio trailer");
    let trailer = Header {
        nlink: 1,
        ..Header::default()
    };
    layout.bytes(with_name(trailer, TRAILER.as_bytes()));
    layout.align(BLOCK);
    Ok(layout)
}

fn push(layout: &mut Layout, ino: u32, entry: &Entry) -> Result<(), Error> {
    let name = entry.name.as_slice();
    if name.is_empty() || name.len() >= MAX_NAME || name.contains(&0) || name == TRAILER.as_bytes()
    {
        return Err(Error::InvalidName {
            name: name.to_vec(),
        });
    }
    let len = entry.content.len();
    let file_size = u32::try_from(len).map_err(|_| Error::ContentTooLong {
        name: name.to_vec(),
        len,
    })?;
    let header = Header {
        ino,
        mode: entry.mode,
        nlink: entry.nlink,
        mtime: entry.mtime,
        file_size,
        ..Header::default()
    };
    layout.section(format!("cpio {}", name.escape_ascii()));
    layout.bytes(with_name(header, name));
    layout.append(&entry.content);
    layout.align(ALIGNMENT);
    Ok(())
}

/// Header and name, padded.
fn with_name(mut header: Header, name: &[u8]) -> Vec<u8> {
    header.name_size = u32::try_from(name.len() + 1).expect("names are at most PATH_MAX");
    let mut bytes = header.encode().to_vec();
    bytes.extend_from_slice(name);
    bytes.push(0);
    let alignment = usize::try_from(ALIGNMENT).expect("4");
    bytes.resize(bytes.len().next_multiple_of(alignment), 0);
    bytes
}
