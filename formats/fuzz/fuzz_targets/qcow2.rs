//! Invariants under test:
//!
//! - any input is an image or an error, within the limits of the reader;
//! - clusters lie within the input and ascend on the disk, which reads back from them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| formats::qcow2::fuzz(data));
