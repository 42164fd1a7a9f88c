//! The .xz container around payload that is not compressed again (xz file format 1.2.1).
//!
//! ```text
//! ┌────────┬─────────────────────────────────────────────────┬─┄┄─┬───────┬────────┐
//! │ stream │ block                                           │    │ index │ stream │
//! │ header ├────────┬─────────────────────┬────┬─────┬───────┤    │       │ footer │
//! │ 12     │ header │ stored LZMA2 chunks │ 00 │ pad │ CRC   │    │       │ 12     │
//! └────────┴────────┴─────────────────────┴────┴─────┴───────┴─┄┄─┴───────┴────────┘
//! ```
//!
//! [`stream`] makes one stream of independent blocks, each of one kind: stored chunks for payload; chunks that this room itself
//! writes for zeros (16 MiB are 2.6 KB); blocks that were compressed beforehand ([`Packed`]). Stored and compressed chunks are
//! never mixed in a block. The check is CRC32 where the kernel decodes, whose decoder knows no other
//! (<https://docs.kernel.org/staging/xz.html>), and CRC64, the xz program's own choice, elsewhere. [`read_stream`] walks any
//! stream of LZMA2 blocks without decompressing and holds index and footer against what it saw.
//!
//! Out of scope: compression (a library's work), other filters than LZMA2.

mod dump;
mod layout;
mod raw;
mod read;
mod zeros;

pub use self::layout::{BLOCK_MAX, Known, Packed, Record, stream};
pub use self::read::{Block, Limits, Stream, fuzz, read_stream};

use crate::input::InputError;

/// Input that is not a stream, or not one within the limits.
#[derive(Debug, thiserror::Error)]
pub enum Error {
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
