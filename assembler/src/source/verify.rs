//! Bytes checked against the descriptor that promised them.

use formats::Digest;
use sha2::{Digest as _, Sha256};

use crate::source::{error::Cause, image::Descriptor};

/// Counts and hashes what goes by.
#[derive(Debug, Clone)]
pub(super) struct Verifier {
    digest: Digest,
    len: u64,
    seen: u64,
    hasher: Sha256,
}

impl Verifier {
    pub(super) fn new(descriptor: &Descriptor) -> Self {
        Self {
            digest: descriptor.digest,
            len: descriptor.size,
            seen: 0,
            hasher: Sha256::new(),
        }
    }

    /// How many bytes went by.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// How many bytes are still to come.
    pub(super) fn remaining(&self) -> u64 {
        self.len - self.seen
    }

    /// Takes the next bytes; more than promised are refused before they go on.
    pub(super) fn update(&mut self, chunk: &[u8]) -> Result<(), Cause> {
        if chunk.len() as u64 > self.remaining() {
            return Err(Cause::Surplus { expected: self.len });
        }
        self.seen += chunk.len() as u64;
        self.hasher.update(chunk);
        Ok(())
    }

    /// The end of the bytes: were they all, and the right ones?
    pub(super) fn finish(self) -> Result<(), Cause> {
        if self.remaining() > 0 {
            return Err(Cause::Truncated {
                expected: self.len,
                found: self.seen,
            });
        }
        check_digest(&self.digest, Digest::finish(self.hasher))
    }
}

/// Whether bytes that hash to `found` are the ones asked for by `expected`.
pub(super) fn check_digest(expected: &Digest, found: Digest) -> Result<(), Cause> {
    if *expected == found {
        Ok(())
    } else {
        Err(Cause::WrongDigest {
            expected: *expected,
            found,
        })
    }
}
