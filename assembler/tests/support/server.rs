//! A registry on this machine that serves a [`Release`], remembers what it was asked, and misbehaves where it is told to.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use assembler::source::{Registry, RegistryOptions};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use formats::Digest;
use futures_util::{StreamExt as _, future, stream};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use serde_json::json;

use crate::support::{Release, quick};

/// Tags on a page, whatever the client asks for.
const PAGE: usize = 3;

/// A request as the registry saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// Which request to this path with this method it is, the first being 0.
    pub count: usize,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub fn is_blob(&self) -> bool {
        self.method == Method::GET && self.path.contains("/blobs/sha256:")
    }

    pub fn is_manifest(&self) -> bool {
        self.path.contains("/manifests/")
    }
}

/// What a registry does instead of what it should.
#[derive(Debug)]
pub enum Reply {
    /// Answers this.
    Answer(Response),
    /// Never answers.
    Hang,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self::Answer((StatusCode::from_u16(status).unwrap(), "").into_response())
    }

    pub fn with_header(status: u16, name: &'static str, value: &str) -> Self {
        let status = StatusCode::from_u16(status).unwrap();
        Self::Answer((status, [(name, value.to_owned())], "").into_response())
    }

    pub fn body(bytes: impl Into<Bytes>) -> Self {
        Self::Answer(bytes.into().into_response())
    }

    /// These bytes with no length, and then what a broken connection looks like.
    pub fn broken(bytes: Bytes) -> Self {
        let end = stream::once(async {
            // The server sends what it has when its body makes it wait.
            tokio::task::yield_now().await;
            Err(std::io::Error::other("broken"))
        });
        let chunks = stream::once(future::ready(Ok(bytes))).chain(end);
        Self::Answer(Body::from_stream(chunks).into_response())
    }

    /// These bytes, and then nothing, for ever.
    pub fn stalled(bytes: Bytes) -> Self {
        let chunks =
            stream::once(future::ready(Ok::<_, std::io::Error>(bytes))).chain(stream::pending());
        Self::Answer(Body::from_stream(chunks).into_response())
    }

    /// These bytes under a length of our choice; without one, in chunks.
    pub fn lengthy(bytes: &Bytes, len: Option<usize>) -> Self {
        let chunks: Vec<_> = bytes
            .chunks(1000)
            .map(|chunk| Ok::<_, std::io::Error>(Bytes::copy_from_slice(chunk)))
            .collect();
        let mut response = Body::from_stream(stream::iter(chunks)).into_response();
        if let Some(len) = len {
            response
                .headers_mut()
                .insert(header::CONTENT_LENGTH, len.into());
        }
        Self::Answer(response)
    }
}

type Fault = dyn Fn(&Seen) -> Option<Reply> + Send + Sync;

struct Shared {
    release: Mutex<Release>,
    fault: Box<Fault>,
    seen: Mutex<Vec<Seen>>,
}

/// A running registry. It ends with the test's runtime.
pub struct Server {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({})", self.address)
    }
}

impl Server {
    /// A registry without faults.
    pub async fn honest(release: Release) -> Self {
        Self::start(release, |_| None).await
    }

