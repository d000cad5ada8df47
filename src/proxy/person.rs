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
use crate::telemetry::access_log::{Touch, TouchedBy};
use crate::telemetry::metrics::StoreOp;

use super::Proxy;
use super::stream::registry::StreamKey;
use super::touch::ROTATIONS_MAX;

/// How long one touch stands for the messages that follow.
const COALESCE: Duration = Duration::from_secs(1);

/// Who listens to one WebSocket on behalf of its session.
pub(super) struct Ear {
    key: StreamKey,
    touched: Option<Timestamp>,
    /// When somebody was heard of whom the session was not told.
    untold: Option<Timestamp>,
}

impl Ear {
    pub(super) fn new(key: StreamKey) -> Self {
        Self {
            key,
            touched: None,
            untold: None,
        }
    }

    /// Touches the session whenever a person is heard; at most once a second, and then with the
    /// latest of them.
    pub(super) async fn hear(&mut self, proxy: &Proxy, heard: &Notify) -> Infallible {
        loop {
            heard.notified().await;
            let at = proxy.clock.now();
            self.untold = Some(at);
            let since = self.touched.map_or(COALESCE, |touched| at.since(touched));
            if since < COALESCE {
                let mut over = pin!(sleep(COALESCE - since));
                loop {
                    tokio::select! {
                        () = &mut over => break,
                        () = heard.notified() => self.untold = Some(proxy.clock.now()),
                    }
                }
            }
            self.tell(proxy).await;
        }
    }

    /// The WebSocket is over: tells what was heard last.
    pub(super) async fn hear_out(mut self, proxy: &Proxy, heard: &Notify) {
        if pin!(heard.notified()).enable() {
            self.untold = Some(proxy.clock.now());
        }
        self.tell(proxy).await;
    }

    async fn tell(&mut self, proxy: &Proxy) {
        let Some(at) = self.untold else { return };
        if let Err(error) = proxy.touch_for_person(&mut self.key, at).await {
            tracing::debug!(%error, "a person's message in a WebSocket is lost");
        }
        (self.touched, self.untold) = (Some(at), None);
    }
}

impl Proxy {
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
                    Touched::Alive => {
                        self.telemetry.access.touched(Touch {
                            at,
                            since: at,
                            by: TouchedBy::Person,
                            app: &key.app,
                            lineage: key.lineage,
                        });
                        return Ok(());
                    }
                    Touched::Ended(_) | Touched::Unknown => return Ok(()),
                },
                Phase::Superseded(successor) => key.sid = successor,
                // Who watches the streams cuts this one.
                Phase::Due(_) | Phase::Ended(_) | Phase::Pending => return Ok(()),
            }
        }
        Ok(())
    }
}
