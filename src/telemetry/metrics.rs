//! Numbers for Prometheus. Every child is there from the start, at zero, and nothing of a
//! request is ever a label: roles, apps and recipes are those of the configuration.
//!
//! `docs/metrics.md` lists them; a test holds it to that.

mod app;
mod family;
mod idle_ends;
mod label;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use prometheus::process_collector::ProcessCollector;
use prometheus::{Gauge, Histogram, IntCounter, IntGauge, IntGaugeVec, Registry, TextEncoder};

use crate::clock::monotonic;
use crate::config::app::App;
use crate::domain::policy::Policy;
use crate::domain::time::Timestamp;
use crate::store::StoreError;

use super::build_info::BuildInfo;

pub use app::{AppMetrics, Open, RoleLabel};
pub use label::{LoginOutcome, StoreOp, StreamCut, TokenLabel, UpstreamFault, VerdictLabel};

use app::AppFamilies;
use family::{
    child_gauge, child_histogram, children, counter, counters, gauge, gauges, histogram,
    histograms, seconds_gauge,
};
use idle_ends::IdleEnds;
use label::ReloadOutcome;

/// Seconds of the gateway's own time for one request: 25 µs to 100 ms.
const OVERHEAD_BUCKETS: [f64; 12] = [
    0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1,
];

/// Seconds of a store operation; its default deadline is 0.15 s.
const STORE_BUCKETS: [f64; 12] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.15, 0.25,
];

/// The numbers of one gateway.
pub struct Metrics {
    registry: Registry,
    apps: AppFamilies,
    idle_ends: Arc<IdleEnds>,
    sessions_alive: IntGauge,
    overhead: Histogram,
    store: StoreMetrics,
    policy: PolicyMetrics,
    audit_write_errors: IntCounter,
    audit_events_dropped: IntCounter,
    access_lines_dropped: IntCounter,
    outbox_pending: IntGauge,
    connections: IntGaugeVec,
    panics: IntCounter,
}

struct StoreMetrics {
    duration: [Histogram; StoreOp::WORDS.len()],
    errors: [IntCounter; StoreError::KINDS.len()],
    up: IntGauge,
}

struct PolicyMetrics {
    reload_success: IntGauge,
    reload_success_timestamp: Gauge,
    reloads: [IntCounter; ReloadOutcome::WORDS.len()],
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Numbers that start at zero, in a registry of their own.
    pub fn new() -> Self {
        let registry = Registry::new();
        registry
            .register(Box::new(ProcessCollector::for_self()))
            .expect("the registry is empty");
        tell_build(&registry);
        let counter = |name, help| counter(&registry, name, help);
        let gauge = |name, help| gauge(&registry, name, help);
        Self {
            apps: AppFamilies::register(&registry),
            idle_ends: Arc::default(),
            sessions_alive: gauge(
                "sessions_alive",
                "Sessions of the deployment that have a login and are alive.",
            ),
            overhead: histogram(
                &registry,
                "overhead_seconds",
                "The gateway's own time for a request, without upstream and store.",
                &OVERHEAD_BUCKETS,
            ),
            store: StoreMetrics::register(&registry),
            policy: PolicyMetrics::register(&registry),
            audit_write_errors: counter(
                "audit_write_errors_total",
                "Attempts to write audit events that failed; they are repeated.",
            ),
            audit_events_dropped: counter(
                "audit_events_dropped_total",
                "Refusals that are missing from the audit, because its queue was full.",
            ),
            access_lines_dropped: counter(
                "access_lines_dropped_total",
                "Requests that are missing from the access log, because its queue was full or writing failed.",
            ),
            outbox_pending: gauge(
                "outbox_pending",
                "Events of the deployment that wait to be written to an audit.",
            ),
            connections: gauges(
                &registry,
                "connections",
                "Connections of clients that are open.",
                &["listener"],
            ),
            panics: counter(
                "panics_total",
                "Tasks that panicked: each is a fault of the gateway.",
            ),
            registry,
        }
    }

    /// The numbers of an app under a policy, to be resolved at each load. What left the policy
    /// keeps its last count.
    pub fn for_app(&self, app: &App, policy: &Policy) -> AppMetrics {
        self.apps.resolve(app, policy, Arc::clone(&self.idle_ends))
    }

    /// The numbers of a listener.
    pub fn for_listener(&self, address: SocketAddr) -> ListenerMetrics {
        ListenerMetrics(child_gauge(&self.connections, &[&address.to_string()]))
    }

    /// Everything, in Prometheus' text format 0.0.4.
    pub fn render(&self) -> String {
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .unwrap_or_else(|error| {
                tracing::error!(%error, "metrics cannot be rendered");
                String::new()
            })
    }

