//! What a disk image is made of: what boots it, with kernel and initramfs, and META.

use super::{Error, Inner, artifact::Key, prepare::Files};
use crate::{
    plan::{
        self, Boot, Disk, Grub, SdBoot,
        grub::{Medium, Reset, disk_menu},
    },
    platform::Arch,
    quirks::Quirks,
    schematic::{Bootloader, Schematic},
};

impl Inner {
    /// The inputs of a target that is a disk image, which has been checked.
    pub(super) async fn disk(
        &self,
        key: &Key,
        schematic: &Schematic,
        files: &Files<'_>,
    ) -> Result<Disk, Error> {
        let target = &key.target;
        let quirks = Quirks::of(&target.version);
        let image = target.image.as_ref().expect("a disk image has options");
        Ok(Disk {
            len: image.disk_size,
            sector_len: plan::sector_len(image)?,
            boot_size: quirks.boot_size,
            data_partitions: !quirks.skip_data_partitions,
            boot: self.boot(key, schematic, files).await?,
            meta: target.meta.clone(),
        })
    }

    async fn boot(
        &self,
        key: &Key,
        schematic: &Schematic,
        files: &Files<'_>,
    ) -> Result<Boot, Error> {
        let target = &key.target;
        Ok(match target.bootloader {
            Bootloader::SdBoot => {
                Boot::SdBoot(Box::new(self.sd_boot(key, schematic, files).await?))
            }
            Bootloader::DualBoot => {
                let sd_boot = self.sd_boot(key, schematic, files).await?;
                let (kernel, initramfs) =
                    (sd_boot.uki.kernel.clone(), sd_boot.uki.initramfs.clone());
                let grub = Grub {
                    bios: Some(self.disk_grub(files).await?),
                    efi: None,
                    menu: disk_menu(&sd_boot.uki.tag, target.cmdline.as_ref(), Reset::Offered),
                    kernel,
                    initramfs,
                };
                Boot::DualBoot(Box::new(sd_boot), Box::new(grub))
            }
            Bootloader::Grub => {
                let bios = match target.arch {
                    Arch::Amd64 => Some(self.disk_grub(files).await?),
                    Arch::Arm64 => None,
                };
                let image = self.efi_grub(files, target.arch, Medium::Disk).await?;
                let reset = if Quirks::of(&target.version).grub_reset {
                    Reset::Offered
                } else {
                    Reset::Absent
                };
                Boot::Grub(Box::new(Grub {
                    bios,
                    efi: Some((loader_name(target.arch), image)),
                    menu: disk_menu(&target.version.tag(), target.cmdline.as_ref(), reset),
                    kernel: files.get("vmlinuz").await?,
                    initramfs: self.initramfs(key, schematic, files).await?,
                }))
            }
            Bootloader::None => unreachable!("a disk image without a boot loader is no target"),
        })
    }

    async fn sd_boot(
        &self,
        key: &Key,
        schematic: &Schematic,
        files: &Files<'_>,
    ) -> Result<SdBoot, Error> {
        Ok(SdBoot {
            boot_loader: files.get("systemd-boot.efi").await?,
            boot_loader_name: loader_name(key.target.arch),
            uki: self.uki(key, schematic, files).await?,
        })
    }
}

/// Where firmware looks for a boot loader, as the reference writes it on disks.
fn loader_name(arch: Arch) -> &'static str {
    match arch {
        Arch::Amd64 => "BOOTX64.efi",
        Arch::Arm64 => "BOOTAA64.efi",
    }
}
