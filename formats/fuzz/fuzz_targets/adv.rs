//! Invariants under test:
//! - any input is an ADV or an error;
//! - the values of a whole copy take no more than its capacity;
//! - what was read has a dump.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| formats::adv::fuzz(data));
