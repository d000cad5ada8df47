//! Accepting connections: bounded, with a deadline on each step, and drained at the end.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::config::Listener;
use crate::telemetry::metrics::ListenerMetrics;

use super::Proxy;
use super::alarm::Alarm;
use super::handle::handle;
use super::head::forwarded::{PeerAddress, Scheme};
use super::joined::Joined;
use super::peer::Peer;
use super::stall::StallGuard;
use super::tls::{self, TlsError, TlsKeys};

/// Connections of one listener. Beyond it, clients wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 65_536;

/// Connections that the kernel keeps until they are accepted. When it is full a client's first
/// packet is dropped, and sent again a second later; Linux allows no more by default.
const BACKLOG: u32 = 4096;

/// Bytes of a request head, all its headers together.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Bytes that one connection buffers.
const BUFFER_BYTES_MAX: usize = 128 * 1024;

/// How long accepting pauses when the process is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound address, ready to serve.
pub struct Listening {
    socket: TcpListener,
    address: SocketAddr,
    config: Listener,
    keys: Option<TlsKeys>,
}

/// Why a listener did not start.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address cannot be bound.
    #[error("cannot listen on {0}: {1}")]
    Bind(SocketAddr, io::Error),
    /// The certificate or its key cannot be used.
    #[error("{0}")]
    Tls(#[from] TlsError),
}

impl Listening {
    /// Binds the address and reads the certificate.
    ///
    /// # Errors
    /// When either cannot be done.
    pub async fn bind(config: &Listener) -> Result<Self, ListenError> {
        let keys = config.tls.as_ref().map(TlsKeys::load).transpose()?;
        let failed = |error| ListenError::Bind(config.address, error);
        let socket = listen(config.address).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        Ok(Self {
            socket,
            address,
            config: config.clone(),
            keys,
        })
    }

    /// The address, with the port that was given.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A handle through which the certificate is read anew.
    pub fn keys(&self) -> Option<TlsKeys> {
        self.keys.clone()
    }

    /// Serves until `drain`; then accepts nothing, and lets each connection finish the request
    /// it is in.
    pub async fn serve(self, proxy: Arc<Proxy>, drain: CancellationToken) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let lane = Arc::new(Lane {
            trusted: self.config.trusted.into(),
            keys: self.keys,
            metrics: proxy.telemetry.metrics.for_listener(self.address),
            drain: drain.clone(),
        });
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                () = drain.cancelled() => return,
            };
            let (stream, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let place = tokio::select! {
                place = Arc::clone(&places).acquire_owned() => place,
                () = drain.cancelled() => return,
            };
            let connection = lane.clone().connection(Arc::clone(&proxy), stream, address);
            proxy.tasks.spawn(async move {
                connection.await;
                drop(place);
            });
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What the connections of one listener share.
struct Lane {
    trusted: Arc<[ipnet::IpNet]>,
    keys: Option<TlsKeys>,
    metrics: ListenerMetrics,
    drain: CancellationToken,
}

impl Lane {
    async fn connection(
        self: Arc<Self>,
        proxy: Arc<Proxy>,
        stream: TcpStream,
        address: SocketAddr,
    ) {
        let _open = self.metrics.connected();
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "the connection was gone at once");
            return;
        }
        let peer = Arc::new(Peer {
            address: PeerAddress::new(address.ip()),
            scheme: if self.keys.is_some() {
                Scheme::Https
            } else {
                Scheme::Http
            },
            trusted: Arc::clone(&self.trusted),
            alarm: Alarm::default(),
        });
        match &self.keys {
            // Each boxed, so that a plain connection does not hold the room of an encrypted one.
            None => Box::pin(self.exchange(proxy, peer, stream)).await,
            Some(keys) => {
                let wait = proxy.snapshot.load().config.waits.handshake;
                match Box::pin(tls::accept(keys, stream, wait)).await {
                    Ok(stream) => Box::pin(self.exchange(proxy, peer, stream)).await,
                    Err(error) => tracing::debug!(%error, "a TLS handshake failed"),
                }
            }
        }
    }

    async fn exchange<S>(&self, proxy: Arc<Proxy>, peer: Arc<Peer>, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let waits = proxy.snapshot.load().config.waits;
        // The handler's future lives in the connection between requests too, so it is boxed: an
        // idle connection then holds a pointer, not the largest state a request can be in.
        let alarm = peer.alarm.clone();
        let service = service_fn(move |request| {
            let answer = Box::pin(handle(Arc::clone(&proxy), Arc::clone(&peer), request));
            async { Ok::<_, std::convert::Infallible>(answer.await) }
        });
        let mut builder = http1::Builder::new();
        builder
            .timer(alarm)
            .header_read_timeout(waits.head)
            .max_header_size(HEAD_BYTES_MAX)
            .max_buf_size(BUFFER_BYTES_MAX)
            .half_close(false);
        let stream = TokioIo::new(StallGuard::new(Joined(stream), waits.body));
        let connection = builder.serve_connection(stream, service).with_upgrades();
        let mut connection = pin!(connection);
        let mut drained = pin!(self.drain.cancelled());
        let mut is_watched = false;
        let ended = poll_fn(|cx| {
            // Asked once, the signal wakes this task: it is not asked at each of the many times
            // that something else does.
            if !is_watched || self.drain.is_cancelled() {
                is_watched = true;
                if drained.as_mut().poll(cx).is_ready() {
                    connection.as_mut().graceful_shutdown();
                }
            }
            connection.as_mut().poll(cx)
        })
        .await;
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended");
        }
    }
}
