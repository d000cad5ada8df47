//! A request that nobody made: told by a person, and read as one that came.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::HOST;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Uri};

use crate::config::Config;
use crate::config::app::{App, HostPattern};
use crate::config::device::Devices;
use crate::domain::device::Seen;
use crate::routing::client::wants;
use crate::routing::path::normalise;
use crate::routing::{self, Routed};

/// What a request is said to be.
#[derive(Debug, Clone)]
pub struct Described {
    parts: Parts,
    client: Option<IpAddr>,
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unanswerable {
    /// Not what a request can ask for.
    #[error("{0:?} is no path; write one like /approvals/7, a query may follow")]
    Target(String),
    /// Not a method.
    #[error("{0:?} is no method; write one like POST")]
    Method(String),
    /// Not a header.
    #[error("{0:?} is no header; write one like 'Accept: text/html'")]
    Header(String),
    /// Not an address.
    #[error("{0:?} is no address of a client; write one like 10.0.0.7")]
    Client(String),
    /// A path that the gateway refuses before it looks at any route.
    #[error("the gateway refuses such a path, whoever asks: {0}")]
    Path(&'static str),
    /// A path that the app does not answer.
    #[error("the app {app} answers below {prefix}/ only")]
    Elsewhere {
        /// The app.
        app: String,
        /// Below which path it lives.
        prefix: String,
    },
}

/// What the routes say of it.
pub(super) struct Found {
    pub(super) routed: Routed,
    pub(super) method: Method,
    /// The path in the form on which access is judged.
    pub(super) path: String,
}

impl Found {
    /// Whether it is meant for the route at this place of the app, for some servers at least.
    pub(super) fn is_meant_for(&self, index: usize) -> bool {
        self.routed.route == Some(index) || self.routed.for_some.contains(&index)
    }
}

impl Described {
    /// A request as a person tells it: GET where he names no method, headers as `Name: value`.
    pub fn new(
        target: &str,
        method: Option<&str>,
        headers: &[impl AsRef<str>],
    ) -> Result<Self, Unanswerable> {
        let uri = target.parse::<Uri>().ok();
        let uri = uri.filter(|uri| uri.host().is_none() && target.starts_with('/'));
        let uri = uri.ok_or_else(|| Unanswerable::Target(target.to_owned()))?;
        let method = method.unwrap_or("GET");
        let method = Method::try_from(method).map_err(|_| Unanswerable::Method(method.into()))?;
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.uri = uri;
        parts.method = method;
        for told in headers {
            let told = told.as_ref();
            let (name, value) = header(told).ok_or_else(|| Unanswerable::Header(told.into()))?;
            parts.headers.append(name, value);
        }
        let client = None;
        Ok(Self { parts, client })
    }

    /// The same, of a client with this address.
    pub fn of_client(self, address: &str) -> Result<Self, Unanswerable> {
        let client = address.parse();
        let client = client.map_err(|_| Unanswerable::Client(address.to_owned()))?;
        Ok(Self {
            client: Some(client),
            ..self
        })
    }

    /// On what it would be made, where anything is said that could tell.
    pub(super) fn seen(&self, devices: &Devices) -> Seen {
        match self.parts.headers.is_empty() && self.client.is_none() {
            true => Seen::Nobody,
            false => devices.seen(&self.parts.headers, self.client),
        }
    }

    /// Who answers in place of this app, on all hosts that it could be sent to: another app, or
    /// none.
    pub(super) fn answered_elsewhere<'a>(
        &self,
        config: &'a Config,
        app: &App,
    ) -> Option<Option<&'a App>> {
        let path = normalise(self.parts.uri.path()).ok()?;
        let told = self.parts.headers.get(HOST);
        let told = told.map(|host| bare(&String::from_utf8_lossy(host.as_bytes())));
        let hosts = match &told {
            Some(host) => vec![host.as_str()],
            None if app.hosts.is_empty() => vec![""],
            None => app.hosts.iter().map(one_of).collect(),
        };
        let mut answering = hosts
            .into_iter()
            .map(|host| routing::app_for(&config.apps, host, path.as_str()));
        let first = answering.next()?;
        let is_it = |found: Option<&Arc<App>>| found.is_some_and(|found| found.name == app.name);
        let it_is = is_it(first) || answering.any(is_it);
        (!it_is).then(|| first.map(AsRef::as_ref))
    }

    pub(super) fn find(&self, app: &App) -> Result<Found, Unanswerable> {
        let parts = &self.parts;
        let path = normalise(parts.uri.path());
        let path = path.map_err(|problem| Unanswerable::Path(problem.sentence()))?;
        if !routing::is_below(&app.prefix, path.as_str()) {
            return Err(Unanswerable::Elsewhere {
                app: app.name.to_string(),
                prefix: app.prefix.clone(),
            });
        }
        Ok(Found {
            routed: routing::route(app, parts, &path, wants(parts)),
            method: parts.method.clone(),
            path: path.as_str().to_owned(),
        })
    }
}

/// A host that a pattern means.
fn one_of(pattern: &HostPattern) -> &str {
    match pattern {
        HostPattern::Exact(name) | HostPattern::Suffix(name) => name,
    }
}

/// A host without its port, in lower case.
fn bare(host: &str) -> String {
    let without_port = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|digit| digit.is_ascii_digit()));
    let host = without_port.map_or(host, |(host, _)| host);
    host.to_ascii_lowercase()
}

fn header(told: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = told.split_once(':')?;
    let name = HeaderName::try_from(name.trim()).ok()?;
    Some((name, HeaderValue::try_from(value.trim()).ok()?))
}
