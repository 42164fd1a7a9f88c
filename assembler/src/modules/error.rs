//! What is wrong with the modules of an image.

use std::io;

use formats::{cpio, kmod, squashfs};

use crate::error::Kind;

/// Why there is no index.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The release's initramfs is none.
    #[error("initramfs of the release: {0}")]
    Archive(#[from] cpio::Error),
    /// It cannot be unpacked.
    #[error("initramfs of the release cannot be unpacked: {0}")]
    Unpack(#[source] io::Error),
    /// The place that it is unpacked to cannot be written or read.
    #[error("root file system of the release cannot be kept: {0}")]
    Scratch(#[source] io::Error),
    /// It has no root file system.
    #[error("initramfs of the release has no rootfs.sqsh")]
    NoRootfs,
    /// The root file system cannot be read.
    #[error("rootfs.sqsh of the release: {0}")]
    Rootfs(#[from] squashfs::ReadError),
    /// The directory of modules does not hold exactly one kernel's.
    #[error("invalid kernel modules path: /{path}")]
    KernelPath {
        /// The directory.
        path: String,
    },
    /// An extension is for another kernel.
    #[error(
        "copying kernel modules from /{path} failed: extension {extension} has modules for {found}, the image's kernel is {kernel}"
    )]
    OtherKernel {
        /// The extension, as the catalogue calls it.
        extension: String,
        /// Its directory of modules.
        path: String,
        /// The kernels that it is for.
        found: String,
        /// The kernel of the image.
        kernel: String,
    },
    /// Modules that say more of themselves than those of any kernel.
    #[error("kernel modules of {owner}: more than {limit} {what}")]
    TooMuch {
        /// The extension, or the release.
        owner: String,
        /// What there is too much of.
        what: &'static str,
        /// How much is accepted.
        limit: usize,
    },
    /// A module cannot be read from the store.
    #[error("kernel modules of {owner} cannot be read: {source}")]
    Read {
        /// The extension, or the release.
        owner: String,
        /// Why.
        source: io::Error,
    },
    /// The modules do not add up.
    #[error("error running depmod: {0}")]
    Depmod(#[from] kmod::DepmodError),
}

impl Error {
    /// What kind of answer this calls for: which extensions go together is the user's choice, the release is not.
    pub fn kind(&self) -> Kind {
        match self {
            Self::OtherKernel { .. } | Self::TooMuch { .. } | Self::Depmod(_) => Kind::BadRequest,
            Self::Scratch(error) if error.kind() == io::ErrorKind::StorageFull => Kind::StorageFull,
            Self::Scratch(_) | Self::Read { .. } => Kind::Internal,
            _ => Kind::Upstream,
        }
    }
}
