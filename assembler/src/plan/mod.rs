//! From inputs to a layout: pure, one function an artifact, each reading like the contents page of what it makes.
//!
//! Nothing here waits, reads a blob or knows where one came from: [`Inputs`] hold names, lengths, checksums and the few
//! bytes of heads that arithmetic needs.

mod contents;
mod disk;
pub mod grub;
mod initramfs;
mod iso;
mod uki;

use bstr::BString;
use bytes::Bytes;
use formats::{Layout, adv, cpio, fat, gpt, iso9660, pe, squashfs, xfs};

use crate::{
    encode::{self, Encoding, Known, Packs},
    error::Kind,
    extension::{Metadata, Microcode},
    platform::Arch,
    quirks::Quirks,
    schematic::Bootloader,
    store::Content,
    target::{Target, UkiProfile},
};

pub(crate) use self::disk::sector_len;
pub use self::{
    disk::{Boot, Disk, Grub, SdBoot},
    iso::{GrubMenu, Iso, IsoBoot},
};

/// The date of everything inside images, seconds since 1970: 2019-06-01 21:34:52 UTC.
pub const EPOCH: u32 = 1_559_424_892;

/// Raised whenever the bytes of an artifact change for the same inputs: it enters every entity tag.
pub const FORMAT_EPOCH: &str = "1";

/// What a target is made of.
#[derive(Debug, Clone)]
pub enum Inputs {
    /// A kernel is served as it is.
    Kernel(Content),
    /// A command line is its own content.
    Cmdline(BString),
    /// An initramfs.
    Initramfs(Box<Initramfs>),
    /// A UKI.
    Uki(Box<Uki>),
    /// An ISO.
    Iso(Box<Iso>),
    /// A disk image.
    Disk {
        /// The raw disk.
        disk: Box<Disk>,
        /// What becomes of it.
        encoding: Encoding,
        /// Those of its blobs that compress, compressed.
        packs: Packs,
    },
}

/// A release's initramfs and what is appended to it.
#[derive(Debug, Clone)]
pub struct Initramfs {
    /// As the release has it.
    pub base: Content,
    /// In the order of the schematic.
    pub extensions: Vec<Extension>,
    /// The index of the kernel modules of all of them, always the last layer.
    pub modules_dep: Option<Extension>,
    /// Whether what is appended is in a Zstandard frame; in an xz stream otherwise.
    pub zstd: bool,
}

/// A system extension, ready for its places in an initramfs.
#[derive(Debug, Clone)]
pub struct Extension {
    /// What it says of itself.
    pub metadata: Metadata,
    /// Its file system.
    pub squashfs: Squashfs,
    /// Its firmware: a whole archive, compressed whole, as it stands in the initramfs.
    pub firmware: Option<Content>,
    /// Its microcode, as the files are.
    pub microcode: Microcode,
}

/// A squashfs image.
#[derive(Debug, Clone)]
pub enum Squashfs {
    /// Made once, kept in the store.
    Blob(Content),
    /// Composed on the spot: nothing in it is compressed.
    Composed(Layout),
}

/// What a UKI holds.
#[derive(Debug, Clone)]
pub struct Uki {
    /// Tag of the Talos version, for `.osrel`.
    pub tag: String,
    /// The stub.
    pub stub: Content,
    /// Its first [`pe::HEAD_LEN`] bytes.
    pub stub_head: Bytes,
    /// The kernel.
    pub kernel: Content,
    /// Its release, where its head tells.
    pub kernel_release: Option<Bytes>,
    /// The initramfs.
    pub initramfs: Initramfs,
    /// The picture shown while booting.
    pub splash: Content,
    /// The kernel's command line.
    pub cmdline: BString,
    /// Further ways to boot, `main` first; none for versions without profiles.
    pub profiles: Vec<UkiProfile>,
}

