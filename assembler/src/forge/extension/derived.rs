//! What is made once from blobs of an image and kept: found again by the hash of everything that went into it.

use std::{collections::HashMap, num::NonZeroUsize, sync::Arc};

use formats::Digest;

use crate::{
    blobs::{Blob, BlobReader},
    images::{Image, blocking},
    store::{Content, Node, Store, Tree},
};

use super::super::{Error, Inner, Need};

/// The blobs that something is made from, open.
pub(super) type Sources = HashMap<Digest, Blob>;

impl Inner {
    /// The blob of this `kind` that `make` makes of the files of `tree`; made when it is not known, or needed and not there.
    ///
    /// `recipe` is the hash of everything that decides what is made. Whoever asks for the same one meanwhile waits for it.
    pub(super) async fn derived(
        &self,
        kind: &'static str,
        recipe: Digest,
        image: &Arc<Image>,
        tree: &Tree,
        need: Need,
        make: impl FnOnce(&Store, &Sources) -> Result<Content, Error> + Send + 'static,
    ) -> Result<Content, Error> {
        let known: Option<Content> = self.store.fact(kind, &recipe.hex());
        if let Some(known) = known
            && (need == Need::Layout || self.images.pin_stored(&known.digest).await?.is_some())
        {
            return Ok(known);
        }
        let mut sources = Sources::new();
        for entry in tree.entries.values() {
            if let Node::File(content) = &entry.node {
                sources.insert(content.digest, self.images.pin(image, content).await?);
            }
        }
        let store = Arc::clone(&self.store);
        let flight = self.derived.join(recipe, || async move {
            blocking(move || {
                let made = make(&store, &sources)?;
                store.remember(kind, &recipe.hex(), &made)?;
                Ok(made)
            })
            .await
        });
        flight.await.map_err(Error::Shared)
    }
}

/// The blob, read from its start to its end.
pub(super) fn open(sources: &Sources, digest: &Digest) -> BlobReader {
    let blob = sources.get(digest);
    blob.expect("every file of the tree was pinned").reader(0)
}

/// Threads that compress; they change no byte.
pub(super) fn threads() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
