//! Layouts: an artifact as a list of extents, complete before its first byte exists.
//!
//! - Pushing is the only way to add, so the extents tile `0..len` by construction.
//! - Every extent knows its length without I/O; any offset is found in `O(log extents)`.
//! - Equal inputs give equal layouts, and [`Layout::fingerprint`] is a strong validator of the bytes.
//!
//! ```
//! use formats::{Digest, Extent, Layout};
//!
//! let mut layout = Layout::new();
//! layout.section("header");
//! layout.bytes(b"magic".as_slice());
//! layout.pad_to(512);
//! layout.section("payload");
//! layout.blob(Digest::of(b"kernel"), 0, 6);
//! assert_eq!(layout.len(), 518);
//! assert_eq!(layout.collect(|_| b"kernel".as_slice().into())[510..], *b"\0\0kernel");
//! ```

mod crc_of;
mod deferred;
mod framed;
mod layout;
mod runs;
mod segment;
#[cfg(test)]
mod tests;

use std::fmt;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

pub use self::crc_of::{KnownCrc, crc_of};
pub use self::deferred::{Deferred, Function};
pub(crate) use self::framed::ZLIB_HEADER;
pub use self::framed::{Framed, Framing};
pub use self::layout::Layout;
pub use self::runs::Run;
pub use self::segment::{Segment, Segments};
use crate::Digest;

/// One run of an artifact's bytes.
#[derive(Clone, PartialEq, Eq)]
pub enum Extent {
    /// Metadata, inline.
    Bytes(Bytes),
    /// A range of an immutable blob.
    Blob {
        /// The blob's name.
        digest: Digest,
        /// First byte within the blob.
        offset: u64,
        /// Bytes taken.
        len: u64,
    },
    /// A run of zero bytes of this length.
    Zeros(u64),
    /// Little-endian 32-bit words `start, start + step, …` (wrapping): FAT chains, cluster tables.
    Sequence {
        /// The first word.
        start: u32,
        /// What each word adds to the one before it.
        step: u32,
        /// How many words.
        count: u64,
    },
    /// Big-endian 64-bit words `start, start + step, …` (wrapping): qcow2's tables.
    Sequence64 {
        /// The first word.
        start: u64,
        /// What each word adds to the one before it.
        step: u64,
        /// How many words.
        count: u64,
    },
    /// A layout cut into chunks, each between bytes that follow from its place and length.
    Framed(Framed),
    /// A checksum or digest over other extents, worked out when it is first read.
    Deferred(Deferred),
}

impl Extent {
    /// Bytes the extent stands for.
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Blob { len, .. } | Self::Zeros(len) => *len,
            Self::Sequence { count, .. } => count * 4,
            Self::Sequence64 { count, .. } => count * 8,
            Self::Framed(framed) => framed.len(),
            Self::Deferred(deferred) => deferred.len(),
        }
    }

    /// Whether the extent stands for no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn hash_into(&self, hasher: &mut Sha256) {
        match self {
            Self::Bytes(bytes) => {
                hasher.update([0]);
                hasher.update((bytes.len() as u64).to_le_bytes());
                hasher.update(bytes);
            }
            Self::Blob {
                digest,
                offset,
                len,
            } => {
                hasher.update([1]);
                hasher.update(digest.as_bytes());
                hasher.update(offset.to_le_bytes());
                hasher.update(len.to_le_bytes());
            }
            Self::Zeros(len) => {
                hasher.update([2]);
                hasher.update(len.to_le_bytes());
            }
            Self::Sequence { start, step, count } => {
                hasher.update([3]);
                hasher.update(start.to_le_bytes());
                hasher.update(step.to_le_bytes());
                hasher.update(count.to_le_bytes());
            }
            Self::Framed(framed) => {
                hasher.update([4]);
                framed.hash_into(hasher);
            }
            Self::Sequence64 { start, step, count } => {
                hasher.update([5]);
                hasher.update(start.to_le_bytes());
                hasher.update(step.to_le_bytes());
                hasher.update(count.to_le_bytes());
            }
            Self::Deferred(deferred) => {
                hasher.update([6]);
                deferred.hash_into(hasher);
            }
        }
    }
}

/// Annotated: what the extent is, without its offset.
impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(_) => write!(f, "bytes"),
            Self::Blob { digest, offset, .. } => write!(f, "blob {digest} at {offset}"),
            Self::Zeros(_) => write!(f, "zeros"),
            Self::Sequence { start, step, .. } => write!(f, "sequence from {start} step {step}"),
            Self::Sequence64 { start, step, .. } => {
                write!(f, "64-bit sequence from {start:#x} step {step:#x}")
            }
            Self::Framed(framed) => write!(f, "{framed}"),
            Self::Deferred(deferred) => write!(f, "{deferred}"),
        }
    }
}

impl fmt::Debug for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} ({} bytes)", self.len())
    }
}
