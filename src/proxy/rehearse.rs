//! A request that a limit in monitor mode would have turned away: the would-be end is told, once,
//! and the request goes on.

use crate::domain::access::RequestFacts;
use crate::domain::decide::{Decision, Live, Verdict, decide_stale};
use crate::domain::resolve::Setting;
use crate::domain::session::EndReason;
use crate::store::StoreError;
use crate::store::event::build::EventFacts;
use crate::store::op::Amendment;

use super::Proxy;
use super::amend::Outcome;
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
        let amendment = amendment(exchange, app, live, reason);
        Ok(match self.amend(exchange, live, amendment).await? {
            Outcome::Written => {
                app.metrics.would_have_ended(&live.session, reason);
                self.telemetry.events.outbox_grew();
                Followed::Decided(decision)
            }
            Outcome::Overtaken => Followed::Overtaken(decision),
            Outcome::Gone(stale) => Followed::Decided(decide_stale(facts, stale)),
        })
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
