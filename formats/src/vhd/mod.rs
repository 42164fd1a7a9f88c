//! Fixed VHD images (Microsoft, "Virtual Hard Disk Image Format Specification" 1.0): the disk and, behind it, a footer.
//!
//! ```text
//! ┌───────────────────────────────┬────────────┐
//! │ disk, unchanged               │ footer 512 │
//! └───────────────────────────────┴────────────┘
//! ```
//!
//! The disk keeps its size, which Azure wants in whole MiB: the geometry is the largest there is and counts for nothing
//! (spec/disk.md 5.2).
//!
//! Out of scope: dynamic and differencing images.

mod dump;
mod layout;
mod raw;
mod read;

pub use self::layout::{Options, image};
pub use self::raw::{COOKIE, Footer};
pub use self::read::{fuzz, read};

use std::io;

/// Input that is not a fixed image.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Bytes at a place where the format allows only certain ones.
    #[error("invalid {what} in the VHD footer at offset {offset:#x}: {value:#x}")]
    Invalid {
        /// The field.
        what: &'static str,
        /// Where the footer stands.
        offset: u64,
        /// What stands there.
        value: u64,
    },
    /// The input is too short for a footer or cannot be read.
    #[error("VHD footer cannot be read")]
    Input(#[from] io::Error),
}
