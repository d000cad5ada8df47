//! The numbers of one app, resolved when the configuration is taken up: a request touches
//! atomics, and no map of labels.

use std::sync::Arc;
use std::time::Duration;

use prometheus::{
    Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry,
};

use crate::config::app::App;
use crate::domain::decide::Stale;
use crate::domain::policy::{Policy, RoleName};
use crate::domain::session::{EndReason, Session, UserName};
use crate::domain::time::Timestamp;

use super::family::{child, child_gauge, child_histogram, children, counters, gauges, histograms};
use super::idle_ends::IdleEnds;
use super::label::{LoginOutcome, StreamCut, TokenLabel, UpstreamFault, VerdictLabel};

/// Fractions of the idle limit. The last bucket below 1 tells how many came just in time.
const IDLE_GAP_BUCKETS: [f64; 7] = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0];

/// Seconds until the head of an upstream's answer.
const UPSTREAM_BUCKETS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// How a request without a session is labelled.
const NO_SESSION: &str = "none";
/// The holders that every policy has, before its own roles.
const ANONYMOUS: RoleLabel = RoleLabel(0);
const UNMAPPED: RoleLabel = RoleLabel(1);
const BUILT_IN: [&str; 2] = ["anonymous", "unmapped"];

/// The ends that a limit may bring.
const BY_TIME: [EndReason; 2] = [EndReason::IdleTimeout, EndReason::AbsoluteTimeout];

/// The families of which each app has children.
pub(super) struct AppFamilies {
    requests: IntCounterVec,
    started: IntCounterVec,
    ended: IntCounterVec,
    would_have_ended: IntCounterVec,
    idle_gap: HistogramVec,
    soon_after_idle_end: IntCounterVec,
    logins: IntCounterVec,
    upstream_duration: HistogramVec,
    upstream_errors: IntCounterVec,
    streams_open: IntGaugeVec,
    streams_cut: IntCounterVec,
    anonymous_unrecorded: IntCounterVec,
    adopted: IntCounterVec,
    tokens: IntCounterVec,
}

impl AppFamilies {
    pub(super) fn register(registry: &Registry) -> Self {
        let counters = |name, help, labels: &[&str]| counters(registry, name, help, labels);
        let histograms = |name, help, buckets: &[f64], labels: &[&str]| {
            histograms(registry, name, help, buckets, labels)
        };
        Self {
            requests: counters(
                "requests_total",
                "Requests by what became of them.",
                &["app", "role", "verdict"],
            ),
            started: counters(
                "sessions_started_total",
                "Sessions that began: an id's first sight, or a login.",
                &["app", "role"],
            ),
            ended: counters(
                "sessions_ended_total",
                "Sessions that ended, by reason.",
                &["app", "role", "reason"],
            ),
            would_have_ended: counters(
                "sessions_would_have_ended_total",
                "Times that a limit in monitor mode would have ended a session, by reason.",
                &["app", "role", "reason"],
            ),
            idle_gap: histograms(
                "idle_gap_ratio",
                "Time between two active requests of a session as a fraction of its idle limit.",
                &IDLE_GAP_BUCKETS,
                &["app", "role"],
            ),
            soon_after_idle_end: counters(
                "logins_after_idle_end_total",
                "Logins within two minutes of an idle end of the same user.",
                &["app", "role"],
            ),
            logins: counters(
                "login_matches_total",
                "Requests that matched a login recipe, by what the answer told.",
                &["app", "recipe", "outcome"],
            ),
            upstream_duration: histograms(
                "upstream_duration_seconds",
                "Time from sending a request to the head of the upstream's answer.",
                &UPSTREAM_BUCKETS,
                &["app"],
            ),
            upstream_errors: counters(
                "upstream_errors_total",
                "Requests that an upstream did not answer.",
                &["app", "kind"],
            ),
            streams_open: gauges(
                registry,
                "streams_open",
                "Tunnels and event streams that are open.",
                &["app"],
            ),
            streams_cut: counters(
                "streams_cut_total",
                "Bodies and tunnels that the gateway cut, by reason.",
                &["app", "reason"],
            ),
            anonymous_unrecorded: counters(
                "anonymous_unrecorded_total",
                "Ids without a login that were not recorded, because a cap was reached.",
                &["app"],
            ),
            adopted: counters(
                "sessions_adopted_total",
                "Unknown ids that were adopted, for a roll-out.",
                &["app"],
            ),
            tokens: counters(
                "tokens_total",
                "Companion tokens, by what became of them.",
                &["app", "what"],
            ),
        }
    }

