//! From a target to its inputs: what is missing is fetched, what has to be made is made.

use std::sync::Arc;

use formats::pe;
use futures_util::future::try_join_all;

use crate::{
    catalog,
    images::{Image, blocking},
    plan::{self, Inputs},
    platform::Arch,
    quirks::Quirks,
    schematic::Schematic,
    store::Content,
    target::{Kind, Target},
    version::Version,
};

use super::{
    Artifact, Error, Inner, Need,
    artifact::{Images, Key, Known},
    lists::CATALOG_ARCH,
};

const GETTING_KERNEL: &str = "failed to get kernel";
const ENHANCING: &str = "error enhancing profile from schematic";
const GETTING_EXTENSIONS: &str =
    "error enhancing profile from schematic: error getting official extensions";

/// How often blobs that were evicted while the rest was prepared are fetched again.
const ROUNDS: usize = 3;

impl Inner {
    /// The images that a target is made from.
    pub(super) async fn digests(&self, target: &Target) -> Result<Images, Error> {
        let tag = target.version.tag();
        let (mut catalogs, mut references) = (Vec::new(), Vec::new());
        if !target.extensions.is_empty() {
            self.check_available(&target.version, GETTING_EXTENSIONS)
                .await?;
            catalogs = self.catalogs(&tag).await?;
            references = self
                .references(&target.extensions, &tag)
                .await
                .map_err(|error| error.within(ENHANCING))?;
        }
        self.check_available(&target.version, GETTING_KERNEL)
            .await?;
        Ok(Images {
            imager: self.images.resolve(&self.repositories.imager, &tag).await?,
            catalogs,
            references,
        })
    }

    /// Works out the layout, and fetches and makes the blobs when they are needed.
    pub(super) async fn prepare(
        &self,
        key: &Key,
        schematic: &Schematic,
        need: Need,
    ) -> Result<Artifact, Error> {
        for _ in 0..ROUNDS {
            let inputs = self.inputs(key, schematic, need).await?;
            let known = Known::new(plan::layout(&inputs)?);
            self.layouts.insert(key.clone(), known.clone());
            if let Some(artifact) = self.finish(known, need).await? {
                return Ok(artifact);
            }
        }
        Err(Error::Evicted)
    }

    async fn inputs(&self, key: &Key, schematic: &Schematic, need: Need) -> Result<Inputs, Error> {
        let target = &key.target;
        if target.kind == Kind::Cmdline {
            return Ok(Inputs::Cmdline(target.cmdline.clone()));
        }
        let repository = &self.repositories.imager;
        let imager = self
            .images
            .image(repository, &key.images.imager, CATALOG_ARCH)
            .await?;
        let files = Files {
            inner: self,
            imager,
            arch: target.arch,
            need,
        };
        Ok(match target.kind {
            Kind::Kernel => Inputs::Kernel(files.get("vmlinuz").await?),
            Kind::Initramfs => {
                Inputs::Initramfs(Box::new(self.initramfs(key, schematic, &files).await?))
            }
            Kind::Uki => Inputs::Uki(Box::new(self.uki(key, schematic, &files).await?)),
            Kind::Iso => Inputs::Iso(Box::new(self.iso(key, schematic, &files).await?)),
            Kind::Image => self.image(key, schematic, &files).await?,
            Kind::Cmdline | Kind::Installer => {
                unreachable!(
                    "a command line was answered above, and what is not built yet before that"
                )
            }
        })
    }

    pub(super) async fn uki(
        &self,
        key: &Key,
        schematic: &Schematic,
        files: &Files<'_>,
    ) -> Result<plan::Uki, Error> {
        let target = &key.target;
        let stub = files.get("systemd-stub.efi").await?;
        let kernel = files.get("vmlinuz").await?;
        let kernel_head = self
            .images
            .head(&files.imager, &kernel, pe::KERNEL_HEAD_LEN)
            .await?;
        Ok(plan::Uki {
            tag: target.version.tag(),
            stub_head: self.images.head(&files.imager, &stub, pe::HEAD_LEN).await?,
            stub,
            kernel,
            kernel_release: pe::kernel_release(&kernel_head),
            initramfs: self.initramfs(key, schematic, files).await?,
            splash: self.splash(files.need).await?,
            cmdline: target.cmdline.clone(),
            profiles: target.uki_profiles.clone(),
        })
    }

    pub(super) async fn initramfs(
        &self,
        key: &Key,
        schematic: &Schematic,
        files: &Files<'_>,
    ) -> Result<plan::Initramfs, Error> {
        let target = &key.target;
        let quirks = Quirks::of(&target.version);
        let named = self
            .named(&target.extensions, &key.images, &target.version.tag())
            .await
            .map_err(|error| error.within(ENHANCING))?;
        let fetched = named.iter().enumerate().map(|(place, extension)| {
            self.extension(place, extension, &target.version, target.arch, files.need)
        });
        let base = files.get("initramfs.xz").await?;
        let (mut extensions, mut modules) = (Vec::new(), Vec::new());
        for prepared in try_join_all(fetched).await? {
            extensions.push(prepared.extension);
            modules.push(prepared.modules);
        }
        extensions.extend(self.virtual_extensions(target, schematic)?);
        Ok(plan::Initramfs {
            modules_dep: self.modules_dep(files, &base, modules, &quirks).await?,
            base,
            extensions,
            zstd: quirks.zstd,
        })
    }

    /// Makes what any image with the extension needs of it.
    pub(super) async fn prepare_extension(
        &self,
        version: &Version,
        extension: &catalog::Extension,
        arch: Arch,
    ) -> Result<(), Error> {
        let named = self.official(extension)?;
        let prepared = self
            .extension(0, &named, version, arch, Need::Payload)
            .await?;
        let Some(modules) = prepared.modules else {
            return Ok(());
        };
        let repository = &self.repositories.imager;
        let imager = self.images.resolve(repository, &version.tag()).await?;
        let imager = self.images.image(repository, &imager, CATALOG_ARCH).await?;
        let files = Files {
            inner: self,
            imager,
            arch,
            need: Need::Payload,
        };
        let base = files.get("initramfs.xz").await?;
        self.read_modules(&files, &base, &[modules], &Quirks::of(version))
            .await
    }

    /// The boot picture, a blob of the program itself.
    async fn splash(&self, need: Need) -> Result<Content, Error> {
        if need == Need::Payload && self.images.pin_stored(&self.splash.digest).await?.is_none() {
            let store = Arc::clone(&self.store);
            blocking(move || store.put(&formats::splash::bmp())).await?;
        }
        Ok(self.splash.clone())
    }
}

/// The files that a release installs for one architecture.
pub(super) struct Files<'a> {
    pub(super) inner: &'a Inner,
    pub(super) imager: Arc<Image>,
    pub(super) arch: Arch,
    pub(super) need: Need,
}

impl Files<'_> {
    /// A file; in the store when this returns, if its bytes are needed.
    pub(super) async fn get(&self, name: &str) -> Result<Content, Error> {
        let content = self.inner.installed(&self.imager, self.arch.name(), name)?;
        if self.need == Need::Payload {
            self.inner.images.pin(&self.imager, content).await?;
        }
        Ok(content.clone())
    }
}
