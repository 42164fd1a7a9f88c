//! Values over other extents, worked out when they are first reached and remembered by what they depend on.

use std::sync::{Arc, LazyLock, Weak};

use bytes::Bytes;
use formats::{
    Digest, Extent,
    extent::{Deferred, Function, Segment},
};

use super::{ReadError, Reader, ZEROS, buffer::Buffer, source::Source, to_usize, whole};
use crate::blobs::Blobs;

/// Values that are remembered, of at most 64 bytes each.
const VALUES: u64 = 16 << 10;

static REMEMBERED: LazyLock<moka::sync::Cache<Digest, Bytes>> =
    LazyLock::new(|| moka::sync::Cache::new(VALUES));

/// Under which name a value is remembered: Adler-32s are many and each costs less than 64 KiB of reading.
fn name(deferred: &Deferred) -> Option<Digest> {
    (deferred.function() != Function::Adler32).then(|| deferred.name())
}

/// A deferred value, worked out unless it is remembered or somebody is at it. Blocks.
pub(super) fn value(deferred: &Deferred, blobs: &dyn Blobs) -> Result<Bytes, ReadError> {
    let work_out = || {
        deferred.value(|layout, range, feed| {
            whole::each_piece(layout, range, blobs, |piece| -> Result<(), ReadError> {
                feed(piece);
                Ok(())
            })
        })
    };
    let value = match name(deferred) {
        None => work_out()?,
        Some(name) => match REMEMBERED.try_get_with(name, work_out) {
            Ok(value) => value,
            Err(error) => match Arc::try_unwrap(error) {
                Ok(error) => return Err(error),
                // Others wait for the same, so everybody finds out alone what is wrong.
                Err(_) => work_out()?,
            },
        },
    };
    Ok(deferred.cut(&value))
}

impl Reader {
    /// Begins to work out what comes later, one value after the other, for as long as somebody reads.
    pub(super) fn work_ahead(&mut self) {
        let (position, end) = (self.position, self.end);
        let later = |(offset, extent): (u64, &Extent)| match extent {
            Extent::Deferred(deferred) if position <= offset && offset < end => {
                name(deferred).map(|_| deferred.clone())
            }
            _ => None,
        };
        let later: Vec<Deferred> = self.layout.extents().filter_map(later).collect();
        if later.is_empty() {
            return;
        }
        let reading = Arc::new(());
        let still_reading: Weak<()> = Arc::downgrade(&reading);
        self.working_ahead = Some(reading);
        let blobs = Arc::clone(&self.blobs);
        tokio::task::spawn_blocking(move || {
            for deferred in later {
                // Who comes to a value that could not be worked out is told then.
                if still_reading.strong_count() == 0 || value(&deferred, &*blobs).is_err() {
                    return;
                }
            }
        });
    }

    /// A deferred value, if it is remembered, or short work and all in the page cache.
    pub(super) fn value_at_hand(
        &mut self,
        deferred: &Deferred,
    ) -> Result<Option<Bytes>, ReadError> {
        if let Some(name) = name(deferred) {
            let value = REMEMBERED.get(&name);
            return Ok(value.map(|value| deferred.cut(&value)));
        }
        let value = deferred.value(|layout, range, feed| {
            for segment in layout.segments(range) {
                match segment {
                    Segment::Bytes(bytes) => feed(&bytes),
                    Segment::Zeros(len) => feed(&ZEROS[..to_usize(len)]),
                    Segment::Blob {
                        digest,
                        offset,
                        len,
                    } => {
                        let source = Source {
                            blob: self.blob(&digest).map_err(Some)?,
                            digest,
                            offset,
                            len,
                        };
                        feed_cached(&source, feed)?;
                    }
                    Segment::Deferred(_) => return Err(None),
                }
            }
            Ok(())
        });
        match value {
            Ok(value) => Ok(Some(deferred.cut(&value))),
            Err(None) => Ok(None),
            Err(Some(error)) => Err(error),
        }
    }
}

/// Feeds a range that is all in the page cache; no error is given when it is not.
fn feed_cached(source: &Source, feed: &mut dyn FnMut(&[u8])) -> Result<(), Option<ReadError>> {
    source.check().map_err(Some)?;
    for part in source.parts() {
        let mut buffer = Buffer::new(part.len, false);
        let read = part.read_cached(buffer.space(part.len)).map_err(Some)?;
        if (read as u64) < part.len {
            return Err(None);
        }
        buffer.filled = read;
        feed(buffer.as_ref());
    }
    Ok(())
}
