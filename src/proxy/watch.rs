//! Cuts the streams of sessions that ended, whoever ended them.
//!
//! Every session that holds a stream is looked up again and again, all of them in one round trip,
//! and judged as a request would be. That bounds how long a stream outlives its session by one
//! turn, also for an end that another gateway wrote and that nobody told this one of.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::domain::identity::Lineage;
use crate::domain::resolve::Setting;
use crate::domain::session::{EndReason, Phase};
use crate::store::StoreError;

use super::Proxy;
use super::stream::registry::StreamKey;

/// How often streams are held against their sessions. With the time to close a tunnel it stays
/// within the second that an end may take to reach a stream.
const EVERY: Duration = Duration::from_millis(300);

/// Sessions that are looked up in one round trip.
const BATCH_MAX: usize = 512;

impl Proxy {
    /// Watches until told to stop.
    pub async fn watch_streams(self: Arc<Self>, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = shutdown.cancelled() => return,
            }
            if let Err(error) = self.cut_ended().await {
                tracing::debug!(%error, "streams could not be held against their sessions");
            }
        }
    }

    /// Cuts every stream whose session is not alive, or no longer the one of its id.
    ///
    /// # Errors
    /// When the store does not answer: an outage ends no session, so no stream either.
    async fn cut_ended(&self) -> Result<(), StoreError> {
        let watched = self.streams.watched();
        let config = Arc::clone(&self.snapshot.load().config);
        for batch in watched.chunks(BATCH_MAX) {
            let sids: Vec<_> = batch.iter().map(|key| key.sid).collect();
            let found = self.store.look_up(&sids).await?;
            let now = self.clock.now();
            for (key, record) in batch.iter().zip(found.records) {
                let Some(record) = record else { continue };
                // A login took the id over: in place, or as the successor of an anonymous one.
                if record.session.lineage != key.lineage {
                    self.cut(key.lineage, EndReason::Reauthenticated);
                    continue;
                }
                let setting = Setting::of_app(config.bounds_of(&key.app));
                match record.phase(&config.policy, setting, &found.cuts, now) {
                    Phase::Live { .. } => {
                        let route = config.policy.routes_now(key.route);
                        let setting = Setting { route, ..setting };
                        let phase = record.phase(&config.policy, setting, &found.cuts, now);
                        self.cut_on_route(key, &phase);
                    }
                    Phase::Pending => {}
                    Phase::Superseded(successor) => {
                        self.streams.rename(key.lineage, key.sid, successor);
                    }
                    Phase::Ended(reason) | Phase::Due(reason) => {
                        self.cut(key.lineage, reason);
                    }
                }
            }
        }
        Ok(())
    }

    /// Cuts the streams of a living session that its route would no longer admit. The next request
    /// for that route ends the session.
    fn cut_on_route(&self, key: &StreamKey, on_route: &Phase) {
        if let Phase::Due(reason) = on_route {
            let cut = self.streams.cut_on(key.lineage, key.route, *reason);
            tracing::debug!(lineage = %key.lineage, %reason, cut, "streams of a route were cut");
        }
    }

    /// Cuts the streams of one lineage.
    pub(super) fn cut(&self, lineage: Lineage, reason: EndReason) {
        let cut = self.streams.cut(lineage, reason);
        if cut > 0 {
            tracing::debug!(%lineage, %reason, cut, "streams were cut");
        }
    }
}

#[cfg(test)]
mod tests;