    pub(super) fn resolve(
        &self,
        app: &App,
        policy: &Policy,
        idle_ends: Arc<IdleEnds>,
    ) -> AppMetrics {
        let name: &str = &app.name;
        let roles: Vec<RoleName> = policy.roles.iter().map(|role| role.name.clone()).collect();
        let words = BUILT_IN
            .into_iter()
            .chain(roles.iter().map(RoleName::as_str));
        AppMetrics {
            requests_without_session: self.requests_of(name, NO_SESSION),
            holders: words.map(|role| self.holder(name, role)).collect(),
            logins: app
                .logins
                .iter()
                .map(|login| children(&self.logins, &[name, &login.label], LoginOutcome::WORDS))
                .collect(),
            upstream_duration: child_histogram(&self.upstream_duration, &[name]),
            upstream_errors: children(&self.upstream_errors, &[name], UpstreamFault::WORDS),
            streams_open: child_gauge(&self.streams_open, &[name]),
            streams_cut: children(&self.streams_cut, &[name], StreamCut::words()),
            anonymous_unrecorded: child(&self.anonymous_unrecorded, &[name]),
            adopted: child(&self.adopted, &[name]),
            tokens: app
                .token
                .as_ref()
                .map(|_| children(&self.tokens, &[name], TokenLabel::WORDS)),
            app: Arc::clone(&app.name),
            roles,
            idle_ends,
        }
    }

    fn requests_of(&self, app: &str, role: &str) -> [IntCounter; 4] {
        children(&self.requests, &[app, role], VerdictLabel::WORDS)
    }

    fn holder(&self, app: &str, role: &str) -> HolderMetrics {
        HolderMetrics {
            requests: self.requests_of(app, role),
            started: child(&self.started, &[app, role]),
            ended: children(
                &self.ended,
                &[app, role],
                EndReason::ALL.map(EndReason::as_str),
            ),
            would_have_ended: children(
                &self.would_have_ended,
                &[app, role],
                BY_TIME.map(EndReason::as_str),
            ),
            idle_gap: child_histogram(&self.idle_gap, &[app, role]),
            soon_after_idle_end: child(&self.soon_after_idle_end, &[app, role]),
        }
    }
}

/// The role under which a session counts in one `AppMetrics`; not to be kept over a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoleLabel(usize);

struct HolderMetrics {
    requests: [IntCounter; 4],
    started: IntCounter,
    ended: [IntCounter; EndReason::ALL.len()],
    would_have_ended: [IntCounter; BY_TIME.len()],
    idle_gap: Histogram,
    soon_after_idle_end: IntCounter,
}

/// The numbers of one app under one policy.
pub struct AppMetrics {
    app: Arc<str>,
    roles: Vec<RoleName>,
    requests_without_session: [IntCounter; 4],
    /// `BUILT_IN`, then `roles`.
    holders: Vec<HolderMetrics>,
    logins: Vec<[IntCounter; LoginOutcome::WORDS.len()]>,
    upstream_duration: Histogram,
    upstream_errors: [IntCounter; 4],
    streams_open: IntGauge,
    streams_cut: [IntCounter; StreamCut::COUNT],
    anonymous_unrecorded: IntCounter,
    adopted: IntCounter,
    /// None where the app has no tokens.
    tokens: Option<[IntCounter; TokenLabel::WORDS.len()]>,
    idle_ends: Arc<IdleEnds>,
}

impl AppMetrics {
    /// Under which role a session counts: of those it holds, the policy's first.
    pub fn role_of(&self, session: &Session) -> RoleLabel {
        if !session.is_authenticated() {
            return ANONYMOUS;
        }
        let held = session.roles();
        let first = self.roles.iter().position(|role| held.contains(role));
        first.map_or(UNMAPPED, |index| RoleLabel(BUILT_IN.len() + index))
    }

