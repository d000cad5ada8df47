//! A request that was admitted, on to its app; and the answer, back to the client.

use std::sync::Arc;

use http::header::{EXPECT, HOST, SEC_WEBSOCKET_EXTENSIONS, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Response, StatusCode, request, response};
use hyper::body::Incoming;

use crate::clock;
use crate::config::app::{HostHeader, Source};
use crate::domain::access::{Access, Client, RequestFacts, Safety};
use crate::domain::decide::{Decision, Stale, Verdict};
use crate::domain::session::EndReason;
use crate::routing::Routed;

use super::Proxy;
use super::bodies::Bodies;
use super::body::RequestBody;
use super::carriers::{self, Presented, Strip};
use super::error::ProxyError;
use super::exchange::{Exchange, REQUEST_ID};
use super::head::hygiene;
use super::learn;
use super::learn::lesson::{AnswerHead, Asked, Lesson};
use super::recipe::Attempt;
use super::respond::{self, Refusal};
use super::set_cookie;
use super::snapshot::AppRuntime;
use super::stream::work::Terms;
use super::upstream::{AnswerBody, Received, Wait};
use super::{bind, hand_out, upgrade, way_back};

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
    mut admitted: Box<Admitted>,
) -> Result<Response<AnswerBody>, ProxyError> {
    take_out(exchange, &mut admitted);
    let Admitted {
        app,
        routed,
        decision,
        mut parts,
        body,
        ..
    } = *admitted;
    let facts = routed.facts(&parts.method, exchange.kind);
    let mut judged_anew = None;
    let work = routed.may_hold(&parts);
    let work = work.then(|| terms(exchange, &routed));
    let mut bodies = Bodies::new(proxy, exchange, &app, decision.live.as_ref(), work);
    let (body, attempt) = bodies.read_request(&routed, &mut parts, body).await?;
    if let (Some(_), Some(live)) = (&attempt, &decision.live) {
        let judged = exchange.attempted(proxy, &app, facts, live, &mut parts);
        judged_anew = Box::pin(judged).await?;
    }
    let decision = match &judged_anew {
        Some(anew) => {
            bodies.without_session();
            anew
        }
        None => &decision,
    };
    let upgrade = upgrade::wanted(exchange.kind, &mut parts);
    dress(exchange, &app, &mut parts, upgrade.is_some());
    if !routed.person_frames.is_empty() {
        // What an extension compressed cannot be read.
        parts.headers.remove(SEC_WEBSOCKET_EXTENSIONS);
    }

    let asked_uri = parts.uri.clone();
    let (mut parts, body) = match ask(exchange, &mut bodies, &routed, parts, body).await? {
        Ok(answer) => answer.into_parts(),
        Err(ended) => return cut_short(&app, facts, ended),
    };
    if !routed.passive_at.is_empty() {
        let is_passive = routed.passive_at.contains(&parts.status);
        bodies.proved((!is_passive).then(|| terms(exchange, &routed)));
        Box::pin(proxy.settle_activity(exchange, &app, decision, is_passive)).await;
    }
    if parts.status == StatusCode::SWITCHING_PROTOCOLS {
        // Nothing is learned from it, so an id that it brings would be dead on arrival.
        withhold_ids(&app, &mut parts.headers);
        hand_out::withhold(&app, &mut parts.headers);
        let opened = upgrade::Opened {
            client: upgrade,
            person_frames: routed.person_frames,
        };
        return upgrade::join(proxy, &app, decision, opened, parts, body);
    }

    let (json, body) = bodies.read_answer(attempt.as_ref(), &parts, body).await?;
    let mut head = AnswerHead::new(parts, json, asked_uri, &app.read_cookies);
    let mut lesson = Lesson::Nothing;
    if head.may_teach(&app.app, &routed, attempt.as_ref()) {
        let asked = asked(exchange, &app, decision, attempt, routed.logout);
        (head, lesson) = Box::pin(learn_from(proxy, exchange, asked, head)).await?;
        if lesson.login().is_some()
            && let Verdict::Strip(stale) = decision.verdict
            && stale.needs_proof()
        {
            Box::pin(exchange.end_logins(proxy, &app)).await?;
        }
        if let Some(refusal) = in_place_of(&head, &lesson, proxy, exchange, &app, facts)? {
            return Ok(refusal);
        }
        // The session that this very answer ended must not cut it.
        if lesson.login().is_some() || lesson == Lesson::LoggedOut {
            bodies.let_go();
        }
    }
    let body = bodies.answer(body, &head.parts.headers).await?;
    let mut parts = undress(exchange, &app, decision, &routed, head, &lesson);
    let session = decision.live.as_ref().map(|live| &*live.session);
    hand_out::hand_out(proxy, exchange, &app, session, &lesson, &mut parts);
    Ok(Response::from_parts(parts, body))
}

/// Sends a request to its app and waits for the head of the answer; or for the end of its session,
/// whichever comes first.
async fn ask(
    exchange: &mut Exchange,
    bodies: &mut Bodies<'_>,
    routed: &Routed,
    parts: request::Parts,
    body: RequestBody,
) -> Result<Result<Response<Received>, EndReason>, ProxyError> {
    let began = clock::instant();
    let alarm = &exchange.peer.alarm;
    let sent = bodies.send(routed, parts, body, Wait { began, alarm });
    let (sent, ended) = match sent.await {
        Ok(sent) => (sent, None),
        Err(reason) => (Err(ProxyError::EndedAtWork), Some(reason)),
    };
    exchange.waited_for_app(clock::instant() - began, &sent);
    if let Some(reason) = ended {
        return Ok(Err(reason));
    }
    let answer = sent?;
    bodies.answered();
    Ok(Ok(answer))
}

