//! Invariants under test:
//!
//! - any input is a listing or an error, and its dump agrees which;
//! - headers and contents of members are aligned, ascend, do not overlap and lie within the input.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| formats::cpio::fuzz(data));
