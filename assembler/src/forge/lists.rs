//! What there is: versions, extensions, overlays, command line tools.

use std::{sync::Arc, time::Duration};

use formats::Digest;

use crate::{
    catalog,
    images::{self, Image},
    quirks::Quirks,
    source::Repository,
    store::Content,
    version::{self, Version},
};

use super::{Artifact, Components, Error, Forge, Inner, Need, artifact::Known};

/// Longest catalogue, in bytes; real ones have some ten kilobytes.
const MAX_CATALOG: u64 = 4 << 20;

/// The architecture whose catalogues are read and whose imager holds the files of both.
pub(super) const CATALOG_ARCH: &str = "amd64";

#[derive(Debug)]
pub(super) struct Repositories {
    pub(super) imager: Repository,
    pub(super) extensions: Repository,
    overlays: Repository,
    talosctl: Repository,
}

impl Repositories {
    pub(super) fn new(names: &Components) -> Result<Self, Error> {
        Ok(Self {
            imager: names.imager.parse()?,
            extensions: names.extensions.parse()?,
            overlays: names.overlays.parse()?,
            talosctl: names.talosctl.parse()?,
        })
    }
}

impl Forge {
    /// The versions on offer, oldest first.
    pub async fn versions(&self) -> Result<Vec<Version>, Error> {
        self.inner.versions().await
    }

    /// How long ago the source gave the list of versions, for the metric; `None` when it has not been asked for.
    pub fn versions_age(&self) -> Option<Duration> {
        let inner = &self.inner;
        inner.images.tags_age(&inner.repositories.imager)
    }

    /// Images that were used without their signature being verified, for the metric.
    pub fn images_unverified(&self) -> u64 {
        self.inner.images.unverified()
    }

    /// The official extensions of a version.
    pub async fn extensions(&self, version: &str) -> Result<catalog::Extensions, Error> {
        let version = Version::parse(version)?;
        self.inner.available(&version).await?;
        let digests = self.inner.catalogs(&version.tag()).await?;
        self.inner.extensions(&digests).await
    }

    /// The official overlays of a version; none before there were any.
    pub async fn overlays(&self, version: &str) -> Result<catalog::Overlays, Error> {
        let version = Version::parse(version)?;
        if !Quirks::of(&version).overlay {
            return Ok(catalog::Overlays::default());
        }
        self.inner.available(&version).await?;
        let image = self
            .inner
            .tagged(&self.inner.repositories.overlays, &version)
            .await?;
        let text = self
            .inner
            .images
            .small(&image, "overlays.yaml", MAX_CATALOG)
            .await?;
        Ok(catalog::Overlays::parse(text.as_deref())?)
    }

    /// The names of a version's `talosctl` programs; none before there were any.
    pub async fn talosctl(&self, version: &str) -> Result<Vec<String>, Error> {
        let version = Version::parse_tolerant(version)?;
        self.inner.available(&version).await?;
        if !Quirks::of(&version).talosctl {
            return Ok(Vec::new());
        }
        let image = self
            .inner
            .tagged(&self.inner.repositories.talosctl, &version)
            .await?;
        let names = image
            .tree
            .entries
            .keys()
            .filter(|name| name.starts_with("talosctl-"));
        Ok(names.cloned().collect())
    }

    /// One of a version's `talosctl` programs.
    pub async fn talosctl_file(
        &self,
        version: &str,
        name: &str,
        need: Need,
    ) -> Result<Artifact, Error> {
        let version = Version::parse_tolerant(version)?;
        self.inner.available(&version).await?;
        let image = match self
            .inner
            .tagged(&self.inner.repositories.talosctl, &version)
            .await
        {
            Err(Error::Images(images::Error::Source(error)))
                if error.kind() == crate::error::Kind::NotFound =>
            {
                return Err(Error::NotAvailable(version.to_string()));
            }
            image => image?,
        };
        let known = name
            .starts_with("talosctl-")
            .then(|| image.tree.file(name))
            .flatten();
        let content = known.ok_or_else(|| Error::NoSuchFile(format!("talosctl file {name:?}")))?;
        let mut layout = formats::Layout::new();
        layout.section("talosctl");
        layout.blob(content.digest, 0, content.len);
        let known = Known::new(layout);
        loop {
            if need == Need::Payload {
                self.inner.images.pin(&image, content).await?;
            }
            if let Some(artifact) = self.inner.finish(known.clone(), need).await? {
                return Ok(artifact);
            }
        }
    }
}

impl Inner {
    pub(super) async fn versions(&self) -> Result<Vec<Version>, Error> {
        let tags = self.images.tags(&self.repositories.imager).await?;
        Ok(version::available(
            &tags.value,
            &self.min_version,
            &self.broken_versions,
        ))
    }

    /// That a version is on offer.
    pub(super) async fn available(&self, version: &Version) -> Result<(), Error> {
        let versions = self.versions().await?;
        if versions
            .iter()
            .any(|offered| offered.tag() == version.tag())
        {
            return Ok(());
        }
        Err(Error::NotAvailable(version.to_string()))
    }

    /// The same, said in a context.
    pub(super) async fn check_available(
        &self,
        version: &Version,
        context: &'static str,
    ) -> Result<(), Error> {
        self.available(version).await.map_err(|error| match error {
            error @ Error::NotAvailable(_) => error.within(context),
            error => error,
        })
    }

    /// The catalogue of extensions in an image.
    pub(super) async fn extension_catalog(
        &self,
        repository: &Repository,
        digest: &Digest,
        shown_host: &str,
    ) -> Result<catalog::Extensions, Error> {
        let image = self.images.image(repository, digest, CATALOG_ARCH).await?;
        let digests = self
            .images
            .small(&image, "image-digests", MAX_CATALOG)
            .await?;
        let descriptions = self
            .images
            .small(&image, "descriptions.yaml", MAX_CATALOG)
            .await?;
        Ok(catalog::Extensions::parse(
            digests.as_deref(),
            descriptions.as_deref(),
            shown_host,
        )?)
    }

    async fn tagged(
        &self,
        repository: &Repository,
        version: &Version,
    ) -> Result<Arc<Image>, Error> {
        let digest = self.images.resolve(repository, &version.tag()).await?;
        Ok(self.images.image(repository, &digest, CATALOG_ARCH).await?)
    }

    /// A file of the imager's.
    pub(super) fn installed<'a>(
        &self,
        imager: &'a Image,
        arch: &str,
        name: &str,
    ) -> Result<&'a Content, Error> {
        Ok(self
            .images
            .file(imager, &format!("usr/install/{arch}/{name}"))?)
    }
}
