//! A request that was admitted, on to its app; and the answer, back to the client.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, EXPECT, HOST, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Response, StatusCode, request, response};
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde_json::Value;

use crate::clock;
use crate::config::app::{HostHeader, LoginRecipe};
use crate::domain::access::{Access, Client};
use crate::domain::decide::{Decision, Verdict};

use super::Proxy;
use super::answer_cookies::AnswerCookies;
use super::body::Body;
use super::carriers::{self, Presented, Strip};
use super::error::ProxyError;
use super::exchange::{Exchange, REQUEST_ID};
use super::head::hygiene;
use super::learn::{self, AnswerHead, Asked, Lesson};
use super::recipe::{self, LOGIN_ANSWER_MAX, LOGIN_BODY_MAX};
use super::route::Routed;
use super::set_cookie;
use super::snapshot::AppRuntime;
use super::stream::body::CountedBody;
use super::stream::progress::{Direction, Progress};
use super::stream::registry::{StreamKey, StreamKind};
use super::{bind, upgrade};

/// Bodies up to this size are not watched: they are over before a session's end could cut them.
const UNWATCHED_BYTES_MAX: u64 = 64 * 1024;

/// A request that may go on, and why.
pub(crate) struct Admitted {
    pub(crate) app: Arc<AppRuntime>,
    pub(crate) routed: Routed,
    pub(crate) decision: Decision,
    pub(crate) presented: Presented,
    pub(crate) parts: request::Parts,
    pub(crate) body: Incoming,
}

/// Sends a request to its app and makes what comes back the client's answer.
pub(crate) async fn pass_on(
    proxy: &Arc<Proxy>,
    exchange: &mut Exchange,
    mut admitted: Admitted,
) -> Result<Response<Body>, ProxyError> {
    take_out(exchange, &mut admitted);
    let Admitted {
        app,
        routed,
        decision,
        mut parts,
        body,
        ..
    } = admitted;
    let recipes: Vec<&LoginRecipe> = routed
        .logins
        .iter()
        .filter_map(|index| app.app.logins.get(*index))
        .collect();
    let (body, read) = if recipe::reads_request(&recipes) {
        let bytes = read_login(&parts, body).await?;
        (Body::whole(bytes.clone()), bytes)
    } else {
        let body = watched(proxy, &app, &decision, body, Direction::ToUpstream)?;
        (body, Bytes::new())
    };
    let attempt = recipe::attempt(&app.app.logins, &routed.logins, &parts, &read);
    if recipes
        .iter()
        .any(|recipe| recipe::reads_answer(recipe, &app.app.issued))
    {
        let identity = HeaderValue::from_static("identity");
        parts.headers.insert(ACCEPT_ENCODING, identity);
    }
    let upgrade = upgrade::wanted(exchange.kind, &mut parts);
    dress(exchange, &app, &mut parts, upgrade.is_some());

    let asked_path = parts.uri.path().to_owned();
    let asked_at = clock::monotonic();
    let sent = proxy.upstream.send(&app.app.upstreams, parts, body).await;
    exchange.waited_for_app(clock::monotonic() - asked_at, &sent);
    let (parts, body) = sent?.into_parts();
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        return upgrade::join(proxy, &app, &decision, upgrade, parts, body);
    }

    let (json, body) = match &attempt {
        Some(attempt) if recipe::reads_answer(&app.app.logins[attempt.recipe], &app.app.issued) => {
            read_answer(proxy, &app, &decision, &parts, body).await?
        }
        _ => (
            None,
            watched(proxy, &app, &decision, body, Direction::ToClient)?,
        ),
    };
    let cookies = AnswerCookies::read(
        &parts.headers,
        &app.read_cookies,
        &asked_path,
        clock::wall(),
    );
    let asked = Asked {
        snapshot: Arc::clone(&exchange.snapshot),
        app: Arc::clone(&app),
        now: exchange.now,
        client: exchange.origin.address,
        live: decision.live.clone(),
        presented: exchange.ids(),
        attempt,
        logout: routed.logout,
    };
    let head = learn_from(
        proxy,
        exchange,
        asked,
        AnswerHead {
            parts,
            cookies,
            json,
            asked_path,
        },
    )
    .await?;
    Ok(Response::from_parts(
        undress(exchange, &app, &decision, &routed, head),
        body,
    ))
}

