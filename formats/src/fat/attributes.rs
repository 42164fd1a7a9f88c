//! Attribute bits of directory entries.

use std::{fmt, ops::BitOr};

/// A set of attribute bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes(u8);

impl Attributes {
    /// Not to be written.
    pub const READ_ONLY: Self = Self(0x01);
    /// Not shown by default.
    pub const HIDDEN: Self = Self(0x02);
    /// Part of the operating system.
    pub const SYSTEM: Self = Self(0x04);
    /// The entry is the label of the volume.
    pub const VOLUME_LABEL: Self = Self(0x08);
    /// The entry is a directory.
    pub const DIRECTORY: Self = Self(0x10);
    /// Changed since the last backup: what mtools gives to every file.
    pub const ARCHIVE: Self = Self(0x20);
    /// A piece of a long name: read-only, hidden, system and label at once, so that old systems skip it.
    pub(super) const LONG_NAME: Self = Self(0x0f);

    /// The set with these bits.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// The bits of the set.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether all of `other` is in the set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Attributes {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// As mattrib writes them: `A` archive, `S` system, `H` hidden, `R` read-only, with `D` and `V` before.
impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bit, letter) in [
            (Self::VOLUME_LABEL, 'V'),
            (Self::DIRECTORY, 'D'),
            (Self::ARCHIVE, 'A'),
            (Self::SYSTEM, 'S'),
            (Self::HIDDEN, 'H'),
            (Self::READ_ONLY, 'R'),
        ] {
            write!(f, "{}", if self.contains(bit) { letter } else { '-' })?;
        }
        Ok(())
    }
}
