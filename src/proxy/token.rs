//! The companion token in a request: read, and taken out, since no app shall see it.

use http::HeaderMap;
use smallvec::SmallVec;

use crate::config::token::TokenCarrier;
use crate::domain::identity::{Keyring, TokenValue};
use crate::domain::session::Session;
use crate::domain::token::Shown;
use crate::routing::names;

use super::carriers::strip_cookies;
use super::cookies::{self, Pair};
use super::head::forwarded::Scheme;

/// Values of one request that are looked at. An honest client sends one; each costs a hash for each key.
const VALUES_MAX: usize = 4;

/// What a request presents of its app's token, and what its answer may hand out.
#[derive(Default)]
pub(crate) struct PresentedToken {
    values: SmallVec<[TokenValue; 1]>,
    /// Whether it holds what is no value at all.
    garbage: bool,
    in_cookie: bool,
    in_header: bool,
    /// The number of the value that this exchange alone may hand out.
    pub(super) offered: Option<u32>,
}

/// Reads the token of a request and takes it out, under either of its names and whatever could be
/// read as them.
pub(crate) fn take(
    headers: &mut HeaderMap,
    carrier: &TokenCarrier,
    scheme: Scheme,
) -> PresentedToken {
    let mut presented = PresentedToken::default();
    let name = cookie_name(carrier, scheme).as_bytes();
    for pair in cookies::pairs(headers).filter(|pair| pair.name() == name) {
        presented.in_cookie = true;
        presented.add(pair.value());
    }
    if let Some(name) = &carrier.header {
        for value in headers.get_all(name) {
            presented.in_header = true;
            presented.add(value.as_bytes());
        }
        headers.remove(name);
    }
    let is_ours = |name: &[u8]| {
        let own = [&carrier.plain, &carrier.secured];
        own.into_iter().any(|own| names::reads_as(name, own))
    };
    strip_cookies(headers, |pair: &Pair<'_>| {
        is_ours(pair.name()) || pair.hidden_names().any(is_ours)
    });
    presented
}

impl PresentedToken {
    fn add(&mut self, value: &[u8]) {
        match TokenValue::parse(value) {
            Some(value) if self.values.len() < VALUES_MAX => self.values.push(value),
            _ => self.garbage |= !value.is_empty(),
        }
    }

    /// The newest of the values that were ever this session's: what else came along proves nothing,
    /// and anybody can send it.
    pub(super) fn shown(&self, session: &Session, keys: &Keyring) -> Shown {
        let newest = session.token.and_then(|token| {
            let values = self.values.iter();
            let own = values.filter(|value| keys.is_token_of(value, token.seed, session.lineage));
            own.map(TokenValue::number).max()
        });
        match newest {
            Some(number) => Shown::Value(number),
            None if self.values.is_empty() && !self.garbage => Shown::Nothing,
            None => Shown::Unknown,
        }
    }

    /// A client that sends the header, with a value or without, is answered by it; but never one that
    /// holds the cookie: no script shall read what the cookie hides from it.
    pub(super) fn is_answered_by_header(&self) -> bool {
        self.in_header && !self.in_cookie
    }
}

/// The prefix holds over TLS alone: a browser takes it from nobody else.
pub(super) fn cookie_name(carrier: &TokenCarrier, scheme: Scheme) -> &str {
    match scheme {
        Scheme::Https => &carrier.secured,
        Scheme::Http => &carrier.plain,
    }
}

#[cfg(test)]
mod tests;
