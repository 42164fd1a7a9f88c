//! Invariants under test:
//!
//! - any input begins with a member or is an error;
//! - blocks ascend and the member ends within the input.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| formats::gzip::fuzz(data));
