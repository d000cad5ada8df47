//! Running work is not idle: the touches with which it holds its session's clock, and what is told
//! of work that finished behind the absolute timeout.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::domain::resolve::Setting;
use crate::domain::session::Record;
use crate::domain::time::Timestamp;
use crate::store::StoreError;
use crate::store::event::build::{EventFacts, late_work_event};
use crate::telemetry::access_log::{Touch, TouchedBy};
use crate::telemetry::metrics::StoreOp;

use super::Proxy;
use super::stream::work::{Finished, Held, Late};

/// How old the stored activity of a session at work may become: what a gateway that is killed
/// loses. A third of the idle timeout where that is shorter.
const TOUCH_EVERY: Duration = Duration::from_secs(10);

/// Sessions that are told at a time.
const LANES_MAX: usize = 64;

/// How long a stop waits for sessions to be told.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How long after a failure of the store what waits is told again.
const AGAIN_AFTER: Duration = Duration::from_millis(300);

/// The shortest idle timeout of an app's routes: a request for any of them is judged by what is
/// stored, whatever the work's own route allows.
pub(super) fn shortest_idle(config: &Config, app: &str) -> Duration {
    let routes = config.app(app).into_iter().flat_map(|app| &app.routes);
    let idle = routes.filter_map(|route| route.rule.limits.bounds().idle);
    idle.min().unwrap_or(Duration::MAX)
}

/// Whether a session's clock must be moved now to what its work has held it until: the stored
/// activity is too old, or nothing has moved since and no later touch would tell.
pub(super) fn must_touch(held: Held, stored: Timestamp, idle: Duration) -> bool {
    let every = TOUCH_EVERY.min(idle / 3);
    held.until > stored && (held.stands_still || held.until.since(stored) >= every)
}

impl Proxy {
    /// Tells sessions and the audit what work did, until told to stop; and then what all of it has
    /// done, since nobody will hear of the rest.
    pub async fn tell_of_work(self: Arc<Self>, shutdown: CancellationToken) {
        self.tell_until(&shutdown).await;
        for watched in self.streams.look(self.clock.now()) {
            if let Some(held) = watched.held {
                let moved = watched.key.moved(held.until);
                self.streams.unsaid().touch(watched.key.sid, moved);
            }
        }
        let never = CancellationToken::new();
        let told = self.tell_unsaid(&never);
        if !matches!(timeout(LAST_WORDS, told).await, Ok(Ok(()))) {
            let missing = self.streams.unsaid().len();
            tracing::warn!(
                missing,
                "sessions at work were not told of it before the stop"
            );
        }
    }

    async fn tell_until(self: &Arc<Self>, shutdown: &CancellationToken) {
        loop {
            tokio::select! {
                () = self.streams.unsaid().has_some() => {}
                () = shutdown.cancelled() => return,
            }
            if let Err(error) = self.tell_unsaid(shutdown).await {
                tracing::debug!(%error, "sessions could not be told of their work");
                tokio::select! {
                    () = sleep(AGAIN_AFTER) => {}
                    () = shutdown.cancelled() => return,
                }
            }
        }
    }

    /// Tells what waits, several at a time.
    ///
    /// # Errors
    /// When the store does not answer: then the rest waits on.
    pub(super) async fn tell_unsaid(
        self: &Arc<Self>,
        shutdown: &CancellationToken,
    ) -> Result<(), StoreError> {
        let unsaid = self.streams.unsaid();
        let dropped = unsaid.take_dropped();
        if dropped > 0 {
            tracing::warn!(
                dropped,
                "sessions at work, or the audit, miss what their work did"
            );
        }
        let mut lanes = JoinSet::new();
        for _ in 0..unsaid.len().min(LANES_MAX) {
            lanes.spawn(Arc::clone(self).tell_in_turn(shutdown.clone()));
        }
        let mut told = Ok(());
        while let Some(lane) = lanes.join_next().await {
            // One that panicked is counted as a panic.
            told = told.and(lane.unwrap_or(Ok(())));
        }
        told
    }

    async fn tell_in_turn(self: Arc<Self>, shutdown: CancellationToken) -> Result<(), StoreError> {
        let unsaid = self.streams.unsaid();
        while !shutdown.is_cancelled() {
            if let Some((sid, moved)) = unsaid.next_touch() {
                match self.touch(sid, moved.at).await {
                    Ok(true) => self.telemetry.access.touched(Touch {
                        at: moved.at,
                        since: moved.since,
                        by: TouchedBy::Work,
                        app: &moved.app,
                        lineage: moved.lineage,
                    }),
                    Ok(false) => {}
                    Err(error) => {
                        unsaid.touch(sid, moved);
                        return Err(error);
                    }
                }
            } else if let Some((finished, late)) = unsaid.next_late() {
                let told = self.tell_late(&finished, late).await;
                told.inspect_err(|_| unsaid.finished_late(finished, late))?;
            } else {
                break;
            }
        }
        Ok(())
    }

    async fn tell_late(&self, finished: &Finished, late: Late) -> Result<(), StoreError> {
        let sids = [finished.of.sid];
        let look_up = self.store.look_up(&sids);
        let found = self.timed(StoreOp::LookUp, look_up).await?;
        let Some(Some(record)) = found.records.into_iter().next() else {
            return Ok(());
        };
        // The audit tells of no visitors.
        if !record.session.is_authenticated() {
            return Ok(());
        }
        let Record {
            session,
            last_active,
            ..
        } = record;
        let config = &self.snapshot.load_full().config;
        let setting = Setting::of_app(config.bounds_of(&finished.of.app));
        let limits = session.limits(&config.policy, setting);
        let facts = EventFacts {
            session: &session,
            last_active,
            limits: &limits,
            policy: &config.policy,
            at: finished.at,
            client: None,
        };
        let how = match late {
            Late::Finished => "finished",
            Late::Cut => "cut",
        };
        let nonce = u32::from_le_bytes(self.entropy.bytes());
        let event = late_work_event(facts, how, nonce);
        self.telemetry.events.finished_late(event);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{TOUCH_EVERY, must_touch};
    use crate::domain::time::Timestamp;
    use crate::proxy::stream::work::Held;

    const IDLE: Duration = Duration::from_secs(900);

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    fn moving(millis: u64) -> Held {
        Held {
            until: at(millis),
            stands_still: false,
        }
    }

    #[test]
    fn a_session_at_work_is_touched_before_its_activity_is_too_old() {
        let every = TOUCH_EVERY.as_millis() as u64;
        assert!(!must_touch(moving(every - 1), at(0), IDLE));
        assert!(must_touch(moving(every), at(0), IDLE));
        let idle = Duration::from_secs(6);
        assert!(!must_touch(moving(1_999), at(0), idle));
        assert!(must_touch(moving(2_000), at(0), idle));
    }

    #[test]
    fn work_that_stands_still_tells_once_when_it_moved_last() {
        let still = |millis| Held {
            stands_still: true,
            ..moving(millis)
        };
        assert!(must_touch(still(300), at(0), IDLE));
        assert!(!must_touch(still(300), at(300), IDLE));
        assert!(!must_touch(still(0), at(300), IDLE));
    }
}
