//! A person's messages in a WebSocket move the idle clock of its session.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

use crate::domain::resolve::Setting;
use crate::domain::session::Phase;
use crate::domain::time::Timestamp;
use crate::store::StoreError;
use crate::store::op::Touched;
use crate::telemetry::metrics::StoreOp;

use super::Proxy;
use super::stream::registry::StreamKey;
use super::touch::ROTATIONS_MAX;

/// How long one touch stands for the messages that follow.
const COALESCE: Duration = Duration::from_secs(1);

impl Proxy {
    /// Touches the session of a stream whenever a person is heard; at most once a second, and then
    /// with the latest of them.
    pub(super) async fn hear_person(&self, mut key: StreamKey, heard: &Notify) -> Infallible {
        let mut touched = None;
        loop {
            heard.notified().await;
            let mut at = self.clock.now();
            let since = touched.map_or(COALESCE, |touched| at.since(touched));
            if since < COALESCE {
                let mut over = pin!(sleep(COALESCE - since));
                loop {
                    tokio::select! {
                        () = &mut over => break,
                        () = heard.notified() => at = self.clock.now(),
                    }
                }
            }
            if let Err(error) = self.touch_for_person(&mut key, at).await {
                tracing::debug!(%error, "a person's message in a WebSocket is lost");
            }
            touched = Some(at);
        }
    }

    /// Touches the session that was alive at this instant, by its own limits and its route's.
    async fn touch_for_person(&self, key: &mut StreamKey, at: Timestamp) -> Result<(), StoreError> {
        let config = &self.snapshot.load_full().config;
        for _ in 0..=ROTATIONS_MAX {
            let found = self
                .timed(StoreOp::LookUp, self.store.look_up(&[key.sid]))
                .await?;
            let Some(Some(record)) = found.records.first() else {
                return Ok(());
            };
            if record.session.lineage != key.lineage {
                return Ok(());
            }
            let setting = Setting {
                route: config.policy.routes_now(key.route),
                ..Setting::of_app(config.bounds_of(&key.app))
            };
            match record.phase(&config.policy, setting, &found.cuts, at) {
                Phase::Live { .. } => match self
                    .timed(StoreOp::Touch, self.store.touch(key.sid, at))
                    .await?
                {
                    Touched::Superseded(successor) => key.sid = successor,
                    Touched::Alive | Touched::Ended(_) | Touched::Unknown => return Ok(()),
                },
                Phase::Superseded(successor) => key.sid = successor,
                // Who watches the streams cuts this one.
                Phase::Due(_) | Phase::Ended(_) | Phase::Pending => return Ok(()),
            }
        }
        Ok(())
    }
}
