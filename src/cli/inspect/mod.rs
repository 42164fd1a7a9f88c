//! `inspect`: what an image holds, whoever made it.
//!
//! A file is described by the room of `formats` that knows its kind, and what lies in it as a part of it, in the same way. What is
//! compressed is unpacked to a nameless file first; everything else is read where it is.

mod archive;
mod boot;
mod disk;
mod image;
mod initramfs;
mod kind;
mod packed;
mod part;
mod scope;
mod source;
mod volume;

use std::{
    fs::File,
    io::{self, Write as _},
    path::PathBuf,
};

use anyhow::{Context as _, bail};
use clap::Args;

use self::{
    scope::{Budget, Scope},
    source::Stored,
};

/// Show what an image holds
#[derive(Debug, Args)]
#[command(
    long_about = "Shows what an image holds, whoever made it: disks (raw, qcow2, fixed VHD, stream-optimized VMDK), archives (OVA, \
        tar, cpio), partition tables, META, PE sections, ISO 9660, FAT, XFS, squashfs, and any of these compressed (.zst, .xz, .gz).\n\n\
        What is inside is shown below what it is in, down to the files of file systems. The digests of an OVA's manifest are \
        checked. What is compressed is unpacked to a nameless file in the directory for temporary files ($TMPDIR), which has \
        holes where there are zeros.",
    after_long_help = "Examples:\n  \
        talos-forge inspect metal-amd64.iso\n  \
        talos-forge inspect --json aws-amd64.raw.xz"
)]
pub(super) struct Inspect {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The image
    file: PathBuf,
}

impl Inspect {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let name = self.file.display();
        let file = File::open(&self.file).with_context(|| format!("opening {name}"))?;
        let source = Stored::new(file).with_context(|| format!("reading {name}"))?;
        let budget = Budget::default();
        let part = Scope::new(&budget).describe("", &source);
        let Some(part) = part.with_context(|| name.to_string())? else {
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
