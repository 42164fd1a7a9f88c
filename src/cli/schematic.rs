//! `schematic`: ID and canonical form, without network.

use std::io::{self, Write as _};

use anyhow::Context as _;
use clap::Args;

use super::read_document;

/// Print the ID of a schematic
#[derive(Debug, Args)]
#[command(
    long_about = "Prints the ID of a schematic: the SHA-256 of its canonical form, as the service would answer. Needs no network \
        and stores nothing.",
    after_long_help = "Examples:\n  \
        talos-forge schematic schematic.yaml\n  \
        echo 'customization: {extraKernelArgs: [net.ifnames=0]}' | talos-forge schematic --canonical"
)]
pub(super) struct Schematic {
    /// Print the canonical YAML instead
    #[arg(long)]
    canonical: bool,
    /// The document, YAML or JSON; - for standard input
    #[arg(default_value = "-")]
    file: String,
}

impl Schematic {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let document = read_document(&self.file)?;
        let schematic = assembler::schematic::Schematic::parse(&document)?;
        schematic.check_owner()?;
        let text = if self.canonical {
            schematic.canonical()
        } else {
            format!("{}\n", schematic.id()).into_bytes()
        };
        let mut out = io::stdout().lock();
        out.write_all(&text).context("writing to standard output")
    }
}
