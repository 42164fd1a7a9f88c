//! Names of repositories and tags, in the grammar of the OCI distribution specification ("Pulling manifests").

use std::{fmt, str::FromStr, sync::Arc};

use formats::Digest;

/// Longest name of a repository; the specification suggests 255 for host and name together.
pub const MAX_REPOSITORY_LEN: usize = 255;
/// Longest tag.
pub const MAX_TAG_LEN: usize = 128;

/// The name of a repository without a host: `siderolabs/imager`. Components of lower-case letters and digits, joined by
/// single dots, one or two underscores, or dashes; components are separated by slashes.
///
/// It lies where the release does, unless it is said to be [elsewhere](Self::at).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    path: String,
    host: Option<Arc<str>>,
}

/// A text that is not the name of a repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid repository name {0:?}")]
pub struct ParseRepositoryError(String);

impl Repository {
    /// The name, without the host.
    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// The registry that it lies in, if that is not the release's source.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The repository of this name in the registry `host[:port]`.
    #[must_use]
    pub fn at(&self, host: &str) -> Self {
        Self {
            path: self.path.clone(),
            host: Some(host.into()),
        }
    }

    /// The repository of this name in the source at hand.
    #[must_use]
    pub fn here(&self) -> Self {
        Self {
            path: self.path.clone(),
            host: None,
        }
    }

    /// This repository below a namespace: `mirror` and `siderolabs/imager` make `mirror/siderolabs/imager`.
    #[must_use]
    pub fn below(&self, namespace: &Self) -> Self {
        Self {
            path: format!("{}/{}", namespace.path, self.path),
            host: self.host.clone(),
        }
    }
}

impl FromStr for Repository {
    type Err = ParseRepositoryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() <= MAX_REPOSITORY_LEN && text.split('/').all(is_component) {
            let path = text.to_owned();
            Ok(Self { path, host: None })
        } else {
            Err(ParseRepositoryError(text.to_owned()))
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            write!(f, "{host}/")?;
        }
        f.write_str(&self.path)
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let starts_and_ends_well = text.starts_with(is_word) && text.ends_with(is_word);
    let mut separators = text.split(is_word);
    starts_and_ends_well
        && separators
            .all(|run| matches!(run, "" | "." | "_" | "__") || run.bytes().all(|byte| byte == b'-'))
}

/// Whether a text is a tag: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
pub fn is_tag(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= MAX_TAG_LEN
        && text.starts_with(is_word)
        && text.chars().all(|c| is_word(c) || c == '.' || c == '-')
}

/// The name of an image as catalogues write it: `[host[:port]/]repository[:tag][@digest]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The registry, when the name says one.
    pub host: Option<String>,
    /// The repository in it.
    pub repository: Repository,
    /// The tag, when the name says one.
    pub tag: Option<String>,
    /// The digest, when the name says one.
    pub digest: Option<Digest>,
}

/// A text that is not the name of an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid image name {0:?}")]
pub struct ParseReferenceError(String);

impl FromStr for Reference {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || ParseReferenceError(text.to_owned());
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.parse().map_err(|_| invalid())?)),
            None => (text, None),
        };
        let (host, path) = match name.split_once('/') {
            Some((first, rest)) if is_host(first) => (Some(first.to_owned()), rest),
            _ => (None, name),
        };
        let (repository, tag) = match path.rsplit_once(':') {
            Some((repository, tag)) if is_tag(tag) => (repository, Some(tag.to_owned())),
            Some(_) => return Err(invalid()),
            None => (path, None),
        };
        let repository = repository.parse().map_err(|_| invalid())?;
        Ok(Self {
            host,
            repository,
            tag,
            digest,
        })
    }
}

/// What tells a host from the first component of a repository: a dot, a port, an IPv6 bracket, or `localhost`.
pub(super) fn is_host(text: &str) -> bool {
    text.contains(['.', ':', '[']) || text == "localhost"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_names_follow_the_grammar() {
        for good in ["siderolabs/imager", "a", "a.b/c__d/e---f", "0/1_2"] {
            assert!(good.parse::<Repository>().is_ok(), "{good}");
        }
        let long = "a".repeat(MAX_REPOSITORY_LEN + 1);
        let bad = [
            "", "/a", "a/", "a//b", "A", "a..b", "a___b", "-a", "a-", "a/../b", "a b", "a:b", &long,
        ];
        for bad in bad {
            assert!(bad.parse::<Repository>().is_err(), "{bad}");
        }
    }

    #[test]
    fn tags_follow_the_grammar() {
        let longest = "a".repeat(MAX_TAG_LEN);
        for good in ["v1.14.0", "_x", "sha256-00.sig", &longest] {
            assert!(is_tag(good), "{good}");
        }
        for bad in ["", ".a", "-a", "a/b", "a b", "é", &(longest.clone() + "a")] {
            assert!(!is_tag(bad), "{bad}");
        }
    }

    #[test]
    fn references_are_split_into_their_parts() {
        let digest = Digest::of(b"");
        let parse = |text: &str| text.parse::<Reference>();
        let full = parse(&format!("ghcr.io/siderolabs/gvisor:v1@{digest}")).unwrap();
        assert_eq!(full.host.as_deref(), Some("ghcr.io"));
        assert_eq!(full.repository.as_str(), "siderolabs/gvisor");
        assert_eq!(full.tag.as_deref(), Some("v1"));
        assert_eq!(full.digest, Some(digest));
        let short = parse("siderolabs/imager").unwrap();
        assert_eq!((short.host, short.tag, short.digest), (None, None, None));
        let port = parse("registry:5000/a:b").unwrap();
        assert_eq!(port.host.as_deref(), Some("registry:5000"));
        assert_eq!(
            parse("localhost/a").unwrap().host.as_deref(),
            Some("localhost")
        );
        for bad in ["", "a:", "a:b:c", "a@sha256:0", "ghcr.io/", "a@"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
