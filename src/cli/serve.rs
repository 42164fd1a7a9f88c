//! `serve`: the service.

use std::{
    io::{self, Write as _},
    sync::Arc,
};

use anyhow::Context as _;
use assembler::forge::Forge;
use clap::Args;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use super::{Global, Level, log};
use crate::{
    app::{App, Site, listening},
    config::{Config, source::Value},
    metrics::{Metrics, Page},
    server::{self, Server, tls::Tls},
};

/// Run the service
#[derive(Debug, Args)]
#[command(
    long_about = "Runs the service until it gets SIGTERM or SIGINT: then it answers what has begun and ends. A second signal ends \
        it at once.",
    after_long_help = "Examples:\n  \
        talos-forge serve\n  \
        talos-forge serve --listen 127.0.0.1:0 --source oci:/srv/release\n  \
        talos-forge serve --config /etc/talos-forge.yaml --check"
)]
pub(super) struct Serve {
    /// Address to listen on; repeatable; port 0 takes a free one and prints it
    #[arg(long, value_name = "ADDR")]
    listen: Vec<String>,
    /// URL that images and links say
    #[arg(long, value_name = "URL")]
    external_url: Option<String>,
    /// Print the effective configuration, with where each value came from, and end
    #[arg(long)]
    check: bool,
}

impl Serve {
    pub(super) async fn run(self, global: &Global) -> anyhow::Result<()> {
        let mut flags = Vec::new();
        if !self.listen.is_empty() {
            let value = Value::List(self.listen);
            flags.push(("http.httpListenAddr", "--listen", value));
        }
        if let Some(url) = self.external_url {
            flags.push(("http.externalURL", "--external-url", Value::Text(url)));
        }
        let config = global.config(flags)?;
        log::start(global, Level::Info)?;
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        if self.check {
            let mut out = io::stdout().lock();
            return out
                .write_all(config.describe().as_bytes())
                .context("writing the configuration");
        }
        serve(config).await
    }
}

async fn serve(config: Config) -> anyhow::Result<()> {
    server::raise_file_limit();
    let tls = match config.tls.clone() {
        None => None,
        Some(files) => Some(Arc::new(Tls::open(files)?)),
    };
    // Both ports are taken before anything else, so that a second instance fails early.
    let listeners = bind(&config.listen).await?;
    let metrics_listeners = bind(config.metrics_addr.as_slice()).await?;
    let forge = Arc::new(Forge::open(config.forge_options()).await?);
    let metrics = Arc::new(Metrics::new());
    let (stop, stopped) = watch::channel(false);
    let page = Arc::new(Page::new(Arc::clone(&forge), Arc::clone(&metrics)));
    let app = Arc::new(App::new(forge, Site::new(&config), Arc::clone(&metrics)));
    announce(&listeners, tls.is_some())?;
    let main = Server::new(app, config.limits, tls.clone(), Arc::clone(&metrics));
    let main = tokio::spawn(main.run(listeners, stopped.clone()));
    let side = Server::new(page, config.limits, None, Arc::new(Metrics::new()));
    let side = tokio::spawn(side.run(metrics_listeners, stopped));
    if let Some(tls) = tls {
        tokio::spawn(tls.watch());
    }
    let mut terminate = signal(SignalKind::terminate()).context("waiting for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("waiting for SIGINT")?;
    let signals = async move || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    end(main, side, stop, signals).await
}

/// Waits for a signal, drains, and gives up draining at a second one.
async fn end(
    mut main: tokio::task::JoinHandle<()>,
    side: tokio::task::JoinHandle<()>,
    stop: watch::Sender<bool>,
    mut signals: impl AsyncFnMut(),
) -> anyhow::Result<()> {
    tokio::select! {
        () = signals() => {}
        ended = &mut main => return ended.context("the service ended"),
    }
    tracing::info!("stopping: requests that have begun are answered");
    stop.send_replace(true);
    tokio::select! {
        ended = &mut main => ended.context("the service ended")?,
        () = signals() => tracing::warn!("stopping at once"),
    }
    side.abort();
    Ok(())
}

async fn bind(addresses: &[String]) -> anyhow::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for address in addresses {
        let bound = server::listen(address).await;
        listeners.extend(bound.with_context(|| format!("listening on {address}"))?);
    }
    Ok(listeners)
}

/// Says where the service listens, one URL a line: on standard output, because scripts ask for port 0 and read it.
fn announce(listeners: &[TcpListener], tls: bool) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for listener in listeners {
        let address = listener.local_addr().context("reading the port")?;
        let url = listening(address, tls);
        tracing::info!(%url, "listening");
        writeln!(out, "{url}").context("writing the port")?;
    }
    out.flush().context("writing the port")
}
