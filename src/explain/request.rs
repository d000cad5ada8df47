//! A request that nobody made: told by a person, and read as one that came.

use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Uri};

use crate::config::app::App;
use crate::routing::client::wants;
use crate::routing::path::normalise;
use crate::routing::{self, Routed};

/// What a request is said to be.
#[derive(Debug, Clone)]
pub struct Described(Parts);

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
        Ok(Self(parts))
    }

    pub(super) fn find(&self, app: &App) -> Result<Found, Unanswerable> {
        let parts = &self.0;
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

fn header(told: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = told.split_once(':')?;
    let name = HeaderName::try_from(name.trim()).ok()?;
    Some((name, HeaderValue::try_from(value.trim()).ok()?))
}
