//! Open virtualization archives (DMTF DSP0243): a virtual machine's description, its disk, and a manifest, as one tar archive.
//!
//! ```text
//! ┌──────────┬───────────┬─────────┐
//! │ disk.ovf │ disk.vmdk │ disk.mf │
//! └──────────┴───────────┴─────────┘
//! ```
//!
//! The manifest comes last, which the specification allows (DSP0243 2.1.1, section 6.2), so that the digest of the disk is needed
//! only when everything it covers has been sent. The description is that of spec/disk.md 5.3.
//!
//! Reading it back is the rooms' `tar` and `vmdk`; [`read_manifest`] reads the manifest.

mod layout;
mod manifest;
mod ovf;

pub use self::layout::{Options, archive};
pub use self::manifest::{Limits, Line, fuzz, read_manifest};

/// Input that is not a manifest, or not one within the limits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A line of another form.
    #[error("invalid OVF manifest at line {line}")]
    Manifest {
        /// Its number, from 1.
        line: u64,
    },
    /// More than the limit.
    #[error("more than {limit} lines in an OVF manifest")]
    TooMany {
        /// The limit.
        limit: u64,
    },
}
