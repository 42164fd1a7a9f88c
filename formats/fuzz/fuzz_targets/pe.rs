//! Invariants under test:
//!
//! - any input is an image or an error, and its dump agrees which;
//! - sections can be appended to an image, or that is an error; the result is an image again, and the sections that were there
//!   hold the same bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| formats::pe::fuzz(data));
