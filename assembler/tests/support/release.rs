//! A release of a few kilobytes with every kind of image that occurs: layers of each compression, indexes (also nested),
//! a single manifest, Docker's media types, attestations, a signature tag, an image that only its digest names.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    path::Path,
};

use bytes::Bytes;
use formats::Digest;
use serde_json::{Value, json};

use crate::support::noise;

pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// Blobs, manifests, and names for some of them.
#[derive(Debug, Clone, Default)]
pub struct Release {
    /// Everything by digest, manifests too.
    pub blobs: BTreeMap<Digest, Bytes>,
    /// The manifests among them, children before parents, with their media types.
    pub manifests: Vec<(Digest, &'static str)>,
    /// repository → tag → digest.
    pub tags: BTreeMap<&'static str, BTreeMap<String, Digest>>,
    /// A manifest of `siderolabs/by-digest` that no tag names.
    pub untagged: Option<Digest>,
}

/// How a layer is packed.
#[derive(Debug, Clone, Copy)]
pub enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// Operating system, architecture and variant.
type Platform<'a> = (&'a str, &'a str, &'a str);

impl Release {
    pub fn new() -> Self {
        use Packing::{Gzip, Plain, Zstd};
        let mut release = Self::default();

        let amd64 = release.image(OCI_MANIFEST, "amd64", &[Gzip, Zstd, Plain]);
        let arm64 = release.image(OCI_MANIFEST, "arm64", &[Gzip]);
        let attestation = release.image(OCI_MANIFEST, "attestation", &[]);
        let index = release.index(
            OCI_INDEX,
            &[
                (attestation, Some(("unknown", "unknown", ""))),
                (amd64, Some(("linux", "amd64", ""))),
                (arm64, Some(("linux", "arm64", "v8"))),
            ],
        );
        release.tag("siderolabs/imager", "v1.14.0", index);
        release.tag("siderolabs/imager", "v1.13.2", index);
        let signature = release.image(OCI_MANIFEST, "signature", &[]);
        release.tag(
            "siderolabs/imager",
            &format!("sha256-{}.sig", index.hex()),
            signature,
        );

        let outer = release.index(
            OCI_INDEX,
            &[(index, None), (signature, Some(("windows", "amd64", "")))],
        );
        release.tag("siderolabs/nested", "v1", outer);

        let single = release.image(DOCKER_MANIFEST, "single", &[Gzip]);
        release.tag("siderolabs/util-linux-tools", "2.40", single);

        let docker_amd64 = release.image(DOCKER_MANIFEST, "docker amd64", &[Gzip, Gzip]);
        let docker_arm64 = release.image(DOCKER_MANIFEST, "docker arm64", &[Gzip]);
        let list = release.index(
            DOCKER_LIST,
            &[
                (docker_arm64, Some(("linux", "arm64", ""))),
                (docker_amd64, Some(("linux", "amd64", ""))),
            ],
        );
        release.tag("siderolabs/gvisor", "20250101.0", list);
        for patch in 0..7 {
            release.tag("siderolabs/many", &format!("v1.0.{patch}"), single);
        }
        let untagged = release.image(OCI_MANIFEST, "untagged", &[Zstd]);
        release.tag("siderolabs/by-digest", "other", single);
        release.untagged = Some(untagged);
        release
    }

    pub fn blob(&mut self, bytes: impl Into<Bytes>) -> Digest {
        let bytes = bytes.into();
        let digest = Digest::of(&bytes);
        self.blobs.insert(digest, bytes);
        digest
    }

    pub fn image(&mut self, kind: &'static str, name: &str, layers: &[Packing]) -> Digest {
        let is_docker = kind == DOCKER_MANIFEST;
        let config = json!({"architecture": "amd64", "os": "linux", "name": name,
            "rootfs": {"type": "layers", "diff_ids": []}});
        let config = self.blob(config.to_string());
        let layers: Vec<Value> = layers
            .iter()
            .enumerate()
            .map(|(number, packing)| {
                let content = noise(
                    Digest::of(format!("{name} {number}")).as_bytes()[0].into(),
                    1 << 16,
                );
                let (suffix, packed) = pack(*packing, &content);
                let digest = self.blob(packed);
                let media_type = if is_docker {
                    format!(
                        "application/vnd.docker.image.rootfs.diff.tar{}",
                        suffix.replace('+', ".")
                    )
                } else {
                    format!("application/vnd.oci.image.layer.v1.tar{suffix}")
                };
                self.descriptor(&media_type, digest)
            })
            .collect();
        let mut manifest = json!({
            "schemaVersion": 2,
            "config": self.descriptor(if is_docker { DOCKER_CONFIG } else { OCI_CONFIG }, config),
            "layers": layers,
        });
        // OCI leaves it to the writer whether the media type is repeated; Docker does not.
        if is_docker || name.contains("64") {
            manifest["mediaType"] = kind.into();
        }
        self.manifest(kind, &manifest)
    }

