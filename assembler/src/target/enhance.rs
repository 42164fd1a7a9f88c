//! From what a path asks for to the profile of one version and schematic (spec/http.md 4).
//!
//! Order matters: the first thing that is wrong is what the client reads.

use std::collections::{BTreeMap, BTreeSet};

use bstr::{BStr, BString};

use super::{
    overlay::OverlayProfile,
    profile::{EnrollKeys, Kind, Overlay, Profile, UnknownValue},
};
use crate::{
    error,
    quirks::Quirks,
    quote::quote,
    schematic::{Bootloader, Customization, Schematic},
    version::Version,
};

/// Former names of extensions, and what they are called now.
const EXTENSION_ALIASES: [(&str, &str); 11] = [
    ("siderolabs/v4l-uvc", "siderolabs/v4l-uvc-drivers"),
    ("siderolabs/usb-modem", "siderolabs/usb-modem-drivers"),
    ("siderolabs/gasket", "siderolabs/gasket-driver"),
    (
        "siderolabs/talos-vmtoolsd",
        "siderolabs/vmtoolsd-guest-agent",
    ),
    (
        "siderolabs/xe-guest-utilities",
        "siderolabs/xen-guest-agent",
    ),
    (
        "siderolabs/nvidia-container-toolkit",
        "siderolabs/nvidia-container-toolkit-lts",
    ),
    (
        "siderolabs/nvidia-open-gpu-kernel-modules",
        "siderolabs/nvidia-open-gpu-kernel-modules-lts",
    ),
    (
        "siderolabs/nonfree-kmod-nvidia",
        "siderolabs/nonfree-kmod-nvidia-lts",
    ),
    (
        "siderolabs/nvidia-fabricmanager",
        "siderolabs/nvidia-fabric-manager-lts",
    ),
    ("siderolabs/i915-ucode", "siderolabs/i915"),
    ("siderolabs/amdgpu-firmware", "siderolabs/amdgpu"),
];

/// What decides beside path, version and schematic: keys and catalogues.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// Whether Secure Boot keys are configured.
    pub secure_boot: bool,
    /// Repositories of the version's official extensions; `None` leaves the names unchecked, for whoever has the catalogue later.
    pub extensions: Option<BTreeSet<BString>>,
    /// The version's overlays by name; `None` leaves them unchecked, and their profiles unread.
    pub overlays: Option<BTreeMap<BString, OverlayImage>>,
}

/// What an overlay's image says.
#[derive(Debug, Clone, PartialEq)]
pub struct OverlayImage {
    /// Its profile, or what is wrong with it.
    pub profile: Result<OverlayProfile, String>,
    /// The kernel arguments its installer asks for.
    pub kernel_args: Vec<BString>,
}

/// Why a schematic cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The version is too old for an embedded configuration.
    #[error("embedding configuration is not supported for Talos version {0}")]
    EmbeddedConfig(String),
    /// No Secure Boot keys.
    #[error("secure boot is disabled")]
    SecureBootDisabled,
    /// Not a way of enrolling keys.
    #[error("invalid secureboot enrollKeys value {text}: {unknown}", text = quote(&.0.text), unknown = .0)]
    EnrollKeys(UnknownValue),
    /// The version is too old for overlays.
    #[error("overlay is not supported for Talos version {0}")]
    OverlayVersion(String),
    /// No such extension.
    #[error("official extension {} is not available for Talos version {tag}", quote(.name))]
    Extension {
        /// The name that was asked for.
        name: BString,
        /// The version's tag.
        tag: String,
    },
    /// No such overlay. The reference prints an empty record in place of the name.
    #[error(r#"official overlay {{"" "" ""}} is not available for Talos version {0}"#)]
    Overlay(String),
    /// The overlay's image holds a profile that cannot be read.
    #[error("error merging overlay profile: {0}")]
    OverlayProfile(String),
}

impl Error {
    /// Whose fault it is.
    pub fn kind(&self) -> error::Kind {
        match self {
            Self::OverlayProfile(_) => error::Kind::Upstream,
            _ => error::Kind::BadRequest,
        }
    }
}

/// What an extension of this name is called now, if it was renamed.
pub fn extension_alias(name: &BStr) -> Option<&'static BStr> {
    EXTENSION_ALIASES
        .iter()
        .find(|(former, _)| name == *former)
        .map(|(_, now)| BStr::new(*now))
}

