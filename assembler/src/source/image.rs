//! What manifests say: the platforms of an index, the layers of an image. Pure; the data model is oci-client's.
//!
//! Both families are understood: OCI image format 1.1 and Docker image manifest version 2 schema 2. A document is an index or
//! an image by its content, never both (CVE-2021-41190), and its `mediaType` must agree.

use bytes::Bytes;
use formats::Digest;
use oci_client::manifest::{
    IMAGE_DOCKER_LAYER_GZIP_MEDIA_TYPE, IMAGE_DOCKER_LAYER_TAR_MEDIA_TYPE,
    IMAGE_LAYER_GZIP_MEDIA_TYPE, IMAGE_LAYER_MEDIA_TYPE,
    IMAGE_LAYER_NONDISTRIBUTABLE_GZIP_MEDIA_TYPE, IMAGE_LAYER_NONDISTRIBUTABLE_MEDIA_TYPE,
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, ImageIndexEntry,
    OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageIndex,
    OciImageManifest,
};
use serde::Deserialize;

use crate::source::{Error, Source, error::Cause, repository::Repository};

/// Longest manifest or index, in bytes; what registries themselves accept.
pub const MAX_MANIFEST_LEN: u64 = 4 << 20;
/// Most layers of an image.
pub const MAX_LAYERS: usize = 500;
/// Most entries of an index.
pub const MAX_PLATFORMS: usize = 500;
/// Deepest nesting of indexes, the outermost counted.
pub const MAX_INDEX_DEPTH: usize = 4;
/// Most indexes that are read to find one platform.
pub const MAX_INDEXES: usize = 16;

/// The manifest media types we read, as an `Accept` header says it.
pub(super) const ACCEPTED: [&str; 4] = [
    OCI_IMAGE_INDEX_MEDIA_TYPE,
    IMAGE_MANIFEST_LIST_MEDIA_TYPE,
    OCI_IMAGE_MEDIA_TYPE,
    IMAGE_MANIFEST_MEDIA_TYPE,
];

/// Zstandard layers, which oci-client has no names for: OCI image format 1.1 ("Image Layer Filesystem Changeset"), and what
/// buildkit writes into Docker manifests.
const LAYER_ZSTD: [&str; 3] = [
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
];
/// Docker's name of a layer that registries do not hand out.
const DOCKER_FOREIGN_GZIP: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

/// A manifest or index as it came: the bytes are what the digest is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Bytes,
}

/// A blob, as a manifest describes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Descriptor {
    /// What it holds.
    pub media_type: String,
    /// What it hashes to.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// An image of one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its configuration.
    pub config: Descriptor,
    /// Its layers, lowest first.
    pub layers: Vec<Descriptor>,
}

/// How a layer's tar archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
}

/// What a manifest turns out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// A choice of platforms.
    Index(Vec<Entry>),
    /// One image.
    Image(Image),
}

/// One choice of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The manifest, or a further index.
    pub manifest: Descriptor,
    /// `os`, `architecture` and `variant` (empty for none); nothing when the index does not say.
    pub platform: Option<[String; 3]>,
}

/// The parts that tell an index from an image.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    schema_version: u64,
    media_type: Option<String>,
    manifests: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
    config: Option<serde::de::IgnoredAny>,
}

impl Manifest {
    /// Takes bytes whose digest has been checked, and finds out what they are.
    ///
    /// # Errors
    /// When they are longer than [`MAX_MANIFEST_LEN`], or neither an index nor an image.
    pub fn new(bytes: Bytes) -> Result<Self, Cause> {
        if bytes.len() as u64 > MAX_MANIFEST_LEN {
            return Err(Cause::TooLarge {
                what: "the manifest's length in bytes",
                limit: MAX_MANIFEST_LEN,
            });
        }
        let shape: Shape = serde_json::from_slice(&bytes).map_err(malformed)?;
        if shape.schema_version != 2 {
            return Err(malformed(format!(
                "schema version {}",
                shape.schema_version
            )));
        }
        let is_image = shape.layers.is_some() || shape.config.is_some();
        let families = match (shape.manifests.is_some(), is_image) {
            (true, false) => &ACCEPTED[..2],
            (false, true) => &ACCEPTED[2..],
            (true, true) => return Err(malformed("it is both an index and an image")),
            (false, false) => return Err(malformed("it is neither an index nor an image")),
        };
        let media_type = shape.media_type.unwrap_or_else(|| families[0].to_owned());
        if families.contains(&media_type.as_str()) {
            Ok(Self { media_type, bytes })
        } else {
            Err(Cause::MediaType(media_type))
        }
    }

    /// What the manifest says.
    ///
    /// # Errors
    /// When it is not what its media type promises, or exceeds a limit.
    pub fn parse(&self) -> Result<Document, Cause> {
        if is_index(&self.media_type) {
            let index: OciImageIndex = serde_json::from_slice(&self.bytes).map_err(malformed)?;
            limit(
                index.manifests.len(),
                MAX_PLATFORMS,
                "the number of platforms",
            )?;
            let entries = index.manifests.into_iter().map(Entry::try_from);
            return Ok(Document::Index(entries.collect::<Result<_, _>>()?));
        }
        let image: OciImageManifest = serde_json::from_slice(&self.bytes).map_err(malformed)?;
        limit(image.layers.len(), MAX_LAYERS, "the number of layers")?;
        let layers = image.layers.into_iter().map(Descriptor::try_from);
        Ok(Document::Image(Image {
            config: image.config.try_into()?,
            layers: layers.collect::<Result<_, _>>()?,
        }))
    }
}

