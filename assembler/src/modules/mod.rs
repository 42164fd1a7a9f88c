//! Kernel modules of an image: the release's own and those of extensions, and the one index over all of them
//! (spec/initramfs.md 3).
//!
//! ```text
//! initramfs ─ cpio ─ rootfs.sqsh ─ usr/lib/modules/<kernel> ──► Set ─┐
//! extension ───────────────────────usr/lib/modules/<kernel> ──► Set ─┼─ lay over ─ depmod ──► modules.dep.sqsh
//! extension …                                               ──► Set ─┘
//! ```
//!
//! A [`Set`] is what the index needs to know of one directory of modules, a few megabytes at most. It is a function of that
//! directory and outlives the blobs: a new combination of extensions reads no module again.
//!
//! All of this blocks, and none of it waits.

mod base;
mod error;
mod index;
mod set;

#[cfg(test)]
mod tests;

pub use self::base::read_base;
pub use self::error::Error;
pub use self::index::{check_kernel, index};
pub use self::set::{MAX_COST, MAX_MODULE, Set, SetBuilder};
