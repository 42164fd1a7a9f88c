//! What is inside an image: the image's own description, and those of what it holds.

use std::io::{self, BufReader, Read};

use anyhow::Context as _;
use assembler::{
    extension::{Lint, lint_file},
    quirks::Quirks,
};
use formats::{
    adv, cpio, fat, gpt, grub, iso9660, pe,
    read_at::{ReadAt, Window},
    squashfs, xfs, xz, zstd as zstd_frame,
};
use serde_json::{Value as Json, json};

use super::{HEAD, Kind};

/// Squashfs images inside of archives are held in memory up to this many bytes.
const MAX_NESTED: u64 = 1 << 30;

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

/// An image, or a part of one.
#[derive(Debug)]
pub(super) struct Part {
    name: String,
    kind: &'static str,
    len: u64,
    text: String,
    parts: Vec<Part>,
}

impl Part {
    fn new(name: &str, kind: &'static str, len: u64, text: String) -> Self {
        let (name, parts) = (name.to_owned(), Vec::new());
        Self {
            name,
            kind,
            len,
            text,
            parts,
        }
    }

    /// For people: what is inside is indented.
    pub(super) fn text(&self, indent: usize) -> String {
        let name = if self.name.is_empty() {
            String::new()
        } else {
            format!("{}: ", self.name)
        };
        let mut text = format!("{:indent$}{name}{}, {} bytes\n", "", self.kind, self.len);
        for line in self.text.lines() {
            text += format!("{:indent$}  {line}", "").trim_end();
            text.push('\n');
        }
        self.parts
            .iter()
            .fold(text, |text, part| text + &part.text(indent + 2))
    }

    pub(super) fn json(&self) -> Json {
        json!({
            "name": self.name,
            "kind": self.kind,
            "len": self.len,
            "lines": self.text.lines().collect::<Vec<_>>(),
            "parts": self.parts.iter().map(Self::json).collect::<Vec<_>>(),
        })
    }
}

/// A source read in order.
struct Sequential<'a, R: ?Sized>(&'a R, u64);

impl<R: ReadAt + ?Sized> Read for Sequential<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.0.len() - self.1).unwrap_or(usize::MAX);
        let len = buffer.len().min(left);
        self.0.read_at(self.1, &mut buffer[..len])?;
        self.1 += len as u64;
        Ok(len)
    }
}

struct Positions<'a>(&'a dyn ReadAt);

impl squashfs::ReadAt for Positions<'_> {
    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, buffer)
    }
}

fn head(source: &dyn ReadAt, offset: u64, len: usize) -> io::Result<Vec<u8>> {
    let left = usize::try_from(source.len().saturating_sub(offset)).unwrap_or(usize::MAX);
    let mut head = vec![0; len.min(left)];
    source.read_at(offset, &mut head)?;
    Ok(head)
}

/// Describes what `source` is; `None` when its kind is not known.
pub(super) fn describe(name: &str, source: &dyn ReadAt) -> anyhow::Result<Option<Part>> {
    let Some(kind) = Kind::of(&head(source, 0, HEAD)?) else {
        return Ok(None);
    };
    let mut part = Part::new(name, kind.name(), source.len(), String::new());
    let described = match kind {
        Kind::Pe => uki(&mut part, source),
        Kind::Iso => iso(&mut part, source),
        Kind::Fat => volume(&mut part, source),
        Kind::Xfs => boot(&mut part, source),
        Kind::Squashfs => squash(&mut part, &Positions(source), false),
        Kind::Cpio | Kind::Zstd | Kind::Xz => archives(&mut part, source),
        Kind::Gpt => disk(&mut part, source),
        Kind::Adv => adv::read(source)
            .map(|contents| part.text = contents.dump())
            .map_err(Into::into),
        Kind::Gzip => Ok(()),
    };
    let place = if name.is_empty() { kind.name() } else { name };
    described.with_context(|| place.to_owned())?;
    Ok(Some(part))
}

fn inside(
    part: &mut Part,
    name: &str,
    source: &dyn ReadAt,
    start: u64,
    len: u64,
) -> anyhow::Result<()> {
    part.parts
        .extend(describe(name, &Window::new(source, start, len))?);
    Ok(())
}

/// An image of GRUB, if there is one at `start`.
fn boot_loader(
    part: &mut Part,
    name: &str,
    source: &dyn ReadAt,
    (start, len): (u64, u64),
) -> anyhow::Result<()> {
    let bytes = head(source, start, usize::try_from(len.min(MAX_GRUB))?)?;
    if let Ok(text) = grub::dump(&bytes) {
        part.parts.push(Part::new(name, "GRUB image", len, text));
    }
    Ok(())
}

fn uki(part: &mut Part, source: &dyn ReadAt) -> anyhow::Result<()> {
    let head_bytes = head(source, 0, pe::HEAD_LEN)?;
    part.text = pe::dump(&head_bytes, source.len())?;
    let image = pe::Image::parse(&head_bytes, source.len())?;
    if image.section(GRUB_MODULES).is_some() {
        boot_loader(part, GRUB_MODULES, source, (0, source.len()))?;
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
            inside(part, &name, source, start, len)?;
        }
    }
    Ok(())
}

