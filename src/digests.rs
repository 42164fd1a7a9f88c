//! SHA-256 of whole artifacts, by entity tag: computed while the first complete download passes by, kept as 32 bytes.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use formats::Digest;
use sha2::{Digest as _, Sha256};

/// Artifacts that are remembered; beyond that all are forgotten and learnt again.
pub const MAX_KNOWN: usize = 65_536;

/// What is known, and what is being computed.
#[derive(Debug, Clone, Default)]
pub struct Digests(Arc<Mutex<HashMap<Digest, State>>>);

#[derive(Debug, Clone, Copy)]
enum State {
    Hashing,
    Known(Digest),
}

impl Digests {
    /// The digest of the artifact with this entity tag, if it is known.
    pub fn get(&self, etag: &Digest) -> Option<Digest> {
        match self.lock().get(etag) {
            Some(State::Known(digest)) => Some(*digest),
            _ => None,
        }
    }

    /// Starts computing a digest that is neither known nor being computed.
    pub fn start(&self, etag: &Digest) -> Option<Hashing> {
        let mut known = self.lock();
        if known.contains_key(etag) {
            return None;
        }
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(*etag, State::Hashing);
        Some(Hashing {
            etag: *etag,
            hasher: Sha256::new(),
            digests: self.clone(),
            finished: false,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One computation. Dropped before its end, it leaves the artifact to the next download.
pub struct Hashing {
    etag: Digest,
    hasher: Sha256,
    digests: Digests,
    finished: bool,
}

impl Hashing {
    /// Takes the next bytes of the artifact.
    pub fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// All bytes have been taken.
    pub fn finish(mut self) {
        let digest = Digest::finish(std::mem::take(&mut self.hasher));
        self.digests.lock().insert(self.etag, State::Known(digest));
        self.finished = true;
    }
}

impl Drop for Hashing {
    fn drop(&mut self) {
        if !self.finished {
            self.digests.lock().remove(&self.etag);
        }
    }
}

impl fmt::Debug for Hashing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hashing({})", self.etag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_download_at_a_time_computes_and_an_aborted_one_leaves_it_to_the_next() {
        let digests = Digests::default();
        let etag = Digest::of(b"etag");
        let first = digests.start(&etag).unwrap();
        assert!(digests.start(&etag).is_none());
        drop(first);
        let mut second = digests.start(&etag).unwrap();
        second.update(b"ab");
        second.update(b"c");
        assert_eq!(digests.get(&etag), None);
        second.finish();
        assert_eq!(digests.get(&etag), Some(Digest::of(b"abc")));
        assert!(digests.start(&etag).is_none());
    }
}
