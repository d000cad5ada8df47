//! The gateway's own answers: refusals, each in the form that its client understands, and errors.
//!
//! All of them are `no-store` and say that the gateway made them.

pub(super) mod login;

use std::time::Duration;

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, RETRY_AFTER, SET_COOKIE,
    WWW_AUTHENTICATE, X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::json;

use crate::config::app::{App, CustomAnswer, Page};
use crate::domain::access::{Client, RequestFacts, Safety};
use crate::domain::decide::Stale;
use crate::domain::session::EndReason;

use super::error::{ProxyError, Told};
use super::page;
use super::upstream::AnswerBody;
use super::way_back::Target;

/// Says that the gateway made this answer, and why.
pub(crate) const MADE_HERE: HeaderName = HeaderName::from_static("curfew-verdict");

/// The query parameter that tells a login page why its visitor is there.
const REASON_PARAMETER: &str = "curfew_reason";

/// A refusal, before it takes the form that its client understands.
pub(crate) struct Refusal<'a> {
    pub(crate) app: &'a App,
    pub(crate) facts: RequestFacts,
    pub(crate) stale: Stale,
    /// Set-Cookie values: those that expire the dead session's cookies, and the way back.
    pub(crate) cookies: Vec<HeaderValue>,
    /// Where a living session's user must prove himself again.
    pub(crate) proof: Option<ProofAsked>,
}

/// What is asked of a user who must prove himself again.
pub(crate) struct ProofAsked {
    /// How old his login may be.
    pub(crate) max_auth_age: Option<Duration>,
    /// Whether his session ended with the request, so that the login page will show its form.
    pub(crate) has_ended: bool,
    /// The page that he opened, or sent something from.
    pub(crate) page: Option<Target>,
}

/// The machine-readable code of a refusal.
pub(crate) fn code(stale: Stale) -> &'static str {
    match stale {
        Stale::NoSession => "session_required",
        Stale::LoginRequired => "login_required",
        Stale::Unknown => "session_unknown",
        Stale::Superseded => "session_superseded",
        Stale::Mixed => "session_mixed",
        Stale::Partial => "session_partial",
        Stale::Foreign => "session_foreign",
        Stale::DeviceChanged => ended_code(EndReason::DeviceChanged),
        Stale::TokenMissing => "session_token_missing",
        Stale::TokenUnknown => "session_token_unknown",
        Stale::LoginTooOld => "reauthentication_required",
        Stale::Ended(reason) => ended_code(reason),
    }
}

/// The machine-readable code of an end.
pub(crate) fn ended_code(reason: EndReason) -> &'static str {
    match reason {
        EndReason::IdleTimeout => "session_idle_timeout",
        EndReason::AbsoluteTimeout => "session_absolute_timeout",
        EndReason::Logout => "session_logout",
        EndReason::Revoked => "session_revoked",
        EndReason::Displaced => "session_displaced",
        EndReason::RoleChanged => "session_role_changed",
        EndReason::DeviceChanged => "session_device_changed",
        EndReason::TokenReuse => "session_token_reuse",
        EndReason::BackChannel => "session_back_channel",
        EndReason::Reauthenticated => "session_reauthenticated",
    }
}

/// What a person is told of a refusal.
fn sentence(stale: Stale) -> &'static str {
    match stale {
        Stale::NoSession | Stale::LoginRequired => "You need to sign in first.",
        Stale::Unknown => "This session is not known here. Please sign in again.",
        Stale::Superseded => "This session was renewed meanwhile. Please try again.",
        Stale::Mixed => "The request carried several sessions. Please sign in again.",
        Stale::Partial | Stale::Foreign | Stale::TokenMissing | Stale::TokenUnknown => {
            "The cookies of this request do not belong together. Please sign in again."
        }
        Stale::DeviceChanged => {
            "This session belongs to another device. Please sign in on this one."
        }
        Stale::LoginTooOld => "This needs a fresh sign-in. Please sign in again.",
        Stale::Ended(reason) => match reason {
            EndReason::IdleTimeout => "Your session ended because you were away for too long.",
            EndReason::AbsoluteTimeout => "Your session reached its longest allowed time.",
            EndReason::Logout => "You have signed out.",
            EndReason::Revoked => "Your session was ended by an administrator.",
            EndReason::Displaced => "A newer session of yours took the place of this one.",
            EndReason::RoleChanged => {
                "Your roles changed, or have to be confirmed. Please sign in again."
            }
            EndReason::DeviceChanged => "Your session moved to another device.",
            EndReason::TokenReuse => "Your session ended because a copy of it was in use.",
            EndReason::BackChannel => "Your identity provider ended your session.",
            EndReason::Reauthenticated => "This session ended for a new sign-in.",
        },
    }
}

