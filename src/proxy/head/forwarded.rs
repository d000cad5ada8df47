//! Who the app is told that the client is.
//!
//! Nothing that an untrusted peer says of itself is believed or passed on. A trusted peer's
//! `X-Forwarded-For` is read from the right, up to the first address that is not trusted: the client. What
//! stands left of it was written by the client and is dropped, since many apps believe the leftmost address.
//! `Forwarded` (RFC 7239) is written anew and says the same.

use std::{
    borrow::Cow,
    fmt::Write,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{FORWARDED, VIA},
};
use ipnet::IpNet;

use super::{HostPort, client::tokens, hygiene};

/// Trusted proxies that are walked back; behind more, the last one counts as the client.
pub(crate) const HOPS_MAX: usize = 16;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

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

/// Settles what the app hears of the client, and tells the gateway the same. `scheme` and `host` are those of the
/// gateway's own listener and request; a trusted peer may know better ones.
pub(crate) fn forwarded(
    headers: &mut HeaderMap,
    peer: IpAddr,
    trusted: &[IpNet],
    scheme: Scheme,
    host: &str,
) -> Origin {
    let peer = peer.to_canonical();
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let mut chain = vec![peer];
    let (mut scheme, mut host) = (scheme, Cow::Borrowed(host));
    if is_trusted(peer) {
        walk_back(headers, &mut chain, is_trusted);
        scheme = told_scheme(headers).unwrap_or(scheme);
        host = told_host(headers).map_or(host, Cow::Owned);
    } else {
        hygiene::drop_matching(headers, is_about_the_client);
        headers.remove(VIA);
    }
    let address = chain.last().copied().unwrap_or(peer);
    chain.reverse();
    tell(headers, &chain, scheme, &host);
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
fn walk_back(headers: &HeaderMap, chain: &mut Vec<IpAddr>, is_trusted: impl Fn(IpAddr) -> bool) {
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

fn told_host(headers: &HeaderMap) -> Option<String> {
    let token = only_token(headers, &X_FORWARDED_HOST)?;
    HostPort::parse(token)?;
    String::from_utf8(token.to_vec()).ok()
}

/// The value of a header that says one thing.
fn only_token<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut tokens = tokens(headers, name);
    tokens.next().filter(|_| tokens.next().is_none())
}

/// Bytes that an address and its separator take, most often.
const ADDRESS_ROOM: usize = 24;

/// The same for an element of `Forwarded`, its host apart.
const ELEMENT_ROOM: usize = 48;

/// Writes the chain, client first. The host is left out where the request named none.
fn tell(headers: &mut HeaderMap, chain: &[IpAddr], scheme: Scheme, host: &str) {
    let host = HostPort::parse(host.as_bytes()).map(|_| host);
    // Room for what nearly every request needs, so that neither grows piece by piece.
    let mut addresses = String::with_capacity(ADDRESS_ROOM * chain.len());
    let mut elements = String::with_capacity(ELEMENT_ROOM * chain.len() + host.map_or(0, str::len));
    for (index, address) in chain.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        let quoted = match address {
            IpAddr::V4(address) => write!(elements, "{comma}for={address}"),
            IpAddr::V6(address) => write!(elements, "{comma}for=\"[{address}]\""),
        };
        let plain = write!(addresses, "{comma}{address}");
        quoted.and(plain).expect("a String takes every text");
        if index == 0 {
            // They are what the client's own request said, so they belong to its element.
            if let Some(host) = host {
                elements.extend([";host=\"", host, "\""]);
            }
            elements.extend([";proto=", scheme.as_str()]);
        }
    }
    headers.insert(X_FORWARDED_FOR, value(addresses));
    headers.insert(FORWARDED, value(elements));
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(scheme.as_str()));
    match host {
        Some(host) => headers.insert(X_FORWARDED_HOST, value(host.to_owned())),
        None => headers.remove(X_FORWARDED_HOST),
    };
}

fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("addresses, schemes and checked hosts are plain ASCII")
}
