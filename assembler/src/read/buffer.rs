//! Buffers for one read each, which are used again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::to_usize;

/// Bytes that are read at once: the size of the pooled buffers. The HTTP library holds up to 64 KiB and one more buffer for a
/// connection whose client does not read, and a buffer stays whole until its last byte is sent; a thousand of those must fit.
pub const CHUNK: usize = 32 << 10;
/// Idle buffers that are kept for the next reader; together 8 MiB.
const POOL: usize = 256;
/// Zeros and inline bytes of at least this length are handed out as they are instead of being copied into a buffer.
pub(super) const SHARED: u64 = 16 << 10;

static IDLE: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());

/// A buffer that goes back to the pool when its last reference is dropped.
pub(super) struct Buffer {
    bytes: Box<[u8]>,
    pub(super) filled: usize,
}

impl Buffer {
    /// Room for at least `limit` bytes; small ones are not pooled, so that a short range never pins a whole buffer.
    pub(super) fn new(limit: usize) -> Self {
        let bytes = if limit as u64 >= SHARED {
            idle().pop().unwrap_or_else(|| vec![0; CHUNK].into())
        } else {
            vec![0; limit].into()
        };
        Self { bytes, filled: 0 }
    }

    pub(super) fn space(&mut self, len: u64) -> &mut [u8] {
        &mut self.bytes[self.filled..][..to_usize(len)]
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.space(bytes.len() as u64).copy_from_slice(bytes);
        self.filled += bytes.len();
    }

    pub(super) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.bytes.len() == CHUNK {
            let mut idle = idle();
            if idle.len() < POOL {
                idle.push(std::mem::take(&mut self.bytes));
            }
        }
    }
}

fn idle() -> MutexGuard<'static, Vec<Box<[u8]>>> {
    IDLE.lock().unwrap_or_else(PoisonError::into_inner)
}
