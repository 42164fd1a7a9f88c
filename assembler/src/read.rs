//! The reading end: a range of a layout as a stream of bytes, into a writer, or as a digest.
//!
//! - A [`Reader`] holds at most one buffer of [`CHUNK`] bytes, however long the range and however slow its consumer.
//! - What lies in the page cache is read without leaving the task (`preadv2` with `RWF_NOWAIT`); only a miss goes to a
//!   blocking thread.
//! - Long runs of zeros and long inline extents are shared, not copied.
//! - A deferred value is worked out when it is first reached, from the same blobs, and remembered by what it depends on.
//! - A stream yields exactly the bytes of its range, or ends with an error; it never ends short in silence.

use std::{
    fmt,
    io::{self, IoSliceMut, Write},
    ops::Range,
    os::unix::fs::FileExt as _,
    pin::Pin,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use formats::{
    Digest, Layout,
    extent::{Deferred, Function, Segment},
};
use futures_util::{Stream, stream::FusedStream};
use rustix::io::{Errno, ReadWriteFlags};
use sha2::{Digest as _, Sha256};
use tokio::task::JoinHandle;

use crate::{
    blobs::{Blob, Blobs},
    error::Kind,
};

/// Bytes that are read at once: the size of the pooled buffers. The HTTP library holds up to 64 KiB and one more buffer for a
/// connection whose client does not read, and a buffer stays whole until its last byte is sent; a thousand of those must fit.
pub const CHUNK: usize = 32 << 10;
/// Idle buffers that are kept for the next reader; together 8 MiB.
const POOL: usize = 256;
/// Zeros and inline bytes of at least this length are handed out as they are instead of being copied into a buffer.
const SHARED: u64 = 16 << 10;
/// Open blobs that one reader keeps; layouts alternate between a few.
const OPEN: usize = 4;

/// Deferred values that are remembered, of at most 64 bytes each.
const VALUES: u64 = 16 << 10;

static REMEMBERED: LazyLock<moka::sync::Cache<Digest, Bytes>> =
    LazyLock::new(|| moka::sync::Cache::new(VALUES));
static ZEROS: [u8; 1 << 20] = [0; 1 << 20];
static IDLE: Mutex<Vec<Box<[u8]>>> = Mutex::new(Vec::new());

/// Why the bytes of a layout could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The blob is not in the store (any more).
    #[error("blob {0} is not in the store")]
    Missing(Digest),
    /// The blob ends before the range that the layout takes from it.
    #[error("blob {digest} ends before byte {end}")]
    Short {
        /// Which blob.
        digest: Digest,
        /// One past the last byte that was wanted.
        end: u64,
    },
    /// The blob could not be read.
    #[error("blob {digest} at {offset}")]
    Io {
        /// Which blob.
        digest: Digest,
        /// Where in it.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
}

impl ReadError {
    /// Whose fault it is. A missing blob was evicted between planning and reading: asking again fetches it.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Missing(_) => Kind::Busy,
            Self::Short { .. } | Self::Io { .. } => Kind::Internal,
        }
    }
}

/// A stream of the bytes of one range of a layout.
pub struct Reader {
    layout: Arc<Layout>,
    blobs: Arc<dyn Blobs>,
    position: u64,
    end: u64,
    /// Most recently used last.
    open: Vec<(Digest, Blob)>,
    blocked: Option<JoinHandle<Result<Buffer, ReadError>>>,
}

impl Reader {
    /// Reads `range` of `layout`, with blobs from `blobs`.
    ///
    /// # Panics
    /// If `range` does not lie inside the layout.
    pub fn new(layout: Arc<Layout>, range: Range<u64>, blobs: Arc<dyn Blobs>) -> Self {
        assert!(
            range.start <= range.end && range.end <= layout.len(),
            "range {range:?} of a layout of {} bytes",
            layout.len()
        );
        Self {
            layout,
            blobs,
            position: range.start,
            end: range.end,
            open: Vec::new(),
            blocked: None,
        }
    }

    /// Opens the blob that the first byte comes from, so that a missing one is known before anything has been sent.
    pub fn open_first(&mut self) -> Result<(), ReadError> {
        if self.position < self.end
            && let Segment::Blob { digest, .. } = self.layout.segment_at(self.position, 1)
        {
            self.blob(&digest)?;
        }
        Ok(())
    }

