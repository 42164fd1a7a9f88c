//! The tries of `modules.*.bin`, in which libkmod looks up names and patterns (spec/initramfs.md 3.5).
//!
//! ```text
//! 0       4         8          12
//! ┌───────┬─────────┬──────────┬──────┬─────────┬─────────┬─┄┄
//! │ magic │ version │ root ref │ root │ child 1 │ its     │
//! │       │         │          │      │ of root │ child 1 │
//! └───────┴─────────┴──────────┴──────┴─────────┴─────────┴─┄┄
//! ref:  flags in the highest three bits, offset in the rest
//! node: prefix, NUL │ first and last character, a ref for each from first to last │ count, then priority and value, NUL
//! ```
//!
//! All numbers are big-endian; an absent part of a node takes no bytes, and its flag in the ref is not set. An edge takes one
//! character, the node behind it a prefix of those that all its keys share; the root has none. Values of one key stand by
//! priority.
//!
//! [`write()`] puts a node before its children, as kmod 34 does; readers, [`Index`] among them, take any order.

mod layout;
mod raw;
mod read;

pub use self::layout::{Entry, WriteError, write};
pub use self::raw::{MAGIC, VERSION};
pub use self::read::{Found, Index, Limits, ReadError};
