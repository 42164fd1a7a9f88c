//! Squashfs 4.0 images: the read-only file systems that system extensions and the root file system are.
//!
//! - The image is a pure function of the tree, the contents and the options: the number of threads changes no byte.
//! - What is written mounts in the kernels that Talos ships: 512 KiB blocks, one zstd frame with a pledged size (or one xz
//!   stream with CRC32) per block, everything that does not shrink stored as it is.
//! - Reading is total: an [`Image`] is anyone's squashfs, read within [`Limits`], never trusted.
//!
//! ```text
//! 0            96                                                                                       bytes_used  4 KiB
//! ┌────────────┬──────────┬────────────────┬────────┬─────────────┬───────────┬────────┬─────┬────────┬───┬───────┐
//! │ superblock │ options  │ data blocks,   │ inodes │ directories │ fragments │ export │ ids │ xattrs │   │ zeros │
//! │            │ (zstd)   │ fragments      │        │             │ + index   │+ index │+ idx│ + index│   │       │
//! └────────────┴──────────┴────────────────┴────────┴─────────────┴───────────┴────────┴─────┴────────┴───┴───────┘
//! ```
//!
//! Two ways to an image, by what may be spent on it:
//! - [`write()`]: compressed, streamed into a sink, for images that are made once and kept;
//! - [`layout()`]: nothing compressed, nothing even read: an image as a [`Layout`](crate::Layout) over blobs, for what is
//!   made while a request waits.
//!
//! Every file shorter than a block shares fragment blocks with others; the tails of longer files stay blocks. Files of equal
//! content are stored once. Owners are root, times are the caller's.
//!
//! Sources: Linux `fs/squashfs/squashfs_fs.h` and the checks around it; what mksquashfs 4.5 and 4.6 write.
//! Out of scope: devices, pipes and sockets in what we write; hard links (equal content is shared anyway); gzip, lzo, lz4 and
//! lzma blocks; versions before 4.0.

mod codec;
mod data;
mod dump;
#[doc(hidden)]
mod fuzz;
mod layout;
mod metadata;
mod pipeline;
pub mod raw;
mod read;
mod source;
mod tables;
#[cfg(test)]
mod tests;
mod tree;
mod write;

pub use self::codec::Compression;
pub use self::dump::dump;
#[doc(hidden)]
pub use self::fuzz::fuzz;
pub use self::layout::layout;
pub use self::raw::{Compressor, Superblock};
pub use self::read::{Blocks, Entry, Image, Kind, Limits, Placed, ReadAt, ReadError};
pub use self::tree::{Content, Directory, File, Node, Symlink, Xattrs};
pub use self::write::{Options, WriteError, Written, write, write_to_vec};

/// Bytes of a data block before compression, of every file but its last block. Four times what mksquashfs uses by default:
/// a fast parser then does what a slow one does in short blocks. The kernel takes up to 1 MiB, and needs this much memory to
/// read one.
pub const BLOCK_SIZE: u32 = 1 << BLOCK_LOG;
const BLOCK_LOG: u16 = 19;

/// Images are padded with zeros to a multiple of this, so that a loop device shows all of them.
pub const ALIGNMENT: u64 = 4096;

/// Longest file name that is written, Linux's `NAME_MAX`. The format has room for one byte more, which no program can open.
pub const MAX_NAME: usize = 255;

/// Longest link target that is written: Linux's `PATH_MAX` without its NUL.
pub const MAX_TARGET: usize = 4095;

/// Longest extended attribute name with its namespace, Linux's `XATTR_NAME_MAX`.
pub const MAX_XATTR_NAME: usize = 255;

/// Longest extended attribute value, Linux's `XATTR_SIZE_MAX`.
pub const MAX_XATTR_VALUE: usize = 65536;

/// Longest file that is written: its block count fits the kernel's 32 bits.
pub const MAX_FILE: u64 = (u32::MAX as u64) << BLOCK_LOG;
