//! Invariants under test:
//!
//! - No image makes the reader panic, run without end or hold more than its limits.
//! - An image that reads as a tree is written again, and that reads as the same tree.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| formats::squashfs::fuzz(data));