    /// A request was decided; `role` is that of the session it named, alive or dead.
    pub fn decided(&self, role: Option<RoleLabel>, verdict: VerdictLabel) {
        let requests = match role {
            Some(role) => &self.holder(role).requests,
            None => &self.requests_without_session,
        };
        requests[verdict as usize].inc();
    }

    /// A login began a session.
    pub fn started(&self, session: &Session, at: Timestamp) {
        let role = self.role_of(session);
        self.session_started(role);
        if let Some(user) = session.user() {
            self.logged_in(role, user, at);
        }
    }

    /// A session ended, and it was this gateway that ended it.
    pub fn ended(&self, session: &Session, reason: EndReason, at: Timestamp) {
        self.session_ended(self.role_of(session), reason);
        if let (EndReason::IdleTimeout, Some(user)) = (reason, session.user()) {
            self.idle_ended(user, at);
        }
    }

    /// A session began.
    pub fn session_started(&self, role: RoleLabel) {
        self.holder(role).started.inc();
    }

    /// A session ended, and it was this gateway that ended it.
    pub fn session_ended(&self, role: RoleLabel, reason: EndReason) {
        self.holder(role).ended[reason as usize].inc();
    }

    /// A limit that is only watched would have ended a session, and it was this gateway that told.
    pub fn would_have_ended(&self, session: &Session, reason: EndReason) {
        let holder = self.holder(self.role_of(session));
        if let Some(index) = BY_TIME.iter().position(|by| *by == reason) {
            holder.would_have_ended[index].inc();
        }
    }

    /// An active request came this long after the one before, under this idle limit.
    pub fn idle_gap(&self, role: RoleLabel, gap: Duration, limit: Duration) {
        if !limit.is_zero() {
            let ratio = gap.as_secs_f64() / limit.as_secs_f64();
            self.holder(role).idle_gap.observe(ratio);
        }
    }

    /// A user's session was ended by the idle timeout.
    pub fn idle_ended(&self, user: &UserName, at: Timestamp) {
        self.idle_ends.ended(&self.app, user, at);
    }

    /// A user logged in.
    pub fn logged_in(&self, role: RoleLabel, user: &UserName, at: Timestamp) {
        if self.idle_ends.logged_in(&self.app, user, at) {
            self.holder(role).soon_after_idle_end.inc();
        }
    }

    /// A request matched the app's recipe of this index, and was answered.
    pub fn login_seen(&self, recipe: usize, outcome: LoginOutcome) {
        if let Some(outcomes) = self.logins.get(recipe) {
            outcomes[outcome as usize].inc();
        }
    }

    /// The head of the upstream's answer came after this time.
    pub fn upstream_answered(&self, took: Duration) {
        self.upstream_duration.observe(took.as_secs_f64());
    }

    /// The upstream did not answer.
    pub fn upstream_failed(&self, fault: UpstreamFault) {
        self.upstream_errors[fault as usize].inc();
    }

    /// A tunnel or an event stream opened; it is open until the guard is dropped.
    pub fn stream_opened(&self) -> Open {
        Open::count(&self.streams_open)
    }

    /// The gateway cut a body or a tunnel.
    pub fn stream_cut(&self, cut: StreamCut) {
        self.streams_cut[cut.index()].inc();
    }

    /// An id without a login was not recorded.
    pub fn anonymous_unrecorded(&self) {
        self.anonymous_unrecorded.inc();
    }

    /// An unknown id was adopted: a session began whose login nobody saw.
    pub fn adopted(&self, session: &Session) {
        self.adopted.inc();
        self.session_started(self.role_of(session));
    }

    /// Something became of a companion token.
    pub fn token(&self, what: TokenLabel) {
        if let Some(tokens) = &self.tokens {
            tokens[what as usize].inc();
        }
    }

    /// A request was stale for this reason, which may be its token.
    pub fn token_refused(&self, stale: Stale) {
        match stale {
            Stale::TokenMissing => self.token(TokenLabel::Missing),
            Stale::TokenUnknown => self.token(TokenLabel::Unknown),
            _ => {}
        }
    }

    fn holder(&self, role: RoleLabel) -> &HolderMetrics {
        self.holders
            .get(role.0)
            .unwrap_or(&self.holders[UNMAPPED.0])
    }
}

/// Something counted as open until it is dropped.
pub struct Open(IntGauge);

impl Open {
    pub(super) fn count(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
