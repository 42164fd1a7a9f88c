//! The schematics asked for lately, and the IDs found missing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use moka::{Expiry, policy::EvictionPolicy};

use super::{Known, Options};
use crate::schematic::{Id, Schematic};

/// Bytes of the canonical form that count as one entry: a hundred thousand long ones shall not fill the memory.
const ENTRY_BYTES: usize = 4096;

/// A bounded cache, least recently used first out.
pub(super) struct Cache(moka::future::Cache<Id, Known>);

impl Cache {
    pub(super) fn new(options: Options) -> Cache {
        let cache = moka::future::Cache::builder()
            .max_capacity(options.capacity)
            .weigher(|_, known: &Known| known.as_deref().map_or(1, weight))
            .eviction_policy(EvictionPolicy::lru())
            .expire_after(NegativeTtl(options.negative_ttl));
        Cache(cache.build())
    }

    pub(super) async fn get(&self, id: &Id) -> Option<Known> {
        self.0.get(id).await
    }

    pub(super) async fn insert(&self, id: Id, known: Known) {
        self.0.insert(id, known).await;
        // Only then is the number of entries true; putting is rare.
        self.0.run_pending_tasks().await;
    }

    pub(super) fn len(&self) -> u64 {
        self.0.entry_count()
    }
}

fn weight(schematic: &Schematic) -> u32 {
    let entries = 1 + schematic.canonical().len() / ENTRY_BYTES;
    u32::try_from(entries).unwrap_or(u32::MAX)
}

/// What is missing is forgotten after a while, what is there never.
struct NegativeTtl(Duration);

impl NegativeTtl {
    fn of(&self, known: &Known) -> Option<Duration> {
        known.is_none().then_some(self.0)
    }
}

impl Expiry<Id, Option<Arc<Schematic>>> for NegativeTtl {
    fn expire_after_create(&self, _: &Id, known: &Known, _: Instant) -> Option<Duration> {
        self.of(known)
    }

    fn expire_after_update(
        &self,
        _: &Id,
        known: &Known,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.of(known)
    }
}
