//! Layers and files of images: fetched into the store when they are not there.

use std::{io, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use formats::Digest;
use futures_util::{StreamExt as _, TryStreamExt as _};
use tokio_util::io::{StreamReader, SyncIoBridge};

use crate::{
    blobs::Blob,
    source::{Compression, Descriptor, Repository, Source},
    store::{
        Content, Node, Store, Tree,
        layer::{self, Limits},
    },
};

use super::{Error, Image, Images};

impl Images {
    /// The tree of a layer, which is fetched when it is not known yet.
    pub(super) async fn layer_tree(
        &self,
        repository: &Repository,
        layer: &Descriptor,
    ) -> Result<Tree, Error> {
        if let Some(tree) = self.store.fact("layers", &layer.digest.hex()) {
            return Ok(tree);
        }
        self.ingest(repository, layer).await?;
        self.store
            .fact("layers", &layer.digest.hex())
            .ok_or_else(|| self.evicted(repository, &layer.digest))
    }

    /// A file of an image, open: it stays readable for as long as this is held.
    pub async fn pin(&self, image: &Image, content: &Content) -> Result<Blob, Error> {
        // A second round only when the blob was found damaged, or evicted by somebody else, in between.
        for _ in 0..3 {
            if let Some(blob) = self.pin_stored(&content.digest).await? {
                return Ok(blob);
            }
            for layer in &image.layers {
                let tree = self.layer_tree(&image.repository, layer).await?;
                let holds =
                    |node: &Node| matches!(node, Node::File(file) if file.digest == content.digest);
                let wanted = tree.entries.values().any(|entry| holds(&entry.node));
                if wanted && !self.store.contains(&content.digest) {
                    self.ingest(&image.repository, layer).await?;
                }
            }
        }
        Err(self.evicted(&image.repository, &content.digest))
    }

    /// The first `len` bytes of a file (all, if it is shorter), remembered, so that they outlive the blob.
    pub async fn head(&self, image: &Image, content: &Content, len: usize) -> Result<Bytes, Error> {
        let name = format!("{}-{len}", content.digest.hex());
        let known: Option<String> = self.store.fact("heads", &name);
        if let Some(bytes) = known.and_then(|text| BASE64_STANDARD.decode(text).ok()) {
            return Ok(bytes.into());
        }
        let blob = self.pin(image, content).await?;
        let bytes = blocking(move || {
            use std::os::unix::fs::FileExt as _;
            let len = usize::try_from(blob.len).map_or(len, |whole| whole.min(len));
            let mut bytes = vec![0; len];
            blob.file.read_exact_at(&mut bytes, 0).map(|()| bytes)
        })
        .await
        .map_err(|source| {
            let path = content.digest.to_string().into();
            crate::store::Error::Io { path, source }
        })?;
        self.store
            .remember("heads", &name, &BASE64_STANDARD.encode(&bytes))?;
        Ok(bytes.into())
    }

    /// A whole small file of an image, `None` when the image has no such file.
    pub async fn small(
        &self,
        image: &Image,
        path: &str,
        limit: u64,
    ) -> Result<Option<Bytes>, Error> {
        let Some(content) = image.tree.file(path) else {
            return Ok(None);
        };
        if content.len > limit {
            return Err(Error::TooLong {
                image: self.name(&image.repository, &image.digest),
                path: path.to_owned(),
                limit,
            });
        }
        let len = usize::try_from(content.len).expect("limits of small files fit in memory");
        self.head(image, content, len).await.map(Some)
    }

    pub(crate) async fn pin_stored(&self, digest: &Digest) -> Result<Option<Blob>, Error> {
        let (store, digest) = (Arc::clone(&self.store), *digest);
        Ok(blocking(move || store.pin(&digest)).await?)
    }

    fn evicted(&self, repository: &Repository, blob: &Digest) -> Error {
        Error::Evicted {
            image: named(&*self.source, repository),
            blob: *blob,
        }
    }

    /// Fetches a layer: its files go to the store, its tree is remembered.
    async fn ingest(&self, repository: &Repository, layer: &Descriptor) -> Result<(), Error> {
        let work = || {
            let (source, store) = (Arc::clone(&self.source), Arc::clone(&self.store));
            let (repository, layer) = (repository.clone(), layer.clone());
            async move { fetch(source, store, repository, layer).await }
        };
        self.ingests
            .join(layer.digest, work)
            .await
            .map_err(Error::Shared)
    }
}

/// A source's and a repository's name, for messages.
pub(super) fn named(source: &dyn Source, repository: &Repository) -> String {
    format!("{}: {}", source.place_of(repository), repository.here())
}

async fn fetch(
    source: Arc<dyn Source>,
    store: Arc<Store>,
    repository: Repository,
    layer: Descriptor,
) -> Result<(), Error> {
    let image = named(&*source, &repository);
    let compression = layer.compression().map_err(|cause| crate::source::Error {
        place: source.place_of(&repository),
        image: repository.here().to_string(),
        cause,
    })?;
    let compression = match compression {
        Compression::None => layer::Compression::None,
        Compression::Gzip => layer::Compression::Gzip,
        Compression::Zstd => layer::Compression::Zstd,
    };
    tracing::info!(%repository, layer = %layer.digest, bytes = layer.size, "fetching a layer");
    let stream = source.blob(&repository, &layer).await?;
    // The source's own error is worth more than what the archive reader makes of a stream that breaks.
    let broken = Arc::new(std::sync::Mutex::new(None));
    let failure = Arc::clone(&broken);
    let stream = stream.map_err(move |error: crate::source::Error| {
        let text = error.to_string();
        *failure
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(error);
        io::Error::other(text)
    });
    let reader = SyncIoBridge::new(StreamReader::new(stream.boxed()));
    let digest = layer.digest;
    let result = blocking(move || {
        let tree = layer::ingest(&store, &digest, compression, reader, &Limits::default())?;
        store
            .remember("layers", &digest.hex(), &tree)
            .map_err(layer::Error::Store)
    })
    .await;
    let broken = broken
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .take();
    match (result, broken) {
        (Err(layer::Error::Store(error)), _) => Err(error.into()),
        (Err(_), Some(error)) => Err(error.into()),
        (Err(source), None) => Err(Error::Layer {
            image,
            layer: digest,
            source,
        }),
        (Ok(()), _) => Ok(()),
    }
}

/// Runs `work` where it may block.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(failure) if failure.is_panic() => std::panic::resume_unwind(failure.into_panic()),
        // The runtime is going down; nobody is left to tell.
        Err(_) => std::future::pending().await,
    }
}