    pub fn index(
        &mut self,
        kind: &'static str,
        entries: &[(Digest, Option<Platform<'_>>)],
    ) -> Digest {
        let entries: Vec<Value> = entries
            .iter()
            .map(|(digest, platform)| {
                let mut entry = self.descriptor(self.media_type(digest), *digest);
                if let Some((os, architecture, variant)) = platform {
                    entry["platform"] = json!({"os": os, "architecture": architecture});
                    if !variant.is_empty() {
                        entry["platform"]["variant"] = (*variant).into();
                    }
                }
                entry
            })
            .collect();
        let index = json!({"schemaVersion": 2, "mediaType": kind, "manifests": entries});
        self.manifest(kind, &index)
    }

    pub fn manifest(&mut self, kind: &'static str, document: &Value) -> Digest {
        let digest = self.blob(document.to_string());
        self.manifests.push((digest, kind));
        digest
    }

    pub fn tag(&mut self, repository: &'static str, tag: &str, digest: Digest) {
        self.tags
            .entry(repository)
            .or_default()
            .insert(tag.to_owned(), digest);
    }

    pub fn media_type(&self, digest: &Digest) -> &'static str {
        let found = self.manifests.iter().find(|(known, _)| known == digest);
        found.expect("it is a manifest").1
    }

    pub fn descriptor(&self, media_type: &str, digest: Digest) -> Value {
        json!({"mediaType": media_type, "digest": digest.to_string(), "size": self.blobs[&digest].len()})
    }

    /// `index.json` with every name, and with what has none.
    pub fn index_json(&self, host: &str) -> Value {
        let mut entries: Vec<Value> = Vec::new();
        for (repository, tags) in &self.tags {
            for (tag, digest) in tags {
                let mut entry = self.descriptor(self.media_type(digest), *digest);
                let name = format!("{host}{repository}:{tag}");
                entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
                entries.push(entry);
            }
        }
        entries.extend(
            self.untagged
                .map(|digest| self.descriptor(OCI_MANIFEST, digest)),
        );
        json!({"schemaVersion": 2, "manifests": entries})
    }

    /// The files of an OCI image layout.
    pub fn files(&self, index: &Value) -> BTreeMap<String, Bytes> {
        let mut files = BTreeMap::from([
            (
                "oci-layout".to_owned(),
                Bytes::from_static(br#"{"imageLayoutVersion":"1.0.0"}"#),
            ),
            ("index.json".to_owned(), Bytes::from(index.to_string())),
        ]);
        let blobs = self.blobs.iter();
        files.extend(
            blobs.map(|(digest, bytes)| (format!("blobs/sha256/{}", digest.hex()), bytes.clone())),
        );
        files
    }

    pub fn write_layout(&self, directory: &Path, index: &Value) {
        for (name, bytes) in self.files(index) {
            let path = directory.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    pub fn write_archive(&self, file: &Path, prefix: &str) {
        let mut archive = tar::Builder::new(fs::File::create(file).unwrap());
        for (name, bytes) in self.files(&self.index_json("")) {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            // `append_data` cleans names; `./` is what `tar -C DIR -c .` writes.
            archive
                .append_data(&mut header, format!("{prefix}{name}"), &bytes[..])
                .unwrap();
        }
        archive.into_inner().unwrap().flush().unwrap();
    }

    /// What a registry holds in a repository: everything reachable from its tags.
    pub fn reachable(&self, repository: &str) -> BTreeSet<Digest> {
        let tags = self
            .tags
            .get(repository)
            .into_iter()
            .flat_map(BTreeMap::values);
        let mut pending: Vec<Digest> = tags.copied().collect();
        if repository == "siderolabs/by-digest" {
            pending.extend(self.untagged);
        }
        let mut seen = BTreeSet::new();
        while let Some(digest) = pending.pop() {
            if seen.insert(digest) && self.manifests.iter().any(|(known, _)| *known == digest) {
                let document: Value = serde_json::from_slice(&self.blobs[&digest]).unwrap();
                let lists = ["manifests", "layers"]
                    .iter()
                    .filter_map(|key| document[key].as_array());
                let children = lists.flatten().chain(document.get("config"));
                pending.extend(
                    children
                        .map(|child| child["digest"].as_str().unwrap().parse::<Digest>().unwrap()),
                );
            }
        }
        seen
    }
}

fn pack(packing: Packing, content: &[u8]) -> (&'static str, Vec<u8>) {
    match packing {
        Packing::Plain => ("", content.to_vec()),
        Packing::Gzip => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(content).unwrap();
            ("+gzip", encoder.finish().unwrap())
        }
        Packing::Zstd => ("+zstd", zstd::encode_all(content, 1).unwrap()),
    }
}
