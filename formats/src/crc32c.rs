//! CRC-32C (Castagnoli, RFC 3720 appendix B.4): the checksum of XFS and ext4 metadata.
//!
//! A table of 256 words: it only ever runs over metadata, of which a volume has some tens of kilobytes.

/// The polynomial 1EDC6F41, bits reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;
const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte: u32 = 0;
    while byte < 256 {
        let mut word = byte;
        let mut bit = 0;
        while bit < 8 {
            let carry = word & 1;
            word >>= 1;
            if carry == 1 {
                word ^= POLYNOMIAL;
            }
            bit += 1;
        }
        table[byte as usize] = word;
        byte += 1;
    }
    table
}

/// The checksum of all `pieces`, one after the other.
pub fn of(pieces: &[&[u8]]) -> u32 {
    let mut sum = u32::MAX;
    for byte in pieces.iter().copied().flatten() {
        let [low, ..] = (sum ^ u32::from(*byte)).to_le_bytes();
        sum = TABLE[usize::from(low)] ^ sum >> 8;
    }
    !sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 3720, appendix B.4, and the check value of the catalogue of CRCs.
    #[test]
    fn sums_are_those_of_the_standard() {
        let ascending: Vec<u8> = (0..32).collect();
        for (bytes, sum) in [
            (b"".as_slice(), 0),
            (b"123456789", 0xe306_9283),
            (&[0; 32], 0x8a91_36aa),
            (&[0xff; 32], 0x62a8_ab43),
            (&ascending, 0x46dd_794e),
        ] {
            assert_eq!(of(&[bytes]), sum, "{bytes:?}");
        }
        assert_eq!(of(&[b"1234", b"", b"56789"]), 0xe306_9283);
    }
}
