//! What is made once from blobs of an image and kept: found again by the hash of everything that went into it.

use std::{
    io::{self, Read},
    num::NonZeroUsize,
    sync::Arc,
};

use formats::Digest;

use crate::{
    blobs::{BlobReader, Blobs as _},
    images::{Image, blocking},
    store::{Content, Node, Store, Tree},
};

use super::super::{Error, Inner, Need, preparing::UnderWay};

/// How often sources that were evicted or found damaged while they were read are fetched again.
const ROUNDS: usize = 3;

/// The blobs that something is made from. Each is open only while it is read: an image may have more files than a process
/// may have open.
pub(super) struct Sources {
    store: Arc<Store>,
    under_way: UnderWay,
}

impl Inner {
    /// The blob of this `kind` that `make` makes of the files of `tree`; made when it is not known, or needed and not there.
    ///
    /// `recipe` is the hash of everything that decides what is made. Whoever asks for the same one meanwhile waits for it.
    pub(super) async fn derived<F>(
        &self,
        kind: &'static str,
        recipe: Digest,
        image: &Arc<Image>,
        tree: &Tree,
        need: Need,
        make: F,
    ) -> Result<Content, Error>
    where
        F: FnOnce(&Store, &Sources) -> Result<Content, Error> + Clone + Send + 'static,
    {
        let known: Option<Content> = self.store.fact(kind, &recipe.hex());
        if let Some(known) = known
            && (need == Need::Layout || self.images.pin_stored(&known.digest).await?.is_some())
        {
            self.preparing.reused();
            return Ok(known);
        }
        let files = || {
            tree.entries.values().filter_map(|entry| match &entry.node {
                Node::File(content) => Some(content),
                _ => None,
            })
        };
        let total = files().map(|content| content.len).sum();
        let mut round = 0;
        loop {
            round += 1;
            for content in files() {
                // What is damaged shows only when it is read.
                if round > 1 || !self.store.contains(&content.digest) {
                    self.images.pin(image, content).await?;
                }
            }
            let what = format!("{kind} of {}", image.repository());
            let (store, preparing, make) = (
                Arc::clone(&self.store),
                Arc::clone(&self.preparing),
                make.clone(),
            );
            let work = || async move {
                blocking(move || {
                    let sources = Sources {
                        store: Arc::clone(&store),
                        under_way: preparing.begin(what, total),
                    };
                    let made = make(&store, &sources)?;
                    store.remember(kind, &recipe.hex(), &made)?;
                    sources.under_way.made(made.len);
                    Ok(made)
                })
                .await
            };
            match self.derived.join(recipe, work).await {
                Ok(made) => return Ok(made),
                // A blob that is missing was evicted, or dropped because it was damaged.
                Err(_)
                    if round < ROUNDS
                        && files().any(|content| !self.store.contains(&content.digest)) => {}
                Err(error) => return Err(Error::Shared(error)),
            }
        }
    }
}

/// The blob, read from its start to its end.
pub(super) fn open(sources: &Sources, digest: &Digest) -> io::Result<Counted> {
    Ok(Counted {
        reader: sources.store.open(digest)?.reader(0),
        under_way: sources.under_way.clone(),
    })
}

/// Threads that compress; they change no byte.
pub(super) fn threads() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// A blob whose bytes are counted as they are read.
pub(super) struct Counted {
    reader: BlobReader,
    under_way: UnderWay,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.reader.read(buffer)?;
        self.under_way.advance(len as u64);
        Ok(len)
    }
}
