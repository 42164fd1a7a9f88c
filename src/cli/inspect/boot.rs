//! Boot programs: PE images, UKIs among them, and GRUB.

use formats::{grub as grub_image, pe, read_at::ReadAt};

use super::{part::Part, scope::Scope, source::head};

/// Longest section of a PE image that is shown as text.
const MAX_TEXT: u64 = 16 << 10;

/// Longest image of GRUB that is taken apart.
const MAX_GRUB: u64 = 16 << 20;

/// The section of GRUB's modules.
const GRUB_MODULES: &str = "mods";

/// Sections of a UKI that are text.
const TEXTS: [&str; 6] = [
    ".osrel", ".cmdline", ".uname", ".sbat", ".profile", ".pcrsig",
];

/// An image, and what a UKI holds.
pub(super) fn uki(scope: Scope<'_>, part: &mut Part, source: &dyn ReadAt) -> anyhow::Result<()> {
    let head_bytes = head(source, 0, pe::HEAD_LEN)?;
    part.text = pe::dump(&head_bytes, source.len())?;
    let image = pe::Image::parse(&head_bytes, source.len())?;
    if image.section(GRUB_MODULES).is_some() {
        grub(part, GRUB_MODULES, source, (0, source.len()))?;
    }
    for section in &image.sections {
        let name = section.name().escape_ascii().to_string();
        let (start, len) = (
            section.pointer_to_raw_data.get().into(),
            u64::from(section.content_len()),
        );
        if TEXTS.contains(&name.as_str()) && len <= MAX_TEXT {
            let content = head(source, start, usize::try_from(len)?)?;
            let text = String::from_utf8_lossy(&content).into_owned();
            part.parts.push(Part::new(&name, "text", len, text));
        } else if name == ".initrd" {
            scope.inside(part, &name, source, start, len)?;
        }
    }
    Ok(())
}

/// An image of GRUB, if there is one at `start`.
pub(super) fn grub(
    part: &mut Part,
    name: &str,
    source: &dyn ReadAt,
    (start, len): (u64, u64),
) -> anyhow::Result<()> {
    let bytes = head(source, start, usize::try_from(len.min(MAX_GRUB))?)?;
    if let Ok(text) = grub_image::dump(&bytes) {
        part.parts.push(Part::new(name, "GRUB image", len, text));
    }
    Ok(())
}
