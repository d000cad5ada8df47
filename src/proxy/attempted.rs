//! A login that is sent by somebody who is logged in: what becomes of the session that he has.
//!
//! Most are told by the head of their request, and judged with it. Where an endpoint also takes other
//! calls, only the body tells.

use http::request::Parts;

use crate::domain::access::{Access, RequestFacts};
use crate::domain::decide::{Decision, Live, Stale, Verdict, Write};
use crate::domain::session::EndReason;
use crate::store::StoreError;
use crate::store::event::build::EventFacts;
use crate::store::op::End;
use crate::telemetry::access_log::Happened;
use crate::telemetry::metrics::VerdictLabel;

use super::Proxy;
use super::carriers::{self, Strip};
use super::exchange::Exchange;
use super::respond;
use super::snapshot::AppRuntime;
use super::succession;

impl Exchange {
    /// Judges a request anew whose body told that it sends a login. Where the session that it may
    /// use must be proven again, it goes on without, and ends it by the rule of `decide`.
    pub(crate) async fn attempted(
        &mut self,
        proxy: &Proxy,
        app: &AppRuntime,
        facts: RequestFacts,
        live: &Live,
        parts: &mut Parts,
    ) -> Result<Option<Decision>, StoreError> {
        let proof = self.setting.proof.at_attempt(app.app.freshest);
        if !proof.is_due(&live.session, self.now) {
            return Ok(None);
        }
        self.setting.proof = proof;
        let may_end = proof.may_end(facts);
        if may_end {
            self.end_logins(proxy, app).await?;
        }
        let strip = match facts.access {
            Access::Public => Strip::Ids,
            Access::Session | Access::Authenticated => Strip::Session,
        };
        carriers::strip(parts, &app.app.shape, strip);
        let stale = Stale::LoginTooOld;
        self.record_refusal(proxy, stale);
        if let Some(entry) = &mut self.entry {
            entry.verdict = VerdictLabel::Strip;
            entry.reason = Some(respond::code(stale));
            entry.happened = may_end.then_some(Happened::End);
        }
        Ok(Some(Decision {
            verdict: Verdict::Strip(stale),
            live: None,
            write: Write::Nothing,
        }))
    }

    /// Ends the living logins that this request came with: another one takes their place.
    pub(crate) async fn end_logins(
        &mut self,
        proxy: &Proxy,
        app: &AppRuntime,
    ) -> Result<(), StoreError> {
        let config = &self.snapshot.config;
        for found in &mut self.found {
            let session = found.session.as_ref().filter(|it| it.is_authenticated());
            let (Some(session), Some(last_active), true) =
                (session, found.last_active, found.is_alive)
            else {
                continue;
            };
            let limits = session.limits(&config.policy, self.setting);
            let facts = EventFacts {
                session,
                last_active,
                limits: &limits,
                policy: &config.policy,
                at: self.now,
                client: Some(self.origin.address),
            };
            let forget_at = config.forget_at(true, self.now);
            let end = End::of(facts, EndReason::Reauthenticated, forget_at);
            succession::end_from(proxy, app, session, found.sid, end).await?;
            found.is_alive = false;
        }
        Ok(())
    }
}
