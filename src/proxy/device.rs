//! A session that goes on, on a device of another class: its record follows, and the change is told
//! once, by the same write.

use std::sync::Arc;

use crate::domain::access::RequestFacts;
use crate::domain::decide::{Decision, Live, Verdict, decide_stale};
use crate::domain::device::Moved;
use crate::domain::resolve::Setting;
use crate::domain::session::Session;
use crate::store::StoreError;
use crate::store::event::build::{EventFacts, device_event};
use crate::store::op::Amendment;

use super::Proxy;
use super::amend::Outcome;
use super::exchange::Exchange;
use super::snapshot::AppRuntime;

/// What became of a record that had to follow.
pub(super) enum Followed {
    /// It did, or had not to; or the session turned out to be gone.
    Decided(Decision),
    /// Something else was written of it since it was judged.
    Overtaken(Decision),
}

impl Proxy {
    /// Makes the record of a request that goes on follow to its device.
    pub(super) async fn follow_device(
        &self,
        exchange: &mut Exchange,
        app: &AppRuntime,
        facts: RequestFacts,
        mut decision: Decision,
    ) -> Result<Followed, StoreError> {
        let live = match (&mut decision.live, decision.verdict) {
            (Some(live), Verdict::Forward) if live.moved != Moved::No => live,
            _ => return Ok(Followed::Decided(decision)),
        };
        let amendment = amendment(exchange, app, live);
        Ok(match self.amend(exchange, live, amendment).await? {
            Outcome::Written => {
                if live.moved == Moved::Yes {
                    self.telemetry.events.outbox_grew();
                }
                Followed::Decided(decision)
            }
            Outcome::Overtaken => Followed::Overtaken(decision),
            Outcome::Gone(stale) => Followed::Decided(decide_stale(facts, stale)),
        })
    }
}

fn amendment(exchange: &Exchange, app: &AppRuntime, live: &Live) -> Amendment {
    let policy = &exchange.snapshot.config.policy;
    let before = Arc::clone(&live.session);
    let after = Session {
        device: policy.device_on_record(exchange.setting.seen),
        ..(*before).clone()
    };
    // Where the sweeper shall look, nobody is there: the device on record counts.
    let limits = after.limits(policy, Setting::of_app(app.app.bounds));
    let facts = EventFacts {
        session: &after,
        last_active: live.last_active,
        limits: &limits,
        policy,
        at: exchange.now,
        client: Some(exchange.origin.address),
    };
    let told = before
        .device
        .as_deref()
        .filter(|_| live.moved == Moved::Yes);
    Amendment {
        due: after.due(policy, Setting::of_app(app.app.bounds), live.last_active),
        event: told.map(|told| Box::new(device_event(facts, told))),
        before,
        after: Arc::new(after),
    }
}
