//! The image that holds a schematic in an OCI registry, to the byte as the reference writes it (spec/http.md 1.6).
//!
//! The tag is the ID, and the only layer is the canonical form as it is, so its digest is the ID too. Reading takes no
//! manifest, only the blob: the manifest keeps it from being collected.

use serde::Serialize;

use crate::schematic::Id;

/// Media type of the manifest.
pub const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// Media type of the configuration.
pub const CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// Media type of the layer.
pub const LAYER: &str = "application/vnd.sidero.dev-image.schematic";

/// The zero of Go's time.
const CREATED: &str = "0001-01-01T00:00:00Z";

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
