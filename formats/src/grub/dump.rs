//! Images as text.

use std::fmt::Write as _;

use super::{Error, Kind, Object, read};

/// The parts of an image, a line each.
pub fn dump(bytes: &[u8]) -> Result<String, Error> {
    let image = read(bytes)?;
    let mut text = match image.kind {
        Kind::Core { rest } => format!("GRUB core.img: the rest at sector {rest}\n"),
        Kind::Cd { rest } => format!("GRUB eltorito.img: the rest at sector {rest}\n"),
        Kind::Efi => "GRUB for UEFI\n".to_owned(),
    };
    let mut line = |what: &str, len: usize, name: &str| {
        let line = format!("{what:<7} {len:>8} {name}");
        writeln!(text, "{}", line.trim_end()).expect("writing to a String cannot fail");
    };
    line("kernel", image.kernel.len(), "");
    for object in &image.objects {
        match object {
            Object::Module(file) => {
                let name = object.module_name();
                line("module", file.len(), name.as_deref().unwrap_or("?"));
            }
            Object::Config(config) => {
                line("config", config.len(), &config.escape_ascii().to_string());
            }
            Object::Prefix(prefix) => {
                line("prefix", prefix.len(), &prefix.escape_ascii().to_string());
            }
            Object::Other { kind, content } => {
                line("object", content.len(), &format!("of type {kind}"));
            }
        }
    }
    Ok(text)
}
