//! Extensions by name: where their images lie, by the catalogues or by themselves (spec/http.md 6.4).

use bstr::{BString, ByteSlice as _};
use formats::Digest;
use futures_util::future::try_join_all;

use crate::{
    catalog,
    error::Kind,
    source::{Reference, Repository},
};

use super::{Error, Inner, artifact::Images};

/// An extension that was found.
#[derive(Debug)]
pub(super) struct Named {
    /// As the catalogue calls it, or the reference.
    pub(super) name: String,
    /// Where its image lies.
    pub(super) repository: Repository,
    /// The image, for all architectures.
    pub(super) digest: Digest,
}

impl Inner {
    /// What the catalogues of extensions of a release are at the moment, the release's own first. An extra one need not have
    /// every version.
    pub(super) async fn catalogs(&self, tag: &str) -> Result<Vec<Option<Digest>>, Error> {
        let own = self
            .images
            .resolve(&self.repositories.extensions, tag)
            .await?;
        let mut digests = vec![Some(own)];
        for extra in &self.extra_catalogs {
            let repository = extra.place(&extra.repository);
            digests.push(match self.images.resolve(&repository, tag).await {
                Ok(digest) => Some(digest),
                Err(error) if error.kind() == Kind::NotFound => {
                    tracing::info!(%repository, tag, "the extra catalogue does not have this version");
                    None
                }
                Err(error) => return Err(error.into()),
            });
        }
        Ok(digests)
    }

    /// All extensions of the catalogues: those of an earlier extra catalogue win over those of a later one, and all of them
    /// over the release's own.
    pub(super) async fn extensions(
        &self,
        catalogs: &[Option<Digest>],
    ) -> Result<catalog::Extensions, Error> {
        let Some((Some(own), extra)) = catalogs.split_first() else {
            return Ok(catalog::Extensions::default());
        };
        let repository = &self.repositories.extensions;
        let mut all = self
            .extension_catalog(repository, own, &self.shown_host)
            .await?;
        let extra = self.extra_catalogs.iter().zip(extra).enumerate();
        for (number, (place, digest)) in extra.rev() {
            if let Some(digest) = digest {
                let repository = place.place(&place.repository);
                let host = &place.registry.host;
                let theirs = self.extension_catalog(&repository, digest, host).await?;
                all = all.behind(theirs, number);
            }
        }
        Ok(all)
    }

    /// For each of `names` that is an image reference, and may be one, the digest of its image.
    pub(super) async fn references(
        &self,
        names: &[BString],
        tag: &str,
    ) -> Result<Vec<Option<Digest>>, Error> {
        try_join_all(names.iter().map(|name| async {
            let Some((repository, reference)) = self.reference(name) else {
                return Ok(None);
            };
            if let Some(digest) = reference.digest {
                return Ok(Some(digest));
            }
            let wanted = reference
                .tag
                .as_deref()
                .expect("either of the two is there");
            match self.images.resolve(&repository, wanted).await {
                Ok(digest) => Ok(Some(digest)),
                Err(error) if error.kind() == Kind::NotFound => Err(absent(name, tag)),
                Err(error) => Err(error.into()),
            }
        }))
        .await
    }

    /// Where the images of `names` lie.
    pub(super) async fn named(
        &self,
        names: &[BString],
        images: &Images,
        tag: &str,
    ) -> Result<Vec<Named>, Error> {
        let all = self.extensions(&images.catalogs).await?;
        let references = images.references.iter();
        let named = names.iter().zip(references).map(|(name, digest)| {
            match (digest, self.reference(name)) {
                (Some(digest), Some((repository, _))) => Ok(Named {
                    name: name.to_string(),
                    repository,
                    digest: *digest,
                }),
                _ => self.official(all.find(name, tag)?),
            }
        });
        named.collect()
    }

    /// Where an extension of a catalogue lies.
    pub(super) fn official(&self, extension: &catalog::Extension) -> Result<Named, Error> {
        let repository: Repository = extension.name.parse()?;
        Ok(Named {
            name: extension.name.clone(),
            repository: match extension.extra {
                Some(number) => self.extra_catalogs[number].place(&repository),
                None => repository,
            },
            digest: extension.digest.parse()?,
        })
    }

    /// A name that is an image reference, with its registry and a tag or a digest, if the operator allows that.
    fn reference(&self, name: &BString) -> Option<(Repository, Reference)> {
        if !self.allow_references {
            return None;
        }
        let reference: Reference = name.to_str().ok()?.parse().ok()?;
        if reference.tag.is_none() && reference.digest.is_none() {
            return None;
        }
        let repository = reference.repository.at(reference.host.as_deref()?);
        Some((repository, reference))
    }
}

impl super::ExtraCatalog {
    /// Where a repository of the catalogue lies.
    fn place(&self, repository: &Repository) -> Repository {
        let repository = match &self.namespace {
            Some(namespace) => repository.below(namespace),
            None => repository.clone(),
        };
        repository.at(&self.registry.host)
    }
}

fn absent(name: &BString, tag: &str) -> Error {
    catalog::Error::NoExtension {
        name: name.to_string(),
        tag: tag.to_owned(),
    }
    .into()
}
