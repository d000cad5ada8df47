//! Who the app is told that the client is.
//!
//! Nothing that an untrusted peer says of itself is believed or passed on. A trusted peer's
//! `X-Forwarded-For` is read from the right, up to the first address that is not trusted: the client. What
//! stands left of it was written by the client and is dropped, since many apps believe the leftmost address.
//! `Forwarded` (RFC 7239) is written anew and says the same.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{FORWARDED, VIA},
};
use ipnet::IpNet;
use smallvec::{SmallVec, smallvec};

use crate::routing::client::tokens;

use super::{HostPort, hygiene};

/// Trusted proxies that are walked back; behind more, the last one counts as the client.
pub(crate) const HOPS_MAX: usize = 16;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Hops, nearest first or client first. Most often there is one.
type Chain = SmallVec<[IpAddr; 2]>;

/// How the client reached the first proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// The client as far as trusted parties vouch for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) address: IpAddr,
    pub(crate) scheme: Scheme,
}

/// The other end of a connection, and how its address is written.
#[derive(Debug, Clone)]
pub(crate) struct PeerAddress {
    pub(crate) ip: IpAddr,
    /// Written once for the connection, not once for each of its requests.
    text: HeaderValue,
}

impl PeerAddress {
    pub(crate) fn new(ip: IpAddr) -> Self {
        let ip = ip.to_canonical();
        let text = value(ip.to_string().into_bytes());
        Self { ip, text }
    }
}

/// Settles what the app hears of the client, and tells the gateway the same. `scheme` is that of the gateway's own
/// listener, `host` that of a request that passed `check`, as it was written; a trusted peer may know better ones.
pub(crate) fn forwarded(
    headers: &mut HeaderMap,
    peer: &PeerAddress,
    trusted: &[IpNet],
    scheme: Scheme,
    host: Option<HeaderValue>,
) -> Origin {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let mut chain: Chain = smallvec![peer.ip];
    let (mut scheme, mut host) = (scheme, host);
    if is_trusted(peer.ip) {
        walk_back(headers, &mut chain, is_trusted);
        scheme = told_scheme(headers).unwrap_or(scheme);
        host = told_host(headers).or(host);
    } else {
        hygiene::drop_matching(headers, is_about_the_client);
        headers.remove(VIA);
    }
    let address = chain.last().copied().unwrap_or(peer.ip);
    chain.reverse();
    tell(headers, &chain, &peer.text, scheme, host);
    hygiene::pass_via(headers);
    Origin { address, scheme }
}

/// What proxies say of clients, and apps believe.
fn is_about_the_client(name: &str) -> bool {
    const NAMES: [&str; 9] = [
        "forwarded",
        "x-real-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-original-forwarded-for",
        "x-originating-ip",
        "client-ip",
        "true-client-ip",
        "x-remote-addr",
    ];
    name.starts_with("x-forwarded") || NAMES.contains(&name)
}

/// Appends the hops before `chain`, nearest first, up to the first that is not trusted or not an address.
fn walk_back(headers: &HeaderMap, chain: &mut Chain, is_trusted: impl Fn(IpAddr) -> bool) {
    let values = headers.get_all(X_FORWARDED_FOR).iter().rev();
    let hops = values.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
    for hop in hops.take(HOPS_MAX) {
        let Some(address) = address(hop.trim_ascii()) else {
            return;
        };
        chain.push(address);
        if !is_trusted(address) {
            return;
        }
    }
}

/// An address, with or without a port or brackets, as proxies write it.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?;
    let bracketed = || {
        hop.strip_prefix('[')?
            .strip_suffix(']')?
            .parse::<Ipv6Addr>()
            .ok()
            .map(IpAddr::V6)
    };
    let with_port = || hop.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    let address = hop.parse().ok().or_else(with_port).or_else(bracketed)?;
    Some(address.to_canonical())
}

fn told_scheme(headers: &HeaderMap) -> Option<Scheme> {
    match only_token(headers, &X_FORWARDED_PROTO)? {
        token if token.eq_ignore_ascii_case(b"https") => Some(Scheme::Https),
        token if token.eq_ignore_ascii_case(b"http") => Some(Scheme::Http),
        _ => None,
    }
}

fn told_host(headers: &HeaderMap) -> Option<HeaderValue> {
    let token = only_token(headers, &X_FORWARDED_HOST)?;
    HostPort::parse(token)?;
    HeaderValue::from_bytes(token).ok()
}

/// The value of a header that says one thing.
fn only_token<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut tokens = tokens(headers, name);
    tokens.next().filter(|_| tokens.next().is_none())
}

/// Bytes that an element of `Forwarded` takes, most often, its host apart.
const ELEMENT_ROOM: usize = 64;

/// Writes the chain, client first; `last` is how the last of it, the peer, is written. The host is
/// left out where the request named none.
fn tell(
    headers: &mut HeaderMap,
    chain: &[IpAddr],
    last: &HeaderValue,
    scheme: Scheme,
    host: Option<HeaderValue>,
) {
    let mut addresses = Vec::new();
    let host_room = host.as_ref().map_or(0, HeaderValue::len);
    let mut elements = Vec::with_capacity(ELEMENT_ROOM * chain.len() + host_room);
    for (index, address) in chain.iter().enumerate() {
        let text: Cow<'_, [u8]> = if index + 1 == chain.len() {
            last.as_bytes().into()
        } else {
            address.to_string().into_bytes().into()
        };
        let comma: &[u8] = if index == 0 { b"" } else { b", " };
        if chain.len() > 1 {
            addresses.extend_from_slice(comma);
            addresses.extend_from_slice(&text);
        }
        let (open, close): (&[u8], &[u8]) = match address {
            IpAddr::V4(_) => (b"for=", b""),
            IpAddr::V6(_) => (b"for=\"[", b"]\""),
        };
        for part in [comma, open, &text, close] {
            elements.extend_from_slice(part);
        }
        if index == 0 {
            // They are what the client's own request said, so they belong to its element.
            if let Some(host) = &host {
                for part in [b";host=\"".as_slice(), host.as_bytes(), b"\""] {
                    elements.extend_from_slice(part);
                }
            }
            elements.extend_from_slice(b";proto=");
            elements.extend_from_slice(scheme.as_str().as_bytes());
        }
    }
    let addresses = match chain {
        [_] => last.clone(),
        _ => value(addresses),
    };
    headers.insert(X_FORWARDED_FOR, addresses);
    headers.insert(FORWARDED, value(elements));
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(scheme.as_str()));
    match host {
        Some(host) => headers.insert(X_FORWARDED_HOST, host),
        None => headers.remove(X_FORWARDED_HOST),
    };
}

fn value(text: Vec<u8>) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::from(text))
        .expect("addresses, schemes and checked hosts are plain ASCII")
}
