//! Cookies that an app sets, and cookies that the gateway expires.
//!
//! Read as a browser reads them (RFC 6265 section 5.2): attributes in any case, the last one of a kind
//! wins, `Max-Age` wins over `Expires`, an attribute that makes no sense is as good as absent.

use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, header::SET_COOKIE};

use super::cookies::canonical;
use super::head::forwarded::Scheme;

mod date;

/// One `Set-Cookie` of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SetCookie<'a> {
    pub(crate) name: &'a str,
    /// In canonical form.
    pub(crate) value: CookieValue<'a>,
    /// As written; `None` means the directory of the request's path.
    pub(crate) path: Option<&'a str>,
    /// As written but for a leading dot; `None` means the very host.
    pub(crate) domain: Option<&'a str>,
    /// Whether the browser has no such cookie afterwards.
    pub(crate) deletes: bool,
}

/// The value of a cookie. It shows itself to nobody.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct CookieValue<'a>(&'a [u8]);

impl<'a> CookieValue<'a> {
    pub(crate) fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

impl std::fmt::Debug for CookieValue<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CookieValue(redacted)")
    }
}

/// What `header` sets at `now`; `None` if it is no cookie.
pub(crate) fn parse(header: &HeaderValue, now: SystemTime) -> Option<SetCookie<'_>> {
    let mut parts = header.as_bytes().split(|byte| *byte == b';');
    let (name, value) = split(parts.next()?)?;
    let name = text(name).filter(|name| !name.is_empty())?;
    let value = CookieValue(canonical(value));
    let (mut path, mut domain, mut max_age, mut expires) = (None, None, None, None);
    for part in parts {
        let (attribute, given) = split(part).unwrap_or((part.trim_ascii(), b""));
        if attribute.eq_ignore_ascii_case(b"path") {
            path = text(given).filter(|path| path.starts_with('/'));
        } else if attribute.eq_ignore_ascii_case(b"domain") {
            domain = text(given)
                .map(|domain| domain.strip_prefix('.').unwrap_or(domain))
                .filter(|domain| !domain.is_empty());
        } else if attribute.eq_ignore_ascii_case(b"max-age") {
            max_age = text(given).and_then(outlives).or(max_age);
        } else if attribute.eq_ignore_ascii_case(b"expires") {
            expires = date::parse(given).map(|instant| instant > now).or(expires);
        }
    }
    let lives = max_age.or(expires).unwrap_or(true) && !value.0.is_empty();
    Some(SetCookie {
        name,
        value,
        path,
        domain,
        deletes: !lives,
    })
}

/// The cookies of `names` that an answer sets or deletes; of each name, path and domain the last, in order.
/// `default_path` is that of cookies without one.
pub(crate) fn last_of<'a>(
    headers: &'a HeaderMap,
    names: &[&str],
    default_path: &str,
    now: SystemTime,
) -> Vec<SetCookie<'a>> {
    let mut last: Vec<SetCookie<'a>> = Vec::new();
    let cookies = headers
        .get_all(SET_COOKIE)
        .iter()
        .filter_map(|header| parse(header, now));
    for cookie in cookies.filter(|cookie| names.contains(&cookie.name)) {
        last.retain(|earlier| !earlier.is_replaced_by(&cookie, default_path));
        last.push(cookie);
    }
    last
}

impl SetCookie<'_> {
    /// Whether both name the same cookie of the browser.
    fn is_replaced_by(&self, other: &SetCookie<'_>, default_path: &str) -> bool {
        let same_domain = match (self.domain, other.domain) {
            (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
            (one, other) => one == other,
        };
        let same_path = self.path.unwrap_or(default_path) == other.path.unwrap_or(default_path);
        self.name == other.name && same_path && same_domain
    }
}

/// A `Set-Cookie` that deletes `name` where `path` and `domain` put it. Prefixed names get what their prefix
/// demands (RFC 6265bis section 4.1.3), or the browser would not listen; over TLS they are `Secure`, since only
/// such a cookie replaces one that is. `None` if a part could end the
/// attribute it stands in.
pub(crate) fn expire(
    name: &str,
    path: &str,
    domain: Option<&str>,
    scheme: Scheme,
) -> Option<HeaderValue> {
    let parts = [name, path, domain.unwrap_or_default()];
    if parts.iter().any(|part| {
        part.bytes()
            .any(|byte| byte == b';' || byte.is_ascii_control())
    }) || name.contains('=')
    {
        return None;
    }
    let host_only = has_prefix(name, "__Host-") || has_prefix(name, "__Host-Http-");
    let path = if host_only || path.is_empty() {
        "/"
    } else {
        path
    };
    let mut header = format!("{name}=; Path={path}");
    if let Some(domain) = domain.filter(|domain| !host_only && !domain.is_empty()) {
        header.push_str("; Domain=");
        header.push_str(domain);
    }
    header.push_str("; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly");
    if host_only || has_prefix(name, "__Secure-") || scheme == Scheme::Https {
        header.push_str("; Secure");
    }
    HeaderValue::try_from(header).ok()
}

fn has_prefix(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Whether a cookie of this `Max-Age` lives at all; `None` if it is no number.
fn outlives(max_age: &str) -> Option<bool> {
    let digits = max_age.strip_prefix('-').unwrap_or(max_age);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| !max_age.starts_with('-') && digits.bytes().any(|byte| byte != b'0'))
}

/// Both sides of the first `=`, without white space.
fn split(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = part.iter().position(|byte| *byte == b'=')?;
    Some((part[..at].trim_ascii(), part[at + 1..].trim_ascii()))
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;
