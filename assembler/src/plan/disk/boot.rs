//! The BOOT partition: what GRUB boots (spec/disk.md 2.1, 2.3).

use formats::{Layout, gpt::Guid, xfs};

use super::{Grub, partitions::Part};
use crate::plan::{EPOCH, Error, push};

impl Grub {
    /// The BOOT partition, of `len` bytes: kernel, initramfs and the menu.
    pub(super) fn volume(&self, len: u64, sector_len: u16) -> Result<Layout, Error> {
        let mut kernel = Layout::new();
        push(&mut kernel, "kernel", &self.kernel);
        let mut menu = Layout::new();
        menu.bytes(self.menu.to_vec());
        let mut root = xfs::Directory::new(0o755);
        root.insert_directory("A", 0o755)?;
        root.insert_directory("grub", 0o700)?;
        for (path, mode, content) in [
            ("A/vmlinuz", 0o644, kernel),
            ("A/initramfs.xz", 0o644, self.initramfs.layout()?),
            ("grub/grub.cfg", 0o600, menu),
        ] {
            root.insert(path, xfs::File { mode, content })?;
        }
        let label = Part::Boot.name();
        let volume = xfs::Volume {
            len,
            sector_len,
            uuid: *Guid::of_label(label).as_bytes(),
            label: label.parse()?,
            epoch: i64::from(EPOCH),
            root,
        };
        volume.layout().map_err(|error| match error {
            xfs::Error::DoesNotFit { needed, available } => Error::PartitionFull {
                partition: label,
                what: "kernel and initramfs",
                len,
                needed: needed * xfs::BLOCK_LEN,
                available: available * xfs::BLOCK_LEN,
            },
            error => error.into(),
        })
    }
}
