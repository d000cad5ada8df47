//! One app: its hosts and upstreams, how its sessions look, how its users log in and out, and
//! what its routes ask for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use globset::GlobMatcher;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use serde_json::Value;

use crate::domain::access::{Access, Activity, LoginPage, OnStale};
use crate::domain::device::OnDeviceChange;
use crate::domain::limits::RouteBounds;
use crate::domain::rehearse::AppBounds;
use crate::domain::time::Timestamp;

use super::carrier::SessionShape;
use super::passive::Passivity;
use super::token::TokenCarrier;
use super::value::Words;

/// One legacy application behind the gateway.
#[derive(Debug)]
pub struct App {
    /// Its name: a label of metrics and a field of records.
    pub name: Arc<str>,
    /// What its sids are hashed with; apps that share a host and a cookie name share it.
    pub namespace: Arc<str>,
    /// The names it answers to, lower case; empty where it answers to all.
    pub hosts: Vec<HostPattern>,
    /// The path below which it lives, without a trailing slash; empty for the whole host.
    pub prefix: String,
    /// Where it listens. The first that accepts is used.
    pub upstreams: Vec<Upstream>,
    /// The `Host` it is shown.
    pub host_header: HostHeader,
    /// Its own limits, and whether any limit ends its sessions.
    pub bounds: AppBounds,
    /// What becomes of its sessions that move to a device of another class.
    pub on_device_change: OnDeviceChange,
    /// The carriers of its id and the cookies that accompany it.
    pub shape: SessionShape,
    /// The slot's name: how the first carrier is spelled.
    pub slot: Arc<str>,
    /// Where else than in a Set-Cookie the app announces an id.
    pub issued: Vec<Source>,
    /// Paths and Domains at which its cookies are expired besides the recorded ones.
    pub expire_at: Vec<ExpireAt>,
    /// Until when unknown ids are adopted, for a roll-out.
    pub adopt_until: Option<Timestamp>,
    /// How its users log in.
    pub logins: Vec<LoginRecipe>,
    /// How they log out.
    pub logouts: Vec<LogoutRecipe>,
    /// What its paths ask for; the first that matches wins.
    pub routes: Vec<Route>,
    /// Where no route matches.
    pub fallback: RouteRule,
    /// The smallest age of a login at which any route asks for a new one, of any app with the same
    /// sessions.
    pub freshest: Option<Duration>,
    /// Whether who was sent to log in again is led back to where he was.
    pub way_back: bool,
    /// What of its traffic is no person's.
    pub passivity: Passivity,
    /// Its companion token, where it has one.
    pub token: Option<TokenCarrier>,
    /// How refusals look.
    pub refusals: Refusals,
}

impl App {
    /// Whether a session of it may live, and its user be asked to log in again all the same.
    pub fn asks_for_proof(&self) -> bool {
        self.freshest.is_some() || self.on_device_change == OnDeviceChange::Reauthenticate
    }

    /// Whether anybody may be sent to log in with a way back, or with the mark of the lineage that
    /// has to.
    pub fn may_send_to_login(&self) -> bool {
        self.way_back || self.asks_for_proof()
    }
}

/// A host name that an app answers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// This name.
    Exact(String),
    /// Any name that ends in this suffix, which starts with a dot.
    Suffix(String),
}

/// The `Host` that the app is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostHeader {
    /// The client's.
    Pass,
    /// This one.
    Rewrite(HeaderValue),
}

/// One address of an app: `http://` and a host with a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// `host:port`, as the config spells it.
    pub authority: http::uri::Authority,
    /// The address, where the host is one.
    pub address: Option<SocketAddr>,
}

/// A Path and a Domain at which a cookie may have been set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpireAt {
    /// The Path attribute.
    pub path: String,
    /// The Domain attribute, if any.
    pub domain: Option<String>,
}

/// A pattern over normalised paths: `*` stays within a segment, `**` does not.
#[derive(Debug, Clone)]
pub struct PathPattern {
    /// As the config spells it.
    pub text: String,
    /// The compiled form.
    pub matcher: GlobMatcher,
}

impl PathPattern {
    /// Whether a normalised path matches.
    pub fn matches(&self, path: &str) -> bool {
        self.matcher.is_match(path)
    }

    /// Whether the target of a `Location` matches: its path, and its query where the pattern has
    /// one. A login that fails with `/login?error` still leads to `/login`.
    pub fn matches_target(&self, path_and_query: &str) -> bool {
        let path = path_and_query.split('?').next().unwrap_or_default();
        let compared = if self.text.contains('?') {
            path_and_query
        } else {
            path
        };
        self.matcher.is_match(compared)
    }
}

/// Which requests are meant. All that is said must hold.
#[derive(Debug, Clone)]
pub struct RequestPattern {
    /// The normalised path.
    pub path: PathPattern,
    /// The methods; empty for all.
    pub methods: Vec<Method>,
    /// Query parameters: a name, and its value where only one is meant.
    pub query: Vec<(String, Option<String>)>,
    /// Headers: a name, and its value (compared ignoring ASCII case) where only one is meant.
    pub headers: Vec<(HeaderName, Option<String>)>,
}

impl RequestPattern {
    /// Which requests are meant, in one line: methods, path, query, headers.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for method in &self.methods {
            text.push_str(method.as_str());
            text.push(' ');
        }
        text.push_str(&self.path_and_query());
        for (name, value) in &self.headers {
            let value = value.as_deref().unwrap_or("*");
            text.push_str(&format!(" {name}: {value}"));
        }
        text
    }

    /// The path and the query in one text; a login without a name is called by it.
    pub fn path_and_query(&self) -> String {
        let mut text = self.path.text.clone();
        for (index, (name, value)) in self.query.iter().enumerate() {
            text.push(if index == 0 { '?' } else { '&' });
            text.push_str(name);
            text.push('=');
            text.push_str(value.as_deref().unwrap_or("*"));
        }
        text
    }
}

