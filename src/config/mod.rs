//! Configuration: keys, files, environment and flags made into one checked value.
//!
//! Precedence is flag > environment > file > default; names are compared without regard to case. Unknown keys and keys that
//! change nothing here warn; keys that ask for something that is not built are errors.

mod catalogs;
mod check;
pub mod keys;
mod options;
pub mod source;
pub mod value;

use std::{
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use assembler::{forge::ExtraCatalog, source::SourceSpec};
use hyper::Uri;

use self::{
    keys::{KEYS, Kind, Use},
    source::{Origin, Settings, Value},
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

/// Typed access to settings; every error names key, value and origin.
struct Reader<'a>(&'a Settings);

impl Reader<'_> {
    fn value(&self, name: &'static str) -> (Value, Origin) {
        self.0.get(name).cloned().unwrap_or_else(|| {
            let key = keys::find(name).expect("only keys of the table are read");
            (Value::Text(key.default.to_owned()), Origin::Default)
        })
    }

    fn text(&self, name: &'static str) -> String {
        match self.value(name).0 {
            Value::Text(text) => text,
            Value::List(items) => items.join(","),
        }
    }

    fn list(&self, name: &'static str) -> Vec<String> {
        let items = match self.value(name).0 {
            Value::List(items) => items,
            Value::Text(text) => text.split(',').map(str::to_owned).collect(),
        };
        let trimmed = items.iter().map(|item| item.trim().to_owned());
        trimmed.filter(|item| !item.is_empty()).collect()
    }

    fn parse<T>(
        &self,
        name: &'static str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Error> {
        let text = self.text(name);
        parse(text.trim()).ok_or_else(|| self.wrong(name, expected))
    }

    fn wrong(&self, name: &'static str, expected: impl Into<String>) -> Error {
        Error::Value {
            key: name,
            value: self.text(name),
            origin: self.value(name).1,
            expected: expected.into(),
        }
    }

    fn flag(&self, name: &'static str) -> Result<bool, Error> {
        self.parse(name, "true or false", |text| {
            match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "t" => Some(true),
                "false" | "0" | "f" | "" => Some(false),
                _ => None,
            }
        })
    }

    fn count(&self, name: &'static str) -> Result<u64, Error> {
        self.parse(name, "a whole number", |text| text.parse().ok())
    }

    fn duration(&self, name: &'static str) -> Result<Duration, Error> {
        self.parse(name, "a duration such as 15m or 1h30m", value::duration)
    }

    fn size(&self, name: &'static str) -> Result<u64, Error> {
        self.parse(name, "a size such as 64GiB", value::size)
    }

    /// An absolute HTTP URL as it was written, or nothing.
    fn url(&self, name: &'static str) -> Result<Option<String>, Error> {
        let text = self.text(name);
        if text.is_empty() && !keys::find(name).is_some_and(|key| key.default.is_empty()) {
            return Err(self.wrong(name, "a URL"));
        }
        if text.is_empty() {
            return Ok(None);
        }
        let uri = text.parse::<Uri>().ok();
        let is_http = uri.as_ref().and_then(Uri::scheme_str);
        let has_host = uri.as_ref().and_then(Uri::host);
        match (is_http, has_host) {
            (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(Some(text)),
            _ => Err(self.wrong(name, "a URL such as https://factory.example.org/")),
        }
    }

    fn networks(&self, name: &'static str) -> Result<Vec<Network>, Error> {
        let networks: Option<_> = self
            .list(name)
            .iter()
            .map(|text| Network::from_str(text).ok())
            .collect();
        networks.ok_or_else(|| self.wrong(name, "networks such as 10.0.0.0/8"))
    }

    fn tls(&self) -> Result<Option<TlsFiles>, Error> {
        let (certificate, key) = (self.text("http.certFile"), self.text("http.keyFile"));
        match (certificate.is_empty(), key.is_empty()) {
            (true, true) => Ok(None),
            (false, false) => Ok(Some(TlsFiles {
                certificate: certificate.into(),
                key: key.into(),
            })),
            (true, false) => {
                Err(self.wrong("http.certFile", "a file, because http.keyFile is set"))
            }
            (false, true) => {
                Err(self.wrong("http.keyFile", "a file, because http.certFile is set"))
            }
        }
    }

    fn source(&self) -> Result<SourceSpec, Error> {
        let name = "artifacts.core.registry";
        let namespace = self.text("artifacts.core.namespace");
        let mut text = self.text(name);
        let is_layout = text.starts_with("oci:") || text.starts_with("oci-archive:");
        if !namespace.is_empty() && !is_layout {
            text = format!("{}/{namespace}", text.trim_end_matches('/'));
        }
        text.parse()
            .map_err(|error: assembler::source::spec::ParseSourceSpecError| {
                self.wrong(name, error.to_string())
            })
    }

    fn components(&self) -> Components {
        Components {
            imager: self.text("artifacts.core.components.imager"),
            installer_base: self.text("artifacts.core.components.installerBase"),
            installer: self.text("artifacts.core.components.installer"),
            extension_manifest: self.text("artifacts.core.components.extensionManifest"),
            overlay_manifest: self.text("artifacts.core.components.overlayManifest"),
            talosctl: self.text("artifacts.core.components.talosctl"),
        }
    }

    fn repository(&self, block: &str) -> Result<Option<Repository>, Error> {
        let name = |part: &str| {
            let key = keys::find(&format!("{block}.{part}"));
            key.expect("blocks have all four parts").name
        };
        let parts = ["registry", "namespace", "repository"].map(|part| self.text(name(part)));
        if parts.iter().all(String::is_empty) {
            return Ok(None);
        }
        let [registry, namespace, repository] = parts;
        let or = |text: String, default: &str| match text.as_str() {
            "" => default.to_owned(),
            _ => text,
        };
        // What a file leaves out is what the reference would have taken.
        let (registry, namespace) = match (registry.as_str(), namespace.as_str()) {
            ("", "") => ("ghcr.io".to_owned(), "siderolabs/image-factory".to_owned()),
            _ => (or(registry, "ghcr.io"), namespace),
        };
        let repository = or(repository, "schematics");
        let parts = [namespace, repository];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Ok(Some(Repository {
            registry,
            name: parts.join("/"),
            insecure: self.flag(name("insecure"))?,
        }))
    }

    fn limits(&self) -> Result<Limits, Error> {
        let positive = |name| match self.count(name)? {
            0 => Err(self.wrong(name, "more than 0")),
            count => Ok(count),
        };
        Ok(Limits {
            body: self.size("limits.body")?,
            head: self.small("limits.head", self.size("limits.head")?.max(MIN_HEAD))?,
            headers: self.small("limits.headers", positive("limits.headers")?)?,
            connections: self.small("limits.connections", positive("limits.connections")?)?,
            streams: self.small("limits.streams", positive("limits.streams")?)?,
            idle: self.duration("limits.idle")?,
            stall: self.duration("limits.stall")?,
            prepare: self.duration("limits.prepare")?,
        })
    }

    fn small<T: TryFrom<u64>>(&self, name: &'static str, count: u64) -> Result<T, Error> {
        T::try_from(count).map_err(|_| self.wrong(name, "a smaller number"))
    }

    /// Checks also the values that nothing reads, and says what setting them comes to.
    fn check_all(&self, warnings: &mut Vec<String>) -> Result<(), Error> {
        for key in KEYS {
            match key.kind {
                Kind::Flag => drop(self.flag(key.name)?),
                Kind::Count => drop(self.count(key.name)?),
                Kind::Duration => drop(self.duration(key.name)?),
                Kind::Size => drop(self.size(key.name)?),
                Kind::Text | Kind::List => {}
            }
            let Some((_, origin)) = self.0.get(key.name) else {
                continue;
            };
            let asks_for_nothing = match key.kind {
                Kind::Flag => !self.flag(key.name)?,
                _ => self.text(key.name) == key.default,
            };
            match key.becomes {
                Use::Moot(reason) if !asks_for_nothing => {
                    warnings.push(format!("{} ({origin}) has no effect: {reason}", key.name));
                }
                Use::NotBuilt(feature) if !asks_for_nothing => {
                    return Err(Error::NotBuilt {
                        key: key.name,
                        origin: origin.clone(),
                        feature,
                    });
                }
                Use::Honoured | Use::Moot(_) | Use::NotBuilt(_) => {}
            }
        }
        Ok(())
    }
}

/// Less than this for the head of a request, and the HTTP library refuses to work.
const MIN_HEAD: u64 = 8 << 10;

#[cfg(test)]
mod tests;
