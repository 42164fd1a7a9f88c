//! An OCI image layout: a directory, or the same as one tar file.
//!
//! ```text
//! oci-layout           {"imageLayoutVersion":"1.0.0"}
//! index.json           names → digests, by the annotation org.opencontainers.image.ref.name
//! blobs/sha256/<hex>   manifests, indexes, configurations, layers
//! ```
//!
//! One layout holds all images, told apart by names as `siderolabs/imager:v1.14.0`, with or without a host in front. It is read
//! again when `index.json` (or the archive) changes. Nothing is ever written.
//!
//! Specification: OCI image format 1.1, "OCI Image Layout".

mod archive;
mod files;
mod names;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use formats::Digest;
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};

use crate::source::{
    BlobStream, Cause, Descriptor, Error, Manifest, Repository, Source,
    image::MAX_MANIFEST_LEN,
    layout::{
        files::{Files, Range},
        names::Names,
    },
    verify::{Verifier, check_digest},
};

/// How much is read of a blob at a time.
const CHUNK_LEN: u64 = 256 << 10;

/// A source on disk.
#[derive(Debug, Clone)]
pub struct OciLayout(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    is_archive: bool,
    snapshot: Mutex<Option<Arc<Snapshot>>>,
}

/// What was read of the layout, and the state of the file it was read from.
#[derive(Debug)]
struct Snapshot {
    stamp: files::Stamp,
    files: Files,
    names: Names,
}

impl OciLayout {
    /// The layout in a directory; it is read when first asked.
    pub fn directory(path: impl Into<PathBuf>) -> Self {
        Self::new(path.into(), false)
    }

    /// The layout in a tar file; it is read when first asked.
    pub fn archive(path: impl Into<PathBuf>) -> Self {
        Self::new(path.into(), true)
    }

    fn new(path: PathBuf, is_archive: bool) -> Self {
        Self(Arc::new(Shared {
            path,
            is_archive,
            snapshot: Mutex::default(),
        }))
    }

    /// Does file work where it may block, and says of which image it was if it fails.
    async fn run<T: Send + 'static>(
        &self,
        image: String,
        work: impl FnOnce(&Snapshot) -> Result<T, Cause> + Send + 'static,
    ) -> Result<T, Error> {
        let shared = Arc::clone(&self.0);
        let result = tokio::task::spawn_blocking(move || work(&*shared.snapshot()?)).await;
        let result = result.expect("reading a layout does not panic");
        result.map_err(|cause| self.0.error(image, cause))
    }
}

impl Shared {
    fn place(&self) -> String {
        let kind = if self.is_archive {
            "OCI archive"
        } else {
            "OCI layout"
        };
        format!("{kind} {}", self.path.display())
    }

    fn error(&self, image: String, cause: Cause) -> Error {
        Error {
            place: self.place(),
            image,
            cause,
        }
    }

    /// The layout as it is now: read again when its index changed.
    fn snapshot(&self) -> Result<Arc<Snapshot>, Cause> {
        let watched = if self.is_archive {
            self.path.clone()
        } else {
            self.path.join(files::INDEX)
        };
        let metadata = fs::metadata(&watched).map_err(|error| file_error(&watched, &error))?;
        let stamp = files::Stamp::of(&metadata);
        // One reader at a time: the others want the same. A reader that panicked left the last good snapshot.
        let mut snapshot = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = snapshot.as_ref().filter(|known| known.stamp == stamp) {
            return Ok(Arc::clone(known));
        }
        let files = if self.is_archive {
            Files::archive(&self.path)?
        } else {
            Files::Directory(self.path.clone())
        };
        let names = names::read(&files)?;
        let fresh = Arc::new(Snapshot {
            stamp,
            files,
            names,
        });
        *snapshot = Some(Arc::clone(&fresh));
        Ok(fresh)
    }
}

impl Source for OciLayout {
    fn tags<'a>(&'a self, repository: &'a Repository) -> BoxFuture<'a, Result<Vec<String>, Error>> {
        let wanted = repository.clone();
        self.run(repository.to_string(), move |snapshot| {
            snapshot.names.tags(&wanted)
        })
        .boxed()
    }

    fn resolve<'a>(
        &'a self,
        repository: &'a Repository,
        tag: &'a str,
    ) -> BoxFuture<'a, Result<Digest, Error>> {
        let image = format!("{repository}:{tag}");
        let (repository, tag) = (repository.clone(), tag.to_owned());
        self.run(image, move |snapshot| {
            snapshot.names.resolve(&repository, &tag)
        })
        .boxed()
    }

    fn manifest<'a>(
        &'a self,
        repository: &'a Repository,
        digest: &'a Digest,
    ) -> BoxFuture<'a, Result<Manifest, Error>> {
        let wanted = *digest;
        self.run(format!("{repository}@{digest}"), move |snapshot| {
            Manifest::new(read_manifest(&snapshot.files, &wanted)?)
        })
        .boxed()
    }

    fn blob<'a>(
        &'a self,
        repository: &'a Repository,
        descriptor: &'a Descriptor,
    ) -> BoxFuture<'a, Result<BlobStream, Error>> {
        let image = format!("{repository}@{}", descriptor.digest);
        let digest = descriptor.digest;
        async move {
            let range = self
                .run(image.clone(), move |snapshot| {
                    let missing = || Cause::MissingBlob(digest);
                    snapshot.files.blob(&digest)?.ok_or_else(missing)
                })
                .await?;
            let shared = Arc::clone(&self.0);
            let chunks = verified_chunks(range, Verifier::new(descriptor));
            Ok(chunks
                .map(move |chunk| chunk.map_err(|cause| shared.error(image.clone(), cause)))
                .boxed())
        }
        .boxed()
    }

    fn place(&self) -> String {
        self.0.place()
    }
}

/// A manifest's bytes, verified.
fn read_manifest(files: &Files, digest: &Digest) -> Result<Bytes, Cause> {
    let range = files.blob(digest)?.ok_or(Cause::UnknownManifest)?;
    let bytes = range.read_all("the manifest's length in bytes", MAX_MANIFEST_LEN)?;
    check_digest(digest, Digest::of(&bytes))?;
    Ok(bytes)
}

/// A blob in chunks, the last word being whether it was the right one.
fn verified_chunks(
    range: Range,
    verifier: Verifier,
) -> impl stream::Stream<Item = Result<Bytes, Cause>> + Send + 'static {
    stream::try_unfold(Some((range, verifier)), |state| async move {
        let Some((range, mut verifier)) = state else {
            return Ok(None);
        };
        let work = move || -> Result<_, Cause> {
            // One byte more than promised is asked for, so that a surplus is seen.
            let wanted = CHUNK_LEN.min(verifier.remaining().saturating_add(1));
            let chunk = range.read_at(verifier.seen(), wanted)?;
            verifier.update(&chunk)?;
            if chunk.is_empty() {
                verifier.finish()?;
                return Ok(None);
            }
            Ok(Some((chunk, Some((range, verifier)))))
        };
        let result = tokio::task::spawn_blocking(work).await;
        result.expect("reading a blob does not panic")
    })
}

fn file_error(path: &Path, error: &io::Error) -> Cause {
    Cause::File(format!("{}: {error}", path.display()))
}
