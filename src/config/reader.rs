//! Settings as typed values.

use std::{str::FromStr as _, time::Duration};

use assembler::source::SourceSpec;
use hyper::Uri;

use super::{
    Components, Error, Limits, Repository, TlsFiles,
    keys::{self, KEYS, Kind, Use},
    source::{Origin, Settings, Value},
    value,
};
use crate::proxy::Network;

/// Less than this for the head of a request, and the HTTP library refuses to work.
const MIN_HEAD: u64 = 8 << 10;

/// Typed access to settings; every error names key, value and origin.
pub(super) struct Reader<'a>(pub(super) &'a Settings);

impl Reader<'_> {
    fn value(&self, name: &'static str) -> (Value, Origin) {
        self.0.get(name).cloned().unwrap_or_else(|| {
            let key = keys::find(name).expect("only keys of the table are read");
            (Value::Text(key.default.to_owned()), Origin::Default)
        })
    }

    pub(super) fn text(&self, name: &'static str) -> String {
        match self.value(name).0 {
            Value::Text(text) => text,
            Value::List(items) => items.join(","),
        }
    }

    pub(super) fn list(&self, name: &'static str) -> Vec<String> {
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

    pub(super) fn wrong(&self, name: &'static str, expected: impl Into<String>) -> Error {
        Error::Value {
            key: name,
            value: self.text(name),
            origin: self.value(name).1,
            expected: expected.into(),
        }
    }

    pub(super) fn flag(&self, name: &'static str) -> Result<bool, Error> {
        self.parse(name, "true or false", |text| {
            match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "t" => Some(true),
                "false" | "0" | "f" | "" => Some(false),
                _ => None,
            }
        })
    }

    pub(super) fn count(&self, name: &'static str) -> Result<u64, Error> {
        self.parse(name, "a whole number", |text| text.parse().ok())
    }

    pub(super) fn duration(&self, name: &'static str) -> Result<Duration, Error> {
        self.parse(name, "a duration such as 15m or 1h30m", value::duration)
    }

    pub(super) fn size(&self, name: &'static str) -> Result<u64, Error> {
        self.parse(name, "a size such as 64GiB", value::size)
    }

    /// An absolute HTTP URL as it was written, or nothing.
    pub(super) fn url(&self, name: &'static str) -> Result<Option<String>, Error> {
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

    pub(super) fn networks(&self, name: &'static str) -> Result<Vec<Network>, Error> {
        let networks: Option<_> = self
            .list(name)
            .iter()
            .map(|text| Network::from_str(text).ok())
            .collect();
        networks.ok_or_else(|| self.wrong(name, "networks such as 10.0.0.0/8"))
    }

    pub(super) fn tls(&self) -> Result<Option<TlsFiles>, Error> {
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

    pub(super) fn source(&self) -> Result<SourceSpec, Error> {
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

    pub(super) fn components(&self) -> Components {
        Components {
            imager: self.text("artifacts.core.components.imager"),
            installer_base: self.text("artifacts.core.components.installerBase"),
            installer: self.text("artifacts.core.components.installer"),
            extension_manifest: self.text("artifacts.core.components.extensionManifest"),
            overlay_manifest: self.text("artifacts.core.components.overlayManifest"),
            talosctl: self.text("artifacts.core.components.talosctl"),
        }
    }

    pub(super) fn repository(&self, block: &str) -> Result<Option<Repository>, Error> {
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

    pub(super) fn limits(&self) -> Result<Limits, Error> {
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
    pub(super) fn check_all(&self, warnings: &mut Vec<String>) -> Result<(), Error> {
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
