//! Cuts the streams of sessions that ended, whoever ended them, and holds the clocks of sessions at
//! work.
//!
//! Every session that holds a stream is looked up again and again, all of them in one round trip,
//! and judged as a request would be. That bounds how long a stream outlives its session by one
//! turn, also for an end that another gateway wrote and that nobody told this one of.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::domain::cuts::Cuts;
use crate::domain::identity::Lineage;
use crate::domain::resolve::Setting;
use crate::domain::session::{EndReason, Phase, Record, State};
use crate::domain::time::Timestamp;
use crate::store::StoreError;

use super::Proxy;
use super::hold::{must_touch, shortest_idle};
use super::stream::registry::{StreamKey, Watched};
use super::stream::unsaid::Moved;

/// How often streams are held against their sessions. With the time to close a tunnel it stays
/// within the second that an end may take to reach a stream.
const EVERY: Duration = Duration::from_millis(300);

/// Sessions that are looked up in one round trip.
const BATCH_MAX: usize = 512;

impl Proxy {
    /// Watches until told to stop.
    pub async fn watch_streams(self: Arc<Self>, shutdown: CancellationToken) {
        let mut looks = interval(EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                () = shutdown.cancelled() => return,
            }
            if let Err(error) = self.look_at_streams().await {
                tracing::debug!(%error, "streams could not be held against their sessions");
            }
        }
    }

    /// Cuts every stream whose session is not alive, or no longer the one of its id, and leaves to
    /// be told which sessions are at work: a look waits for one round trip a batch and nothing else.
    ///
    /// # Errors
    /// When the store does not answer: an outage ends no session, so no stream either.
    async fn look_at_streams(&self) -> Result<(), StoreError> {
        let watched = self.streams.look(self.clock.now());
        let config = Arc::clone(&self.snapshot.load().config);
        for batch in watched.chunks(BATCH_MAX) {
            let sids: Vec<_> = batch.iter().map(|watched| watched.key.sid).collect();
            let found = self.store.look_up(&sids).await?;
            let look = Look {
                config: &config,
                cuts: &found.cuts,
                now: self.clock.now(),
            };
            for (watched, record) in batch.iter().zip(found.records) {
                if let Some(record) = record {
                    self.hold_against(watched, record, look);
                }
            }
        }
        Ok(())
    }

    /// Holds the streams of one session against its record.
    fn hold_against(
        &self,
        Watched { key, held, drains }: &Watched,
        mut record: Record,
        Look { config, cuts, now }: Look<'_>,
    ) {
        // A login took the id over: in place, or as the successor of an anonymous one.
        if record.session.lineage != key.lineage {
            self.cut(key.lineage, EndReason::Reauthenticated, now);
            return;
        }
        // It is judged by what its work will have told the store.
        let stored = record.last_active;
        if let Some(held) = held {
            record.last_active = stored.max(held.until);
        }
        let setting = Setting::of_app(config.bounds_of(&key.app));
        match record.phase(&config.policy, setting, cuts, now) {
            Phase::Live { limits, .. } => {
                let route = config.policy.routes_now(key.route);
                let setting = Setting { route, ..setting };
                match record.phase(&config.policy, setting, cuts, now) {
                    Phase::Live { .. } if *drains => self.streams.resume(key),
                    Phase::Live { .. } => {}
                    on_route => self.cut_on_route(key, &on_route, now),
                }
                let idle = || limits.idle.after.min(shortest_idle(config, &key.app));
                if let Some(held) = held
                    && must_touch(*held, stored, idle())
                {
                    let moved = Moved {
                        since: stored,
                        ..key.moved(held.until)
                    };
                    self.streams.unsaid().touch(key.sid, moved);
                }
            }
            Phase::Pending => {}
            Phase::Superseded(successor) => {
                self.streams.rename(key.lineage, key.sid, successor);
            }
            // A cut also reaches what still runs of a session that it comes too late for.
            Phase::Ended(_) if cuts.cover(&record.session) => {
                self.cut(key.lineage, EndReason::Revoked, now);
            }
            Phase::Ended(reason) | Phase::Due(reason) => {
                let over = match record.state {
                    State::Ended { at, .. } => at,
                    _ => now,
                };
                self.cut(key.lineage, reason, over);
            }
        }
    }

    /// Cuts the streams of a living session that its route would no longer admit. The next request
    /// for that route ends the session.
    fn cut_on_route(&self, key: &StreamKey, on_route: &Phase, now: Timestamp) {
        let Phase::Due(reason) = on_route else { return };
        let cut = match reason {
            EndReason::AbsoluteTimeout => {
                let streams = &self.streams;
                streams.cut_at_absolute(key.lineage, Some(key.route), (now, now))
            }
            reason => self.streams.cut_on(key.lineage, key.route, *reason),
        };
        if cut > 0 {
            tracing::debug!(lineage = %key.lineage, %reason, cut, "streams of a route were cut");
        }
    }

    /// Cuts the streams of one lineage, which was over at this instant. At the absolute timeout,
    /// work may finish.
    pub(super) fn cut(&self, lineage: Lineage, reason: EndReason, over: Timestamp) {
        let cut = match reason {
            EndReason::AbsoluteTimeout => {
                let now = self.clock.now();
                self.streams.cut_at_absolute(lineage, None, (over, now))
            }
            reason => self.streams.cut(lineage, reason),
        };
        if cut > 0 {
            tracing::debug!(%lineage, %reason, cut, "streams were cut");
        }
    }
}

/// What streams are held against at one look.
#[derive(Clone, Copy)]
struct Look<'a> {
    config: &'a Config,
    cuts: &'a Cuts,
    now: Timestamp,
}

#[cfg(test)]
mod tests;
