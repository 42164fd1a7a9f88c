//! Targets: what a request means, canonical and complete.
//!
//! ```text
//! path ──Request::parse──▶ Request ──▶ Profile ──enhance──▶ Profile ──defaults, checks──▶ Target
//!                                      version, schematic ──┘
//! ```
//!
//! Equal targets give equal bytes, given the same images and the same schematic extension. Everything here is pure.

mod enhance;
mod overlay;
pub mod path;
pub mod profile;
pub mod pxe;

use bstr::BString;

pub use enhance::{Context, Error as EnhanceError, OverlayImage, extension_alias};
pub use overlay::OverlayProfile;
pub use path::Request;
pub use profile::{DiskFormat, EnrollKeys, ImageOptions, Kind, Packing, Profile};

use crate::{
    error, meta,
    platform::{Arch, Platform},
    quirks::Quirks,
    schematic::{Bootloader, Schematic},
    version::{Malformed, Version},
};

/// What is to be made.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// The Talos version.
    pub version: Version,
    /// Architecture.
    pub arch: Arch,
    /// The platform, as paths and file names have it.
    pub platform: BString,
    /// The kind of artifact.
    pub kind: Kind,
    /// Whether it is signed for Secure Boot.
    pub secure_boot: bool,
    /// The boot loader of ISOs and disk images, [`Bootloader::None`] for other kinds.
    pub bootloader: Bootloader,
    /// The kernel command line, empty for kernels and initramfs.
    pub cmdline: BString,
    /// The boot profiles of its UKI, `main` first; none where the version has no profiles or the kind no UKI.
    pub uki_profiles: Vec<UkiProfile>,
    /// Repositories of official extensions, in order.
    pub extensions: Vec<BString>,
    /// Whether the extension that names the schematic is added, last.
    pub schematic_extension: bool,
    /// Machine configuration built into the image.
    pub embedded_config: Option<BString>,
    /// The single-board overlay's name.
    pub overlay: Option<BString>,
    /// META values that go to a partition, for disk images: key and text.
    pub meta: Vec<(u8, BString)>,
    /// When Secure Boot keys are enrolled.
    pub enroll_keys: EnrollKeys,
    /// Whether Microsoft's certificates are enrolled too.
    pub include_well_known_certificates: bool,
    /// The disk, for disk images.
    pub image: Option<ImageOptions>,
    /// How it is packed.
    pub packing: Packing,
}

/// A boot profile of a UKI (boot.md 1.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UkiProfile {
    /// Its ID.
    pub id: &'static str,
    /// Its title in the boot menu.
    pub title: Option<&'static str>,
    /// Its own command line; without one it inherits the UKI's.
    pub cmdline: Option<BString>,
}

/// Why there is no target, in the reference's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The version is no version.
    #[error(transparent)]
    Version(#[from] Malformed),
    /// The path asks for nothing we know.
    #[error("error parsing profile from path: {0}")]
    Path(path::Error),
    /// The schematic does not fit the version or the kind.
    #[error("error enhancing profile from schematic: {0}")]
    Enhance(enhance::Error),
    /// Nothing of this kind can be built.
    #[error(transparent)]
    Profile(#[from] profile::Invalid),
}

impl Error {
    /// Whose fault it is.
    pub fn kind(&self) -> error::Kind {
        match self {
            Self::Version(_) | Self::Path(_) | Self::Profile(_) => error::Kind::BadRequest,
            Self::Enhance(error) => error.kind(),
        }
    }

    /// What would be right in place of what is wrong, where the reference's words leave that open.
    pub fn expected(&self) -> Option<String> {
        match self {
            Self::Path(error) => Some(error.expected().to_owned()),
            Self::Profile(profile::Invalid::UnknownPlatform(_)) => Some(Platform::list()),
            _ => None,
        }
    }
}

impl Target {
    /// The target of a request: the version and the last segment of its URL, and the schematic.
    pub fn new(
        version: &str,
        path: impl AsRef<[u8]>,
        schematic: &Schematic,
        context: &Context,
    ) -> Result<Self, Error> {
        let version = Version::parse(version)?;
        let mut profile = Request::parse(path).map_err(Error::Path)?.profile();
        profile
            .enhance(&version, schematic, context)
            .map_err(Error::Enhance)?;
        profile.fill_defaults();
        Ok(Self::of(version, profile)?)
    }

    fn of(version: Version, profile: Profile) -> Result<Self, profile::Invalid> {
        profile.validate()?;
        let cmdline = profile.cmdline()?;
        let quirks = Quirks::of(&version);
        let kind = profile.output.kind;
        if kind == Kind::Uki && !quirks.uki {
            return Err(profile::Invalid::UkiVersion);
        }

        let image = profile.output.image.clone().filter(|_| kind == Kind::Image);
        let (bootloader, enroll_keys) = match (&image, &profile.output.iso) {
            (Some(image), _) => (image.bootloader, image.enroll_keys),
            (None, iso) if kind == Kind::Iso => {
                let enroll_keys = iso
                    .as_ref()
                    .map_or(EnrollKeys::default(), |iso| iso.enroll_keys);
                (profile.iso_bootloader(), enroll_keys)
            }
            _ => (Bootloader::None, EnrollKeys::default()),
        };
        let on_partition = profile.meta.iter().filter(|_| kind == Kind::Image);
        let mut meta: Vec<(u8, BString)> = on_partition
            .map(|value| (value.key, value.value.clone()))
            .collect();
        // So that the first boot removes the boot loader that was not used. Without it there is only one.
        if quirks.sd_boot && bootloader == Bootloader::DualBoot && image.is_some() {
            meta.push((meta::DISK_BOOTLOADER, Bootloader::DualBoot.name().into()));
        }
        Ok(Self {
            version,
            arch: profile.arch,
            kind,
            secure_boot: profile.is_secure_boot(),
            bootloader,
            uki_profiles: uki_profiles(kind, &quirks, &cmdline),
            cmdline: match kind {
                Kind::Kernel | Kind::Initramfs => BString::default(),
                _ => cmdline,
            },
            meta,
            schematic_extension: profile.schematic_extension,
            embedded_config: Some(profile.embedded_config).filter(|config| !config.is_empty()),
            overlay: profile.overlay.map(|overlay| overlay.name),
            enroll_keys,
            include_well_known_certificates: profile.include_well_known_certificates,
            image,
            packing: profile.output.packing,
            platform: profile.platform,
            extensions: profile.extensions,
        })
    }
}

fn uki_profiles(kind: Kind, quirks: &Quirks, cmdline: &BString) -> Vec<UkiProfile> {
    if !quirks.uki_profiles {
        return Vec::new();
    }
    // Plain concatenation after rendering: extra arguments cannot take it away again.
    let wiping = |id, title, what: &str| UkiProfile {
        id,
        title: Some(title),
        cmdline: Some(
            [
                cmdline.as_slice(),
                b" talos.experimental.wipe=",
                what.as_bytes(),
            ]
            .concat()
            .into(),
        ),
    };
    let reset = match kind {
        Kind::Iso => Some(wiping("reset", "Reset system disk", "system")),
        Kind::Image | Kind::Installer => Some(wiping(
            "reset-maintenance",
            "Reset to maintenance mode",
            "system:EPHEMERAL,STATE",
        )),
        Kind::Uki => None,
        Kind::Kernel | Kind::Initramfs | Kind::Cmdline => return Vec::new(),
    };
    let main = UkiProfile {
        id: "main",
        title: None,
        cmdline: None,
    };
    std::iter::once(main).chain(reset).collect()
}
