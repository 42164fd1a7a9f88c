//! A registry that misbehaves: nothing wrong is ever taken for good, what can be recovered is, and the error says which
//! image it was and why.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a step that fails is a test that fails"
)]

mod blobs;
mod documents;
mod failures;
mod push;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use assembler::source::{Descriptor, Error, Registry, RegistryOptions, Source as _};
use bytes::Bytes;
use formats::Digest;

use crate::support::{
    Release,
    conformance::read,
    noise, quick,
    server::{Seen, Server},
};

const REPOSITORY: &str = "siderolabs/util-linux-tools";
const TAG: &str = "2.40";
/// The time-out of tests in which something hangs.
const STALL: Duration = Duration::from_millis(200);

/// The release, and its layer that the faults are about.
fn release() -> (Release, Descriptor, Bytes) {
    let mut release = Release::new();
    let bytes = noise(7, 300_000);
    let digest = release.blob(bytes.clone());
    let config = release.blob("{}");
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "config": release.descriptor("application/vnd.oci.image.config.v1+json", config),
        "layers": [release.descriptor("application/vnd.oci.image.layer.v1.tar", digest)],
    });
    let manifest = release.manifest(support::release::OCI_MANIFEST, &manifest);
    release.tag(REPOSITORY, "large", manifest);
    let descriptor = Descriptor {
        media_type: "application/vnd.oci.image.layer.v1.tar".to_owned(),
        digest,
        size: bytes.len() as u64,
    };
    (release, descriptor, bytes)
}

/// The digest of all the bytes, which says as much as the bytes when a test fails.
async fn fetch(registry: &Registry, descriptor: &Descriptor) -> Result<Digest, Error> {
    let bytes = read(registry, REPOSITORY, descriptor).await?;
    Ok(Digest::of(bytes))
}

async fn resolve(registry: &Registry) -> Result<Digest, Error> {
    registry.resolve(&REPOSITORY.parse().unwrap(), TAG).await
}

/// How often a blob was asked for, and from where on.
fn ranges(server: &Server) -> Vec<Option<String>> {
    let seen = server.seen();
    let blobs = seen.iter().filter(|seen| seen.is_blob());
    blobs
        .map(|seen| seen.header("range").map(str::to_owned))
        .collect()
}

fn first_byte(seen: &Seen) -> usize {
    let range = seen
        .header("range")
        .and_then(|range| range.strip_prefix("bytes="));
    range.map_or(0, |range| range.trim_end_matches('-').parse().unwrap())
}

fn stalling() -> RegistryOptions {
    RegistryOptions {
        stall_timeout: STALL,
        connect_timeout: Duration::from_secs(1),
        attempts: 2,
        ..quick()
    }
}
