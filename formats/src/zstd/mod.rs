//! Zstandard frames around payload that is not compressed again (RFC 8878).
//!
//! ```text
//! ┌───────┬────────────┬─────────────┬────────────────┬───────────────────┬─┄┄─┬────────────────────┐
//! │ magic │ descriptor │ window      │ content size   │ block header      │    │ last block header  │
//! │ 4     │ 1          │ 1 (128 KiB) │ 8              │ 3, then raw bytes │    │ 3, then raw bytes  │
//! └───────┴────────────┴─────────────┴────────────────┴───────────────────┴─┄┄─┴────────────────────┘
//! ```
//!
//! [`frame`] makes exactly one frame: several clients, and the kernel for one cpio archive, stop after the first. It has no
//! checksum, because XXH64 cannot be combined from the sums of parts. [`read_frame`] walks the blocks of any frame, also
//! compressed ones, without decompressing.
//!
//! Out of scope: compression (a library's work), dictionaries, skippable frames.

mod dump;
mod layout;
mod raw;
mod read;

pub use self::layout::frame;
pub use self::raw::{BLOCK_MAX, BlockKind, MAGIC, WINDOW};
pub use self::read::{Block, Frame, FrameHeader, Limits, fuzz, read_frame};

use crate::input::InputError;

/// Input that is not a Zstandard frame, or not one within the limits.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another magic number.
    #[error("invalid zstd magic {found:#010x}: expected {MAGIC:#010x}")]
    InvalidMagic {
        /// What stands there.
        found: u32,
    },
    /// The reserved bit of the frame header descriptor is set.
    #[error("reserved bit set in the zstd frame header descriptor {descriptor:#04x}")]
    ReservedBit {
        /// The descriptor.
        descriptor: u8,
    },
    /// A window that the decoder at hand (the kernel, as a rule) refuses.
    #[error("zstd window of {window} bytes: at most {limit} are accepted")]
    WindowTooLarge {
        /// Window size in bytes.
        window: u64,
        /// The limit.
        limit: u64,
    },
    /// Block type 3.
    #[error("reserved zstd block type at offset {offset}")]
    ReservedBlock {
        /// Where the block starts.
        offset: u64,
    },
    /// A block longer than the frame allows.
    #[error("zstd block of {len} bytes at offset {offset}: at most {limit} are allowed")]
    BlockTooLong {
        /// Where the block starts.
        offset: u64,
        /// Its length in bytes.
        len: u64,
        /// The frame's limit.
        limit: u64,
    },
    /// More blocks than the limit.
    #[error("more than {limit} zstd blocks")]
    TooManyBlocks {
        /// The limit.
        limit: u64,
    },
    /// Blocks that need no decompression add up to something else than the header says.
    #[error("zstd frame states {stated} bytes of content, its blocks hold {found}")]
    ContentSize {
        /// What the header says.
        stated: u64,
        /// What raw and run-length blocks hold.
        found: u64,
    },
    /// The input ends early or cannot be read.
    #[error(transparent)]
    Input(#[from] InputError),
}
