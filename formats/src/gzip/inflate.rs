//! Deflate symbols decoded for their lengths alone (RFC 1951, section 3.2): no window, no content.

use std::io::Read;

use super::Error;
use crate::input::{Input, InputError};

/// Longest code of the format.
const CODE_MAX: usize = 15;

/// The input as bits, the lowest of a byte first.
pub(super) struct Bits<R> {
    input: Input<R>,
    byte: u8,
    left: u32,
}

impl<R: Read> Bits<R> {
    pub(super) fn new(input: Input<R>) -> Self {
        Self {
            input,
            byte: 0,
            left: 0,
        }
    }

    /// Where the next whole byte stands.
    pub(super) fn position(&self) -> u64 {
        self.input.position()
    }

    /// The input behind the byte that is begun.
    pub(super) fn bytes(&mut self) -> &mut Input<R> {
        self.left = 0;
        &mut self.input
    }

    fn bit(&mut self) -> Result<u32, InputError> {
        if self.left == 0 {
            [self.byte] = self.input.array()?;
            self.left = 8;
        }
        let bit = u32::from(self.byte & 1);
        self.byte >>= 1;
        self.left -= 1;
        Ok(bit)
    }

    /// A number of `count` bits, the lowest first.
    pub(super) fn number(&mut self, count: u32) -> Result<u32, InputError> {
        let mut value = 0;
        for place in 0..count {
            value |= self.bit()? << place;
        }
        Ok(value)
    }

    fn invalid(&self, what: &'static str) -> Error {
        Error::Invalid {
            what,
            offset: self.position(),
        }
    }
}

/// A canonical prefix code: symbols by length, then by number.
pub(super) struct Code {
    counts: [u16; CODE_MAX + 1],
    symbols: Vec<u16>,
}

impl Code {
    /// From the length of each symbol's code, 0 for symbols without one; `None` when more codes are given than there are.
    fn new(lengths: &[u8]) -> Option<Self> {
        let mut counts = [0_u16; CODE_MAX + 1];
        for length in lengths.iter().filter(|length| **length > 0) {
            counts[usize::from(*length)] += 1;
        }
        let mut free = 1_i32;
        for count in &counts[1..] {
            free = free * 2 - i32::from(*count);
            if free < 0 {
                return None;
            }
        }
        let mut symbols: Vec<u16> = (0..)
            .zip(lengths)
            .filter(|(_, length)| **length > 0)
            .map(|(symbol, _)| symbol)
            .collect();
        symbols.sort_by_key(|symbol| lengths[usize::from(*symbol)]);
        Some(Self { counts, symbols })
    }

    fn symbol(&self, bits: &mut Bits<impl Read>) -> Result<u16, Error> {
        let (mut code, mut first, mut index) = (0_i32, 0_i32, 0_i32);
        for count in &self.counts[1..] {
            code |= i32::try_from(bits.bit()?).expect("one bit");
            let count = i32::from(*count);
            if code - first < count {
                let place = usize::try_from(index + code - first).expect("not negative");
                return Ok(self.symbols[place]);
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err(bits.invalid("Deflate code"))
    }
}

/// The codes of a block: literals and lengths, distances.
pub(super) struct Codes {
    literals: Code,
    distances: Code,
}

impl Codes {
    /// Those of `BTYPE` 01.
    pub(super) fn fixed() -> Self {
        let mut lengths = [8; 288];
        lengths[144..256].fill(9);
        lengths[256..280].fill(7);
        Self {
            literals: Code::new(&lengths).expect("the fixed code is a code"),
            distances: Code::new(&[5; 30]).expect("the fixed code is a code"),
        }
    }

    /// Those that a block of `BTYPE` 10 begins with.
    pub(super) fn read(bits: &mut Bits<impl Read>) -> Result<Self, Error> {
        const ORDER: [usize; 19] = [
            16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
        ];
        let mut count = |width, least: usize| -> Result<usize, InputError> {
            Ok(usize::try_from(bits.number(width)?).expect("few bits") + least)
        };
        let (literals, distances, lengths) = (count(5, 257)?, count(5, 1)?, count(4, 4)?);
        let mut length_lengths = [0; 19];
        for place in &ORDER[..lengths] {
            length_lengths[*place] = u8::try_from(bits.number(3)?).expect("three bits");
        }
        let code =
            Code::new(&length_lengths).ok_or_else(|| bits.invalid("code of code lengths"))?;
        let mut all: Vec<u8> = Vec::with_capacity(literals + distances);
        while all.len() < literals + distances {
            let (value, times) = match code.symbol(bits)? {
                16 => {
                    let last = *all.last().ok_or_else(|| bits.invalid("repeated length"))?;
                    (last, 3 + bits.number(2)?)
                }
                17 => (0, 3 + bits.number(3)?),
                18 => (0, 11 + bits.number(7)?),
                length => (u8::try_from(length).expect("below 16"), 1),
            };
            all.extend((0..times).map(|_| value));
        }
        if all.len() > literals + distances {
            return Err(bits.invalid("code lengths"));
        }
        let (of_literals, of_distances) = all.split_at(literals);
        let (Some(literals), Some(distances)) = (Code::new(of_literals), Code::new(of_distances))
        else {
            return Err(bits.invalid("code lengths"));
        };
        Ok(Self {
            literals,
            distances,
        })
    }

    /// Bytes that the block stands for, up to its end; `limit` is how many are accepted.
    pub(super) fn content_len(&self, bits: &mut Bits<impl Read>, limit: u64) -> Result<u64, Error> {
        let mut len = 0;
        loop {
            match self.literals.symbol(bits)? {
                0..256 => len += 1,
                256 => return Ok(len),
                symbol @ 257..286 => {
                    len += match_len(bits, symbol)?;
                    self.pass_distance(bits)?;
                }
                _ => return Err(bits.invalid("Deflate length")),
            }
            if len > limit {
                return Err(Error::TooMany {
                    what: "bytes of content",
                    limit,
                });
            }
        }
    }

    fn pass_distance(&self, bits: &mut Bits<impl Read>) -> Result<(), Error> {
        match self.distances.symbol(bits)? {
            symbol @ 0..30 => {
                bits.number(u32::from(symbol / 2).saturating_sub(1))?;
                Ok(())
            }
            _ => Err(bits.invalid("Deflate distance")),
        }
    }
}

/// Length of a match from its symbol, 257 to 285, and extra bits.
fn match_len(bits: &mut Bits<impl Read>, symbol: u16) -> Result<u64, Error> {
    let index = u32::from(symbol - 257);
    Ok(match index {
        0..8 => u64::from(index) + 3,
        28 => 258,
        _ => {
            let extra = index / 4 - 1;
            let base = (4 + index % 4) << extra;
            u64::from(base + 3 + bits.number(extra)?)
        }
    })
}
