//! The log goes to standard error: text for people, JSON for machines.

use std::io::{self, IsTerminal as _};

use anyhow::anyhow;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::{Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use super::{Global, Level, LogFormat};

/// Starts logging; without `--log-level` at `quiet` if that says less.
pub(super) fn start(global: &Global, quiet: Level) -> anyhow::Result<()> {
    let level = match global.log_level {
        Level::Info => quiet,
        level => level,
    };
    let own = filter(level);
    // Libraries say much at info that concerns nobody.
    let others = own.min(LevelFilter::WARN).max(match level {
        Level::Trace => LevelFilter::DEBUG,
        _ => LevelFilter::OFF,
    });
    let targets = Targets::new()
        .with_default(others)
        .with_target("talos_forge", own)
        .with_target("assembler", own);
    let stderr = io::stderr();
    let format = global.log_format.unwrap_or(if stderr.is_terminal() {
        LogFormat::Text
    } else {
        LogFormat::Json
    });
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(global.colors(&stderr));
    let layer = match format {
        LogFormat::Text => layer.with_target(false).boxed(),
        LogFormat::Json => layer
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .boxed(),
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(targets))
        .try_init()
        .map_err(|error| anyhow!("starting the log: {error}"))
}

fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Trace => LevelFilter::TRACE,
        Level::Debug => LevelFilter::DEBUG,
        Level::Info => LevelFilter::INFO,
        Level::Warn => LevelFilter::WARN,
        Level::Error | Level::Dpanic => LevelFilter::ERROR,
    }
}
