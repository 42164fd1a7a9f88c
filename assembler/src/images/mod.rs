//! Images of a source as trees in the store: each manifest and layer is fetched once, and known from then on.
//!
//! - What tags name is believed for a while, and longer when the source is down: what is stored is served while it is away.
//!   It is kept in memory too, so that asking again touches no file.
//! - A layer is fetched when its tree is unknown, or when a wanted file of it is no longer in the store.
//! - One flight per layer; work that was begun goes on when whoever asked leaves.

mod cached;
mod fetch;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use formats::Digest;
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    error::Kind,
    source::{self, Descriptor, Repository, Source, image},
    store::{self, Content, Store, Tree, flight::Flights, layer, tree::DanglingHardlink},
};

use self::cached::Cached;
pub(crate) use self::fetch::blocking;

/// Why an image is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source failed.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// A layer was refused.
    #[error("{image}: layer {layer}: {source}")]
    Layer {
        /// The source and the repository.
        image: String,
        /// The layer.
        layer: Digest,
        /// Why.
        source: layer::Error,
    },
    /// The layers do not add up.
    #[error("{image}: {source}")]
    Flatten {
        /// The source and the repository.
        image: String,
        /// Why.
        source: DanglingHardlink,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The image lacks a file that belongs in it.
    #[error("{image}: {path} is missing")]
    Missing {
        /// The source, repository and tag or digest.
        image: String,
        /// The file.
        path: String,
    },
    /// A file is longer than its kind may be.
    #[error("{image}: {path} is longer than {limit} bytes")]
    TooLong {
        /// The source, repository and tag or digest.
        image: String,
        /// The file.
        path: String,
        /// The limit.
        limit: u64,
    },
    /// The blob does not stay in the store.
    #[error("{image}: {blob} is gone from the store again; is store.maxSize large enough?")]
    Evicted {
        /// The source and the repository.
        image: String,
        /// The blob.
        blob: Digest,
    },
    /// The same failure, for someone else who waited for it.
    #[error(transparent)]
    Shared(Arc<Error>),
}

impl Error {
    /// What kind of answer this calls for.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Source(error) => error.kind(),
            Self::Layer { source, .. } => source.kind(),
            Self::Store(error) => error.kind(),
            Self::Flatten { .. } | Self::Missing { .. } | Self::TooLong { .. } => Kind::Upstream,
            Self::Evicted { .. } => Kind::StorageFull,
            Self::Shared(error) => error.kind(),
        }
    }
}

/// An image of one platform, flattened.
#[derive(Debug)]
pub struct Image {
    repository: Repository,
    digest: Digest,
    layers: Vec<Descriptor>,
    /// Its file system.
    pub tree: Tree,
}

impl Image {
    /// Where it lies.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The digest that it was asked for by.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
}

/// Something that was learnt from the source, and when.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Learnt<T> {
    pub(crate) value: T,
    at: SystemTime,
}

impl<T> Learnt<T> {
    /// How long ago; nothing when the clock was set back since.
    pub(crate) fn age(&self) -> Duration {
        self.at.elapsed().unwrap_or_default()
    }
}

/// What was learnt, by the name of the fact that also lies on disk.
type Memory<T> = moka::sync::Cache<String, Arc<Learnt<T>>>;

/// The images of one source.
#[derive(Debug)]
pub struct Images {
    source: Arc<dyn Source>,
    store: Arc<Store>,
    recheck: Duration,
    tags: Memory<Vec<String>>,
    digests: Memory<String>,
    trees: moka::sync::Cache<(Digest, &'static str), Arc<Image>>,
    /// Used without a look at their signature.
    unverified: Mutex<HashSet<Digest>>,
    ingests: Flights<Digest, (), Error>,
}

/// Flattened images kept in memory; each is a few hundred kilobytes at most.
const TREES: u64 = 256;
/// What repositories and tags name, kept in memory; a tag takes some hundred bytes, a list some kilobytes.
const NAMES: u64 = 4096;

impl Images {
    /// Images of `source`, kept in `store`; what a tag names is asked again after `recheck`.
    pub fn new(source: Arc<dyn Source>, store: Arc<Store>, recheck: Duration) -> Self {
        let source = Arc::new(Cached::new(source, Arc::clone(&store)));
        Self {
            source,
            store,
            recheck,
            tags: Memory::new(NAMES),
            digests: Memory::new(NAMES),
            trees: moka::sync::Cache::new(TREES),
            unverified: Mutex::default(),
            ingests: Flights::new(),
        }
    }

