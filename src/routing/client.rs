//! What kind of client a request comes from, which decides what a refusal looks like.

use crate::domain::access::Client;

use http::{
    HeaderMap, HeaderName, Method, Version,
    header::{ACCEPT, CONNECTION, UPGRADE},
    request::Parts,
};

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
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
