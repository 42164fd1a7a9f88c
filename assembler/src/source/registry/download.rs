//! A blob on its way from a registry: resumed where it broke, checked as a whole.

use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use reqwest::{
    Method, Response, StatusCode,
    header::{CONTENT_RANGE, HeaderValue, RANGE},
};
use tokio::sync::OwnedSemaphorePermit;

use crate::source::{
    error::Cause,
    image::Descriptor,
    registry::{
        Inner,
        auth::Scope,
        client::{Ask, message_of, status_cause},
        retry::{Failure, after, pause},
    },
    verify::Verifier,
};

/// Most times that one blob is taken up again, however far each try gets.
const MAX_RESUMES: u32 = 100;
/// How much of an unexpected answer is looked at, in bytes.
const MAX_ERROR_LEN: u64 = 64 << 10;

/// A download in progress.
#[derive(Debug)]
pub(super) struct Download {
    registry: Arc<Inner>,
    target: String,
    scope: Scope,
    descriptor: Descriptor,
    verifier: Verifier,
    body: Option<Body>,
    /// Failures since the last byte.
    failures: u32,
    resumes: u32,
    /// Held as long as the blob is on its way.
    _job: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Body {
    response: Response,
    /// How many bytes come again that came before.
    repeated: u64,
}

impl Download {
    /// Asks for the blob; it is known afterwards that it is there.
    pub(super) async fn start(
        registry: Arc<Inner>,
        scope: Scope,
        descriptor: Descriptor,
        job: OwnedSemaphorePermit,
    ) -> Result<Self, Cause> {
        let mut download = Self {
            target: format!("/v2/{}/blobs/{}", scope.repository, descriptor.digest),
            registry,
            scope,
            verifier: Verifier::new(&descriptor),
            descriptor,
            body: None,
            failures: 0,
            resumes: 0,
            _job: job,
        };
        while download.body.is_none() {
            if let Err(failure) = download.open().await {
                download.recover(failure).await?;
            }
        }
        Ok(download)
    }

    /// The next bytes; nothing at the end, when all of them have been there and were the right ones.
    pub(super) async fn next(mut self) -> Result<Option<(Bytes, Self)>, Cause> {
        loop {
            match self.advance().await {
                Ok(Some(chunk)) => {
                    self.failures = 0;
                    self.verifier.update(&chunk)?;
                    return Ok(Some((chunk, self)));
                }
                Ok(None) => {
                    self.verifier.finish()?;
                    return Ok(None);
                }
                // All bytes are there: however the connection ends, their digest decides.
                Err(failure) if failure.is_transient && self.verifier.remaining() == 0 => {
                    self.verifier.finish()?;
                    return Ok(None);
                }
                Err(failure) => self.recover(failure).await?,
            }
        }
    }

    /// Gives up, or waits and forgets the connection.
    async fn recover(&mut self, failure: Failure) -> Result<(), Cause> {
        self.body = None;
        self.failures += 1;
        self.resumes += 1;
        let options = &self.registry.client.options;
        let is_over = self.failures >= options.attempts || self.resumes > MAX_RESUMES;
        if !failure.is_transient || is_over {
            return Err(after(self.failures, failure.cause));
        }
        let at = self.verifier.seen();
        tracing::debug!(blob = %self.descriptor.digest, at, cause = %failure.cause, "taking a blob up again");
        tokio::time::sleep(pause(options, self.failures, failure.retry_after)).await;
        Ok(())
    }

    /// The next new bytes.
    async fn advance(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let Some(body) = &mut self.body else {
                self.open().await?;
                continue;
            };
            let chunk = self.registry.client.chunk(&mut body.response).await?;
            let Some(mut chunk) = chunk else {
                // Ends too soon, though in good order: a proxy that lost its own source does that.
                let expected = self.descriptor.size;
                let found = self.verifier.seen();
                if found < expected {
                    return Err(Failure::transient(Cause::Truncated { expected, found }));
                }
                return Ok(None);
            };
            let skipped = body.repeated.min(chunk.len() as u64);
            body.repeated -= skipped;
            chunk.advance(usize::try_from(skipped).expect("not more than the chunk is long"));
            if !chunk.is_empty() {
                return Ok(Some(chunk));
            }
        }
    }

    /// Asks for what is still to come.
    async fn open(&mut self) -> Result<(), Failure> {
        let client = &self.registry.client;
        let offset = self.verifier.seen();
        let mut ask = Ask::new(Method::GET, &self.target);
        if offset > 0 {
            let range = format!("bytes={offset}-");
            let range = HeaderValue::from_str(&range).expect("digits make a header");
            ask.headers.insert(RANGE, range);
        }
        let response = client.once(&ask, &self.scope).await?;
        let repeated = match response.status() {
            StatusCode::OK => offset,
            StatusCode::PARTIAL_CONTENT if offset > 0 => {
                self.check_range(&response)?;
                0
            }
            StatusCode::NOT_FOUND => {
                return Err(Cause::MissingBlob(self.descriptor.digest).into());
            }
            StatusCode::RANGE_NOT_SATISFIABLE => {
                return Err(Failure::from(Cause::Truncated {
                    expected: self.descriptor.size,
                    found: offset,
                }));
            }
            status => {
                let body = client
                    .read(response, "the error's length in bytes", MAX_ERROR_LEN)
                    .await;
                let message = body.map(|body| message_of(&body)).unwrap_or_default();
                return Err(status_cause(status, message).into());
            }
        };
        let promised = response.content_length();
        let expected = self.descriptor.size;
        if promised.is_some_and(|len| len > expected - offset + repeated) {
            return Err(Cause::Surplus { expected }.into());
        }
        self.body = Some(Body { response, repeated });
        Ok(())
    }

    /// `Content-Range: bytes <first>-<last>/<total>` has to continue what came before.
    fn check_range(&self, response: &Response) -> Result<(), Cause> {
        let header = response.headers().get(CONTENT_RANGE);
        let text = header
            .and_then(|text| text.to_str().ok())
            .unwrap_or_default();
        let first = text
            .strip_prefix("bytes ")
            .and_then(|range| range.split_once('-'));
        let first = first.and_then(|(first, _)| first.trim().parse::<u64>().ok());
        if first == Some(self.verifier.seen()) {
            return Ok(());
        }
        Err(Cause::Protocol(format!(
            "asked for bytes from {} on, got {text:?}",
            self.verifier.seen()
        )))
    }
}