/// What the client gets whose session ended while the app was at work on his request. Where that
/// may have changed something, nobody knows whether it did: it is no refusal.
fn cut_short(
    app: &AppRuntime,
    facts: RequestFacts,
    reason: EndReason,
) -> Result<Response<AnswerBody>, ProxyError> {
    if facts.safety == Safety::Unsafe {
        return Err(ProxyError::EndedAtWork);
    }
    Ok(respond::refuse(Refusal {
        app: &app.app,
        facts,
        stale: Stale::Ended(reason),
        cookies: Vec::new(),
        proof: None,
    }))
}

/// What the exchange may do to its session's clock while it runs.
fn terms(exchange: &Exchange, routed: &Routed) -> Terms {
    Terms {
        began: exchange.now,
        limits: routed.rule.work,
    }
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
    way_back::take_out(&mut parts.headers, &app.app);
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

fn asked(
    exchange: &Exchange,
    app: &Arc<AppRuntime>,
    decision: &Decision,
    attempt: Option<Attempt>,
    logout: Option<usize>,
) -> Asked {
    Asked {
        snapshot: Arc::clone(&exchange.snapshot),
        app: Arc::clone(app),
        now: exchange.now,
        client: exchange.origin.address,
        seen: exchange.setting.seen,
        live: decision.live.clone(),
        presented: exchange.ids(),
        attempt,
        logout,
    }
}

/// Lets an answer teach what it has to, before the client gets it.
///
/// It takes several writes, so it runs to its end even if the client leaves in between.
async fn learn_from(
    proxy: &Arc<Proxy>,
    exchange: &mut Exchange,
    asked: Asked,
    mut head: AnswerHead,
) -> Result<(AnswerHead, Lesson), ProxyError> {
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
    let lesson = match lesson {
        Ok(lesson) => {
            exchange.learned(&lesson);
            if matches!(lesson, Lesson::Dropped | Lesson::NoRoom) {
                withhold_ids(&asked.app, &mut head.parts.headers);
            }
            lesson
        }
        Err(ProxyError::Store(error)) if is_visitor => {
            exchange.store_failed(&error);
            withhold_ids(&asked.app, &mut head.parts.headers);
            Lesson::Dropped
        }
        Err(error) => return Err(error),
    };
    Ok((head, lesson))
}

/// What the client gets in place of the answer: that its login was refused; or that an id which the
/// body tells must not be used. No body can be delivered in part, and the client would take what it
/// tells for a session.
fn in_place_of(
    head: &AnswerHead,
    lesson: &Lesson,
    proxy: &Proxy,
    exchange: &mut Exchange,
    app: &AppRuntime,
    facts: RequestFacts,
) -> Result<Option<Response<AnswerBody>>, ProxyError> {
    match lesson {
        Lesson::LoginRefused(refused) => Ok(Some(exchange.refuse_login(
            proxy,
            app,
            facts.client,
            refused,
        ))),
        Lesson::NoRoom if head.tells_id(&app.app) => Err(ProxyError::StoreFull),
        Lesson::Dropped if head.tells_id(&app.app) => {
            let refusal = Refusal {
                app: &app.app,
                facts,
                stale: Stale::Unknown,
                cookies: Vec::new(),
                proof: None,
            };
            Ok(Some(respond::refuse(refusal)))
        }
        _ => Ok(None),
    }
}

/// Makes an answer's head the gateway's own.
fn undress(
    exchange: &Exchange,
    app: &AppRuntime,
    decision: &Decision,
    routed: &Routed,
    head: AnswerHead,
    lesson: &Lesson,
) -> response::Parts {
    let AnswerHead {
        mut parts, cookies, ..
    } = head;
    hygiene::clean_response(&mut parts.headers);
    let hides_login = exchange.hides_login(decision.verdict);
    if exchange.store_is_down() || (hides_login && lesson.login().is_none()) {
        withhold_ids(app, &mut parts.headers);
    }
    let expired = match (decision.verdict, lesson) {
        (verdict, Lesson::LoggedIn(_)) => exchange.left_behind(app, verdict),
        (Verdict::Strip(stale), _)
            if exchange.kind == Client::Navigation && routed.rule.access != Access::Public =>
        {
            exchange.expired(app, stale)
        }
        _ => Vec::new(),
    };
    if !expired.is_empty() && lesson.login().is_none() {
        let gone = hand_out::expired(exchange, app);
        parts.headers.extend(gone.map(|gone| (SET_COOKIE, gone)));
    }
    for scope in expired {
        if !cookies.sets_at(&scope)
            && let Some(expired) = exchange.expire(&scope)
        {
            parts.headers.append(SET_COOKIE, expired);
        }
    }
    if let Some(session) = lesson.login() {
        exchange.lead_back(&app.app, session, &mut parts);
    } else if let Some(told) = &exchange.told_way_back {
        parts.headers.append(SET_COOKIE, told.clone());
    }
    parts
}

/// Takes the app's own session cookies out of an answer, and the headers that tell an id; every
/// other Set-Cookie stays.
fn withhold_ids(app: &AppRuntime, headers: &mut HeaderMap) {
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
    for source in &app.app.issued {
        if let Source::AnswerHeader(name) = source {
            headers.remove(name);
        }
    }
}
