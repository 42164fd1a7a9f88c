//! The names that a layout gives its images.

use std::collections::{BTreeMap, BTreeSet};

use formats::Digest;
use oci_client::manifest::{ImageIndexEntry, OciImageIndex};
use serde::Deserialize;

use crate::source::{
    error::Cause,
    image::{MAX_INDEX_DEPTH, is_index},
    layout::{
        files::{Files, INDEX, MARKER},
        read_manifest,
    },
    repository::{Reference, Repository},
};

/// Longest `index.json`, in bytes.
const MAX_INDEX_LEN: u64 = 64 << 20;
/// Longest `oci-layout`, in bytes.
const MAX_MARKER_LEN: u64 = 64 << 10;
/// Most entries of all indexes of a layout together.
const MAX_NAMES: usize = 200_000;
/// The annotations that name an image: OCI's, and the one in which containerd and buildkit write the full name.
const NAME_ANNOTATIONS: [&str; 2] = [
    "org.opencontainers.image.ref.name",
    "io.containerd.image.name",
];

/// Repositories, their tags, and the images that these stand for.
#[derive(Debug, Default)]
pub(super) struct Names {
    repositories: BTreeMap<Repository, BTreeMap<String, Images>>,
    entries: usize,
}

/// The images of one name, by how they are named.
#[derive(Debug, Default)]
struct Images {
    plain: BTreeSet<Digest>,
    with_host: BTreeSet<Digest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    image_layout_version: String,
}

/// Reads `oci-layout` and `index.json`, and indexes below it that have no name themselves.
pub(super) fn read(files: &Files) -> Result<Names, Cause> {
    let read = |name: &'static str, limit| {
        let missing = || Cause::File(format!("{name} is missing: not an OCI image layout"));
        let file = files.open(name)?.ok_or_else(missing)?;
        file.read_all(name, limit)
    };
    let malformed = |what, text: String| Cause::Malformed { what, text };
    let marker: Marker = serde_json::from_slice(&read(MARKER, MAX_MARKER_LEN)?)
        .map_err(|error| malformed(MARKER, error.to_string()))?;
    if !marker.image_layout_version.starts_with("1.") {
        let text = format!("version {}", marker.image_layout_version);
        return Err(malformed(MARKER, text));
    }
    let index: OciImageIndex = serde_json::from_slice(&read(INDEX, MAX_INDEX_LEN)?)
        .map_err(|error| malformed(INDEX, error.to_string()))?;
    let mut names = Names::default();
    names.collect(files, index.manifests, 1)?;
    Ok(names)
}

impl Names {
    fn collect(
        &mut self,
        files: &Files,
        entries: Vec<ImageIndexEntry>,
        depth: usize,
    ) -> Result<(), Cause> {
        self.entries += entries.len();
        if self.entries > MAX_NAMES {
            return Err(Cause::TooLarge {
                what: "the number of images",
                limit: MAX_NAMES as u64,
            });
        }
        for entry in entries {
            // Other algorithms are allowed in a layout, but no image that we are asked for is named by one.
            let Ok(digest) = entry.digest.parse::<Digest>() else {
                continue;
            };
            let annotations = entry.annotations.unwrap_or_default();
            let mut is_named = false;
            for name in NAME_ANNOTATIONS
                .iter()
                .filter_map(|key| annotations.get(*key))
            {
                is_named = true;
                self.add(name, digest);
            }
            if !is_named && is_index(&entry.media_type) && depth < MAX_INDEX_DEPTH {
                self.collect(files, nested(files, &digest)?, depth + 1)?;
            }
        }
        Ok(())
    }

    /// Notes a name, if it has a repository and a tag: others (`latest`) name nothing that we are asked for.
    fn add(&mut self, name: &str, digest: Digest) {
        let Ok(Reference {
            host,
            repository,
            tag: Some(tag),
            ..
        }) = name.parse()
        else {
            return;
        };
        let images = self
            .repositories
            .entry(repository)
            .or_default()
            .entry(tag)
            .or_default();
        let images = if host.is_some() {
            &mut images.with_host
        } else {
            &mut images.plain
        };
        images.insert(digest);
    }

    /// The tags of a repository, in order.
    pub(super) fn tags(&self, repository: &Repository) -> Result<Vec<String>, Cause> {
        let tags = self
            .repositories
            .get(repository)
            .ok_or(Cause::UnknownRepository)?;
        Ok(tags.keys().cloned().collect())
    }

    /// The image of a name; one named without a host comes first.
    pub(super) fn resolve(&self, repository: &Repository, tag: &str) -> Result<Digest, Cause> {
        let tags = self.repositories.get(repository).ok_or(Cause::UnknownTag)?;
        let images = tags.get(tag).ok_or(Cause::UnknownTag)?;
        let images = if images.plain.is_empty() {
            &images.with_host
        } else {
            &images.plain
        };
        let mut digests = images.iter();
        match (digests.next(), digests.next()) {
            (Some(digest), None) => Ok(*digest),
            _ => Err(Cause::Ambiguous(images.iter().copied().collect())),
        }
    }
}

/// The entries of an index below the first.
fn nested(files: &Files, digest: &Digest) -> Result<Vec<ImageIndexEntry>, Cause> {
    let bytes = read_manifest(files, digest).map_err(|cause| match cause {
        Cause::UnknownManifest => Cause::MissingBlob(*digest),
        other => other,
    })?;
    let index: OciImageIndex =
        serde_json::from_slice(&bytes).map_err(|error| Cause::Malformed {
            what: "index",
            text: format!("{digest}: {error}"),
        })?;
    Ok(index.manifests)
}
