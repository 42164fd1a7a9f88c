//! The header: 13 numbers of eight hexadecimal digits behind a magic.

use super::Error;

/// `newc` without checksums.
pub(super) const MAGIC: [u8; 6] = *b"070701";

/// Name of the entry that ends an archive.
pub const TRAILER: &str = "TRAILER!!!";

/// Names and contents are padded to a multiple of this many bytes.
pub(super) const ALIGNMENT: u64 = 4;

/// Whole archives are padded to a multiple of this many bytes.
pub const BLOCK: u64 = 512;

/// Longest content of one entry: its length has 32 bits.
pub const MAX_CONTENT: u64 = (1 << 32) - 1;

/// Longest name with its NUL: the kernel skips entries beyond `PATH_MAX`.
pub const MAX_NAME: usize = 4096;

const FIELDS: usize = 13;
const DIGITS: usize = 8;

/// The numbers of an entry's header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Header {
    /// Inode number.
    pub ino: u32,
    /// Type and permissions, as `st_mode`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Number of links.
    pub nlink: u32,
    /// Seconds since 1970.
    pub mtime: u32,
    /// Length of the content in bytes.
    pub file_size: u32,
    /// Device that held the file.
    pub dev_major: u32,
    /// Device that held the file.
    pub dev_minor: u32,
    /// Device that the entry is.
    pub rdev_major: u32,
    /// Device that the entry is.
    pub rdev_minor: u32,
    /// Length of the name with its NUL.
    pub name_size: u32,
    /// Sum of the content's bytes in the checksummed dialect, 0 in this one.
    pub check: u32,
}

impl Header {
    /// Length in bytes.
    pub const LEN: usize = MAGIC.len() + FIELDS * DIGITS;

    /// Upper-case digits, as GNU cpio writes them.
    pub(super) fn encode(&self) -> [u8; Self::LEN] {
        const HEX: &[u8; 16] = b"0123456789ABCDEF";
        let mut bytes = [0; Self::LEN];
        bytes[..MAGIC.len()].copy_from_slice(&MAGIC);
        for (digits, value) in bytes[MAGIC.len()..]
            .chunks_exact_mut(DIGITS)
            .zip(self.in_order())
        {
            for (place, digit) in digits.iter_mut().rev().enumerate() {
                *digit = HEX[(value >> (4 * place) & 0xf) as usize];
            }
        }
        bytes
    }

    /// Digits of either case. `offset` is where the header stands, for errors.
    pub(super) fn decode(bytes: &[u8; Self::LEN], offset: u64) -> Result<Self, Error> {
        let (magic, fields) = bytes.split_at(MAGIC.len());
        if magic != MAGIC {
            let found = magic.try_into().expect("split at its length");
            return Err(Error::InvalidMagic { offset, found });
        }
        let mut values = [0; FIELDS];
        for (index, (value, digits)) in values
            .iter_mut()
            .zip(fields.chunks_exact(DIGITS))
            .enumerate()
        {
            let place = offset + (MAGIC.len() + index * DIGITS) as u64;
            for digit in digits {
                let nibble = char::from(*digit)
                    .to_digit(16)
                    .ok_or(Error::InvalidDigit { offset: place })?;
                *value = *value << 4 | nibble;
            }
        }
        let [
            ino,
            mode,
            uid,
            gid,
            nlink,
            mtime,
            file_size,
            dev_major,
            dev_minor,
            rdev_major,
            rdev_minor,
            name_size,
            check,
        ] = values;
        Ok(Self {
            ino,
            mode,
            uid,
            gid,
            nlink,
            mtime,
            file_size,
            dev_major,
            dev_minor,
            rdev_major,
            rdev_minor,
            name_size,
            check,
        })
    }

    fn in_order(&self) -> [u32; FIELDS] {
        [
            self.ino,
            self.mode,
            self.uid,
            self.gid,
            self.nlink,
            self.mtime,
            self.file_size,
            self.dev_major,
            self.dev_minor,
            self.rdev_major,
            self.rdev_minor,
            self.name_size,
            self.check,
        ]
    }
}
