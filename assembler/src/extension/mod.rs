//! System extensions: what an image says about itself, whether it fits, and the ones made here (spec/initramfs.md 1, 4.5, 5).
//!
//! ```text
//! manifest.yaml   what it is, which versions of Talos it is for      Manifest, Constraint
//! rootfs/         becomes a squashfs of the initramfs                VirtualFile, for extensions made here
//!                 and what has to be elsewhere                       Parts
//! ```
//!
//! Pure: no image is fetched, no squashfs made. Contents of extensions are not checked, as the reference does not.

mod constraint;
mod embedded_config;
mod error;
mod layers;
mod links;
mod lint;
mod manifest;
mod order;
mod parts;
mod schematic;
mod virtual_file;

#[cfg(test)]
mod tests;

pub use constraint::Constraint;
pub use embedded_config::embedded_config;
pub use error::Error;
pub use layers::{Layer, checkout_order, extensions_yaml};
pub use lint::{Lint, lint, lint_file};
pub use manifest::{Manifest, Metadata};
pub use order::{Order, rebuild_order};
pub use parts::{
    MAX_FIRMWARE, MAX_FIRMWARE_DEPTH, MAX_FIRMWARE_PATHS, MAX_MICROCODE, Microcode, Parts,
};
pub use schematic::{ExtraInfo, schematic_extension};
pub use virtual_file::{Content, VirtualExtension, VirtualFile};
