//! What an answer teaches: a new id, a login, a rotation, a logout.
//!
//! It is written before the client gets the answer, so that the request after it finds it.

mod end;
mod id;
pub(crate) mod lesson;
mod login;

use crate::config::app::LoginRecipe;
use crate::domain::decide::Live;
use crate::domain::identity::Sid;
use crate::domain::session::EndReason;
use crate::telemetry::metrics::LoginOutcome;

use super::Proxy;
use super::error::ProxyError;
use super::extracted::Extracted;
use super::recipe::{AnswerView, Told};
use end::end;
use lesson::{AnswerHead, Asked, Lesson};

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
            .find_map(|source| match view.find_in(source) {
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
