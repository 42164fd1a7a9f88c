//! Pushing small images: schematics are kept in a registry as well (spec/http.md 1.6).

use bytes::Bytes;
use formats::Digest;
use reqwest::{
    Method, StatusCode, Url,
    header::{CONTENT_TYPE, HeaderValue, LOCATION},
};

use crate::source::{
    error::{Cause, Error},
    registry::{
        Registry,
        auth::{Actions, Scope},
        client::{Ask, Document},
        is_unknown,
        retry::{Failure, retry},
        unexpected,
    },
    repository::{Repository, is_tag},
    verify::check_digest,
};

/// Longest answer to a push, in bytes.
const MAX_ANSWER_LEN: u64 = 64 << 10;
const WHAT: &str = "the answer's length in bytes";

impl Registry {
    /// A blob read whole; nothing when the repository has none of that digest, or does not exist.
    ///
    /// # Errors
    /// When it is longer than `limit` bytes, or the bytes do not hash to the digest.
    pub async fn get_blob(
        &self,
        repository: &Repository,
        digest: &Digest,
        limit: u64,
    ) -> Result<Option<Bytes>, Error> {
        let image = format!("{repository}@{digest}");
        let scope = self.scope(repository, Actions::Pull);
        let ask = Ask::new(
            Method::GET,
            format!("/v2/{}/blobs/{digest}", scope.repository),
        );
        let work = async {
            let answer = self
                .exchange(&ask, &scope, "the blob's length in bytes", limit)
                .await?;
            match answer.status {
                StatusCode::OK => {
                    check_digest(digest, Digest::of(&answer.bytes))?;
                    Ok(Some(answer.bytes))
                }
                StatusCode::NOT_FOUND if is_unknown(&answer) => Ok(None),
                _ => Err(unexpected(&answer)),
            }
        };
        work.await.map_err(|cause| self.error(image, cause))
    }

    /// Stores a blob, unless it is there already; says its digest.
    ///
    /// # Errors
    /// When the registry does not take it.
    pub async fn push_blob(&self, repository: &Repository, bytes: Bytes) -> Result<Digest, Error> {
        let digest = Digest::of(&bytes);
        let scope = self.scope(repository, Actions::PullPush);
        let work = async {
            let name = &scope.repository;
            let known = Ask::new(Method::HEAD, format!("/v2/{name}/blobs/{digest}"));
            let known = self.exchange(&known, &scope, WHAT, u64::MAX).await?;
            if known.status == StatusCode::OK {
                return Ok(digest);
            }
            // An upload that failed is begun anew: its session may be gone.
            retry(&self.inner.client.options, || {
                self.upload(&scope, digest, bytes.clone())
            })
            .await?;
            Ok(digest)
        };
        work.await
            .map_err(|cause| self.error(format!("{repository}@{digest}"), cause))
    }

    /// Stores a manifest under a tag; says its digest. What it refers to has to be there.
    ///
    /// # Errors
    /// When the tag is malformed, or the registry does not take it.
    pub async fn push_manifest(
        &self,
        repository: &Repository,
        tag: &str,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Digest, Error> {
        let digest = Digest::of(&bytes);
        let scope = self.scope(repository, Actions::PullPush);
        let work = async {
            let settings = |text: String| Cause::Settings(text);
            if !is_tag(tag) {
                return Err(settings(format!("{tag:?} is not a tag")));
            }
            let kind = HeaderValue::from_str(media_type)
                .map_err(|_| settings(format!("{media_type:?} is not a media type")))?;
            let target = format!("/v2/{}/manifests/{tag}", scope.repository);
            let mut ask = Ask::new(Method::PUT, target);
            ask.headers.insert(CONTENT_TYPE, kind);
            ask.body = Some(bytes);
            let answer = self.exchange(&ask, &scope, WHAT, MAX_ANSWER_LEN).await?;
            match answer.status {
                StatusCode::CREATED | StatusCode::OK => Ok(digest),
                _ => Err(unexpected(&answer)),
            }
        };
        work.await
            .map_err(|cause| self.error(format!("{repository}:{tag}"), cause))
    }

    async fn exchange(
        &self,
        ask: &Ask,
        scope: &Scope,
        what: &'static str,
        limit: u64,
    ) -> Result<Document, Cause> {
        let _job = self.job().await;
        self.inner.client.document(ask, scope, what, limit).await
    }

    /// One monolithic upload (distribution, "POST then PUT").
    async fn upload(&self, scope: &Scope, digest: Digest, bytes: Bytes) -> Result<(), Failure> {
        let client = &self.inner.client;
        let _job = self.job().await;
        let begin = Ask::new(
            Method::POST,
            format!("/v2/{}/blobs/uploads/", scope.repository),
        );
        let session = client.once(&begin, scope).await?;
        let location = session
            .headers()
            .get(LOCATION)
            .and_then(|text| text.to_str().ok());
        let location = location.and_then(|location| session.url().join(location).ok());
        let protocol = |text: String| Failure::from(Cause::Protocol(text));
        let mut location: Url = match location {
            Some(location) if session.status() == StatusCode::ACCEPTED => location,
            _ => {
                return Err(protocol(format!(
                    "{} to the begin of an upload",
                    session.status()
                )));
            }
        };
        location
            .query_pairs_mut()
            .append_pair("digest", &digest.to_string());
        let mut end = Ask::new(Method::PUT, location);
        let kind = HeaderValue::from_static("application/octet-stream");
        end.headers.insert(CONTENT_TYPE, kind);
        end.body = Some(bytes);
        let stored = client.once(&end, scope).await?;
        if stored.status() == StatusCode::CREATED {
            return Ok(());
        }
        Err(protocol(format!(
            "{} to the end of an upload",
            stored.status()
        )))
    }
}
