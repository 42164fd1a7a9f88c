//! Disk images: a partition table, and in its partitions a boot loader with what it boots (spec/disk.md 1 to 4).
//!
//! ```text
//! systemd-boot   EFI              META  [STATE EPHEMERAL]      EFI: systemd-boot and the UKI
//! GRUB           EFI  BIOS  BOOT  META  [STATE EPHEMERAL]      EFI: GRUB; BIOS: GRUB; BOOT: kernel, initramfs, menu
//! dual-boot      EFI  BIOS  BOOT  META  [STATE EPHEMERAL]      EFI: systemd-boot and the UKI; BIOS, BOOT: as with GRUB
//! ```
//!
//! What a disk becomes for transport, another format or compressed, is not its concern: this is the raw disk.

mod boot;
mod esp;
mod partitions;
#[cfg(test)]
mod tests;

use bstr::BString;
use formats::{
    Layout, adv,
    gpt::{self, Geometry, Guid},
};

use self::partitions::Part;
use super::{Error, Initramfs, Uki, grub::DiskGrub};
use crate::{store::Content, target::ImageOptions};

/// What the disk's GUID is made from.
const DISK_LABEL: &str = "talos-image-disk";

/// What a disk holds.
#[derive(Debug, Clone)]
pub struct Disk {
    /// Bytes.
    pub len: u64,
    /// Bytes of a sector.
    pub sector_len: u16,
    /// Bytes of the BOOT partition, from which those of the ESP follow.
    pub boot_size: u64,
    /// Whether STATE and EPHEMERAL are there, empty; later versions make them on their first boot.
    pub data_partitions: bool,
    /// What boots.
    pub boot: Boot,
    /// META values, keys and texts; none leave the partition blank.
    pub meta: Vec<(u8, BString)>,
}

/// What boots a disk.
#[derive(Debug, Clone)]
pub enum Boot {
    /// systemd-boot, under UEFI.
    SdBoot(Box<SdBoot>),
    /// GRUB, under UEFI and, on amd64, by a BIOS.
    Grub(Box<Grub>),
    /// systemd-boot under UEFI, GRUB by a BIOS; the first boot removes the one that was not used.
    DualBoot(Box<SdBoot>, Box<Grub>),
}

/// systemd-boot and what it boots.
#[derive(Debug, Clone)]
pub struct SdBoot {
    /// systemd-boot.
    pub boot_loader: Content,
    /// Its name on the ESP: `BOOTX64.efi`, `BOOTAA64.efi`.
    pub boot_loader_name: &'static str,
    /// The UKI it boots.
    pub uki: Uki,
}

/// Bytes of a sector of the disk that `image` describes.
pub(crate) fn sector_len(image: &ImageOptions) -> Result<u16, Error> {
    match image.sector_size {
        0 | 512 => Ok(512),
        4096 => Ok(4096),
        other => Err(Error::SectorSize(other)),
    }
}

/// GRUB and what it boots.
#[derive(Debug, Clone)]
pub struct Grub {
    /// For a BIOS; there is none on arm64.
    pub bios: Option<DiskGrub>,
    /// For UEFI, with its name on the ESP; not there when systemd-boot is.
    pub efi: Option<(&'static str, Content)>,
    /// The menu, `grub.cfg`.
    pub menu: BString,
    /// The kernel.
    pub kernel: Content,
    /// The initramfs.
    pub initramfs: Initramfs,
}

impl Boot {
    fn grub(&self) -> Option<&Grub> {
        match self {
            Self::SdBoot(_) => None,
            Self::Grub(grub) | Self::DualBoot(_, grub) => Some(grub),
        }
    }
}

impl Disk {
    /// The raw disk.
    pub fn layout(&self) -> Result<Layout, Error> {
        let geometry = Geometry::new(self.len, self.sector_len.into(), 0)?;
        let parts = self.parts();
        let sizes: Vec<gpt::Size> = parts.iter().map(|part| self.size(*part)).collect();
        let runs = geometry.place(&sizes).map_err(|error| match error {
            gpt::Error::NoRoom {
                number,
                needed,
                free,
                len,
            } => Error::DiskTooSmall {
                partition: parts[number - 1].name(),
                needed,
                free,
                len,
            },
            error => error.into(),
        })?;
        let mut boot_code = [0; gpt::BOOT_CODE_LEN];
        let partitions = parts.into_iter().zip(runs).map(|(part, run)| {
            let len = geometry.run_len(run);
            let content = match part {
                Part::Efi => self.esp(len)?,
                Part::Bios => match self.boot.grub().and_then(|grub| grub.bios.as_ref()) {
                    Some(bios) => {
                        boot_code = bios.boot_code(run.first)?;
                        bios.core(run.first)?
                    }
                    None => Layout::new(),
                },
                Part::Boot => {
                    let grub = self
                        .boot
                        .grub()
                        .expect("only disks with GRUB have this part");
                    grub.volume(len, self.sector_len)?
                }
                Part::Meta => self.meta()?,
                Part::State | Part::Ephemeral => Layout::new(),
            };
            Ok(gpt::Partition {
                kind: part.kind(),
                guid: Guid::of_label(part.name()),
                attributes: part.attributes(),
                name: part.name().to_owned(),
                run,
                content,
            })
        });
        let partitions = partitions.collect::<Result<_, Error>>()?;
        let disk = gpt::Disk {
            geometry,
            guid: Guid::of_label(DISK_LABEL),
            boot_code,
            partitions,
        };
        Ok(disk.layout()?)
    }

    fn meta(&self) -> Result<Layout, Error> {
        if self.meta.is_empty() {
            return Ok(Layout::new());
        }
        let values: Vec<(u8, &[u8])> = self
            .meta
            .iter()
            .map(|(key, value)| (*key, value.as_slice()))
            .collect();
        Ok(adv::layout(&values)?)
    }
}
