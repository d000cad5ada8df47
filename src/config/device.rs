//! By what the class of a request's device is known.
//!
//! All of it but the client's network is what the client writes: it says on what he wants to be
//! seen. So a class tightens, and may loosen only where its network is a condition.

use std::fmt;
use std::net::IpAddr;

use http::header::USER_AGENT;
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use crate::domain::device::Seen;
use crate::domain::limits::DeviceId;

/// The client hint that says whether it is a phone (User-Agent Client Hints, 3.4).
const MOBILE: HeaderName = HeaderName::from_static("sec-ch-ua-mobile");

/// The client hint that names the operating system (3.6).
const PLATFORM: HeaderName = HeaderName::from_static("sec-ch-ua-platform");

/// Every class of the policy, in its order: the first that matches counts.
#[derive(Debug, Clone, Default)]
pub struct Devices(pub Vec<DeviceRule>);

impl Devices {
    /// On what a request was made; nobody asks where there are no classes. Without the client's
    /// address, it is in no network.
    pub fn seen(&self, headers: &HeaderMap, client: impl Into<Option<IpAddr>>) -> Seen {
        let client = client.into();
        if self.0.is_empty() {
            return Seen::Nobody;
        }
        let class = self.0.iter().position(|rule| rule.matches(headers, client));
        Seen::On(class.map(DeviceId::at))
    }
}

/// One class: any of these.
#[derive(Debug, Clone)]
pub struct DeviceRule {
    /// Never empty.
    pub when: Vec<When>,
}

impl DeviceRule {
    fn matches(&self, headers: &HeaderMap, client: Option<IpAddr>) -> bool {
        self.when.iter().any(|when| when.matches(headers, client))
    }

    /// Whether nobody is of the class for what he writes alone.
    pub fn is_by_network(&self) -> bool {
        let everybody = |network: &IpNet| network.prefix_len() == 0;
        self.when
            .iter()
            .all(|when| !when.networks.is_empty() && !when.networks.iter().any(everybody))
    }
}

/// What a request must have; a part that says nothing is met by all. Something is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    /// One of these is in `User-Agent`.
    pub user_agent: Vec<TextPattern>,
    /// What `Sec-CH-UA-Mobile` says.
    pub mobile: Option<bool>,
    /// What `Sec-CH-UA-Platform` is, one of these.
    pub platform: Vec<String>,
    /// Headers that are there, and have such values.
    pub headers: Vec<(HeaderName, TextPattern)>,
    /// One of these has the client's address.
    pub networks: Vec<IpNet>,
}

impl When {
    fn matches(&self, headers: &HeaderMap, client: Option<IpAddr>) -> bool {
        let is_in = |network: &IpNet| client.is_some_and(|client| network.contains(&client));
        let has = |name: &HeaderName, is: &dyn Fn(&[u8]) -> bool| {
            let mut values = headers.get_all(name).iter();
            values.any(|value| is(value.as_bytes()))
        };
        let one_of = |patterns: &[TextPattern], text: &[u8]| {
            patterns.iter().any(|pattern| pattern.matches(text))
        };
        let mobile = |said: bool| {
            let hint: &[u8] = if said { b"?1" } else { b"?0" };
            has(&MOBILE, &|value| value == hint)
        };
        let platform = |value: &[u8]| {
            let value = value.strip_prefix(b"\"").unwrap_or(value);
            let value = value.strip_suffix(b"\"").unwrap_or(value);
            let mut known = self.platform.iter();
            known.any(|name| name.as_bytes().eq_ignore_ascii_case(value))
        };
        (self.networks.is_empty() || self.networks.iter().any(is_in))
            && self.mobile.is_none_or(mobile)
            && (self.platform.is_empty() || has(&PLATFORM, &platform))
            && (self.user_agent.is_empty()
                || has(&USER_AGENT, &|value| one_of(&self.user_agent, value)))
            && self
                .headers
                .iter()
                .all(|(name, pattern)| has(name, &|value| pattern.matches(value)))
    }

    /// Whether every request that `other` means is meant by this. Says no where it cannot tell.
    pub fn covers(&self, other: &Self) -> bool {
        let user_agent = || {
            let covered = |narrow: &TextPattern| {
                let mut wide = self.user_agent.iter();
                wide.any(|wide| wide.covers(narrow))
            };
            !other.user_agent.is_empty() && other.user_agent.iter().all(covered)
        };
        let platform = || {
            let covered = |narrow: &String| {
                let mut wide = self.platform.iter();
                wide.any(|wide| wide.eq_ignore_ascii_case(narrow))
            };
            !other.platform.is_empty() && other.platform.iter().all(covered)
        };
        let networks = || {
            let covered = |narrow: &IpNet| self.networks.iter().any(|wide| wide.contains(narrow));
            !other.networks.is_empty() && other.networks.iter().all(covered)
        };
        let header = |(name, wide): &(HeaderName, TextPattern)| {
            let mut narrow = other.headers.iter();
            narrow.any(|(its, narrow)| its == name && wide.covers(narrow))
        };
        (self.user_agent.is_empty() || user_agent())
            && (self.mobile.is_none() || self.mobile == other.mobile)
            && (self.platform.is_empty() || platform())
            && self.headers.iter().all(header)
            && (self.networks.is_empty() || networks())
    }
}

/// A text in which `*` stands for any characters, and case (of ASCII letters) does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextPattern {
    parts: Vec<Vec<u8>>,
    is_whole: bool,
}

impl TextPattern {
    /// A pattern that is somewhere in a text.
    pub fn within(pattern: &str) -> Self {
        Self {
            parts: pattern.split('*').map(|part| part.into()).collect(),
            is_whole: false,
        }
    }

    /// A pattern that the whole of a text has.
    pub fn whole(pattern: &str) -> Self {
        Self {
            is_whole: true,
            ..Self::within(pattern)
        }
    }

    /// Whether a text has it.
    pub fn matches(&self, text: &[u8]) -> bool {
        let last = self.parts.len() - 1;
        let mut rest = text;
        for (index, part) in self.parts.iter().enumerate() {
            let at = match (self.is_whole, index) {
                (true, 0) => 0,
                (true, _) if index == last && rest.len() >= part.len() => rest.len() - part.len(),
                _ => match find(rest, part) {
                    Some(at) => at,
                    None => return false,
                },
            };
            let Some(found) = rest.get(at..at + part.len()) else {
                return false;
            };
            if !found.eq_ignore_ascii_case(part) {
                return false;
            }
            rest = &rest[at + part.len()..];
        }
        !self.is_whole || rest.is_empty()
    }

    /// Whether every text that has `other` has this: a star of `other` stands for what no part of
    /// this can be found in.
    fn covers(&self, other: &Self) -> bool {
        self.matches(&other.parts.join(&b'\0'))
    }
}

impl fmt::Display for TextPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.parts.join(&b'*')))
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    let mut windows = text.windows(part.len());
    windows.position(|window| window.eq_ignore_ascii_case(part))
}

#[cfg(test)]
mod tests;
