//! What the access log says of a request: enough to replay it against another policy.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use serde::{Serialize, Serializer};

use crate::domain::access::{Access, Activity};
use crate::domain::identity::{Fingerprint, Lineage};
use crate::domain::policy::{PolicyVersion, RoleName};
use crate::domain::session::{EndReason, Session};
use crate::domain::time::Timestamp;
use crate::telemetry::metrics::VerdictLabel;

/// What the log tells of one request. The user is told by the audit alone.
#[derive(Debug, Clone)]
pub struct AccessEntry {
    /// When it was decided.
    pub at: Timestamp,
    /// The name under which all parties log it.
    pub request: String,
    /// Whose it was.
    pub client: IpAddr,
    /// Its method.
    pub method: Method,
    /// The host it asked for.
    pub host: Option<String>,
    /// Its normalised path: without the query and without path parameters, either of which may
    /// carry an id.
    pub path: String,
    /// The app, where one answered to host and path.
    pub app: Option<Arc<str>>,
    /// The route, where one matched.
    pub route: Option<Arc<str>>,
    /// All of which its route says which requests are meant: by it a replay finds the route again.
    pub matched: Option<String>,
    /// The session it named, alive or dead; after a login, the new one.
    pub session: Option<Arc<Session>>,
    /// Whose that is, by a keyed hash that tells users apart and none of their names.
    pub user: Option<Fingerprint>,
    /// Of a login, the session that it took the place of.
    pub before: Option<Lineage>,
    /// The class of its device, where the policy has classes.
    pub device: Option<Arc<str>>,
    /// Whether it opened a stream, or tried to: such a request is passive under any policy.
    pub stream: bool,
    /// What its route needs.
    pub access: Option<Access>,
    /// Whether it moved the idle clock.
    pub activity: Option<Activity>,
    /// What became of it.
    pub verdict: VerdictLabel,
    /// Why, where it was not forwarded.
    pub reason: Option<&'static str>,
    /// What it did to its session.
    pub happened: Option<Happened>,
    /// What would have ended its session, had its limits not only been watched.
    pub would: Option<EndReason>,
    /// The status of the answer.
    pub status: StatusCode,
    /// The policy that judged.
    pub policy: PolicyVersion,
    /// From its head to the end of the answer.
    pub total: Duration,
    /// The gateway's own part.
    pub own: Duration,
    /// Until the head of the upstream's answer, where one was asked.
    pub upstream: Option<Duration>,
    /// In the store, where it was asked.
    pub store: Option<Duration>,
    /// Bytes of its body, where they were counted.
    pub bytes_in: Option<u64>,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// Whether the answer's body came to its own end: neither broken off nor cut.
    pub complete: bool,
}

/// What a request did to its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Happened {
    /// It logged in.
    Login,
    /// It logged out.
    Logout,
    /// It was the one that found it ended.
    End,
}

impl AccessEntry {
    /// What is known of a request when it begins.
    pub fn new(
        at: Timestamp,
        request: String,
        client: IpAddr,
        method: Method,
        policy: PolicyVersion,
    ) -> Self {
        Self {
            at,
            request,
            client,
            method,
            host: None,
            path: String::new(),
            app: None,
            route: None,
            matched: None,
            session: None,
            user: None,
            before: None,
            device: None,
            stream: false,
            access: None,
            activity: None,
            verdict: VerdictLabel::Error,
            reason: None,
            happened: None,
            would: None,
            status: StatusCode::OK,
            policy,
            total: Duration::ZERO,
            own: Duration::ZERO,
            upstream: None,
            store: None,
            bytes_in: None,
            bytes_out: 0,
            complete: true,
        }
    }

