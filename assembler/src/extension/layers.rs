//! The layers of an initramfs: their order, and the file that lists them (spec/initramfs.md 1.5 and 4.5).

use super::{Metadata, manifest::map};
use crate::yaml::{self, Value};

/// A squashfs image of the initramfs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Name of the file, such as `0.sqsh`.
    pub image: String,
    /// What the extension says about itself.
    pub metadata: Metadata,
}

/// The order in which `count` extensions are layered, as places in the list they came in.
///
/// Each is kept under its place as a decimal number, and numbers are sorted as texts: 0, 1, 10, 11, …, 2, 3.
pub fn checkout_order(count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(usize::to_string);
    order
}

/// Writes `extensions.yaml`. Layers are given in order, the one for kernel modules last.
pub fn extensions_yaml(layers: &[Layer]) -> String {
    let layers = layers.iter().map(|layer| {
        let image = Value::from(layer.image.as_str());
        map([("image", image), ("metadata", layer.metadata.to_value())])
    });
    yaml::emit(&map([("layers", Value::List(layers.collect()))]))
}
