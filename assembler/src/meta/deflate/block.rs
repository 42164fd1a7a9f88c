//! Deflate blocks: stored, with fixed or with dynamic codes (RFC 1951, 3.2).

use std::ops::RangeInclusive;

use super::{Bits, MAX_MATCH, Token, huffman::Code};

const MAX_STORED: usize = 65535;
const END_OF_BLOCK: usize = 256;
const LITERALS: usize = 286;
const DISTANCES: usize = 30;
const CODE_LENGTHS: usize = 19;
const MAX_CODE_BITS: usize = 15;
const MAX_LENGTH_CODE_BITS: usize = 7;
/// The order in which the lengths of the code-length code are written (RFC 1951, 3.2.7).
const CODE_LENGTH_ORDER: [usize; CODE_LENGTHS] = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];

/// Writes a block in the shortest of the three encodings; fixed codes win a tie, then dynamic ones.
pub(super) fn write(bits: &mut Bits, tokens: &[Token], stored: Option<&[u8]>) {
    let mut literals = [0u32; LITERALS];
    let mut distances = [0u32; DISTANCES];
    literals[END_OF_BLOCK] = 1;
    let mut extra = 0;
    for token in tokens {
        match token {
            Token::Literal(byte) => literals[usize::from(*byte)] += 1,
            Token::Match { len, distance } => {
                let (len, distance) = (length_symbol(*len), distance_symbol(*distance));
                literals[len.symbol] += 1;
                distances[distance.symbol] += 1;
                extra += len.extra_bits + distance.extra_bits;
            }
        }
    }
    if distances.iter().all(|&count| count == 0) {
        distances[0] = 1;
    }

    let dynamic = Dynamic::new(&literals, &distances);
    let fixed = (fixed_literals(), Code::canonical(&[5; DISTANCES]));
    let fixed_size = 3 + extra + fixed.0.size(&literals) + fixed.1.size(&distances);
    let dynamic_size = dynamic.header_size
        + extra
        + dynamic.literals.size(&literals)
        + dynamic.distances.size(&distances);
    let stored = stored.filter(|stored| {
        stored.len() <= MAX_STORED && 8 * (stored.len() + 5) < fixed_size.min(dynamic_size)
    });
    if let Some(stored) = stored {
        bits.push(0, 3);
        bits.align();
        let len = u16::try_from(stored.len()).expect("at most MAX_STORED");
        bits.bytes.extend(len.to_le_bytes());
        bits.bytes.extend((!len).to_le_bytes());
        bits.bytes.extend(stored);
    } else if dynamic_size < fixed_size {
        dynamic.write_header(bits);
        write_tokens(bits, tokens, &dynamic.literals, &dynamic.distances);
    } else {
        bits.push(0b010, 3);
        write_tokens(bits, tokens, &fixed.0, &fixed.1);
    }
}

fn write_tokens(bits: &mut Bits, tokens: &[Token], literals: &Code, distances: &Code) {
    for token in tokens {
        match token {
            Token::Literal(byte) => literals.write(bits, usize::from(*byte)),
            Token::Match { len, distance } => {
                for (code, symbol) in [
                    (literals, length_symbol(*len)),
                    (distances, distance_symbol(*distance)),
                ] {
                    code.write(bits, symbol.symbol);
                    bits.push(symbol.extra, symbol.extra_bits);
                }
            }
        }
    }
    literals.write(bits, END_OF_BLOCK);
}

/// The codes of a dynamic block and how their lengths are written.
struct Dynamic {
    literals: Code,
    distances: Code,
    literal_count: usize,
    distance_count: usize,
    runs: Vec<Coded>,
    run_code: Code,
    run_code_count: usize,
    header_size: usize,
}

impl Dynamic {
    fn new(literal_counts: &[u32], distance_counts: &[u32]) -> Self {
        let literals = Code::limited(literal_counts, MAX_CODE_BITS);
        let distances = Code::limited(distance_counts, MAX_CODE_BITS);
        let literal_count = used(literal_counts);
        let distance_count = used(distance_counts);
        let lengths = [
            &literals.lengths[..literal_count],
            &distances.lengths[..distance_count],
        ]
        .concat();
        let runs = run_lengths(&lengths);

        let mut run_counts = [0; CODE_LENGTHS];
        for run in &runs {
            run_counts[run.symbol] += 1;
        }
        let run_code = Code::limited(&run_counts, MAX_LENGTH_CODE_BITS);
        let run_code_count = 1 + CODE_LENGTH_ORDER
            .iter()
            .rposition(|&symbol| run_code.lengths[symbol] > 0)
            .expect("the end of the block has a code");
        let run_code_count = run_code_count.max(4);
        let header_size = 17
            + 3 * run_code_count
            + run_code.size(&run_counts)
            + runs.iter().map(|run| run.extra_bits).sum::<usize>();
        Self {
            literals,
            distances,
            literal_count,
            distance_count,
            runs,
            run_code,
            run_code_count,
            header_size,
        }
    }

