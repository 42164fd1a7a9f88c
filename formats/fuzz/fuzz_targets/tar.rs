//! Invariants under test:
//!
//! - any input begins with an archive or is an error;
//! - members tile the input, and the runs of each are as long together as what is stored of it
//!   and read back from there.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| formats::tar::fuzz(data));
