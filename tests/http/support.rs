//! A server on a free port, over artifacts made here.

use std::{
    fs::File,
    io,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use assembler::{
    blobs::{Blob, Blobs},
    forge::Forge,
};
use bytes::Bytes;
use formats::{
    Digest, Extent, Layout,
    extent::{Framed, Framing},
};
use hyper::{Request, Response, body::Incoming};
use talos_forge::{
    app::{App, Site},
    body::Body,
    config::{Config, Limits, source::Settings},
    digests::Digests,
    metrics::Metrics,
    response::{self, Entity, Part, disposition, media},
    server::{Handler, Peer, Server, listen},
};
use tokio::{sync::watch, task::JoinHandle};

/// Limits as configured by default, but quicker.
pub(crate) const LIMITS: Limits = Limits {
    body: 1 << 20,
    head: 64 << 10,
    headers: 100,
    connections: 100,
    streams: 16,
    idle: Duration::from_secs(2),
    stall: Duration::from_secs(2),
    prepare: Duration::from_secs(20),
};

/// One artifact under every path.
#[derive(Debug)]
pub(crate) struct Fixed {
    layout: Arc<Layout>,
    blobs: Arc<Memory>,
    digests: Digests,
    peers: Mutex<Vec<SocketAddr>>,
    /// Its bytes.
    pub(crate) whole: Vec<u8>,
}

#[derive(Debug)]
struct Memory(Vec<(Digest, Arc<File>, u64)>);

impl Blobs for Memory {
    fn open(&self, digest: &Digest) -> io::Result<Blob> {
        let known = self.0.iter().find(|(name, ..)| name == digest);
        let (_, file, len) = known.ok_or(io::ErrorKind::NotFound)?;
        Ok(Blob {
            file: Arc::clone(file),
            len: *len,
        })
    }
}

impl Fixed {
    /// Every kind of extent, a few megabytes.
    pub(crate) fn new() -> Self {
        let content: Vec<u8> = (0..3_000_000u32)
            .map(|index| index.wrapping_mul(2_654_435_761).to_be_bytes()[1])
            .collect();
        let digest = Digest::of(&content);
        let mut layout = layout(digest);
        let whole = layout.collect(|_| Bytes::copy_from_slice(&content));
        layout.section("end");
        Self::over(layout, whole, vec![(digest, file(&content), 3_000_000)])
    }

    /// As `new`, but the blob's file has been cut.
    pub(crate) fn damaged() -> Self {
        let digest = Digest::of(b"cut");
        let blobs = vec![(digest, file(&[0; 2_000_000]), 3_000_000)];
        Self::over(layout(digest), Vec::new(), blobs)
    }

    fn over(layout: Layout, whole: Vec<u8>, blobs: Vec<(Digest, Arc<File>, u64)>) -> Self {
        Self {
            layout: Arc::new(layout),
            blobs: Arc::new(Memory(blobs)),
            digests: Digests::default(),
            peers: Mutex::default(),
            whole,
        }
    }
}

fn file(content: &[u8]) -> Arc<File> {
    use io::Write as _;
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    Arc::new(file)
}

fn layout(blob: Digest) -> Layout {
    let mut inner = Layout::new();
    inner.blob(blob, 5, 400_000);
    inner.zeros(50_000);
    let mut layout = Layout::new();
    layout.bytes(b"a header".as_slice());
    layout.zeros(70_000);
    layout.blob(blob, 0, 3_000_000);
    let (start, step, count) = (3, 1, 30_000);
    layout.push(Extent::Sequence { start, step, count });
    for framing in [
        Framing::ZstdRaw { last: true },
        Framing::Lzma2Stored { first: true },
    ] {
        layout.push(Extent::Framed(Framed::new(inner.clone(), framing)));
    }
    layout.zeros(3 << 20);
    layout.bytes(vec![7; 40_000]);
    layout
}

impl Handler for Fixed {
    async fn answer(self: Arc<Self>, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        let mut peers = self.peers.lock().unwrap();
        if !peers.contains(&peer.address) {
            peers.push(peer.address);
        }
        drop(peers);
        let etag = self.layout.fingerprint("test");
        let entity = Entity {
            len: self.layout.len(),
            etag,
            content_type: media::BINARY,
            disposition: disposition::attachment("artifact"),
            sha256: self.digests.get(&etag),
        };
        let plan = response::plan(request.method(), request.headers(), &entity);
        let is_whole = plan.parts == [Part::Range(0..self.layout.len())];
        let blobs = Arc::clone(&self.blobs) as Arc<dyn Blobs>;
        let hashing = is_whole
            .then(|| self.digests.start(&etag, &self.layout, &blobs))
            .flatten();
        let body = Body::parts(plan.parts, Arc::clone(&self.layout), blobs).unwrap();
        let mut response = Response::new(body.hashed(hashing));
        *response.status_mut() = plan.status;
        *response.headers_mut() = plan.headers;
        response
    }
}

/// A server that runs until it is dropped or stopped.
#[derive(Debug)]
pub(crate) struct Running {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    fixed: Option<Arc<Fixed>>,
    /// What answers, for the service itself.
    pub(crate) app: Option<Arc<App>>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    /// Starts a server over `fixed`.
    pub(crate) async fn start(fixed: Arc<Fixed>) -> Self {
        let mut running = Self::with(Arc::clone(&fixed), LIMITS).await;
        running.fixed = Some(fixed);
        running
    }

    /// Starts a server over any handler.
    pub(crate) async fn with<H: Handler>(handler: Arc<H>, limits: Limits) -> Self {
        let listeners = listen("127.0.0.1:0").await.unwrap();
        let address = listeners[0].local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let server = Server::new(handler, limits, None, Arc::new(Metrics::new()));
        let task = tokio::spawn(server.run(listeners, stopped));
        Self {
            address,
            fixed: None,
            app: None,
            stop,
            task,
        }
    }

    /// Starts the service itself over an OCI layout, with these settings of the environment.
    pub(crate) async fn over(release: &Path, data: &Path, settings: &[(&str, &str)]) -> Self {
        let source = format!("oci:{}", release.display());
        Self::from(&source, data, settings).await
    }

    /// As `over`, from any source.
    pub(crate) async fn from(source: &str, data: &Path, settings: &[(&str, &str)]) -> Self {
        let always = [
            ("IF_ARTIFACTS_CORE_REGISTRY", source),
            ("IF_CONTAINERSIGNATURE_DISABLED", "true"),
        ];
        let settings = always.iter().chain(settings);
        let environment: Vec<_> = settings
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let settings = Settings::load(&[], &environment).unwrap();
        let config = Config::new(settings, data).unwrap();
        let forge = Arc::new(Forge::open(config.forge_options()).await.unwrap());
        let app = Arc::new(App::new(
            forge,
            Site::new(&config),
            Arc::new(Metrics::new()),
        ));
        let mut running = Self::with(Arc::clone(&app), config.limits).await;
        running.app = Some(app);
        running
    }

    /// The URL of a path without leading slash.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// Connections that have carried a request.
    pub(crate) fn connections(&self) -> usize {
        let fixed = self.fixed.as_ref().expect("counted for fixed artifacts");
        fixed.peers.lock().unwrap().len()
    }

    /// Asks it to end; resolves when it has.
    pub(crate) fn stop(self) -> JoinHandle<()> {
        self.stop.send_replace(true);
        self.task
    }
}
