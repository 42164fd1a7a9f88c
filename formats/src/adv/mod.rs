//! ADV ("auxiliary data vector"): the META partition's tags and values, twice.
//!
//! ```text
//!        0  copy: magic (4)   tag (4) length (4) value …   zeros   SHA-256 (32)   magic (4)
//!  256 KiB  the same copy again
//!  512 KiB  zeros; a much older format has room in the last kilobyte and is never written
//! ```
//!
//! All numbers are big-endian. The SHA-256 covers the whole copy with itself as zeros. Tag 0 ends the list, so a value with this
//! key cannot be read back; it is written behind all others and hides none.
//!
//! ```
//! use formats::adv;
//!
//! let layout = adv::layout(&[(0xa, b"value"), (0xa, b"later ones win")])?;
//! let bytes = layout.collect(|_| unreachable!("there are no blobs"));
//! let contents = adv::read(bytes.as_slice())?;
//! assert_eq!(contents.values, [(0xa, b"later ones win".to_vec())]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Source: spec/profile.md 6.3. Out of scope: the older syslinux format (6.4).

mod dump;
mod layout;
mod raw;
mod read;
#[cfg(test)]
mod tests;

pub use self::{
    layout::{Error, layout},
    read::{Contents, Copy, ReadError, fuzz, read},
};

/// Bytes of both copies.
pub const LEN: u64 = 2 * raw::COPY_LEN as u64;

/// Bytes that tags, lengths and values may take.
pub const CAPACITY: usize = raw::COPY_LEN - raw::MAGIC_LEN - raw::FOOTER_LEN;
