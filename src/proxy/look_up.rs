//! From the ids of a request to a decision that is written: look up, decide, write.

use std::sync::Arc;

use crate::clock::monotonic;
use crate::config::app::App;
use crate::domain::access::RequestFacts;
use crate::domain::cuts::Cuts;
use crate::domain::decide::{Company, Decision, Found, Rules, Stale, Write, decide, decide_stale};
use crate::domain::identity::Sid;
use crate::domain::session::{EndReason, Record};
use crate::domain::token::Standing;
use crate::store::StoreError;
use crate::store::event::build::EventFacts;
use crate::store::op::{End, Ended, Touched};
use crate::telemetry::metrics::StoreOp;

use super::Proxy;
use super::bind;
use super::carriers::Presented;
use super::device::Followed;
use super::exchange::Exchange;
use super::renew;
use super::snapshot::AppRuntime;

/// How often the ids of a request are looked up: again where one was adopted, and where somebody's
/// touch came between look-up and end.
const ROUNDS_MAX: usize = 3;

impl Proxy {
    /// Looks up every id that a request presents, adopts an unknown one where the app does, decides,
    /// and writes what the decision needs before the request may go on.
    ///
    /// # Errors
    /// When the store does not answer. Nothing is then known of the ids.
    pub(super) async fn decide(
        &self,
        exchange: &mut Exchange,
        app: &AppRuntime,
        facts: RequestFacts,
        presented: &Presented,
    ) -> Result<Decision, StoreError> {
        let mut round = 1;
        loop {
            let (found, cuts) = self.look_up(exchange, app, presented).await?;
            // Boxed, as what follows: few requests come this way, and all would carry its room.
            if round < ROUNDS_MAX
                && app.adoption.takes_place()
                && Box::pin(self.adopt(exchange, app, presented, &found, &cuts)).await?
            {
                round += 1;
                continue;
            }
            let rules = Rules {
                policy: &exchange.snapshot.config.policy,
                setting: exchange.setting,
                cuts: &cuts,
                now: exchange.now,
            };
            let mut decision = decide(rules, facts, &found);
            exchange.found(&found);
            if decision
                .live
                .as_ref()
                .is_some_and(|live| live.rehearsal.is_some())
            {
                decision = match Box::pin(self.rehearse(exchange, app, facts, decision)).await? {
                    Followed::Overtaken(_) if round < ROUNDS_MAX => {
                        round += 1;
                        continue;
                    }
                    Followed::Decided(decision) | Followed::Overtaken(decision) => decision,
                };
            }
            let written = self.write(exchange, app, facts, &found, decision).await?;
            match written {
                Written::Decided(decision) => {
                    match self.follow_device(exchange, app, facts, decision).await? {
                        Followed::Decided(decision) if app.app.token.is_some() => {
                            let follow = self.follow_token(exchange, app, facts, decision);
                            return Box::pin(follow).await;
                        }
                        Followed::Decided(decision) => return Ok(decision),
                        // What else is written of it tells of the device the next time.
                        Followed::Overtaken(decision) if round == ROUNDS_MAX => {
                            return Ok(decision);
                        }
                        Followed::Overtaken(_) => round += 1,
                    }
                }
                Written::Overtaken if round == ROUNDS_MAX => {
                    return Ok(decide_stale(facts, Stale::Unknown));
                }
                Written::Overtaken => round += 1,
            }
        }
    }

