//! Schematics: what a user wants of an image, posted once and named by the hash of its canonical form (spec/http.md 1).
//!
//! Texts are byte strings: YAML's `!!binary` can put any byte into them.
//!
//! - [`Schematic::parse`] reads what a user posted, and what was stored.
//! - [`Schematic::canonical`] is the text that is stored and hashed: posting it again gives the same [`Id`].
//! - [`store::Store`] keeps schematics by their ID.
//!
//! Whether extensions, overlays and versions exist is not asked here: a schematic outlives all of them.

mod canonical;
mod error;
mod id;
mod parse;
pub mod store;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use bstr::BString;

pub use crate::yaml::{Limits, Value};
pub use error::Error;
pub use id::Id;

/// A customization document. The order of fields is the order of the canonical form.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Schematic {
    /// Only meaningful with accounts; anything but empty is refused on creation.
    pub owner: BString,
    /// The single-board overlay, all fields empty for none.
    pub overlay: Overlay,
    /// What differs from the plain image.
    pub customization: Customization,
}

/// A single-board overlay.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overlay {
    /// Informative only: overlays are found by name.
    pub image: BString,
    /// The overlay's name in the catalogue.
    pub name: BString,
    /// Free-form options of the overlay's installer.
    pub options: BTreeMap<BString, Value>,
}

/// What differs from the plain image.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Customization {
    /// Machine configuration built into the image (Talos 1.12 and later).
    pub embedded_machine_configuration: BString,
    /// Kernel arguments, in order.
    pub extra_kernel_args: Vec<BString>,
    /// META values, in order.
    pub meta: Vec<MetaValue>,
    /// Repository names of official system extensions, in order.
    pub official_extensions: Vec<BString>,
    /// The boot loader, if not the default one.
    pub bootloader: Bootloader,
    /// Secure Boot options.
    pub secureboot: SecureBoot,
    /// Sector size of disk images in bytes, 0 for the default.
    pub sector_size: u64,
}

/// One META value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaValue {
    /// The tag.
    pub key: u8,
    /// The text.
    pub value: BString,
}

/// Secure Boot options.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecureBoot {
    /// How keys are enrolled; any text is stored, it is checked when a Secure Boot asset is asked for.
    pub enroll_keys: BString,
    /// Whether Microsoft's certificates are enrolled too.
    pub include_well_known_certificates: bool,
}

/// The boot loader of ISO and disk images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Bootloader {
    /// Whatever the version and architecture call for.
    #[default]
    None,
    /// GRUB for BIOS and systemd-boot for UEFI.
    DualBoot,
    /// systemd-boot.
    SdBoot,
    /// GRUB.
    Grub,
}

impl Bootloader {
    /// All of them, as they are written.
    pub const ALL: [(Bootloader, &str); 4] = [
        (Bootloader::None, "none"),
        (Bootloader::DualBoot, "dual-boot"),
        (Bootloader::SdBoot, "sd-boot"),
        (Bootloader::Grub, "grub"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        let (_, name) = Bootloader::ALL[self as usize];
        name
    }
}
