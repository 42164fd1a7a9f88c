//! Inodes, understood.

use std::collections::BTreeMap;
use std::sync::Arc;

use zerocopy::FromBytes;
use zerocopy::little_endian::U32;

use super::metadata::Cursor;
use super::{ReadError, walk::Shared};
use crate::squashfs::raw::{
    BasicDirectory, BasicFile, DIRECTORY_EXTRA, Device, ExtendedDirectory, ExtendedFile,
    InodeHeader, NONE, SymlinkBody, kind,
};

/// A name and what it stands for.
#[derive(Debug, Clone)]
pub struct Entry {
    /// One component of the path; empty for the root.
    pub name: Box<[u8]>,
    /// Index of the directory it is in; the root's is its own.
    pub parent: usize,
    /// The index behind everything in it.
    pub(super) end: usize,
    /// Permissions, 12 bits.
    pub mode: u16,
    /// User number.
    pub uid: u32,
    /// Group number.
    pub gid: u32,
    /// Seconds since 1970.
    pub mtime: u32,
    /// Inode number: names of one file share it.
    pub inode: u32,
    /// How many names there are, as the inode says.
    pub nlink: u32,
    /// What it is.
    pub kind: Kind,
    /// Extended attributes by full name.
    pub xattrs: Arc<BTreeMap<Vec<u8>, Vec<u8>>>,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Directory.
    Directory,
    /// Regular file.
    File(Placed),
    /// Symbolic link, and its target.
    Symlink(Arc<[u8]>),
    /// Block device, and its numbers as the kernel encodes them.
    BlockDevice(u32),
    /// Character device, and its numbers as the kernel encodes them.
    CharDevice(u32),
    /// Named pipe.
    Fifo,
    /// Socket.
    Socket,
}

/// Where a file's content lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Bytes of content.
    pub(super) len: u64,
    /// Where the first block starts in the image.
    pub(crate) start: u64,
    /// Words of length of the blocks.
    pub(crate) words: Arc<[U32]>,
    /// Number of the fragment block that holds the tail, and where in it.
    pub(crate) tail: Option<(u32, u32)>,
}

impl Placed {
    /// Bytes of content.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is no content.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// Where a directory's listing lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListingPlace {
    /// Reference into the directory table.
    pub(super) reference: u64,
    pub(super) len: usize,
}

/// An inode before its owner and extended attributes are looked up.
pub(super) struct Inode {
    pub(super) header: InodeHeader,
    pub(super) nlink: u32,
    pub(super) kind: Kind,
    pub(super) listing: Option<ListingPlace>,
    pub(super) xattr: u32,
}

impl Inode {
    /// Reads the inode at `cursor`.
    pub(super) fn read(cursor: &mut Cursor<'_>, shared: Shared) -> Result<Self, ReadError> {
        let unknown = cursor.malformed("unknown kind of inode");
        let header: InodeHeader = cursor.read()?;
        let number = header.kind.get();
        let extended = number > kind::EXTENDED;
        let mut inode = Self {
            header,
            nlink: 1,
            kind: Kind::Directory,
            listing: None,
            xattr: NONE,
        };
        match if extended {
            number - kind::EXTENDED
        } else {
            number
        } {
            kind::DIRECTORY => inode.read_directory(cursor, extended)?,
            kind::FILE => inode.read_file(cursor, extended, shared)?,
            kind::SYMLINK => {
                let body: SymlinkBody = cursor.read()?;
                inode.nlink = body.nlink.get();
                inode.kind = Kind::Symlink(cursor.take(body.size.get() as usize)?.into());
                inode.read_xattr(cursor, extended)?;
            }
            device @ (kind::BLOCK_DEVICE | kind::CHAR_DEVICE) => {
                let body: Device = cursor.read()?;
                inode.nlink = body.nlink.get();
                let numbers = body.device.get();
                inode.kind = match device {
                    kind::BLOCK_DEVICE => Kind::BlockDevice(numbers),
                    _ => Kind::CharDevice(numbers),
                };
                inode.read_xattr(cursor, extended)?;
            }
            pipe @ (kind::FIFO | kind::SOCKET) => {
                inode.nlink = cursor.read::<U32>()?.get();
                inode.kind = if pipe == kind::FIFO {
                    Kind::Fifo
                } else {
                    Kind::Socket
                };
                inode.read_xattr(cursor, extended)?;
            }
            _ => return Err(unknown),
        }
        Ok(inode)
    }

    fn read_xattr(&mut self, cursor: &mut Cursor<'_>, extended: bool) -> Result<(), ReadError> {
        if extended {
            self.xattr = cursor.read::<U32>()?.get();
        }
        Ok(())
    }

    fn read_directory(&mut self, cursor: &mut Cursor<'_>, extended: bool) -> Result<(), ReadError> {
        let (nlink, size, start, offset) = if extended {
            // Its index only helps a lookup that does not read the whole listing.
            let body: ExtendedDirectory = cursor.read()?;
            self.xattr = body.xattr.get();
            (body.nlink, body.size.get(), body.start, body.offset)
        } else {
            let body: BasicDirectory = cursor.read()?;
            (
                body.nlink,
                u32::from(body.size.get()),
                body.start,
                body.offset,
            )
        };
        self.nlink = nlink.get();
        self.listing = Some(ListingPlace {
            reference: u64::from(start.get()) << 16 | u64::from(offset.get()),
            len: size.saturating_sub(DIRECTORY_EXTRA) as usize,
        });
        Ok(())
    }

    fn read_file(
        &mut self,
        cursor: &mut Cursor<'_>,
        extended: bool,
        shared: Shared,
    ) -> Result<(), ReadError> {
        let (start, len, fragment, offset) = if extended {
            let body: ExtendedFile = cursor.read()?;
            self.nlink = body.nlink.get();
            self.xattr = body.xattr.get();
            (
                body.start.get(),
                body.size.get(),
                body.fragment.get(),
                body.offset.get(),
            )
        } else {
            let body: BasicFile = cursor.read()?;
            (
                u64::from(body.start.get()),
                u64::from(body.size.get()),
                body.fragment.get(),
                body.offset.get(),
            )
        };
        let block_size = u64::from(shared.block_size);
        let (count, tail) = if fragment == NONE {
            (len.div_ceil(block_size), None)
        } else {
            let tail = len % block_size;
            if u64::from(offset) + tail > block_size || fragment >= shared.fragment_count {
                return Err(cursor.malformed("a file's tail is not in a fragment block"));
            }
            (len / block_size, Some((fragment, offset)))
        };
        let size = usize::try_from(count)
            .ok()
            .and_then(|count| count.checked_mul(size_of::<U32>()))
            .ok_or_else(|| cursor.malformed("cut off"))?;
        let words = <[U32]>::ref_from_bytes(cursor.take(size)?).expect("whole words");
        self.kind = Kind::File(Placed {
            len,
            start,
            words: words.into(),
            tail,
        });
        Ok(())
    }

    /// The basic number of [`kind`].
    pub(super) fn basic_kind(&self) -> u16 {
        match self.header.kind.get() {
            number if number > kind::EXTENDED => number - kind::EXTENDED,
            number => number,
        }
    }
}
