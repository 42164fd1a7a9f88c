//! Invariants under test:
//!
//! - No texts of modules and no lists of the kernel make depmod panic; every trie that it makes reads.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| formats::kmod::fuzz_modinfo(data));
