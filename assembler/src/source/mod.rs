//! Where the images of a release come from: an OCI registry, or an OCI image layout on disk.
//!
//! Both kinds answer the same four questions through [`Source`] and pass the same conformance suite (`tests/source.rs`). What
//! they promise: bytes that are returned as good have the digest they were asked by; a stream never ends short; every error
//! says which source, which image and why.
//!
//! [`image`] understands what they return: it picks a platform out of an index and lists an image's layers. Layers are read by
//! the store; nothing here unpacks anything.
//!
//! Specification: OCI image format 1.1, OCI distribution 1.1, Docker image manifest version 2 schema 2; names and rules of
//! use in spec/http.md, section 6.

pub mod elsewhere;
pub mod error;
pub mod image;
pub mod layout;
pub mod registry;
pub mod repository;
pub mod spec;
mod verify;

use std::{fmt, sync::Arc};

use bytes::Bytes;
use formats::Digest;
use futures_util::{future::BoxFuture, stream::BoxStream};

pub use elsewhere::{Elsewhere, ExtraRegistry};
pub use error::{Cause, Error};
pub use image::{Compression, Descriptor, Image, Manifest};
pub use layout::OciLayout;
pub use registry::{CredentialSources, Registry, RegistryOptions};
pub use repository::{Reference, Repository};
pub use spec::SourceSpec;

/// A blob on its way. It yields exactly the descriptor's size and then ends, or it ends with an error: when the bytes are too
/// few, too many, or do not hash to the descriptor's digest. Until the end has been reached nothing is proved.
pub type BlobStream = BoxStream<'static, Result<Bytes, Error>>;

/// A place that images come from.
pub trait Source: fmt::Debug + Send + Sync + 'static {
    /// All tags of a repository, among them whatever else lives there (signature tags).
    ///
    /// # Errors
    /// [`Cause::UnknownRepository`] when there is none of that name.
    fn tags<'a>(&'a self, repository: &'a Repository) -> BoxFuture<'a, Result<Vec<String>, Error>>;

    /// The digest that a tag names now: the index's for an image of several platforms.
    ///
    /// # Errors
    /// [`Cause::UnknownTag`] when the repository has no such tag, or does not exist.
    fn resolve<'a>(
        &'a self,
        repository: &'a Repository,
        tag: &'a str,
    ) -> BoxFuture<'a, Result<Digest, Error>>;

    /// A manifest or index by digest, verified, at most [`image::MAX_MANIFEST_LEN`] bytes.
    ///
    /// # Errors
    /// [`Cause::UnknownManifest`] when the repository has none of that digest.
    fn manifest<'a>(
        &'a self,
        repository: &'a Repository,
        digest: &'a Digest,
    ) -> BoxFuture<'a, Result<Manifest, Error>>;

    /// How errors name this source: `registry ghcr.io`, `OCI layout /srv/release`.
    fn place(&self) -> String;

    /// The same of where a repository is, for a source that asks several others.
    fn place_of(&self, _repository: &Repository) -> String {
        self.place()
    }

    /// A blob's bytes.
    ///
    /// # Errors
    /// [`Cause::MissingBlob`] when a manifest names it but it is not there.
    fn blob<'a>(
        &'a self,
        repository: &'a Repository,
        descriptor: &'a Descriptor,
    ) -> BoxFuture<'a, Result<BlobStream, Error>>;
}

/// Opens the source that a specification names. A layout is read when it is first asked, a registry likewise.
///
/// # Errors
/// When a certificate or credentials file that the options name cannot be read.
pub fn open(spec: &SourceSpec, options: RegistryOptions) -> Result<Arc<dyn Source>, Error> {
    Ok(match spec {
        SourceSpec::Registry { host, namespace } => {
            Arc::new(Registry::new(host, namespace.clone(), options)?)
        }
        SourceSpec::Directory(path) => Arc::new(OciLayout::directory(path)),
        SourceSpec::Archive(path) => Arc::new(OciLayout::archive(path)),
    })
}