/// Takes everything out of a request that the verdict does not let pass.
fn take_out(exchange: &Exchange, admitted: &mut Admitted) {
    let Admitted {
        app,
        routed,
        decision,
        presented,
        parts,
        ..
    } = admitted;
    let shape = &app.app.shape;
    let needs_session = routed.rule.access != Access::Public;
    match (&decision.verdict, &decision.live) {
        (Verdict::Forward, Some(live)) => {
            if !presented.auth_cookies.is_empty() {
                let keys = &exchange.snapshot.config.keys;
                let foreign = |index: usize, value: &[u8]| {
                    let name = &shape.auth_cookies[index];
                    let namespace = &app.app.namespace;
                    !bind::auth_cookie_belongs(name, value, &live.session, keys, namespace)
                };
                carriers::strip(parts, shape, Strip::AuthCookies(&foreign));
            }
            if needs_session {
                carriers::strip(parts, shape, Strip::ForeignAuthorization);
            }
        }
        _ if needs_session => carriers::strip(parts, shape, Strip::Session),
        _ => carriers::strip(parts, shape, Strip::Ids),
    }
}

/// Holds the body of a login that has to be read.
async fn read_login(parts: &request::Parts, body: Incoming) -> Result<Bytes, ProxyError> {
    let coding = parts.headers.get(CONTENT_ENCODING);
    if coding.is_some_and(|coding| coding != "identity") {
        return Err(ProxyError::LoginEncoded);
    }
    collect(body, LOGIN_BODY_MAX).await
}

async fn collect(body: Incoming, limit: usize) -> Result<Bytes, ProxyError> {
    match Limited::new(body, limit).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ProxyError::LoginTooLarge { limit }),
        Err(_) => Err(ProxyError::BodyBroken),
    }
}

/// Holds a login's answer, where a recipe reads it and it is short enough to be read.
async fn read_answer(
    proxy: &Proxy,
    app: &AppRuntime,
    decision: &Decision,
    parts: &response::Parts,
    body: Incoming,
) -> Result<(Option<Value>, Body), ProxyError> {
    let fits = body
        .size_hint()
        .upper()
        .is_some_and(|upper| upper <= LOGIN_ANSWER_MAX as u64);
    let chunked = body.size_hint().upper().is_none();
    if parts.headers.contains_key(CONTENT_ENCODING) || !(fits || chunked) {
        return Ok((
            None,
            watched(proxy, app, decision, body, Direction::ToClient)?,
        ));
    }
    match Limited::new(body, LOGIN_ANSWER_MAX).collect().await {
        Ok(whole) => {
            let bytes = whole.to_bytes();
            Ok((serde_json::from_slice(&bytes).ok(), Body::whole(bytes)))
        }
        Err(error) if error.is::<LengthLimitError>() => Err(ProxyError::LoginAnswerTooLarge),
        Err(_) => Err(ProxyError::AnswerBroken),
    }
}

/// A body on its way. One that may still run when its session ends is registered to be cut then.
fn watched(
    proxy: &Proxy,
    app: &AppRuntime,
    decision: &Decision,
    body: Incoming,
    direction: Direction,
) -> Result<Body, ProxyError> {
    let is_short = body
        .size_hint()
        .upper()
        .is_some_and(|bytes| bytes <= UNWATCHED_BYTES_MAX);
    let counted = match &decision.live {
        Some(live) if !is_short => {
            let key = StreamKey {
                lineage: live.session.lineage,
                sid: live.sid,
                app: Arc::clone(&app.app.name),
            };
            let handle = proxy.streams.open(key, StreamKind::Body);
            CountedBody::cuttable(
                body,
                direction,
                handle.map_err(|_| ProxyError::StreamsFull)?,
            )
        }
        _ => CountedBody::new(body, direction, Progress::default()),
    };
    Ok(Body::passing(counted))
}

