//! From a target to a layout: what each artifact of each Talos version is made of, and where its pieces come from.

pub mod blobs;
pub mod error;
pub mod read;
pub mod schematic;
pub mod source;
pub mod store;
pub mod yaml;
