//! A browser's cookies (RFC 6265, 5.3 and 5.4), as far as tests of sessions need them.

use std::time::Duration;

use curfew::clock::{self, Clock};
use curfew::domain::time::Timestamp;
use http::HeaderMap;

/// One cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cookie {
    name: String,
    value: String,
    domain: String,
    host_only: bool,
    path: String,
    until: Option<Timestamp>,
}

/// The cookies of one browser.
#[derive(Clone)]
pub(crate) struct Jar {
    clock: Clock,
    tls: bool,
    cookies: Vec<Cookie>,
}

impl Jar {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            clock,
            tls: false,
            cookies: Vec::new(),
        }
    }

    /// From now on it is that of a browser that speaks TLS.
    pub(crate) fn over_tls(&mut self) {
        self.tls = true;
    }

    /// The value of a cookie, whatever its path.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let now = self.clock.now();
        let cookies = self.cookies.iter();
        cookies
            .filter(|cookie| cookie.lives(now))
            .find(|cookie| cookie.name == name)
            .map(|cookie| cookie.value.clone())
    }

    /// Puts a cookie in by hand, for the whole host.
    pub(crate) fn put(&mut self, host: &str, name: &str, value: &str) {
        self.store(host, "/", &format!("{name}={value}; Path=/"));
    }

    /// Forgets a cookie.
    pub(crate) fn forget(&mut self, name: &str) {
        self.cookies.retain(|cookie| cookie.name != name);
    }

    /// The value of the Cookie header for a request, if there is anything to say.
    pub(crate) fn header(&self, host: &str, path: &str) -> Option<String> {
        let now = self.clock.now();
        let mut sent: Vec<&Cookie> = self
            .cookies
            .iter()
            .filter(|cookie| cookie.lives(now) && cookie.is_for(host, path))
            .collect();
        // The longer path first; the sort is stable, so older ones stay in front.
        sent.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<String> = sent
            .iter()
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// Takes what an answer sets, in order.
    pub(crate) fn take(&mut self, host: &str, path: &str, headers: &HeaderMap) {
        for header in headers.get_all("set-cookie") {
            self.store(host, path, &String::from_utf8_lossy(header.as_bytes()));
        }
    }

    fn store(&mut self, host: &str, path: &str, text: &str) {
        let mut parts = text.split(';');
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
            return;
        };
        let mut cookie = Cookie {
            name: name.trim().to_owned(),
            value: value.trim().to_owned(),
            domain: host.to_owned(),
            host_only: true,
            path: default_path(path).to_owned(),
            until: None,
        };
        let (mut max_age, mut expires) = (None, None);
        for part in parts {
            let (attribute, given) = part.split_once('=').unwrap_or((part, ""));
            let given = given.trim();
            match attribute.trim().to_ascii_lowercase().as_str() {
                "path" if given.starts_with('/') => cookie.path = given.to_owned(),
                "domain" if !given.is_empty() => {
                    cookie.domain = given.trim_start_matches('.').to_ascii_lowercase();
                    cookie.host_only = false;
                }
                "max-age" => max_age = given.parse::<i64>().ok(),
                // Old servers write dashes between day, month and year, and browsers take that.
                "expires" => expires = httpdate::parse_http_date(&given.replace('-', " ")).ok(),
                // Over plain HTTP a browser takes no such cookie.
                "secure" if !self.tls => return,
                _ => {}
            }
        }
        if !within(host, &cookie.domain) {
            return;
        }
        let now = self.clock.now();
        let gone = match (max_age, expires) {
            (Some(seconds), _) => seconds <= 0,
            (None, Some(instant)) => instant <= clock::wall(),
            (None, None) => false,
        };
        cookie.until = max_age
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map(|seconds| now.plus(Duration::from_secs(seconds)));
        let replaced = self.cookies.iter().position(|old| old.is_same(&cookie));
        match (replaced, gone) {
            (Some(index), true) => drop(self.cookies.remove(index)),
            (Some(index), false) => self.cookies[index] = cookie,
            (None, true) => {}
            (None, false) => self.cookies.push(cookie),
        }
    }
}

impl Cookie {
    fn lives(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until > now)
    }

    fn is_for(&self, host: &str, path: &str) -> bool {
        let on_host = if self.host_only {
            host == self.domain
        } else {
            within(host, &self.domain)
        };
        on_host && below(path, &self.path)
    }

    fn is_same(&self, other: &Self) -> bool {
        (&self.name, &self.domain, &self.path) == (&other.name, &other.domain, &other.path)
    }
}

fn within(host: &str, domain: &str) -> bool {
    host == domain
        || host
            .strip_suffix(domain)
            .is_some_and(|rest| rest.ends_with('.'))
}

fn below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || prefix.ends_with('/'))
}

fn default_path(path: &str) -> &str {
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(at) => &path[..at],
    }
}
