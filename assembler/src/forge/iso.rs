//! What an ISO is made of: what boots it, by firmware, with kernel and initramfs (spec/boot.md 4.1).

use super::{
    Error, Inner,
    artifact::Key,
    grub::{BIOS, EFI_AMD64, EFI_ARM64},
    prepare::Files,
};
use crate::{
    plan::{
        GrubMenu, Iso, IsoBoot,
        grub::{Medium, Reset, iso_menu},
    },
    platform::Arch,
    quirks::Quirks,
    schematic::{Bootloader, Schematic},
};

impl Inner {
    /// The inputs of a target that is an ISO.
    pub(super) async fn iso(
        &self,
        key: &Key,
        schematic: &Schematic,
        files: &Files<'_>,
    ) -> Result<Iso, Error> {
        let target = &key.target;
        let name = match target.arch {
            Arch::Amd64 => "BOOTX64.EFI",
            Arch::Arm64 => "BOOTAA64.EFI",
        };
        let boot = match target.bootloader {
            Bootloader::SdBoot => {
                IsoBoot::SdBoot(Box::new(self.sd_boot(key, schematic, files, name).await?))
            }
            Bootloader::DualBoot => IsoBoot::Dual {
                sd_boot: Box::new(self.sd_boot(key, schematic, files, name).await?),
                grub: Box::new(self.grub_menu(key, schematic, files, &[BIOS]).await?),
            },
            Bootloader::Grub => {
                // Whatever the ISO's own architecture, as the reference has it: a GRUB that cannot boot its kernel says so.
                let all = [BIOS, EFI_AMD64, EFI_ARM64];
                IsoBoot::Grub {
                    menu: Box::new(self.grub_menu(key, schematic, files, &all).await?),
                    programs: vec![
                        (
                            "bootx64.efi",
                            self.efi_grub(files, Arch::Amd64, Medium::Iso).await?,
                        ),
                        (
                            "bootaa64.efi",
                            self.efi_grub(files, Arch::Arm64, Medium::Iso).await?,
                        ),
                    ],
                }
            }
            Bootloader::None => unreachable!("an ISO without a boot loader is no target"),
        };
        Ok(Iso {
            tag: target.version.tag(),
            labelled: Quirks::of(&target.version).iso_label,
            boot,
        })
    }

    async fn grub_menu(
        &self,
        key: &Key,
        schematic: &Schematic,
        files: &Files<'_>,
        platforms: &[&str],
    ) -> Result<GrubMenu, Error> {
        let target = &key.target;
        Ok(GrubMenu {
            bios: self.iso_grub(files, platforms).await?,
            menu: iso_menu(target.cmdline.as_ref(), Reset::of(&target.version)),
            kernel: files.get("vmlinuz").await?,
            initramfs: self.initramfs(key, schematic, files).await?,
        })
    }
}
