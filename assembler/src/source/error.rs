//! What can go wrong with a source: always which source, which image, and why.

use std::{fmt, time::Duration};

use formats::Digest;

use crate::error::Kind;

/// A source of images failed, lied, or does not have what was asked. Cheap to clone: one failure may answer many requests.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {image}: {cause}")]
pub struct Error {
    /// The source: `registry ghcr.io`, `OCI layout /srv/release`.
    pub place: String,
    /// The image or the part of it: `siderolabs/imager:v1.14.0`, `siderolabs/imager@sha256:…`.
    pub image: String,
    /// Why.
    pub cause: Cause,
}

/// Why a source did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// There is no repository of that name.
    #[error("no such repository")]
    UnknownRepository,
    /// There is no such tag.
    #[error("no such tag")]
    UnknownTag,
    /// There is no manifest or index of that digest.
    #[error("no such manifest")]
    UnknownManifest,
    /// A manifest names a blob that is not there.
    #[error("blob {0} is missing")]
    MissingBlob(Digest),
    /// A name stands for different images.
    #[error("the name is ambiguous: it stands for {}", list(.0))]
    Ambiguous(Vec<Digest>),
    /// The image has no manifest for the platform.
    #[error("no image for linux/{architecture}, only for {}", list(.offered))]
    NoPlatform {
        /// The architecture that was asked for.
        architecture: String,
        /// The platforms there are, as `os/architecture`.
        offered: Vec<String>,
    },
    /// The bytes are not the ones that were asked for.
    #[error("the bytes hash to {found} instead of {expected}")]
    WrongDigest {
        /// The digest asked by.
        expected: Digest,
        /// The digest of the bytes.
        found: Digest,
    },
    /// Fewer bytes came than promised.
    #[error("ends after {found} of {expected} bytes")]
    Truncated {
        /// The promised length.
        expected: u64,
        /// The length that came.
        found: u64,
    },
    /// More bytes came than promised.
    #[error("is longer than the promised {expected} bytes")]
    Surplus {
        /// The promised length.
        expected: u64,
    },
    /// Something exceeds a limit.
    #[error("{what} exceeds the limit of {limit}")]
    TooLarge {
        /// What is too large or too many.
        what: &'static str,
        /// The limit, with its unit.
        limit: u64,
    },
    /// A document is not what it should be.
    #[error("malformed {what}: {text}")]
    Malformed {
        /// Which document.
        what: &'static str,
        /// What is wrong with it, and where.
        text: String,
    },
    /// A media type nobody here can read.
    #[error("unsupported media type {0:?}")]
    MediaType(String),
    /// A file of a layout cannot be read.
    #[error("{0}")]
    File(String),
    /// The registry said no.
    #[error("{status}{}", suffix(.message))]
    Denied {
        /// HTTP status with its reason.
        status: String,
        /// What the registry said, empty for nothing.
        message: String,
    },
    /// The registry answered with a status that makes no sense, or with a failure that did not go away.
    #[error("{status}{} ({attempts} attempts)", suffix(.message))]
    Status {
        /// HTTP status with its reason.
        status: String,
        /// What the registry said, empty for nothing.
        message: String,
        /// How often it was asked.
        attempts: u32,
    },
    /// No connection, or one that broke, each time.
    #[error("{text} ({attempts} attempts)")]
    Connection {
        /// What the network said.
        text: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// The registry did not answer in time.
    #[error("{what} took longer than {} ms ({attempts} attempts)", .limit.as_millis())]
    Timeout {
        /// What did not happen.
        what: &'static str,
        /// How long it was waited for each time.
        limit: Duration,
        /// How often it was tried.
        attempts: u32,
    },
    /// The registry asks for credentials to be sent where they must not go.
    #[error("will not send credentials to {realm}: {reason}")]
    Realm {
        /// The realm that the registry names.
        realm: String,
        /// Why not.
        reason: &'static str,
    },
    /// The registry answers with something that the protocol does not allow.
    #[error("{0}")]
    Protocol(String),
    /// Credentials, certificates or other local settings cannot be used.
    #[error("{0}")]
    Settings(String),
}

impl Error {
    /// Whose fault it is.
    pub fn kind(&self) -> Kind {
        match self.cause {
            Cause::UnknownRepository | Cause::UnknownTag | Cause::UnknownManifest => Kind::NotFound,
            Cause::Timeout { .. } => Kind::UpstreamTimeout,
            _ => Kind::Upstream,
        }
    }
}

/// `a, b, c`, or `nothing`.
fn list<T: fmt::Display>(items: &[T]) -> String {
    let texts: Vec<String> = items.iter().map(T::to_string).collect();
    if texts.is_empty() {
        "nothing".to_owned()
    } else {
        texts.join(", ")
    }
}

fn suffix(message: &str) -> String {
    if message.is_empty() {
        String::new()
    } else {
        format!(": {message}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(cause: Cause) -> Error {
        Error {
            place: "registry ghcr.io".to_owned(),
            image: "siderolabs/imager:v1.14.0".to_owned(),
            cause,
        }
    }

    #[test]
    fn the_text_names_registry_image_and_cause() {
        let status = Cause::Status {
            status: "503 Service Unavailable".to_owned(),
            message: "maintenance".to_owned(),
            attempts: 5,
        };
        assert_eq!(
            error(status).to_string(),
            "registry ghcr.io: siderolabs/imager:v1.14.0: 503 Service Unavailable: maintenance (5 attempts)"
        );
    }

    #[test]
    fn only_unknown_names_are_not_found() {
        assert_eq!(error(Cause::UnknownTag).kind(), Kind::NotFound);
        let missing = Cause::MissingBlob(Digest::of(b""));
        assert_eq!(error(missing).kind(), Kind::Upstream);
        let timeout = Cause::Timeout {
            what: "connecting",
            limit: Duration::from_secs(1),
            attempts: 1,
        };
        assert_eq!(error(timeout).kind(), Kind::UpstreamTimeout);
    }
}
