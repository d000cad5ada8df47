//! Carriers: if all ids that a request presents are alive, no server finds another one in it; after a
//! strip none finds any, and whatever was not the session's is still there, byte by byte.

use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, header};

use crate::config::carrier::{AuthorizationRule, SessionShape};
use crate::proxy::carriers::{Presented, Strip, presented, strip};
use crate::routing::names;

use super::readers::{credentials, found, found_in_target};

/// The only value that is alive. Whatever else is found is somebody's dead id.
const ALIVE: &[u8] = b"LIVE";

/// Cookies whose values matter: an id, one of its group, one that logs in by itself.
const COOKIES: [&str; 3] = ["my_sid", "ROUTE", "remember-me"];

fn shape(carriers: &[&str]) -> SessionShape {
    let carriers = carriers.iter().map(|carrier| carrier.parse());
    SessionShape {
        carriers: carriers
            .collect::<Result<_, _>>()
            .expect("they are carriers"),
        group: vec![COOKIES[1].to_owned()],
        auth_cookies: vec![COOKIES[2].to_owned()],
        authorization: AuthorizationRule::Strip,
    }
}

fn request(target: &str, name: &HeaderName, values: &[&[u8]]) -> Option<Parts> {
    let (mut parts, ()) = Request::get(target).body(()).ok()?.into_parts();
    for value in values {
        parts
            .headers
            .append(name, HeaderValue::from_bytes(value).ok()?);
    }
    Some(parts)
}

fn values(parts: &Parts, name: &HeaderName) -> Vec<Vec<u8>> {
    let values = parts.headers.get_all(name).iter();
    values.map(|value| value.as_bytes().to_vec()).collect()
}

fn all_alive(presented: &Presented) -> bool {
    let companions = presented.group.iter().chain(&presented.auth_cookies);
    presented.ids.iter().all(|id| id.as_bytes() == ALIVE)
        && companions
            .into_iter()
            .all(|companion| &*companion.value == ALIVE)
}

/// Each line is a Cookie header.
pub fn cookies(bytes: &[u8]) {
    let headers: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let Some(mut parts) = request("/", &header::COOKIE, &headers) else {
        return;
    };
    let shape = shape(&["cookie:my_sid"]);
    let sent = values(&parts, &header::COOKIE);
    if let Ok(presented) = presented(&parts, &shape)
        && all_alive(&presented)
    {
        let is_empty = presented == Presented::default();
        for (reader, value) in COOKIES.iter().flat_map(|name| found(&sent, name)) {
            assert!(
                !is_empty && value == ALIVE,
                "{reader} finds {value:?} in {sent:?}"
            );
        }
    }
    strip(&mut parts, &shape, Strip::Session);
    let left = values(&parts, &header::COOKIE);
    for name in COOKIES {
        assert_eq!(found(&left, name), [], "in {left:?}, once {sent:?}");
    }
    assert_eq!(
        presented(&parts, &shape),
        Ok(Presented::default()),
        "{left:?}"
    );
    only_taken_out(&sent, &left);
}

/// What is left are headers that were sent, in their order, with nothing but pairs of ours missing.
fn only_taken_out(sent: &[Vec<u8>], left: &[Vec<u8>]) {
    let mut left_headers = left.iter().peekable();
    for header in sent {
        let is_left = left_headers
            .next_if(|kept| is_left_of(header, kept))
            .is_some();
        let may_go = !pairs(header).any(is_plainly_foreign);
        assert!(is_left || may_go, "of {sent:?} became {left:?}");
    }
    assert_eq!(left_headers.next(), None, "of {sent:?} became {left:?}");
}

/// Whether `kept` is the header without some pairs that could be ours.
fn is_left_of(header: &[u8], kept: &[u8]) -> bool {
    let mut kept_pairs = pairs(kept).peekable();
    let stays = pairs(header).all(|pair| {
        // The pair that comes to the front leaves the blanks of its separator behind.
        let is_left = kept_pairs
            .next_if(|kept| *kept == pair || *kept == pair.trim_ascii_start())
            .is_some();
        is_left || !(is_plainly_foreign(pair) || pair.trim_ascii().is_empty())
    });
    stays && kept_pairs.next().is_none()
}

