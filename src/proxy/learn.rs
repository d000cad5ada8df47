//! What an answer teaches: a new id, a login, a rotation, a logout.
//!
//! It is written before the client gets the answer, so that the request after it finds it.

mod id;
mod login;

use std::net::IpAddr;
use std::sync::Arc;

use http::{Uri, response};
use serde_json::Value;

use crate::config::app::{App, LoginRecipe};
use crate::domain::decide::Live;
use crate::domain::identity::Sid;
use crate::domain::limits::Limits;
use crate::domain::session::{EndReason, Session};
use crate::domain::time::Timestamp;
use crate::store::StoreError;
use crate::store::event::build::EventFacts;
use crate::store::op::End;
use crate::telemetry::metrics::LoginOutcome;

use super::Proxy;
use super::answer_cookies::AnswerCookies;
use super::error::ProxyError;
use super::recipe::{AnswerView, Attempt, Extracted, Told};
use super::route::Routed;
use super::snapshot::{AppRuntime, Snapshot};
use super::succession;

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
    /// What was asked for.
    pub(crate) asked_uri: Uri,
}

impl AnswerHead {
    /// Whether it can teach anything: most answers cannot.
    pub(crate) fn may_teach(&self, app: &App, routed: &Routed, attempt: Option<&Attempt>) -> bool {
        attempt.is_some()
            || routed.logout.is_some()
            || !app.issued.is_empty()
            || !self.cookies.is_empty()
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
        asked_uri,
    } = head;
    asked
        .app
        .saw_scopes(cookies.scopes(|name| asked.app.owns_cookie(name)));
    let view = AnswerView {
        parts,
        cookies,
        asked_path: asked_uri.path(),
        json: json.as_ref(),
    };
    let issued = issued(asked, &view);
    if let Some(login) = succeeded(asked, &view, issued) {
        return login::log_in(proxy, asked, &view, issued, login).await;
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
        (Some(sid), None) => return id::found(proxy, asked, cookies, sid).await,
        (Some(sid), Some(live)) if sid != live.sid => {
            return id::rotate(proxy, asked, cookies, live, sid).await;
        }
        (_, Some(live)) => id::bind_companions(proxy, asked, cookies, live).await?,
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
    let keys = &asked.snapshot.config.keys;
    // An id that was recorded under an older key is no new one because it is said again.
    let sid = |value: &[u8]| {
        let known = asked.live.as_ref().map(|live| live.sid);
        let mut sids = keys.sids(&app.namespace, &app.slot, value);
        let first = sids.next()?;
        let again = known.filter(|known| *known == first || sids.any(|sid| sid == *known));
        Some(again.unwrap_or(first))
    };
    let cookie = asked
        .app
        .id_cookie()
        .and_then(|name| view.cookies.value_of(name));
    cookie.and_then(sid).or_else(|| {
        app.issued
            .iter()
            .find_map(|extractor| match view.find(extractor) {
                Extracted::Values(values) if values.len() == 1 => sid(values[0].as_bytes()),
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

fn facts<'a>(
    asked: &'a Asked,
    session: &'a Session,
    last_active: Timestamp,
    limits: &'a Limits,
) -> EventFacts<'a> {
    let policy = &asked.snapshot.config.policy;
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

fn facts_of<'a>(asked: &'a Asked, live: &'a Live) -> EventFacts<'a> {
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
    let forget_at = asked.snapshot.config.forget_at(authenticated, asked.now);
    let end = End::of(facts_of(asked, live), reason, forget_at);
    succession::end_from(proxy, &asked.app, &live.session, live.sid, end).await
}
