//! From a target to a layout: what each artifact of each Talos version is made of, and where its pieces come from.

pub mod blobs;
pub mod cmdline;
pub mod error;
pub mod meta;
pub mod platform;
pub mod quirks;
mod quote;
pub mod schematic;
pub mod target;
pub mod version;
