//! What a request's companion token means, and the record that has to follow it by one conditional
//! write.

use std::sync::Arc;

use crate::domain::access::{Client, RequestFacts};
use crate::domain::decide::{Decision, Live, Verdict, decide_stale};
use crate::domain::resolve::Setting;
use crate::domain::session::Session;
use crate::domain::token::{Change, Standing, Token, TokenSeed};
use crate::store::StoreError;
use crate::store::op::Amendment;
use crate::telemetry::metrics::TokenLabel;

use super::Proxy;
use super::amend::Outcome;
use super::exchange::Exchange;
use super::snapshot::AppRuntime;

impl Proxy {
    /// Makes the record of a request that goes on follow to its token. Of several that would hand
    /// out the same value one may.
    pub(super) async fn follow_token(
        &self,
        exchange: &mut Exchange,
        app: &AppRuntime,
        facts: RequestFacts,
        mut decision: Decision,
    ) -> Result<Decision, StoreError> {
        let (Some(live), Verdict::Forward) = (&mut decision.live, decision.verdict) else {
            return Ok(decision);
        };
        let Some(change) = live.token.take() else {
            return Ok(decision);
        };
        let Change { token, offers } = *change;
        let amendment = amendment(exchange, app, live, token);
        match self.amend(exchange, live, amendment).await? {
            Outcome::Written if offers => {
                if let Some(presented) = &mut exchange.token {
                    presented.offered = Some(token.next());
                }
                app.metrics.token(TokenLabel::Offered);
            }
            Outcome::Written => app.metrics.token(TokenLabel::Renewed),
            // The session was found alive and its token good; whoever came first wrote the same,
            // and what else he wrote tells of the token the next time.
            Outcome::Overtaken => {}
            Outcome::Gone(stale) => return Ok(decide_stale(facts, stale)),
        }
        Ok(decision)
    }
}

fn amendment(exchange: &Exchange, app: &AppRuntime, live: &Live, token: Token) -> Amendment {
    let policy = &exchange.snapshot.config.policy;
    let after = Session {
        token: Some(token),
        ..(*live.session).clone()
    };
    let setting = Setting::of_app(app.app.bounds);
    Amendment {
        before: Arc::clone(&live.session),
        due: after.due(policy, setting, live.last_active),
        after: Arc::new(after),
        event: None,
    }
}

/// What the token of a request means for a session that it presents. Visitors need none.
pub(super) fn standing(
    proxy: &Proxy,
    exchange: &Exchange,
    app: &AppRuntime,
    session: &Session,
) -> Standing {
    let (Some(carrier), Some(presented)) = (&app.app.token, &exchange.token) else {
        return Standing::Holds;
    };
    if !session.is_authenticated() {
        return Standing::Holds;
    }
    let shown = presented.shown(session, &exchange.snapshot.config.keys);
    let fresh = || TokenSeed::from_bytes(proxy.entropy.bytes());
    let token = session.token.as_ref();
    match carrier.renewal.judge(token, shown, exchange.now, fresh) {
        // What opens a WebSocket has no answer that could bring a value to every client.
        Standing::Changes(change) if change.offers && exchange.kind == Client::Upgrade => {
            Standing::Holds
        }
        standing => standing,
    }
}
