//! Invariants under test:
//!
//! - any input begins with a frame or is an error;
//! - blocks tile the frame from its header to its checksum, exactly the last of them is marked so.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| formats::zstd::fuzz(data));
