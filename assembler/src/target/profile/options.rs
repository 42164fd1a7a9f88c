//! What a profile makes: the kind of artifact and its options. Enumerations have the reference's texts (spec/profile.md 1.2).

use bstr::BString;

use crate::schematic::Bootloader;

/// A text that is none of an enumeration's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text} does not belong to {enumeration} values")]
pub struct UnknownValue {
    /// The text.
    pub text: BString,
    /// The enumeration, as the reference calls it.
    pub enumeration: &'static str,
}

/// The kind of an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// ISO image.
    Iso,
    /// Disk image.
    Image,
    /// Installer container image.
    Installer,
    /// Kernel.
    Kernel,
    /// Initramfs with extensions.
    Initramfs,
    /// Unified kernel image.
    Uki,
    /// Kernel command line.
    Cmdline,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::Iso,
        Self::Image,
        Self::Installer,
        Self::Kernel,
        Self::Initramfs,
        Self::Uki,
        Self::Cmdline,
    ];

    /// Its text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Iso => "iso",
            Self::Image => "image",
            Self::Installer => "installer",
            Self::Kernel => "kernel",
            Self::Initramfs => "initramfs",
            Self::Uki => "uki",
            Self::Cmdline => "cmdline",
        }
    }

    /// Whether it carries an initramfs, hence extensions and an overlay.
    pub fn has_initramfs(self) -> bool {
        !matches!(self, Self::Kernel | Self::Cmdline)
    }
}

/// The format of a disk image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DiskFormat {
    /// Sectors.
    Raw,
    /// QEMU.
    Qcow2,
    /// Virtual PC.
    Vhd,
    /// Open virtualization archive with a VMDK.
    Ova,
}

impl DiskFormat {
    /// In the order in which paths are tried.
    pub const ALL: [Self; 4] = [Self::Raw, Self::Qcow2, Self::Vhd, Self::Ova];

    /// Its text, also its suffix.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Vhd => "vhd",
            Self::Ova => "ova",
        }
    }
}

/// How an artifact is packed for download.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Packing {
    /// As it is.
    Raw,
    /// A sparse tar archive in gzip.
    TarGz,
    /// xz.
    Xz,
    /// gzip.
    Gz,
    /// Zstandard.
    Zst,
}

impl Packing {
    /// Those with a suffix, in the order in which paths are tried.
    pub const SUFFIXED: [Self; 4] = [Self::TarGz, Self::Gz, Self::Xz, Self::Zst];

    /// Its text; a suffix with its dot, but for `raw`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::TarGz => ".tar.gz",
            Self::Xz => ".xz",
            Self::Gz => ".gz",
            Self::Zst => ".zst",
        }
    }
}

/// When systemd-boot enrolls Secure Boot keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum EnrollKeys {
    /// In virtual machines only.
    #[default]
    IfSafe,
    /// When somebody asks for it at boot.
    Manual,
    /// Always.
    Force,
    /// Never.
    Off,
}

impl EnrollKeys {
    const ALL: [Self; 4] = [Self::IfSafe, Self::Manual, Self::Force, Self::Off];

    /// Its text.
    pub fn name(self) -> &'static str {
        match self {
            Self::IfSafe => "if-safe",
            Self::Manual => "manual",
            Self::Force => "force",
            Self::Off => "off",
        }
    }

    /// The value of a text, in letters of any case.
    pub fn parse(text: &[u8]) -> Result<Self, UnknownValue> {
        Self::ALL
            .into_iter()
            .find(|value| value.name().as_bytes().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownValue {
                text: text.into(),
                enumeration: "SDBootEnrollKeys",
            })
    }
}

/// What is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The kind of artifact.
    pub kind: Kind,
    /// Options of disk images. Overlays may set them for other kinds too, where they mean nothing.
    pub image: Option<ImageOptions>,
    /// Options of ISOs.
    pub iso: Option<IsoOptions>,
    /// How it is packed.
    pub packing: Packing,
}

impl Output {
    /// An output without options, not packed.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            image: None,
            iso: None,
            packing: Packing::Raw,
        }
    }
}

/// Options of disk images.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ImageOptions {
    /// Bytes.
    pub disk_size: u64,
    /// The format.
    pub disk_format: Option<DiskFormat>,
    /// Options of the format, for the tool that once wrote it.
    pub disk_format_options: String,
    /// Bytes of a sector, 0 for 512.
    pub sector_size: u64,
    /// The boot loader.
    pub bootloader: Bootloader,
    /// When keys are enrolled.
    pub enroll_keys: EnrollKeys,
}

/// Options of ISOs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct IsoOptions {
    /// When keys are enrolled.
    pub enroll_keys: EnrollKeys,
    /// The boot loader.
    pub bootloader: Bootloader,
}