/// Inputs that cannot be laid out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Of an initramfs.
    #[error("initramfs: {0}")]
    Cpio(#[from] cpio::Error),
    /// Of a UKI.
    #[error("UKI: {0}")]
    Pe(#[from] pe::Error),
    /// Of an ESP.
    #[error("ESP: {0}")]
    Fat(#[from] fat::Error),
    /// The partitions are larger than the disk.
    #[error(
        "disk: partition {partition} of {needed} bytes does not fit: {free} bytes are left of a disk of {len}"
    )]
    DiskTooSmall {
        /// The label of the first that does not fit.
        partition: &'static str,
        /// Bytes it should have.
        needed: u64,
        /// Bytes that are left.
        free: u64,
        /// Bytes of the disk.
        len: u64,
    },
    /// What boots is larger than the partition that holds it.
    #[error(
        "{partition}: {what} take {needed} bytes, and a partition of {len} has room for {available}"
    )]
    PartitionFull {
        /// The partition.
        partition: &'static str,
        /// What it holds.
        what: &'static str,
        /// Bytes of the partition.
        len: u64,
        /// Bytes that its files take.
        needed: u64,
        /// Bytes there are for files.
        available: u64,
    },
    /// Of a disk.
    #[error("disk: {0}")]
    Gpt(#[from] gpt::Error),
    /// Of the BOOT partition.
    #[error("BOOT: {0}")]
    Xfs(#[from] xfs::Error),
    /// Of GRUB's images.
    #[error("GRUB: {0}")]
    Grub(#[from] formats::grub::Error),
    /// Of the META partition.
    #[error("META: {0}")]
    Adv(#[from] adv::Error),
    /// Only some sizes of sectors exist.
    #[error("disk: sectors of {0} bytes are not supported: diskImage.sectorSize is 512 or 4096")]
    SectorSize(u64),
    /// No boot loader for BIOSes on arm64.
    #[error("disk: bootloader dual-boot is not supported on arm64: choose sd-boot or grub")]
    DualBootArch,
    /// systemd-boot boots UKIs.
    #[error(
        "disk: bootloader {bootloader} is not supported for Talos version {tag}, which has no UKI: choose grub"
    )]
    BootloaderVersion {
        /// The boot loader.
        bootloader: &'static str,
        /// The version.
        tag: String,
    },
    /// Of a disk's format.
    #[error("disk: {0}")]
    Encode(#[from] encode::Error),
    /// Of an ISO.
    #[error("ISO: {0}")]
    Iso(#[from] iso9660::Error),
    /// Of an extension made on the spot.
    #[error("extension {name}: {source}")]
    Squashfs {
        /// The extension.
        name: String,
        /// Why.
        source: squashfs::WriteError,
    },
}

impl Error {
    /// What kind of answer this calls for: the release's own files do not fit together, or what was asked is too large.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Squashfs { .. }
            | Self::Fat(_)
            | Self::Iso(_)
            | Self::DiskTooSmall { .. }
            | Self::PartitionFull { .. }
            | Self::Cpio(cpio::Error::ContentTooLong { .. })
            | Self::Pe(pe::Error::ImageTooLarge { .. })
            | Self::Gpt(_)
            | Self::Xfs(_)
            | Self::Adv(_)
            | Self::SectorSize(_)
            | Self::Encode(_)
            | Self::DualBootArch
            | Self::BootloaderVersion { .. } => Kind::BadRequest,
            Self::Cpio(_) | Self::Pe(_) | Self::Grub(_) => Kind::Upstream,
        }
    }
}

/// The layout of what `inputs` make.
pub fn layout(inputs: &Inputs) -> Result<Layout, Error> {
    match inputs {
        Inputs::Kernel(kernel) => {
            let mut layout = Layout::new();
            push(&mut layout, "kernel", kernel);
            Ok(layout)
        }
        Inputs::Cmdline(text) => {
            let mut layout = Layout::new();
            layout.section("command line");
            layout.bytes(text.to_vec());
            Ok(layout)
        }
        Inputs::Initramfs(initramfs) => initramfs.layout(),
        Inputs::Uki(uki) => uki.layout(),
        Inputs::Iso(iso) => iso.layout(),
        Inputs::Disk {
            disk,
            encoding,
            packs,
        } => {
            let known = Known::new(disk.contents(), packs);
            Ok(encoding.layout(&disk.layout()?, &known))
        }
    }
}

/// Whether a target can be at all: answered before anything is fetched.
pub fn check(target: &Target, quirks: &Quirks) -> Result<(), Error> {
    let Some(image) = &target.image else {
        return Ok(());
    };
    disk::sector_len(image)?;
    Encoding::of(target)?;
    match target.bootloader {
        bootloader @ (Bootloader::DualBoot | Bootloader::SdBoot) if !quirks.uki => {
            Err(Error::BootloaderVersion {
                bootloader: bootloader.name(),
                tag: target.version.tag(),
            })
        }
        Bootloader::DualBoot if target.arch == Arch::Arm64 => Err(Error::DualBootArch),
        _ => Ok(()),
    }
}

/// A feature that a target needs and that is not there yet, if any: answered before anything is fetched.
pub fn not_yet(target: &Target) -> Option<&'static str> {
    use crate::target::Kind as Asset;

    if target.secure_boot {
        return Some("Secure Boot");
    }
    if target.overlay.is_some() && !matches!(target.kind, Asset::Kernel | Asset::Cmdline) {
        return Some("single-board overlays");
    }
    match target.kind {
        Asset::Kernel
        | Asset::Cmdline
        | Asset::Initramfs
        | Asset::Uki
        | Asset::Iso
        | Asset::Image => None,
        Asset::Installer => Some("installer images"),
    }
}

fn push(layout: &mut Layout, section: &str, content: &Content) {
    layout.section(section);
    layout.blob(content.digest, 0, content.len);
}
