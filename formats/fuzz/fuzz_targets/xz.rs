//! Invariants under test:
//!
//! - any input begins with a stream or is an error;
//! - blocks with their padding and checks tile the stream from its header to its index.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| formats::xz::fuzz(data));
