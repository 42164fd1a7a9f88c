//! Values over other extents, worked out when they are first reached and remembered by what they depend on.

use std::sync::LazyLock;

use bytes::Bytes;
use formats::{
    Digest,
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

/// A deferred value, worked out unless it is remembered. Blocks.
pub(super) fn value(deferred: &Deferred, blobs: &dyn Blobs) -> Result<Bytes, ReadError> {
    let name = name(deferred);
    if let Some(value) = name.and_then(|name| REMEMBERED.get(&name)) {
        return Ok(deferred.cut(&value));
    }
    let value = deferred.value(|layout, range, feed| {
        whole::each_piece(layout, range, blobs, |piece| -> Result<(), ReadError> {
            feed(piece);
            Ok(())
        })
    })?;
    if let Some(name) = name {
        REMEMBERED.insert(name, value.clone());
    }
    Ok(deferred.cut(&value))
}

impl Reader {
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