fn iso(part: &mut Part, source: &dyn ReadAt) -> anyhow::Result<()> {
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
        inside(part, "EFI system partition", source, start, u64::MAX)?;
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
            boot_loader(part, &file.path, source, (start, file.len))?;
        }
    }
    Ok(())
}

fn volume(part: &mut Part, source: &dyn ReadAt) -> anyhow::Result<()> {
    let contents = fat::read(source, &fat::Limits::default())?;
    part.text = contents.dump();
    for entry in &contents.entries {
        if let [run] = &entry.runs[..]
            && entry.path.to_ascii_lowercase().ends_with(".efi")
        {
            inside(part, &entry.path, source, run.start, entry.len.into())?;
        }
    }
    Ok(())
}

/// A boot partition, with the initramfs in it.
fn boot(part: &mut Part, source: &dyn ReadAt) -> anyhow::Result<()> {
    let contents = xfs::read(source, &xfs::Limits::default())?;
    part.text = contents.dump();
    for entry in &contents.entries {
        if let [run] = &entry.runs[..]
            && run.len == entry.len
            && entry.path.ends_with("/initramfs.xz")
        {
            inside(part, &entry.path, source, run.offset, run.len)?;
        }
    }
    Ok(())
}

/// The tables, and the partitions whose kind is known.
fn disk(part: &mut Part, source: &dyn ReadAt) -> anyhow::Result<()> {
    let contents = gpt::read(source, &gpt::Limits::default())?;
    part.text = contents.dump();
    for (number, entry) in &contents.partitions {
        let range = contents.range(entry);
        let name = format!("partition {number}, {}", entry.name());
        let len = range.end - range.start;
        inside(part, &name, source, range.start, len)?;
        if entry.kind == gpt::BIOS_BOOT.to_disk() {
            boot_loader(part, &name, source, (range.start, len))?;
        }
    }
    Ok(())
}

fn squash(
    part: &mut Part,
    source: &impl squashfs::ReadAt,
    is_extension: bool,
) -> anyhow::Result<()> {
    let image = squashfs::Image::open(source, squashfs::Limits::default())?;
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

/// Archives one behind the other, compressed or not, with zeros between them: an initramfs.
fn archives(part: &mut Part, source: &dyn ReadAt) -> anyhow::Result<()> {
    let mut offset = 0;
    while let Some(start) = next(source, offset)? {
        let rest = Window::new(source, start, u64::MAX);
        let input = || BufReader::new(Sequential(&rest, 0));
        let name = format!("at {start:#x}");
        let (len, mut found) = match Kind::of(&head(&rest, 0, HEAD)?) {
            Some(kind @ Kind::Zstd) => {
                let limits = zstd_frame::Limits::default();
                let len = zstd_frame::read_frame(input(), limits)?.len;
                let found = Part::new(&name, kind.name(), len, zstd_frame::dump(input(), limits)?);
                (len, found)
            }
            Some(kind @ Kind::Xz) => {
                let limits = xz::Limits::default();
                let len = xz::read_stream(input(), limits)?.len;
                let found = Part::new(&name, kind.name(), len, xz::dump(input(), limits)?);
                (len, found)
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

/// Where after `offset` something else than a zero begins.
fn next(source: &dyn ReadAt, mut offset: u64) -> io::Result<Option<u64>> {
    loop {
        let piece = head(source, offset, HEAD)?;
        if piece.is_empty() {
            return Ok(None);
        }
        if let Some(at) = piece.iter().position(|byte| *byte != 0) {
            return Ok(Some(offset + at as u64));
        }
        offset += piece.len() as u64;
    }
}

/// The bytes of one archive, decompressed.
fn open<'a>(source: &'a dyn ReadAt) -> anyhow::Result<Box<dyn Read + 'a>> {
    /// The largest window that the kernel accepts: 128 MiB.
    const WINDOW_LOG: u32 = 27;
    let input = BufReader::new(Sequential(source, 0));
    Ok(match Kind::of(&head(source, 0, HEAD)?) {
        Some(Kind::Zstd) => {
            let mut decoder = zstd::stream::Decoder::with_buffer(input)?;
            decoder.window_log_max(WINDOW_LOG)?;
            Box::new(decoder)
        }
        Some(Kind::Xz) => Box::new(liblzma::read::XzDecoder::new(input)),
        _ => Box::new(input),
    })
}

/// The members of an archive, and the squashfs images among them.
fn members(source: &dyn ReadAt) -> anyhow::Result<Part> {
    let limits = cpio::Limits::default();
    let text = cpio::dump(open(source)?, limits)?;
    let mut reader = cpio::Reader::new(open(source)?, limits);
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
        squash(&mut image, &content.as_slice(), is_extension).with_context(|| name)?;
        images.push(image);
    }
    let mut part = Part::new("archive", Kind::Cpio.name(), reader.position(), text);
    part.parts = images;
    Ok(part)
}
