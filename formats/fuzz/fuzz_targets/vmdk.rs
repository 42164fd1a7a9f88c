//! Invariants under test:
//!
//! - any input is an image or an error, within the limits of the reader;
//! - grains lie on the disk and ascend, and their streams lie within the input.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| formats::vmdk::fuzz(data));
