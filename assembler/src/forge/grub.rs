//! GRUB's images, made once for each build: derived blobs under the hash of the build's files, and what is patched into them.

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use formats::{
    Digest,
    grub::{self, BiosFiles, Build, CdFiles, CdImage, Contents, Machine},
};
use serde::{Deserialize, Serialize};

use crate::{
    images::{Image, blocking},
    plan::grub::{BIOS_MODULES, DiskGrub, ISO_MODULES, IsoGrub, MODULES, Medium},
    platform::Arch,
    store::{self, Content, Node, Tree},
};

use super::{Error, Inner, Need, prepare::Files};

/// Raised whenever an image comes out differently from the same build.
const RECIPE: &str = "1";

/// Longest file of a build, in bytes; the largest real one has 250 KB.
const MAX_FILE: u64 = 4 << 20;

/// What is told of a build on an ISO: not its programs, whose names end otherwise.
const SHIPPED: [&str; 4] = [".mod", ".lst", ".sh", ".o"];

/// Which image of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Recipe {
    Bios(Medium),
    Efi(Machine, Medium),
}

/// An image that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Made {
    image: Content,
    /// The part that is patched, in base64; empty for UEFI.
    head: String,
    /// For [`CdImage`], of ISOs.
    rest: u32,
}

impl Recipe {
    fn folder(self) -> &'static str {
        match self {
            Self::Bios(_) => "usr/lib/grub/i386-pc",
            Self::Efi(Machine::X86_64, _) => "usr/lib/grub/x86_64-efi",
            Self::Efi(Machine::Arm64, _) => "usr/lib/grub/arm64-efi",
        }
    }

    fn medium(self) -> Medium {
        match self {
            Self::Bios(medium) | Self::Efi(_, medium) => medium,
        }
    }

    fn modules(self) -> Vec<&'static str> {
        let mut modules = MODULES.to_vec();
        if matches!(self, Self::Bios(_)) {
            modules.extend(BIOS_MODULES);
        }
        if self.medium() == Medium::Iso {
            modules.extend(ISO_MODULES);
        }
        modules
    }

    /// Files beside `kernel.img`, `moddep.lst` and modules.
    fn files(self) -> &'static [&'static str] {
        match self {
            Self::Bios(Medium::Disk) => &["diskboot.img", "lzma_decompress.img"],
            Self::Bios(Medium::Iso) => &["diskboot.img", "lzma_decompress.img", "cdboot.img"],
            Self::Efi(..) => &["modinfo.sh"],
        }
    }

    /// The image, the length of the part that is patched, and what the image on an ISO is known by. `files` are those of [`files`](Self::files).
    fn make(
        self,
        kernel: &[u8],
        modules: &[&[u8]],
        files: &[Bytes],
    ) -> Result<(Vec<u8>, usize, u32), grub::Error> {
        let medium = self.medium();
        let contents = |prefix| Contents {
            kernel,
            modules,
            config: None,
            prefix,
        };
        let bios = || BiosFiles {
            diskboot: &files[0],
            decompressor: &files[1],
        };
        match self {
            Self::Bios(Medium::Disk) => {
                let image = grub::bios(&bios(), &contents(medium.bios_prefix()))?;
                Ok((image, grub::SECTOR_LEN, 0))
            }
            Self::Bios(Medium::Iso) => {
                let files = CdFiles {
                    cdboot: &files[2],
                    bios: bios(),
                };
                let image = grub::cd(&files, &contents(medium.bios_prefix()))?;
                let rest = CdImage::new(&image)?.rest;
                Ok((image, grub::CD_HEAD_LEN, rest))
            }
            Self::Efi(machine, _) => {
                let build = Build::parse(&files[0]);
                let image = grub::efi(machine, build, &contents(medium.efi_prefix()))?;
                Ok((image, 0, 0))
            }
        }
    }
}

impl Inner {
    /// GRUB for a BIOS on a disk.
    pub(super) async fn disk_grub(&self, files: &Files<'_>) -> Result<DiskGrub, Error> {
        let made = self.grub(files, Recipe::Bios(Medium::Disk)).await?;
        Ok(DiskGrub {
            boot: self.boot_sector(files, "boot.img").await?,
            core_head: made.head(),
            core: made.image,
        })
    }

    /// GRUB for a BIOS on an ISO.
    pub(super) async fn iso_grub(&self, files: &Files<'_>) -> Result<IsoGrub, Error> {
        let recipe = Recipe::Bios(Medium::Iso);
        let made = self.grub(files, recipe).await?;
        let build = files.imager.tree.below(recipe.folder());
        let mut shipped = Vec::new();
        for (name, entry) in &build.entries {
            if let Node::File(content) = &entry.node
                && SHIPPED.iter().any(|end| name.ends_with(end))
            {
                if files.need == Need::Payload {
                    self.images.pin(&files.imager, content).await?;
                }
                shipped.push((format!("i386-pc/{name}"), content.clone()));
            }
        }
        Ok(IsoGrub {
            hybrid: self.boot_sector(files, "boot_hybrid.img").await?,
            image_head: made.head(),
            measure: made.measure(),
            image: made.image,
            files: shipped,
        })
    }

