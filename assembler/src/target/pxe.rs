//! iPXE scripts that boot a machine from the artifacts of one schematic and version (spec/http.md 5).

use bstr::{BString, ByteVec};

use super::{Context, Error, Target};
use crate::schematic::Schematic;

/// What a script is about: the last segment of its URL is `PLATFORM-ARCH[-secureboot]`.
pub fn target(
    version: &str,
    path: &[u8],
    schematic: &Schematic,
    context: &Context,
) -> Result<Target, Error> {
    Target::new(version, [b"cmdline-", path].concat(), schematic, context)
}

/// The script. `base` is the URL of the service as machines reach it, `id` the schematic as the URL has it.
///
/// Kernel arguments cannot break a line: command lines hold no white space but single spaces.
pub fn script(base: &str, id: &str, target: &Target) -> BString {
    let arch = target.arch;
    let assets = format!(
        "{}/image/{id}/{}",
        base.trim_end_matches('/'),
        target.version.tag()
    );
    let mut script = Vec::from("#!ipxe\n\nimgfree\n");
    script.push_str(format!("kernel {assets}/"));
    if target.secure_boot {
        script.push_str(&target.platform);
        script.push_str(format!("-{arch}-secureboot-uki.efi "));
    } else {
        script.push_str(format!("kernel-{arch} "));
    }
    script.push_str(&target.cmdline);
    script.push_byte(b'\n');
    if !target.secure_boot {
        script.push_str(format!("initrd {assets}/initramfs-{arch}.xz\n"));
    }
    script.push_str("boot\n");
    script.into()
}
