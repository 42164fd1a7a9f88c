//! `completions`: scripts for shells.

use std::io::{self, Write as _};

use anyhow::Context as _;
use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::Cli;

/// Print a script with completions for a shell
#[derive(Debug, Args)]
#[command(
    after_long_help = "Example:\n  talos-forge completions bash > /etc/bash_completion.d/talos-forge"
)]
pub(super) struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "talos-forge", &mut script);
        let mut out = io::stdout().lock();
        out.write_all(&script).context("writing to standard output")
    }
}
