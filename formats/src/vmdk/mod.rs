//! Stream-optimized VMDK images (VMware, "Virtual Disk Format 5.0") around a disk's layout.
//!
//! ```text
//! ┌────────┬────────────┬───────────┬────────┬─────────────────────────────────┬─┄┄─┬──────────┐
//! │ header │ descriptor │ grain     │ grain  │ grain: marker, zlib stream,     │    │ end of   │
//! │ 512    │ 20 sectors │ directory │ tables │ padding; 129 sectors or fewer   │    │ stream   │
//! └────────┴────────────┴───────────┴────────┴─────────────────────────────────┴─┄┄─┴──────────┘
//! ```
//!
//! A grain's zlib stream holds two stored Deflate blocks, or what was made of a blob beforehand in pieces ([`crate::deflate`]), so
//! where every grain stands is known and the tables can come first, as open-vmdk writes them. Grains of zeros are left out. [`read`] follows the tables of any such image, also with a
//! second set of tables (qemu-img) and with the tables behind the grains, where a footer says so (VMware's own tools).
//!
//! Out of scope: inflating grains (a library's work), other extents, deltas.

mod dump;
mod layout;
mod raw;
mod read;

pub use self::layout::{Options, image};
pub use self::raw::{GRAIN_LEN, Header};
pub use self::read::{Grain, Grains, Image, Limits, fuzz, read};

use std::io;

/// Input that is not such an image, or not one within the limits.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Bytes at a place where the format allows only certain ones.
    #[error("invalid VMDK {what} at offset {offset:#x}: {value:#x}")]
    Invalid {
        /// The field.
        what: &'static str,
        /// Where it, or the table that holds it, stands.
        offset: u64,
        /// What stands there.
        value: u64,
    },
    /// More than the limit.
    #[error("more than {limit} {what} in a VMDK image")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// The input ends early or cannot be read.
    #[error("VMDK image cannot be read at offset {offset:#x}")]
    Input {
        /// Where.
        offset: u64,
        /// Why.
        source: io::Error,
    },
}
