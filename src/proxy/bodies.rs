//! The bodies of an exchange: watched as they pass, or held whole where a recipe reads them.

use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use http::{HeaderValue, request, response};
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde_json::Value;
use tokio::time::timeout;

use crate::config::Waits;
use crate::config::app::LoginRecipe;
use crate::domain::decide::Live;

use super::Proxy;
use super::body::Body;
use super::error::{ProxyError, UpstreamFailure};
use super::recipe::{self, Attempt, RequestView};
use super::route::Routed;
use super::snapshot::AppRuntime;
use super::stream::body::CountedBody;
use super::stream::progress::{Direction, Progress};
use super::stream::registry::{StreamKey, StreamKind};

/// Bodies up to this size are not watched: they are over before a session's end could cut them.
const UNWATCHED_BYTES_MAX: u64 = 64 * 1024;

/// Bytes of a login's request that are held to be read.
const LOGIN_BODY_MAX: usize = 64 * 1024;

/// Bytes of a login's answer that are held to be read. One that says it is longer is passed on
/// unread.
const LOGIN_ANSWER_MAX: usize = 256 * 1024;

/// Whose bodies they are.
pub(crate) struct Bodies<'a> {
    pub(crate) proxy: &'a Proxy,
    pub(crate) app: &'a AppRuntime,
    /// The session they pass under.
    pub(crate) live: Option<&'a Live>,
    /// How long a body that is held may take.
    pub(crate) waits: Waits,
    /// Whether the request comes from a trusted peer.
    pub(crate) from_trusted: bool,
}

impl Bodies<'_> {
    /// The request's body for the app, and the login that it tries. Held whole only where one of
    /// the login recipes reads it; an answer that a recipe reads is asked for unencoded.
    pub(crate) async fn read_request(
        &self,
        routed: &Routed,
        parts: &mut request::Parts,
        body: Incoming,
    ) -> Result<(Body, Option<Attempt>), ProxyError> {
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
            return Ok((self.watched(body, Direction::ToUpstream)?, attempt));
        }
        let coding = parts.headers.get(CONTENT_ENCODING);
        if coding.is_some_and(|coding| coding != "identity") {
            return Err(ProxyError::LoginEncoded);
        }
        // A sign-in form is no longer than a head, so it has as long as one.
        let held = Limited::new(body, LOGIN_BODY_MAX).collect();
        let held = timeout(self.waits.head, held).await;
        let bytes = match held.map_err(|_| ProxyError::LoginLate)? {
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

    /// The answer's body for the client, and its JSON where the recipe of a login reads it.
    pub(crate) async fn read_answer(
        &self,
        attempt: Option<&Attempt>,
        parts: &response::Parts,
        body: Incoming,
    ) -> Result<(Option<Value>, Body), ProxyError> {
        let app = &self.app.app;
        let recipe = attempt.and_then(|attempt| app.logins.get(attempt.recipe));
        let is_read = recipe.is_some_and(|recipe| recipe::reads_answer(recipe, &app.issued));
        let said = body.size_hint().upper();
        let is_long = said.is_some_and(|bytes| bytes > LOGIN_ANSWER_MAX as u64);
        if !is_read || is_long || parts.headers.contains_key(CONTENT_ENCODING) {
            return Ok((None, self.watched(body, Direction::ToClient)?));
        }
        let held = Limited::new(body, LOGIN_ANSWER_MAX).collect();
        let held = timeout(self.waits.answer, held).await;
        match held.map_err(|_| UpstreamFailure::Late(self.waits.answer))? {
            Ok(whole) => {
                let bytes = whole.to_bytes();
                Ok((serde_json::from_slice(&bytes).ok(), Body::whole(bytes)))
            }
            Err(error) if error.is::<LengthLimitError>() => Err(ProxyError::LoginAnswerTooLarge),
            Err(_) => Err(ProxyError::AnswerBroken),
        }
    }

    /// A body on its way. One that may still run when its session ends is registered to be cut
    /// then.
    fn watched(&self, body: Incoming, direction: Direction) -> Result<Body, ProxyError> {
        let said = body.size_hint().upper();
        let is_short = said.is_some_and(|bytes| bytes <= UNWATCHED_BYTES_MAX);
        let counted = match self.live {
            Some(live) if !is_short => {
                let key = StreamKey::of(live, &self.app.app.name);
                let handle = self.proxy.streams.open(key, StreamKind::Body);
                let handle = handle.map_err(|_| ProxyError::StreamsFull)?;
                CountedBody::cuttable(body, direction, handle)
            }
            _ => CountedBody::new(body, direction, Progress::default()),
        };
        Ok(Body::passing(counted))
    }
}
