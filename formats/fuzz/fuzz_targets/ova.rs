//! Invariants under test:
//!
//! - any input is a manifest or an error, within the limits of the reader;
//! - what is read, written as we write it, reads the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| formats::ova::fuzz(data));
