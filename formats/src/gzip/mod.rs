//! gzip members around payload that is not compressed again (RFC 1952; blocks: [`crate::deflate`]).
//!
//! ```text
//! ┌────────┬──────────────┬─┄┄─┬───────────────┬─┄┄─┬────────────┬───────┬────────┐
//! │ header │ stored block │    │ block of      │    │ last block │ CRC32 │ length │
//! │ 10 + n │ 5 + payload  │    │ zeros         │    │ 5, empty   │ 4     │ 4      │
//! └────────┴──────────────┴─┄┄─┴───────────────┴─┄┄─┴────────────┴───────┴────────┘
//! ```
//!
//! [`member`] makes exactly one member: importers of clouds stop after the first. Every block begins where a byte does, so that
//! payload is a range of its blob; a run of zeros is a block of matches in which zero bytes stand for zeros, 1 for 1032.
//! [`read_member`] walks any member block by block; it decodes lengths, but keeps no content.
//!
//! Out of scope: compression (a library's work), several members, header checksums.

mod dump;
mod inflate;
mod layout;
mod raw;
mod read;
mod zeros;

pub use self::layout::{Known, member};
pub use self::read::{Block, BlockKind, Limits, Member, fuzz, read_member};

use crate::input::InputError;

/// Input that is not a member, or not one within the limits.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Bytes at a place where the format allows only certain ones.
    #[error("invalid gzip {what} at offset {offset}")]
    Invalid {
        /// The field.
        what: &'static str,
        /// Where it stands.
        offset: u64,
    },
    /// The length at the end is not that of the blocks.
    #[error("gzip member states {stated} bytes (modulo 2^32), its blocks hold {found}")]
    Length {
        /// What the member says.
        stated: u32,
        /// What the blocks hold.
        found: u64,
    },
    /// More than the limit.
    #[error("more than {limit} {what} in a gzip member")]
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
