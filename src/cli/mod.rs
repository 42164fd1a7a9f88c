//! The command line, one command a file. Standard output carries data only; failures are one line on standard error.

mod build;
mod completions;
mod inspect;
mod lists;
mod log;
mod plan;
mod prefetch;
mod progress;
mod schematic;
mod serve;
mod sparse;
mod store;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, anyhow};
use assembler::forge::{self, Forge};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::{
    Config,
    source::{Settings, Source, Value},
};

/// Boot images for Talos Linux, composed on request.
#[derive(Debug, Parser)]
#[command(
    name = "talos-forge",
    version,
    propagate_version = true,
    disable_help_subcommand = true,
    after_help = "Exit status: 0 done, 1 failed, 2 wrong usage.",
    long_about = "Composes boot images for Talos Linux (ISO, UKI, kernel, initramfs, command line, PXE scripts) out of the \
        images of a release, on request: over HTTP (`serve`) or as files (`build`).\n\n\
        Without any setting it takes releases from the public registry and keeps everything below the data directory.",
    after_long_help = "Examples:\n  \
        talos-forge serve\n  \
        talos-forge build v1.14.0 metal-amd64.iso\n  \
        talos-forge --source oci:/srv/release build -s schematic.yaml -o out/ v1.14.0 kernel-arm64 initramfs-arm64.xz\n  \
        talos-forge plan v1.14.0 metal-amd64.iso\n\n\
        Exit status: 0 done, 1 failed (one line on standard error), 2 wrong usage."
)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Global {
    /// Where configuration comes from: FILE, file=FILE or env=PREFIX
    ///
    /// Files end in .yaml, .yml, .json, .toml or .env. The environment with the prefix IF_ is always read:
    /// IF_HTTP_EXTERNALURL sets http.externalURL. A flag wins over the environment, the environment over files.
    #[arg(long, global = true, value_name = "SOURCE", value_delimiter = ',', value_parser = Source::parse)]
    config: Vec<Source>,

    /// Where everything is kept that must last
    ///
    /// Default: $XDG_DATA_HOME/talos-forge, for root /var/lib/talos-forge.
    #[arg(long, global = true, value_name = "DIR", env = "TALOS_FORGE_DATA_DIR")]
    data_dir: Option<PathBuf>,

    /// Where the release's images come from: HOST[:PORT][/NAMESPACE], oci:DIR or oci-archive:FILE
    #[arg(long, global = true, value_name = "SOURCE")]
    source: Option<String>,

    /// How much is logged
    #[arg(long, global = true, value_enum, value_name = "LEVEL", default_value_t = Level::Info)]
    log_level: Level,

    /// How it is logged; text on a terminal, json otherwise
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    log_format: Option<LogFormat>,

    /// When to use colour
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    color: Color,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    /// For configurations of the reference: as error.
    #[value(alias = "panic", alias = "fatal", hide = true)]
    Dpanic,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Build(build::Build),
    Plan(plan::Plan),
    Inspect(inspect::Inspect),
    Schematic(schematic::Schematic),
    Versions(lists::Versions),
    Extensions(lists::Extensions),
    Overlays(lists::Overlays),
    Prefetch(prefetch::Prefetch),
    Store(store::Store),
    Completions(completions::Completions),
}

/// Which schematic a command is about.
#[derive(Debug, Args)]
struct SchematicArg {
    /// Schematic: an ID, a file, or - for standard input; absent: the default schematic
    #[arg(short, long, value_name = "SCHEMATIC")]
    schematic: Option<String>,
}

/// Does what the command line says.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    let Cli { global, command } = cli;
    match command {
        Command::Schematic(command) => command.run(),
        Command::Inspect(command) => command.run(),
        Command::Completions(command) => command.run(),
        command => {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .context("starting the runtime")?;
            let done = runtime.block_on(run_async(&global, command));
            // Reads that hang must not keep a finished command from ending.
            runtime.shutdown_background();
            done
        }
    }
}

