//! The words that name a source: `ghcr.io/mirror`, `oci:/srv/release`, `oci-archive:release.tar`.

use std::{fmt, path::PathBuf, str::FromStr};

use crate::source::repository::Repository;

/// Where the images of a release come from, as configuration and command line say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceSpec {
    /// `host[:port][/namespace]`: an OCI registry; the namespace is put before every repository.
    Registry {
        /// Host name or address, with the port if there is one.
        host: String,
        /// What is put before every repository.
        namespace: Option<Repository>,
    },
    /// `oci:DIR`: an OCI image layout.
    Directory(PathBuf),
    /// `oci-archive:FILE`: the same as one tar file.
    Archive(PathBuf),
}

/// A text that names no source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid source {text:?}: {reason}; expected host[:port][/namespace], oci:DIR or oci-archive:FILE"
)]
pub struct ParseSourceSpecError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl FromStr for SourceSpec {
    type Err = ParseSourceSpecError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |reason| ParseSourceSpecError {
            text: text.to_owned(),
            reason,
        };
        if let Some(path) = text.strip_prefix("oci-archive:") {
            return match path {
                "" => Err(invalid("the file is missing")),
                path => Ok(Self::Archive(path.into())),
            };
        }
        if let Some(path) = text.strip_prefix("oci:") {
            return match path {
                "" => Err(invalid("the directory is missing")),
                path => Ok(Self::Directory(path.into())),
            };
        }
        if text.contains("://") {
            return Err(invalid("a registry is named without a scheme"));
        }
        let (host, namespace) = match text.split_once('/') {
            Some((host, namespace)) => (host, Some(namespace)),
            None => (text, None),
        };
        if !is_authority(host) {
            return Err(invalid("not a host name or address"));
        }
        let namespace = namespace
            .map(|name| name.trim_end_matches('/'))
            .filter(|name| !name.is_empty())
            .map(Repository::from_str)
            .transpose()
            .map_err(|_| invalid("not a namespace"))?;
        Ok(Self::Registry {
            host: host.to_owned(),
            namespace,
        })
    }
}

impl fmt::Display for SourceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry { host, namespace } => match namespace {
                Some(namespace) => write!(f, "{host}/{namespace}"),
                None => f.write_str(host),
            },
            Self::Directory(path) => write!(f, "oci:{}", path.display()),
            Self::Archive(path) => write!(f, "oci-archive:{}", path.display()),
        }
    }
}

/// `name`, `1.2.3.4` or `[::1]`, with or without `:port`; no user, no path.
fn is_authority(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let address = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_host = match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(is_name),
    };
    is_host && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_are_told_apart() {
        let registry = |host: &str, namespace: Option<&str>| SourceSpec::Registry {
            host: host.to_owned(),
            namespace: namespace.map(|name| name.parse().unwrap()),
        };
        let cases = [
            ("ghcr.io", registry("ghcr.io", None)),
            ("registry:5000/a/b", registry("registry:5000", Some("a/b"))),
            ("[::1]:5000", registry("[::1]:5000", None)),
            ("oci:/srv/x", SourceSpec::Directory("/srv/x".into())),
            ("oci:x:y", SourceSpec::Directory("x:y".into())),
            ("oci-archive:a.tar", SourceSpec::Archive("a.tar".into())),
        ];
        for (text, spec) in cases {
            assert_eq!(text.parse(), Ok(spec.clone()), "{text}");
            assert_eq!(spec.to_string(), text);
        }
        assert_eq!("ghcr.io/".parse(), Ok(registry("ghcr.io", None)));
    }

    #[test]
    fn other_texts_are_refused_with_a_reason() {
        let bad = [
            "",
            "oci:",
            "oci-archive:",
            "https://ghcr.io",
            "user@ghcr.io",
            "ghcr.io/A",
            "ghcr.io:0",
            "ghcr.io:x",
            "[::1",
            "[x]:1",
            "a b",
            "ghcr.io//a",
        ];
        for bad in bad {
            assert!(bad.parse::<SourceSpec>().is_err(), "{bad}");
        }
    }
}