/// Writes the last of a request's head that is the gateway's own.
fn dress(exchange: &Exchange, app: &AppRuntime, parts: &mut request::Parts, upgrade: bool) {
    if upgrade {
        hygiene::ask_for_websocket(&mut parts.headers);
    }
    match (&app.app.host_header, parts.uri.authority()) {
        (HostHeader::Rewrite(host), _) => {
            parts.headers.insert(HOST, host.clone());
        }
        // In absolute form the target's host counts (RFC 9112, 3.2.2); the app gets origin form.
        (HostHeader::Pass, Some(authority)) => {
            if let Ok(host) = HeaderValue::from_str(authority.as_str()) {
                parts.headers.insert(HOST, host);
            }
        }
        (HostHeader::Pass, None) => {}
    }
    parts.headers.remove(EXPECT);
    parts
        .headers
        .insert(REQUEST_ID, exchange.request_id.clone());
}

/// Lets an answer teach what it has to, before the client gets it.
///
/// It takes several writes, so it runs to its end even if the client leaves in between.
async fn learn_from(
    proxy: &Arc<Proxy>,
    exchange: &mut Exchange,
    asked: Asked,
    mut head: AnswerHead,
) -> Result<AnswerHead, ProxyError> {
    if !asked.may_learn(&head) {
        return Ok(head);
    }
    // A visitor without a session loses nothing when his new id is not recorded: he gets the
    // answer without it. Whoever logs in, or has a session, must be told that it did not work.
    let is_visitor = asked.attempt.is_none() && asked.live.is_none();
    let task = proxy.tasks.spawn({
        let proxy = Arc::clone(proxy);
        async move {
            let lesson = learn::learn(&proxy, &asked, &head).await;
            (lesson, asked, head)
        }
    });
    let (lesson, asked, returned) = task.await.map_err(|_| ProxyError::Internal)?;
    head = returned;
    match lesson {
        Ok(lesson) => {
            exchange.learned(&lesson);
            if lesson == Lesson::Dropped {
                drop_cookies(&asked.app, &mut head.parts.headers);
            }
        }
        Err(ProxyError::Store(error)) if is_visitor => {
            exchange.store_failed(&error);
            drop_cookies(&asked.app, &mut head.parts.headers);
        }
        Err(error) => return Err(error),
    }
    Ok(head)
}

/// Makes an answer's head the gateway's own.
fn undress(
    exchange: &Exchange,
    app: &AppRuntime,
    decision: &Decision,
    routed: &Routed,
    head: AnswerHead,
) -> response::Parts {
    let AnswerHead {
        mut parts, cookies, ..
    } = head;
    hygiene::clean_response(&mut parts.headers);
    if exchange.store_is_down() {
        drop_cookies(app, &mut parts.headers);
    }
    if let Verdict::Strip(stale) = decision.verdict
        && exchange.kind == Client::Navigation
        && routed.rule.access != Access::Public
    {
        for scope in exchange.expired(app, stale) {
            if !cookies.sets_at(&scope)
                && let Some(expired) = exchange.expire(&scope)
            {
                parts.headers.append(SET_COOKIE, expired);
            }
        }
    }
    parts
}

/// Takes the app's own session cookies out of an answer; every other Set-Cookie stays.
fn drop_cookies(app: &AppRuntime, headers: &mut HeaderMap) {
    let now = clock::wall();
    let kept: Vec<HeaderValue> = headers
        .get_all(SET_COOKIE)
        .iter()
        .filter(|value| {
            let cookie = set_cookie::parse(value, now);
            !cookie.is_some_and(|cookie| app.owns_cookie(cookie.name))
        })
        .cloned()
        .collect();
    headers.remove(SET_COOKIE);
    for value in kept {
        headers.append(SET_COOKIE, value);
    }
}
