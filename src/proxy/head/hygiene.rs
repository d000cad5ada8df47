//! Headers that are meant for one hop, or that an app must not hear from a client.
//!
//! Dropped first, ours are set afterwards (`forwarded`), so that no `Connection: X-Forwarded-For` removes them.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONNECTION, HOST, UPGRADE, VIA},
};
use smallvec::SmallVec;

use crate::routing::client::tokens;

/// What a gateway calls itself in `Via`; the version is the one it received.
const VIA_CURFEW: HeaderValue = HeaderValue::from_static("1.1 curfew");

/// Meant for one hop, named by `Connection` or not (RFC 9110 section 7.6.1).
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "transfer-encoding"
            | "upgrade"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "http2-settings"
    )
}

/// What no app shall hear from a client.
fn is_never_forwarded(name: &str) -> bool {
    matches!(
        name,
        // The gateway answers 100 itself when it reads the body.
        "expect"
            // Trailers are not forwarded: an id could hide there.
            | "trailer"
            // CGI turns it into HTTP_PROXY (CVE-2016-5385).
            | "proxy"
            // Of RFC 2965; it changes how old servers read Cookie.
            | "cookie2"
            // Some frameworks route by these instead of by the path that was judged.
            | "x-original-url"
            | "x-rewrite-url"
    )
}

/// Drops what is not for the app. `forwarded` must follow: it settles who the client is said to be.
pub(crate) fn clean_request(headers: &mut HeaderMap) {
    drop_named_by_connection(headers);
    drop_matching(headers, |name| {
        is_hop_by_hop(name) || is_never_forwarded(name) || is_folded_by_cgi(name)
    });
}

/// Drops what is not for the client, and says that the gateway was on the way.
pub(crate) fn clean_response(headers: &mut HeaderMap) {
    drop_named_by_connection(headers);
    drop_matching(headers, is_hop_by_hop);
    pass_via(headers);
}

/// Asks the next hop for a WebSocket, after `clean_request` dropped what the client asked for.
pub(crate) fn ask_for_websocket(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// Adds the gateway to those who passed the message on.
pub(super) fn pass_via(headers: &mut HeaderMap) {
    headers.append(VIA, VIA_CURFEW);
}

/// Removes the headers whose name `dropped` is true for.
pub(super) fn drop_matching(headers: &mut HeaderMap, dropped: impl Fn(&str) -> bool) {
    let names = headers.keys().filter(|name| dropped(name.as_str()));
    // Most heads hold none, or what is said of their own connection.
    let names: SmallVec<[HeaderName; 2]> = names.cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

fn drop_named_by_connection(headers: &mut HeaderMap) {
    let named = tokens(headers, &CONNECTION).filter_map(|token| HeaderName::from_bytes(token).ok());
    // Host is needed to find the app, whatever a client says of it.
    let named: SmallVec<[HeaderName; 2]> = named
        .filter(|name| *name != HOST && headers.contains_key(name))
        .collect();
    for name in named {
        headers.remove(name);
    }
}

/// CGI, WSGI and PHP turn every other character into `_`, as they do with `-`: `X_A` would pass for `X-A`.
fn is_folded_by_cgi(name: &str) -> bool {
    !name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
