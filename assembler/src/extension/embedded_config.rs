//! The extension that holds a machine configuration (spec/initramfs.md 5.2).

use bytes::Bytes;
use formats::Digest;

use super::{Manifest, Metadata, VirtualExtension, VirtualFile, schematic::COMPATIBLE};

const NAME: &str = "embedded-config";
const AUTHOR: &str = "Imager";
const DESCRIPTION: &str = "Virtual extension which embeds the machine configuration.";
const PATH: &str = "usr/local/etc/talos/config.yaml";

/// The configuration holds secrets: only root reads it, and only those processes that may.
const MODE: u32 = 0o400;
const LABEL: (&str, &[u8]) = ("security.selinux", b"system_u:object_r:system_state_t:s0");

/// Makes the extension of a machine configuration. Whether the version of Talos takes one is not asked here.
pub fn embedded_config(config: &[u8]) -> VirtualExtension {
    let manifest = Manifest::new(Metadata {
        name: NAME.into(),
        version: Digest::of(config).hex(),
        author: AUTHOR.into(),
        description: DESCRIPTION.into(),
        talos: COMPATIBLE.into(),
        extra_info: String::new(),
    });
    let (name, label) = LABEL;
    let file = VirtualFile {
        mode: MODE,
        xattrs: vec![(name.into(), Bytes::from_static(label))],
        ..VirtualFile::file(PATH, Bytes::copy_from_slice(config))
    };
    VirtualExtension::of_file(manifest, file)
}
