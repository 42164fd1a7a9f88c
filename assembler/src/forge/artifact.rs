//! Artifacts: layouts with the blobs under them, known once, pinned while they are read.

use std::{io, sync::Arc};

use formats::{Digest, Layout};

use crate::{
    blobs::{Blob, Blobs, NoBlobs},
    images::blocking,
    plan,
    quirks::Quirks,
    schematic::{Id, Schematic},
    store::Store,
    target::Target,
};

use super::{Error, Forge, Inner, Need};

/// An artifact, ready to be answered with.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// What it is made of.
    pub layout: Arc<Layout>,
    /// Equal for equal bytes, on every replica and after every restart.
    pub etag: Digest,
    /// The blobs, open; none when only the layout was needed.
    pub blobs: Arc<dyn Blobs>,
    /// Whether it was known already, and all that was needed of it was there.
    pub was_known: bool,
}

/// Blobs held open: eviction passes them by, and they stay readable whatever happens to the store.
#[derive(Debug)]
struct Pinned {
    store: Arc<Store>,
    /// In the order of the digests.
    blobs: Vec<(Digest, Blob)>,
}

impl Blobs for Pinned {
    fn open(&self, digest: &Digest) -> io::Result<Blob> {
        match self.blobs.binary_search_by_key(digest, |(name, _)| *name) {
            Ok(place) => Ok(self.blobs[place].1.clone()),
            Err(_) => NoBlobs.open(digest),
        }
    }

    fn doubt(&self, digest: &Digest) {
        self.store.doubt(digest);
    }
}

/// What an artifact is made from; equal keys make equal layouts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) schematic: Id,
    pub(super) target: Target,
    pub(super) images: Images,
}

/// The images that a target is made from, as their tags named them at the time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Images {
    pub(super) imager: Digest,
    /// The catalogues of extensions, the release's own first; `None` for those that do not have the version. Empty when
    /// there are no extensions.
    pub(super) catalogs: Vec<Option<Digest>>,
    /// For each extension of the target: its digest, when it is named by a reference.
    pub(super) references: Vec<Option<Digest>>,
}

/// A layout that was worked out before.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) layout: Arc<Layout>,
    pub(super) etag: Digest,
    /// The blobs that it takes bytes from, in order, each once.
    blobs: Arc<[Digest]>,
}

impl Known {
    /// Bytes of memory, about.
    pub(super) fn footprint(&self) -> u32 {
        let bytes = self.layout.footprint() + self.blobs.len() * size_of::<Digest>();
        u32::try_from(bytes + size_of::<Key>()).unwrap_or(u32::MAX)
    }

    pub(super) fn new(layout: Layout) -> Self {
        let blobs = layout.blobs().into_iter();
        let mut blobs: Vec<Digest> = blobs.map(|(digest, ..)| digest).collect();
        blobs.sort_unstable();
        blobs.dedup();
        Self {
            etag: layout.fingerprint(plan::FORMAT_EPOCH),
            layout: Arc::new(layout),
            blobs: blobs.into(),
        }
    }
}

impl Forge {
    /// The artifact of a target.
    pub(super) async fn target(
        &self,
        id: Id,
        schematic: &Arc<Schematic>,
        target: Target,
        need: Need,
    ) -> Result<Artifact, Error> {
        let quirks = Quirks::of(&target.version);
        plan::check(&target, &quirks)?;
        if let Some(feature) = plan::not_yet(&target) {
            return Err(Error::NotYet(feature.to_owned()));
        }
        let images = self.inner.digests(&target).await?;
        let key = Key {
            schematic: id,
            target,
            images,
        };
        if let Some(known) = self.inner.layouts.get(&key)
            && let Some(blobs) = self.inner.pinned(&known, need).await?
        {
            return Ok(Artifact {
                layout: known.layout,
                etag: known.etag,
                blobs,
                was_known: true,
            });
        }
        let inner = Arc::clone(&self.inner);
        let schematic = Arc::clone(schematic);
        let flight = self
            .inner
            .preparations
            .join((key.clone(), need), || async move {
                let artifact = inner.prepare(&key, &schematic, need).await?;
                let store = Arc::clone(&inner.store);
                blocking(move || store.collect_garbage()).await?;
                Ok(artifact)
            });
        let limit = self.inner.prepare_timeout;
        match tokio::time::timeout(limit, flight).await {
            Ok(result) => result.map_err(Error::Shared),
            Err(_) => Err(Error::Busy(limit)),
        }
    }
}

impl Inner {
    /// The blobs of a known layout if they are needed and all there; `None` when some have to be fetched or made again.
    async fn pinned(&self, known: &Known, need: Need) -> Result<Option<Arc<dyn Blobs>>, Error> {
        if need == Need::Layout {
            return Ok(Some(Arc::new(NoBlobs)));
        }
        let store = Arc::clone(&self.store);
        let open = |digest: &Digest| Some((*digest, store.pin_open(digest)?));
        if let Some(blobs) = known.blobs.iter().map(open).collect() {
            return Ok(Some(Arc::new(Pinned { store, blobs })));
        }
        let digests = Arc::clone(&known.blobs);
        let pinned = blocking(move || {
            let pin = |digest: &Digest| Ok(store.pin(digest)?.map(|blob| (*digest, blob)));
            let blobs = digests.iter().map(pin);
            let blobs = blobs.collect::<Result<Option<Vec<_>>, crate::store::Error>>()?;
            Ok(blobs.map(|blobs| Arc::new(Pinned { store, blobs }) as Arc<dyn Blobs>))
        });
        pinned.await
    }

    /// An artifact of a layout whose blobs were just seen to be in the store.
    pub(super) async fn finish(&self, known: Known, need: Need) -> Result<Option<Artifact>, Error> {
        let blobs = self.pinned(&known, need).await?;
        Ok(blobs.map(|blobs| Artifact {
            layout: known.layout,
            etag: known.etag,
            blobs,
            was_known: false,
        }))
    }
}
