//! Why a schematic cannot be read, found or kept.

use std::{io, path::PathBuf};

use super::Id;
use crate::{error::Kind, yaml};

/// What is wrong.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The document is not a schematic. The text is the one users know.
    #[error(transparent)]
    Invalid(#[from] yaml::Error),
    /// It names an owner, and there are no accounts.
    #[error("owner field is only supported in Enterprise edition")]
    Owner,
    /// No ID, or none of a schematic that is kept.
    #[error("schematic ID \"{0}\" not found")]
    NotFound(String),
    /// What is kept under an ID is something else.
    #[error("schematic {id} is damaged at {place}")]
    Damaged {
        /// The ID.
        id: Id,
        /// Where it is kept.
        place: String,
    },
    /// The file system failed.
    #[error("{path}: {kind}", path = .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What happened.
        kind: io::ErrorKind,
    },
    /// Another storage failed.
    #[error("schematic storage: {text}")]
    Backend {
        /// What happened, with the name of the storage.
        text: String,
        /// Whose fault it is.
        kind: Kind,
    },
}

impl Error {
    /// What answer the error calls for.
    pub fn kind(&self) -> Kind {
        match self {
            Error::Invalid(_) | Error::Owner => Kind::BadRequest,
            Error::NotFound(_) => Kind::NotFound,
            Error::Io {
                kind: io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded,
                ..
            } => Kind::StorageFull,
            Error::Damaged { .. } | Error::Io { .. } => Kind::Internal,
            Error::Backend { kind, .. } => *kind,
        }
    }
}
