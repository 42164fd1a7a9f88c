//! qcow2 images, version 3 (QEMU, docs/interop/qcow2.txt), around a disk's layout.
//!
//! ```text
//! ┌────────┬──────────┬──────────┬──────────┬────────┬────────────┬─┄┄
//! │ header │ refcount │ refcount │ L1 table │ L2     │ clusters   │
//! │        │ table    │ blocks   │          │ tables │ with data  │    each from a cluster's start
//! └────────┴──────────┴──────────┴──────────┴────────┴────────────┴─┄┄
//! ```
//!
//! [`image`] takes the allocation map from the disk's runs of zeros; every table before the data is arithmetic over it, so the
//! data are slices of the disk, in its order. Every cluster that is used has a reference count of 1. [`read`] follows the tables
//! of any image of standard clusters and holds reference counts against them.
//!
//! Out of scope: backing files, snapshots, encryption, compressed clusters, extended L2 entries, external data files.

mod dump;
mod layout;
mod raw;
mod read;

pub use self::layout::{ClusterSize, image};
pub use self::raw::Header;
pub use self::read::{Image, Limits, fuzz, read};

use std::io;

/// Input that is not an image, or not one within the limits.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A size of clusters that there is not: 512 bytes to 2 MiB, powers of two.
    #[error("qcow2 cluster size {0}: a power of two from 512 to 2097152 is needed")]
    ClusterSize(u64),
    /// Bytes at a place where the format allows only certain ones.
    #[error("invalid qcow2 {what} at offset {offset:#x}: {value:#x}")]
    Invalid {
        /// The field.
        what: &'static str,
        /// Where it, or the table that holds it, stands.
        offset: u64,
        /// What stands there.
        value: u64,
    },
    /// A legal feature that this reader does not follow.
    #[error("unsupported qcow2 {what}: {value:#x}")]
    Unsupported {
        /// The feature.
        what: &'static str,
        /// Its field.
        value: u64,
    },
    /// More than the limit.
    #[error("more than {limit} {what} in a qcow2 image")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// The input ends early or cannot be read.
    #[error("qcow2 image cannot be read at offset {offset:#x}")]
    Input {
        /// Where.
        offset: u64,
        /// Why.
        source: io::Error,
    },
}
