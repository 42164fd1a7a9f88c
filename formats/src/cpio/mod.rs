//! The cpio archive of an initramfs, "new ASCII" form (`newc`).
//!
//! ```text
//! ┌────────────┬──────┬─────┬─────────┬─────┬─┄┄─┬─────────────────────┬──────────┐
//! │ header 110 │ name │ pad │ content │ pad │    │ entry TRAILER!!!    │ pad      │
//! └────────────┴──────┴─────┴─────────┴─────┴─┄┄─┴─────────────────────┴──────────┘
//!               NUL-     to 4          to 4        the end               to 512
//!               ended
//! ```
//!
//! [`archive`] writes what GNU `cpio --create -H newc --reproducible -R +0:+0` writes; [`Reader`] takes archives back to back
//! as the kernel does (`init/initramfs.c`, <https://docs.kernel.org/driver-api/early-userspace/buffer-format.html>).
//!
//! Out of scope: the other cpio dialects, checksums (`070702`), hard links between entries.

mod dump;
mod layout;
mod raw;
mod read;

pub use self::dump::dump;
pub use self::layout::{Entry, archive};
pub use self::raw::{BLOCK, Header, MAX_CONTENT, MAX_NAME, TRAILER};
pub use self::read::{Limits, Listing, Member, Reader, fuzz, members};

use crate::input::InputError;

/// An archive that cannot be written or is not one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The format has 32 bits for a length.
    #[error("{} is {len} bytes long: a cpio member holds at most {MAX_CONTENT}", name.escape_ascii())]
    ContentTooLong {
        /// The entry.
        name: Vec<u8>,
        /// Its length in bytes.
        len: u64,
    },
    /// A name that an unpacker would misread: empty, with a NUL, over-long, or that of the trailer.
    #[error("invalid cpio name \"{}\": 1 to {} bytes without NUL, not {TRAILER}", name.escape_ascii(), MAX_NAME - 1)]
    InvalidName {
        /// The name.
        name: Vec<u8>,
    },
    /// Bytes that start like a header but are none.
    #[error("invalid cpio magic \"{}\" at offset {offset}: expected 070701", found.escape_ascii())]
    InvalidMagic {
        /// Where the header starts.
        offset: u64,
        /// What stands there.
        found: [u8; 6],
    },
    /// A header field that is not a hexadecimal number.
    #[error("invalid digit in the cpio header at offset {offset}")]
    InvalidDigit {
        /// Where the field starts.
        offset: u64,
    },
    /// A name length of 0 or beyond the limit, or a name that does not end with its only NUL.
    #[error("invalid name of the cpio entry at offset {offset}")]
    InvalidEntryName {
        /// Where the entry starts.
        offset: u64,
    },
    /// A further archive that the kernel would not find.
    #[error("cpio archive at offset {offset} does not start at a multiple of 4")]
    Unaligned {
        /// Where it starts.
        offset: u64,
    },
    /// More entries than the limit.
    #[error("more than {limit} cpio entries")]
    TooManyEntries {
        /// The limit.
        limit: u64,
    },
    /// The input ends early or cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
}
