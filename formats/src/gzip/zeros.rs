//! Runs of zeros as one Deflate block each, in which nearly every bit is 0 (RFC 1951, section 3.2.7).
//!
//! ```text
//! ┌──────────────────────┬──────────┬───────────────────────────────┬─────┬─────────────┐
//! │ header and code      │ literal  │ matches of 258 bytes at       │ end │ empty       │
//! │ lengths, 105 bits    │ 10       │ distance 1: 0 0 each          │ 11  │ stored block│
//! └──────────────────────┴──────────┴───────────────────────────────┴─────┴─────────────┘
//! ```
//!
//! Four matches are a zero byte, so that a run of zeros in the stream stands for one that is 1032 times as long.

use super::raw::MATCH_MAX;
use crate::Layout;

/// Sizes of the alphabets of the header.
const LENGTHS: u32 = 286;
const DISTANCES: u32 = 2;
const LENGTH_CODES: u32 = 18;

// Codes of two bits as they are pushed, the highest bit first in the stream.
/// Code length 1: 10.
const ONE: u32 = 0b01;
/// Code length 2: 11.
const TWO: u32 = 0b11;
/// Literal 0: 10.
const LITERAL: u32 = 0b01;
/// End of block: 11.
const END_OF_BLOCK: u32 = 0b11;

/// Pushes a block for as much of `len` zeros as whole matches behind a literal make; returns how many are left, fewer than 258.
/// The block begins and ends where a byte does.
pub(super) fn push(layout: &mut Layout, len: u64) -> u64 {
    let Some(behind_literal) = len.checked_sub(1) else {
        return 0;
    };
    let matches = behind_literal / MATCH_MAX;
    let mut start = Bits::default();
    start.header();
    start.push(LITERAL, 2);
    // A match is two bits, both 0, wherever in a byte they lie.
    let bits = 2 * matches;
    let in_start = start.free().min(bits);
    start.zero_bits(in_start);
    let left = bits - in_start;
    if left == 0 {
        end(&mut start);
        layout.bytes(start.bytes);
    } else {
        layout.bytes(start.bytes);
        layout.zeros(left / 8);
        let mut tail = Bits::default();
        tail.zero_bits(left % 8);
        end(&mut tail);
        layout.bytes(tail.bytes);
    }
    behind_literal % MATCH_MAX
}

/// The end of the block, and an empty stored block up to the next byte.
fn end(bits: &mut Bits) {
    bits.push(END_OF_BLOCK, 2);
    bits.push(0, 3);
    bits.used = 0;
    bits.bytes.extend([0, 0, 0xff, 0xff]);
}

/// Bits in Deflate's order, the lowest of a byte first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    /// Bits used of the last byte, 0 when it is full.
    used: u32,
}

impl Bits {
    /// Pushes `count` bits of `value`, the lowest first.
    fn push(&mut self, value: u32, count: u32) {
        for place in 0..count {
            if self.used == 0 {
                self.bytes.push(0);
            }
            let bit = u8::from(value >> place & 1 == 1);
            *self.bytes.last_mut().expect("just pushed") |= bit << self.used;
            self.used = (self.used + 1) % 8;
        }
    }

    fn zero_bits(&mut self, count: u64) {
        for _ in 0..count {
            self.push(0, 1);
        }
    }

    /// Bits up to the end of the last byte.
    fn free(&self) -> u64 {
        u64::from((8 - self.used) % 8)
    }

    /// `BFINAL` 0, `BTYPE` 10 and the codes: literal 0 and end of block with two bits (10, 11), length 258 with one (0), distances 1
    /// and 2 with one (0, 1). Two distances, because not every decoder takes a code that is not complete.
    fn header(&mut self) {
        self.push(0b100, 3);
        self.push(LENGTHS - 257, 5);
        self.push(DISTANCES - 1, 5);
        self.push(LENGTH_CODES - 4, 4);
        // In the order 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1: "18" has one bit, "1" and "2" two.
        for bits in [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2] {
            self.push(bits, 3);
        }
        self.push(TWO, 2);
        self.zeros(138);
        self.zeros(117);
        self.push(TWO, 2);
        self.zeros(28);
        for _ in 0..3 {
            self.push(ONE, 2);
        }
    }

    /// A code length of 0, `count` times, 11 to 138.
    fn zeros(&mut self, count: u32) {
        self.push(0, 1);
        self.push(count - 11, 7);
    }
}
