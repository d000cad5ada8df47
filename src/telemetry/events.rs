//! The way to the audit of what is not stored: refusals, late work, and edits of the policy.
//!
//! Logins and ends are written to the store's outbox with what they tell of, and cannot be lost.
//! A refusal and the end of late work change nothing that is stored, so their events take this
//! shorter way, which is bounded: a client that hammers with a dead id may not fill the memory, nor
//! displace what is told of late work or of an edit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use prometheus::IntCounter;
use serde::Serialize;
use tokio::sync::{Notify, mpsc};

use crate::config::Config;
use crate::config::diff::{Diff, diff};
use crate::domain::time::Timestamp;
use crate::store::event::{EventId, SessionEvent};

use super::metrics::Metrics;

/// Refusals that wait to be written, at most; one that finds no room is counted and lost.
pub const REFUSALS_WAITING_MAX: usize = 8192;

/// Pieces of late work that wait to be written, at most: they have room of their own.
pub const LATE_WAITING_MAX: usize = 1024;

/// Edits of the policy that wait to be written, at most: far more than an operator makes while a
/// disk is full.
pub const EDITS_WAITING_MAX: usize = 64;

/// Another policy is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyEvent {
    /// Its id.
    pub id: EventId,
    /// Always `policy_changed`.
    pub event: &'static str,
    /// When, on the deployment clock.
    pub at_ms: u64,
    /// The version that judges from now on.
    pub policy: String,
    /// The one that judged before.
    pub policy_before: String,
    /// What changed, and how much more.
    #[serde(flatten)]
    pub diff: Diff,
}

impl PolicyEvent {
    /// What becomes of the policy at this instant; none where nothing does.
    pub fn of(before: &Config, after: &Config, at: Timestamp) -> Option<Self> {
        let diff = diff(before, after);
        let [policy_before, policy] =
            [before, after].map(|config| config.policy.version.to_string());
        if diff.is_empty() && policy == policy_before {
            return None;
        }
        let at_ms = at.as_millis();
        Some(Self {
            id: EventId(format!("{policy}-{at_ms}-policy")),
            event: "policy_changed",
            at_ms,
            policy,
            policy_before,
            diff,
        })
    }
}

/// Where requests report refusals, and a reload an edit.
pub struct EventFeed {
    outgoing: mpsc::Sender<SessionEvent>,
    late: mpsc::Sender<SessionEvent>,
    edits: mpsc::Sender<PolicyEvent>,
    nudge: Arc<Notify>,
    dropped: IntCounter,
    full: AtomicBool,
}

/// Where the audit takes them from.
pub struct EventReceiver {
    incoming: mpsc::Receiver<SessionEvent>,
    late: mpsc::Receiver<SessionEvent>,
    edits: mpsc::Receiver<PolicyEvent>,
    nudge: Arc<Notify>,
}

/// A feed and its receiver.
pub fn event_feed(metrics: &Metrics) -> (EventFeed, EventReceiver) {
    let (outgoing, incoming) = mpsc::channel(REFUSALS_WAITING_MAX);
    let (late, finished) = mpsc::channel(LATE_WAITING_MAX);
    let (edits, edited) = mpsc::channel(EDITS_WAITING_MAX);
    let nudge = Arc::new(Notify::new());
    let feed = EventFeed {
        outgoing,
        late,
        edits,
        nudge: Arc::clone(&nudge),
        dropped: metrics.audit_events_dropped(),
        full: AtomicBool::new(false),
    };
    let receiver = EventReceiver {
        incoming,
        late: finished,
        edits: edited,
        nudge,
    };
    (feed, receiver)
}

