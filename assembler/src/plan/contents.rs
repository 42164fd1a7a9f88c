//! The blobs that a disk is made of, with what is known of each: their checksums go into those of whole images.

use super::{Boot, Disk, Extension, Grub, Initramfs, SdBoot, Squashfs, Uki};
use crate::store::Content;

impl Disk {
    /// All of them, those in several places several times.
    pub fn contents(&self) -> Vec<&Content> {
        match &self.boot {
            Boot::SdBoot(sd_boot) => sd_boot.contents(),
            Boot::Grub(grub) => grub.contents(),
            Boot::DualBoot(sd_boot, grub) => [sd_boot.contents(), grub.contents()].concat(),
        }
    }
}

impl SdBoot {
    fn contents(&self) -> Vec<&Content> {
        let mut contents = vec![&self.boot_loader];
        contents.extend(self.uki.contents());
        contents
    }
}

impl Grub {
    fn contents(&self) -> Vec<&Content> {
        let mut contents = vec![&self.kernel];
        contents.extend(self.bios.iter().map(|grub| &grub.core));
        contents.extend(self.efi.iter().map(|(_, image)| image));
        contents.extend(self.initramfs.contents());
        contents
    }
}

impl Uki {
    fn contents(&self) -> Vec<&Content> {
        let mut contents = vec![&self.stub, &self.kernel, &self.splash];
        contents.extend(self.initramfs.contents());
        contents
    }
}

impl Initramfs {
    fn contents(&self) -> Vec<&Content> {
        let extensions = self.extensions.iter().chain(&self.modules_dep);
        let mut contents = vec![&self.base];
        contents.extend(extensions.flat_map(Extension::contents));
        contents
    }
}

impl Extension {
    fn contents(&self) -> Vec<&Content> {
        let squashfs = match &self.squashfs {
            Squashfs::Blob(content) => Some(content),
            Squashfs::Composed(_) => None,
        };
        let microcode = self.microcode.intel.iter().chain(&self.microcode.amd);
        squashfs
            .into_iter()
            .chain(&self.firmware)
            .chain(microcode)
            .collect()
    }
}
