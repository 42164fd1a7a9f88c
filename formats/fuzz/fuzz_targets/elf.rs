//! Invariants under test:
//!
//! - No file makes the reader of modules, or of packed ones, panic, run without end or hold more than its limits.
//! - A module that reads can be indexed, unless it needs itself; every trie of the index reads.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| formats::kmod::fuzz_elf(data));
