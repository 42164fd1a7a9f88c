//! A source whose manifests are remembered: they are immutable, and needed again when the source is down.

use std::sync::Arc;

use formats::Digest;
use futures_util::future::{BoxFuture, FutureExt as _};

use crate::{
    source::{BlobStream, Descriptor, Error, Manifest, Repository, Source},
    store::Store,
};

#[derive(Debug)]
pub(super) struct Cached {
    source: Arc<dyn Source>,
    store: Arc<Store>,
}

impl Cached {
    pub(super) fn new(source: Arc<dyn Source>, store: Arc<Store>) -> Self {
        Self { source, store }
    }

    /// A remembered manifest, unless its bytes are no longer what they were.
    fn remembered(&self, digest: &Digest) -> Option<Manifest> {
        let text: String = self.store.fact("manifests", &digest.hex())?;
        (Digest::of(&text) == *digest).then(|| Manifest::new(text.into()).ok())?
    }
}

impl Source for Cached {
    fn tags<'a>(&'a self, repository: &'a Repository) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        self.source.tags(repository)
    }

    fn resolve<'a>(
        &'a self,
        repository: &'a Repository,
        tag: &'a str,
    ) -> BoxFuture<'a, Result<Digest, Error>> {
        self.source.resolve(repository, tag)
    }

    fn manifest<'a>(
        &'a self,
        repository: &'a Repository,
        digest: &'a Digest,
    ) -> BoxFuture<'a, Result<Manifest, Error>> {
        async move {
            if let Some(manifest) = self.remembered(digest) {
                return Ok(manifest);
            }
            let manifest = self.source.manifest(repository, digest).await?;
            if let Ok(text) = std::str::from_utf8(&manifest.bytes)
                && let Err(error) = self.store.remember("manifests", &digest.hex(), &text)
            {
                tracing::warn!(%error, "a manifest will have to be fetched again");
            }
            Ok(manifest)
        }
        .boxed()
    }

    fn place(&self) -> String {
        self.source.place()
    }

    fn place_of(&self, repository: &Repository) -> String {
        self.source.place_of(repository)
    }

    fn blob<'a>(
        &'a self,
        repository: &'a Repository,
        descriptor: &'a Descriptor,
    ) -> BoxFuture<'a, Result<BlobStream, Error>> {
        self.source.blob(repository, descriptor)
    }
}
