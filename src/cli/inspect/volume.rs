//! File systems, and the images among their files.

use assembler::{
    extension::{Lint, lint_file},
    quirks::Quirks,
};
use formats::{fat as fat_volume, gpt, iso9660, read_at::ReadAt, squashfs, xfs as xfs_volume};

use super::{boot, part::Part, scope::Scope, source::Positions};

pub(super) fn iso(scope: Scope<'_>, part: &mut Part, source: &dyn ReadAt) -> anyhow::Result<()> {
    const BLOCK: u64 = 2048;
    const UEFI: u8 = 0xef;
    const BIOS: u8 = 0;
    let contents = iso9660::read(source, &iso9660::Limits::default())?;
    part.text = contents.dump();
    for entry in contents
        .catalog
        .iter()
        .filter(|entry| entry.platform == UEFI)
    {
        let start = u64::from(entry.block) * BLOCK;
        scope.inside(part, "EFI system partition", source, start, u64::MAX)?;
    }
    if let Ok(table) = gpt::read(source, &gpt::Limits::default()) {
        part.text += &table.dump();
    }
    for entry in contents
        .catalog
        .iter()
        .filter(|entry| entry.platform == BIOS)
    {
        let start = u64::from(entry.block) * BLOCK;
        let file = contents.volumes.iter().flat_map(|volume| &volume.entries);
        let file = file.into_iter().find(|file| {
            let [run] = &file.runs[..] else { return false };
            run.start == start
        });
        if let Some(file) = file {
            boot::grub(part, &file.path, source, (start, file.len))?;
        }
    }
    Ok(())
}

pub(super) fn fat(scope: Scope<'_>, part: &mut Part, source: &dyn ReadAt) -> anyhow::Result<()> {
    let contents = fat_volume::read(source, &fat_volume::Limits::default())?;
    part.text = contents.dump();
    for entry in &contents.entries {
        if let [run] = &entry.runs[..]
            && entry.path.to_ascii_lowercase().ends_with(".efi")
        {
            scope.inside(part, &entry.path, source, run.start, entry.len.into())?;
        }
    }
    Ok(())
}

/// A boot partition, with the initramfs in it.
pub(super) fn xfs(scope: Scope<'_>, part: &mut Part, source: &dyn ReadAt) -> anyhow::Result<()> {
    let contents = xfs_volume::read(source, &xfs_volume::Limits::default())?;
    part.text = contents.dump();
    for entry in &contents.entries {
        if let [run] = &entry.runs[..]
            && run.len == entry.len
            && entry.path.ends_with("/initramfs.xz")
        {
            scope.inside(part, &entry.path, source, run.offset, run.len)?;
        }
    }
    Ok(())
}

pub(super) fn squash(
    part: &mut Part,
    source: &dyn ReadAt,
    is_extension: bool,
) -> anyhow::Result<()> {
    let source = Positions(source);
    let image = squashfs::Image::open(&source, squashfs::Limits::default())?;
    part.text = squashfs::dump(&image);
    for (index, entry) in image.entries().iter().enumerate() {
        let mode = match entry.kind {
            squashfs::Kind::Directory => continue,
            squashfs::Kind::Symlink(_) => None,
            _ => Some(u32::from(entry.mode)),
        };
        if is_extension {
            let path = image.path(index);
            let path = String::from_utf8_lossy(&path);
            for lint in lints(path.trim_start_matches('/'), mode) {
                part.text.push_str("warning: ");
                part.text.push_str(&lint.to_string());
                part.text.push('\n');
            }
        }
    }
    Ok(())
}

/// What is wrong with a file of an extension in every version of Talos: an image does not say which one it is of.
fn lints(path: &str, mode: Option<u32>) -> Vec<Lint> {
    /// One version for each set of rules that is not part of a later one.
    const VERSIONS: [&str; 3] = ["1.8.0", "1.9.0", "1.99.0"];
    let mut of_all = VERSIONS.map(|version| lint_file(path, mode, &Quirks::of_text(version)));
    let [first, rest @ ..] = &mut of_all;
    first.retain(|lint| rest.iter().all(|other| other.contains(lint)));
    std::mem::take(first)
}
