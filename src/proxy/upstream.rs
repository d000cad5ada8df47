//! The app's side: kept connections, bounded waits, and one careful repeat.

mod connection;
mod received;
mod server;

use std::error::Error as _;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use std::{io, mem};

use http::uri::{PathAndQuery, Uri};
use http::{Request, Response, Version, request};
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::time::{Instant, timeout};

use crate::config::Waits;
use crate::config::app::Upstream;

use super::alarm::Alarm;
use super::body::{Body, RequestBody};
use super::error::{ProxyError, UpstreamFailure};
use super::stream::progress::{Direction, Progress};
use connection::Connection;
use server::Server;

pub(crate) use received::Received;

/// The body of an answer: an app's, or the gateway's own.
pub(crate) type AnswerBody = Body<Received>;

/// How often an upload is looked at within the wait for an answer. By one such part the wait may be
/// longer than it was meant to be.
const LOOKS: u32 = 10;

/// How long an app may take before it counts as slow.
const SLOW_FROM: Duration = Duration::from_millis(500);

/// A wait for an answer.
#[derive(Clone, Copy)]
pub(crate) struct Wait<'a> {
    pub(crate) began: Instant,
    /// The timer of the client's connection, which waits as long.
    pub(crate) alarm: &'a Alarm,
}

/// The servers of one app, in the order in which they are tried.
#[derive(Debug)]
pub(crate) struct Upstreams {
    servers: Vec<Arc<Server>>,
    connect_within: Duration,
    answer_within: Duration,
}

impl Upstreams {
    pub(crate) fn new(addresses: &[Upstream], waits: &Waits) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(waits.connect));
        connector.set_keepalive(Some(Duration::from_secs(30)));
        let server = |upstream: &Upstream| Arc::new(Server::new(upstream, connector.clone()));
        Self {
            servers: addresses.iter().map(server).collect(),
            connect_within: waits.connect,
            answer_within: waits.answer,
        }
    }

    /// Whether these are the same servers, waited for as long.
    pub(crate) fn are(&self, addresses: &[Upstream], waits: &Waits) -> bool {
        let own = self.servers.iter().map(|server| server.authority());
        own.eq(addresses.iter().map(|upstream| &upstream.authority))
            && self.connect_within == waits.connect
            && self.answer_within == waits.answer
    }

    /// Sends a request to the first server that accepts a connection, and waits for the head
    /// of its answer. The wait begins when the request's body has passed, or stands still.
    ///
    /// `slow` is called once where that takes its time.
    ///
    /// A request that may have reached an app is sent again only where that cannot matter: its
    /// method is idempotent, it has no body, and a kept connection closed before any answer, as it
    /// does when the app's keep-alive runs out.
    pub(crate) async fn send(
        &self,
        parts: request::Parts,
        body: RequestBody,
        wait: Wait<'_>,
        slow: impl FnOnce(),
    ) -> Result<Response<Received>, ProxyError> {
        let upload = body.progress().cloned();
        let mut unsent = Some(Request::from_parts(origin_form(parts)?, body));
        let mut sent = pin!(self.send_in_turn(&mut unsent, wait.began));
        let first = SLOW_FROM.min(self.answer_within / LOOKS);
        let deadline = wait.began + first;
        let at_once = poll_fn(|cx| match sent.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => wait.alarm.poll_passed(cx, deadline).map(|()| None),
        });
        if let Some(answer) = at_once.await {
            return answer;
        }
        slow();
        // Boxed: most answers are here by now.
        match upload {
            None => Box::pin(timeout(self.answer_within - first, sent))
                .await
                .unwrap_or_else(|_| Err(self.late())),
            Some(upload) => Box::pin(self.watch(&upload, sent)).await,
        }
    }

    async fn watch<T>(
        &self,
        upload: &Progress,
        mut sent: Pin<&mut impl Future<Output = Result<T, ProxyError>>>,
    ) -> Result<T, ProxyError> {
        let mut uploaded = upload.bytes(Direction::ToUpstream);
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
        Err(self.late())
    }

    fn late(&self) -> ProxyError {
        ProxyError::Upstream(UpstreamFailure::Late(self.answer_within))
    }

    /// A server that does not accept has seen nothing of the request: the next one gets it.
    async fn send_in_turn(
        &self,
        unsent: &mut Unsent,
        now: Instant,
    ) -> Result<Response<Received>, ProxyError> {
        let mut refused = ProxyError::Upstream(UpstreamFailure::Address);
        for server in &self.servers {
            if let Some(answer) = send_over_kept(server, unsent, now).await? {
                return Ok(answer);
            }
            // Boxed: most requests find a connection that is kept.
            match Box::pin(server.open()).await {
                Ok(connection) => return Ok(send_over(connection, server, unsent).await?),
                Err(error) => refused = error.into(),
            }
        }
        Err(refused)
    }
}

/// A request, as long as nothing has been done about it. Lent to each step and never passed on: its
/// head is large.
type Unsent = Option<Request<RequestBody>>;

/// Sends a request over the connections that are kept; none where a new one is needed, and nothing
/// has been done about the request.
async fn send_over_kept(
    server: &Arc<Server>,
    unsent: &mut Unsent,
    now: Instant,
) -> Result<Option<Response<Received>>, ProxyError> {
    while let Some(connection) = server.kept(now) {
        let repeatable = unsent.as_ref().filter(|request| is_repeatable(request));
        let again = repeatable.map(without_body);
        match send_over(connection, server, unsent).await {
            Ok(answer) => return Ok(Some(answer)),
            Err(_) if unsent.is_some() => {}
            Err(error) if again.is_some() && closed_before_an_answer(&error) => {
                *unsent = again;
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

async fn send_over(
    mut connection: Connection,
    server: &Arc<Server>,
    unsent: &mut Unsent,
) -> Result<Response<Received>, hyper::Error> {
    let answer = connection.exchange(unsent).await?;
    Ok(answer.map(|body| Received::new(body, connection, Arc::clone(server))))
}

fn is_repeatable(request: &Request<RequestBody>) -> bool {
    request.method().is_idempotent() && request.body().is_empty()
}

fn without_body(request: &Request<RequestBody>) -> Request<RequestBody> {
    let mut again = Request::new(Body::empty());
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.headers_mut() = request.headers().clone();
    again
}

/// Whether the connection closed and nothing, or not a whole head, had come.
fn closed_before_an_answer(error: &hyper::Error) -> bool {
    let io = error.source().and_then(|error| error.downcast_ref());
    let is_reset = io.is_some_and(|error: &io::Error| {
        matches!(
            error.kind(),
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
        )
    });
    error.is_incomplete_message() || is_reset
}

/// The request as a server shall see it: the path and query are the client's own bytes.
fn origin_form(mut parts: request::Parts) -> Result<request::Parts, ProxyError> {
    parts.version = Version::HTTP_11;
    if parts.uri.scheme().is_some() || parts.uri.authority().is_some() {
        let mut uri = http::uri::Parts::default();
        let path = parts.uri.path_and_query().cloned();
        uri.path_and_query = Some(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
        let uri = Uri::from_parts(uri);
        parts.uri = uri.map_err(|_| ProxyError::Upstream(UpstreamFailure::Address))?;
    }
    Ok(parts)
}
