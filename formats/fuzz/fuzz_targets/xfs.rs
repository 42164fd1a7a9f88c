//! Invariants under test:
//! - any input is a volume or an error, within the limits of the reader;
//! - the runs of a file lie within the volume, in order, and end where the file does;
//! - what was read has a dump.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| formats::xfs::fuzz(data));
