//! An OCI registry (distribution 1.1, Docker registry 2).
//!
//! The data model (manifests, error envelopes) is oci-client's. Its client is not used: it cannot retry as a registry asks
//! (`Retry-After` is not handed out), resume a blob and still verify it, follow `Link`, keep credentials from foreign realms,
//! or bound time and length. So requests go to reqwest, all of them through `client::Client`:
//!
//! | part | does |
//! |---|---|
//! | `client` | one exchange: scheme, redirects, statuses, limits |
//! | `auth`, `credentials` | answers to 401, and what they are made of |
//! | `retry` | trying again |
//! | `download` | a blob, resumed and verified |
//! | `tags`, `push` | the calls of more than one request |
//!
//! Nothing is cached but tokens: what a tag names is asked each time, the store decides how long to believe it.

mod auth;
mod client;
mod credentials;
mod download;
pub mod options;
mod push;
mod retry;
mod tags;

use std::sync::Arc;

use formats::Digest;
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use oci_client::errors::OciEnvelope;
use reqwest::{
    Method, StatusCode,
    header::{ACCEPT, HeaderValue},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::source::{
    BlobStream, Cause, Descriptor, Error, Manifest, Repository, Source,
    image::{ACCEPTED, MAX_MANIFEST_LEN},
    registry::{
        auth::{Actions, Scope},
        client::{Ask, Client, Document, message_of, status_cause},
        download::Download,
    },
    repository::is_tag,
    verify::check_digest,
};

pub use options::{CredentialSources, RegistryOptions};

/// The header that tells a manifest's digest without its body.
const DOCKER_CONTENT_DIGEST: &str = "docker-content-digest";
const MANIFEST_LEN: &str = "the manifest's length in bytes";

/// A registry, and the namespace in it below which everything lies.
#[derive(Debug, Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    client: Client,
    namespace: Option<Repository>,
    jobs: Arc<Semaphore>,
}

impl Registry {
    /// The registry at `host[:port]`; nothing is sent yet.
    ///
    /// # Errors
    /// When the host is none, or the certificates of the options cannot be read.
    pub fn new(
        host: &str,
        namespace: Option<Repository>,
        options: RegistryOptions,
    ) -> Result<Self, Error> {
        let jobs = Arc::new(Semaphore::new(options.jobs.max(1)));
        let client = Client::new(host, options).map_err(|cause| Error {
            place: place(host),
            image: "settings".to_owned(),
            cause,
        })?;
        let inner = Arc::new(Inner {
            client,
            namespace,
            jobs,
        });
        Ok(Self { inner })
    }

    fn scope(&self, repository: &Repository, actions: Actions) -> Scope {
        let namespace = self.inner.namespace.as_ref();
        let repository = namespace.map_or_else(
            || repository.clone(),
            |namespace| repository.below(namespace),
        );
        Scope {
            repository: repository.to_string(),
            actions,
        }
    }

    fn error(&self, image: String, cause: Cause) -> Error {
        let image = match &self.inner.namespace {
            Some(namespace) => format!("{namespace}/{image}"),
            None => image,
        };
        Error {
            place: self.place(),
            image,
            cause,
        }
    }

    /// Waits for its turn.
    async fn job(&self) -> OwnedSemaphorePermit {
        let jobs = Arc::clone(&self.inner.jobs);
        jobs.acquire_owned()
            .await
            .expect("the semaphore is never closed")
    }

    async fn manifest_document(
        &self,
        method: Method,
        scope: &Scope,
        reference: &str,
    ) -> Result<Document, Cause> {
        let mut ask = Ask::new(
            method,
            format!("/v2/{}/manifests/{reference}", scope.repository),
        );
        let accepted =
            HeaderValue::from_str(&ACCEPTED.join(", ")).expect("media types make a header");
        ask.headers.insert(ACCEPT, accepted);
        let limit = if ask.method == Method::HEAD {
            u64::MAX
        } else {
            MAX_MANIFEST_LEN
        };
        let _job = self.job().await;
        self.inner
            .client
            .document(&ask, scope, MANIFEST_LEN, limit)
            .await
    }

