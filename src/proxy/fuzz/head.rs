//! Request heads: what passes has one host, one framing, and says of hops and clients what the gateway says.

use std::net::IpAddr;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Version, header};
use ipnet::IpNet;

use crate::domain::access::Client;
use crate::proxy::head::forwarded::{HOPS_MAX, Origin, PeerAddress, Scheme, forwarded as settle};
use crate::proxy::head::hygiene::{clean_request, clean_response};
use crate::proxy::head::{HEADERS_MAX, TARGET_BYTES_MAX, check, host};
use crate::routing::client;

use super::wire;

/// What is meant for one hop, or for nobody's ears (RFC 9110, 7.6.1; httpoxy; RFC 2965).
const DROPPED: [&str; 16] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "proxy-authenticate",
    "proxy-authorization",
    "http2-settings",
    "expect",
    "trailer",
    "proxy",
    "cookie2",
    "x-original-url",
    "x-rewrite-url",
    "x_forwarded_for",
];

/// A request head in lines: what passes is one request to all servers, and clean.
pub fn head(bytes: &[u8]) {
    let Some((mut parts, _)) = wire::request(bytes) else {
        return;
    };
    let wanted = client::wants(&parts);
    assert_eq!(wanted == Client::Upgrade, client::is_websocket(&parts));
    if let Err(problem) = check(&parts) {
        assert!(problem.status().is_client_error() || problem.status().is_server_error());
        assert!(!problem.code().is_empty() && problem.sentence().ends_with('.'));
        return;
    }
    is_one_request(&parts);
    let before = parts.headers.clone();
    clean_request(&mut parts.headers);
    is_clean(&before, &parts.headers);
    let mut answer = before;
    clean_response(&mut answer);
    assert!(DROPPED[..9].iter().all(|name| !answer.contains_key(*name)));
}

fn is_one_request(parts: &Parts) {
    let count = |name| parts.headers.get_all(name).iter().count();
    assert!(count(header::CONTENT_LENGTH) + count(header::TRANSFER_ENCODING) <= 1);
    for length in parts.headers.get_all(header::CONTENT_LENGTH) {
        assert!(
            length
                .to_str()
                .is_ok_and(|text| text.bytes().all(|b| b.is_ascii_digit()))
        );
    }
    let has_chunks = count(header::TRANSFER_ENCODING) == 1;
    assert!(!has_chunks || parts.version == Version::HTTP_11);
    assert!(count(header::HOST) <= 1 && parts.headers.len() <= HEADERS_MAX);
    assert!(![Method::CONNECT, Method::TRACE].contains(&parts.method));
    let target = parts.uri.path_and_query().expect("a target has a path");
    assert!(target.as_str().len() <= TARGET_BYTES_MAX);
    match host(parts) {
        Some(host) => {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
            assert!(!host.is_empty() && host.chars().all(plain), "{host:?}");
            assert!(
                !host.bytes().any(|byte| byte.is_ascii_uppercase()),
                "{host:?}"
            );
        }
        None => assert!(parts.version == Version::HTTP_10 && count(header::HOST) == 0),
    }
}

/// Nothing is left that names a hop, and nothing else is missing or changed.
fn is_clean(before: &HeaderMap, after: &HeaderMap) {
    let named: Vec<String> = before
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|token| String::from_utf8_lossy(token.trim_ascii()).to_ascii_lowercase())
        .collect();
    for name in before.keys() {
        let text = name.as_str();
        let plain = text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let is_named = name != header::HOST && named.iter().any(|named| named == text);
        let is_dropped = is_named || !plain || DROPPED.contains(&text);
        let sent: Vec<_> = before.get_all(name).iter().collect();
        let left: Vec<_> = after.get_all(name).iter().collect();
        assert_eq!(left, if is_dropped { Vec::new() } else { sent }, "{text}");
    }
    assert!(after.keys().all(|name| before.contains_key(name)));
}

/// Header lines: an untrusted peer's have no effect; a trusted one's tell the nearest client nobody vouches for.
pub fn forwarded(bytes: &[u8]) {
    let (host, lines) = wire::first_line(bytes);
    let Some(sent) = wire::header_lines(lines) else {
        return;
    };
    let host = String::from_utf8_lossy(host);
    let (lied_to, client) = settled(&sent, "192.0.2.1", &host);
    let (told, nobody) = settled(&HeaderMap::new(), "192.0.2.1", &host);
    assert_eq!(client, nobody);
    for (name, value) in &told {
        assert_eq!(
            lied_to.get_all(name).iter().collect::<Vec<_>>(),
            [value],
            "{name}"
        );
    }
    let foreign = lied_to.keys().filter(|name| !told.contains_key(*name));
    for name in foreign {
        assert!(
            !name.as_str().starts_with("x-forwarded") && name != "x-real-ip",
            "{name}"
        );
        assert_eq!(lied_to.get(name), sent.get(name), "{name}");
    }
    tells_one_chain(&sent, &host);
}

fn networks() -> [IpNet; 2] {
    ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().expect("it is a network"))
}

fn settled(sent: &HeaderMap, peer: &str, host: &str) -> (HeaderMap, Origin) {
    let mut headers = sent.clone();
    let peer = PeerAddress::new(peer.parse().expect("it is an address"));
    let host = host.parse().ok().filter(is_host);
    let origin = settle(&mut headers, &peer, &networks(), Scheme::Http, host);
    (headers, origin)
}

/// Whether a request that names it passes.
fn is_host(host: &HeaderValue) -> bool {
    let mut request = Request::new(());
    request.headers_mut().insert(header::HOST, host.clone());
    check(&request.into_parts().0).is_ok()
}

fn tells_one_chain(sent: &HeaderMap, host: &str) {
    let peer = "10.0.0.1";
    let (headers, client) = settled(sent, peer, host);
    let only = |name: &str| -> String {
        let mut values = headers.get_all(name).iter();
        let value = values.next().expect("it is always told");
        assert_eq!(values.next(), None, "{name}");
        value.to_str().expect("it is plain ASCII").to_owned()
    };
    let chain = only("x-forwarded-for");
    let hops: Vec<IpAddr> = chain
        .split(", ")
        .map(|hop| hop.parse().expect("a hop is an address"))
        .collect();
    assert_eq!(hops.first(), Some(&client.address));
    assert_eq!(hops.last().map(ToString::to_string).as_deref(), Some(peer));
    assert!(hops.len() <= HOPS_MAX + 1);
    let is_trusted = |hop: &IpAddr| networks().iter().any(|network| network.contains(hop));
    assert!(hops[1..].iter().all(is_trusted), "{chain}");
    let elements: Vec<String> = only("forwarded").split(", ").map(str::to_owned).collect();
    let spelled = elements.iter().map(|element| {
        let told = element
            .strip_prefix("for=")
            .expect("an element says for whom");
        let told = told.split(';').next().unwrap_or_default();
        told.trim_matches(['"', '[', ']'])
            .parse()
            .expect("it is an address")
    });
    assert_eq!(spelled.collect::<Vec<IpAddr>>(), hops);
    let scheme = only("x-forwarded-proto");
    assert_eq!(scheme, client.scheme.as_str());
    let said = if headers.contains_key("x-forwarded-host") {
        format!(";host=\"{}\";proto={scheme}", only("x-forwarded-host"))
    } else {
        format!(";proto={scheme}")
    };
    assert!(elements[0].ends_with(&said), "{elements:?}");
    assert_eq!(elements.join("").matches("proto=").count(), 1);
}