impl Descriptor {
    /// How this layer is compressed, by its media type; its first bytes have to agree.
    ///
    /// # Errors
    /// [`Cause::MediaType`] when it is not a layer we can read.
    pub fn compression(&self) -> Result<Compression, Cause> {
        match self.media_type.as_str() {
            IMAGE_LAYER_MEDIA_TYPE
            | IMAGE_LAYER_NONDISTRIBUTABLE_MEDIA_TYPE
            | IMAGE_DOCKER_LAYER_TAR_MEDIA_TYPE => Ok(Compression::None),
            IMAGE_LAYER_GZIP_MEDIA_TYPE
            | IMAGE_LAYER_NONDISTRIBUTABLE_GZIP_MEDIA_TYPE
            | IMAGE_DOCKER_LAYER_GZIP_MEDIA_TYPE
            | DOCKER_FOREIGN_GZIP => Ok(Compression::Gzip),
            name if LAYER_ZSTD.contains(&name) => Ok(Compression::Zstd),
            name => Err(Cause::MediaType(name.to_owned())),
        }
    }
}

impl Entry {
    /// Whether this is, or may lead to, the image of `linux/<architecture>`; smaller is better. An entry that names no platform
    /// stands for linux/amd64, as it does for go-containerregistry, which made many of these images.
    fn rank(&self, architecture: &str) -> Option<u8> {
        let platform = self
            .platform
            .as_ref()
            .map(|parts| parts.each_ref().map(String::as_str));
        match platform {
            None if is_index(&self.manifest.media_type) => Some(0),
            None => (architecture == "amd64").then_some(0),
            Some(["linux", arch, variant]) if arch == architecture => match (arch, variant) {
                (_, "") | ("arm64", "v8") | ("amd64", "v1") => Some(0),
                _ => Some(1),
            },
            Some(_) => None,
        }
    }
}

/// The image of `linux/<architecture>` (as Go names it: `amd64`, `arm64`) behind a digest. A manifest of a single image is
/// taken as it is; indexes may be nested; attestations (`unknown/unknown`) are passed by.
///
/// # Errors
/// [`Cause::NoPlatform`] when no index leads to that platform, and whatever the source reports.
pub async fn find(
    source: &dyn Source,
    repository: &Repository,
    digest: &Digest,
    architecture: &str,
) -> Result<Image, Error> {
    let fail = |cause| Error {
        place: source.place_of(repository),
        image: format!("{}@{digest}", repository.here()),
        cause,
    };
    let mut offered = Vec::new();
    let mut pending = vec![(*digest, 1)];
    for _ in 0..MAX_INDEXES {
        let Some((next, depth)) = pending.pop() else {
            return Err(fail(Cause::NoPlatform {
                architecture: architecture.to_owned(),
                offered,
            }));
        };
        let manifest = source.manifest(repository, &next).await?;
        let entries = match manifest.parse().map_err(fail)? {
            Document::Image(image) => return Ok(image),
            Document::Index(entries) if depth < MAX_INDEX_DEPTH => entries,
            Document::Index(_) => {
                return Err(fail(Cause::TooLarge {
                    what: "the nesting of indexes",
                    limit: MAX_INDEX_DEPTH as u64,
                }));
            }
        };
        offered.extend(entries.iter().filter_map(platform_name));
        let mut matching: Vec<_> = entries
            .iter()
            .filter_map(|entry| {
                let rank = entry.rank(architecture)?;
                let is_index = is_index(&entry.manifest.media_type);
                Some(((is_index, rank), entry.manifest.digest))
            })
            .collect();
        // The best choice is popped first: images before indexes, plain variants before others, then the order of the index.
        matching.sort_by_key(|(rank, _)| *rank);
        pending.extend(
            matching
                .into_iter()
                .rev()
                .map(|(_, digest)| (digest, depth + 1)),
        );
    }
    Err(fail(Cause::TooLarge {
        what: "the number of nested indexes",
        limit: MAX_INDEXES as u64,
    }))
}

fn platform_name(entry: &Entry) -> Option<String> {
    let [os, architecture, variant] = entry.platform.as_ref()?;
    let slash = if variant.is_empty() { "" } else { "/" };
    (os != "unknown").then(|| format!("{os}/{architecture}{slash}{variant}"))
}

pub(super) fn is_index(media_type: &str) -> bool {
    ACCEPTED[..2].contains(&media_type)
}

fn limit(count: usize, limit: usize, what: &'static str) -> Result<(), Cause> {
    if count > limit {
        return Err(Cause::TooLarge {
            what,
            limit: limit as u64,
        });
    }
    Ok(())
}

fn malformed(text: impl std::fmt::Display) -> Cause {
    Cause::Malformed {
        what: "manifest",
        text: text.to_string(),
    }
}

fn descriptor(media_type: String, digest: &str, size: i64) -> Result<Descriptor, Cause> {
    Ok(Descriptor {
        media_type,
        digest: digest.parse().map_err(malformed)?,
        size: u64::try_from(size).map_err(|_| malformed(format!("size {size} of {digest}")))?,
    })
}

impl TryFrom<OciDescriptor> for Descriptor {
    type Error = Cause;

    fn try_from(raw: OciDescriptor) -> Result<Self, Cause> {
        descriptor(raw.media_type, &raw.digest, raw.size)
    }
}

impl TryFrom<ImageIndexEntry> for Entry {
    type Error = Cause;

    fn try_from(raw: ImageIndexEntry) -> Result<Self, Cause> {
        let platform = raw.platform.map(|platform| {
            let variant = platform.variant.unwrap_or_default();
            [
                platform.os.to_string(),
                platform.architecture.to_string(),
                variant,
            ]
        });
        Ok(Self {
            manifest: descriptor(raw.media_type, &raw.digest, raw.size)?,
            platform,
        })
    }
}

#[cfg(test)]
mod tests;