impl Profile {
    /// Takes in version and schematic.
    pub fn enhance(
        &mut self,
        version: &Version,
        schematic: &Schematic,
        context: &Context,
    ) -> Result<(), Error> {
        let quirks = Quirks::of(version);
        let customization = &schematic.customization;
        let has_initramfs = self.output.kind.has_initramfs();
        self.version = version.tag();

        if has_initramfs && !customization.embedded_machine_configuration.is_empty() {
            if !quirks.embedded_config {
                return Err(Error::EmbeddedConfig(version.tag()));
            }
            self.embedded_config
                .clone_from(&customization.embedded_machine_configuration);
        }
        if self.is_secure_boot() {
            set_secure_boot(self, customization, context)?;
        }
        if !schematic.overlay.name.is_empty() && !quirks.overlay {
            return Err(Error::OverlayVersion(version.tag()));
        }
        if has_initramfs {
            for name in &customization.official_extensions {
                self.extensions
                    .push(find_extension(name, version, context)?);
            }
            self.schematic_extension = true;
            if !schematic.overlay.name.is_empty() {
                set_overlay(self, schematic, version, context)?;
            }
        }
        customize(self, customization, &quirks);
        Ok(())
    }
}

fn set_secure_boot(
    profile: &mut Profile,
    customization: &Customization,
    context: &Context,
) -> Result<(), Error> {
    if !context.secure_boot {
        return Err(Error::SecureBootDisabled);
    }
    let options = &customization.secureboot;
    profile.include_well_known_certificates = options.include_well_known_certificates;
    if options.enroll_keys.is_empty() {
        return Ok(());
    }
    let enroll_keys = EnrollKeys::parse(&options.enroll_keys).map_err(Error::EnrollKeys)?;
    match profile.output.kind {
        Kind::Iso => profile.output.iso.get_or_insert_default().enroll_keys = enroll_keys,
        Kind::Image => profile.output.image.get_or_insert_default().enroll_keys = enroll_keys,
        _ => {}
    }
    Ok(())
}

fn find_extension(name: &BString, version: &Version, context: &Context) -> Result<BString, Error> {
    let Some(available) = &context.extensions else {
        return Ok(name.clone());
    };
    if available.contains(name) {
        return Ok(name.clone());
    }
    extension_alias(name.as_ref())
        .map(BString::from)
        .filter(|alias| available.contains(alias))
        .ok_or_else(|| Error::Extension {
            name: name.clone(),
            tag: version.tag(),
        })
}

fn set_overlay(
    profile: &mut Profile,
    schematic: &Schematic,
    version: &Version,
    context: &Context,
) -> Result<(), Error> {
    let name = &schematic.overlay.name;
    let image = match &context.overlays {
        None => None,
        Some(overlays) => Some(
            overlays
                .get(name)
                .ok_or_else(|| Error::Overlay(version.tag()))?,
        ),
    };
    if let Some(image) = image {
        let own = image
            .profile
            .as_ref()
            .map_err(|error| Error::OverlayProfile(error.clone()))?;
        own.merge_into(profile);
    }
    profile.overlay = Some(Overlay {
        name: name.clone(),
        options: schematic.overlay.options.clone(),
        kernel_args: image.map_or_else(Vec::new, |image| image.kernel_args.clone()),
    });
    Ok(())
}

/// What of the schematic reaches which kind.
fn customize(profile: &mut Profile, customization: &Customization, quirks: &Quirks) {
    let kind = profile.output.kind;
    let takes_args = match kind {
        Kind::Kernel | Kind::Initramfs => false,
        Kind::Installer | Kind::Uki => profile.is_secure_boot() || quirks.installer_kernel_args,
        Kind::Iso | Kind::Image | Kind::Cmdline => true,
    };
    if takes_args {
        profile
            .extra_kernel_args
            .extend_from_slice(&customization.extra_kernel_args);
    }
    if matches!(kind, Kind::Iso | Kind::Image | Kind::Cmdline) {
        profile.meta.extend_from_slice(&customization.meta);
    }
    let bootloader = customization.bootloader;
    match kind {
        Kind::Iso if bootloader != Bootloader::None => {
            profile.output.iso.get_or_insert_default().bootloader = bootloader;
        }
        Kind::Image => {
            let image = profile.output.image.get_or_insert_default();
            if bootloader != Bootloader::None {
                image.bootloader = bootloader;
            }
            if customization.sector_size != 0 {
                image.sector_size = customization.sector_size;
            }
        }
        _ => {}
    }
}
