//! The companion token in an answer: handed out to the client, taken from it, and never the app's.

use http::header::{CACHE_CONTROL, InvalidHeaderValue, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode, response};

use crate::clock;
use crate::config::token::TokenCarrier;
use crate::domain::identity::TokenValue;
use crate::domain::session::Session;
use crate::routing::client::tokens;
use crate::telemetry::metrics::TokenLabel;

use super::Proxy;
use super::exchange::Exchange;
use super::head::forwarded::Scheme;
use super::learn::lesson::Lesson;
use super::set_cookie;
use super::snapshot::AppRuntime;
use super::token::cookie_name;

/// What caches for everybody obey in place of Cache-Control (RFC 9213; Edge Architecture
/// Specification 1.0).
const OVER_CACHE_CONTROL: [&str; 2] = ["cdn-cache-control", "surrogate-control"];

/// Gives the client of an answer the value that it is to have from now on: the first one of a login,
/// or the next one where this exchange may hand it out.
pub(super) fn hand_out(
    proxy: &Proxy,
    exchange: &Exchange,
    app: &AppRuntime,
    live: Option<&Session>,
    lesson: &Lesson,
    answer: &mut response::Parts,
) {
    let (Some(carrier), Some(presented)) = (&app.app.token, &exchange.token) else {
        return;
    };
    withhold(app, &mut answer.headers);
    if *lesson == Lesson::LoggedOut {
        answer
            .headers
            .extend(expired(exchange, app).map(|gone| (SET_COOKIE, gone)));
        return;
    }
    let may_carry = || may_carry(proxy, exchange, carrier, answer);
    let (session, number) = match (lesson.login(), live, presented.offered) {
        (Some(session), ..) => (&**session, None),
        (None, Some(session), offered @ Some(_)) if may_carry() => (session, offered),
        _ => return,
    };
    let Some(token) = session.token else { return };
    let number = number.unwrap_or(token.number);
    let keys = &exchange.snapshot.config.keys;
    let value = keys.token_value(token.seed, session.lineage, number);
    let by_header = carrier.header.as_ref();
    let by_header = by_header.filter(|_| presented.is_answered_by_header());
    let (name, value) = match by_header {
        Some(name) => (name.clone(), HeaderValue::try_from(value.reveal())),
        None => (SET_COOKIE, cookie(carrier, exchange.origin.scheme, &value)),
    };
    if let Ok(mut value) = value {
        value.set_sensitive(true);
        answer.headers.append(name, value);
        // Kept and answered again, it would bring back a value that was replaced meanwhile.
        answer
            .headers
            .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        for over in OVER_CACHE_CONTROL {
            answer.headers.remove(over);
        }
    }
}

/// Takes what the app says of the token out of its answer: it knows nothing of it, so the names met
/// by accident.
pub(super) fn withhold(app: &AppRuntime, headers: &mut HeaderMap) {
    let Some(carrier) = &app.app.token else {
        return;
    };
    let now = clock::wall();
    let is_ours = |value: &HeaderValue| {
        let own = [&carrier.plain, &carrier.secured];
        set_cookie::parse(value, now)
            .is_some_and(|cookie| own.iter().any(|own| own.eq_ignore_ascii_case(cookie.name)))
    };
    let told = |name| headers.contains_key(name);
    let collides = headers.get_all(SET_COOKIE).iter().any(is_ours)
        || carrier.header.as_ref().is_some_and(told);
    if !collides {
        return;
    }
    app.metrics.token(TokenLabel::Withheld);
    let cookies: Vec<_> = headers.get_all(SET_COOKIE).iter().cloned().collect();
    headers.remove(SET_COOKIE);
    for cookie in cookies.into_iter().filter(|cookie| !is_ours(cookie)) {
        headers.append(SET_COOKIE, cookie);
    }
    if let Some(name) = &carrier.header {
        headers.remove(name);
    }
}

/// A Set-Cookie that takes the token from the client of a session that is over.
pub(super) fn expired(exchange: &Exchange, app: &AppRuntime) -> Option<HeaderValue> {
    let carrier = app.app.token.as_ref()?;
    let scheme = exchange.origin.scheme;
    set_cookie::expire(cookie_name(carrier, scheme), "/", None, scheme)
}

/// Whether an answer may bring the next value. One that comes late could put it in the place of a
/// later one, one that others may keep would give it to them, and one that only confirms what a
/// cache holds is no place for `no-store`. What is not brought is handed out again.
fn may_carry(
    proxy: &Proxy,
    exchange: &Exchange,
    carrier: &TokenCarrier,
    answer: &response::Parts,
) -> bool {
    let told_apart = OVER_CACHE_CONTROL
        .into_iter()
        .any(|over| answer.headers.contains_key(over));
    let is_shared = told_apart
        || tokens(&answer.headers, &CACHE_CONTROL).any(|directive| {
            let name = directive.split(|byte| *byte == b'=').next();
            let name = name.unwrap_or_default().trim_ascii();
            let shared: [&[u8]; 3] = [b"public", b"s-maxage", b"immutable"];
            shared
                .iter()
                .any(|shared| name.eq_ignore_ascii_case(shared))
        });
    let took = proxy.clock.now().since(exchange.now);
    !is_shared && answer.status != StatusCode::NOT_MODIFIED && took < carrier.renewal.overlap
}

fn cookie(
    carrier: &TokenCarrier,
    scheme: Scheme,
    value: &TokenValue,
) -> Result<HeaderValue, InvalidHeaderValue> {
    let name = cookie_name(carrier, scheme);
    let secure = match scheme {
        Scheme::Https => "; Secure",
        Scheme::Http => "",
    };
    let value = value.reveal();
    HeaderValue::try_from(format!(
        "{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}"
    ))
}
