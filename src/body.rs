//! Response bodies: a text, or ranges of an artifact read as the client takes them.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use assembler::{
    blobs::Blobs,
    read::{ReadError, Reader},
};
use bytes::Bytes;
use formats::Layout;
use futures_util::Stream as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::{digests::Hashing, response::Part};

/// A body of known length. One that cannot be read to its end is an error, which ends the connection.
#[derive(Debug, Default)]
pub struct Body {
    parts: VecDeque<Part>,
    artifact: Option<Artifact>,
    left: u64,
    sent: u64,
    hashing: Option<Hashing>,
    watcher: Option<Watcher>,
}

struct Artifact {
    layout: Arc<Layout>,
    blobs: Arc<dyn Blobs>,
    reader: Option<Reader>,
}

impl fmt::Debug for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reader.fmt(f)
    }
}

/// Told once, when the body is over: bytes handed to the connection, and whether that was all.
struct Watcher(Box<dyn FnOnce(u64, bool) + Send>);

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watcher")
    }
}

impl Body {
    /// A text.
    pub fn text(text: impl Into<Bytes>) -> Self {
        let text = text.into();
        let mut body = Self::default();
        body.left = text.len() as u64;
        body.parts.push_back(Part::Bytes(text));
        body
    }

    /// The parts of an answer about an artifact. Opens the blob that the first byte comes from.
    pub fn parts(
        parts: Vec<Part>,
        layout: Arc<Layout>,
        blobs: Arc<dyn Blobs>,
    ) -> Result<Self, ReadError> {
        let mut body = Self::default();
        body.left = parts.iter().map(Part::len).sum();
        body.parts = parts.into();
        body.artifact = Some(Artifact {
            layout,
            blobs,
            reader: None,
        });
        if let Some(Part::Range(_)) = body.parts.front() {
            body.start_reader()?;
        }
        Ok(body)
    }

    /// Has the digest of the whole computed when all of it has been sent.
    #[must_use]
    pub fn hashed(mut self, hashing: Option<Hashing>) -> Self {
        self.hashing = hashing;
        self
    }

    /// Tells `watcher` when the body is over.
    #[must_use]
    pub fn watched(mut self, watcher: impl FnOnce(u64, bool) + Send + 'static) -> Self {
        self.watcher = Some(Watcher(Box::new(watcher)));
        self
    }

    /// Bytes still to come.
    pub fn len(&self) -> u64 {
        self.left
    }

    /// Whether nothing is still to come.
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// Turns the first part into a reader, if it is a range.
    fn start_reader(&mut self) -> Result<(), ReadError> {
        let Some(Part::Range(range)) = self.parts.front().cloned() else {
            return Ok(());
        };
        let artifact = self
            .artifact
            .as_mut()
            .expect("ranges are made with their artifact");
        let blobs = Arc::clone(&artifact.blobs);
        let mut reader = Reader::new(Arc::clone(&artifact.layout), range, blobs);
        reader.open_first()?;
        artifact.reader = Some(reader);
        self.parts.pop_front();
        Ok(())
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ReadError>>> {
        loop {
            if let Some(artifact) = &mut self.artifact
                && let Some(reader) = &mut artifact.reader
            {
                match ready!(Pin::new(reader).poll_next(cx)) {
                    Some(chunk) => return Poll::Ready(Some(chunk)),
                    None => artifact.reader = None,
                }
            }
            match self.parts.front() {
                None => return Poll::Ready(None),
                Some(Part::Bytes(_)) => {
                    let Some(Part::Bytes(bytes)) = self.parts.pop_front() else {
                        unreachable!("the front has just been looked at");
                    };
                    if !bytes.is_empty() {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                Some(Part::Range(_)) => {
                    if let Err(error) = self.start_reader() {
                        self.parts.clear();
                        return Poll::Ready(Some(Err(error)));
                    }
                }
            }
        }
    }

    fn end(&mut self) {
        let complete = self.left == 0;
        if complete && let Some(hashing) = self.hashing.take() {
            hashing.finish();
        }
        if let Some(Watcher(tell)) = self.watcher.take() {
            tell(self.sent, complete);
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = ReadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReadError>>> {
        let body = &mut *self;
        match ready!(body.poll_chunk(cx)) {
            Some(Ok(chunk)) => {
                body.left -= chunk.len() as u64;
                body.sent += chunk.len() as u64;
                if body.left == 0 {
                    body.end();
                }
                Poll::Ready(Some(Ok(Frame::data(chunk))))
            }
            Some(Err(error)) => {
                tracing::error!(error = %crate::error::chain(&error), "a body was cut off");
                Poll::Ready(Some(Err(error)))
            }
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use assembler::blobs::NoBlobs;
    use formats::Digest;
    use http_body_util::BodyExt as _;

    use super::*;

    fn layout() -> Arc<Layout> {
        let mut layout = Layout::new();
        layout.bytes(b"0123456789".as_slice());
        layout.blob(Digest::of(b"gone"), 0, 4);
        Arc::new(layout)
    }

    #[tokio::test]
    async fn texts_and_ranges_follow_each_other() {
        let parts = vec![
            Part::Bytes("<".into()),
            Part::Range(2..5),
            Part::Bytes("|".into()),
            Part::Range(0..1),
            Part::Bytes(">".into()),
        ];
        let body = Body::parts(parts, layout(), Arc::new(NoBlobs)).unwrap();
        assert_eq!(body.size_hint().exact(), Some(7));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "<234|0>");
    }

    #[tokio::test]
    async fn a_missing_blob_is_an_error_before_or_in_the_body() {
        let first = Body::parts(vec![Part::Range(10..14)], layout(), Arc::new(NoBlobs));
        assert!(matches!(first, Err(ReadError::Missing(_))));
        let later = Body::parts(vec![Part::Range(0..14)], layout(), Arc::new(NoBlobs)).unwrap();
        let sent = Arc::new(AtomicU64::new(u64::MAX));
        let seen = Arc::clone(&sent);
        let later = later.watched(move |bytes, complete| {
            assert!(!complete);
            seen.store(bytes, Ordering::Relaxed);
        });
        assert!(later.collect().await.is_err());
        assert_eq!(
            sent.load(Ordering::Relaxed),
            0,
            "the chunk was not complete"
        );
    }
}