    fn blob(&mut self, digest: &Digest) -> Result<Blob, ReadError> {
        if let Some(place) = self.open.iter().position(|(name, _)| name == digest) {
            self.open[place..].rotate_left(1);
        } else {
            let blob = open(&*self.blobs, digest)?;
            if self.open.len() == OPEN {
                self.open.remove(0);
            }
            self.open.push((*digest, blob));
        }
        let (_, blob) = self.open.last().expect("just put there");
        Ok(blob.clone())
    }

    /// A deferred value, if it is remembered, or short work and all in the page cache.
    fn value_at_hand(&mut self, deferred: &Deferred) -> Result<Option<Bytes>, ReadError> {
        if deferred.function() != Function::Adler32 {
            let whole = REMEMBERED.get(&deferred.name());
            return Ok(whole.map(|whole| deferred.cut(&whole)));
        }
        let whole = deferred.value(|layout, range, feed| {
            for segment in layout.segments(range) {
                match segment {
                    Segment::Bytes(bytes) => feed(&bytes),
                    Segment::Zeros(len) => feed(&ZEROS[..to_usize(len)]),
                    Segment::Blob {
                        digest,
                        offset,
                        len,
                    } => {
                        let whole = Source {
                            blob: self.blob(&digest).map_err(Some)?,
                            digest,
                            offset,
                            len,
                        };
                        whole.check().map_err(Some)?;
                        for part in whole.parts() {
                            let mut buffer = Buffer::new(CHUNK);
                            let read = part.read_cached(buffer.space(part.len)).map_err(Some)?;
                            if (read as u64) < part.len {
                                return Err(None);
                            }
                            feed(&buffer.bytes[..read]);
                        }
                    }
                    Segment::Deferred(_) => return Err(None),
                }
            }
            Ok(())
        });
        match whole {
            Ok(whole) => Ok(Some(deferred.cut(&whole))),
            Err(None) => Ok(None),
            Err(Some(error)) => Err(error),
        }
    }

    /// The next chunk, as far as it can be had without waiting.
    fn fill(&mut self) -> Result<Fill, ReadError> {
        let left = self.end - self.position;
        if let Some(chunk) = shared(&self.layout.segment_at(self.position, left)) {
            return Ok(Fill::Chunk(chunk));
        }
        let limit = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
        let mut buffer = Buffer::new(limit);
        while buffer.filled < limit {
            let wanted = (limit - buffer.filled) as u64;
            let segment = self
                .layout
                .segment_at(self.position + buffer.filled as u64, wanted);
            if shared(&segment).is_some() {
                break;
            }
            match segment {
                Segment::Bytes(bytes) => buffer.append(&bytes),
                Segment::Zeros(len) => buffer.append(&ZEROS[..to_usize(len)]),
                Segment::Deferred(deferred) => match self.value_at_hand(&deferred)? {
                    Some(value) => buffer.append(&value),
                    None if buffer.filled == 0 => return Ok(Fill::Deferred(buffer, deferred)),
                    None => break,
                },
                Segment::Blob {
                    digest,
                    offset,
                    len,
                } => {
                    let source = Source {
                        digest,
                        blob: self.blob(&digest)?,
                        offset,
                        len,
                    };
                    source.check()?;
                    let read = source.read_cached(buffer.space(len))?;
                    buffer.filled += read;
                    if read as u64 == len {
                        continue;
                    }
                    if buffer.filled == 0 {
                        return Ok(Fill::Miss(buffer, source));
                    }
                    break;
                }
            }
        }
        Ok(Fill::Chunk(buffer.into_bytes()))
    }
}

