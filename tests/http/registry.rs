//! A registry that serves an OCI layout as it is.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use hyper::{Request, Response, StatusCode, body::Incoming, header};
use serde_json::{Value as Json, json};
use talos_forge::{
    body::Body,
    server::{Handler, Peer},
};

/// The layout, and what is asked of it.
#[derive(Debug)]
pub(crate) struct Registry {
    blobs: PathBuf,
    /// `repository:tag` → digest.
    names: BTreeMap<String, String>,
}

impl Registry {
    pub(crate) fn new(layout: &std::path::Path) -> Self {
        let index = std::fs::read(layout.join("index.json")).unwrap();
        let index: Json = serde_json::from_slice(&index).unwrap();
        let manifests = index["manifests"].as_array().unwrap().iter();
        let names = manifests.filter_map(|manifest| {
            let name = manifest["annotations"]["org.opencontainers.image.ref.name"].as_str()?;
            Some((name.to_owned(), manifest["digest"].as_str()?.to_owned()))
        });
        Self {
            blobs: layout.join("blobs/sha256"),
            names: names.collect(),
        }
    }

    /// Media type, digest and content of what a path names.
    fn find(&self, path: &str) -> Option<(String, String, Vec<u8>)> {
        let path = path.strip_prefix("/v2/")?;
        if let Some(repository) = path.strip_suffix("/tags/list") {
            let prefix = format!("{repository}:");
            let tags = self
                .names
                .keys()
                .filter_map(|name| name.strip_prefix(&prefix));
            let list = json!({"name": repository, "tags": tags.collect::<Vec<_>>()});
            return Some((
                "application/json".into(),
                String::new(),
                list.to_string().into(),
            ));
        }
        let (repository, reference) = path
            .split_once("/manifests/")
            .or_else(|| path.split_once("/blobs/"))?;
        let named = self.names.get(&format!("{repository}:{reference}"));
        let digest = named.map_or(reference, String::as_str);
        let content = std::fs::read(self.blobs.join(digest.strip_prefix("sha256:")?)).ok()?;
        let media_type = if path.contains("/manifests/") {
            let manifest: Json = serde_json::from_slice(&content).ok()?;
            manifest["mediaType"].as_str()?.to_owned()
        } else {
            "application/octet-stream".to_owned()
        };
        Some((media_type, digest.to_owned(), content))
    }
}

impl Handler for Registry {
    async fn answer(self: Arc<Self>, request: Request<Incoming>, _: Peer) -> Response<Body> {
        let mut response = Response::new(Body::default());
        if request.uri().path() == "/v2/" {
            return response;
        }
        let Some((media_type, digest, content)) = self.find(request.uri().path()) else {
            *response.status_mut() = StatusCode::NOT_FOUND;
            return response;
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, media_type.parse().unwrap());
        headers.insert("docker-content-digest", digest.parse().unwrap());
        headers.insert(header::CONTENT_LENGTH, content.len().into());
        if request.method() != hyper::Method::HEAD {
            *response.body_mut() = Body::text(content);
        }
        response
    }
}
