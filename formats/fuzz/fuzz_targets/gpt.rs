//! Invariants under test:
//! - any input is a disk or an error, within the limits of the reader;
//! - partitions lie within the input;
//! - what was read has a dump.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| formats::gpt::fuzz(data));