impl EventFeed {
    /// A request with a dead id was refused or stripped. Never waits.
    pub fn refused(&self, event: SessionEvent) {
        if self.outgoing.try_send(event).is_err() {
            self.dropped.inc();
            if !self.full.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    waiting = REFUSALS_WAITING_MAX,
                    "refusals come faster than the audit is written; some are missing from it"
                );
            }
            return;
        }
        if self.full.load(Ordering::Relaxed) {
            self.full.store(false, Ordering::Relaxed);
        }
        if self.outgoing.capacity() < REFUSALS_WAITING_MAX / 2 {
            self.outbox_grew();
        }
    }

    /// Work is over that was under way at the absolute timeout of its session. Never waits, and a
    /// flood of refusals cannot displace it.
    pub fn finished_late(&self, event: SessionEvent) {
        if self.late.try_send(event).is_err() {
            self.dropped.inc();
            tracing::warn!(
                waiting = LATE_WAITING_MAX,
                "late work is over faster than the audit is written; some is missing from it"
            );
        }
        if self.late.capacity() < LATE_WAITING_MAX / 2 {
            self.outbox_grew();
        }
    }

    /// Another policy is in force. A flood of refusals cannot displace it.
    pub fn policy_changed(&self, event: PolicyEvent) {
        if self.edits.try_send(event).is_err() {
            self.dropped.inc();
            tracing::error!(
                waiting = EDITS_WAITING_MAX,
                "an edit of the policy is missing from the audit, which is not being written"
            );
        }
        self.outbox_grew();
    }

    /// There is something to write: the audit looks at once.
    pub fn outbox_grew(&self) {
        self.nudge.notify_one();
    }
}

impl EventReceiver {
    /// The edits of the policy that wait.
    pub(crate) fn take_edits(&mut self) -> impl Iterator<Item = PolicyEvent> {
        std::iter::from_fn(|| self.edits.try_recv().ok()).take(EDITS_WAITING_MAX)
    }

    /// Up to `max` events that wait: late work, then refusals.
    pub(crate) fn take(&mut self, max: usize) -> impl Iterator<Item = SessionEvent> {
        let Self { late, incoming, .. } = self;
        std::iter::from_fn(|| late.try_recv().or_else(|_| incoming.try_recv()).ok()).take(max)
    }

    /// Returns when the audit shall look at once.
    pub(crate) async fn nudged(&self) {
        self.nudge.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::{REFUSALS_WAITING_MAX, event_feed};
    use crate::store::event::{EventId, EventKind, LimitInForce, SessionEvent};
    use crate::telemetry::metrics::Metrics;

    fn refusal(n: usize) -> SessionEvent {
        let limit = LimitInForce {
            after_ms: 1,
            rule: "ceiling".into(),
        };
        SessionEvent {
            id: EventId(n.to_string()),
            event: EventKind::Refusal,
            at_ms: 0,
            lineage: String::new(),
            app: String::new(),
            user: None,
            roles: Vec::new(),
            reason: None,
            client: None,
            device: None,
            device_before: None,
            age_ms: 0,
            idle_ms: 0,
            idle_timeout: limit.clone(),
            absolute_timeout: limit,
            max_sessions: None,
            policy: String::new(),
        }
    }

    #[test]
    fn what_finds_no_room_is_counted_and_the_older_stay() {
        let metrics = Metrics::new();
        let (feed, mut receiver) = event_feed(&metrics);
        for n in 0..REFUSALS_WAITING_MAX + 3 {
            feed.refused(refusal(n));
        }
        assert_eq!(metrics.audit_events_dropped().get(), 3);
        let taken: Vec<_> = receiver.take(2).map(|event| event.id.0).collect();
        assert_eq!(taken, ["0", "1"]);
        feed.refused(refusal(9_999));
        assert_eq!(metrics.audit_events_dropped().get(), 3);
        assert_eq!(receiver.take(usize::MAX).count(), REFUSALS_WAITING_MAX - 1);
    }

    #[test]
    fn no_flood_of_refusals_displaces_late_work() {
        let metrics = Metrics::new();
        let (feed, mut receiver) = event_feed(&metrics);
        for n in 0..REFUSALS_WAITING_MAX {
            feed.refused(refusal(n));
        }
        feed.finished_late(refusal(9_999));
        assert_eq!(metrics.audit_events_dropped().get(), 0);
        let taken: Vec<_> = receiver.take(2).map(|event| event.id.0).collect();
        assert_eq!(taken, ["9999", "0"]);
    }

    #[tokio::test]
    async fn half_full_the_audit_is_called() {
        let (feed, receiver) = event_feed(&Metrics::new());
        for n in 0..=REFUSALS_WAITING_MAX / 2 {
            feed.refused(refusal(n));
        }
        receiver.nudged().await;
    }
}
