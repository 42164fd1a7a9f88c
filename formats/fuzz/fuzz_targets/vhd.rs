//! Invariants under test:
//!
//! - any input is an image or an error;
//! - the disk and its footer are all of an image.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| formats::vhd::fuzz(data));
