//! The EFI system partition (spec/disk.md 2.1, 2.2).

use formats::{Layout, fat};

use super::{Boot, Disk, Grub, SdBoot};
use crate::plan::{EPOCH, Error, push};

/// systemd-boot's configuration.
const LOADER_CONF: &str = "# systemd-boot configuration\n\ntimeout 10\n";

impl Disk {
    /// The partition, of `len` bytes.
    pub(super) fn esp(&self, len: u64) -> Result<Layout, Error> {
        let root = match &self.boot {
            Boot::SdBoot(sd_boot) | Boot::DualBoot(sd_boot, _) => sd_boot.root()?,
            Boot::Grub(grub) => grub.root()?,
        };
        let geometry = fat::Geometry::partition(len, self.sector_len)?;
        let volume = fat::Volume {
            geometry,
            id: fat::INVARIANT_ID,
            label: "EFI".parse()?,
            label_epoch: fat::INVARIANT_EPOCH,
            epoch: i64::from(EPOCH),
            root,
        };
        volume.layout().map_err(|error| match error {
            fat::Error::DoesNotFit { needed, available } => Error::PartitionFull {
                partition: "ESP",
                what: "boot loader and UKI",
                len,
                needed: needed * geometry.cluster_len(),
                available: u64::from(available) * geometry.cluster_len(),
            },
            error => error.into(),
        })
    }
}

impl SdBoot {
    fn root(&self) -> Result<fat::Directory, Error> {
        let mut boot_loader = Layout::new();
        push(&mut boot_loader, "boot loader", &self.boot_loader);
        let mut configuration = Layout::new();
        configuration.bytes(LOADER_CONF.as_bytes());
        directory([
            (format!("EFI/boot/{}", self.boot_loader_name), boot_loader),
            (
                format!("EFI/Linux/Talos-{}.efi", self.uki.tag),
                self.uki.layout()?,
            ),
            ("loader/loader.conf".to_owned(), configuration),
        ])
    }
}

impl Grub {
    fn root(&self) -> Result<fat::Directory, Error> {
        directory(self.efi.iter().map(|(name, image)| {
            let mut content = Layout::new();
            push(&mut content, "boot loader", image);
            (format!("EFI/boot/{name}"), content)
        }))
    }
}

fn directory(files: impl IntoIterator<Item = (String, Layout)>) -> Result<fat::Directory, Error> {
    let mut root = fat::Directory::default();
    for (path, content) in files {
        let file = fat::File {
            attributes: fat::Attributes::ARCHIVE,
            content,
        };
        root.insert(&path, file)?;
    }
    Ok(root)
}
