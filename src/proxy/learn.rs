//! What an answer teaches: a new id, a login, a rotation, a logout.
//!
//! It is written before the client gets the answer, so that the request after it finds it.

use std::net::IpAddr;
use std::sync::Arc;

use http::response;
use serde_json::Value;

use crate::config::app::LoginRecipe;
use crate::domain::decide::Live;
use crate::domain::identity::Sid;
use crate::domain::limits::Limits;
use crate::domain::session::{EndReason, Login, Record, Session, State};
use crate::domain::time::Timestamp;
use crate::store::StoreError;
use crate::store::event::SessionEvent;
use crate::store::event::build::{self, EventFacts, end_event};
use crate::store::op::{Bound, End, Ended, InPlaceLogin, Touched};
use crate::telemetry::metrics::LoginOutcome;

use super::Proxy;
use super::answer_cookies::AnswerCookies;
use super::bind;
use super::error::ProxyError;
use super::recipe::{AnswerView, Attempt, Extracted, Told};
use super::snapshot::{AppRuntime, Snapshot};
use super::succession::{self, Succession, Successor};

/// Rotations that an end follows. A session that rotates faster than it can be followed would
/// have to do so at every one of these steps.
const SUCCESSORS_MAX: usize = 8;

/// All that is known of the request whose answer is being read.
pub(crate) struct Asked {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) app: Arc<AppRuntime>,
    /// When the request was admitted.
    pub(crate) now: Timestamp,
    pub(crate) client: IpAddr,
    /// The session it was admitted with.
    pub(crate) live: Option<Live>,
    /// The ids it carried, dead or alive.
    pub(crate) presented: Vec<Sid>,
    pub(crate) attempt: Option<Attempt>,
    /// The logout recipe it matched.
    pub(crate) logout: Option<usize>,
}

/// The head of an answer, and its JSON where a recipe needs it.
pub(crate) struct AnswerHead {
    pub(crate) parts: response::Parts,
    pub(crate) cookies: AnswerCookies,
    pub(crate) json: Option<Value>,
}

impl Asked {
    /// Whether an answer can teach anything: most cannot.
    pub(crate) fn may_learn(&self, head: &AnswerHead) -> bool {
        self.attempt.is_some()
            || self.logout.is_some()
            || !self.app.app.issued.is_empty()
            || !head.cookies.is_empty()
    }
}

/// What was learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lesson {
    /// Nothing that changes a session.
    Nothing,
    /// An id that nobody logged in with.
    Found,
    /// A new id for the same lineage.
    Rotated,
    /// A login, which began this session.
    LoggedIn(Arc<Session>),
    /// A logout.
    LoggedOut,
    /// The app issued an id that must not be used: its Set-Cookies are dropped.
    Dropped,
}

/// Reads an answer's head and writes what it teaches.
pub(crate) async fn learn(
    proxy: &Proxy,
    asked: &Asked,
    head: &AnswerHead,
) -> Result<Lesson, ProxyError> {
    let AnswerHead {
        parts,
        cookies,
        json,
    } = head;
    asked
        .app
        .saw_scopes(cookies.scopes(|name| asked.app.owns_cookie(name)));
    let view = AnswerView {
        parts,
        cookies,
        json: json.as_ref(),
    };
    let issued = issued(asked, &view);
    if let Some(login) = succeeded(asked, &view, issued) {
        return log_in(proxy, asked, &view, issued, login).await;
    }
    let left = logged_out(asked, &view, issued);
    if let Some(live) = left {
        end(proxy, asked, live, EndReason::Logout).await?;
    }
    let live = if left.is_some() {
        None
    } else {
        asked.live.as_ref()
    };
    match (issued, live) {
        (None, None) => {}
        (Some(sid), None) => return found(proxy, asked, cookies, sid).await,
        (Some(sid), Some(live)) if sid != live.sid => {
            return rotate(proxy, asked, cookies, live, sid).await;
        }
        (_, Some(live)) => bind_companions(proxy, asked, cookies, live).await?,
    }
    Ok(if left.is_some() {
        Lesson::LoggedOut
    } else {
        Lesson::Nothing
    })
}

