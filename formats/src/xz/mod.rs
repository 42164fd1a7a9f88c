//! The .xz container around payload that is not compressed again (xz file format 1.2.1).
//!
//! ```text
//! ┌────────┬─────────────────────────────────────────────────┬─┄┄─┬───────┬────────┐
//! │ stream │ block                                           │    │ index │ stream │
//! │ header ├────────┬─────────────────────┬────┬─────┬───────┤    │       │ footer │
//! │ 12     │ header │ stored LZMA2 chunks │ 00 │ pad │ CRC32 │    │       │ 12     │
//! └────────┴────────┴─────────────────────┴────┴─────┴───────┴─┄┄─┴───────┴────────┘
//! ```
//!
//! [`stream`] makes one stream of independent blocks with CRC32, the one check that the kernel's decoder knows besides none
//! (<https://docs.kernel.org/staging/xz.html>). [`read_stream`] walks any stream of LZMA2 blocks without decompressing and
//! holds index and footer against what it saw.
//!
//! Out of scope: compression (a library's work), other filters than LZMA2.

mod dump;
mod layout;
mod raw;
mod read;

pub use self::dump::dump;
pub use self::layout::{BLOCK_MAX, stream};
pub use self::read::{Block, Limits, Stream, fuzz, read_stream};

use crate::{Digest, input::InputError};

/// A layout that cannot be put in a stream, or input that is not one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A range of a blob whose CRC32 the caller does not know.
    #[error("CRC32 of {len} bytes at offset {offset} of blob {digest} is not known")]
    UnknownSum {
        /// The blob.
        digest: Digest,
        /// First byte of the range.
        offset: u64,
        /// Bytes of the range.
        len: u64,
    },
    /// Bytes at a place where the format allows only certain ones.
    #[error("invalid xz {what} at offset {offset}")]
    Invalid {
        /// The field.
        what: &'static str,
        /// Where it starts.
        offset: u64,
    },
    /// A field whose CRC32 does not match.
    #[error("wrong CRC32 of the xz {what} at offset {offset}")]
    Checksum {
        /// The field.
        what: &'static str,
        /// Where the CRC32 stands.
        offset: u64,
    },
    /// Index or footer contradict the blocks.
    #[error("xz {what} states {stated} where {found} was found")]
    Contradiction {
        /// The field.
        what: &'static str,
        /// What it says.
        stated: u64,
        /// What is there.
        found: u64,
    },
    /// A legal feature that this reader does not follow.
    #[error("unsupported xz {what} {id:#x} at offset {offset}")]
    Unsupported {
        /// The feature.
        what: &'static str,
        /// Its number.
        id: u64,
        /// Where it stands.
        offset: u64,
    },
    /// More than the limit.
    #[error("more than {limit} xz {what}")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// The input ends early or cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
}
