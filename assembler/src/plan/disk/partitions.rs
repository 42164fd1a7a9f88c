//! Which partitions a disk has, in which order, how large (spec/disk.md 1.2, 1.3).

use formats::gpt::{self, Guid, Size};

use super::{Boot, Disk};

const MIB: u64 = 1 << 20;

/// An ESP that holds GRUB.
const ESP_SIZE: u64 = 100 * MIB;
/// Where GRUB's core image lies for BIOSes.
const BIOS_SIZE: u64 = MIB;
const META_SIZE: u64 = MIB;
const STATE_SIZE: u64 = 100 * MIB;

/// A partition by its label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Efi,
    Bios,
    Boot,
    Meta,
    State,
    Ephemeral,
}

impl Part {
    /// The label, which is also what its GUID is made from.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Efi => "EFI",
            Self::Bios => "BIOS",
            Self::Boot => "BOOT",
            Self::Meta => "META",
            Self::State => "STATE",
            Self::Ephemeral => "EPHEMERAL",
        }
    }

    pub(super) fn kind(self) -> Guid {
        match self {
            Self::Efi => gpt::EFI_SYSTEM,
            Self::Bios => gpt::BIOS_BOOT,
            Self::Boot | Self::Meta | Self::State | Self::Ephemeral => gpt::LINUX_FILE_SYSTEM,
        }
    }

    pub(super) fn attributes(self) -> u64 {
        match self {
            Self::Bios => gpt::LEGACY_BIOS_BOOTABLE,
            Self::Efi | Self::Boot | Self::Meta | Self::State | Self::Ephemeral => 0,
        }
    }
}

impl Disk {
    /// The partitions in the order of the disk.
    pub(super) fn parts(&self) -> Vec<Part> {
        // Whoever boots by GRUB counts on BOOT being the third; on arm64 too BIOS comes before it, empty.
        let mut parts = match &self.boot {
            Boot::SdBoot(_) => vec![Part::Efi, Part::Meta],
            Boot::Grub(_) | Boot::DualBoot(..) => {
                vec![Part::Efi, Part::Bios, Part::Boot, Part::Meta]
            }
        };
        if self.data_partitions {
            parts.extend([Part::State, Part::Ephemeral]);
        }
        parts
    }

    pub(super) fn size(&self, part: Part) -> Size {
        Size::Bytes(match part {
            // A UKI may be as large as what GRUB would have on BOOT, and takes the place of that.
            Part::Efi => match &self.boot {
                Boot::SdBoot(_) | Boot::DualBoot(..) => ESP_SIZE + BIOS_SIZE + self.boot_size,
                Boot::Grub(_) => ESP_SIZE,
            },
            Part::Bios => BIOS_SIZE,
            Part::Boot => self.boot_size,
            Part::Meta => META_SIZE,
            Part::State => STATE_SIZE,
            Part::Ephemeral => return Size::Rest,
        })
    }
}