fn pairs(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    header.split(|byte| *byte == b';')
}

/// Whether every reader must take it for a cookie of another name.
fn is_plainly_foreign(pair: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"=-_".contains(byte);
    let pair = pair.trim_ascii();
    let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
    let is_ours = |ours: &&str| ours.as_bytes().eq_ignore_ascii_case(name);
    !name.is_empty() && pair.iter().all(plain) && !COOKIES.iter().any(is_ours)
}

/// A request target with ids in path parameters and in the query.
pub fn target(bytes: &[u8]) {
    let Ok(sent) = str::from_utf8(bytes) else {
        return;
    };
    let Some(mut parts) = request(sent, &header::COOKIE, &[]) else {
        return;
    };
    if !sent.starts_with('/') || sent.contains('#') {
        return;
    }
    let shape = shape(&["path:sid", "query:sid"]);
    let Ok(found) = presented(&parts, &shape) else {
        return;
    };
    if all_alive(&found) {
        for value in found_in_target(sent) {
            assert!(
                value.as_bytes() == ALIVE,
                "a server finds {value:?} in {sent:?}"
            );
        }
    }
    strip(&mut parts, &shape, Strip::Session);
    let left = parts.uri.to_string();
    assert_eq!(
        found_in_target(&left),
        [""; 0],
        "in {left:?}, once {sent:?}"
    );
    let again = presented(&parts, &shape);
    assert_eq!(again, Ok(Presented::default()), "{left:?}, once {sent:?}");
    let mut sent_bytes = sent.bytes();
    assert!(
        left.bytes().all(|kept| sent_bytes.any(|byte| byte == kept)),
        "{left:?}, once {sent:?}"
    );
    let has_ours = |text: &str| names::reads_as(text.as_bytes(), "sid");
    if !sent.split(['/', ';', '&', '=', '?', '%']).any(has_ours) && !sent.contains('%') {
        assert_eq!(left, sent);
    }
}

/// Each line is an Authorization header.
pub fn authorization(bytes: &[u8]) {
    let headers: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let Some(mut parts) = request("/", &header::AUTHORIZATION, &headers) else {
        return;
    };
    let mut shape = shape(&["authorization:Token"]);
    let sent = values(&parts, &header::AUTHORIZATION);
    let found: Vec<String> = sent
        .iter()
        .flat_map(|header| credentials_in(header))
        .collect();
    if presented(&parts, &shape).is_ok_and(|presented| all_alive(&presented)) {
        assert!(
            found.iter().all(|value| value.as_bytes() == ALIVE),
            "{found:?} in {sent:?}"
        );
    }
    shape.authorization = AuthorizationRule::Pass;
    strip(&mut parts, &shape, Strip::Session);
    let left = values(&parts, &header::AUTHORIZATION);
    assert!(
        left.iter().all(|header| credentials_in(header).is_empty()),
        "{left:?}"
    );
    assert_eq!(
        presented(&parts, &shape),
        Ok(Presented::default()),
        "{left:?}"
    );
    let mut sent = sent.iter();
    assert!(
        left.iter().all(|kept| sent.any(|header| header == kept)),
        "{left:?}"
    );
    shape.authorization = AuthorizationRule::Strip;
    strip(&mut parts, &shape, Strip::Session);
    assert!(!parts.headers.contains_key(header::AUTHORIZATION));
}

/// What a server finds that takes bytes for UTF-8, or for Latin-1.
fn credentials_in(header: &[u8]) -> Vec<String> {
    let latin_1: String = header.iter().map(|byte| char::from(*byte)).collect();
    let mut found = credentials(&String::from_utf8_lossy(header));
    found.extend(credentials(&latin_1));
    found
}