impl Stream for Reader {
    type Item = Result<Bytes, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let reader = &mut *self;
        if reader.blocked.is_none() && reader.position == reader.end {
            return Poll::Ready(None);
        }
        let filled = match reader.blocked.take() {
            None => reader.fill(),
            Some(task) => Ok(Fill::Blocked(task)),
        };
        let filled = match filled {
            Ok(Fill::Miss(buffer, source)) => {
                Ok(Fill::Blocked(tokio::task::spawn_blocking(move || {
                    source.read_blocking(buffer)
                })))
            }
            Ok(Fill::Deferred(mut buffer, deferred)) => {
                let blobs = Arc::clone(&reader.blobs);
                Ok(Fill::Blocked(tokio::task::spawn_blocking(move || {
                    buffer.append(&value(&deferred, &*blobs)?);
                    Ok(buffer)
                })))
            }
            other => other,
        };
        let chunk = match filled {
            Ok(Fill::Blocked(mut task)) => match Pin::new(&mut task).poll(cx) {
                Poll::Pending => {
                    reader.blocked = Some(task);
                    return Poll::Pending;
                }
                Poll::Ready(Ok(read)) => read.map(Buffer::into_bytes),
                Poll::Ready(Err(panicked)) => std::panic::resume_unwind(panicked.into_panic()),
            },
            Ok(Fill::Chunk(chunk)) => Ok(chunk),
            Ok(Fill::Miss(..) | Fill::Deferred(..)) => {
                unreachable!("it has just been sent to a blocking thread")
            }
            Err(error) => Err(error),
        };
        match chunk {
            Ok(chunk) => {
                reader.position += chunk.len() as u64;
                Poll::Ready(Some(Ok(chunk)))
            }
            Err(error) => {
                reader.end = reader.position;
                Poll::Ready(Some(Err(error)))
            }
        }
    }
}

impl FusedStream for Reader {
    fn is_terminated(&self) -> bool {
        self.blocked.is_none() && self.position == self.end
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("position", &self.position)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

/// What one attempt to get the next chunk came to.
enum Fill {
    Chunk(Bytes),
    /// Nothing of the first blob range is in the page cache.
    Miss(Buffer, Source),
    /// A value that has to be worked out comes first.
    Deferred(Buffer, Deferred),
    Blocked(JoinHandle<Result<Buffer, ReadError>>),
}

/// A segment that is handed out without being copied.
fn shared(segment: &Segment) -> Option<Bytes> {
    match segment {
        Segment::Bytes(bytes) if bytes.len() as u64 >= SHARED => Some(bytes.clone()),
        Segment::Zeros(len) if *len >= SHARED => {
            let len = (*len).min(ZEROS.len() as u64);
            Some(Bytes::from_static(&ZEROS[..to_usize(len)]))
        }
        _ => None,
    }
}

fn to_usize(len: u64) -> usize {
    usize::try_from(len).expect("bounded by a buffer")
}

fn open(blobs: &dyn Blobs, digest: &Digest) -> Result<Blob, ReadError> {
    blobs.open(digest).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ReadError::Missing(*digest),
        _ => ReadError::Io {
            digest: *digest,
            offset: 0,
            source,
        },
    })
}

/// A range of an open blob.
struct Source {
    digest: Digest,
    blob: Blob,
    offset: u64,
    len: u64,
}

impl Source {
    fn short(&self) -> ReadError {
        ReadError::Short {
            digest: self.digest,
            end: self.offset + self.len,
        }
    }

