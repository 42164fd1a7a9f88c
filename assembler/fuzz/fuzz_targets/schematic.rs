//! Reads arbitrary bytes as a schematic.
//!
//! Invariants under test:
//! - Every input is read or refused: no panic, no overflow, no endless loop, no memory beyond the limits.
//! - What is read has a canonical form, which is UTF-8 and ends in a line feed.
//! - A canonical form that can be read is its own canonical form.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| assembler::schematic::fuzz(data));