/// Answers a request that may not go on.
pub(crate) fn refuse(refusal: Refusal<'_>) -> Response<AnswerBody> {
    let Refusal {
        app,
        facts: RequestFacts { client, safety, .. },
        stale,
        ..
    } = refusal;
    let mut answer = match (custom_for(app, client), client, login_page(app)) {
        (Some(custom), ..) => custom_answer(custom, code(stale), sentence(stale)),
        (None, Client::Navigation, _) if refusal.proof.as_ref().is_some_and(|it| !it.has_ended) => {
            ask(&refusal)
        }
        (None, Client::Navigation, Some(page)) if safety == Safety::Safe => {
            redirect(&with_reason(page, stale))
        }
        (None, Client::Navigation, page) => {
            let unsent = safety == Safety::Unsafe;
            page_answer(stale, page.map(|page| with_reason(page, stale)), unsent)
        }
        (None, Client::Script | Client::Upgrade, page) => problem_answer(&refusal, page),
    };
    mark(&mut answer, code(stale));
    for cookie in refusal.cookies {
        answer.headers_mut().append(SET_COOKIE, cookie);
    }
    answer
}

fn custom_for(app: &App, client: Client) -> Option<&CustomAnswer> {
    match client {
        Client::Navigation => app.refusals.navigation.as_ref(),
        Client::Script | Client::Upgrade => app.refusals.script.as_ref(),
    }
}

/// Answers a request with an error.
pub(crate) fn fail(error: &ProxyError, client: Client) -> Response<AnswerBody> {
    let told = error.told();
    let mut answer = match client {
        Client::Navigation => html(told.status, page::error(told.status, told.sentence)),
        Client::Script | Client::Upgrade => problem(told.status, &problem_json(&told)),
    };
    if let Some(wait) = told.retry_after {
        answer
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
    }
    mark(&mut answer, told.code);
    answer
}

fn problem_json(told: &Told) -> serde_json::Value {
    json!({
        "type": format!("urn:curfew:{}", told.code),
        "title": told.status.canonical_reason().unwrap_or("Error"),
        "status": told.status.as_u16(),
        "detail": told.sentence,
        "code": told.code,
    })
}

fn login_page(app: &App) -> Option<&str> {
    app.logins.iter().find_map(|recipe| match &recipe.page {
        Page::At(page) => Some(page.as_str()),
        Page::Same | Page::None => None,
    })
}

/// The login page, told why; a visitor who merely is not signed in needs no reason.
fn with_reason(page: &str, stale: Stale) -> String {
    if matches!(stale, Stale::NoSession | Stale::LoginRequired) {
        return page.to_owned();
    }
    let separator = if page.contains('?') { '&' } else { '?' };
    format!("{page}{separator}{REASON_PARAMETER}={}", code(stale))
}

fn redirect(to: &str) -> Response<AnswerBody> {
    let mut answer = Response::new(AnswerBody::empty());
    *answer.status_mut() = StatusCode::SEE_OTHER;
    match HeaderValue::from_str(to) {
        Ok(location) => answer.headers_mut().insert(LOCATION, location),
        Err(_) => answer
            .headers_mut()
            .insert(LOCATION, HeaderValue::from_static("/")),
    };
    answer
}

