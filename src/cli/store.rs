//! `store`: a look at what is kept, and care for it.

use std::{
    io::{self, Write as _},
    path::Path,
};

use anyhow::{Context as _, bail};
use assembler::store::{DataLock, Store as Blobs};
use clap::{Args, Subcommand};
use indicatif::HumanBytes;

use super::{Global, Level, log, progress};
use crate::config::Config;

/// Look at the store, check it, clear it out
#[derive(Debug, Args)]
pub(super) struct Store {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// How many blobs there are, and how many bytes
    Stat,
    /// Read every blob and drop those that are damaged; they are fetched again when they are needed
    Verify,
    /// Drop what is left over from interrupted work, and the least recently used blobs beyond store.maxSize
    Gc,
}

impl Store {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let config = global.config(Vec::new())?;
        log::start(global, Level::Warn)?;
        let data_dir = global.data_dir()?;
        let work = move || self.act(&config, &data_dir);
        tokio::task::spawn_blocking(work)
            .await
            .context("the store's work ended")?
    }

    fn act(&self, config: &Config, data_dir: &Path) -> anyhow::Result<()> {
        let _lock = DataLock::take(data_dir)?;
        let store = Blobs::open(&config.store_path, config.store_max_size)?;
        let stat = store.stat();
        let mut out = io::stdout().lock();
        match self.action {
            Action::Stat => {
                let (path, limit) = (config.store_path.display(), config.store_max_size);
                writeln!(
                    out,
                    "path   {path}\nblobs  {}\nbytes  {} ({})\nlimit  {limit} ({})",
                    stat.blobs,
                    stat.bytes,
                    HumanBytes(stat.bytes),
                    HumanBytes(limit)
                )?;
            }
            Action::Verify => {
                let bar = progress::bytes("reading blobs".to_owned(), stat.bytes);
                let damaged = store.verify(|len| bar.inc(len))?;
                bar.finish_and_clear();
                for digest in &damaged {
                    writeln!(out, "{digest}")?;
                }
                if !damaged.is_empty() {
                    bail!(
                        "{} of {} blobs were damaged and have been dropped",
                        damaged.len(),
                        stat.blobs
                    );
                }
            }
            Action::Gc => {
                let freed = store.collect_garbage()?;
                writeln!(out, "{freed}")?;
            }
        }
        Ok(())
    }
}
