//! The audit: one line per login, end, refusal of a dead id, end of late work and edit of the policy,
//! durable before it is acknowledged.
//!
//! An event leaves the store's outbox only after its line is on the disk. What cannot be written
//! stays where it is and is tried again. A crash between writing and acknowledging repeats an
//! event, under the same event id.

mod file;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::clock::monotonic;
use crate::config::Sink;
use crate::store::event::{EventId, SessionEvent};
use crate::store::{Store, StoreError};
use crate::telemetry::events::EventReceiver;
use crate::telemetry::metrics::{Metrics, StoreOp};

use file::AuditFile;

/// How often the outbox is looked at when nobody says that it grew.
const POLL_EVERY: Duration = Duration::from_millis(200);
/// How often it is counted, for metrics.
const COUNT_EVERY: Duration = Duration::from_secs(1);
/// Events that are taken from the outbox, and refusals from the feed, for one write.
const BATCH_MAX: usize = 512;
/// The longest wait between two attempts to write; the first wait is `POLL_EVERY`.
const RETRY_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long the last events may take when the gateway stops.
const DRAIN_WAIT: Duration = Duration::from_secs(5);

/// Writes events until the gateway stops.
pub struct Audit {
    file: AuditFile,
    store: Arc<Store>,
    refusals: EventReceiver,
    metrics: Arc<Metrics>,
    /// Told when a rotation has moved the file away.
    reopen: Arc<Notify>,
    /// Events of the outbox whose lines wait in `file`.
    unwritten: Vec<EventId>,
    /// Events that are written, and whose acknowledgement the store has not taken.
    unacknowledged: Vec<EventId>,
    counted_at: Option<Duration>,
}

/// How one look at the outbox and the feed went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// All there was is written.
    Done,
    /// There may be more.
    More,
    /// The store does not answer.
    StoreLost,
    /// The lines could not be written.
    NotWritten,
}

impl Audit {
    /// Opens the sink. It fails only where the sink cannot be opened.
    pub fn open(
        sink: &Sink,
        store: Arc<Store>,
        refusals: EventReceiver,
        metrics: Arc<Metrics>,
        reopen: Arc<Notify>,
    ) -> io::Result<Self> {
        Ok(Self {
            file: AuditFile::open(sink)?,
            store,
            refusals,
            metrics,
            reopen,
            unwritten: Vec::new(),
            unacknowledged: Vec::new(),
            counted_at: None,
        })
    }

    /// Writes events until `shutdown`, and then those that are left.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut wait = POLL_EVERY;
        loop {
            let failing = wait > POLL_EVERY;
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = self.reopen.notified() => {
                    self.file.reopen().await;
                    continue;
                }
                () = self.refusals.nudged(), if !failing => {}
                () = sleep(wait) => {}
            }
            wait = match self.pass().await {
                Pass::Done | Pass::StoreLost => POLL_EVERY,
                Pass::More => Duration::ZERO,
                Pass::NotWritten => (wait * 2).clamp(POLL_EVERY * 2, RETRY_WAIT_MAX),
            };
            self.count_pending().await;
        }
        if timeout(DRAIN_WAIT, self.drain()).await.is_err() {
            tracing::error!("the audit could not be written to its end before the gateway stopped");
        }
    }

    async fn drain(&mut self) {
        loop {
            match self.pass().await {
                Pass::Done | Pass::StoreLost => return,
                Pass::More => {}
                Pass::NotWritten => sleep(POLL_EVERY).await,
            }
        }
    }

    /// Takes what there is, writes it, acknowledges it.
    async fn pass(&mut self) -> Pass {
        let outcome = if self.file.is_written() {
            self.gather().await
        } else {
            // What an earlier pass could not write comes first.
            Pass::More
        };
        if let Err(error) = self.file.write().await {
            self.metrics.audit_write_failed();
            tracing::error!(%error, "audit events cannot be written; they will be tried again");
            return Pass::NotWritten;
        }
        self.unacknowledged.append(&mut self.unwritten);
        match self.acknowledge().await {
            Err(_) if outcome == Pass::Done => Pass::StoreLost,
            Ok(()) | Err(_) => outcome,
        }
    }

    /// Formats the refusals that wait and the oldest events of the outbox.
    async fn gather(&mut self) -> Pass {
        for edit in self.refusals.take_edits() {
            self.file.push(edit.at_ms, &edit);
        }
        let mut refusals = 0;
        for refusal in self.refusals.take(BATCH_MAX) {
            self.file.push(refusal.at_ms, &refusal);
            refusals += 1;
        }
        let Ok(events) = self.read_outbox().await else {
            return if refusals == BATCH_MAX {
                Pass::More
            } else {
                Pass::StoreLost
            };
        };
        for event in &events {
            self.file.push(event.at_ms, event);
        }
        let full = refusals == BATCH_MAX || events.len() == BATCH_MAX;
        self.unwritten
            .extend(events.into_iter().map(|event| event.id));
        if full { Pass::More } else { Pass::Done }
    }

    /// An event whose acknowledgement is owed would be read, and written, once more: so nothing
    /// is read before the store took it.
    async fn read_outbox(&mut self) -> Result<Vec<SessionEvent>, StoreError> {
        self.acknowledge().await?;
        let read = self.store.read_events(BATCH_MAX);
        self.metrics.store_call(StoreOp::ReadEvents, read).await
    }

    async fn acknowledge(&mut self) -> Result<(), StoreError> {
        if self.unacknowledged.is_empty() {
            return Ok(());
        }
        let call = self.store.acknowledge(&self.unacknowledged);
        self.metrics.store_call(StoreOp::Acknowledge, call).await?;
        self.unacknowledged.clear();
        Ok(())
    }

    async fn count_pending(&mut self) {
        let now = monotonic();
        let due = |at: Duration| now.saturating_sub(at) >= COUNT_EVERY;
        if !self.counted_at.is_none_or(due) {
            return;
        }
        self.counted_at = Some(now);
        let count = self.store.events_pending();
        if let Ok(pending) = self.metrics.store_call(StoreOp::Count, count).await {
            self.metrics.outbox_pending(pending);
        }
    }
}