/// The id that an answer announces.
fn issued(asked: &Asked, view: &AnswerView<'_>) -> Option<Sid> {
    let app = &asked.app.app;
    let sid = |value: &[u8]| {
        asked
            .snapshot
            .config
            .keys
            .sid(&app.namespace, &app.slot, value)
    };
    let cookie = asked
        .app
        .id_cookie()
        .and_then(|name| view.cookies.value_of(name));
    cookie.map(sid).or_else(|| {
        app.issued
            .iter()
            .find_map(|extractor| match view.find(extractor) {
                Extracted::Values(values) if values.len() == 1 => Some(sid(values[0].as_bytes())),
                Extracted::Values(_) | Extracted::Absent | Extracted::Malformed => None,
            })
    })
}

/// The login that succeeded, if the request tried one, and what it told.
fn succeeded<'a>(
    asked: &'a Asked,
    view: &AnswerView<'_>,
    issued: Option<Sid>,
) -> Option<(&'a LoginRecipe, Told)> {
    let attempt = asked.attempt.as_ref()?;
    let recipe = asked.app.app.logins.get(attempt.recipe)?;
    let new_id = issued.is_some_and(|sid| asked.live.as_ref().is_none_or(|live| live.sid != sid));
    if !view.tells_success(&recipe.success, new_id) {
        asked
            .app
            .metrics
            .login_seen(attempt.recipe, LoginOutcome::Failure);
        return None;
    }
    let known_id = recipe.same_id && asked.live.is_some();
    if !new_id && !known_id {
        asked
            .app
            .metrics
            .login_seen(attempt.recipe, LoginOutcome::Unlearned);
        tracing::warn!(
            app = &*asked.app.app.name,
            recipe = &*recipe.label,
            "a login succeeded without a new session id, so it was not learned; if the app keeps \
             its id over a login, set same_id = true"
        );
        return None;
    }
    Some((recipe, attempt.told(recipe, view)))
}

/// The session that this answer ends: by a logout recipe whose answer says success, or because
/// the app deletes the cookie of a session that was alive in this request.
fn logged_out<'a>(
    asked: &'a Asked,
    view: &AnswerView<'_>,
    issued: Option<Sid>,
) -> Option<&'a Live> {
    let live = asked.live.as_ref()?;
    let recipe = asked
        .logout
        .and_then(|index| asked.app.app.logouts.get(index));
    let by_recipe = recipe.is_some_and(|recipe| view.tells_logout(recipe));
    let deleted = issued.is_none()
        && asked
            .app
            .id_cookie()
            .is_some_and(|name| view.cookies.deletes(name));
    (by_recipe || deleted).then_some(live)
}

async fn log_in(
    proxy: &Proxy,
    asked: &Asked,
    view: &AnswerView<'_>,
    issued: Option<Sid>,
    (recipe, told): (&LoginRecipe, Told),
) -> Result<Lesson, ProxyError> {
    if told.malformed {
        tracing::warn!(
            app = &*asked.app.app.name,
            recipe = &*recipe.label,
            "a login told its user or groups in a form that cannot be believed: strictest limits"
        );
    }
    let session = Arc::new(logged_in_session(proxy, asked, view.cookies, told));
    let kept = asked
        .live
        .as_ref()
        .filter(|live| issued.is_none_or(|sid| sid == live.sid));
    let lesson = match (kept, issued) {
        (Some(live), _) => log_in_place(proxy, asked, live, Arc::clone(&session)).await?,
        (None, Some(sid)) => log_in_anew(proxy, asked, sid, Arc::clone(&session)).await?,
        (None, None) => Lesson::Nothing,
    };
    if matches!(lesson, Lesson::LoggedIn(_)) {
        if let Some(attempt) = &asked.attempt {
            asked
                .app
                .metrics
                .login_seen(attempt.recipe, LoginOutcome::Success);
        }
        asked.app.metrics.started(&session, asked.now);
        asked.app.relogged.remember(asked.presented.iter().copied());
    }
    Ok(lesson)
}

fn logged_in_session(proxy: &Proxy, asked: &Asked, cookies: &AnswerCookies, told: Told) -> Session {
    let policy = &asked.snapshot.config.policy;
    let user = told.user;
    let roles = if told.malformed {
        Vec::new()
    } else {
        policy.roles_of(user.as_ref().map(|user| user.as_str()), &told.groups)
    };
    let login = Login {
        admitted: asked.now,
        user,
        groups: told
            .groups
            .iter()
            .map(|group| Arc::from(group.as_str()))
            .collect(),
        roles,
        roles_learned: asked.now,
    };
    let generation = asked
        .live
        .as_ref()
        .map_or(0, |live| live.session.generation + 1);
    Session {
        generation,
        login: Some(login),
        ..blank(proxy, asked, cookies)
    }
}

