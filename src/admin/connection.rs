//! Accepting and serving the admin listener's connections, each within bounds.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections at a time, at most; more wait to be accepted.
const CONNECTIONS_MAX: usize = 64;
/// Bytes of a request's head, at most.
const HEAD_MAX: usize = 16 * 1024;
/// How long accepting rests after it failed: for want of file descriptors it fails in a loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a connection may take, and for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waits {
    /// For a head, from the first byte or from the end of the request before.
    pub(super) head: Duration,
    /// In all; a client that reads nothing holds its place no longer.
    pub(super) life: Duration,
    /// For the answer under way when it must close.
    pub(super) close: Duration,
}

impl Waits {
    pub(super) const DEFAULT: Self = Self {
        head: Duration::from_secs(10),
        life: Duration::from_secs(300),
        close: Duration::from_secs(5),
    };
}

pub(super) async fn accept(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
    waits: Waits,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let connections = TaskTracker::new();
    while let Some(accepted) = shutdown.run_until_cancelled(next(&listener, &places)).await {
        match accepted {
            Ok((stream, place)) => {
                let router = router.clone();
                let shutdown = shutdown.clone();
                connections.spawn(async move {
                    serve(stream, router, shutdown, waits).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the admin listener cannot accept");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    connections.close();
    // Each of them closes within `waits.close` by itself.
    connections.wait().await;
}

async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await;
    let place = place.expect("the semaphore is never closed");
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

async fn serve(stream: TcpStream, router: Router, shutdown: CancellationToken, waits: Waits) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(waits.head)
        .max_header_size(HEAD_MAX)
        .half_close(false)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    tokio::select! {
        served = connection.as_mut() => return log(served),
        () = shutdown.cancelled() => {}
        () = sleep(waits.life) => {}
    }
    connection.as_mut().graceful_shutdown();
    match timeout(waits.close, connection).await {
        Ok(served) => log(served),
        Err(_) => tracing::debug!("an admin connection was cut: its client did not read"),
    }
}

/// A client that goes away or sends no head is no event for an operator.
fn log(served: hyper::Result<()>) {
    if let Err(error) = served {
        tracing::debug!(%error, "an admin connection broke off");
    }
}
