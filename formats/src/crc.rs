//! Checksums that combine: CRC-32 (IEEE, as in gzip and xz) and CRC-64 (as in xz).
//!
//! - The checksum of a whole follows from those of its parts and their lengths, without the bytes.
//! - That of a run of zeros follows from its length.
//!
//! ```
//! use formats::crc::{Checksum, Crc};
//!
//! let mut whole = Checksum::new(Crc::Crc64);
//! whole.update(b"1234");
//! whole.append(Crc::Crc64.of(b"56789"), 5);
//! assert_eq!(whole.value(), 0x995d_c9bb_df19_39fa);
//! ```

/// Which checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Crc {
    /// CRC-32 of ISO-HDLC: polynomial 0x04c11db7, reflected.
    Crc32,
    /// CRC-64 of xz (ECMA-182): polynomial 0x42f0e1eba9ea3693, reflected.
    Crc64,
}

const POLYNOMIAL_64: u64 = 0xc96c_5795_d787_0f42;
/// Bytes that one step of the CRC-64 takes in.
const STRIDE: usize = 16;

static TABLES: [[u64; 256]; STRIDE] = tables();

impl Crc {
    /// The checksum of `bytes`.
    pub fn of(self, bytes: &[u8]) -> u64 {
        match self {
            Self::Crc32 => u64::from(crc32fast::hash(bytes)),
            Self::Crc64 => update_64(0, bytes),
        }
    }

    /// The checksum of `len` zero bytes.
    pub fn of_zeros(self, len: u64) -> u64 {
        // By doubling: the sum of twice as many zeros is a combination of the sum with itself.
        let mut sum = 0;
        let (mut run, mut run_len) = (self.of(&[0]), 1);
        let mut left = len;
        while left > 0 {
            if left & 1 == 1 {
                sum = self.combine(sum, run, run_len);
            }
            left >>= 1;
            if left > 0 {
                run = self.combine(run, run, run_len);
                run_len *= 2;
            }
        }
        sum
    }

    /// The checksum of two parts together, from theirs and the length of the second in bytes.
    pub fn combine(self, first: u64, second: u64, second_len: u64) -> u64 {
        match self {
            Self::Crc32 => {
                let first = u32::try_from(first).expect("a CRC-32 has 32 bits");
                let second = u32::try_from(second).expect("a CRC-32 has 32 bits");
                let mut whole = crc32fast::Hasher::new_with_initial(first);
                let part = crc32fast::Hasher::new_with_initial_len(second, second_len);
                whole.combine(&part);
                u64::from(whole.finalize())
            }
            Self::Crc64 => multiply(power(second_len), first) ^ second,
        }
    }

    /// Bytes of its value.
    pub const fn width(self) -> u64 {
        match self {
            Self::Crc32 => 4,
            Self::Crc64 => 8,
        }
    }
}

/// A checksum of what has been appended so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    crc: Crc,
    value: u64,
}

impl Checksum {
    /// Of no bytes.
    pub fn new(crc: Crc) -> Self {
        Self { crc, value: 0 }
    }

    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.value = match self.crc {
            Crc::Crc32 => {
                let before = u32::try_from(self.value).expect("a CRC-32 has 32 bits");
                let mut hasher = crc32fast::Hasher::new_with_initial(before);
                hasher.update(bytes);
                u64::from(hasher.finalize())
            }
            Crc::Crc64 => update_64(self.value, bytes),
        };
    }

    /// Takes in `len` bytes of which only the checksum is known.
    pub fn append(&mut self, value: u64, len: u64) {
        self.value = self.crc.combine(self.value, value, len);
    }

    /// The checksum.
    pub fn value(&self) -> u64 {
        self.value
    }
}

#[expect(clippy::large_stack_arrays, reason = "only the compiler runs it")]
const fn tables() -> [[u64; 256]; STRIDE] {
    let mut tables = [[0; 256]; STRIDE];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            sum = (sum >> 1) ^ (POLYNOMIAL_64 * (sum & 1));
            bit += 1;
        }
        tables[0][byte] = sum;
        byte += 1;
    }
    let mut step = 1;
    while step < STRIDE {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[step - 1][byte];
            tables[step][byte] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        step += 1;
    }
    tables
}

fn update_64(before: u64, bytes: &[u8]) -> u64 {
    let mut sum = !before;
    let (strides, rest) = bytes.as_chunks::<STRIDE>();
    for stride in strides {
        let (low, high) = stride.split_at(8);
        let low = u64::from_le_bytes(low.try_into().expect("half a stride")) ^ sum;
        let high = u64::from_le_bytes(high.try_into().expect("half a stride"));
        sum = 0;
        for (place, byte) in low
            .to_le_bytes()
            .into_iter()
            .chain(high.to_le_bytes())
            .enumerate()
        {
            sum ^= TABLES[STRIDE - 1 - place][usize::from(byte)];
        }
    }
    for byte in rest {
        let [low, ..] = (sum ^ u64::from(*byte)).to_le_bytes();
        sum = (sum >> 8) ^ TABLES[0][usize::from(low)];
    }
    !sum
}

/// x^(8 · `bytes`) modulo the polynomial of the CRC-64; bit 63 is x^0.
fn power(bytes: u64) -> u64 {
    let mut product = 1 << 63;
    let mut square = 1 << (63 - 8);
    let mut left = bytes;
    while left > 0 {
        if left & 1 == 1 {
            product = multiply(square, product);
        }
        square = multiply(square, square);
        left >>= 1;
    }
    product
}

/// Product of two polynomials modulo that of the CRC-64.
fn multiply(one: u64, other: u64) -> u64 {
    let mut product = 0;
    let mut shifted = other;
    for place in (0..64).rev() {
        if one >> place & 1 == 1 {
            product ^= shifted;
        }
        shifted = (shifted >> 1) ^ (POLYNOMIAL_64 * (shifted & 1));
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content() -> Vec<u8> {
        (0..5000_u32)
            .map(|index| (index.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0])
            .collect()
    }

    #[test]
    fn check_values_are_those_of_the_catalogue() {
        assert_eq!(Crc::Crc32.of(b"123456789"), 0xcbf4_3926);
        assert_eq!(Crc::Crc64.of(b"123456789"), 0x995d_c9bb_df19_39fa);
        for crc in [Crc::Crc32, Crc::Crc64] {
            assert_eq!((crc.of(b""), crc.of_zeros(0)), (0, 0));
        }
    }

    #[test]
    fn parts_combine_at_any_place() {
        let content = content();
        for crc in [Crc::Crc32, Crc::Crc64] {
            for cut in [0, 1, 7, 16, 17, 2500, 4999, 5000] {
                let (first, second) = content.split_at(cut);
                let combined = crc.combine(crc.of(first), crc.of(second), second.len() as u64);
                assert_eq!(combined, crc.of(&content), "{crc:?} at {cut}");
                let mut sum = Checksum::new(crc);
                sum.update(first);
                sum.update(second);
                assert_eq!(sum.value(), crc.of(&content), "{crc:?} at {cut}");
            }
        }
    }

    #[test]
    fn zeros_need_no_bytes() {
        for crc in [Crc::Crc32, Crc::Crc64] {
            for len in [1, 2, 3, 255, 4096, 70_001] {
                assert_eq!(
                    crc.of_zeros(len),
                    crc.of(&vec![0; usize::try_from(len).unwrap()])
                );
            }
        }
    }
}