    fn write_header(&self, bits: &mut Bits) {
        bits.push(0b100, 3);
        bits.push(self.literal_count - 257, 5);
        bits.push(self.distance_count - 1, 5);
        bits.push(self.run_code_count - 4, 4);
        for &symbol in &CODE_LENGTH_ORDER[..self.run_code_count] {
            bits.push(self.run_code.lengths[symbol], 3);
        }
        for run in &self.runs {
            self.run_code.write(bits, run.symbol);
            bits.push(run.extra, run.extra_bits);
        }
    }
}

/// The number of symbols up to the last used one.
fn used(counts: &[u32]) -> usize {
    1 + counts
        .iter()
        .rposition(|&count| count > 0)
        .expect("some symbol is used")
}

/// A symbol that repeats a length: its extra bits, and how often it can repeat.
struct Repeat {
    symbol: usize,
    extra_bits: usize,
    range: RangeInclusive<usize>,
}

const REPEAT_ZERO: [Repeat; 2] = [
    Repeat {
        symbol: 18,
        extra_bits: 7,
        range: 11..=138,
    },
    Repeat {
        symbol: 17,
        extra_bits: 3,
        range: 3..=10,
    },
];
const REPEAT_PREVIOUS: [Repeat; 1] = [Repeat {
    symbol: 16,
    extra_bits: 2,
    range: 3..=6,
}];

/// Code lengths as symbols of the code-length alphabet.
fn run_lengths(lengths: &[usize]) -> Vec<Coded> {
    let mut runs = Vec::new();
    for run in lengths.chunk_by(|a, b| a == b) {
        let (length, mut left) = (run[0], run.len());
        let literal = || Coded::plain(length);
        let mut repeats = REPEAT_ZERO.as_slice();
        if length > 0 {
            runs.push(literal());
            left -= 1;
            repeats = &REPEAT_PREVIOUS;
        }
        for repeat in repeats {
            while left >= *repeat.range.start() {
                let count = left.min(*repeat.range.end());
                runs.push(Coded {
                    symbol: repeat.symbol,
                    extra: count - repeat.range.start(),
                    extra_bits: repeat.extra_bits,
                });
                left -= count;
            }
        }
        runs.extend((0..left).map(|_| literal()));
    }
    runs
}

/// A symbol, and the bits that follow it.
struct Coded {
    symbol: usize,
    extra: usize,
    extra_bits: usize,
}

impl Coded {
    fn plain(symbol: usize) -> Self {
        Self {
            symbol,
            extra: 0,
            extra_bits: 0,
        }
    }
}

fn length_symbol(len: usize) -> Coded {
    if len == MAX_MATCH {
        return Coded::plain(LITERALS - 1);
    }
    let Coded {
        symbol,
        extra,
        extra_bits,
    } = logarithmic(len - 3, 4);
    Coded {
        symbol: 257 + symbol,
        extra,
        extra_bits,
    }
}

fn distance_symbol(distance: usize) -> Coded {
    logarithmic(distance - 1, 2)
}

/// Symbols that grow by one extra bit every `step` symbols (a power of two), the first `2 * step` without any.
fn logarithmic(value: usize, step: usize) -> Coded {
    if value < 2 * step {
        return Coded::plain(value);
    }
    let extra_bits = (value / step).ilog2() as usize;
    Coded {
        symbol: extra_bits * step + (value >> extra_bits),
        extra: value & ((1 << extra_bits) - 1),
        extra_bits,
    }
}

/// RFC 1951, 3.2.6. The two symbols that never occur count in the assignment of codes.
fn fixed_literals() -> Code {
    let lengths = |count, length| std::iter::repeat_n(length, count);
    let lengths: Vec<usize> = lengths(144, 8)
        .chain(lengths(112, 9))
        .chain(lengths(24, 7))
        .chain(lengths(8, 8))
        .collect();
    Code::canonical(&lengths)
}
