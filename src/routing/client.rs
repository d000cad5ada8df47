//! What kind of client a request comes from, which decides what a refusal looks like.

use crate::domain::access::Client;
use crate::domain::proof::AskedBy;

use http::uri::{Authority, Uri};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Version,
    header::{ACCEPT, CONNECTION, HOST, ORIGIN, REFERER, UPGRADE},
    request::Parts,
};

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_PURPOSE: HeaderName = HeaderName::from_static("sec-purpose");
const PURPOSE: HeaderName = HeaderName::from_static("purpose");
const X_REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

/// Who waits for the answer, by what browsers say of themselves or else by `Accept`.
pub(crate) fn wants(parts: &Parts) -> Client {
    if is_websocket(parts) {
        return Client::Upgrade;
    }
    let headers = &parts.headers;
    let is_navigation = match headers.get(SEC_FETCH_MODE) {
        Some(mode) => {
            let is_page = headers
                .get(SEC_FETCH_DEST)
                .is_none_or(|dest| dest == "document" || dest == "iframe" || dest == "frame");
            mode == "navigate" && is_page
        }
        None => {
            let may_be_a_page = [Method::GET, Method::HEAD, Method::POST].contains(&parts.method);
            let is_ajax = headers
                .get(X_REQUESTED_WITH)
                .is_some_and(|by| by.as_bytes().eq_ignore_ascii_case(b"XMLHttpRequest"));
            may_be_a_page && !is_ajax && accepts_html(headers)
        }
    };
    if is_navigation {
        Client::Navigation
    } else {
        Client::Script
    }
}

/// Who made a request, by what browsers say of it; where they say nothing, by the page that it
/// came from. A program says neither, and asks for its user.
///
/// `none` is an address that somebody typed, or a link outside of the browser. A sister site
/// (`same-site`) is somebody else.
pub(crate) fn asked_by(parts: &Parts) -> AskedBy {
    let headers = &parts.headers;
    let is_early = |name| {
        let purpose = headers.get(name).map(HeaderValue::as_bytes);
        purpose.is_some_and(|purpose: &[u8]| purpose.starts_with(b"prefetch"))
    };
    if is_early(SEC_PURPOSE) || is_early(PURPOSE) {
        return AskedBy::Elsewhere;
    }
    let is_own = match headers.get(SEC_FETCH_SITE) {
        Some(site) => site == "same-origin" || site == "none",
        None => [ORIGIN, REFERER].iter().all(|name| {
            let mut pages = headers.get_all(name).iter();
            pages.all(|page| {
                let page = page.to_str().ok().and_then(|page| page.parse().ok());
                page.is_some_and(|page| is_of_host(&page, parts))
            })
        }),
    };
    match is_own {
        true => AskedBy::User,
        false => AskedBy::Elsewhere,
    }
}

/// The page of the same host that a request came from, where it says.
pub(crate) fn own_page(parts: &Parts) -> Option<Uri> {
    let page = parts.headers.get(REFERER)?.to_str().ok()?;
    page.parse().ok().filter(|page| is_of_host(page, parts))
}

/// Whether a page is of the very host, and port, that a request is for.
fn is_of_host(page: &Uri, parts: &Parts) -> bool {
    let asked = match parts.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => parts.headers.get(HOST).and_then(|host| host.to_str().ok()),
    };
    let page = page.authority().map(Authority::as_str);
    page.is_some_and(|page| asked.is_some_and(|asked| asked.eq_ignore_ascii_case(page)))
}

/// Whether the request asks for a WebSocket (RFC 6455 section 4.1).
pub(crate) fn is_websocket(parts: &Parts) -> bool {
    parts.method == Method::GET
        && parts.version == Version::HTTP_11
        && has_token(&parts.headers, &CONNECTION, b"upgrade")
        && has_token(&parts.headers, &UPGRADE, b"websocket")
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &[u8]) -> bool {
    tokens(headers, name).any(|listed| listed.eq_ignore_ascii_case(token))
}

/// The members of a comma-separated list, over all headers of the name.
pub(crate) fn tokens<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a [u8]> {
    let values = headers.get_all(name).iter();
    values
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
}

fn accepts_html(headers: &HeaderMap) -> bool {
    tokens(headers, &ACCEPT).any(|range| {
        let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let is_html = parts
            .next()
            .is_some_and(|media| media.eq_ignore_ascii_case(b"text/html"));
        is_html && !parts.any(is_zero_weight)
    })
}

/// `q=0`, with up to three more zeros (RFC 9110 section 12.4.2).
fn is_zero_weight(parameter: &[u8]) -> bool {
    let Some((b"q=" | b"Q=", weight)) = parameter.split_at_checked(2) else {
        return false;
    };
    weight.first() == Some(&b'0') && weight.iter().all(|byte| matches!(byte, b'0' | b'.'))
}
