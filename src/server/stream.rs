//! A connection that ends when its client neither speaks at first nor listens later.
//!
//! A client counts as listening when the kernel accepts a byte for it. Readiness alone would not do: a socket becomes
//! writable only when a third of its buffer is free, which takes a slow reader minutes. So while a write is pending, it is
//! tried again a few times per limit without waiting for readiness.
//!
//! The kernel holds little for a connection, so that many slow ones cost little; for some that have shown that they keep up it
//! holds more, so that the connection's task need not run for every few bytes.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use rustix::{
    io::Errno,
    net::{SendFlags, send},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, Sleep, sleep},
};

/// Attempts to write per stall limit.
const ATTEMPTS: u32 = 8;
/// Bytes that a client must send within the idle limit before the HTTP library's own limit applies: as many as tell HTTP/1
/// from HTTP/2 (the preface of RFC 9113, 3.4).
const FIRST: usize = 24;
/// Unsent bytes that the kernel holds for one connection, besides what is under way; without it, it takes 4 MB for each
/// stalled reader. It need only last until the connection's task runs again.
const NOTSENT: u32 = 32 << 10;
/// The same for one that keeps up.
const NOTSENT_FAST: u32 = 512 << 10;
/// Bytes without a pause after which a client keeps up: more than the kernels of both sides take for one that does not read.
const FAST_AFTER: usize = 16 << 20;
/// Connections that may be said to keep up at a time.
static FAST: Semaphore = Semaphore::const_new(64);

#[derive(Debug)]
pub(super) struct Guarded {
    stream: TcpStream,
    stall: Duration,
    /// Runs until the first bytes have come.
    first: Option<Pin<Box<Sleep>>>,
    received: usize,
    pending: Option<Pending>,
    /// Bytes sent since the last pause.
    sent: usize,
    /// While the client keeps up.
    fast: Option<SemaphorePermit<'static>>,
}

/// A write that waits for the client.
#[derive(Debug)]
struct Pending {
    since: Instant,
    next: Pin<Box<Sleep>>,
}

impl Guarded {
    pub(super) fn new(stream: TcpStream, idle: Duration, stall: Duration) -> Self {
        let guarded = Self {
            stream,
            stall,
            first: Some(Box::pin(sleep(idle))),
            received: 0,
            pending: None,
            sent: 0,
            fast: None,
        };
        guarded.hold(NOTSENT);
        guarded
    }

    /// How many unsent bytes the kernel is to hold.
    fn hold(&self, bytes: u32) {
        let socket = socket2::SockRef::from(&self.stream);
        if let Err(error) = socket.set_tcp_notsent_lowat(bytes) {
            tracing::debug!(%error, bytes, "setting TCP_NOTSENT_LOWAT");
        }
    }

    /// The client took bytes at once.
    fn took(&mut self, bytes: usize) {
        self.pending = None;
        self.sent = self.sent.saturating_add(bytes);
        if self.fast.is_none()
            && self.sent >= FAST_AFTER
            && let Ok(permit) = FAST.try_acquire()
        {
            self.fast = Some(permit);
            self.hold(NOTSENT_FAST);
        }
    }

    /// The client makes a pause.
    fn paused(&mut self) {
        self.sent = 0;
        if self.fast.take().is_some() {
            self.hold(NOTSENT);
        }
    }

    /// While a write is pending: tries it, or gives up.
    fn poll_stalled(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let pause = self.stall / ATTEMPTS;
        let mut pending = self.pending.take().unwrap_or_else(|| Pending {
            since: Instant::now(),
            next: Box::pin(sleep(pause)),
        });
        while pending.next.as_mut().poll(cx).is_ready() {
            self.paused();
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            match send(&self.stream, bytes, flags) {
                Ok(0) | Err(Errno::AGAIN | Errno::INTR) => {}
                Ok(sent) => return Poll::Ready(Ok(sent)),
                Err(error) => return Poll::Ready(Err(error.into())),
            }
            if pending.since.elapsed() >= self.stall {
                let text = "the client stopped reading";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, text)));
            }
            pending.next.as_mut().reset(Instant::now() + pause);
        }
        self.pending = Some(pending);
        Poll::Pending
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buffer) {
            Poll::Pending => {
                if let Some(first) = &mut this.first
                    && first.as_mut().poll(cx).is_ready()
                {
                    let text = "the client said nothing";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, text)));
                }
                Poll::Pending
            }
            ready @ Poll::Ready(_) => {
                this.received += buffer.filled().len() - before;
                if this.received >= FIRST {
                    this.first = None;
                }
                ready
            }
        }
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.first = None;
        match Pin::new(&mut this.stream).poll_write(cx, bytes) {
            Poll::Pending => this.poll_stalled(cx, bytes),
            Poll::Ready(Ok(sent)) => {
                this.took(sent);
                Poll::Ready(Ok(sent))
            }
            failed @ Poll::Ready(Err(_)) => failed,
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        this.first = None;
        match Pin::new(&mut this.stream).poll_write_vectored(cx, slices) {
            Poll::Pending => {
                let first = slices.iter().find(|slice| !slice.is_empty());
                this.poll_stalled(cx, first.map_or(&[], |slice| &**slice))
            }
            Poll::Ready(Ok(sent)) => {
                this.took(sent);
                Poll::Ready(Ok(sent))
            }
            failed @ Poll::Ready(Err(_)) => failed,
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    async fn pair(stall: Duration) -> (Guarded, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (server, _) = listener.accept().await.unwrap();
        (Guarded::new(server, stall, stall), client)
    }

    #[tokio::test]
    async fn a_client_that_says_nothing_is_let_go() {
        let (mut server, _client) = pair(Duration::from_millis(50)).await;
        let error = server.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_client_that_stops_reading_is_let_go() {
        let (mut server, _client) = pair(Duration::from_millis(80)).await;
        let error = server.write_all(&vec![0; 64 << 20]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_slow_reader_is_kept() {
        let (mut server, mut client) = pair(Duration::from_millis(400)).await;
        let len = 24 << 20;
        let writer = tokio::spawn(async move { server.write_all(&vec![7; len]).await });
        let (mut buffer, mut got) = (vec![0; 512 << 10], 0);
        let started = Instant::now();
        while got < len {
            let mut part = 0;
            while part < buffer.len() && got + part < len {
                part += client.read(&mut buffer[part..]).await.unwrap();
            }
            got += part;
            if started.elapsed() < Duration::from_millis(1200) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        writer.await.unwrap().unwrap();
    }
}