    async fn digest_of_tag(&self, scope: &Scope, tag: &str) -> Result<Digest, Cause> {
        if !is_tag(tag) {
            return Err(Cause::UnknownTag);
        }
        let head = self.manifest_document(Method::HEAD, scope, tag).await;
        match head {
            Ok(head) => {
                let digest = head
                    .headers
                    .get(DOCKER_CONTENT_DIGEST)
                    .filter(|_| head.status == StatusCode::OK);
                if let Some(digest) = digest.and_then(|text| text.to_str().ok()?.parse().ok()) {
                    return Ok(digest);
                }
            }
            Err(Cause::Denied { .. }) => {}
            Err(cause) => return Err(cause),
        }
        // HEAD has no body to explain itself, some registries do not know it, others leave the digest out: GET decides.
        let answer = self.manifest_document(Method::GET, scope, tag).await?;
        match answer.status {
            StatusCode::OK => Ok(Digest::of(Manifest::new(answer.bytes)?.bytes)),
            StatusCode::NOT_FOUND if is_unknown(&answer) => Err(Cause::UnknownTag),
            _ => Err(unexpected(&answer)),
        }
    }

    async fn verified_manifest(&self, scope: &Scope, digest: &Digest) -> Result<Manifest, Cause> {
        let answer = self
            .manifest_document(Method::GET, scope, &digest.to_string())
            .await?;
        match answer.status {
            StatusCode::OK => {
                check_digest(digest, Digest::of(&answer.bytes))?;
                Manifest::new(answer.bytes)
            }
            StatusCode::NOT_FOUND if is_unknown(&answer) => Err(Cause::UnknownManifest),
            _ => Err(unexpected(&answer)),
        }
    }

    async fn blob_stream(&self, scope: Scope, descriptor: Descriptor) -> Result<BlobStream, Error> {
        let image = format!("{}@{}", scope.repository, descriptor.digest);
        let place = self.place();
        let failed = move |cause| Error {
            place: place.clone(),
            image: image.clone(),
            cause,
        };
        let job = self.job().await;
        let download = Download::start(Arc::clone(&self.inner), scope, descriptor, job).await;
        let chunks = stream::try_unfold(download.map_err(&failed)?, Download::next);
        Ok(chunks.map(move |chunk| chunk.map_err(&failed)).boxed())
    }
}

impl Source for Registry {
    fn tags<'a>(&'a self, repository: &'a Repository) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        async move {
            let scope = self.scope(repository, Actions::Pull);
            let _job = self.job().await;
            let tags = tags::list(self, &scope.repository).await;
            tags.map_err(|cause| self.error(repository.to_string(), cause))
        }
        .boxed()
    }

    fn resolve<'a>(
        &'a self,
        repository: &'a Repository,
        tag: &'a str,
    ) -> BoxFuture<'a, Result<Digest, Error>> {
        async move {
            let scope = self.scope(repository, Actions::Pull);
            let digest = self.digest_of_tag(&scope, tag).await;
            digest.map_err(|cause| self.error(format!("{repository}:{tag}"), cause))
        }
        .boxed()
    }

    fn manifest<'a>(
        &'a self,
        repository: &'a Repository,
        digest: &'a Digest,
    ) -> BoxFuture<'a, Result<Manifest, Error>> {
        async move {
            let scope = self.scope(repository, Actions::Pull);
            let manifest = self.verified_manifest(&scope, digest).await;
            manifest.map_err(|cause| self.error(format!("{repository}@{digest}"), cause))
        }
        .boxed()
    }

    fn blob<'a>(
        &'a self,
        repository: &'a Repository,
        descriptor: &'a Descriptor,
    ) -> BoxFuture<'a, Result<BlobStream, Error>> {
        let scope = self.scope(repository, Actions::Pull);
        self.blob_stream(scope, descriptor.clone()).boxed()
    }

    fn place(&self) -> String {
        place(&self.inner.client.host)
    }
}

fn place(host: &str) -> String {
    format!("registry {host}")
}

/// Whether a 404 comes from a registry that knows what it was asked and has no such thing, and not from a server that is no
/// registry at all.
fn is_unknown(answer: &Document) -> bool {
    let is_registry = answer
        .headers
        .contains_key("docker-distribution-api-version");
    let is_envelope = || serde_json::from_slice::<OciEnvelope>(&answer.bytes).is_ok();
    is_registry || answer.bytes.is_empty() || is_envelope()
}

/// An answer that makes no sense here.
fn unexpected(answer: &Document) -> Cause {
    status_cause(answer.status, message_of(&answer.bytes))
}
