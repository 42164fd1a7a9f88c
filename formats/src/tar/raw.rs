//! Headers of GNU's format (GNU tar manual, "Basic Tar Format").

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Everything begins at a multiple of this.
pub const BLOCK: u64 = 512;

/// Archives are filled up to a multiple of this: 20 blocks, GNU tar's default.
pub(super) const RECORD: u64 = 20 * BLOCK;

/// Where the magic stands in a header.
pub const MAGIC_OFFSET: usize = 257;
/// What the magic of either format begins with.
pub const USTAR: &[u8; 5] = b"ustar";

/// Magic and version of GNU's format.
pub(super) const MAGIC: [u8; 8] = *b"ustar  \0";

/// Magic and version of POSIX: names have a prefix there, and there are no sparse files.
pub(super) const POSIX_MAGIC: [u8; 8] = *b"ustar\x0000";

/// `typeflag` of a regular file.
pub(super) const REGULAR: u8 = b'0';
/// `typeflag` of a regular file as older archivers write it.
pub(super) const OLD_REGULAR: u8 = 0;
/// `typeflag` of a sparse file in the old GNU format.
pub(super) const SPARSE: u8 = b'S';

/// A run of a sparse file that is in the archive.
#[derive(Debug, Clone, Copy, IntoBytes, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct RawRun {
    pub(super) offset: [u8; 12],
    pub(super) len: [u8; 12],
}

pub(super) const HEADER_RUNS: usize = 4;
pub(super) const EXTENSION_RUNS: usize = 21;

/// The header of a member.
#[derive(Debug, Clone, Copy, IntoBytes, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Header {
    pub(super) name: [u8; 100],
    pub(super) mode: [u8; 8],
    pub(super) uid: [u8; 8],
    pub(super) gid: [u8; 8],
    pub(super) size: [u8; 12],
    pub(super) mtime: [u8; 12],
    pub(super) checksum: [u8; 8],
    pub(super) kind: u8,
    pub(super) link: [u8; 100],
    pub(super) magic: [u8; 8],

    pub(super) user: [u8; 32],
    pub(super) group: [u8; 32],
    pub(super) device: [u8; 16],
    pub(super) atime: [u8; 12],
    pub(super) ctime: [u8; 12],
    pub(super) part_offset: [u8; 12],
    pub(super) long_names: [u8; 4],
    pub(super) unused: u8,

    pub(super) runs: [RawRun; HEADER_RUNS],
    pub(super) extended: u8,
    pub(super) real_size: [u8; 12],
    pub(super) padding: [u8; 17],
}
const _: () = assert!(size_of::<Header>() == 512);

/// More of a sparse file's map.
#[derive(Debug, Clone, Copy, IntoBytes, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Extension {
    pub(super) runs: [RawRun; EXTENSION_RUNS],
    pub(super) extended: u8,
    pub(super) padding: [u8; 7],
}
const _: () = assert!(size_of::<Extension>() == 512);

impl Header {
    /// The sum of all bytes, with spaces for the checksum.
    pub(super) fn sum(&self) -> u64 {
        let mut blank = *self;
        blank.checksum = [b' '; 8];
        blank.as_bytes().iter().map(|byte| u64::from(*byte)).sum()
    }
}

/// A number of up to 11 octal digits and a byte 0; a greater one as big-endian binary behind a byte 0x80.
pub(super) fn number(value: u64) -> [u8; 12] {
    let mut field = [0; 12];
    if value < 1 << 33 {
        field[..11].copy_from_slice(format!("{value:011o}").as_bytes());
    } else {
        field[0] = 0x80;
        field[4..].copy_from_slice(&value.to_be_bytes());
    }
    field
}

/// The reverse of [`number`], also with spaces and fewer digits; `None` for anything else.
pub(super) fn parse_number(field: &[u8]) -> Option<u64> {
    if let [0x80, binary @ ..] = field {
        return binary.iter().try_fold(0_u64, |value, byte| {
            value.checked_mul(256)?.checked_add(u64::from(*byte))
        });
    }
    let end = |byte: &u8| *byte == 0 || *byte == b' ';
    let digits = field.split(end).find(|digits| !digits.is_empty());
    digits
        .unwrap_or(b"0")
        .iter()
        .try_fold(0_u64, |value, digit| {
            let digit = digit.checked_sub(b'0').filter(|digit| *digit < 8)?;
            value.checked_mul(8)?.checked_add(u64::from(digit))
        })
}