    /// The tags of a repository. A source that is down is excused when it answered before.
    pub(crate) async fn tags(
        &self,
        repository: &Repository,
    ) -> Result<Arc<Learnt<Vec<String>>>, Error> {
        let name = fact_name(&[&repository.to_string()]);
        let tags = self.source.tags(repository);
        self.learn(&self.tags, "tags", &name, async { Ok(tags.await?) })
            .await
    }

    /// How long ago the source named the tags of a repository; `None` when they have not been asked for. Asks nobody.
    pub fn tags_age(&self, repository: &Repository) -> Option<Duration> {
        let learnt = self.tags.get(&fact_name(&[&repository.to_string()]))?;
        Some(learnt.age())
    }

    /// How many images were used without their signature being verified.
    pub fn unverified(&self) -> u64 {
        let unverified = self.unverified.lock();
        unverified.unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    /// The digest that a tag names. A source that is down is excused when it answered before.
    pub async fn resolve(&self, repository: &Repository, tag: &str) -> Result<Digest, Error> {
        let name = fact_name(&[&repository.to_string(), tag]);
        let digest = self.source.resolve(repository, tag);
        let ask = async { Ok(digest.await?.to_string()) };
        let learnt = self.learn(&self.digests, "digests", &name, ask).await?;
        Ok(learnt
            .value
            .parse()
            .expect("it was a digest when it was written"))
    }

    /// The image of `linux/<architecture>` behind a digest.
    pub async fn image(
        &self,
        repository: &Repository,
        digest: &Digest,
        architecture: &'static str,
    ) -> Result<Arc<Image>, Error> {
        if let Some(image) = self.trees.get(&(*digest, architecture)) {
            return Ok(image);
        }
        let found = image::find(&*self.source, repository, digest, architecture).await?;
        let layers = found
            .layers
            .iter()
            .map(|layer| self.layer_tree(repository, layer));
        let layers = try_join_all(layers).await?;
        let tree = Tree::flatten(&layers).map_err(|source| Error::Flatten {
            image: self.name(repository, digest),
            source,
        })?;
        let image = Image {
            repository: repository.clone(),
            digest: *digest,
            layers: found.layers,
            tree,
        };
        let image = Arc::new(image);
        self.unverified
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(*digest);
        self.trees
            .insert((*digest, architecture), Arc::clone(&image));
        Ok(image)
    }

    /// The file at `path` of an image that has to have it.
    pub fn file<'a>(&self, image: &'a Image, path: &str) -> Result<&'a Content, Error> {
        image.tree.file(path).ok_or_else(|| Error::Missing {
            image: self.name(&image.repository, &image.digest),
            path: path.to_owned(),
        })
    }

    /// A source's and an image's name, for messages.
    pub fn name(&self, repository: &Repository, digest: &Digest) -> String {
        format!("{}@{digest}", fetch::named(&*self.source, repository))
    }

    /// Where images come from, for messages.
    pub fn place(&self) -> String {
        self.source.place()
    }

    async fn learn<T: Serialize + DeserializeOwned + Send + Sync + 'static>(
        &self,
        memory: &Memory<T>,
        kind: &str,
        name: &str,
        ask: impl Future<Output = Result<T, Error>>,
    ) -> Result<Arc<Learnt<T>>, Error> {
        let stored = || {
            let learnt = Arc::new(self.store.fact(kind, name)?);
            memory.insert(name.to_owned(), Arc::clone(&learnt));
            Some(learnt)
        };
        let known = memory.get(name).or_else(stored);
        if let Some(learnt) = known.as_ref().filter(|learnt| learnt.age() < self.recheck) {
            return Ok(Arc::clone(learnt));
        }
        match (ask.await, known) {
            (Ok(value), _) => {
                let learnt = Arc::new(Learnt {
                    value,
                    at: SystemTime::now(),
                });
                self.store.remember(kind, name, &*learnt)?;
                memory.insert(name.to_owned(), Arc::clone(&learnt));
                Ok(learnt)
            }
            (Err(error), Some(learnt)) if error.kind() != Kind::NotFound => {
                tracing::warn!(%error, "the source is down; believing what it said before");
                Ok(learnt)
            }
            (Err(error), _) => Err(error),
        }
    }
}

/// A file name for a fact about names that may hold slashes.
fn fact_name(parts: &[&str]) -> String {
    parts.join("@").replace('/', "%2F")
}
