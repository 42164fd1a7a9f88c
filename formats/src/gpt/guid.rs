//! GUIDs: made from labels, mixed-endian on disk.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// A GUID; its bytes are in the order of its text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid([u8; 16]);

impl Guid {
    /// No GUID: the type of an unused entry.
    pub const NIL: Self = Self([0; 16]);

    /// The GUID whose 32 digits are those of `value`.
    pub const fn from_u128(value: u128) -> Self {
        Self(value.to_be_bytes())
    }

    /// The GUID that a label always has: its SHA-256 behind sixteen zero bytes, as a UUID of version 8 (spec/disk.md 1.4).
    pub fn of_label(label: &str) -> Self {
        let hash = Sha256::new()
            .chain_update([0; 16])
            .chain_update(label)
            .finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Self(bytes)
    }

    /// The bytes in the order of the text, as file systems store UUIDs.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// As partition tables store it: the first three fields little-endian.
    pub fn to_disk(self) -> [u8; 16] {
        let mut bytes = self.0;
        bytes[..4].reverse();
        bytes[4..6].reverse();
        bytes[6..8].reverse();
        bytes
    }

    /// The GUID that a partition table stores as `bytes`.
    pub fn from_disk(bytes: [u8; 16]) -> Self {
        // Turning the fields around once more is turning them back.
        Self(Self(bytes).to_disk())
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of spec/disk.md 1.4.
    #[test]
    fn labels_have_the_references_guids() {
        for (label, guid) in [
            ("talos-image-disk", "d92d45b3-cde9-8760-be9f-a2a71fac8d11"),
            ("EFI", "bca5174b-0118-8a6a-af0b-2c6e1585acae"),
            ("BIOS", "a2a02ff5-d88d-8e6e-9c95-26b9b6c80bc3"),
            ("BOOT", "24c73076-4092-85dd-9d98-686a2dbf6d81"),
            ("META", "cf04f137-101e-8ec6-9627-fa3f51cdabb8"),
            ("STATE", "f7f88648-df7c-8acb-b4d2-6f124659d923"),
            ("EPHEMERAL", "c5e02400-0e5e-80bc-99ec-53b3e45ad6c4"),
            ("IMAGECACHE", "3b5449bc-c21f-8009-8b51-18945967f8df"),
        ] {
            assert_eq!(Guid::of_label(label).to_string(), guid, "{label}");
        }
    }

    #[test]
    fn the_first_three_fields_are_little_endian_on_disk() {
        let guid = Guid::from_u128(0x00112233_4455_6677_8899_aabbccddeeff);
        assert_eq!(guid.to_string(), "00112233-4455-6677-8899-aabbccddeeff");
        let disk = [
            0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd,
            0xee, 0xff,
        ];
        assert_eq!(guid.to_disk(), disk);
        assert_eq!(Guid::from_disk(disk), guid);
    }
}