    /// GRUB for UEFI.
    pub(super) async fn efi_grub(
        &self,
        files: &Files<'_>,
        arch: Arch,
        medium: Medium,
    ) -> Result<Content, Error> {
        let machine = match arch {
            Arch::Amd64 => Machine::X86_64,
            Arch::Arm64 => Machine::Arm64,
        };
        let made = self.grub(files, Recipe::Efi(machine, medium)).await?;
        Ok(made.image)
    }

    /// `boot.img` or `boot_hybrid.img`.
    async fn boot_sector(&self, files: &Files<'_>, name: &str) -> Result<Bytes, Error> {
        let path = format!("{}/{name}", Recipe::Bios(Medium::Disk).folder());
        let content = self.images.file(&files.imager, &path)?;
        let len = grub::SECTOR_LEN;
        Ok(self.images.head(&files.imager, content, len).await?)
    }

    /// An image of the release's build, made when it is not there.
    async fn grub(&self, files: &Files<'_>, recipe: Recipe) -> Result<Made, Error> {
        let image = &files.imager;
        let build = image.tree.below(recipe.folder());
        let inputs = serde_json::to_string(&build).expect("a tree is plain data");
        let key = Digest::of(format!("{RECIPE} {recipe:?} {inputs}"));
        let known: Option<Made> = self.store.fact("grub", &key.hex());
        if let Some(known) = known
            && (files.need == Need::Layout
                || self.images.pin_stored(&known.image.digest).await?.is_some())
        {
            return Ok(known);
        }
        let made = self.read_build(image, &build, recipe).await?;
        let store = Arc::clone(&self.store);
        let name = format!("{}: {}", self.images.place(), recipe.folder());
        let flight = self.grubs.join(key, || async move {
            blocking(move || {
                let (bytes, head, rest) = made
                    .make(recipe)
                    .map_err(|source| Error::Grub { name, source })?;
                let made = Made {
                    image: store.put(&bytes)?,
                    head: BASE64_STANDARD.encode(&bytes[..head]),
                    rest,
                };
                store.remember("grub", &key.hex(), &made)?;
                Ok(made)
            })
            .await
        });
        flight.await.map_err(Error::Shared)
    }

    /// The files that a recipe takes, a few hundred kilobytes.
    async fn read_build(
        &self,
        image: &Arc<Image>,
        build: &Tree,
        recipe: Recipe,
    ) -> Result<Ingredients, Error> {
        let read = async |name: &str| {
            let path = format!("{}/{name}", recipe.folder());
            let content = self.images.file(image, &path)?;
            debug_assert!(
                build.file(name).is_some(),
                "the build is a part of the image"
            );
            if content.len > MAX_FILE {
                return Err(Error::Images(crate::images::Error::TooLong {
                    image: self.images.place(),
                    path,
                    limit: MAX_FILE,
                }));
            }
            let blob = self.images.pin(image, content).await?;
            let bytes = blocking(move || {
                use std::os::unix::fs::FileExt as _;
                let mut bytes = vec![0; usize::try_from(blob.len).expect("at most MAX_FILE")];
                blob.file.read_exact_at(&mut bytes, 0).map(|()| bytes)
            });
            let bytes = bytes.await.map_err(|source| store::Error::Io {
                path: content.digest.to_string().into(),
                source,
            })?;
            Ok(Bytes::from(bytes))
        };
        let order =
            grub::closure(&read("moddep.lst").await?, &recipe.modules()).map_err(|source| {
                Error::Grub {
                    name: format!("{}: {}", self.images.place(), recipe.folder()),
                    source,
                }
            })?;
        let mut ingredients = Ingredients {
            kernel: read("kernel.img").await?,
            modules: Vec::new(),
            files: Vec::new(),
        };
        for name in order {
            ingredients
                .modules
                .push(read(&format!("{name}.mod")).await?);
        }
        for name in recipe.files() {
            ingredients.files.push(read(name).await?);
        }
        Ok(ingredients)
    }
}

/// What a recipe takes, read.
struct Ingredients {
    kernel: Bytes,
    modules: Vec<Bytes>,
    files: Vec<Bytes>,
}

impl Ingredients {
    fn make(&self, recipe: Recipe) -> Result<(Vec<u8>, usize, u32), grub::Error> {
        let modules: Vec<&[u8]> = self.modules.iter().map(AsRef::as_ref).collect();
        recipe.make(&self.kernel, &modules, &self.files)
    }
}

impl Made {
    fn head(&self) -> Bytes {
        let head = BASE64_STANDARD.decode(&self.head);
        head.expect("written by this program and checked by nobody else")
            .into()
    }

    fn measure(&self) -> CdImage {
        CdImage {
            len: u32::try_from(self.image.len).expect("an image of less than 1 MiB"),
            rest: self.rest,
        }
    }
}
