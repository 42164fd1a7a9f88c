//! What is wrong with an extension.

use crate::{error::Kind, yaml};

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The image has no manifest, or an empty one.
    #[error("extension manifest is missing")]
    NoManifest,
    /// The image has no root file system.
    #[error("extension rootfs is missing")]
    NoRootfs,
    /// The image has something else at its root.
    #[error("unexpected file {0:?}")]
    Unexpected(String),
    /// The manifest is of another version.
    #[error("unsupported manifest version: {0:?}")]
    Version(String),
    /// The manifest is no manifest.
    #[error("error parsing extension manifest: {0}")]
    Manifest(yaml::Error),
    /// The versions an extension is for cannot be understood.
    #[error(
        "error validating extension {name:?}: error parsing Talos version constraint: {problem}"
    )]
    Constraint {
        /// The extension.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// The extension is for other versions.
    #[error(
        "error validating extension {name:?}: version constraint {constraint} can't be satisfied with Talos version {version}"
    )]
    Unsatisfied {
        /// The extension.
        name: String,
        /// The versions it is for.
        constraint: String,
        /// The version it was asked for with.
        version: String,
    },
    /// Firmware cannot be moved out of an extension.
    #[error("error moving firmware of extension {name:?}: {path:?}: {why}")]
    Firmware {
        /// The extension.
        name: String,
        /// The file or link, below the extension's root.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// An extension cannot be loaded.
    #[error("error listing extensions: error loading extension {directory}: {cause}")]
    Loading {
        /// Its place in the list.
        directory: usize,
        /// Why.
        #[source]
        cause: Box<Error>,
    },
}

impl Error {
    /// What answer the error calls for: which extension goes with which version is the user's choice.
    pub fn kind(&self) -> Kind {
        Kind::BadRequest
    }

    /// The same error, with the place of the extension in the list.
    #[must_use]
    pub fn at(self, directory: usize) -> Error {
        let cause = Box::new(self);
        Error::Loading { directory, cause }
    }
}
