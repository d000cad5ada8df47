//! The way back: where somebody was who is sent to log in again.
//!
//! A cookie holds it, sealed, so that nobody can lead others anywhere: a path of this host, for a
//! request that changes nothing, good for one login of the same user. It also tells which lineage
//! has to log in again, so that its app shows the login form and not its user's pages.

use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Uri};

use crate::config::app::App;
use crate::domain::access::{Access, Client, RequestFacts, Safety};
use crate::domain::decide::{Stale, Verdict};
use crate::domain::identity::{Fingerprint, Keyring, Lineage, NONCE_BYTES};
use crate::domain::session::{EndReason, Session};
use crate::domain::time::Timestamp;
use crate::routing;
use crate::routing::client::own_page;
use crate::routing::path::normalise;

use super::carriers::{self, Strip};
use super::cookies;
use super::head::forwarded::Scheme;

/// How long somebody may take to log in again.
const LIFE: Duration = Duration::from_secs(10 * 60);

/// Bytes of a target that is kept. With all around it a cookie stays below the 4096 bytes that
/// browsers keep (RFC 6265, 6.1).
const TARGET_MAX: usize = 1024;

/// Over TLS: no other host of the domain can set it.
const SECURE_NAME: &str = "__Host-curfew-way-back";
/// Over plain HTTP, where browsers refuse the prefix.
const PLAIN_NAME: &str = "curfew-way-back";

/// The version of what is sealed.
const VERSION: u8 = 1;

/// A path of this host, with its query: whatever reads it as a Location stays on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target(String);

