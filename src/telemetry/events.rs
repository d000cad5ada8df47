//! The way of refusals to the audit.
//!
//! Logins and ends are written to the store's outbox with what they tell of, and cannot be lost.
//! A refusal changes nothing that is stored, so its event takes this shorter way, which is bounded:
//! a client that hammers with a dead id may not fill the memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use prometheus::IntCounter;
use tokio::sync::{Notify, mpsc};

use crate::store::event::SessionEvent;

use super::metrics::Metrics;

/// Refusals that wait to be written, at most; one that finds no room is counted and lost.
pub const REFUSALS_WAITING_MAX: usize = 8192;

/// Where requests report refusals.
pub struct EventFeed {
    outgoing: mpsc::Sender<SessionEvent>,
    nudge: Arc<Notify>,
    dropped: IntCounter,
    full: AtomicBool,
}

/// Where the audit takes them from.
pub struct EventReceiver {
    incoming: mpsc::Receiver<SessionEvent>,
    nudge: Arc<Notify>,
}

/// A feed and its receiver.
pub fn event_feed(metrics: &Metrics) -> (EventFeed, EventReceiver) {
    let (outgoing, incoming) = mpsc::channel(REFUSALS_WAITING_MAX);
    let nudge = Arc::new(Notify::new());
    let feed = EventFeed {
        outgoing,
        nudge: Arc::clone(&nudge),
        dropped: metrics.audit_events_dropped(),
        full: AtomicBool::new(false),
    };
    (feed, EventReceiver { incoming, nudge })
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

    /// There is something to write: the audit looks at once.
    pub fn outbox_grew(&self) {
        self.nudge.notify_one();
    }
}

impl EventReceiver {
    /// Up to `max` refusals that wait.
    pub(crate) fn take(&mut self, max: usize) -> impl Iterator<Item = SessionEvent> {
        std::iter::from_fn(|| self.incoming.try_recv().ok()).take(max)
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

    #[tokio::test]
    async fn half_full_the_audit_is_called() {
        let (feed, receiver) = event_feed(&Metrics::new());
        for n in 0..=REFUSALS_WAITING_MAX / 2 {
            feed.refused(refusal(n));
        }
        receiver.nudged().await;
    }
}