    /// A request was answered or handed over, after this time of the gateway's own.
    pub fn overhead(&self, own: Duration) {
        self.overhead.observe(own.as_secs_f64());
    }

    /// The store was called, and answered or failed after this time.
    pub fn store_called(&self, op: StoreOp, took: Duration, failure: Option<&StoreError>) {
        self.store.duration[op as usize].observe(took.as_secs_f64());
        let kind_of = |failure: &StoreError| {
            let mut kinds = StoreError::KINDS.iter();
            kinds.position(|kind| *kind == failure.kind())
        };
        if let Some(index) = failure.and_then(kind_of) {
            self.store.errors[index].inc();
        }
    }

    /// Calls the store, and takes its time.
    pub async fn store_call<T>(
        &self,
        op: StoreOp,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let started = monotonic();
        let answer = call.await;
        let took = monotonic().saturating_sub(started);
        self.store_called(op, took, answer.as_ref().err());
        answer
    }

    /// The store answers.
    pub fn store_reached(&self) {
        self.store.up.set(1);
    }

    /// The store does not answer.
    pub fn store_lost(&self) {
        self.store.up.set(0);
    }

    /// So many sessions of the deployment have a login and are alive.
    pub fn sessions_alive(&self, count: u64) {
        self.sessions_alive.set(as_gauge(count));
    }

    /// So many events of the deployment wait to be written.
    pub fn outbox_pending(&self, count: u64) {
        self.outbox_pending.set(as_gauge(count));
    }

    /// The policy that the gateway started with is in force.
    pub fn policy_loaded(&self, at: Timestamp) {
        self.policy.in_force(at);
    }

    /// A changed policy is in force.
    pub fn policy_reloaded(&self, at: Timestamp) {
        self.policy.in_force(at);
        self.policy.reloads[ReloadOutcome::Success as usize].inc();
    }

    /// A changed policy has faults; the old one stays in force.
    pub fn policy_refused(&self) {
        self.policy.reload_success.set(0);
        self.policy.reloads[ReloadOutcome::Failure as usize].inc();
    }

    /// Audit events could not be written.
    pub fn audit_write_failed(&self) {
        self.audit_write_errors.inc();
    }

    /// A task panicked.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    pub(crate) fn audit_events_dropped(&self) -> IntCounter {
        self.audit_events_dropped.clone()
    }

    pub(super) fn access_lines_dropped(&self) -> IntCounter {
        self.access_lines_dropped.clone()
    }
}

fn tell_build(registry: &Registry) {
    let family = gauges(
        registry,
        "build_info",
        "1, with the build as labels.",
        &["version", "revision", "rustc"],
    );
    let BuildInfo {
        version,
        revision,
        rustc,
    } = BuildInfo::CURRENT;
    child_gauge(&family, &[version, revision, rustc]).set(1);
}

/// Gauges are signed; a count that large is not reached.
fn as_gauge(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl StoreMetrics {
    fn register(registry: &Registry) -> Self {
        let duration = histograms(
            registry,
            "store_duration_seconds",
            "Time of a store operation, failed ones included.",
            &STORE_BUCKETS,
            &["op"],
        );
        let errors = counters(
            registry,
            "store_errors_total",
            "Store operations that failed.",
            &["kind"],
        );
        Self {
            duration: StoreOp::WORDS.map(|op| child_histogram(&duration, &[op])),
            errors: children(&errors, &[], StoreError::KINDS),
            up: gauge(registry, "store_up", "Whether the store answers: 1 or 0."),
        }
    }
}

impl PolicyMetrics {
    fn register(registry: &Registry) -> Self {
        let reloads = counters(
            registry,
            "policy_reloads_total",
            "Reloads of the policy, by outcome.",
            &["outcome"],
        );
        Self {
            reload_success: gauge(
                registry,
                "policy_reload_success",
                "Whether the last load or reload was taken up: 1 or 0.",
            ),
            reload_success_timestamp: seconds_gauge(
                registry,
                "policy_reload_success_timestamp_seconds",
                "When the policy in force was taken up, in seconds since the Unix epoch.",
            ),
            reloads: children(&reloads, &[], ReloadOutcome::WORDS),
        }
    }

    fn in_force(&self, at: Timestamp) {
        self.reload_success.set(1);
        self.reload_success_timestamp
            .set(at.as_millis() as f64 / 1000.0);
    }
}

/// The numbers of one listener.
pub struct ListenerMetrics(IntGauge);

impl ListenerMetrics {
    /// A client connected; it is connected until the guard is dropped.
    pub fn connected(&self) -> Open {
        Open::count(&self.0)
    }
}
