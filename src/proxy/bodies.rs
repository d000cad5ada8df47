//! The bodies of an exchange: watched as they pass, or held whole where a recipe reads them.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::OnceLock;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, request, response};
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde_json::Value;
use tokio::time::timeout;

use crate::config::app::LoginRecipe;
use crate::domain::decide::Live;
use crate::domain::session::EndReason;
use crate::routing::Routed;

use super::Proxy;
use super::body::{Body, RequestBody, Source};
use super::error::ProxyError;
use super::exchange::Exchange;
use super::recipe::{self, Attempt, RequestView};
use super::snapshot::AppRuntime;
use super::stream::body::CountedBody;
use super::stream::handle::StreamHandle;
use super::stream::progress::{Direction, Progress};
use super::stream::registry::{Full, StreamKey, StreamKind};
use super::stream::work::Terms;
use super::upstream::{AnswerBody, Received, Wait};

/// Bodies up to this size are not registered to be cut, which would cost each of them a lock. A
/// deadline bounds how long one goes on behind its session's end instead.
const UNWATCHED_BYTES_MAX: u64 = 64 * 1024;

/// The type of an event stream (HTML, 9.2.5), whatever parameters follow.
const EVENT_STREAM: &[u8] = b"text/event-stream";

/// Bytes of a login's request that are held to be read.
const LOGIN_BODY_MAX: usize = 64 * 1024;

/// Bytes of a login's answer that are held to be read. One that is longer is passed on unread.
const LOGIN_ANSWER_MAX: usize = 256 * 1024;

/// Whose bodies they are.
pub(crate) struct Bodies<'a> {
    proxy: &'a Proxy,
    app: &'a AppRuntime,
    /// The session they pass under.
    live: Option<&'a Live>,
    /// Whether the request comes from a trusted peer.
    from_trusted: bool,
    /// How long one may take that is held, or that is too short to be cut. It also bounds how old
    /// the decision on a login is when its body has arrived.
    within: Duration,
    /// On which terms they are work; none for those of a passive request and for streams.
    work: Option<Terms>,
    /// Where they are registered, once one of them is.
    opened: Option<StreamHandle>,
    /// How far a request's body got that is too short to be registered.
    short_upload: Option<Progress>,
}

/// An answer's body, as far as a recipe read it.
pub(crate) enum ReadAnswer {
    /// Not at all.
    Unread(Received),
    /// To its end.
    Whole(Bytes),
    /// A beginning, and what follows: it is too long.
    Begun(Bytes, Received),
}

/// What was read of an answer.
enum Read {
    All(Bytes),
    /// More than is held.
    Beginning(Bytes),
}

impl<'a> Bodies<'a> {
    /// Those of an exchange, none of which has begun.
    pub(crate) fn new(
        proxy: &'a Proxy,
        exchange: &Exchange,
        app: &'a AppRuntime,
        live: Option<&'a Live>,
        work: Option<Terms>,
    ) -> Self {
        Self {
            proxy,
            app,
            live,
            from_trusted: exchange.peer.is_trusted(),
            within: exchange.snapshot.config.waits.body,
            work,
            opened: None,
            short_upload: None,
        }
    }

    /// They pass under no session after all.
    pub(crate) fn without_session(&mut self) {
        self.live = None;
    }

