//! The initramfs: the release's own, unchanged, between what its extensions need before and after it
//! (spec/initramfs.md 4.2).
//!
//! ```text
//! ┌──────────────────────┬────────────────────────┬─────────────────────────┬─────────────────────┬─┄┄
//! │ archive of microcode │ initramfs of a release │ frame: archive of .sqsh │ frame: firmware of  │
//! │ not compressed       │ as it is               │ and extensions.yaml     │ an extension        │
//! └──────────────────────┴────────────────────────┴─────────────────────────┴─────────────────────┴─┄┄
//!   where there is some                             raw blocks                compressed, made once
//! ```
//!
//! The kernel takes a compressed archive only whole, in one frame; the rest of it would be lost without an error. So what is
//! compressed apart is an archive of its own, and names the directories of its files again. Archives are unpacked in order:
//! the firmware of a later extension replaces that of an earlier one.

use formats::{Digest, Layout, cpio, crc::Crc, xz, zstd};

use super::{EPOCH, Error, Initramfs, Squashfs, push};
use crate::{
    extension::{Layer, Microcode, checkout_order, extensions_yaml},
    store::Content,
};

/// Where the kernel looks for microcode, in archives that are not compressed and come first (spec/initramfs.md 4.4).
const MICROCODE: [&str; 3] = ["kernel", "kernel/x86", "kernel/x86/microcode"];

impl Initramfs {
    pub(super) fn layout(&self) -> Result<Layout, Error> {
        let mut layout = Layout::new();
        if let Some(early) = self.early()? {
            layout.append(&early);
        }
        push(&mut layout, "initramfs of the release", &self.base);
        if self.extensions.is_empty() {
            return Ok(layout);
        }
        let archive = cpio::archive(&self.members())?;
        if self.zstd {
            layout.append(&zstd::frame(&archive));
        } else {
            let crc = |crc, digest: &Digest, offset, len| {
                let made = self
                    .extensions
                    .iter()
                    .chain(&self.modules_dep)
                    .find_map(|extension| match &extension.squashfs {
                        Squashfs::Blob(content) if content.digest == *digest => Some(content),
                        _ => None,
                    });
                made?.sums.crc(crc, offset, len)
            };
            let known = xz::Known {
                crc: &crc,
                packed: &|_| None,
            };
            let stream = xz::stream(&archive, Crc::Crc32, known);
            layout.append(&stream);
        }
        for index in checkout_order(self.extensions.len()) {
            if let Some(firmware) = &self.extensions[index].firmware {
                push(&mut layout, &format!("firmware of {index}.sqsh"), firmware);
            }
        }
        Ok(layout)
    }

    /// The archive in front, if there is microcode: updates of one vendor are one file.
    fn early(&self) -> Result<Option<Layout>, Error> {
        let order = checkout_order(self.extensions.len());
        let files = |of: fn(&Microcode) -> &[Content]| {
            let mut joined = Layout::new();
            for content in order
                .iter()
                .flat_map(|index| of(&self.extensions[*index].microcode))
            {
                joined.blob(content.digest, 0, content.len);
            }
            joined
        };
        let parts = [
            (Microcode::AMD, files(|microcode| &microcode.amd)),
            (Microcode::INTEL, files(|microcode| &microcode.intel)),
        ];
        let mut members: Vec<_> = MICROCODE
            .iter()
            .map(|name| cpio::Entry::directory(*name, EPOCH))
            .collect();
        for (name, content) in parts {
            if !content.is_empty() {
                let name = format!("{}/{name}", MICROCODE[2]);
                members.push(cpio::Entry::file(name, EPOCH, content));
            }
        }
        if members.len() == MICROCODE.len() {
            return Ok(None);
        }
        Ok(Some(cpio::archive(&members)?))
    }

    /// The appended archive's members, by name: no entry for the root, whose mode would become that of `/`.
    fn members(&self) -> Vec<cpio::Entry> {
        let mut members = Vec::new();
        let mut layers = Vec::new();
        let listed = checkout_order(self.extensions.len())
            .into_iter()
            .map(|index| (index.to_string(), &self.extensions[index]));
        let modules_dep = self
            .modules_dep
            .iter()
            .map(|extension| ("modules.dep".to_owned(), extension));
        for (name, extension) in listed.chain(modules_dep) {
            let image = format!("{name}.sqsh");
            members.push(cpio::Entry::file(
                image.as_str(),
                EPOCH,
                extension.squashfs.layout(),
            ));
            layers.push(Layer {
                image,
                metadata: extension.metadata.clone(),
            });
        }
        let mut yaml = Layout::new();
        yaml.bytes(extensions_yaml(&layers));
        members.push(cpio::Entry::file("extensions.yaml", EPOCH, yaml));
        members.sort_by(|one, other| one.name.cmp(&other.name));
        members
    }
}

impl Squashfs {
    fn layout(&self) -> Layout {
        match self {
            Self::Blob(content) => {
                let mut layout = Layout::new();
                push(&mut layout, "extension", content);
                layout
            }
            Self::Composed(layout) => layout.clone(),
        }
    }
}
