//! Schematics by their ID: a backend that lasts, and a cache in front of it (spec/http.md 1.6).
//!
//! - What is kept is the canonical form, so its hash is its name and every read is checked.
//! - Getting and putting one ID never overlap: who asks while another is at it gets the same answer.
//! - That an ID is not kept is remembered for a while, but never longer than until it is put.
//! - Work goes on when who asked has left.

mod cache;
mod directory;
pub mod registry;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};

use super::{Error, Id, Schematic};
use crate::error::Kind;
use cache::Cache;

pub use directory::Directory;

/// What lasts: bytes by the ID that is their hash. Reads need no check, the store makes it.
pub trait Backend: fmt::Debug + Send + Sync + 'static {
    /// The bytes of an ID, if they are kept.
    fn get<'a>(&'a self, id: &'a Id) -> BoxFuture<'a, Result<Option<Bytes>, Error>>;

    /// Keeps the bytes of an ID, in place of damaged ones if need be.
    fn put<'a>(&'a self, id: &'a Id, canonical: Bytes) -> BoxFuture<'a, Result<Put, Error>>;

    /// Where an ID is kept, for people.
    fn place(&self, id: &Id) -> String;
}

/// Whether a schematic that was put is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is.
    Created,
    /// It was kept already.
    Existing,
}

/// How much is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Schematics in the cache; long ones count more than once.
    pub capacity: u64,
    /// How long it is remembered that an ID is not kept.
    pub negative_ttl: Duration,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            capacity: 100_000,
            negative_ttl: Duration::from_secs(30),
        }
    }
}

/// What is known of an ID.
type Known = Option<Arc<Schematic>>;

/// Somebody is at an ID; all who wait share the result.
type Flight = Shared<BoxFuture<'static, Result<(Known, Put), Error>>>;

/// A store of schematics. Clones share it.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    backend: Arc<dyn Backend>,
    cache: Cache,
    flights: Mutex<HashMap<Id, Flight>>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("backend", &self.backend)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// A store over a backend.
    pub fn new(backend: impl Backend, options: Options) -> Store {
        Store(Arc::new(Inner {
            backend: Arc::new(backend),
            cache: Cache::new(options),
            flights: Mutex::default(),
        }))
    }

    /// Reads what a user posted, and keeps it.
    pub async fn create(&self, document: &[u8]) -> Result<(Id, Arc<Schematic>, Put), Error> {
        let schematic = Schematic::parse(document)?;
        schematic.check_owner()?;
        let schematic = Arc::new(schematic);
        let (id, put) = self.put(&schematic).await?;
        Ok((id, schematic, put))
    }

    /// Keeps a schematic.
    pub async fn put(&self, schematic: &Schematic) -> Result<(Id, Put), Error> {
        let canonical = Bytes::from(schematic.canonical());
        let id = Id::of(&canonical);
        if let Some(Some(_)) = self.0.cache.get(&id).await {
            return Ok((id, Put::Existing));
        }
        loop {
            let inner = Arc::clone(&self.0);
            let canonical = canonical.clone();
            let (flight, own) = self.0.join(id, async move {
                // What the cache holds is what a reader would get: the text may not read back as it was meant.
                let schematic = Schematic::parse_stored(&canonical).map(Arc::new).ok();
                let put = inner.backend.put(&id, canonical).await?;
                if schematic.is_some() {
                    inner.cache.insert(id, schematic.clone()).await;
                }
                Ok((schematic, put))
            });
            let result = flight.await;
            match result {
                Ok((_, put)) if own => return Ok((id, put)),
                Ok((Some(_), _)) => return Ok((id, Put::Existing)),
                Err(e) if own => return Err(e),
                // Another one was at it and did not find or keep it: it is still to be kept.
                _ => {}
            }
        }
    }

    /// The schematic of an ID.
    pub async fn get(&self, id: &Id) -> Result<Arc<Schematic>, Error> {
        let id = *id;
        let mut known = self.0.cache.get(&id).await;
        if known.is_none() {
            let inner = Arc::clone(&self.0);
            let (flight, _) = self.0.join(id, async move {
                let known = inner.read(&id).await?;
                inner.cache.insert(id, known.clone()).await;
                Ok((known, Put::Existing))
            });
            known = Some(flight.await?.0);
        }
        known
            .flatten()
            .ok_or_else(|| Error::NotFound(id.to_string()))
    }

    /// Entries of the cache.
    pub fn len(&self) -> u64 {
        self.0.cache.len()
    }

    /// Whether the cache is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Inner {
    async fn read(&self, id: &Id) -> Result<Known, Error> {
        let Some(bytes) = self.backend.get(id).await? else {
            return Ok(None);
        };
        if Id::of(&bytes) != *id {
            let place = self.backend.place(id);
            tracing::error!(%id, place, "schematic is damaged; posting it again repairs it");
            return Err(Error::Damaged { id: *id, place });
        }
        Schematic::parse_stored(&bytes).map(|schematic| Some(Arc::new(schematic)))
    }

    /// Joins who is at an ID, or sets out with `work`; tells which.
    fn join(
        self: &Arc<Self>,
        id: Id,
        work: impl Future<Output = Result<(Known, Put), Error>> + Send + 'static,
    ) -> (Flight, bool) {
        // The flight's task takes the lock when it is done: not before the flight is in the map.
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(&id) {
            return (flight.clone(), false);
        }
        let landing = Landing {
            inner: Arc::clone(self),
            id,
        };
        let task = tokio::spawn(async move {
            let result = work.await;
            drop(landing);
            result
        });
        let flight = task
            .map(|result| result.unwrap_or_else(|e| Err(stopped(&e))))
            .boxed()
            .shared();
        flights.insert(id, flight.clone());
        (flight, true)
    }
}

/// Takes a flight off the map, however it ends.
struct Landing {
    inner: Arc<Inner>,
    id: Id,
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut flights = self
            .inner
            .flights
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        flights.remove(&self.id);
    }
}

fn stopped(error: &tokio::task::JoinError) -> Error {
    Error::Backend {
        text: error.to_string(),
        kind: Kind::Internal,
    }
}
