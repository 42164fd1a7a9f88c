//! From a target to a layout: what each artifact of each Talos version is made of, and where its pieces come from.

pub mod blobs;
pub mod catalog;
pub mod cmdline;
pub mod encode;
pub mod error;
pub mod extension;
pub mod forge;
pub mod images;
pub mod meta;
pub mod modules;
pub mod plan;
pub mod platform;
pub mod quirks;
mod quote;
pub mod read;
pub mod schematic;
pub mod source;
pub mod store;
pub mod target;
pub mod version;
pub mod yaml;
