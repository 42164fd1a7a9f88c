//! Invariants under test:
//!
//! - any input is an ELF file or an error, whatever it is taken for: a kernel of either machine, a module;
//! - a kernel that can be linked makes an image in which the same module is found again;
//! - any input is an image of GRUB or an error, and its dump agrees which;
//! - a list of modules gives an order that ends with what was asked for, or an error.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| formats::grub::fuzz(data));
