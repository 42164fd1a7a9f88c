//! Numbers of the container (xz file format 1.2.1).

use crate::crc::Crc;

/// First six bytes of a stream.
pub(super) const MAGIC: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];

/// Last two bytes of a stream.
pub(super) const FOOTER_MAGIC: [u8; 2] = *b"YZ";

/// `Stream Flags` of a stream whose blocks end with this check (section 2.1.1.2).
pub(super) const fn check_id(check: Crc) -> u8 {
    match check {
        Crc::Crc32 => 1,
        Crc::Crc64 => 4,
    }
}

/// Length in bytes of the check of each ID (section 2.1.1.2).
pub(super) const CHECK_LEN: [u64; 16] = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];

/// Filter ID of LZMA2 (section 5.3.1).
pub(super) const LZMA2: u64 = 0x21;

/// `Dictionary Size` of 256 KiB: 2 · 2^(12/2 + 11) (section 5.3.1).
pub(super) const DICTIONARY_256_KIB: u8 = 12;

/// Properties of our LZMA chunks: (pb · 5 + lp) · 9 + lc, with the usual lc 3, lp 0, pb 2 (section 5.3.1, LZMA2).
pub(super) const LC_LP_PB: u8 = (2 * 5) * 9 + 3;

/// Largest `Dictionary Size`: 4 GiB - 1.
pub(super) const DICTIONARY_MAX: u8 = 40;

/// `Block Flags`: one filter, compressed and uncompressed size present (section 3.1.2).
pub(super) const HAS_COMPRESSED_SIZE: u8 = 1 << 6;
pub(super) const HAS_UNCOMPRESSED_SIZE: u8 = 1 << 7;
pub(super) const FILTERS: u8 = 3;
pub(super) const RESERVED_FLAGS: u8 = 0x3c;

/// Everything but the payload of a chunk ends at a multiple of this.
pub(super) const ALIGNMENT: u64 = 4;

/// Longest multibyte integer in bytes (section 1.2).
pub(super) const VLI_LEN_MAX: usize = 9;

/// Adds a multibyte integer: seven bits a byte, the lowest first (section 1.2).
pub(super) fn push_vli(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).expect("seven bits") | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).expect("below 0x80"));
}

/// Pads `bytes` to [`ALIGNMENT`] and ends them with their CRC32.
pub(super) fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    let sum = crc32fast::hash(&bytes);
    bytes.extend(sum.to_le_bytes());
    bytes
}
