//! PE32+ images: their headers, and unified kernel images made by appending sections to a stub.
//!
//! ```text
//! ┌─────┬───────┬────┬──────┬──────────┬─────────────┬─────────┬─────┬───────────────────┬────────────────┐
//! │ DOS │ zeros │ PE │ COFF │ optional │ directories │ section │ pad │ the stub's        │ appended       │
//! │ 64  │ 64    │ 4  │ 20   │ 112      │ 128         │ table   │     │ sections          │ sections       │
//! └─────┴───────┴────┴──────┴──────────┴─────────────┴─────────┴─────┴───────────────────┴────────────────┘
//!                                                     40 each         each padded to the file alignment (512)
//! ```
//!
//! In memory each appended section starts at a page. Names are not unique: a profile brings its own `.cmdline`.
//!
//! - [`Image`] reads headers, [`append`] writes an image, [`Uki`] says which sections in which order.
//! - Out of scope: PE32, symbols, writing anything but appended sections, Authenticode.

mod dump;
mod kernel;
mod layout;
mod raw;
mod read;
mod uki;

pub use self::dump::dump;
pub use self::kernel::{KERNEL_HEAD_LEN, kernel_release};
pub use self::layout::{SectionName, Stub, append};
pub use self::raw::{
    CoffHeader, DataDirectory, DosHeader, INITIALIZED_DATA, MEM_READ, OptionalHeader, SectionHeader,
};
pub use self::read::{HEAD_LEN, Image, MAX_SECTIONS, fuzz};
pub use self::uki::{MAIN_PROFILE, Profile, Section, Uki, os_release};

/// Input that is not a PE32+ image, or an image that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Headers that do not fit in the head of the file.
    #[error("file ends within the {what} at offset {offset}")]
    Truncated {
        /// The header.
        what: &'static str,
        /// Where it starts.
        offset: usize,
    },
    /// Another kind of file.
    #[error("invalid {what} magic at offset {offset}")]
    InvalidMagic {
        /// The header.
        what: &'static str,
        /// Where it starts.
        offset: usize,
    },
    /// More data directories than the format knows or the optional header has room for.
    #[error("{count} data directories: there is room for {limit}")]
    TooManyDirectories {
        /// What the header says.
        count: u32,
        /// How many fit.
        limit: usize,
    },
    /// More sections than the limit.
    #[error("{count} sections: at most {MAX_SECTIONS} are possible")]
    TooManySections {
        /// How many there are or would be.
        count: usize,
    },
    /// A section whose raw data ends beyond the file.
    #[error("section {} ends at {end}, beyond the file of {file_len} bytes", name.escape_ascii())]
    SectionOutsideFile {
        /// Name of the section.
        name: Vec<u8>,
        /// Where its raw data ends.
        end: u64,
        /// Length of the file in bytes.
        file_len: u64,
    },
    /// An image that sections cannot be appended to.
    #[error("sections cannot be appended to this image: {why}")]
    UnfitStub {
        /// What is in the way.
        why: &'static str,
    },
    /// Contents beyond 4 GiB.
    #[error("image reaches {reached} bytes: its fields hold 32 bits")]
    ImageTooLarge {
        /// The size, offset or address that does not fit.
        reached: u64,
    },
    /// A profile with the identifier of the one that is always there.
    #[error("profile {MAIN_PROFILE} is always present and cannot be given")]
    ReservedProfile,
}
