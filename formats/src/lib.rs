//! Bytes on disk: one room per format.
//!
//! Nothing here does I/O, waits, reads a clock or draws a random number; times, identifiers and seeds are arguments. Writers
//! produce a [`Layout`] (or the bytes of a piece of one) that is a pure function of its arguments; readers are total: they
//! return an error on any input that is not what they describe, within stated limits.

pub mod adv;
pub mod civil;
pub mod cpio;
pub mod crc;
pub mod crc32c;
pub mod deflate;
pub mod digest;
mod dump;
pub mod extent;
pub mod fat;
pub mod gpt;
pub mod grub;
pub mod gzip;
pub mod input;
pub mod iso9660;
pub mod kmod;
pub mod mbr;
pub mod ova;
pub mod pe;
pub mod qcow2;
pub mod read_at;
pub mod splash;
pub mod squashfs;
pub mod tar;
pub mod vhd;
pub mod vmdk;
pub mod xfs;
pub mod xz;
pub mod zstd;

pub use digest::Digest;
pub use extent::{Extent, Layout};
