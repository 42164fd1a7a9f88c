//! Runs of zeros as LZMA2 chunks: what an LZMA encoder that takes every match at distance 1 writes.
//!
//! Part of the format's constants, not of a library's output: the bytes follow from the length alone.

use super::raw::LC_LP_PB;

/// Longest content of a chunk that is not stored (xz file format, LZMA2).
pub(super) const CHUNK_MAX: u64 = 2 << 20;

/// Longest match of LZMA.
const MATCH_MAX: u64 = 273;

/// Control byte of a chunk that resets dictionary, state and properties.
const RESET_ALL: u8 = 0xe0;

/// `len` zeros, from 1 to [`CHUNK_MAX`], as one chunk that resets dictionary, state and properties.
pub(super) fn chunk(len: u64) -> Vec<u8> {
    assert!((1..=CHUNK_MAX).contains(&len), "{len} zeros in one chunk");
    let mut encoder = Encoder::default();
    encoder.literal();
    let mut left = len - 1;
    while left > 0 {
        let matched = left.min(MATCH_MAX);
        encoder.repeat(matched);
        left -= matched;
    }
    let packed = encoder.coder.finish();

    let [.., high, middle, low] = (len - 1).to_be_bytes();
    let [.., packed_high, packed_low] = (packed.len() as u64 - 1).to_be_bytes();
    let header = [
        RESET_ALL | high,
        middle,
        low,
        packed_high,
        packed_low,
        LC_LP_PB,
    ];
    [&header, packed.as_slice()].concat()
}

/// A probability that the next bit is 0, of 2048.
#[derive(Clone, Copy)]
struct Probability(u16);

impl Default for Probability {
    fn default() -> Self {
        Self(1 << 10)
    }
}

/// The range coder of LZMA.
struct RangeCoder {
    low: u64,
    range: u32,
    cache: u8,
    pending: usize,
    bytes: Vec<u8>,
}

impl Default for RangeCoder {
    fn default() -> Self {
        Self {
            low: 0,
            range: u32::MAX,
            cache: 0,
            pending: 1,
            bytes: Vec::new(),
        }
    }
}

impl RangeCoder {
    fn bit(&mut self, probability: &mut Probability, bit: bool) {
        let bound = (self.range >> 11) * u32::from(probability.0);
        if bit {
            self.low += u64::from(bound);
            self.range -= bound;
            probability.0 -= probability.0 >> 5;
        } else {
            self.range = bound;
            probability.0 += ((1 << 11) - probability.0) >> 5;
        }
        while self.range < 1 << 24 {
            self.range <<= 8;
            self.shift();
        }
    }

    fn shift(&mut self) {
        let [low @ .., top, carry, _, _, _] = self.low.to_le_bytes();
        if top < 0xff || carry > 0 {
            for index in 0..self.pending {
                let byte = if index == 0 { self.cache } else { 0xff };
                self.bytes.push(byte.wrapping_add(carry));
            }
            self.pending = 0;
            self.cache = top;
        }
        self.pending += 1;
        let [a, b, c] = low;
        self.low = u64::from(u32::from_le_bytes([0, a, b, c]));
    }

    fn finish(mut self) -> Vec<u8> {
        for _ in 0..5 {
            self.shift();
        }
        self.bytes
    }
}

/// States in which the last things coded were literals; 12 states in all.
const AFTER_LITERAL: usize = 7;
const POSITIONS: usize = 4;

/// The part of an LZMA encoder that zeros need: literals of 0 and matches at the last distance, which begins as 1.
#[derive(Default)]
struct Encoder {
    coder: RangeCoder,
    state: usize,
    position: u64,
    is_match: [[Probability; POSITIONS]; 12],
    is_repeat: [Probability; 12],
    is_not_last: [Probability; 12],
    is_long: [[Probability; POSITIONS]; 12],
    literal: Tree<8>,
    choice: Probability,
    second_choice: Probability,
    short: [Tree<3>; POSITIONS],
    medium: [Tree<3>; POSITIONS],
    long: Tree<8>,
}

impl Encoder {
    fn place(&self) -> usize {
        usize::try_from(self.position % POSITIONS as u64).expect("below 4")
    }

    /// A zero, at the start.
    fn literal(&mut self) {
        let place = self.place();
        self.coder.bit(&mut self.is_match[self.state][place], false);
        self.literal.encode(&mut self.coder, 0);
        self.position += 1;
    }

    /// `len` zeros more, up to [`MATCH_MAX`].
    fn repeat(&mut self, len: u64) {
        let (place, state) = (self.place(), self.state);
        self.coder.bit(&mut self.is_match[state][place], true);
        self.coder.bit(&mut self.is_repeat[state], true);
        self.coder.bit(&mut self.is_not_last[state], false);
        self.coder.bit(&mut self.is_long[state][place], len > 1);
        match len {
            1 => {}
            2..10 => {
                self.coder.bit(&mut self.choice, false);
                self.short[place].encode(&mut self.coder, len - 2);
            }
            10..18 => {
                self.coder.bit(&mut self.choice, true);
                self.coder.bit(&mut self.second_choice, false);
                self.medium[place].encode(&mut self.coder, len - 10);
            }
            _ => {
                self.coder.bit(&mut self.choice, true);
                self.coder.bit(&mut self.second_choice, true);
                self.long.encode(&mut self.coder, len - 18);
            }
        }
        self.state = match (state < AFTER_LITERAL, len) {
            (true, 1) => 9,
            (true, _) => 8,
            (false, _) => 11,
        };
        self.position += len;
    }
}

/// A number of `BITS` bits, the highest first, each with the probability that belongs to those before it.
struct Tree<const BITS: u32>(Vec<Probability>);

impl<const BITS: u32> Default for Tree<BITS> {
    fn default() -> Self {
        Self(vec![Probability::default(); 1 << BITS])
    }
}

impl<const BITS: u32> Tree<BITS> {
    fn encode(&mut self, coder: &mut RangeCoder, value: u64) {
        let mut node = 1;
        for place in (0..BITS).rev() {
            let bit = value >> place & 1 == 1;
            coder.bit(&mut self.0[node], bit);
            node = node << 1 | usize::from(bit);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use liblzma::{
        read::XzDecoder,
        stream::{Filters, Stream},
    };

    use super::*;
    use crate::Digest;

    fn decode(chunk: &[u8]) -> Vec<u8> {
        let mut filters = Filters::new();
        let dictionary = liblzma::stream::LzmaOptions::new_preset(0).unwrap();
        filters.lzma2(&dictionary);
        let stream = Stream::new_raw_decoder(&filters).unwrap();
        let mut content = Vec::new();
        let ended = [chunk, &[0]].concat();
        XzDecoder::new_stream(ended.as_slice(), stream)
            .read_to_end(&mut content)
            .unwrap();
        content
    }

    #[test]
    fn a_library_decodes_runs_of_any_length() {
        let around = (1..40).chain(270..280).chain(540..560);
        for len in around.chain([4096, 65_535, 65_536, 1_000_003, CHUNK_MAX - 1, CHUNK_MAX]) {
            let content = decode(&chunk(len));
            assert!(
                content.len() as u64 == len && content.iter().all(|byte| *byte == 0),
                "{len}"
            );
        }
    }

    #[test]
    fn the_bytes_are_pinned() {
        let pinned = [1, 4096, 1 << 20, CHUNK_MAX].map(|len| {
            let chunk = chunk(len);
            (len, chunk.len(), Digest::of(&chunk).to_string())
        });
        insta::assert_debug_snapshot!(pinned);
    }
}
