//! System extensions, taken apart and made ready: once for each image, by its content.

mod derived;
mod firmware;
pub(super) mod squashfs;

use std::sync::{Arc, PoisonError};

use crate::{
    extension::{self, ExtraInfo, Manifest, Parts},
    images::Image,
    plan,
    platform::Arch,
    quirks::Quirks,
    schematic::Schematic,
    store::{self, Tree},
    target::Target,
    version::Version,
};

use super::{Error, Inner, Need, named::Named};

/// Longest manifest, in bytes; real ones have some hundred.
const MAX_MANIFEST: u64 = 1 << 20;

/// An extension that is ready, and what it has for the index of modules.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) extension: plan::Extension,
    pub(super) modules: Option<Modules>,
}

/// The kernel modules of an extension.
#[derive(Debug)]
pub(super) struct Modules {
    /// The extension, as the catalogue calls it.
    pub(super) name: String,
    /// Where their blobs come from.
    pub(super) image: Arc<Image>,
    /// Everything below the directory of modules: a directory named after the kernel, as a rule.
    pub(super) tree: Tree,
}

impl Inner {
    /// The extension `named`, which is number `place` of a schematic's list, for a version of Talos.
    pub(super) async fn extension(
        &self,
        place: usize,
        named: &Named,
        version: &Version,
        arch: Arch,
        need: Need,
    ) -> Result<Prepared, Error> {
        let image = self
            .images
            .image(&named.repository, &named.digest, arch.name())
            .await?;
        let manifest = self
            .images
            .small(&image, "manifest.yaml", MAX_MANIFEST)
            .await?;
        let manifest = load(&image.tree, manifest.as_deref()).map_err(|error| error.at(place))?;
        manifest.validate(version.core(), &version.to_string())?;
        let quirks = Quirks::of(version);
        let rootfs = image.tree.below("rootfs");
        self.warn(named, &rootfs, &quirks);
        let name = &manifest.metadata.name;
        let parts = Parts::of(name, rootfs, &quirks)?;
        if need == Need::Payload {
            for content in parts.microcode.files() {
                self.images.pin(&image, content).await?;
            }
        }
        let firmware = match &parts.firmware {
            Some(tree) => Some(self.firmware(&image, tree, &quirks, need).await?),
            None => None,
        };
        let made = self.mounted(&image, parts.mounted, &quirks, need).await?;
        Ok(Prepared {
            extension: plan::Extension {
                metadata: manifest.metadata,
                squashfs: plan::Squashfs::Blob(made),
                firmware,
                microcode: parts.microcode,
            },
            modules: parts.modules.map(|tree| Modules {
                name: named.name.clone(),
                image,
                tree,
            }),
        })
    }

    /// Says once for each image what it should not hold; nothing is refused for it.
    fn warn(&self, named: &Named, rootfs: &Tree, quirks: &Quirks) {
        /// Findings of one image that are told apart.
        const SHOWN: usize = 10;
        if !self
            .linted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(named.digest)
        {
            return;
        }
        let found = extension::lint(rootfs, quirks);
        for lint in found.iter().take(SHOWN) {
            tracing::warn!(extension = named.name, "{lint}");
        }
        if found.len() > SHOWN {
            let more = found.len() - SHOWN;
            tracing::warn!(
                extension = named.name,
                more,
                "further files are not allowed"
            );
        }
    }

    /// The extensions that come with the schematic itself: its name, and the machine configuration.
    pub(super) fn virtual_extensions(
        &self,
        target: &Target,
        schematic: &Schematic,
    ) -> Result<Vec<plan::Extension>, Error> {
        let quirks = Quirks::of(&target.version);
        let mut made = Vec::new();
        if target.schematic_extension {
            let extra = if quirks.overlay {
                ExtraInfo::Schematic
            } else {
                ExtraInfo::Omitted
            };
            made.push(extension::schematic_extension(
                schematic,
                &self.external_url,
                extra,
            ));
        }
        if let Some(config) = &target.embedded_config {
            made.push(extension::embedded_config(config));
        }
        made.into_iter()
            .map(|extension| squashfs::compose(extension, &quirks))
            .collect()
    }
}

/// What an image says of itself, if it is an extension at all (spec/initramfs.md 1.1): its root is looked through in order of
/// name.
fn load(tree: &Tree, manifest: Option<&[u8]>) -> Result<Manifest, extension::Error> {
    let mut parsed = None;
    let mut has_rootfs = false;
    for (path, entry) in &tree.entries {
        match path.split_once('/').map_or(path.as_str(), |(root, _)| root) {
            "manifest.yaml" if path == "manifest.yaml" => {
                let text = manifest.ok_or(extension::Error::NoManifest)?;
                parsed = Some(Manifest::parse(text)?);
            }
            "rootfs" if path != "rootfs" || entry.node == store::Node::Directory => {
                has_rootfs = true;
            }
            root => return Err(extension::Error::Unexpected(root.to_owned())),
        }
    }
    let manifest = parsed.ok_or(extension::Error::NoManifest)?;
    if !has_rootfs {
        return Err(extension::Error::NoRootfs);
    }
    Ok(manifest)
}
