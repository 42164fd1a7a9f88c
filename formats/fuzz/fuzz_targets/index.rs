//! Invariants under test:
//!
//! - No trie makes the reader panic, run without end or hold more than its limits.
//! - What reads is written again, reads the same, and every key is found.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| formats::kmod::fuzz_index(data));
