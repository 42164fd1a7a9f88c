//! The grammar of asset paths (spec/http.md 3): what a path asks for, before any version or schematic plays a part.
//!
//! ```text
//! kernel-ARCH   initramfs-ARCH.xz   cmdline-PA   PA.iso   PA-uki.efi   [PLATFORM-]installer-ARCH[-secureboot].tar   PA.DISK[.PACK]
//! PA = PLATFORM-ARCH[-secureboot]
//! ```
//!
//! Platform names are not checked here. Paths are bytes: a percent-decoded URL segment need not be UTF-8.

use bstr::{BString, ByteSlice};

use super::profile::{DiskFormat, ImageOptions, Kind, Output, Packing, Profile, builtin};
use crate::{platform::Arch, quote::quote};

const SECURE_BOOT_SUFFIX: &[u8] = b"-secureboot";

/// Platforms whose name has a dash; all others end at the first one.
const DASHED_PLATFORMS: [&[u8]; 1] = [b"digital-ocean"];

/// The size of a disk image unless its platform's own profile names one.
const DISK_SIZE: u64 = 8192 << 20;

/// Options of qcow2 images unless the platform's own profile has options.
const QCOW2_OPTIONS: &str = "cluster_size=8k";

/// A path that asks for nothing we know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No rule matches.
    #[error("invalid profile path: {}", quote(.0))]
    Path(BString),
    /// No dash between platform and architecture.
    #[error("invalid platform-arch: {}", quote(.0))]
    PlatformArch(BString),
    /// Not an architecture.
    #[error("invalid architecture: {}", quote(.0))]
    Architecture(BString),
}

impl Error {
    /// What would be right in place of what is wrong. The reference does not say it.
    pub fn expected(&self) -> &'static str {
        match self {
            Self::Path(_) => {
                "kernel-ARCH, initramfs-ARCH.xz, cmdline-PLATFORM-ARCH, PLATFORM-ARCH.iso, PLATFORM-ARCH-uki.efi, \
                 [PLATFORM-]installer-ARCH.tar, or PLATFORM-ARCH.FORMAT[.PACKING] \
                 where FORMAT is raw, qcow2, vhd or ova, and PACKING is tar.gz, gz, xz or zst"
            }
            Self::PlatformArch(_) => "PLATFORM-ARCH",
            Self::Architecture(_) => "amd64 or arm64",
        }
    }
}

/// What a path asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Architecture.
    pub arch: Arch,
    /// The platform as it stands in the path; `metal` where paths have none.
    pub platform: BString,
    /// Whether the path ends in `-secureboot`.
    pub secure_boot: bool,
    /// What is made, and in which format.
    pub output: Output,
}

impl Request {
    /// Parses the last segment of an asset's URL.
    pub fn parse(path: impl AsRef<[u8]>) -> Result<Self, Error> {
        let path = path.as_ref();
        // In the reference's order: the first rule whose prefix or suffix fits decides, also about the error.
        if let Some(arch) = path.strip_prefix(b"kernel-") {
            return Self::metal(Kind::Kernel, arch);
        }
        if let Some(rest) = path.strip_prefix(b"cmdline-") {
            return Self::parse_platform(Kind::Cmdline, rest);
        }
        if let Some(arch) = path
            .strip_prefix(b"initramfs-")
            .and_then(|rest| rest.strip_suffix(b".xz"))
        {
            return Self::metal(Kind::Initramfs, arch);
        }
        if let Some(rest) = path.strip_suffix(b".iso") {
            return Self::parse_platform(Kind::Iso, rest);
        }
        if let Some(rest) = path.strip_suffix(b"-uki.efi") {
            return Self::parse_platform(Kind::Uki, rest);
        }
        if let Some(rest) = path.strip_suffix(b".tar") {
            if let Some(rest) = rest.strip_prefix(b"installer-") {
                return Self::installer(b"metal", rest);
            }
            if let Some((platform, rest)) = rest.split_once_str("-installer-") {
                return Self::installer(platform, rest);
            }
        }
        Self::image(path)
    }

    /// The profile that asks for the same, to be filled in from version and schematic.
    pub fn profile(&self) -> Profile {
        Profile {
            platform: self.platform.clone(),
            secure_boot: self.secure_boot.then_some(true),
            ..Profile::new(self.arch, self.output.clone())
        }
    }

    fn metal(kind: Kind, arch: &[u8]) -> Result<Self, Error> {
        Ok(Self {
            arch: parse_arch(arch)?,
            platform: "metal".into(),
            secure_boot: false,
            output: Output::new(kind),
        })
    }

    fn installer(platform: &[u8], rest: &[u8]) -> Result<Self, Error> {
        let (arch, secure_boot) = cut_secure_boot(rest);
        Ok(Self {
            arch: parse_arch(arch)?,
            platform: platform.into(),
            secure_boot,
            output: Output::new(Kind::Installer),
        })
    }

    fn parse_platform(kind: Kind, text: &[u8]) -> Result<Self, Error> {
        let (rest, secure_boot) = cut_secure_boot(text);
        let dashed = DASHED_PLATFORMS.iter().find_map(|platform| {
            let arch = rest.strip_prefix(*platform)?.strip_prefix(b"-")?;
            Some((*platform, arch))
        });
        let (platform, arch) = dashed
            .or_else(|| rest.split_once_str("-"))
            .ok_or_else(|| Error::PlatformArch(rest.into()))?;
        Ok(Self {
            arch: parse_arch(arch)?,
            platform: platform.into(),
            secure_boot,
            output: Output::new(kind),
        })
    }

    fn image(path: &[u8]) -> Result<Self, Error> {
        let (unpacked, packing) = Packing::SUFFIXED
            .into_iter()
            .find_map(|packing| Some((path.strip_suffix(packing.name().as_bytes())?, packing)))
            .unwrap_or((path, Packing::Raw));
        let (rest, disk_format) = DiskFormat::ALL
            .into_iter()
            .find_map(|format| {
                let rest = unpacked.strip_suffix(format.name().as_bytes())?;
                Some((rest.strip_suffix(b".")?, format))
            })
            .ok_or_else(|| Error::Path(unpacked.into()))?;
        let mut request = Self::parse_platform(Kind::Image, rest)?;

        let options = match disk_format {
            DiskFormat::Qcow2 => QCOW2_OPTIONS,
            _ => "",
        };
        let mut image = ImageOptions {
            disk_size: DISK_SIZE,
            disk_format: Some(disk_format),
            disk_format_options: options.to_owned(),
            ..ImageOptions::default()
        };
        if let Some(platform) = builtin::find(&request.platform) {
            // `iso` and `installer` are names of profiles without a disk: the reference crashes on them.
            let own = platform
                .image
                .as_ref()
                .ok_or_else(|| Error::Path(path.into()))?;
            image.disk_size = own.disk_size;
            if !own.options.is_empty() {
                own.options.clone_into(&mut image.disk_format_options);
            }
        }
        request.output.image = Some(image);
        request.output.packing = packing;
        Ok(request)
    }
}

fn cut_secure_boot(text: &[u8]) -> (&[u8], bool) {
    text.strip_suffix(SECURE_BOOT_SUFFIX)
        .map_or((text, false), |rest| (rest, true))
}

fn parse_arch(name: &[u8]) -> Result<Arch, Error> {
    Arch::find_in_path(name).ok_or_else(|| Error::Architecture(name.into()))
}
