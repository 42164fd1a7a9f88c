//! The reading end: a range of a layout as a stream of bytes, into a writer, or as a digest.
//!
//! - A [`Reader`] holds at most one buffer, however long the range and however slow its consumer: of [`CHUNK`] bytes, or of
//!   [`LONG_CHUNK`], of which there are few, when its consumer has taken a lot.
//! - What lies in the page cache is read without leaving the task (`preadv2` with `RWF_NOWAIT`); only a miss goes to a
//!   blocking thread.
//! - Long runs of zeros and long inline extents are shared, not copied.
//! - A deferred value is worked out when it is first reached, from the same blobs, and remembered by what it depends on; for a
//!   consumer that has taken a lot, beforehand and on the side.
//! - A stream yields exactly the bytes of its range, or ends with an error; it never ends short in silence.

mod buffer;
mod deferred;
mod source;
#[cfg(test)]
mod tests;
mod whole;

use std::{
    fmt, io,
    ops::Range,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use formats::{
    Digest, Layout,
    extent::{Deferred, Segment},
};
use futures_util::{Stream, stream::FusedStream};
use tokio::task::JoinHandle;

use self::{
    buffer::{Buffer, LONG_AFTER, SHARED},
    source::{Source, open},
};
use crate::{
    blobs::{Blob, Blobs},
    error::Kind,
};

pub use self::{
    buffer::{CHUNK, LONG_CHUNK},
    whole::{WriteError, sha256, write_to},
};

/// Open blobs that one reader keeps; layouts alternate between a few.
const OPEN: usize = 4;

static ZEROS: [u8; 1 << 20] = [0; 1 << 20];

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
    /// Bytes handed out.
    taken: u64,
    /// Most recently used last.
    open: Vec<(Digest, Blob)>,
    blocked: Option<JoinHandle<Result<Buffer, ReadError>>>,
    /// Gone when this reader is, so that nobody works for it any longer.
    working_ahead: Option<Arc<()>>,
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
            taken: 0,
            open: Vec::new(),
            blocked: None,
            working_ahead: None,
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

    /// The next chunk, as far as it can be had without waiting.
    fn fill(&mut self) -> Result<Fill, ReadError> {
        let left = self.end - self.position;
        if let Some(chunk) = shared(&self.layout.segment_at(self.position, left)) {
            return Ok(Fill::Chunk(chunk));
        }
        let mut buffer = Buffer::new(left, self.taken >= LONG_AFTER);
        let limit = usize::try_from(left).map_or(buffer.room(), |left| left.min(buffer.room()));
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
                    buffer.append(&deferred::value(&deferred, &*blobs)?);
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
                let before = reader.taken;
                reader.position += chunk.len() as u64;
                reader.taken += chunk.len() as u64;
                if before < LONG_AFTER && reader.taken >= LONG_AFTER {
                    reader.work_ahead();
                }
                Poll::Ready(Some(Ok(chunk)))
            }
            Err(error) => {
                reader.end = reader.position;
                if let ReadError::Short { digest, .. } | ReadError::Io { digest, .. } = &error {
                    reader.blobs.doubt(digest);
                }
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
