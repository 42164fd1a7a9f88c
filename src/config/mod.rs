//! Configuration: keys, files, environment and flags made into one checked value.
//!
//! Precedence is flag > environment > file > default; names are compared without regard to case. Unknown keys and keys that
//! change nothing here warn; keys that ask for something that is not built are errors.

mod catalogs;
mod check;
pub mod keys;
mod options;
mod reader;
pub mod source;
#[cfg(test)]
mod tests;
pub mod value;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use assembler::{forge::ExtraCatalog, source::SourceSpec};

use self::{
    reader::Reader,
    source::{Origin, Settings},
};
use crate::proxy::Network;

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("configuration file {}: {reason}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A value does not fit its key.
    #[error("{key} = {value:?} ({origin}): expected {expected}")]
    Value {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// Where that was set.
        origin: Origin,
        /// What would fit.
        expected: String,
    },
    /// A key asks for something that does not exist yet.
    #[error("{key} ({origin}): not built yet: {feature}")]
    NotBuilt {
        /// The key.
        key: &'static str,
        /// Where it was set.
        origin: Origin,
        /// What is missing.
        feature: &'static str,
    },
}

/// A repository that schematics are kept in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// The registry's host, with port.
    pub registry: String,
    /// Namespace and name, joined by a slash.
    pub name: String,
    /// Whether plain HTTP is allowed.
    pub insecure: bool,
}

/// Names of the source's repositories, without namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Components {
    /// Kernel, initramfs and boot loaders.
    pub imager: String,
    /// The installer from 1.10 on.
    pub installer_base: String,
    /// The installer before 1.10.
    pub installer: String,
    /// The catalogue of extensions.
    pub extension_manifest: String,
    /// The catalogue of overlays.
    pub overlay_manifest: String,
    /// The command line tool of all systems.
    pub talosctl: String,
}

/// Certificate chain and key of the listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM, the server's certificate first.
    pub certificate: PathBuf,
    /// PEM.
    pub key: PathBuf,
}

/// What one client may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request body.
    pub body: u64,
    /// Bytes of a request line with its headers.
    pub head: usize,
    /// Headers of a request.
    pub headers: usize,
    /// Connections at one time; more wait to be accepted.
    pub connections: usize,
    /// Requests at one time on one HTTP/2 connection.
    pub streams: u32,
    /// How long a connection may take to send the head of its next request.
    pub idle: Duration,
    /// How long a client may go without accepting, or sending, a byte of a body.
    pub stall: Duration,
    /// How long a request is held while its inputs are fetched and prepared.
    pub prepare: Duration,
}

/// Everything that is configured, checked.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches of an operator, not a state"
)]
pub struct Config {
    /// Addresses to listen on.
    pub listen: Vec<String>,
    /// TLS instead of plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Written into images and links.
    pub external_url: String,
    /// Whether anybody set it; otherwise links take the request's host.
    pub external_url_is_set: bool,
    /// Base of the links in PXE scripts, if it differs.
    pub external_pxe_url: Option<String>,
    /// Origins that CORS allows.
    pub allowed_origins: Vec<String>,
    /// Whose `X-Forwarded-*` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Oldest version offered.
    pub min_version: String,
    /// Versions left out.
    pub broken_versions: Vec<String>,
    /// Where the release's images come from.
    pub source: SourceSpec,
    /// Whether plain HTTP is allowed for it.
    pub source_insecure: bool,
    /// What its repositories are called.
    pub components: Components,
    /// Catalogues of extensions beside the release's own; earlier ones win.
    pub extra_catalogs: Vec<ExtraCatalog>,
    /// Whether schematics may name extensions by image references.
    pub allow_references: bool,
    /// Where schematics are kept, if not in a directory.
    pub schematic_repository: Option<Repository>,
    /// The directory in which they are kept otherwise.
    pub schematic_path: PathBuf,
    /// Schematics kept in memory.
    pub schematic_capacity: u64,
    /// How long a missing schematic is believed to be missing.
    pub schematic_negative_ttl: Duration,
    /// How long lists of versions and digests of tags are believed.
    pub recheck: Duration,
    /// Where blobs lie.
    pub store_path: PathBuf,
    /// Bytes at which eviction starts.
    pub store_max_size: u64,
    /// What one client may cost.
    pub limits: Limits,
    /// Where metrics are served, if anywhere.
    pub metrics_addr: Option<String>,
    /// Whether nobody asks for verification.
    pub signatures_disabled: bool,
    /// What a person should know, one sentence each.
    pub warnings: Vec<String>,
    settings: Settings,
    data_dir: PathBuf,
}

impl Config {
    /// Checks everything that was set.
    pub fn new(mut settings: Settings, data_dir: &Path) -> Result<Self, Error> {
        let mut warnings = std::mem::take(&mut settings.warnings);
        let reader = Reader(&settings);
        reader.check_all(&mut warnings)?;
        let external_url_is_set = settings.get("http.externalURL").is_some();
        if !external_url_is_set {
            warnings.push(
                "http.externalURL is not set: images say https://localhost/, links follow the request's host"
                    .to_owned(),
            );
        }
        let signatures_disabled = reader.flag("containerSignature.disabled")?;
        if !signatures_disabled {
            warnings.push(
                "signatures of source images are not verified yet; containerSignature.disabled: true silences this"
                    .to_owned(),
            );
        }
        let path = |name, below: &str| match reader.text(name) {
            text if text.is_empty() => data_dir.join(below),
            text => text.into(),
        };
        Ok(Self {
            listen: reader.list("http.httpListenAddr"),
            tls: reader.tls()?,
            external_url: reader.url("http.externalURL")?.unwrap_or_default(),
            external_url_is_set,
            external_pxe_url: reader.url("http.externalPXEURL")?,
            allowed_origins: reader.list("http.allowedOrigins"),
            trusted_proxies: reader.networks("http.trustedProxies")?,
            min_version: reader.text("build.minTalosVersion"),
            broken_versions: reader.list("build.brokenTalosVersions"),
            source: reader.source()?,
            source_insecure: reader.flag("artifacts.core.insecure")?,
            components: reader.components(),
            extra_catalogs: catalogs::read(&reader)?,
            allow_references: reader.flag("artifacts.allowReferences")?,
            schematic_repository: reader.repository("artifacts.schematic")?,
            schematic_path: path("artifacts.schematic.path", "schematics"),
            schematic_capacity: reader.count("cache.schematic.capacity")?,
            schematic_negative_ttl: reader.duration("cache.schematic.negativeTTL")?,
            recheck: reader.duration("artifacts.talosVersionRecheckInterval")?,
            store_path: path("store.path", "store"),
            store_max_size: reader.size("store.maxSize")?,
            limits: reader.limits()?,
            metrics_addr: Some(reader.text("metrics.addr")).filter(|addr| !addr.is_empty()),
            signatures_disabled,
            warnings,
            data_dir: data_dir.to_owned(),
            settings,
        })
    }
}
