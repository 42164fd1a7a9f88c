//! What goes wrong on the way, with whose fault it is.

use std::{sync::Arc, time::Duration};

use crate::{
    catalog, error::Kind, extension, images, modules, plan, schematic, source, store, target,
    version::Malformed,
};

/// Why there is no answer. The text is the whole chain, as the client may see it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The schematic.
    #[error(transparent)]
    Schematic(#[from] schematic::Error),
    /// The version is no version.
    #[error(transparent)]
    Version(#[from] Malformed),
    /// The request makes no sense for the version, or at all.
    #[error(transparent)]
    Target(#[from] target::Error),
    /// There is no such version.
    #[error("version {0} is not available")]
    NotAvailable(String),
    /// There is no such file.
    #[error("{0} does not exist")]
    NoSuchFile(String),
    /// The catalogue cannot be read, or does not have what was asked for.
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
    /// A catalogue's digest.
    #[error(transparent)]
    Digest(#[from] formats::digest::ParseDigestError),
    /// An extension cannot be used.
    #[error(transparent)]
    Extension(#[from] extension::Error),
    /// The source's images.
    #[error(transparent)]
    Images(#[from] images::Error),
    /// The source's settings.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// The name of a repository, in the configuration.
    #[error(transparent)]
    Repository(#[from] source::repository::ParseRepositoryError),
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The inputs do not fit together.
    #[error(transparent)]
    Plan(#[from] plan::Error),
    /// The kernel modules of an image.
    #[error(transparent)]
    Modules(#[from] modules::Error),
    /// An extension's file system cannot be made.
    #[error("extension {name}: {source}")]
    Squashfs {
        /// The extension.
        name: String,
        /// Why.
        source: formats::squashfs::WriteError,
    },
    /// A blob cannot be compressed.
    #[error(transparent)]
    Pack(#[from] crate::encode::pack::Error),
    /// An image of GRUB cannot be made.
    #[error("{name}: {source}")]
    Grub {
        /// The source and the build's folder.
        name: String,
        /// Why.
        source: formats::grub::Error,
    },
    /// Not built yet.
    #[error("not built yet: {0}")]
    NotYet(String),
    /// It takes too long.
    #[error("still being prepared after {} s; ask again later", .0.as_secs())]
    Busy(Duration),
    /// Blobs do not stay in the store for as long as it takes to prepare the rest.
    #[error("the store evicts what is being prepared; is store.maxSize large enough?")]
    Evicted,
    /// Where it happened, in the reference's words.
    #[error("{context}: {source}")]
    Context {
        /// Where.
        context: &'static str,
        /// What.
        source: Box<Error>,
    },
    /// The same failure, for someone else who waited for it.
    #[error(transparent)]
    Shared(Arc<Error>),
}

impl Error {
    /// What would be right in place of what is wrong, where the text, which is the reference's, does not say it.
    pub fn expected(&self) -> Option<String> {
        match self {
            Self::Target(error) => error.expected(),
            _ => None,
        }
    }

    /// What kind of answer this calls for.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Schematic(error) => error.kind(),
            Self::Version(_) | Self::Repository(_) => Kind::BadRequest,
            Self::Digest(_) | Self::Grub { .. } => Kind::Upstream,
            Self::Target(error) => error.kind(),
            Self::NotAvailable(_) | Self::NoSuchFile(_) => Kind::NotFound,
            Self::Catalog(error) => error.kind(),
            Self::Extension(error) => error.kind(),
            Self::Images(error) => upstream(error.kind()),
            Self::Source(error) => upstream(error.kind()),
            Self::Store(error) => error.kind(),
            Self::Plan(error) => error.kind(),
            Self::Modules(error) => error.kind(),
            Self::Squashfs { source, .. } => squashfs(source),
            Self::Pack(error) => error.kind(),
            Self::Evicted => Kind::StorageFull,
            Self::NotYet(_) => Kind::NotYet,
            Self::Busy(_) => Kind::Busy,
            Self::Context { source, .. } => source.kind(),
            Self::Shared(error) => error.kind(),
        }
    }

    pub(super) fn within(self, context: &'static str) -> Self {
        Self::Context {
            context,
            source: Box::new(self),
        }
    }
}

/// What a listed version or a catalogue promised and the source does not have is the source's fault, not the client's.
fn upstream(kind: Kind) -> Kind {
    match kind {
        Kind::NotFound => Kind::Upstream,
        kind => kind,
    }
}

/// A full disk is not our fault, and what does not fit is not the source's.
fn squashfs(error: &formats::squashfs::WriteError) -> Kind {
    use formats::squashfs::WriteError;
    match error {
        WriteError::Sink(source) => match source
            .get_ref()
            .and_then(|error| error.downcast_ref::<store::Error>())
        {
            Some(error) => error.kind(),
            None if source.kind() == std::io::ErrorKind::StorageFull => Kind::StorageFull,
            None => Kind::Internal,
        },
        WriteError::Content { .. } | WriteError::Compressor(_) => Kind::Internal,
        // An extension that no image can hold is for whoever named it to leave out.
        WriteError::Name { .. } | WriteError::Entry { .. } | WriteError::TooLarge { .. } => {
            Kind::BadRequest
        }
        _ => Kind::Upstream,
    }
}
