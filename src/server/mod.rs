//! Sockets: listening, TLS, limits on connections, and a graceful end.
//!
//! HTTP/1.0, HTTP/1.1 and HTTP/2 (by ALPN over TLS, by prior knowledge without). What a slow client costs is bounded: one
//! buffer of the body, [`Limits::head`] in the HTTP library, some unsent bytes in the kernel.

mod stream;
pub mod tls;

use std::{
    io,
    net::{Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
};

use self::{stream::Guarded, tls::Tls};
use crate::{body::Body, config::Limits, metrics::Metrics};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;
/// How long accepting pauses when there are no file descriptors left.
const PAUSE: Duration = Duration::from_millis(100);
/// How long an HTTP/2 client may take to answer a ping.
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Largest HTTP/2 frame that is sent: as large as a buffer, to spare headers.
const FRAME: u32 = 32 << 10;

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
}

/// What answers requests.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request; failures are answers too.
    fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = Response<Body>> + Send;
}

/// What all connections share.
#[derive(Debug)]
pub struct Server<H> {
    handler: Arc<H>,
    limits: Limits,
    tls: Option<Arc<Tls>>,
    metrics: Arc<Metrics>,
    slots: Arc<Semaphore>,
    graceful: GracefulShutdown,
}

impl<H: Handler> Server<H> {
    /// Serves what `handler` answers.
    pub fn new(
        handler: Arc<H>,
        limits: Limits,
        tls: Option<Arc<Tls>>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            handler,
            limits,
            tls,
            metrics,
            slots: Arc::new(Semaphore::new(limits.connections)),
            graceful: GracefulShutdown::new(),
        }
    }

    /// Accepts connections until `stop` turns true, then closes the listeners and waits until every request that has begun
    /// has been answered.
    pub async fn run(self, listeners: Vec<TcpListener>, stop: watch::Receiver<bool>) {
        let server = Arc::new(self);
        let accepting: Vec<_> = listeners
            .into_iter()
            .map(|listener| tokio::spawn(accept(Arc::clone(&server), listener, stop.clone())))
            .collect();
        for task in accepting {
            if let Err(error) = task.await {
                tracing::error!(%error, "a listener ended");
            }
        }
        // The last reference: accepting has ended, and connections hold watchers only.
        if let Ok(server) = Arc::try_unwrap(server).map_err(|_| ()) {
            let open = server.graceful.count();
            if open > 0 {
                tracing::info!(connections = open, "waiting for requests to end");
            }
            server.graceful.shutdown().await;
        }
    }

    fn connection(&self) -> auto::Builder<TokioExecutor> {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.idle)
            .max_headers(self.limits.headers)
            .max_buf_size(self.limits.head)
            .half_close(false);
        let head = u32::try_from(self.limits.head).unwrap_or(u32::MAX);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(self.limits.idle)
            .keep_alive_timeout(PING_TIMEOUT)
            .max_concurrent_streams(self.limits.streams)
            .max_header_list_size(head)
            .max_frame_size(FRAME)
            .max_send_buf_size(self.limits.head);
        builder
    }
}

async fn accept<H: Handler>(
    server: Arc<Server<H>>,
    listener: TcpListener,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        // Taking the slot first leaves clients beyond the limit in the kernel's queue.
        let next = async {
            let slot = Arc::clone(&server.slots).acquire_owned().await;
            (
                slot.expect("the semaphore is never closed"),
                listener.accept().await,
            )
        };
        let (slot, accepted) = tokio::select! {
            accepted = next => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok((stream, address)) => {
                let connection = Connection {
                    handler: Arc::clone(&server.handler),
                    builder: server.connection(),
                    watcher: server.graceful.watcher(),
                    tls: server.tls.clone(),
                    limits: server.limits,
                    address,
                };
                let open = server.metrics.connections.clone();
                open.inc();
                tokio::spawn(async move {
                    connection.serve(stream).await;
                    open.dec();
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

struct Connection<H> {
    handler: Arc<H>,
    builder: auto::Builder<TokioExecutor>,
    watcher: hyper_util::server::graceful::Watcher,
    tls: Option<Arc<Tls>>,
    limits: Limits,
    address: SocketAddr,
}

impl<H: Handler> Connection<H> {
    async fn serve(self, stream: TcpStream) {
        if let Err(error) = prepare(&stream) {
            tracing::debug!(%error, peer = %self.address, "setting socket options");
        }
        let stream = Guarded::new(stream, self.limits.idle, self.limits.stall);
        match self.tls.clone() {
            None => self.speak(stream, false).await,
            Some(tls) => {
                let handshake = tokio::time::timeout(self.limits.idle, tls.accept(stream));
                match handshake.await {
                    Ok(Ok(stream)) => self.speak(stream, true).await,
                    Ok(Err(error)) => {
                        tracing::debug!(%error, peer = %self.address, "TLS handshake");
                    }
                    Err(_) => tracing::debug!(peer = %self.address, "TLS handshake timed out"),
                }
            }
        }
    }

    async fn speak<S>(self, stream: S, tls: bool)
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let peer = Peer {
            address: self.address,
            tls,
        };
        let handler = self.handler;
        let service = service_fn(move |request| {
            let answer = Arc::clone(&handler).answer(request, peer);
            async move { Ok::<_, std::convert::Infallible>(answer.await) }
        });
        let connection = self
            .builder
            .serve_connection(TokioIo::new(stream), service)
            .into_owned();
        if let Err(error) = self.watcher.watch(connection).await {
            let error = crate::error::chain(&*error);
            tracing::debug!(%error, peer = %self.address, "connection");
        }
    }
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = socket2::SockRef::from(stream);
    socket.set_keepalive(true)
}

/// Listens on `HOST:PORT`, `:PORT` (all addresses of both families) or `[ADDRESS]:PORT`.
pub async fn listen(address: &str) -> io::Result<Vec<TcpListener>> {
    if let Some(port) = address.strip_prefix(':') {
        let port = port.parse().map_err(io::Error::other)?;
        let both = bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)), false);
        let listener = both.or_else(|_| bind(SocketAddr::from(([0, 0, 0, 0], port)), false))?;
        return Ok(vec![listener]);
    }
    let mut listeners = Vec::new();
    for address in tokio::net::lookup_host(address).await? {
        listeners.push(bind(address, true)?);
    }
    Ok(listeners)
}

fn bind(address: SocketAddr, only_v6: bool) -> io::Result<TcpListener> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(only_v6)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Raises the limit of open files to what the system allows: the default of 1,024 suits few servers.
pub fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(%error, "raising the limit of open files");
    }
}