/// How long work under way counts: an upload, a download, an answer that the app takes its time for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkLimits {
    /// How long it holds the idle clock of its session, from its request on; zero for not at all.
    pub max: Duration,
    /// How long it may go on behind the absolute timeout; zero for not at all.
    pub drain: Duration,
}

impl WorkLimits {
    /// The smaller of each.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            max: self.max.min(other.max),
            drain: self.drain.min(other.drain),
        }
    }
}

/// What a route asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteRule {
    /// What it needs.
    pub access: Access,
    /// Whether it moves the idle clock.
    pub activity: Activity,
    /// What becomes of stale requests.
    pub on_stale: OnStale,
    /// Its own limits.
    pub limits: RouteBounds,
    /// How long its work counts.
    pub work: WorkLimits,
    /// The age of a login at which it asks for a new one.
    pub max_auth_age: Option<Duration>,
}

impl RouteRule {
    /// Access, activity and what becomes of stale requests, as the file would spell them. Public
    /// requests are always stripped of what is stale.
    pub fn words(&self) -> [&'static str; 3] {
        let on_stale = match self.access {
            Access::Public => OnStale::Strip,
            Access::Session | Access::Authenticated => self.on_stale,
        };
        [self.access.word(), self.activity.word(), on_stale.word()]
    }
}

/// One route.
#[derive(Debug, Clone)]
pub struct Route {
    /// What it is called in the access log: its path pattern.
    pub label: Arc<str>,
    /// Which requests are meant.
    pub pattern: RequestPattern,
    /// What they need.
    pub rule: RouteRule,
}

/// One way to log in.
#[derive(Debug, Clone)]
pub struct LoginRecipe {
    /// What it is called in metrics.
    pub label: Arc<str>,
    /// Which requests try it.
    pub pattern: RequestPattern,
    /// Fields of a JSON body that must have these values: a pointer (RFC 6901) and a value, or
    /// none where the field must only be there.
    pub json: Vec<(String, Option<Value>)>,
    /// Where its form is shown.
    pub page: Page,
    /// Where the user's name is found.
    pub user: Option<Extractor>,
    /// Where his groups are found.
    pub groups: Option<Extractor>,
    /// How success is told.
    pub success: Success,
    /// Whether the app keeps its id over the login; it is then open to session fixation.
    pub same_id: bool,
}

/// Where a login form is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// At this path (and query), which is public.
    At(String),
    /// In place of any protected page.
    Same,
    /// Nowhere: a program logs in.
    None,
}

impl Page {
    /// What `decide` must know of it.
    pub fn login_page(&self) -> LoginPage {
        match self {
            Self::Same => LoginPage::Same,
            Self::At(_) | Self::None => LoginPage::Elsewhere,
        }
    }
}

/// How a login's success is told by the answer. All that is said must hold.
#[derive(Debug, Clone)]
pub struct Success {
    /// The status is one of these; never empty.
    pub status: Vec<StatusCode>,
    /// The target of `Location` matches.
    pub location: Option<PathPattern>,
    /// The target of `Location` does not match.
    pub location_not: Option<PathPattern>,
    /// A new id is issued.
    pub new_session: bool,
    /// This cookie is set and not deleted.
    pub cookie: Option<String>,
    /// This header is there, with this value where one is given.
    pub header: Option<(HeaderName, Option<String>)>,
    /// These fields of the JSON answer have these values, or are there.
    pub json: Vec<(String, Option<Value>)>,
}

/// One way to log out.
#[derive(Debug, Clone)]
pub struct LogoutRecipe {
    /// Which requests do it.
    pub pattern: RequestPattern,
    /// Statuses that tell that the app did; empty for every one below 400.
    pub status: Vec<StatusCode>,
}

/// Where a value is found: as it stands there, or as a claim of the token that stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extractor {
    /// Where.
    pub source: Source,
    /// A pointer (RFC 6901) into the claims of a JSON Web Token (RFC 7519), where the value is one
    /// of them: `claim:sub in answer-cookie:token`.
    pub claim: Option<String>,
}

/// A part of a request or an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A field of the request's form: `form:j_username`.
    Form(String),
    /// A parameter of the request's query: `query:user`.
    Query(String),
    /// A field of the request's JSON: `json:/0/user` (RFC 6901).
    Json(String),
    /// A header of the request, which a client may forge: `header:x-user`.
    Header(HeaderName),
    /// A cookie of the request, which a client may forge: `cookie:sso`.
    Cookie(String),
    /// A header of the answer: `answer-header:x-user`.
    AnswerHeader(HeaderName),
    /// A field of the JSON answer: `answer-json:/user/name`.
    AnswerJson(String),
    /// A cookie that the answer sets, or a part of it: `answer-cookie:auth` or
    /// `answer-cookie:auth@:@0`, the part before the first colon.
    AnswerCookie {
        /// The cookie's name.
        name: String,
        /// What separates its parts, and which part is meant, from 0.
        part: Option<(char, usize)>,
    },
}

/// How refusals look.
#[derive(Debug, Clone, Default)]
pub struct Refusals {
    /// To a navigation; none for the redirect to the login page, or the gateway's own page.
    pub navigation: Option<CustomAnswer>,
    /// To a script; none for 401 with a problem document (RFC 9457).
    pub script: Option<CustomAnswer>,
}

/// An answer of the administrator's own. `{code}` and `{detail}` in its body are filled in.
#[derive(Debug, Clone)]
pub struct CustomAnswer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Its body.
    pub body: String,
}