fn page_answer(stale: Stale, login: Option<String>, unsent: bool) -> Response<AnswerBody> {
    let body = page::refused(sentence(stale), login.as_deref(), unsent);
    let mut answer = html(StatusCode::UNAUTHORIZED, body);
    answer
        .headers_mut()
        .insert(WWW_AUTHENTICATE, challenge(code(stale)));
    answer
}

/// Asks whoever opened a page by a link of somebody else's whether he wants to log in again: it
/// ends his session, which no link may do. The page may not be framed, or he could be made to say
/// yes without a word.
fn ask(refusal: &Refusal<'_>) -> Response<AnswerBody> {
    let unsent = refusal.facts.safety == Safety::Unsafe;
    let page = refusal.proof.as_ref().and_then(|asked| asked.page.as_ref());
    let go_on = page
        .filter(|_| !unsent)
        .map(|page| page.as_str().to_owned());
    let mut answer = page_answer(refusal.stale, go_on, unsent);
    let headers = answer.headers_mut();
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("frame-ancestors 'none'"),
    );
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    answer
}

/// 401 with a problem document (RFC 9457).
fn problem_answer(refusal: &Refusal<'_>, login: Option<&str>) -> Response<AnswerBody> {
    let Refusal {
        app, stale, proof, ..
    } = refusal;
    let (stale, code) = (*stale, code(*stale));
    let max_auth_age = proof.as_ref().and_then(|asked| asked.max_auth_age);
    let mut document = json!({
        "type": format!("urn:curfew:{code}"),
        "title": "Sign-in required",
        "status": 401,
        "detail": sentence(stale),
        "code": code,
        "app": &*app.name,
    });
    if let Some(login) = login {
        document["login"] = login.into();
    }
    if let Some(age) = max_auth_age {
        document["max_age"] = age.as_secs().into();
    }
    let mut answer = problem(StatusCode::UNAUTHORIZED, &document);
    let challenge = match proof {
        Some(_) => stepped_up(max_auth_age),
        None => challenge(code),
    };
    answer.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    answer
}

/// A challenge to authenticate anew (RFC 9470, 3), in seconds. No browser asks for a `Bearer`.
fn stepped_up(max_age: Option<Duration>) -> HeaderValue {
    let error = "Bearer error=\"insufficient_user_authentication\"";
    let challenge = match max_age {
        Some(age) => format!("{error}, max_age={}", age.as_secs()),
        None => error.to_owned(),
    };
    HeaderValue::from_str(&challenge).unwrap_or(HeaderValue::from_static("Bearer"))
}

/// A challenge that makes no browser ask for a password: no browser knows the scheme, and
/// RFC 9110, 15.5.2 wants one in every 401.
fn challenge(code: &str) -> HeaderValue {
    HeaderValue::from_str(&format!("Curfew error=\"{code}\""))
        .unwrap_or(HeaderValue::from_static("Curfew"))
}

fn custom_answer(custom: &CustomAnswer, code: &str, sentence: &str) -> Response<AnswerBody> {
    let body = custom
        .body
        .replace("{code}", code)
        .replace("{detail}", sentence);
    let mut answer = Response::new(AnswerBody::whole(body));
    *answer.status_mut() = custom.status;
    for (name, value) in &custom.headers {
        answer.headers_mut().append(name, value.clone());
    }
    answer
}

fn html(status: StatusCode, body: String) -> Response<AnswerBody> {
    let mut answer = Response::new(AnswerBody::whole(body));
    *answer.status_mut() = status;
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

fn problem(status: StatusCode, document: &serde_json::Value) -> Response<AnswerBody> {
    let mut answer = Response::new(AnswerBody::whole(document.to_string()));
    *answer.status_mut() = status;
    let kind = HeaderValue::from_static("application/problem+json");
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

fn mark(answer: &mut Response<AnswerBody>, code: &str) {
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(value) = HeaderValue::from_str(&format!("refuse; code={code}")) {
        headers.insert(MADE_HERE, value);
    }
}