    /// The range in pieces of at most [`CHUNK`] bytes.
    fn parts(&self) -> impl Iterator<Item = Self> + '_ {
        (0..self.len).step_by(CHUNK).map(|done| Self {
            digest: self.digest,
            blob: self.blob.clone(),
            offset: self.offset + done,
            len: (self.len - done).min(CHUNK as u64),
        })
    }

    fn check(&self) -> Result<(), ReadError> {
        if self.offset + self.len > self.blob.len {
            return Err(self.short());
        }
        Ok(())
    }

    /// Reads what is in the page cache, possibly nothing.
    fn read_cached(&self, space: &mut [u8]) -> Result<usize, ReadError> {
        let mut space = [IoSliceMut::new(space)];
        let flags = ReadWriteFlags::NOWAIT;
        match rustix::io::preadv2(&self.blob.file, &mut space, self.offset, flags) {
            Ok(0) => Err(self.short()),
            Ok(read) => Ok(read),
            // Not cached, or a file system that cannot tell.
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOSYS | Errno::INTR) => {
                Ok(0)
            }
            Err(error) => Err(self.failed(error.into())),
        }
    }

    fn read_blocking(&self, mut buffer: Buffer) -> Result<Buffer, ReadError> {
        let read = self
            .blob
            .file
            .read_exact_at(buffer.space(self.len), self.offset);
        match read {
            Ok(()) => {
                buffer.filled += to_usize(self.len);
                Ok(buffer)
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(self.short()),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn failed(&self, source: io::Error) -> ReadError {
        ReadError::Io {
            digest: self.digest,
            offset: self.offset,
            source,
        }
    }
}

/// A buffer that goes back to the pool when its last reference is dropped.
struct Buffer {
    bytes: Box<[u8]>,
    filled: usize,
}

impl Buffer {
    /// Room for at least `limit` bytes; small ones are not pooled, so that a short range never pins a whole buffer.
    fn new(limit: usize) -> Self {
        let bytes = if limit as u64 >= SHARED {
            idle().pop().unwrap_or_else(|| vec![0; CHUNK].into())
        } else {
            vec![0; limit].into()
        };
        Self { bytes, filled: 0 }
    }

    fn space(&mut self, len: u64) -> &mut [u8] {
        &mut self.bytes[self.filled..][..to_usize(len)]
    }

    fn append(&mut self, bytes: &[u8]) {
        self.space(bytes.len() as u64).copy_from_slice(bytes);
        self.filled += bytes.len();
    }

    fn into_bytes(self) -> Bytes {
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

/// Why a layout could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Its bytes could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// They could not be written.
    #[error("write")]
    Write(#[source] io::Error),
}

/// Writes the whole layout and returns its SHA-256. `progress` is told of each piece that has been written, in bytes.
/// Blocks.
pub fn write_to(
    layout: &Layout,
    blobs: &dyn Blobs,
    out: &mut dyn Write,
    mut progress: impl FnMut(u64),
) -> Result<Digest, WriteError> {
    let mut hasher = Sha256::new();
    let whole = 0..layout.len();
    each_piece(layout, whole, blobs, |piece| -> Result<(), WriteError> {
        hasher.update(piece);
        out.write_all(piece).map_err(WriteError::Write)?;
        progress(piece.len() as u64);
        Ok(())
    })?;
    out.flush().map_err(WriteError::Write)?;
    Ok(Digest::finish(hasher))
}

/// The SHA-256 of the whole layout. Blocks.
pub fn sha256(layout: &Layout, blobs: &dyn Blobs) -> Result<Digest, ReadError> {
    let mut hasher = Sha256::new();
    let whole = 0..layout.len();
    each_piece(layout, whole, blobs, |piece| -> Result<(), ReadError> {
        hasher.update(piece);
        Ok(())
    })?;
    Ok(Digest::finish(hasher))
}

/// A deferred value, worked out unless it is remembered. Blocks.
fn value(deferred: &Deferred, blobs: &dyn Blobs) -> Result<Bytes, ReadError> {
    let name = (deferred.function() != Function::Adler32).then(|| deferred.name());
    if let Some(whole) = name.and_then(|name| REMEMBERED.get(&name)) {
        return Ok(deferred.cut(&whole));
    }
    let whole = deferred.value(|layout, range, feed| {
        each_piece(layout, range, blobs, |piece| -> Result<(), ReadError> {
            feed(piece);
            Ok(())
        })
    })?;
    if let Some(name) = name {
        REMEMBERED.insert(name, whole.clone());
    }
    Ok(deferred.cut(&whole))
}

fn each_piece<E: From<ReadError>>(
    layout: &Layout,
    range: Range<u64>,
    blobs: &dyn Blobs,
    mut piece: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut current: Option<(Digest, Blob)> = None;
    for segment in layout.segments(range) {
        match segment {
            Segment::Bytes(bytes) => piece(&bytes)?,
            Segment::Deferred(deferred) => piece(&value(&deferred, blobs)?)?,
            Segment::Zeros(mut left) => {
                while left > 0 {
                    let len = left.min(ZEROS.len() as u64);
                    piece(&ZEROS[..to_usize(len)])?;
                    left -= len;
                }
            }
            Segment::Blob {
                digest,
                offset,
                len,
            } => {
                let blob = match current.take() {
                    Some((name, blob)) if name == digest => blob,
                    _ => open(blobs, &digest)?,
                };
                let whole = Source {
                    digest,
                    blob,
                    offset,
                    len,
                };
                whole.check()?;
                each_piece_of_blob(&whole, &mut piece)?;
                current = Some((digest, whole.blob));
            }
        }
    }
    Ok(())
}

fn each_piece_of_blob<E: From<ReadError>>(
    whole: &Source,
    piece: &mut impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    for part in whole.parts() {
        let buffer = part.read_blocking(Buffer::new(CHUNK))?;
        piece(buffer.as_ref())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
