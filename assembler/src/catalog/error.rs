//! What is wrong with a catalogue, or with what was looked for in one.

use crate::{error::Kind, yaml};

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file is absent, or lists nothing.
    #[error("failed to find {0} file")]
    Missing(&'static str),
    /// A file is no YAML, or not of the expected shape.
    #[error("error reading {file} file: {cause}")]
    Malformed {
        /// The file.
        file: &'static str,
        /// What is wrong with it.
        cause: yaml::Error,
    },
    /// An entry names no image.
    #[error("failed to parse tagged reference {reference}: {reason}")]
    Reference {
        /// What was written.
        reference: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The catalogue has no such extension.
    #[error("official extension {name:?} is not available for Talos version {tag}")]
    NoExtension {
        /// The name that was asked for.
        name: String,
        /// Version of Talos, with `v`.
        tag: String,
    },
    /// The catalogue has no such overlay. The text is the one users know: it never had the name in it.
    #[error("official overlay {{\"\" \"\" \"\"}} is not available for Talos version {tag}")]
    NoOverlay {
        /// The name that was asked for.
        name: String,
        /// Version of Talos, with `v`.
        tag: String,
    },
}

impl Error {
    /// What answer the error calls for: a catalogue that cannot be read is the release's fault.
    pub fn kind(&self) -> Kind {
        match self {
            Error::Missing(_) | Error::Malformed { .. } | Error::Reference { .. } => Kind::Upstream,
            Error::NoExtension { .. } | Error::NoOverlay { .. } => Kind::BadRequest,
        }
    }
}
