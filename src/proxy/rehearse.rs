//! A request that a limit in monitor mode would have turned away: the would-be end is told, once,
//! and the request goes on.

use std::sync::Arc;

use crate::domain::access::RequestFacts;
use crate::domain::decide::{Decision, Live, Stale, Verdict, decide_stale};
use crate::domain::resolve::Setting;
use crate::domain::session::EndReason;
use crate::store::StoreError;
use crate::store::event::build::EventFacts;
use crate::store::op::{Amended, Amendment};
use crate::telemetry::metrics::StoreOp;

use super::Proxy;
use super::device::Followed;
use super::exchange::Exchange;
use super::snapshot::AppRuntime;

impl Proxy {
    /// Tells the end to which the session of a request would have come, where nobody has. It is
    /// told before the request moves the idle clock, or who comes next would see nothing of it.
    pub(super) async fn rehearse(
        &self,
        exchange: &mut Exchange,
        app: &AppRuntime,
        facts: RequestFacts,
        mut decision: Decision,
    ) -> Result<Followed, StoreError> {
        let untold = |live: &Live| {
            live.rehearsal
                .as_ref()
                .and_then(|rehearsal| rehearsal.untold)
        };
        let (live, reason) = match (&mut decision.live, decision.verdict) {
            (Some(live), Verdict::Forward) => match untold(live) {
                Some(reason) => (live, reason),
                None => return Ok(Followed::Decided(decision)),
            },
            _ => return Ok(Followed::Decided(decision)),
        };
        let (sid, amendment) = (live.sid, amendment(exchange, app, live, reason));
        let after = Arc::clone(&amendment.after);
        let call = self.store.amend(sid, amendment);
        let stale = match self.asked(exchange, StoreOp::Amend, call).await? {
            Amended::Yes => {
                app.metrics.would_have_ended(&after, reason);
                live.session = after;
                self.telemetry.events.outbox_grew();
                return Ok(Followed::Decided(decision));
            }
            Amended::Overtaken => return Ok(Followed::Overtaken(decision)),
            Amended::Ended(reason) => Stale::Ended(reason),
            Amended::Superseded(_) => Stale::Superseded,
            Amended::Unknown => Stale::Unknown,
        };
        Ok(Followed::Decided(decide_stale(facts, stale)))
    }
}

fn amendment(exchange: &Exchange, app: &AppRuntime, live: &Live, reason: EndReason) -> Amendment {
    let policy = &exchange.snapshot.config.policy;
    let limits = match &live.rehearsal {
        Some(rehearsal) => &rehearsal.limits,
        None => &live.limits,
    };
    let facts = EventFacts {
        session: &live.session,
        last_active: live.last_active,
        limits,
        policy,
        at: exchange.now,
        client: Some(exchange.origin.address),
    };
    // Where the sweeper shall look, nobody is there: no route counts.
    let due = live
        .session
        .due(policy, Setting::of_app(app.app.bounds), exchange.now);
    Amendment::of_would_be_end(facts, reason, due.max(exchange.now))
}
