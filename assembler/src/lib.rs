//! From a target to a layout: what each artifact of each Talos version is made of, and where its pieces come from.

pub mod blobs;
pub mod catalog;
pub mod error;
pub mod extension;
pub mod schematic;
pub mod yaml;
