//! The initramfs: archives one behind the other, each compressed or not.

use std::io::{BufReader, Read as _};

use anyhow::Context as _;
use formats::{
    cpio,
    read_at::{ReadAt, Window},
    xz, zstd,
};

use super::{
    kind::{HEAD, Kind},
    packed,
    part::Part,
    source::{Sequential, head, next},
    volume,
};

/// Squashfs images inside of archives are held in memory up to this many bytes.
const MAX_NESTED: u64 = 1 << 30;

/// Whether what is compressed in `source` begins with an archive; what cannot be unpacked is none.
pub(super) fn is_one(kind: Kind, source: &dyn ReadAt) -> bool {
    let mut magic = [0; 6];
    let mut read =
        || packed::decoder(kind, BufReader::new(Sequential(source, 0)))?.read_exact(&mut magic);
    read().is_ok() && Kind::of_head(&magic) == Some(Kind::Cpio)
}

/// Archives one behind the other, compressed or not, with zeros between them: an initramfs.
pub(super) fn archives(part: &mut Part, source: &dyn ReadAt) -> anyhow::Result<()> {
    let mut offset = 0;
    while let Some(start) = next(source, offset)? {
        let rest = Window::new(source, start, u64::MAX);
        let input = || BufReader::new(Sequential(&rest, 0));
        let name = format!("at {start:#x}");
        let (len, mut found) = match Kind::of_head(&head(&rest, 0, HEAD)?) {
            Some(kind @ Kind::Zstd) => {
                let frame = zstd::read_frame(input(), zstd::Limits::default())?;
                let found = Part::new(&name, kind.name(), frame.len, frame.dump());
                (frame.len, found)
            }
            Some(kind @ Kind::Xz) => {
                let stream = xz::read_stream(input(), xz::Limits::default())?;
                let found = Part::new(&name, kind.name(), stream.len, stream.dump());
                (stream.len, found)
            }
            Some(kind @ Kind::Cpio) => {
                let mut reader = cpio::Reader::new(input(), cpio::Limits::default());
                while reader.next_member()?.is_some() {}
                (
                    reader.position(),
                    Part::new(&name, kind.name(), reader.position(), String::new()),
                )
            }
            _ => anyhow::bail!("neither an archive nor zeros at offset {start}"),
        };
        let archive = Window::new(&rest, 0, len);
        let inner = members(&archive)?;
        if found.text.is_empty() {
            found = inner;
            name.clone_into(&mut found.name);
        } else {
            found.parts.push(inner);
        }
        part.parts.push(found);
        offset = start + len;
    }
    Ok(())
}

/// The members of an archive, and the squashfs images among them.
fn members(source: &dyn ReadAt) -> anyhow::Result<Part> {
    let limits = cpio::Limits::default();
    let kind = Kind::of_head(&head(source, 0, HEAD)?).unwrap_or(Kind::Cpio);
    let open = || packed::decoder(kind, BufReader::new(Sequential(source, 0)));
    let text = cpio::dump(open()?, limits)?;
    let mut reader = cpio::Reader::new(open()?, limits);
    let mut images = Vec::new();
    while let Some(member) = reader.next_member()? {
        let name = member.name.escape_ascii().to_string();
        let len = member.content.end - member.content.start;
        if name.strip_suffix(".sqsh").is_none() || len > MAX_NESTED {
            continue;
        }
        let mut content = Vec::new();
        (&mut reader).take(len).read_to_end(&mut content)?;
        let mut image = Part::new(&name, Kind::Squashfs.name(), len, String::new());
        let is_extension = name != "rootfs.sqsh";
        volume::squash(&mut image, &content.as_slice(), is_extension).with_context(|| name)?;
        images.push(image);
    }
    let mut part = Part::new("archive", Kind::Cpio.name(), reader.position(), text);
    part.parts = images;
    Ok(part)
}
