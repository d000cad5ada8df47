//! Set-Cookie: read as a browser reads it, and expired at the very place where it was set.

use std::collections::BTreeMap;
use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, header};

use crate::proxy::answer_cookies::AnswerCookies;
use crate::proxy::head::forwarded::Scheme;
use crate::proxy::set_cookie::{SetCookie, expire, parse};

const NAMES: [&str; 2] = ["SID", "SIG"];

/// What was asked for, and the Path that cookies without one get.
const REQUEST_PATH: &str = "/app/login";
const DEFAULT_PATH: &str = "/app";

/// Each line is a Set-Cookie of one answer.
pub fn set_cookie(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Ok(header) = HeaderValue::from_bytes(line) else {
            return;
        };
        let read = parse(&header, SystemTime::UNIX_EPOCH);
        is_as_browsers_read(line, read.as_ref());
        if let Some(cookie) = read {
            is_expired_where_it_is(&cookie);
        }
        headers.append(header::SET_COOKIE, header);
    }
    leaves_what_a_browser_has(&headers);
}

/// One cookie by RFC 6265, 5.2; `Expires` is another test's.
#[derive(Default)]
struct Browser {
    name: Vec<u8>,
    value: Vec<u8>,
    path: Option<Vec<u8>>,
    domain: Option<Vec<u8>>,
    lives: Option<bool>,
    has_expires: bool,
}

fn browser(line: &[u8]) -> Option<Browser> {
    let mut parts = line.split(|byte| *byte == b';');
    let pair = parts.next()?;
    let at = pair.iter().position(|byte| *byte == b'=')?;
    let mut cookie = Browser {
        name: pair[..at].trim_ascii().to_vec(),
        value: pair[at + 1..].trim_ascii().to_vec(),
        ..Browser::default()
    };
    for part in parts {
        let at = part.iter().position(|byte| *byte == b'=');
        let name = part[..at.unwrap_or(part.len())]
            .trim_ascii()
            .to_ascii_lowercase();
        let value = at.map_or(&b""[..], |at| part[at + 1..].trim_ascii());
        match &name[..] {
            b"path" => cookie.path = value.starts_with(b"/").then(|| value.to_vec()),
            b"domain" => {
                let domain = value.strip_prefix(b".").unwrap_or(value);
                cookie.domain = (!domain.is_empty()).then(|| domain.to_vec());
            }
            b"max-age" => cookie.lives = outlives(value).or(cookie.lives),
            b"expires" => cookie.has_expires = true,
            _ => {}
        }
    }
    (!cookie.name.is_empty()).then_some(cookie)
}

/// None where it is no number and ignored.
fn outlives(max_age: &[u8]) -> Option<bool> {
    let (first, rest) = max_age.split_first()?;
    let is_number = rest.iter().all(u8::is_ascii_digit)
        && (first.is_ascii_digit() || (*first == b'-' && !rest.is_empty()));
    let is_zero = max_age.iter().all(|digit| *digit == b'0');
    is_number.then_some(*first != b'-' && !is_zero)
}

fn is_as_browsers_read(line: &[u8], read: Option<&SetCookie<'_>>) {
    let browser = browser(line);
    let Some(read) = read else {
        assert!(browser.is_none_or(|cookie| str::from_utf8(&cookie.name).is_err()));
        return;
    };
    let cookie = browser.expect("what no browser takes for a cookie is none");
    assert_eq!(read.name.as_bytes(), cookie.name);
    let inner = cookie
        .value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""));
    assert_eq!(read.value.as_bytes(), inner.unwrap_or(&cookie.value));
    let text = |bytes: &Option<Vec<u8>>| {
        bytes
            .as_deref()
            .and_then(|bytes| str::from_utf8(bytes).ok().map(str::to_owned))
    };
    assert_eq!(read.path.map(str::to_owned), text(&cookie.path));
    assert_eq!(read.domain.map(str::to_owned), text(&cookie.domain));
    if !cookie.has_expires || cookie.lives.is_some() {
        let lives = cookie.lives.unwrap_or(true) && !read.value.as_bytes().is_empty();
        assert_eq!(read.deletes, !lives);
    }
}

/// Our own Set-Cookie names the same cookie of a browser, and it is gone afterwards.
fn is_expired_where_it_is(cookie: &SetCookie<'_>) {
    let path = cookie.path.unwrap_or(DEFAULT_PATH);
    let Some(expired) = expire(cookie.name, path, cookie.domain, Scheme::Https) else {
        return;
    };
    let read = parse(&expired, SystemTime::UNIX_EPOCH).expect("it is a cookie");
    assert!(read.deletes);
    assert_eq!(read.name, cookie.name);
    // A browser takes a `__Host-` cookie at `/` of the very host alone; whatever else was said.
    let is_host_only = cookie.name.to_ascii_lowercase().starts_with("__host-");
    if !is_host_only {
        assert_eq!(read.path, Some(path));
    }
    let could_be_a_host = |domain: &&str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
        !domain.starts_with('.') && domain.bytes().all(plain)
    };
    if !is_host_only && cookie.domain.is_none_or(|domain| could_be_a_host(&domain)) {
        assert_eq!(read.domain, cookie.domain);
    }
}

/// A jar that took all cookies in their order has what the answer is said to have set.
fn leaves_what_a_browser_has(headers: &HeaderMap) {
    let names = NAMES.map(str::to_owned);
    let cookies = AnswerCookies::read(headers, &names, REQUEST_PATH, || SystemTime::UNIX_EPOCH);
    let mut jar: BTreeMap<_, (usize, bool, Vec<u8>)> = BTreeMap::new();
    for (index, header) in headers.get_all(header::SET_COOKIE).iter().enumerate() {
        let Some(cookie) = parse(header, SystemTime::UNIX_EPOCH) else {
            continue;
        };
        let place = (
            cookie.name.to_owned(),
            cookie.path.unwrap_or(DEFAULT_PATH).to_owned(),
            cookie.domain.map(str::to_ascii_lowercase),
        );
        jar.insert(
            place,
            (index, cookie.deletes, cookie.value.as_bytes().to_vec()),
        );
    }
    for name in NAMES {
        let of_name = || jar.iter().filter(|((known, ..), _)| known == name);
        let living = of_name().filter(|(_, (_, deletes, _))| !deletes);
        let last = living.max_by_key(|(_, (index, ..))| *index);
        let value = last.map(|(_, (_, _, value))| value.as_slice());
        assert_eq!(cookies.value_of(name), value, "{name} of {headers:?}");
        let deletes = value.is_none() && of_name().next().is_some();
        assert_eq!(cookies.deletes(name), deletes, "{name} of {headers:?}");
    }
    let is_touched = jar.keys().any(|(name, ..)| NAMES.contains(&name.as_str()));
    assert_eq!(cookies.is_empty(), !is_touched);
}
