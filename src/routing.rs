//! From host and path to an app, and from path, method and query to what a request needs.
//!
//! What the proxy asks of a request that came, `explain` asks of one that is only described.

pub(crate) mod client;
pub(crate) mod known;
pub(crate) mod names;
mod passive;
pub(crate) mod path;
pub(crate) mod query;

use std::sync::Arc;

use http::header::{IF_MODIFIED_SINCE, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode};

use crate::config::app::{App, HostPattern, LoginRecipe, Page, RequestPattern, RouteRule};
use crate::config::passive::FrameRule;
use crate::domain::access::{Access, Activity, Client, LoginPage, OnStale, RequestFacts, Safety};
use crate::domain::proof::{AskedBy, LoginStep, Proof};

use path::NormalPath;
use query::Met;

/// What the config says of one request.
#[derive(Debug, Clone)]
pub(crate) struct Routed {
    /// What the access log calls the route, where one matched.
    pub(crate) label: Option<Arc<str>>,
    /// The route that matched, by its place in the app; none where the app's own rule holds.
    pub(crate) route: Option<usize>,
    /// Routes that only some servers would take it for, by their place in the app.
    pub(crate) for_some: Vec<usize>,
    pub(crate) rule: RouteRule,
    pub(crate) login_page: LoginPage,
    /// What it asks of its session's login.
    pub(crate) proof: Proof,
    /// The login recipes that it may be trying; a JSON body may tell them apart.
    pub(crate) logins: Vec<usize>,
    /// The logout recipe that it is trying.
    pub(crate) logout: Option<usize>,
    /// Statuses of the answer that tell that it was passive; `passive::settle` fills it in.
    pub(crate) passive_at: Vec<StatusCode>,
    /// Which messages of its client are a person's, where it opens a WebSocket; filled in likewise.
    pub(crate) person_frames: Vec<Arc<FrameRule>>,
    /// Whether it opens a stream; filled in likewise.
    pub(crate) opens_stream: bool,
}

impl Routed {
    /// Whether the answer may log somebody in or out, so that the exchange must run to its end
    /// even if the client leaves.
    pub(crate) fn changes_session(&self) -> bool {
        !self.logins.is_empty() || self.logout.is_some()
    }

    /// Whether it may hold its session's clock while its answer is waited for: it is a person's, or
    /// nothing but a 304 would tell that it is none, which HTTP knows as an answer to a request that
    /// asks what has changed (RFC 9110, 15.4.5).
    pub(crate) fn may_hold(&self, parts: &Parts) -> bool {
        let by_304_alone = || {
            self.passive_at
                .iter()
                .all(|at| *at == StatusCode::NOT_MODIFIED)
        };
        self.rule.activity == Activity::Active
            && (self.passive_at.is_empty() || (by_304_alone() && !asks_what_changed(parts)))
    }

