//! From host and path to an app, and from path and method to what a request needs.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderName, Method};

use crate::config::app::{App, HostPattern, LoginRecipe, Page, RequestPattern, RouteRule};
use crate::domain::access::{Access, Activity, Client, LoginPage, OnStale, RequestFacts, Safety};

use super::path::NormalPath;

/// What the config says of one request.
#[derive(Debug, Clone)]
pub(crate) struct Routed {
    /// What the access log calls the route, where one matched.
    pub(crate) label: Option<Arc<str>>,
    pub(crate) rule: RouteRule,
    pub(crate) login_page: LoginPage,
    /// The login recipes that it may be trying; a JSON body may tell them apart.
    pub(crate) logins: Vec<usize>,
    /// The logout recipe that it is trying.
    pub(crate) logout: Option<usize>,
}

impl Routed {
    /// Whether the answer may log somebody in or out, so that the exchange must run to its end
    /// even if the client leaves.
    pub(crate) fn changes_session(&self) -> bool {
        !self.logins.is_empty() || self.logout.is_some()
    }

    pub(crate) fn facts(&self, method: &Method, client: Client) -> RequestFacts {
        RequestFacts {
            access: self.rule.access,
            activity: self.rule.activity,
            on_stale: self.rule.on_stale,
            client,
            safety: if method.is_safe() {
                Safety::Safe
            } else {
                Safety::Unsafe
            },
            login_page: self.login_page,
        }
    }
}

/// The app that answers to a host and a normalised path: of those whose host matches, the one
/// with the longest prefix; an exact host before a suffix before any.
pub(crate) fn app_for<'a, T: AsRef<App>>(apps: &'a [T], host: &str, path: &str) -> Option<&'a T> {
    apps.iter()
        .filter_map(|app| {
            let candidate = app.as_ref();
            let host = host_rank(candidate, host)?;
            below(&candidate.prefix, path).then_some(((host, candidate.prefix.len()), app))
        })
        .max_by_key(|(rank, _)| *rank)
        .map(|(_, app)| app)
}

fn host_rank(app: &App, host: &str) -> Option<usize> {
    if app.hosts.is_empty() {
        return Some(0);
    }
    app.hosts
        .iter()
        .filter_map(|pattern| match pattern {
            HostPattern::Exact(name) => (name == host).then_some(usize::MAX),
            HostPattern::Suffix(suffix) => host.ends_with(suffix.as_str()).then_some(suffix.len()),
        })
        .max()
}

fn below(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What the app's config says of a request.
///
/// A login's and a logout's recipe are found by the normalised path. Where the path as it came
/// reads differently, the stricter of both readings holds: servers do not agree on them.
pub(crate) fn route(app: &App, parts: &Parts, path: &NormalPath<'_>) -> Routed {
    let normal = lookup(app, parts, path.as_str());
    if !path.differs() {
        return normal;
    }
    let raw = without_parameters(parts.uri.path());
    stricter(normal, lookup(app, parts, &raw).rule)
}

/// A path as it came, but without path parameters: an id may travel there, and no rule is
/// written for one.
fn without_parameters(raw: &str) -> String {
    let segments = raw
        .split('/')
        .map(|segment| segment.split(';').next().unwrap_or(segment));
    segments.collect::<Vec<_>>().join("/")
}

fn stricter(routed: Routed, other: RouteRule) -> Routed {
    let rule = RouteRule {
        access: routed.rule.access.max(other.access),
        activity: if other.activity == Activity::Passive {
            Activity::Passive
        } else {
            routed.rule.activity
        },
        on_stale: if other.on_stale == OnStale::Refuse {
            OnStale::Refuse
        } else {
            routed.rule.on_stale
        },
    };
    Routed { rule, ..routed }
}

fn lookup(app: &App, parts: &Parts, path: &str) -> Routed {
    let logins = app.logins.iter().enumerate();
    let logins: Vec<usize> = logins
        .filter(|(_, recipe)| matches(&recipe.pattern, parts, path))
        .map(|(index, _)| index)
        .collect();
    let logout = app
        .logouts
        .iter()
        .position(|recipe| matches(&recipe.pattern, parts, path));
    let route = app
        .routes
        .iter()
        .find(|route| matches(&route.pattern, parts, path));
    let (label, mut rule) = match route {
        Some(route) => (Some(Arc::clone(&route.label)), route.rule),
        None => (None, app.fallback),
    };
    if !logins.is_empty() || is_login_page(&app.logins, parts, path) {
        rule.access = Access::Public;
    }
    let same = app.logins.iter().any(|recipe| recipe.page == Page::Same);
    let login_page = if same {
        LoginPage::Same
    } else {
        LoginPage::Elsewhere
    };
    Routed {
        label,
        rule,
        login_page,
        logins,
        logout,
    }
}

/// Whether this is the page on which an app shows a login form, its query included where the
/// page has one.
fn is_login_page(recipes: &[LoginRecipe], parts: &Parts, path: &str) -> bool {
    parts.method.is_safe()
        && recipes.iter().any(|recipe| match &recipe.page {
            Page::At(page) => {
                let (page_path, page_query) = page.split_once('?').unwrap_or((page, ""));
                page_path == path && holds_query(parts, page_query)
            }
            Page::Same | Page::None => false,
        })
}

fn holds_query(parts: &Parts, wanted: &str) -> bool {
    form_urlencoded::parse(wanted.as_bytes())
        .all(|(name, value)| query_has(parts, &name, Some(&value)))
}

fn matches(pattern: &RequestPattern, parts: &Parts, path: &str) -> bool {
    (pattern.methods.is_empty() || pattern.methods.contains(&parts.method))
        && pattern.path.matches(path)
        && pattern
            .query
            .iter()
            .all(|(name, value)| query_has(parts, name, value.as_deref()))
        && pattern
            .headers
            .iter()
            .all(|(name, value)| header_has(parts, name, value.as_deref()))
}

fn query_has(parts: &Parts, name: &str, value: Option<&str>) -> bool {
    form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
        .any(|(key, found)| key == name && value.is_none_or(|value| found == value))
}

fn header_has(parts: &Parts, name: &HeaderName, value: Option<&str>) -> bool {
    parts.headers.get_all(name).iter().any(|found| {
        value.is_none_or(|value| found.as_bytes().eq_ignore_ascii_case(value.as_bytes()))
    })
}