    /// The request's body for the app, and the login that it tries. Held whole only where one of
    /// the login recipes reads it; an answer that a recipe reads is asked for unencoded.
    pub(crate) async fn read_request(
        &mut self,
        routed: &Routed,
        parts: &mut request::Parts,
        body: Incoming,
    ) -> Result<(RequestBody, Option<Attempt>), ProxyError> {
        let app = &self.app.app;
        let of_index = |index: &usize| app.logins.get(*index);
        let recipes: Vec<&LoginRecipe> = routed.logins.iter().filter_map(of_index).collect();
        let reads_answer = |recipe: &&LoginRecipe| recipe::reads_answer(recipe, &app.issued);
        if recipes.iter().any(reads_answer) {
            let unencoded = HeaderValue::from_static("identity");
            parts.headers.insert(ACCEPT_ENCODING, unencoded);
        }
        if !recipe::reads_request(&recipes) {
            let attempt = self.attempt(routed, parts, &[]);
            return Ok((self.passing(body, Direction::ToUpstream)?, attempt));
        }
        let coding = parts.headers.get(CONTENT_ENCODING);
        if coding.is_some_and(|coding| coding != "identity") {
            return Err(ProxyError::LoginEncoded);
        }
        let body = Limited::new(body, LOGIN_BODY_MAX);
        let late = |_| ProxyError::BodyLate(self.within);
        let bytes = match timeout(self.within, body.collect()).await.map_err(late)? {
            Ok(whole) => whole.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                let limit = LOGIN_BODY_MAX;
                return Err(ProxyError::LoginTooLarge { limit });
            }
            Err(_) => return Err(ProxyError::BodyBroken),
        };
        let attempt = self.attempt(routed, parts, &bytes);
        Ok((Body::whole(bytes), attempt))
    }

    fn attempt(&self, routed: &Routed, parts: &request::Parts, body: &[u8]) -> Option<Attempt> {
        let request = RequestView {
            parts,
            body,
            is_trusted: self.from_trusted,
        };
        recipe::attempt(&self.app.app.logins, &routed.logins, &request)
    }

    /// Reads the answer's JSON, where the recipe of the login that it answers wants it.
    pub(crate) async fn read_answer(
        &self,
        attempt: Option<&Attempt>,
        parts: &response::Parts,
        mut body: Received,
    ) -> Result<(Option<Value>, ReadAnswer), ProxyError> {
        let app = &self.app.app;
        let recipe = attempt.and_then(|attempt| app.logins.get(attempt.recipe));
        let is_read = recipe.is_some_and(|recipe| recipe::reads_answer(recipe, &app.issued));
        let said = body.size_hint().upper();
        let is_long = said.is_some_and(|bytes| bytes > LOGIN_ANSWER_MAX as u64);
        if !is_read || is_long || parts.headers.contains_key(CONTENT_ENCODING) {
            return Ok((None, ReadAnswer::Unread(body)));
        }
        let late = |_| ProxyError::AnswerLate(self.within);
        let read = read_up_to(LOGIN_ANSWER_MAX, &mut body);
        let read = timeout(self.within, read).await.map_err(late)?;
        Ok(match read.map_err(|_| ProxyError::AnswerBroken)? {
            Read::All(bytes) => (
                serde_json::from_slice(&bytes).ok(),
                ReadAnswer::Whole(bytes),
            ),
            Read::Beginning(bytes) => (None, ReadAnswer::Begun(bytes, body)),
        })
    }

    /// The answer's body for the client, under the session that the answer leaves it with.
    pub(crate) async fn answer(
        &mut self,
        body: ReadAnswer,
        headers: &HeaderMap,
    ) -> Result<AnswerBody, ProxyError> {
        match body {
            ReadAnswer::Unread(body) if body.is_end_stream() => Ok(Body::empty()),
            ReadAnswer::Unread(mut body) => Ok(match body.at_once().await? {
                Some(begun) if body.is_end_stream() => Body::whole(begun),
                begun => {
                    self.mind_streams(headers);
                    let rest = self.watched(body, Direction::ToClient)?;
                    Body::resumed(begun.unwrap_or_default(), rest)
                }
            }),
            ReadAnswer::Whole(bytes) => Ok(Body::whole(bytes)),
            ReadAnswer::Begun(bytes, rest) => Ok(Body::resumed(
                bytes,
                self.watched(rest, Direction::ToClient)?,
            )),
        }
    }

    /// Sends the request and waits for the head of its answer; for the end of its session, where
    /// that comes first. An answer from which something is to be learned is waited for all the same.
    pub(crate) async fn send(
        &mut self,
        routed: &Routed,
        parts: request::Parts,
        body: RequestBody,
        wait: Wait<'_>,
    ) -> Result<Result<Response<Received>, ProxyError>, EndReason> {
        let app = self.app;
        let may_be_cut = !routed.changes_session();
        let cut_with = OnceLock::new();
        let note = |opened: &Option<StreamHandle>| {
            if let Some(handle) = opened.as_ref().filter(|_| may_be_cut) {
                cut_with.get_or_init(|| handle.clone());
            }
        };
        note(&self.opened);
        let slow = || {
            self.begin_work();
            note(&self.opened);
        };
        let mut sent = pin!(app.upstreams.send(parts, body, wait, slow));
        poll_fn(|cx| {
            let answer = sent.as_mut().poll(cx);
            let Some(handle) = cut_with.get() else {
                return answer.map(Ok);
            };
            match (handle.cut_reason(), answer) {
                (Some(reason), _) => Poll::Ready(Err(reason)),
                (None, Poll::Ready(answer)) => Poll::Ready(Ok(answer)),
                (None, Poll::Pending) => handle.poll_cut(Direction::ToClient, cx).map(Err),
            }
        })
        .await
    }

    /// The app takes its time: from now on its answer is work that is waited for, once the whole of
    /// the request has passed.
    fn begin_work(&mut self) {
        let (Some(live), None, Some(_)) = (self.live, &self.opened, &self.work) else {
            return;
        };
        let upload = self.short_upload.take().unwrap_or_else(|| {
            let held_whole = Progress::default();
            held_whole.finish(Direction::ToUpstream);
            held_whole
        });
        if let Err(full) = self.open(live, upload) {
            tracing::debug!(%full, "a slow answer does not hold its session");
        }
    }

    /// The head of the answer has come.
    pub(crate) fn answered(&self) {
        if let Some(handle) = &self.opened {
            handle.answered();
        }
    }

    /// The head of the answer told whether it is work: on these terms, or none of a person's.
    pub(crate) fn proved(&mut self, work: Option<Terms>) {
        if self.work.is_some() && work.is_some() {
            return;
        }
        if let Some(opened) = self.opened.take() {
            opened.disown();
        }
        self.work = work;
    }

    /// A stream is no work: its app may send for ever.
    fn mind_streams(&mut self, headers: &HeaderMap) {
        let is_stream = |kind: &HeaderValue| {
            let beginning = kind.as_bytes().get(..EVENT_STREAM.len());
            beginning.is_some_and(|kind| kind.eq_ignore_ascii_case(EVENT_STREAM))
        };
        if self.work.is_some() && headers.get(CONTENT_TYPE).is_some_and(is_stream) {
            (self.work, self.opened) = (None, None);
        }
    }

    /// What follows belongs to no session any more.
    pub(crate) fn let_go(&mut self) {
        (self.live, self.opened) = (None, None);
    }

    /// Registers the bodies, of which so much has passed; both directions are one stream.
    fn open(&mut self, live: &Live, progress: Progress) -> Result<StreamHandle, Full> {
        if let Some(opened) = &self.opened {
            return Ok(opened.clone());
        }
        let key = StreamKey::of(live, &self.app.app.name);
        let streams = &self.proxy.streams;
        let handle = match self.work {
            Some(terms) => streams.open_work(key, terms, progress, &self.proxy.clock)?,
            None => streams.open(key, StreamKind::Body)?,
        };
        self.opened = Some(handle.clone());
        Ok(handle)
    }

    fn passing<S: Source>(&mut self, body: S, direction: Direction) -> Result<Body<S>, ProxyError> {
        if body.is_end_stream() {
            return Ok(Body::empty());
        }
        Ok(Body::passing(self.watched(body, direction)?))
    }

    /// A body on its way. One that may still run when its session ends is registered to be cut
    /// then, and a short one has a deadline.
    fn watched<S: Source>(
        &mut self,
        body: S,
        direction: Direction,
    ) -> Result<CountedBody<S>, ProxyError> {
        let said = body.size_hint().upper();
        let is_short = said.is_some_and(|bytes| bytes <= UNWATCHED_BYTES_MAX);
        match self.live {
            Some(live) if !is_short => {
                let opened = self.open(live, Progress::default());
                let handle = opened.map_err(|_| ProxyError::StreamsFull)?;
                Ok(CountedBody::cuttable(body, direction, handle))
            }
            _ => {
                let progress = Progress::default();
                if direction == Direction::ToUpstream {
                    self.short_upload = Some(progress.clone());
                }
                let body = CountedBody::new(body, direction, progress);
                Ok(if is_short {
                    body.within(self.within)
                } else {
                    body
                })
            }
        }
    }
}

/// Reads a body to its end, or a little beyond so many bytes.
async fn read_up_to(limit: usize, body: &mut Received) -> Result<Read, hyper::Error> {
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            read.extend_from_slice(&data);
        }
        if read.len() > limit {
            return Ok(Read::Beginning(read.freeze()));
        }
    }
    Ok(Read::All(read.freeze()))
}
