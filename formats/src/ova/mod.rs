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
//! Reading it back is the rooms' `tar` and `vmdk`.

mod layout;
mod ovf;

pub use self::layout::{Options, archive};