/// A session that begins with this request.
fn blank(proxy: &Proxy, asked: &Asked, cookies: &AnswerCookies) -> Session {
    let old = asked.live.as_ref().map(|live| &*live.session);
    Session {
        lineage: proxy.entropy.lineage(),
        generation: 0,
        app: Arc::clone(&asked.app.app.name),
        started: asked.now,
        until: None,
        login: None,
        device: None,
        policy: asked.snapshot.config.policy.version,
        companions: bind::companions(asked, old, cookies),
        scopes: bind::scopes(asked, old, cookies),
        token: None,
    }
}

async fn log_in_anew(
    proxy: &Proxy,
    asked: &Asked,
    sid: Sid,
    session: Arc<Session>,
) -> Result<Lesson, ProxyError> {
    let event = login_event(asked, &session);
    let old = asked.live.as_ref().map(|live| {
        let end = live.session.is_authenticated();
        (
            live.sid,
            end.then(|| end_event(facts_of(asked, live), EndReason::Reauthenticated)),
        )
    });
    let new = successor(asked, sid, Arc::clone(&session), asked.now);
    let outcome = succession::log_in(&proxy.store, old, new, event).await?;
    match outcome {
        Succession::Alive { reauthenticated } => {
            if let (true, Some(live)) = (reauthenticated, &asked.live) {
                proxy.ended(
                    &asked.app,
                    &live.session,
                    EndReason::Reauthenticated,
                    asked.now,
                );
            }
            Ok(Lesson::LoggedIn(session))
        }
        Succession::Dropped | Succession::Taken => Ok(Lesson::Dropped),
        Succession::Full => Err(ProxyError::StoreFull),
    }
}

/// The app kept its id: the record begins a new generation in place, under a new lineage.
async fn log_in_place(
    proxy: &Proxy,
    asked: &Asked,
    live: &Live,
    session: Arc<Session>,
) -> Result<Lesson, ProxyError> {
    let mut events: Vec<SessionEvent> = Vec::with_capacity(2);
    if live.session.is_authenticated() {
        events.push(end_event(facts_of(asked, live), EndReason::Reauthenticated));
    }
    events.push(login_event(asked, &session));
    let new = successor(asked, live.sid, Arc::clone(&session), asked.now);
    let login = InPlaceLogin {
        last_active: asked.now,
        due: new.due.unwrap_or(asked.now),
        forget_at: new.forget_at,
        events,
    };
    let bound = Bound {
        lineage: live.session.lineage,
        session: Arc::clone(&session),
        login: Some(Box::new(login)),
    };
    match proxy.store.bind(live.sid, bound).await? {
        Touched::Alive => {
            if live.session.is_authenticated() {
                proxy.ended(
                    &asked.app,
                    &live.session,
                    EndReason::Reauthenticated,
                    asked.now,
                );
            }
            Ok(Lesson::LoggedIn(session))
        }
        Touched::Ended(_) | Touched::Superseded(_) | Touched::Unknown => Ok(Lesson::Dropped),
    }
}

/// An id that nobody logged in with. Above the caps it is not recorded, and so is not admitted.
async fn found(
    proxy: &Proxy,
    asked: &Asked,
    cookies: &AnswerCookies,
    sid: Sid,
) -> Result<Lesson, ProxyError> {
    if !proxy.anonymous.admit(asked.client, asked.now) {
        asked.app.metrics.anonymous_unrecorded();
        return Ok(Lesson::Nothing);
    }
    let session = Arc::new(blank(proxy, asked, cookies));
    let new = successor(asked, sid, session, asked.now);
    match succession::found(&proxy.store, new).await? {
        Succession::Alive { .. } => Ok(Lesson::Found),
        Succession::Taken => taken(proxy, asked, sid).await,
        Succession::Dropped => Ok(Lesson::Dropped),
        Succession::Full => {
            asked.app.metrics.anonymous_unrecorded();
            Ok(Lesson::Nothing)
        }
    }
}

/// An app that announces an id which is known: alive, it may just say it again; dead, it stays
/// dead whatever the app says.
async fn taken(proxy: &Proxy, asked: &Asked, sid: Sid) -> Result<Lesson, ProxyError> {
    let found = proxy.store.look_up(&[sid]).await?;
    let alive = |record: &Record| {
        record.state == State::Alive && *record.session.app == *asked.app.app.name
    };
    // Only an anonymous session may be announced to a request that did not carry it: whoever
    // gets an authenticated one's id by an answer would be logged in without a login.
    let harmless = found
        .records
        .first()
        .and_then(Option::as_ref)
        .is_some_and(|record| alive(record) && !record.session.is_authenticated());
    Ok(if harmless {
        Lesson::Nothing
    } else {
        Lesson::Dropped
    })
}

