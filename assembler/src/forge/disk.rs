//! What a disk image is made of: what boots it, with kernel and initramfs, and META.

use super::{Error, Inner, artifact::Key, prepare::Files};
use crate::{
    plan::{self, Boot, Disk, SdBoot},
    platform::Arch,
    quirks::Quirks,
    schematic::Schematic,
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
            boot: Boot::SdBoot(self.sd_boot(key, schematic, files).await?),
            meta: target.meta.clone(),
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
            boot_loader_name: match key.target.arch {
                Arch::Amd64 => "BOOTX64.efi",
                Arch::Arm64 => "BOOTAA64.efi",
            },
            uki: self.uki(key, schematic, files).await?,
        })
    }
}