    pub(crate) fn facts(&self, method: &Method, client: Client) -> RequestFacts {
        RequestFacts {
            access: self.rule.access,
            // What hangs on the answer is written once there is one.
            activity: match self.passive_at.is_empty() {
                true => self.rule.activity,
                false => Activity::Passive,
            },
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
            is_below(&candidate.prefix, path).then_some(((host, candidate.prefix.len()), app))
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

/// Whether a normalised path is below an app's prefix.
pub(crate) fn is_below(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What the app's config says of a request.
///
/// A login's and a logout's recipe are found by the normalised path. Where the path as it came
/// reads differently, the stricter of both readings holds: servers do not agree on them.
pub(crate) fn route(app: &App, parts: &Parts, path: &NormalPath<'_>, client: Client) -> Routed {
    let mut routed = by_both_readings(app, parts, path);
    passive::settle(&mut routed, app, parts, path, client);
    routed.proof = proof(app, &routed, parts, client);
    routed
}

/// What a request asks of its session's login.
fn proof(app: &App, routed: &Routed, parts: &Parts, client: Client) -> Proof {
    let is_public = routed.rule.access == Access::Public;
    let is_form = match routed.login_page {
        LoginPage::Same => !is_public && client == Client::Navigation && parts.method.is_safe(),
        LoginPage::Elsewhere => is_public && routed.proof.step == LoginStep::Form,
    };
    let proof = Proof {
        max_auth_age: routed.rule.max_auth_age.filter(|_| !is_public),
        of: None,
        step: match is_form {
            true => LoginStep::Form,
            false => LoginStep::Neither,
        },
        asked_by: match app.may_send_to_login() {
            true => client::asked_by(parts),
            false => AskedBy::User,
        },
    };
    match is_attempt(app, routed) {
        true => proof.at_attempt(app.freshest),
        false => proof,
    }
}

/// Whether its head alone tells that a request sends a login, which its answer may then teach:
/// however its path is spelled, and whatever its access. Where a recipe has conditions on the body,
/// the proxy asks again once it holds it.
fn is_attempt(app: &App, routed: &Routed) -> bool {
    let mut recipes = routed.logins.iter().filter_map(|at| app.logins.get(*at));
    recipes.any(|recipe| recipe.json.is_empty())
}

fn by_both_readings(app: &App, parts: &Parts, path: &NormalPath<'_>) -> Routed {
    let normal = lookup(app, parts, path.as_str());
    if !path.differs() {
        return normal;
    }
    let raw = lookup(app, parts, &without_parameters(parts.uri.path()));
    let mut for_some = normal.for_some;
    let others = raw.for_some.into_iter().chain(raw.route);
    for_some.extend(others.filter(|other| normal.route != Some(*other)));
    for_some.sort_unstable();
    for_some.dedup();
    Routed {
        rule: stricter(normal.rule, raw.rule),
        for_some,
        ..normal
    }
}

/// A path as it came, but without path parameters: an id may travel there, and no rule is
/// written for one.
fn without_parameters(raw: &str) -> String {
    let segments = raw
        .split('/')
        .map(|segment| segment.split(';').next().unwrap_or(segment));
    segments.collect::<Vec<_>>().join("/")
}

fn stricter(one: RouteRule, other: RouteRule) -> RouteRule {
    RouteRule {
        access: one.access.max(other.access),
        activity: if other.activity == Activity::Passive {
            Activity::Passive
        } else {
            one.activity
        },
        on_stale: if other.on_stale == OnStale::Refuse {
            OnStale::Refuse
        } else {
            one.on_stale
        },
        limits: one.limits.and(other.limits),
        work: one.work.and(other.work),
        max_auth_age: [one.max_auth_age, other.max_auth_age]
            .into_iter()
            .flatten()
            .min(),
    }
}

fn lookup(app: &App, parts: &Parts, path: &str) -> Routed {
    let logins = app.logins.iter().enumerate();
    let logins: Vec<usize> = logins
        .filter(|(_, recipe)| met(&recipe.pattern, parts, path) == Met::Everywhere)
        .map(|(index, _)| index)
        .collect();
    let logout = app
        .logouts
        .iter()
        .position(|recipe| met(&recipe.pattern, parts, path) == Met::Everywhere);
    let (route, for_some) = matching(app, parts, path);
    let found = route.and_then(|index| app.routes.get(index));
    let tried = for_some.iter().filter_map(|index| app.routes.get(*index));
    let mut rule = tried
        .map(|route| route.rule)
        .fold(found.map_or(app.fallback, |route| route.rule), stricter);
    let is_form = is_login_page(&app.logins, parts, path);
    if !logins.is_empty() || is_form {
        rule.access = Access::Public;
    }
    let same = app.logins.iter().any(|recipe| recipe.page == Page::Same);
    let login_page = if same {
        LoginPage::Same
    } else {
        LoginPage::Elsewhere
    };
    Routed {
        label: found.map(|route| Arc::clone(&route.label)),
        route,
        for_some,
        rule,
        login_page,
        proof: Proof {
            step: match is_form {
                true => LoginStep::Form,
                false => LoginStep::Neither,
            },
            ..Proof::default()
        },
        logins,
        logout,
        passive_at: Vec::new(),
        person_frames: Vec::new(),
        opens_stream: false,
    }
}

/// The first route that is meant for all servers, and those before it that are meant for some of
/// them: they make its rule stricter and never looser.
fn matching(app: &App, parts: &Parts, path: &str) -> (Option<usize>, Vec<usize>) {
    let mut for_some = Vec::new();
    for (index, route) in app.routes.iter().enumerate() {
        match met(&route.pattern, parts, path) {
            Met::Nowhere => {}
            Met::Somewhere => for_some.push(index),
            Met::Everywhere => return (Some(index), for_some),
        }
    }
    (None, for_some)
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
    let found = parts.uri.query().unwrap_or_default();
    form_urlencoded::parse(wanted.as_bytes())
        .all(|(name, value)| query::has(found, &name, Some(&value)) == Met::Everywhere)
}

fn met(pattern: &RequestPattern, parts: &Parts, path: &str) -> Met {
    let meant = (pattern.methods.is_empty() || pattern.methods.contains(&parts.method))
        && pattern.path.matches(path)
        && pattern
            .headers
            .iter()
            .all(|(name, value)| header_has(parts, name, value.as_deref()));
    if !meant {
        return Met::Nowhere;
    }
    let found = parts.uri.query().unwrap_or_default();
    let conditions = pattern.query.iter();
    conditions
        .map(|(name, value)| query::has(found, name, value.as_deref()))
        .min()
        .unwrap_or(Met::Everywhere)
}

/// Whether its conditions let it be answered with a 304 (RFC 9110, 13.2.2).
fn asks_what_changed(parts: &Parts) -> bool {
    let asks = [IF_NONE_MATCH, IF_MODIFIED_SINCE].map(|name| parts.headers.contains_key(name));
    matches!(parts.method, Method::GET | Method::HEAD) && asks.contains(&true)
}

fn header_has(parts: &Parts, name: &HeaderName, value: Option<&str>) -> bool {
    let found = parts
        .headers
        .get_all(name)
        .iter()
        .map(HeaderValue::as_bytes);
    let Some(value) = value.map(str::as_bytes) else {
        return parts.headers.contains_key(name);
    };
    match value.strip_suffix(b"*") {
        Some(start) => found
            .filter_map(|found| found.get(..start.len()))
            .any(|found| found.eq_ignore_ascii_case(start)),
        None => found
            .into_iter()
            .any(|found| found.eq_ignore_ascii_case(value)),
    }
}

#[cfg(test)]
mod tests {
    use http::{Method, Request};

    use super::client::wants;
    use super::path::normalise;
    use super::{Routed, route};
    use crate::config::load;
    use crate::domain::access::{Access, Activity};

    const PHP: &str = include_str!("../config/examples/php.toml");

    fn routed_by(policy: &str, method: Method, target: &str) -> Routed {
        let config = load::parse_alone(policy, "test.toml").unwrap().config;
        let request = Request::builder().method(method).uri(target);
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let path = normalise(parts.uri.path()).unwrap();
        route(&config.apps[0], &parts, &path, wants(&parts))
    }

    fn php(method: Method, query: &str) -> Routed {
        routed_by(PHP, method, &format!("/index.php?{query}"))
    }

    /// Queries that are `action` for some servers, and another action for others.
    fn for_some(action: &str) -> [String; 5] {
        [
            format!("action={action}&action=approve"),
            format!("action=approve&action={action}"),
            format!("action={action}&Action=approve"),
            format!("action={action};action=approve"),
            format!("Action={action}"),
        ]
    }

    #[test]
    fn a_query_with_one_reading_is_the_login_page_a_login_a_logout_or_a_poll() {
        assert_eq!(php(Method::GET, "action=login").rule.access, Access::Public);
        assert_eq!(php(Method::POST, "action=login&x=1").logins, [0]);
        assert_eq!(php(Method::GET, "action=logout").logout, Some(0));
        let poll = php(Method::GET, "action=ping");
        assert_eq!(poll.rule.activity, Activity::Passive);
    }

    #[test]
    fn no_query_with_two_readings_is_the_login_page_a_login_or_a_logout() {
        for query in for_some("login") {
            let page = php(Method::GET, &query);
            assert_eq!(page.rule.access, Access::Authenticated, "{query}");
            let login = php(Method::POST, &query);
            assert!(login.logins.is_empty(), "{query}");
            assert_eq!(login.rule.access, Access::Authenticated, "{query}");
        }
        for query in for_some("logout") {
            assert_eq!(php(Method::GET, &query).logout, None, "{query}");
        }
    }

    #[test]
    fn no_query_that_some_read_as_a_poll_extends_the_session() {
        for query in for_some("ping") {
            let routed = php(Method::GET, &query);
            assert_eq!(routed.rule.activity, Activity::Passive, "{query}");
            assert_eq!(routed.rule.access, Access::Authenticated, "{query}");
            assert_eq!(routed.label, None, "{query}");
        }
    }

    fn asked_with(policy: &str, target: &str, headers: &[(&str, &str)]) -> Routed {
        let config = load::parse_alone(policy, "test.toml").unwrap().config;
        let mut request = Request::builder().uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let path = normalise(parts.uri.path()).unwrap();
        route(&config.apps[0], &parts, &path, wants(&parts))
    }

    #[test]
    fn no_spelling_of_what_asks_for_events_extends_the_session() {
        let activity = |accept| {
            let fetched = [("sec-fetch-mode", "cors"), ("accept", accept)];
            asked_with(PHP, "/index.php", &fetched).rule.activity
        };
        for accept in [
            "text/event-stream",
            "Text/Event-Stream;q=0.9",
            "application/json, text/event-stream",
        ] {
            assert_eq!(activity(accept), Activity::Passive, "{accept}");
        }
        for accept in ["application/json", "text/html, text/event-stream", "*/*"] {
            assert_eq!(activity(accept), Activity::Active, "{accept}");
        }
    }

    #[test]
    fn no_messages_are_a_persons_where_servers_read_another_path() {
        let rule = "[[apps.person_frames]]\npath = \"/edit/**\"\n";
        let policy = format!("{PHP}{rule}");
        let upgrade = [("connection", "upgrade"), ("upgrade", "websocket")];
        let rules = |target| asked_with(&policy, target, &upgrade).person_frames.len();
        assert_eq!(rules("/edit/7"), 1);
        assert_eq!(rules("/poll/../edit/7"), 0);
    }

    #[test]
    fn no_second_reading_opens_what_a_route_closes_or_what_another_opens() {
        let route = |action: &str, access: &str| {
            format!(
                "[[apps.routes]]\npath = \"/index.php\"\nquery = {{ action = \"{action}\" }}\n\
                 access = \"{access}\"\n"
            )
        };
        let open = format!("{PHP}{}", route("news", "public"));
        let closed = PHP.replacen("[apps.session]", "access = \"public\"\n[apps.session]", 1);
        let closed = format!("{closed}{}", route("approve", "authenticated"));
        let access = |policy: &str, query: &str| {
            let target = format!("/index.php?{query}");
            routed_by(policy, Method::GET, &target).rule.access
        };
        assert_eq!(access(&open, "action=news"), Access::Public);
        assert_eq!(access(&closed, "action=news"), Access::Public);
        for query in for_some("news") {
            assert_eq!(access(&open, &query), Access::Authenticated, "{query}");
            let closes = query.contains("approve");
            assert_eq!(access(&closed, &query) == Access::Authenticated, closes);
        }
    }
}
