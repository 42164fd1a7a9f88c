//! A gzip encoder that writes what Go's `compress/gzip` of Go ≤ 1.26 writes at its best level (spec/profile.md, appendix A).
//!
//! Only META uses it: its compressed form is part of the kernel command line, hence of PCR measurements and entity tags, so it
//! must not change with a library. Inputs are a few kilobytes.
//!
//! ```text
//! 1f 8b 08 00  00 00 00 00  02 ff | blocks, none of them final | empty final stored block | CRC-32 | length
//! ```

mod block;
mod huffman;
mod matcher;

use matcher::Matcher;

/// Deflate, no name, no time, best compression, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 0xff];

/// The shortest and the longest match.
const MIN_MATCH: usize = 4;
const MAX_MATCH: usize = 258;

/// One gzip member.
pub(super) fn gzip(text: &[u8]) -> Vec<u8> {
    let mut member = HEADER.to_vec();
    member.extend(deflate(text));
    member.extend(crc32fast::hash(text).to_le_bytes());
    // Modulo 2^32, as the format says.
    member.extend(&text.len().to_le_bytes()[..4]);
    member
}

#[derive(Debug, Clone, Copy)]
enum Token {
    Literal(u8),
    Match { len: usize, distance: usize },
}

fn deflate(text: &[u8]) -> Vec<u8> {
    let mut bits = Bits::default();
    Matcher::new(text).run(|tokens, stored| block::write(&mut bits, tokens, stored));
    bits.push(0b001, 3);
    bits.align();
    bits.bytes.extend([0, 0, 0xff, 0xff]);
    bits.bytes
}

/// Bits, least significant first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: usize,
}

impl Bits {
    fn push(&mut self, value: usize, count: usize) {
        for bit in 0..count {
            if self.used == 0 {
                self.bytes.push(0);
            }
            let last = self.bytes.last_mut().expect("a byte was pushed");
            *last |= u8::from((value >> bit) & 1 == 1) << self.used;
            self.used = (self.used + 1) % 8;
        }
    }

    fn align(&mut self) {
        self.used = 0;
    }
}
