//! tar archives of a few regular files, in GNU's format (GNU tar manual, "Basic Tar Format", "GNU Extensions").
//!
//! ```text
//! ┌────────┬─────────────────────┬────────────────┬─┄┄─┬──────────────┐
//! │ header │ map, 21 entries a   │ content,       │    │ two blocks   │  filled up to a
//! │ 512    │ block (sparse only) │ filled to 512  │    │ of zeros     │  multiple of 10,240
//! └────────┴─────────────────────┴────────────────┴─┄┄─┴──────────────┘
//! ```
//!
//! A sparse member (type `S`) holds a map of what is not zero, and only that. Sizes that do not fit in octal digits are binary.
//! [`read_archive`] also reads POSIX's format, which other makers of virtual machines use. Container layers are not read here: the
//! tar crate does that.
//!
//! Out of scope: everything but regular files with short names.

mod dump;
mod layout;
mod raw;
mod read;

pub use self::dump::dump;
pub use self::layout::{Content, Member, archive};
pub use self::raw::{BLOCK, MAGIC_OFFSET, USTAR};
pub use self::read::{Entry, Limits, fuzz, read_archive};

use crate::input::InputError;

/// Input that is not such an archive, or not one within the limits.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Bytes at a place where the format allows only certain ones.
    #[error("invalid tar {what} at offset {offset}")]
    Invalid {
        /// The field.
        what: &'static str,
        /// Where its header starts.
        offset: u64,
    },
    /// A legal feature that this reader does not follow.
    #[error("unsupported tar member type {kind:#04x} at offset {offset}")]
    Unsupported {
        /// The type.
        kind: u8,
        /// Where its header starts.
        offset: u64,
    },
    /// More than the limit.
    #[error("more than {limit} tar {what}")]
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
