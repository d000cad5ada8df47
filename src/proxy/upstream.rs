//! The app's side: pooled connections, bounded waits, and one careful retry.

use std::time::Duration;

use http::uri::{PathAndQuery, Scheme, Uri};
use http::{Request, Response, request};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::config::Waits;
use crate::config::app::Upstream;

use super::body::Body;
use super::error::{ProxyError, UpstreamFailure};

/// How long an unused connection is kept. Shorter than any app server's own keep-alive (Apache
/// and Node close after 5 s), so that a request seldom meets a connection that is being closed.
const IDLE_KEPT: Duration = Duration::from_secs(4);

/// Unused connections that are kept to one upstream.
const IDLE_PER_UPSTREAM_MAX: usize = 256;

/// Connections to all upstreams.
pub(crate) struct UpstreamPool {
    client: Client<HttpConnector, Body>,
    answer_within: Duration,
}

impl UpstreamPool {
    pub(crate) fn new(waits: &Waits) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(waits.connect));
        connector.set_keepalive(Some(Duration::from_secs(30)));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_KEPT)
            .pool_max_idle_per_host(IDLE_PER_UPSTREAM_MAX)
            .set_host(false)
            .build(connector);
        Self {
            client,
            answer_within: waits.answer,
        }
    }

    /// Sends a request to the first upstream that accepts a connection, and waits for the head
    /// of its answer.
    ///
    /// A request that may have reached an app is sent again only where that cannot matter: its
    /// method is idempotent, it has no body, and the connection closed before any answer, as a
    /// kept connection does when the app's keep-alive runs out.
    pub(crate) async fn send(
        &self,
        upstreams: &[Upstream],
        parts: request::Parts,
        body: Body,
    ) -> Result<Response<Incoming>, ProxyError> {
        let sent = self.send_in_turn(upstreams, parts, body);
        match tokio::time::timeout(self.answer_within, sent).await {
            Ok(answer) => answer.map_err(ProxyError::Upstream),
            Err(_) => Err(ProxyError::Upstream(UpstreamFailure::Late(
                self.answer_within,
            ))),
        }
    }

    async fn send_in_turn(
        &self,
        upstreams: &[Upstream],
        parts: request::Parts,
        body: Body,
    ) -> Result<Response<Incoming>, UpstreamFailure> {
        let repeatable = parts.method.is_idempotent() && body.is_empty();
        if !repeatable {
            let request = Request::from_parts(towards(&upstreams[0], parts)?, body);
            return self
                .client
                .request(request)
                .await
                .map_err(UpstreamFailure::of);
        }
        let mut failure = None;
        for upstream in upstreams {
            for _ in 0..2 {
                let head = towards(upstream, parts.clone())?;
                match self
                    .client
                    .request(Request::from_parts(head, Body::empty()))
                    .await
                {
                    Ok(answer) => return Ok(answer),
                    Err(error) => {
                        let refused = error.is_connect();
                        failure = Some(UpstreamFailure::of(error));
                        if refused {
                            break;
                        }
                    }
                }
            }
        }
        Err(failure.unwrap_or(UpstreamFailure::Address))
    }
}

/// The request as that upstream shall see it: its address is the pool's key, and the path and
/// query are the client's own bytes.
fn towards(
    upstream: &Upstream,
    mut parts: request::Parts,
) -> Result<request::Parts, UpstreamFailure> {
    let path = parts.uri.path_and_query().cloned();
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(Scheme::HTTP);
    uri.authority = Some(upstream.authority.clone());
    uri.path_and_query = Some(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    parts.uri = Uri::from_parts(uri).map_err(|_| UpstreamFailure::Address)?;
    parts.version = http::Version::HTTP_11;
    Ok(parts)
}
