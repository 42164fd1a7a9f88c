//! Descending into an image, and how far that goes.

use std::cell::Cell;

use anyhow::{Context as _, bail};
use formats::{
    adv,
    read_at::{ReadAt, Window},
};

use super::{archive, boot, disk, image, initramfs, kind::Kind, packed, part::Part, volume};

/// Images inside of images, one in the other.
const MAX_DEPTH: usize = 16;

/// Images inside of images, all together.
const MAX_PARTS: usize = 4096;

/// Bytes that are unpacked, all together: much more than any disk image holds, and no bomb.
const MAX_UNPACKED: u64 = 256 << 30;

/// What has been looked at already: a partition may be the disk that it is on, and an archive may hold itself.
#[derive(Debug, Default)]
pub(super) struct Budget {
    parts: Cell<usize>,
    unpacked: Cell<u64>,
}

/// How deep inside of the image something is, and what may still be looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    budget: &'a Budget,
    depth: usize,
}

impl<'a> Scope<'a> {
    pub(super) fn new(budget: &'a Budget) -> Self {
        Self { budget, depth: 0 }
    }

    /// Describes what `source` is; `None` when its kind is not known.
    pub(super) fn describe(self, name: &str, source: &dyn ReadAt) -> anyhow::Result<Option<Part>> {
        let kind = Kind::of(source).with_context(|| match name {
            "" => "reading its head".to_owned(),
            name => format!("reading the head of {name}"),
        })?;
        let Some(kind) = kind else {
            return Ok(None);
        };
        let scope = self.deeper()?;
        let mut part = Part::new(name, kind.name(), source.len(), String::new());
        let described = match kind {
            Kind::Pe => boot::uki(scope, &mut part, source),
            Kind::Iso => volume::iso(scope, &mut part, source),
            Kind::Fat => volume::fat(scope, &mut part, source),
            Kind::Xfs => volume::xfs(scope, &mut part, source),
            Kind::Squashfs => volume::squash(&mut part, source, false),
            Kind::Cpio => initramfs::archives(&mut part, source),
            Kind::Zstd | Kind::Xz if initramfs::is_one(kind, source) => {
                initramfs::archives(&mut part, source)
            }
            Kind::Zstd | Kind::Xz | Kind::Gzip => packed::packed(scope, &mut part, kind, source),
            Kind::Gpt => disk::gpt(scope, &mut part, source),
            Kind::Adv => adv::read(source)
                .map(|contents| part.text = contents.dump())
                .map_err(Into::into),
            Kind::Qcow2 => image::qcow2(scope, &mut part, source),
            Kind::Vhd => image::vhd(scope, &mut part, source),
            Kind::Vmdk => image::vmdk(scope, &mut part, source),
            Kind::Tar => archive::tar(scope, &mut part, source),
        };
        let place = if name.is_empty() { kind.name() } else { name };
        described.with_context(|| place.to_owned())?;
        Ok(Some(part))
    }

    /// Describes `len` bytes of `source` from `start` on as a part, if their kind is known.
    pub(super) fn inside(
        self,
        part: &mut Part,
        name: &str,
        source: &dyn ReadAt,
        start: u64,
        len: u64,
    ) -> anyhow::Result<()> {
        let inside = self.describe(name, &Window::new(source, start, len))?;
        part.parts.extend(inside);
        Ok(())
    }

    /// Describes the content of a container as its part, whatever it is.
    pub(super) fn content(
        self,
        part: &mut Part,
        name: &str,
        content: &dyn ReadAt,
    ) -> anyhow::Result<()> {
        let unknown = || Part::new(name, "of no known kind", content.len(), String::new());
        let content = self.describe(name, content)?.unwrap_or_else(unknown);
        part.parts.push(content);
        Ok(())
    }

    /// Accounts for `len` bytes that have been unpacked.
    pub(super) fn unpacked(self, len: usize) -> anyhow::Result<()> {
        let unpacked = self.budget.unpacked.get() + len as u64;
        self.budget.unpacked.set(unpacked);
        if unpacked > MAX_UNPACKED {
            bail!("unpacks to more than {MAX_UNPACKED} bytes");
        }
        Ok(())
    }

    fn deeper(self) -> anyhow::Result<Self> {
        let (depth, parts) = (self.depth + 1, self.budget.parts.get() + 1);
        self.budget.parts.set(parts);
        if depth > MAX_DEPTH {
            bail!("more than {MAX_DEPTH} images one inside of the other");
        }
        if parts > MAX_PARTS {
            bail!("more than {MAX_PARTS} images inside");
        }
        Ok(Self { depth, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_images_are_counted_all_together() {
        let budget = Budget::default();
        let (one, other) = (Scope::new(&budget), Scope::new(&budget));
        let half = usize::try_from(MAX_UNPACKED / 2).unwrap();
        one.unpacked(half).unwrap();
        other.unpacked(half).unwrap();
        let error = one.unpacked(1).unwrap_err().to_string();
        assert_eq!(error, "unpacks to more than 274877906944 bytes");
        for _ in 0..MAX_PARTS / 2 {
            one.deeper().unwrap();
            other.deeper().unwrap();
        }
        let error = other.deeper().unwrap_err().to_string();
        assert_eq!(error, "more than 4096 images inside");
    }
}
