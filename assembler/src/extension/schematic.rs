//! The extension that says of which schematic an image was built (spec/http.md 4.1).

use bytes::Bytes;

use super::{Manifest, Metadata, VirtualExtension, VirtualFile};
use crate::schematic::Schematic;

const NAME: &str = "schematic";
const DESCRIPTION: &str =
    "Virtual extension which specifies the schematic of the image built with schematic.";

/// The versions of Talos the extensions made here are for.
pub(super) const COMPATIBLE: &str = ">= 1.0.0";

/// Whether the manifest holds the whole schematic: Talos 1.7 and later show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtraInfo {
    /// The canonical form.
    Schematic,
    /// Nothing.
    Omitted,
}

/// Makes the extension of a schematic.
///
/// `external_url` is written as it is configured. Talos takes the author apart to find the registry of its installer.
pub fn schematic_extension(
    schematic: &Schematic,
    external_url: &str,
    extra_info: ExtraInfo,
) -> VirtualExtension {
    let canonical = schematic.canonical();
    let id = crate::schematic::Id::of(&canonical);
    let manifest = Manifest::new(Metadata {
        name: NAME.into(),
        version: id.to_string(),
        author: format!("Image Factory ({external_url})"),
        description: DESCRIPTION.into(),
        talos: COMPATIBLE.into(),
        extra_info: match extra_info {
            ExtraInfo::Schematic => {
                String::from_utf8(canonical).expect("the canonical form is UTF-8")
            }
            ExtraInfo::Omitted => String::new(),
        },
    });
    let file = VirtualFile::file(&format!("usr/local/share/schematic/{id}"), Bytes::new());
    VirtualExtension::of_file(manifest, file)
}
