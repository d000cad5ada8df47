//! One server of an app, and the connections to it that rest.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Waker};
use std::time::Duration;

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tower_service::Service;

use crate::clock;
use crate::config::app::Upstream;
use crate::proxy::error::UpstreamFailure;

use super::connection::Connection;

/// How long an unused connection is kept. Shorter than any app server's own keep-alive (Apache
/// and Node close after 5 s), so that a request seldom meets a connection that is being closed.
const KEPT_FOR: Duration = Duration::from_secs(4);

/// Unused connections that are kept to one server.
const KEPT_MAX: usize = 256;

/// A server.
pub(super) struct Server {
    authority: Authority,
    connector: HttpConnector,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// The one used last at the end.
    connections: Vec<(Connection, Instant)>,
    /// Whether a task closes those that have rested for too long.
    is_swept: bool,
}

impl Server {
    pub(super) fn new(upstream: &Upstream, connector: HttpConnector) -> Self {
        Self {
            authority: upstream.authority.clone(),
            connector,
            kept: Mutex::default(),
        }
    }

    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// A connection that rests, and not for too long.
    pub(super) fn kept(&self, now: Instant) -> Option<Connection> {
        let (connection, since) = self.lock().connections.pop()?;
        (now.duration_since(since) < KEPT_FOR).then_some(connection)
    }

    /// A new connection.
    pub(super) async fn open(&self) -> Result<Connection, UpstreamFailure> {
        let uri = Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(self.authority.clone())
            .path_and_query(PathAndQuery::from_static("/"))
            .build()
            .map_err(|_| UpstreamFailure::Address)?;
        let refused = |error| UpstreamFailure::Refused(Box::new(error));
        let stream = self.connector.clone().call(uri).await.map_err(refused)?;
        let connection = Connection::over(stream.into_inner()).await;
        connection.map_err(UpstreamFailure::Broken)
    }

    /// Keeps a connection whose answer is over.
    ///
    /// Where the answer came before the request had passed whole, the rest of it goes on.
    pub(super) fn take_back(self: Arc<Self>, mut connection: Connection) {
        if !connection.is_free() {
            connection.drive(&mut Context::from_waker(Waker::noop()));
        }
        if connection.is_free() {
            return self.keep(connection);
        }
        if connection.is_over() {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                connection.settle().await;
                if connection.is_free() {
                    self.keep(connection);
                }
            });
        }
    }

    fn keep(self: Arc<Self>, connection: Connection) {
        let mut kept = self.lock();
        if kept.connections.len() == KEPT_MAX {
            return;
        }
        kept.connections.push((connection, clock::instant()));
        if !kept.is_swept
            && let Ok(runtime) = Handle::try_current()
        {
            kept.is_swept = true;
            runtime.spawn(sweep(Arc::downgrade(&self)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes what has rested for too long, as long as anything rests.
async fn sweep(server: Weak<Server>) {
    loop {
        tokio::time::sleep(KEPT_FOR).await;
        let Some(server) = server.upgrade() else {
            return;
        };
        let now = clock::instant();
        let mut kept = server.lock();
        kept.connections
            .retain(|(_, since)| now.duration_since(*since) < KEPT_FOR);
        if kept.connections.is_empty() {
            kept.is_swept = false;
            return;
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}
