//! `inspect`: what an image holds, whoever made it.

mod contents;

use std::{
    fs::File,
    io::{self, Write as _},
    os::unix::fs::FileExt as _,
    path::PathBuf,
};

use anyhow::{Context as _, bail};
use clap::Args;
use formats::read_at::ReadAt;

/// Show what an image holds
#[derive(Debug, Args)]
#[command(
    long_about = "Shows what an image holds, whoever made it: partition tables, META, PE sections, ISO 9660, FAT, XFS, cpio, squashfs and compressed files.",
    after_long_help = "Example:\n  talos-forge inspect metal-amd64.iso"
)]
pub(super) struct Inspect {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The image
    file: PathBuf,
}

/// What the first bytes of a file say it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pe,
    Iso,
    Gpt,
    Adv,
    Fat,
    Xfs,
    Squashfs,
    Cpio,
    Zstd,
    Xz,
    Gzip,
}

/// Bytes that are looked at: up to the first volume descriptor of an ISO.
const HEAD: usize = 0x8800;

/// Where a magic number stands and what it means; the first that fits decides. An ISO comes before its hybrid MBR.
const MAGIC: [(usize, &[u8], Kind); 13] = [
    (0x8001, b"CD001", Kind::Iso),
    (512, b"EFI PART", Kind::Gpt),
    (4096, b"EFI PART", Kind::Gpt),
    (82, b"FAT32", Kind::Fat),
    (54, b"FAT", Kind::Fat),
    (0, b"XFSB", Kind::Xfs),
    (0, b"\x5a\x4b\x3c\x2d", Kind::Adv),
    (0, b"hsqs", Kind::Squashfs),
    (0, b"070701", Kind::Cpio),
    (0, b"\x28\xb5\x2f\xfd", Kind::Zstd),
    (0, b"\xfd7zXZ\0", Kind::Xz),
    (0, b"\x1f\x8b", Kind::Gzip),
    (0, b"MZ", Kind::Pe),
];

impl Kind {
    fn of(head: &[u8]) -> Option<Self> {
        let fits = |(offset, magic, _): &&(usize, &[u8], Self)| {
            head.get(*offset..)
                .is_some_and(|rest| rest.starts_with(magic))
        };
        MAGIC.iter().find(fits).map(|(_, _, kind)| *kind)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Pe => "PE image",
            Self::Iso => "ISO 9660 file system",
            Self::Gpt => "disk with GUID partition table",
            Self::Adv => "META values",
            Self::Fat => "FAT file system",
            Self::Xfs => "XFS file system",
            Self::Squashfs => "squashfs file system",
            Self::Cpio => "cpio archive (newc)",
            Self::Zstd => "Zstandard frames",
            Self::Xz => "xz stream",
            Self::Gzip => "gzip file",
        }
    }
}

impl Inspect {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let name = self.file.display();
        let file = File::open(&self.file).with_context(|| format!("opening {name}"))?;
        let len = file
            .metadata()
            .with_context(|| format!("reading {name}"))?
            .len();
        let disk = Disk { file, len };
        let Some(part) = contents::describe("", &disk).with_context(|| name.to_string())? else {
            bail!("{name}: not an image of a known kind");
        };
        let text = if self.json {
            format!("{:#}\n", part.json())
        } else {
            part.text(0)
        };
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())
            .context("writing to standard output")
    }
}

/// A file read at positions.
struct Disk {
    file: File,
    len: u64,
}

impl ReadAt for Disk {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_apart_by_their_magic() {
        for (offset, magic, kind) in MAGIC {
            let mut head = vec![0; HEAD];
            head[offset..][..magic.len()].copy_from_slice(magic);
            assert_eq!(Kind::of(&head), Some(kind));
        }
        let mut hybrid = vec![0; HEAD];
        hybrid[512..520].copy_from_slice(b"EFI PART");
        hybrid[0x8001..0x8006].copy_from_slice(b"CD001");
        assert_eq!(Kind::of(&hybrid), Some(Kind::Iso));
        assert_eq!(Kind::of(b""), None);
    }
}