    /// A registry that does what `fault` says, and its duty where that says nothing.
    pub async fn start(
        release: Release,
        fault: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(Shared {
            release: Mutex::new(release),
            fault: Box::new(fault),
            seen: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        let service = TowerToHyperService::new(router);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let http = auto::Builder::new(TokioExecutor::new());
                    // A connection that breaks is what some tests are about.
                    let _ = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, shared }
    }

    pub fn host(&self) -> String {
        self.address.to_string()
    }

    pub fn registry(&self, options: RegistryOptions) -> Registry {
        Registry::new(&self.host(), None, options).unwrap()
    }

    pub fn quick(&self) -> Registry {
        self.registry(quick())
    }

    /// What was asked so far, without the first knock on the door.
    pub fn seen(&self) -> Vec<Seen> {
        let seen = self.shared.seen.lock().unwrap();
        seen.iter()
            .filter(|seen| seen.path != "/v2/")
            .cloned()
            .collect()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let seen = {
        let mut log = shared.seen.lock().unwrap();
        let path = parts.uri.path().to_owned();
        let same = log
            .iter()
            .filter(|seen| seen.path == path && seen.method == parts.method);
        let seen = Seen {
            count: same.count(),
            path,
            query: parts.uri.query().unwrap_or_default().to_owned(),
            method: parts.method,
            headers: parts.headers,
            body,
        };
        log.push(seen.clone());
        seen
    };
    match (shared.fault)(&seen) {
        Some(Reply::Answer(response)) => response,
        Some(Reply::Hang) => future::pending().await,
        None => serve(&mut shared.release.lock().unwrap(), &seen),
    }
}

fn serve(release: &mut Release, seen: &Seen) -> Response {
    let Some(path) = seen.path.strip_prefix("/v2/") else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if path.is_empty() {
        return "{}".into_response();
    }
    if let Some(repository) = path.strip_suffix("/tags/list") {
        return tags(release, repository, &seen.query);
    }
    if let Some((repository, reference)) = path.split_once("/manifests/") {
        return manifest(release, repository, reference, seen);
    }
    if let Some((repository, _)) = path.split_once("/blobs/uploads/") {
        return upload(release, repository, seen);
    }
    let Some((repository, digest)) = path.split_once("/blobs/") else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let digest: Digest = digest.parse().unwrap();
    match release
        .blobs
        .get(&digest)
        .filter(|_| release.reachable(repository).contains(&digest))
    {
        Some(bytes) => ranged(bytes, seen.header("range")),
        None => failure("BLOB_UNKNOWN"),
    }
}

pub fn failure(code: &str) -> Response {
    let envelope = json!({"errors": [{"code": code, "message": format!("said {code}")}]});
    (StatusCode::NOT_FOUND, envelope.to_string()).into_response()
}

fn tags(release: &Release, repository: &str, query: &str) -> Response {
    let Some(tags) = release.tags.get(repository) else {
        return failure("NAME_UNKNOWN");
    };
    let last = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("last="))
        .unwrap_or_default();
    let rest: Vec<_> = tags.keys().filter(|tag| tag.as_str() > last).collect();
    let page = &rest[..rest.len().min(PAGE)];
    let mut response = json!({"name": repository, "tags": page})
        .to_string()
        .into_response();
    if page.len() < rest.len() {
        let link = format!(
            "</v2/{repository}/tags/list?n={PAGE}&last={}>; rel=\"next\"",
            page[PAGE - 1]
        );
        response
            .headers_mut()
            .insert(header::LINK, link.parse().unwrap());
    }
    response
}

fn manifest(release: &mut Release, repository: &str, reference: &str, seen: &Seen) -> Response {
    if seen.method == Method::PUT {
        release.blob(seen.body.clone());
        return StatusCode::CREATED.into_response();
    }
    let tags = release.tags.get(repository);
    let by_tag = tags.and_then(|tags| tags.get(reference)).copied();
    let digest = by_tag.or_else(|| reference.parse().ok());
    let known = digest.filter(|digest| {
        let is_manifest = release.manifests.iter().any(|(known, _)| known == digest);
        is_manifest && release.reachable(repository).contains(digest)
    });
    let Some(digest) = known else {
        return failure("MANIFEST_UNKNOWN");
    };
    let headers = [
        ("content-type", release.media_type(&digest).to_owned()),
        ("docker-content-digest", digest.to_string()),
    ];
    (headers, release.blobs[&digest].clone()).into_response()
}

fn upload(release: &mut Release, repository: &str, seen: &Seen) -> Response {
    if seen.method == Method::POST {
        let location = format!("/v2/{repository}/blobs/uploads/session?state=x");
        return (StatusCode::ACCEPTED, [("location", location)]).into_response();
    }
    let digest = release.blob(seen.body.clone());
    assert!(seen.query.contains(&digest.hex()), "{}", seen.query);
    StatusCode::CREATED.into_response()
}

/// A blob from `bytes=N-` on.
pub fn ranged(bytes: &Bytes, range: Option<&str>) -> Response {
    let Some(range) = range else {
        return bytes.clone().into_response();
    };
    let first: usize = range
        .strip_prefix("bytes=")
        .unwrap()
        .strip_suffix('-')
        .unwrap()
        .parse()
        .unwrap();
    let content_range = format!("bytes {first}-{}/{}", bytes.len() - 1, bytes.len());
    let headers = [("content-range", content_range)];
    (StatusCode::PARTIAL_CONTENT, headers, bytes.slice(first..)).into_response()
}
