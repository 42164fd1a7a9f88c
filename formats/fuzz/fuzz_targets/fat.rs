//! Invariants under test:
//! - any input is a volume or an error, within the limits of the reader;
//! - the runs of a file lie within the input and are as long together as its entry says;
//! - what was read has a dump.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| formats::fat::fuzz(data));
