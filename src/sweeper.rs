//! Ends the sessions whose users never come back.
//!
//! Every authenticated session is due at the earliest instant at which it could end. The sweeper
//! claims those that are due for a while, looks at each as a request would, and ends it or looks
//! again later. A gateway that dies in between loses only its claim.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Config;
use crate::domain::cuts::Cuts;
use crate::domain::identity::Sid;
use crate::domain::limits::Limits;
use crate::domain::rehearse::Rehearsal;
use crate::domain::resolve::Setting;
use crate::domain::session::{EndReason, Phase, Record};
use crate::domain::time::Timestamp;
use crate::store::event::build::EventFacts;
use crate::store::op::{Amended, Amendment, End, Ended};
use crate::store::{LookUp, Store, StoreError};
use crate::telemetry::Telemetry;
use crate::telemetry::metrics::StoreOp;

/// How often it looks. An end nobody comes back for is noticed within 5 s.
const EVERY: Duration = Duration::from_secs(1);

/// How long one sweeper has what it claimed to itself.
const LEASE: Duration = Duration::from_secs(10);

/// Ids that are claimed at once.
const BATCH_MAX: usize = 256;

/// Of those, how many are looked at side by side.
const LANES: usize = 8;

/// What the sweeper works with.
pub struct Sweeper {
    /// Where the sessions are.
    pub store: Arc<Store>,
    /// The deployment clock.
    pub clock: Clock,
    /// The configuration in force.
    pub config: watch::Receiver<Arc<Config>>,
    /// Where ends are counted.
    pub telemetry: Arc<Telemetry>,
    /// Wakes it before its time.
    pub nudge: Arc<Notify>,
    /// Set when every session must be looked at: a limit may be tighter than when it was last.
    pub look_at_all: Arc<AtomicBool>,
}

impl Sweeper {
    /// Sweeps until told to stop.
    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = self.nudge.notified() => {}
                () = shutdown.cancelled() => return,
            }
            if let Err(error) = self.sweep().await {
                tracing::debug!(%error, "the sweep was cut short; it goes on in a second");
            }
        }
    }

    /// Looks at everything that is due.
    ///
    /// # Errors
    /// When the store does not answer. What was claimed comes back when its lease is over.
    pub async fn sweep(&self) -> Result<(), StoreError> {
        if self.look_at_all.swap(false, Ordering::AcqRel)
            && let Err(error) = self.rearm_all().await
        {
            self.look_at_all.store(true, Ordering::Release);
            return Err(error);
        }
        loop {
            let now = self.clock.now();
            let due = self
                .timed(
                    StoreOp::ClaimDue,
                    self.store.claim_due(now, LEASE, BATCH_MAX),
                )
                .await?;
            let found = self
                .timed(StoreOp::LookUp, self.store.look_up(&due))
                .await?;
            self.look_at_each(&due, &found, now).await?;
            if due.len() < BATCH_MAX {
                return Ok(());
            }
        }
    }

    /// Looks at all of them, a few at a time: each is a round trip, and after an edit that made
    /// thousands due their ends must not wait for each other.
    async fn look_at_each(
        &self,
        due: &[Sid],
        found: &LookUp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let lane = |first: usize| {
            Box::pin(async move {
                let all = due.iter().zip(&found.records);
                for (sid, record) in all.skip(first).step_by(LANES) {
                    match record {
                        Some(record) => self.look_at(*sid, record, &found.cuts, now).await?,
                        // The store forgot it before it was ended; so it forgets to look at it.
                        None => {
                            self.timed(StoreOp::Rearm, self.store.rearm(*sid, now))
                                .await?
                        }
                    }
                }
                Ok(())
            })
        };
        tokio::try_join!(
            lane(0),
            lane(1),
            lane(2),
            lane(3),
            lane(4),
            lane(5),
            lane(6),
            lane(7)
        )
        .map(drop)
    }

    async fn rearm_all(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.timed(StoreOp::Rearm, self.store.rearm_all(now)).await
    }

    async fn timed<T>(
        &self,
        op: StoreOp,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.telemetry.metrics.store_call(op, call).await
    }

    async fn look_at(
        &self,
        sid: Sid,
        record: &Record,
        cuts: &Cuts,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let config = Arc::clone(&self.config.borrow());
        let setting = Setting::of_app(config.bounds_of(&record.session.app));
        match record.phase(&config.policy, setting, cuts, now) {
            Phase::Live { left, .. } => {
                let rehearsal = record.rehearse(&config.policy, setting, now);
                let next = rehearsal.as_ref().map_or(left, |told| told.left.min(left));
                let next = now.plus(next);
                if let Some(Rehearsal {
                    untold: Some(reason),
                    limits,
                    ..
                }) = rehearsal
                {
                    let judged = (&*config, record, &limits);
                    return self.would_end(judged, (sid, reason), next, now).await;
                }
                self.timed(StoreOp::Rearm, self.store.rearm(sid, next))
                    .await
            }
            Phase::Due(reason) => self.end(&config, sid, record, reason, now).await,
            Phase::Ended(_) | Phase::Superseded(_) | Phase::Pending => Ok(()),
        }
    }

    /// Tells a would-be end that nobody came back to; where somebody did, the next look tells.
    async fn would_end(
        &self,
        (config, record, limits): (&Config, &Record, &Limits),
        (sid, reason): (Sid, EndReason),
        next: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let session = &record.session;
        let facts = EventFacts {
            session,
            last_active: record.last_active,
            limits,
            policy: &config.policy,
            at: now,
            client: None,
        };
        let told = Amendment::of_would_be_end(facts, reason, next);
        let told = self.timed(StoreOp::Amend, self.store.amend(sid, told));
        if told.await? == Amended::Yes
            && let Some(app) = config.app(&session.app)
        {
            let metrics = self.telemetry.metrics.for_app(app, &config.policy);
            metrics.would_have_ended(session, reason);
        }
        Ok(())
    }

    async fn end(
        &self,
        config: &Config,
        sid: Sid,
        record: &Record,
        reason: EndReason,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let session = &record.session;
        let setting = Setting::of_app(config.bounds_of(&session.app));
        let limits = session.limits(&config.policy, setting);
        let facts = EventFacts {
            session,
            last_active: record.last_active,
            limits: &limits,
            policy: &config.policy,
            at: now,
            client: None,
        };
        let end = End::of(facts, reason, config.forget_at(true, now));
        if self.timed(StoreOp::End, self.store.end(sid, end)).await? == Ended::Now
            && let Some(app) = config.app(&session.app)
        {
            self.telemetry
                .metrics
                .for_app(app, &config.policy)
                .ended(session, reason, now);
        }
        Ok(())
    }
}
