//! The image that holds a schematic in an OCI registry, to the byte as the reference writes it (spec/http.md 1.6).
//!
//! The tag is the ID, and the only layer is the canonical form as it is, so its digest is the ID too. Reading takes no
//! manifest, only the blob: the manifest keeps it from being collected.

use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use serde::Serialize;

use super::{Backend, Put};
use crate::{
    schematic::{Error, Id},
    source::{self, Registry, Repository, Source as _},
};

/// Media type of the manifest.
pub const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// Media type of the configuration.
pub const CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// Media type of the layer.
pub const LAYER: &str = "application/vnd.sidero.dev-image.schematic";

/// The zero of Go's time.
const CREATED: &str = "0001-01-01T00:00:00Z";

/// Longest schematic that is read back, in bytes.
const MAX_LEN: u64 = 4 << 20;

/// Schematics as images of one repository.
#[derive(Debug, Clone)]
pub struct Images {
    registry: Registry,
    repository: Repository,
}

impl Images {
    /// Schematics in `repository` of `registry`.
    pub fn new(registry: Registry, repository: Repository) -> Images {
        Images {
            registry,
            repository,
        }
    }
}

impl Backend for Images {
    fn get<'a>(&'a self, id: &'a Id) -> BoxFuture<'a, Result<Option<Bytes>, Error>> {
        let blob = self
            .registry
            .get_blob(&self.repository, id.digest(), MAX_LEN);
        blob.map(|blob| blob.map_err(failed)).boxed()
    }

    fn put<'a>(&'a self, id: &'a Id, canonical: Bytes) -> BoxFuture<'a, Result<Put, Error>> {
        async move {
            let known = self
                .registry
                .get_blob(&self.repository, id.digest(), MAX_LEN)
                .await;
            let put = match known.map_err(failed)? {
                Some(_) => Put::Existing,
                None => Put::Created,
            };
            // Also when the blob is there: only the tag keeps it from being collected.
            let (registry, repository) = (&self.registry, &self.repository);
            let config = config(&canonical).into();
            let manifest = manifest(&canonical).into();
            registry
                .push_blob(repository, canonical)
                .await
                .map_err(failed)?;
            registry
                .push_blob(repository, config)
                .await
                .map_err(failed)?;
            let tag = id.to_string();
            registry
                .push_manifest(repository, &tag, MANIFEST, manifest)
                .await
                .map_err(failed)?;
            Ok(put)
        }
        .boxed()
    }

    fn place(&self, id: &Id) -> String {
        format!(
            "{}: {}@{}",
            self.registry.place(),
            self.repository,
            id.digest()
        )
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the argument of map_err")]
fn failed(error: source::Error) -> Error {
    Error::Backend {
        text: error.to_string(),
        kind: error.kind(),
    }
}

#[derive(Serialize)]
struct Image {
    architecture: &'static str,
    created: &'static str,
    history: [History; 1],
    os: &'static str,
    rootfs: RootFs,
    config: Empty,
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
struct History {
    created: &'static str,
}

#[derive(Serialize)]
struct RootFs {
    r#type: &'static str,
    diff_ids: [String; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u8,
    media_type: &'static str,
    config: Descriptor,
    layers: [Descriptor; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: &'static str,
    size: usize,
    digest: String,
}

impl Descriptor {
    fn of(media_type: &'static str, content: &[u8]) -> Descriptor {
        Descriptor {
            media_type,
            size: content.len(),
            digest: formats::Digest::of(content).to_string(),
        }
    }
}

/// The configuration of the image with this layer.
pub fn config(canonical: &[u8]) -> Vec<u8> {
    let image = Image {
        architecture: "",
        created: CREATED,
        history: [History { created: CREATED }],
        os: "",
        rootfs: RootFs {
            r#type: "layers",
            diff_ids: [Id::of(canonical).digest().to_string()],
        },
        config: Empty {},
    };
    serde_json::to_vec(&image).expect("strings and lists are JSON")
}

/// The manifest of the image with this layer.
pub fn manifest(canonical: &[u8]) -> Vec<u8> {
    let manifest = Manifest {
        schema_version: 2,
        media_type: MANIFEST,
        config: Descriptor::of(CONFIG, &config(canonical)),
        layers: [Descriptor::of(LAYER, canonical)],
    };
    serde_json::to_vec(&manifest).expect("strings and lists are JSON")
}