    /// The records of all ids, in one round trip; none where there is no id.
    async fn look_up(
        &self,
        exchange: &mut Exchange,
        app: &AppRuntime,
        presented: &Presented,
    ) -> Result<(Vec<Found>, Arc<Cuts>), StoreError> {
        if presented.ids.is_empty() {
            return Ok((Vec::new(), Arc::default()));
        }
        let keys = &Arc::clone(&exchange.snapshot.config.keys);
        let App {
            namespace,
            slot,
            shape,
            ..
        } = &*app.app;
        let ids = presented.ids.iter();
        let sids: Vec<Sid> = ids
            .flat_map(|id| keys.sids(namespace, slot, id.as_bytes()))
            .collect();
        let looked_up = self
            .asked(exchange, StoreOp::LookUp, self.store.look_up(&sids))
            .await?;
        // An id may have been recorded under any of the keys; each record counts once.
        let mut records = looked_up.records.into_iter();
        let found = sids.chunks(keys.count()).map(|sids| {
            let mut known = sids.iter().zip(records.by_ref().take(sids.len()));
            match known.find_map(|(sid, record)| Some((sid, record?))) {
                None => Found {
                    sid: sids[0],
                    record: None,
                    company: Company::Whole,
                    token: Standing::Holds,
                },
                Some((sid, record)) => {
                    let company = bind::company(presented, shape, &record.session, keys, namespace);
                    let token = renew::standing(self, exchange, app, &record.session);
                    // Those under the older keys.
                    known.for_each(drop);
                    Found {
                        sid: *sid,
                        record: Some(record),
                        company,
                        token,
                    }
                }
            }
        });
        Ok((found.collect(), looked_up.cuts))
    }

    /// A call of the store for this exchange, whose time is taken and is not the gateway's own.
    pub(super) async fn asked<T>(
        &self,
        exchange: &mut Exchange,
        op: StoreOp,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        if !self.store.is_remote() {
            // Not worth two readings of the clock.
            return call.await;
        }
        let began = monotonic();
        let answer = call.await;
        let took = monotonic().saturating_sub(began);
        self.telemetry
            .metrics
            .store_called(op, took, answer.as_ref().err());
        exchange.waited_for_store(took);
        answer
    }

    async fn write(
        &self,
        exchange: &mut Exchange,
        app: &AppRuntime,
        facts: RequestFacts,
        found: &[Found],
        decision: Decision,
    ) -> Result<Written, StoreError> {
        let now = exchange.now;
        match &decision.write {
            Write::Nothing => Ok(Written::Decided(decision)),
            Write::Touch(sid) => Ok(
                match self
                    .asked(exchange, StoreOp::Touch, self.store.touch(*sid, now))
                    .await?
                {
                    Touched::Alive => Written::Decided(decision),
                    Touched::Ended(reason) => {
                        Written::Decided(decide_stale(facts, Stale::Ended(reason)))
                    }
                    Touched::Superseded(_) => {
                        Written::Decided(decide_stale(facts, Stale::Superseded))
                    }
                    Touched::Unknown => Written::Decided(decide_stale(facts, Stale::Unknown)),
                },
            ),
            Write::End(due) => {
                for (sid, reason) in due {
                    let record = found.iter().find(|found| found.sid == *sid);
                    if let Some(record) = record.and_then(|found| found.record.as_ref())
                        && !Box::pin(self.end_due(exchange, app, *sid, record, *reason)).await?
                    {
                        return Ok(Written::Overtaken);
                    }
                }
                Ok(Written::Decided(decision))
            }
        }
    }

    /// Ends a session whose limit or cut was reached; false where a touch came in between.
    async fn end_due(
        &self,
        exchange: &mut Exchange,
        app: &AppRuntime,
        sid: Sid,
        record: &Record,
        reason: EndReason,
    ) -> Result<bool, StoreError> {
        let config = &Arc::clone(&exchange.snapshot.config);
        let session = &record.session;
        let limits = session.limits(&config.policy, exchange.setting);
        let facts = EventFacts {
            session,
            last_active: record.last_active,
            limits: &limits,
            policy: &config.policy,
            at: exchange.now,
            client: Some(exchange.origin.address),
        };
        let forget_at = config.forget_at(session.is_authenticated(), exchange.now);
        let end = End::of(facts, reason, forget_at);
        match self
            .asked(exchange, StoreOp::End, self.store.end(sid, end))
            .await?
        {
            Ended::Now => {
                self.ended(app, session, reason, exchange.now);
                Ok(true)
            }
            Ended::Touched(_) => Ok(false),
            Ended::Before(_) | Ended::Superseded(_) | Ended::Unknown => Ok(true),
        }
    }
}

enum Written {
    /// The decision stands, or another took its place, and everything it needs is written.
    Decided(Decision),
    /// A touch came since the look-up.
    Overtaken,
}
