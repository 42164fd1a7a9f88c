//! Buffers for one read each, which are used again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::to_usize;

/// Bytes that are read at once at first: the size of most buffers. The HTTP library holds up to 64 KiB and one more buffer for
/// a connection whose client does not read, and a buffer stays whole until its last byte is sent; a thousand of those must fit.
pub const CHUNK: usize = 32 << 10;
/// Bytes that are read at once for a consumer that keeps up, which is worth a third of the processor time.
pub const LONG_CHUNK: usize = 256 << 10;
/// Bytes after which a consumer has shown that it keeps up: more than the kernel takes for somebody who never reads.
pub(super) const LONG_AFTER: u64 = 8 << 20;
/// Zeros and inline bytes of at least this length are handed out as they are instead of being copied into a buffer.
pub(super) const SHARED: u64 = 16 << 10;

/// 8 MiB are kept; as many more as there are readers are made.
static SHORT: Pool = Pool::new(CHUNK, 256, usize::MAX);
/// Of these there are 16 MiB at most, whoever stops reading.
static LONG: Pool = Pool::new(LONG_CHUNK, 64, 64);

/// Buffers of one size.
struct Pool {
    len: usize,
    /// Idle buffers that are kept for the next reader.
    kept: usize,
    /// Buffers that may be in use.
    most: usize,
    state: Mutex<State>,
}

struct State {
    idle: Vec<Box<[u8]>>,
    used: usize,
}

impl Pool {
    const fn new(len: usize, kept: usize, most: usize) -> Self {
        Self {
            len,
            kept,
            most,
            state: Mutex::new(State {
                idle: Vec::new(),
                used: 0,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A buffer, unless all that there may be are in use.
    fn take(&'static self) -> Option<Buffer> {
        let idle = {
            let mut state = self.state();
            if state.used == self.most {
                return None;
            }
            state.used += 1;
            state.idle.pop()
        };
        Some(Buffer {
            bytes: idle.unwrap_or_else(|| vec![0; self.len].into()),
            filled: 0,
            pool: Some(self),
        })
    }

    fn put(&self, bytes: Box<[u8]>) {
        let mut state = self.state();
        state.used -= 1;
        if state.idle.len() < self.kept {
            state.idle.push(bytes);
        }
    }
}

/// A buffer that goes back to its pool when its last reference is dropped.
pub(super) struct Buffer {
    bytes: Box<[u8]>,
    pub(super) filled: usize,
    pool: Option<&'static Pool>,
}

impl Buffer {
    /// Room for `len` bytes, or for as many as a buffer holds. Small ones are not pooled, so that a short range never pins a
    /// whole buffer; [`LONG_CHUNK`]s are for whoever is said to keep up, while there are any.
    pub(super) fn new(len: u64, keeps_up: bool) -> Self {
        let long = keeps_up && len > CHUNK as u64;
        let pooled = || SHORT.take().expect("there may be any number");
        match long.then(|| LONG.take()).flatten() {
            Some(buffer) => buffer,
            None if len >= SHARED => pooled(),
            None => Self {
                bytes: vec![0; to_usize(len)].into(),
                filled: 0,
                pool: None,
            },
        }
    }

    /// Bytes that it has room for altogether.
    pub(super) fn room(&self) -> usize {
        self.bytes.len()
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
        if let Some(pool) = self.pool {
            pool.put(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_buffers_are_few_and_for_those_who_keep_up() {
        let room = |len, keeps_up| Buffer::new(len, keeps_up).room();
        assert_eq!(room(100, false), 100);
        assert_eq!(room(SHARED, false), CHUNK);
        assert_eq!(room(u64::MAX, false), CHUNK);
        assert_eq!(room(CHUNK as u64, true), CHUNK);
        let taken: Vec<Buffer> = (0..LONG.most + 3)
            .map(|_| Buffer::new(u64::MAX, true))
            .collect();
        let long = taken.iter().filter(|buffer| buffer.room() == LONG_CHUNK);
        assert!(long.count() <= LONG.most);
        assert_eq!(taken.last().unwrap().room(), CHUNK);
    }
}