    /// The entry as it is spelled.
    pub(in crate::telemetry) fn line(&self) -> AccessLine<'_> {
        let session = self.session.as_deref();
        AccessLine {
            at_ms: self.at.as_millis(),
            request: &self.request,
            client: self.client,
            method: self.method.as_str(),
            host: self.host.as_deref(),
            path: &self.path,
            app: self.app.as_deref(),
            route: self.route.as_deref(),
            matched: self.matched.as_deref(),
            lineage: session.map(|session| Displayed(session.lineage)),
            before: self.before.map(Displayed),
            user: self.user.map(Displayed),
            started_ms: session.map(|session| session.started.as_millis()),
            until_ms: session.and_then(|session| session.until.map(Timestamp::as_millis)),
            device: self.device.as_deref(),
            authenticated: session.map(Session::is_authenticated),
            roles: session.map(|session| Roles(session.roles())),
            access: self.access.map(access_word),
            activity: self.activity.map(activity_word),
            stream: self.stream,
            verdict: self.verdict.as_str(),
            reason: self.reason,
            event: self.happened,
            would: self.would.map(EndReason::as_str),
            status: self.status.as_u16(),
            policy: Displayed(self.policy),
            total_us: micros(self.total),
            own_us: micros(self.own),
            upstream_us: self.upstream.map(micros),
            store_us: self.store.map(micros),
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            complete: self.complete,
        }
    }
}

/// One line. What does not apply is null, so that every line has the same fields.
#[derive(Serialize)]
pub(in crate::telemetry) struct AccessLine<'a> {
    at_ms: u64,
    request: &'a str,
    client: IpAddr,
    method: &'a str,
    host: Option<&'a str>,
    path: &'a str,
    app: Option<&'a str>,
    route: Option<&'a str>,
    matched: Option<&'a str>,
    lineage: Option<Displayed<Lineage>>,
    before: Option<Displayed<Lineage>>,
    user: Option<Displayed<Fingerprint>>,
    started_ms: Option<u64>,
    until_ms: Option<u64>,
    device: Option<&'a str>,
    authenticated: Option<bool>,
    roles: Option<Roles<'a>>,
    access: Option<&'static str>,
    activity: Option<&'static str>,
    stream: bool,
    verdict: &'static str,
    reason: Option<&'static str>,
    event: Option<Happened>,
    would: Option<&'static str>,
    status: u16,
    policy: Displayed<PolicyVersion>,
    total_us: u64,
    own_us: u64,
    upstream_us: Option<u64>,
    store_us: Option<u64>,
    bytes_in: Option<u64>,
    bytes_out: u64,
    complete: bool,
}

/// A touch of a session's idle clock that no request of its own made: work under way, or a person's
/// message in a WebSocket.
#[derive(Debug, Clone, Copy)]
pub struct Touch<'a> {
    /// Until when its user was active.
    pub at: Timestamp,
    /// Since when, as far as the store knew before.
    pub since: Timestamp,
    /// By what.
    pub by: TouchedBy,
    /// The app.
    pub app: &'a str,
    /// The session.
    pub lineage: Lineage,
}

/// What touched a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TouchedBy {
    /// A request that was under way.
    Work,
    /// A person's message.
    Person,
}

impl Touch<'_> {
    /// The touch as it is spelled.
    pub(in crate::telemetry) fn line(&self) -> impl Serialize + use<> {
        TouchLine {
            at_ms: self.at.as_millis(),
            event: self.by,
            app: self.app.into(),
            lineage: Displayed(self.lineage),
            since_ms: self.since.as_millis(),
        }
    }
}

#[derive(Serialize)]
struct TouchLine {
    at_ms: u64,
    event: TouchedBy,
    app: String,
    lineage: Displayed<Lineage>,
    since_ms: u64,
}

/// Spelled as it is displayed, without a string in between.
struct Displayed<T>(T);

impl<T: std::fmt::Display> Serialize for Displayed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

struct Roles<'a>(&'a [RoleName]);

impl Serialize for Roles<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(RoleName::as_str))
    }
}

fn access_word(access: Access) -> &'static str {
    match access {
        Access::Public => "public",
        Access::Session => "session",
        Access::Authenticated => "authenticated",
    }
}

fn activity_word(activity: Activity) -> &'static str {
    match activity {
        Activity::Active => "active",
        Activity::Passive => "passive",
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