impl Target {
    /// Neither `//` in its path nor `\` anywhere, which could name another host; nothing that a
    /// header could not hold.
    fn new(target: &str) -> Option<Self> {
        let path = target.split('?').next().unwrap_or_default();
        let is_safe = path.starts_with('/')
            && !path.contains("//")
            && target.len() <= TARGET_MAX
            && target
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        is_safe.then(|| Self(target.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the cookie tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WayBack {
    /// Which has to log in again.
    pub(crate) lineage: Lineage,
    /// Whose it is, where a login told: the page of one user is nothing for the next.
    user: Option<Fingerprint>,
    until: Timestamp,
    /// Where he was; none where that is no page, or nobody is led back.
    target: Option<Target>,
}

impl WayBack {
    /// The way back of a session's user, from now on.
    pub(crate) fn new(
        session: &Session,
        target: Option<Target>,
        app: &App,
        keys: &Keyring,
        now: Timestamp,
    ) -> Self {
        Self {
            lineage: session.lineage,
            user: fingerprint(session, app, keys),
            until: now.plus(LIFE),
            target: target.filter(|_| app.way_back),
        }
    }

    /// The Set-Cookie that tells it.
    pub(crate) fn to_cookie(
        &self,
        scheme: Scheme,
        app: &App,
        keys: &Keyring,
        nonce: [u8; NONCE_BYTES],
    ) -> Option<HeaderValue> {
        let sealed = keys.seal(&context(app), nonce, &self.to_bytes());
        let secure = match scheme {
            Scheme::Https => "; Secure",
            Scheme::Http => "",
        };
        let cookie = format!(
            "{}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{secure}",
            name(scheme),
            hex(&sealed),
            LIFE.as_secs()
        );
        HeaderValue::try_from(cookie).ok()
    }

    fn to_bytes(&self) -> Vec<u8> {
        let target = self.target.as_ref().map_or("", Target::as_str);
        let user = self.user.as_ref().map(Fingerprint::as_bytes);
        let mut bytes = vec![VERSION, u8::from(user.is_some())];
        bytes.extend_from_slice(&self.until.as_millis().to_be_bytes());
        bytes.extend_from_slice(self.lineage.as_bytes());
        bytes.extend_from_slice(user.unwrap_or(&[0; 16]));
        bytes.extend_from_slice(target.as_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let ([version, knows_user], rest) = bytes.split_first_chunk()?;
        let (until, rest) = rest.split_first_chunk()?;
        let (lineage, rest) = rest.split_first_chunk()?;
        let (user, target) = rest.split_first_chunk()?;
        (*version == VERSION).then(|| Self {
            lineage: Lineage::from_bytes(*lineage),
            user: (*knows_user == 1).then(|| Fingerprint::from_bytes(*user)),
            until: Timestamp::from_millis(u64::from_be_bytes(*until)),
            target: str::from_utf8(target).ok().and_then(Target::new),
        })
    }

    /// What a request's cookie tells, where it is one of this app, and not over.
    pub(crate) fn of_request(
        headers: &HeaderMap,
        scheme: Scheme,
        app: &App,
        keys: &Keyring,
        now: Timestamp,
    ) -> Option<Self> {
        let mut sealed =
            cookies::pairs(headers).filter(|pair| pair.name() == name(scheme).as_bytes());
        // Of several, somebody else set one.
        let (Some(one), None) = (sealed.next(), sealed.next()) else {
            return None;
        };
        let bytes = keys.open(&context(app), &from_hex(one.value())?)?;
        Self::from_bytes(&bytes).filter(|told| now < told.until)
    }

    /// Where a login leads that began this session. Where no login tells a user, only a request that
    /// still has an id of the lineage is known to be his: everybody else is nobody too.
    pub(crate) fn target_for(
        &self,
        session: &Session,
        app: &App,
        keys: &Keyring,
        carried: bool,
    ) -> Option<&Target> {
        let is_his = match (self.user, fingerprint(session, app, keys)) {
            (None, None) => carried,
            (told, found) => told == found,
        };
        self.target.as_ref().filter(|_| is_his && app.way_back)
    }
}

/// What the cookie is called.
pub(crate) fn name(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Https => SECURE_NAME,
        Scheme::Http => PLAIN_NAME,
    }
}

/// What one app sealed is nothing to another on the same host.
fn context(app: &App) -> Vec<u8> {
    [b"way back, app ", app.name.as_bytes()].concat()
}

fn fingerprint(session: &Session, app: &App, keys: &Keyring) -> Option<Fingerprint> {
    let user = session.user()?.as_str();
    Some(keys.fingerprint(&app.namespace, "way back of", user.as_bytes()))
}

/// Takes the cookie out of a request: it is nothing for an app.
pub(crate) fn take_out(headers: &mut HeaderMap, app: &App) {
    if app.may_send_to_login() {
        carriers::strip_cookies(headers, |pair| {
            [SECURE_NAME, PLAIN_NAME]
                .iter()
                .any(|name| pair.name() == name.as_bytes())
        });
    }
}

/// Whether who is refused, or stripped, is told the way back.
pub(crate) fn is_told(app: &App, facts: RequestFacts, verdict: Verdict) -> bool {
    let (Verdict::Refuse(stale) | Verdict::Strip(stale)) = verdict else {
        return false;
    };
    let opens_page = facts.client == Client::Navigation && facts.safety == Safety::Safe;
    facts.access != Access::Public
        && match stale {
            stale if stale.needs_proof() => true,
            Stale::Ended(EndReason::RoleChanged) => app.way_back,
            // The second of two requests, of which the first ended it.
            Stale::Ended(EndReason::Reauthenticated) => app.way_back && opens_page,
            _ => false,
        }
}

/// Where the user is who makes a request: at the page that he opens; otherwise at the page from
/// which he sends, since nothing is ever sent twice for him.
pub(crate) fn target(app: &App, facts: RequestFacts, parts: &Parts) -> Option<Target> {
    let opens_page = facts.client == Client::Navigation && facts.safety == Safety::Safe;
    let page = match opens_page {
        true => parts.uri.clone(),
        false => own_page(parts)?,
    };
    let target = page.path_and_query()?.as_str().parse::<Uri>().ok()?;
    let (mut page, ()) = Request::get(target).body(()).ok()?.into_parts();
    let path = normalise(page.uri.path()).ok()?;
    let routed = routing::route(app, &page, &path, Client::Navigation);
    if !routing::is_below(&app.prefix, path.as_str()) || routed.changes_session() {
        return None;
    }
    // An id in it would be the dead one.
    carriers::strip(&mut page, &app.shape, Strip::Session);
    Target::new(page.uri.path_and_query()?.as_str())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(nibble.into(), 16).unwrap_or('0'));
        }
        text
    })
}

fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).map(|digit| digit as u8);
    let (pairs, rest) = text.as_chunks::<2>();
    let bytes = pairs
        .iter()
        .map(|[high, low]| Some((digit(high)? << 4) | digit(low)?));
    rest.is_empty().then(|| bytes.collect()).flatten()
}

#[cfg(test)]
mod tests;