async fn run_async(global: &Global, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(command) => command.run(global).await,
        Command::Build(command) => command.run(global).await,
        Command::Plan(command) => command.run(global).await,
        Command::Versions(command) => command.run(global).await,
        Command::Extensions(command) => command.run(global).await,
        Command::Overlays(command) => command.run(global).await,
        Command::Prefetch(command) => command.run(global).await,
        Command::Store(command) => command.run(global).await,
        Command::Schematic(_) | Command::Inspect(_) | Command::Completions(_) => {
            unreachable!("these need no runtime")
        }
    }
}

/// An error with its causes on one line, and what would have been right.
pub fn one_line(error: &anyhow::Error) -> String {
    let mut text = crate::error::chain(&**error);
    let ours = error.downcast_ref::<forge::Error>();
    if let Some(expected) = ours.and_then(forge::Error::expected) {
        text = format!("{text}: expected {expected}");
    }
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    lines.join(" ")
}

impl Global {
    /// The configuration; `flags` are keys set by flags of the command.
    fn config(&self, flags: Vec<(&'static str, &'static str, Value)>) -> anyhow::Result<Config> {
        let environment = std::env::vars_os().filter_map(|(name, value)| {
            let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
            Some((name, value))
        });
        let environment: Vec<_> = environment.collect();
        let mut settings = Settings::load(&self.config, &environment)?;
        if let Some(source) = &self.source {
            let value = Value::Text(source.clone());
            settings.flag("artifacts.core.registry", "--source", value);
            // The flag names the whole place, whatever namespace a file adds to its own registry.
            settings.flag(
                "artifacts.core.namespace",
                "--source",
                Value::Text(String::new()),
            );
        }
        for (key, flag, value) in flags {
            settings.flag(key, flag, value);
        }
        Ok(Config::new(settings, &self.data_dir()?)?)
    }

    fn data_dir(&self) -> anyhow::Result<PathBuf> {
        if let Some(directory) = &self.data_dir {
            return Ok(directory.clone());
        }
        if rustix::process::geteuid().is_root() {
            return Ok("/var/lib/talos-forge".into());
        }
        let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        if let Some(data) = from("XDG_DATA_HOME") {
            return Ok(Path::new(&data).join("talos-forge"));
        }
        let home = from("HOME").ok_or_else(|| anyhow!("neither --data-dir nor HOME is set"))?;
        Ok(Path::new(&home).join(".local/share/talos-forge"))
    }

    /// Opens source and store for a command that is not `serve`: warnings only in the log of level debug.
    async fn forge(&self) -> anyhow::Result<Arc<Forge>> {
        let config = self.config(Vec::new())?;
        log::start(self, Level::Warn)?;
        for warning in &config.warnings {
            tracing::debug!("{warning}");
        }
        let forge = Forge::open(config.forge_options()).await?;
        Ok(Arc::new(forge))
    }

    fn colors(&self, stream: &impl io::IsTerminal) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => stream.is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        }
    }
}

/// The ID of the schematic that was named, stored if it was given as a document.
async fn schematic_id(forge: &Forge, named: &SchematicArg) -> anyhow::Result<String> {
    let document = match named.schematic.as_deref() {
        None => b"customization: {}\n".to_vec(),
        Some(id) if is_id(id) => return Ok(id.to_owned()),
        Some(file) => read_document(file)?,
    };
    let (id, _, _) = forge.create_schematic(&document).await?;
    Ok(id.to_string())
}

fn is_id(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Reads a file, or standard input for `-`.
fn read_document(file: &str) -> anyhow::Result<Vec<u8>> {
    if file == "-" {
        let mut document = Vec::new();
        io::Read::read_to_end(&mut io::stdin().lock(), &mut document)
            .context("reading standard input")?;
        return Ok(document);
    }
    std::fs::read(file).with_context(|| format!("reading {file}"))
}
