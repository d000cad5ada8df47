//! The demo's own application: a small procurement system, as ordinary as they come.
//!
//! It knows nothing of the gateway and uses nothing of this crate. It keeps its sessions in the
//! cookie `JSESSIONID`, gives out a new id at login, and never times a session out. That last
//! part is what a gateway in front of it is for.

mod accounts;
mod answer;
mod feed;
mod form;
mod html;
mod market;
mod pages;
mod requisitions;
mod routes;
mod sessions;
mod state;
#[cfg(test)]
mod tests;
mod websocket;

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use state::App;

/// Connections served at once; further ones wait in the listener's backlog.
const CONNECTIONS_MAX: usize = 512;
/// How long a connection may stay silent, before its first request and between two.
const HEAD_WAIT: Duration = Duration::from_secs(60);
/// How long requests in flight may still take once the application is told to stop.
const DRAIN_MAX: Duration = Duration::from_secs(1);
/// The pause after a failed accept, so that a lack of file descriptors does not become a spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves the application on `listener` until `shutdown` is cancelled.
///
/// Returns once every connection and the price ticker have ended: at once if nothing is in flight,
/// within seconds if somebody is slow. Dropping the future ends them as well.
pub async fn serve(listener: TcpListener, shutdown: CancellationToken) {
    let stop = shutdown.child_token();
    let _stops_when_dropped = stop.clone().drop_guard();
    let app = App::start(stop.clone());
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Some((socket, permit)) = accept(&listener, &connections, &stop).await {
        app.tasks()
            .spawn(serve_connection(Arc::clone(&app), socket, permit));
    }
    drop(listener);
    app.tasks().close();
    app.tasks().wait().await;
}

/// The next connection and its place among [`CONNECTIONS_MAX`]; `None` once it is time to stop.
async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let permit = stop
        .run_until_cancelled(Arc::clone(connections).acquire_owned())
        .await?
        .expect("the semaphore is never closed");
    loop {
        match stop.run_until_cancelled(listener.accept()).await? {
            Ok((socket, _)) => return Some((socket, permit)),
            Err(error) => {
                tracing::warn!(%error, "the demo application could not accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve_connection(app: Arc<App>, socket: TcpStream, _permit: OwnedSemaphorePermit) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "the demo application serves a socket with Nagle's delay");
    }
    let stop = app.stop().clone();
    let service = service_fn(move |request| {
        let app = Arc::clone(&app);
        async move { Ok::<_, Infallible>(routes::answer(&app, request).await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WAIT)
            .serve_connection(TokioIo::new(socket), service)
            .with_upgrades()
    );
    let ended = match stop.run_until_cancelled(connection.as_mut()).await {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            timeout(DRAIN_MAX, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the demo application broke");
    }
}