async fn rotate(
    proxy: &Proxy,
    asked: &Asked,
    cookies: &AnswerCookies,
    live: &Live,
    sid: Sid,
) -> Result<Lesson, ProxyError> {
    let mut session = (*live.session).clone();
    session.companions = bind::companions(asked, Some(&live.session), cookies);
    session.scopes = bind::scopes(asked, Some(&live.session), cookies);
    let new = successor(asked, sid, Arc::new(session), live.last_active);
    match succession::rotate(&proxy.store, live.sid, new).await? {
        Succession::Alive { .. } => {
            proxy.streams.rename(live.session.lineage, live.sid, sid);
            Ok(Lesson::Rotated)
        }
        Succession::Dropped | Succession::Taken => Ok(Lesson::Dropped),
        Succession::Full => Err(ProxyError::StoreFull),
    }
}

/// The answer sets cookies that accompany an id that stays: they belong to it from now on.
async fn bind_companions(
    proxy: &Proxy,
    asked: &Asked,
    cookies: &AnswerCookies,
    live: &Live,
) -> Result<(), StoreError> {
    let companions = bind::companions(asked, Some(&live.session), cookies);
    let scopes = bind::scopes(asked, Some(&live.session), cookies);
    if companions == live.session.companions && scopes == live.session.scopes {
        return Ok(());
    }
    let session = Session {
        companions,
        scopes,
        ..(*live.session).clone()
    };
    let bound = Bound {
        lineage: live.session.lineage,
        session: Arc::new(session),
        login: None,
    };
    proxy.store.bind(live.sid, bound).await.map(drop)
}

/// `last_active` is the last activity that the new id will have at the least: the sweeper may
/// look too early, never too late.
fn successor(asked: &Asked, sid: Sid, session: Arc<Session>, last_active: Timestamp) -> Successor {
    let policy = &asked.snapshot.config.policy;
    let limits = session.limits(policy, asked.app.app.bounds);
    let authenticated = session.is_authenticated();
    let due = authenticated.then(|| session.earliest_end(&limits, last_active));
    let forget_at = asked.snapshot.config.forget_at(authenticated, asked.now);
    Successor {
        sid,
        session,
        at: asked.now,
        due,
        forget_at,
    }
}

fn login_event(asked: &Asked, session: &Session) -> SessionEvent {
    let limits = session.limits(&asked.snapshot.config.policy, asked.app.app.bounds);
    build::login_event(facts(asked, session, asked.now, &limits))
}

fn facts<'a>(
    asked: &Asked,
    session: &'a Session,
    last_active: Timestamp,
    limits: &'a Limits,
) -> EventFacts<'a> {
    let policy = asked.snapshot.config.policy.version;
    let client = Some(asked.client);
    EventFacts {
        session,
        last_active,
        limits,
        policy,
        at: asked.now,
        client,
    }
}

fn facts_of<'a>(asked: &Asked, live: &'a Live) -> EventFacts<'a> {
    facts(asked, &live.session, live.last_active, &live.limits)
}

/// Ends the session of a request, following its id where a rotation replaced it meanwhile.
async fn end(
    proxy: &Proxy,
    asked: &Asked,
    live: &Live,
    reason: EndReason,
) -> Result<(), StoreError> {
    let authenticated = live.session.is_authenticated();
    let event = authenticated.then(|| Box::new(end_event(facts_of(asked, live), reason)));
    let forget_at = asked.snapshot.config.forget_at(authenticated, asked.now);
    let mut sid = live.sid;
    for _ in 0..SUCCESSORS_MAX {
        let end = End {
            reason,
            at: asked.now,
            if_last_active: None,
            event: event.clone(),
            forget_at,
        };
        match proxy.store.end(sid, end).await? {
            Ended::Now => {
                proxy.ended(&asked.app, &live.session, reason, asked.now);
                return Ok(());
            }
            Ended::Superseded(successor) => sid = successor,
            Ended::Before(_) | Ended::Touched(_) | Ended::Unknown => return Ok(()),
        }
    }
    Ok(())
}
