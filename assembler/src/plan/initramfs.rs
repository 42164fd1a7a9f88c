//! The initramfs: the release's own, unchanged, and behind it one archive of extensions in a frame of its own
//! (spec/initramfs.md 4.2).

use formats::{Digest, Layout, cpio, crc::Crc, xz, zstd};

use super::{EPOCH, Error, Initramfs, Squashfs, push};
use crate::extension::{Layer, checkout_order, extensions_yaml};

impl Initramfs {
    pub(super) fn layout(&self) -> Result<Layout, Error> {
        let mut layout = Layout::new();
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
        Ok(layout)
    }

    /// The appended archive's members, by name: no entry for the root, whose mode would become that of `/`.
    fn members(&self) -> Vec<cpio::Entry> {
        let mut members = Vec::new();
        let mut layers = Vec::new();
        for index in checkout_order(self.extensions.len()) {
            let extension = &self.extensions[index];
            let image = format!("{index}.sqsh");
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
