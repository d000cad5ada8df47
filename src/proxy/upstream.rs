//! The app's side: pooled connections, bounded waits, and one careful retry.

mod lent;

use std::error::Error as _;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use std::{io, mem};

use http::uri::{PathAndQuery, Scheme, Uri};
use http::{Request, Response, request};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::{HttpConnector, capture_connection};
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;

use crate::config::Waits;
use crate::config::app::Upstream;

use super::body::Body;
use super::error::{ProxyError, UpstreamFailure};
use super::stream::progress::Direction;
use lent::Lent;

/// How long an unused connection is kept. Shorter than any app server's own keep-alive (Apache
/// and Node close after 5 s), so that a request seldom meets a connection that is being closed.
const IDLE_KEPT: Duration = Duration::from_secs(4);

/// Unused connections that are kept to one upstream.
const IDLE_PER_UPSTREAM_MAX: usize = 256;

/// How often an upload is looked at within the wait for an answer. By one such part the wait may be
/// longer than it was meant to be.
const LOOKS: u32 = 10;

/// Connections to all upstreams.
pub(crate) struct UpstreamPool {
    client: Client<HttpConnector, Lent>,
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
    /// of its answer. The wait begins when the request's body has passed, or stands still.
    ///
    /// A request that may have reached an app is sent again only where that cannot matter: its
    /// method is idempotent, it has no body, and a kept connection closed before any answer, as it
    /// does when the app's keep-alive runs out.
    pub(crate) async fn send(
        &self,
        upstreams: &[Upstream],
        parts: request::Parts,
        body: Body,
    ) -> Result<Response<Incoming>, ProxyError> {
        let upload = body.progress().cloned().unwrap_or_default();
        let mut uploaded = upload.bytes(Direction::ToUpstream);
        let mut sent = pin!(self.send_in_turn(upstreams, parts, body));
        let mut looks_left = LOOKS;
        while looks_left > 0 {
            if let Ok(answer) = timeout(self.answer_within / LOOKS, &mut sent).await {
                return answer;
            }
            let before = mem::replace(&mut uploaded, upload.bytes(Direction::ToUpstream));
            looks_left = if uploaded > before {
                LOOKS
            } else {
                looks_left - 1
            };
        }
        let late = UpstreamFailure::Late(self.answer_within);
        Err(ProxyError::Upstream(late))
    }

    /// An upstream that does not accept has seen nothing of the request: the next one gets it.
    async fn send_in_turn(
        &self,
        upstreams: &[Upstream],
        parts: request::Parts,
        mut body: Body,
    ) -> Result<Response<Incoming>, ProxyError> {
        let is_repeatable = parts.method.is_idempotent() && body.is_empty();
        let Some((last, others)) = upstreams.split_last() else {
            return Err(ProxyError::Upstream(UpstreamFailure::Address));
        };
        for upstream in others {
            let (lent, mut returned) = Lent::lend(body);
            let head = towards(upstream, parts.clone())?;
            match self.send_to_one(head, lent, is_repeatable).await {
                Err(error) if error.is_connect() => match returned.try_recv() {
                    Ok(unused) => body = unused,
                    Err(_) => return Err(error.into()),
                },
                answer => return Ok(answer?),
            }
        }
        let head = towards(last, parts)?;
        Ok(self
            .send_to_one(head, Lent::given(body), is_repeatable)
            .await?)
    }

    async fn send_to_one(
        &self,
        head: request::Parts,
        body: Lent,
        is_repeatable: bool,
    ) -> Result<Response<Incoming>, Error> {
        if !is_repeatable {
            return self.client.request(Request::from_parts(head, body)).await;
        }
        let again = Request::from_parts(head.clone(), Lent::given(Body::empty()));
        let mut request = Request::from_parts(head, body);
        let connection = capture_connection(&mut request);
        let mut sent = pin!(self.client.request(request));
        // A kept connection is there at once, a new one after its handshake. One that another
        // exchange gives back meanwhile counts as new: then nothing is repeated.
        let at_once = poll_fn(|cx| Poll::Ready(sent.as_mut().poll(cx))).await;
        let was_kept = connection.connection_metadata().is_some();
        let answer = match at_once {
            Poll::Ready(answer) => answer,
            Poll::Pending => sent.await,
        };
        match answer {
            Err(error) if was_kept && closed_before_an_answer(&error) => {
                self.client.request(again).await
            }
            answer => answer,
        }
    }
}

/// Whether the connection closed and nothing, or not a whole head, had come.
fn closed_before_an_answer(error: &Error) -> bool {
    let source = error.source().and_then(|error| error.downcast_ref());
    source.is_some_and(|error: &hyper::Error| {
        let io = error.source().and_then(|error| error.downcast_ref());
        let is_reset = io.is_some_and(|error: &io::Error| {
            matches!(
                error.kind(),
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
            )
        });
        error.is_incomplete_message() || is_reset
    })
}

/// The request as that upstream shall see it: its address is the pool's key, and the path and
/// query are the client's own bytes.
fn towards(upstream: &Upstream, mut parts: request::Parts) -> Result<request::Parts, ProxyError> {
    let path = parts.uri.path_and_query().cloned();
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(Scheme::HTTP);
    uri.authority = Some(upstream.authority.clone());
    uri.path_and_query = Some(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    parts.uri = Uri::from_parts(uri).map_err(|_| ProxyError::Upstream(UpstreamFailure::Address))?;
    parts.version = http::Version::HTTP_11;
    Ok(parts)
}
