//! One request's way, in the order in which it happens.

use std::sync::Arc;

use http::request::Parts;
use http::{Request, Response};
use hyper::body::Incoming;

use crate::domain::access::{Access, RequestFacts};
use crate::domain::decide::{Stale, Verdict, decide_unknown};
use crate::routing::{self, path};

use super::Proxy;
use super::error::ProxyError;
use super::exchange::Exchange;
use super::pass_on::{Admitted, pass_on};
use super::peer::Peer;
use super::respond::{self, ProofAsked, Refusal};
use super::snapshot::AppRuntime;
use super::upstream::AnswerBody;
use super::way_back::Target;
use super::{carriers, hand_out, head, token, way_back};

/// Answers one request, whatever happens, and records what became of it.
pub(crate) async fn handle(
    proxy: Arc<Proxy>,
    peer: Arc<Peer>,
    request: Request<Incoming>,
) -> Response<AnswerBody> {
    let (parts, body) = request.into_parts();
    let mut exchange = Exchange::begin(&proxy, peer, &parts);
    let answer = match judge(&proxy, &mut exchange, parts, body).await {
        Ok(Judged::Admitted(admitted)) if admitted.routed.changes_session() => {
            // The app will have logged somebody in or out, whether or not the client waits for
            // the answer: the exchange runs on if the connection does not.
            let kind = exchange.kind;
            let going_on = go_on(Arc::clone(&proxy), exchange, admitted);
            let task = proxy.tasks.spawn(going_on);
            return task
                .await
                .unwrap_or_else(|_| respond::fail(&ProxyError::Internal, kind));
        }
        Ok(Judged::Admitted(admitted)) => pass_on(&proxy, &mut exchange, admitted).await,
        Ok(Judged::Refused(refusal)) => Ok(refusal),
        Err(error) => Err(error),
    };
    exchange.end(&proxy, answer)
}

async fn go_on(
    proxy: Arc<Proxy>,
    mut exchange: Exchange,
    admitted: Box<Admitted>,
) -> Response<AnswerBody> {
    let answer = pass_on(&proxy, &mut exchange, admitted).await;
    exchange.end(&proxy, answer)
}

/// What became of a request before any app saw it.
enum Judged {
    Admitted(Box<Admitted>),
    Refused(Response<AnswerBody>),
}

async fn judge(
    proxy: &Arc<Proxy>,
    exchange: &mut Exchange,
    mut parts: Parts,
    body: Incoming,
) -> Result<Judged, ProxyError> {
    head::check(&parts)?;
    let host = head::host(&parts).unwrap_or_default().into_owned();
    exchange.receive(&mut parts, &host);
    let normal = path::normalise(parts.uri.path())?;
    let app = routing::app_for(&exchange.snapshot.apps, &host, normal.as_str());
    let app = Arc::clone(app.ok_or(ProxyError::NoApp)?);
    let routed = routing::route(&app.app, &parts, &normal, exchange.kind);
    let facts = routed.facts(&parts.method, exchange.kind);
    exchange.routed(&app, &routed, normal.as_str());
    let (token, scheme) = (app.app.token.as_ref(), exchange.origin.scheme);
    exchange.token =
        token.map(|carrier| Box::new(token::take(&mut parts.headers, carrier, scheme)));
    exchange.read_way_back(&app.app, &routed, &parts.headers);
    let presented = carriers::presented(&parts, &app.app.shape)?;

    let decision = match proxy.decide(exchange, &app, facts, &presented).await {
        Ok(decision) => decision,
        // A login may need its anonymous id, and could not be learned.
        Err(_) if !routed.logins.is_empty() => return Err(ProxyError::LoginWithoutStore),
        // What needs no session is served without ids; nothing else may pass.
        Err(error) if facts.access == Access::Public => {
            exchange.store_failed(&error);
            decide_unknown(facts)
        }
        Err(error) => return Err(error.into()),
    };
    if !routed.logins.is_empty() && !proxy.store.health().is_up() {
        return Err(ProxyError::LoginWithoutStore);
    }
    exchange.decided(proxy, &app, &decision);

    let mut target = None;
    if way_back::is_told(&app.app, facts, decision.verdict) {
        target = way_back::target(&app.app, facts, &parts);
        exchange.told_way_back = exchange.seal_way_back(proxy, &app.app, facts, target.clone());
    }
    if let Verdict::Refuse(stale) = decision.verdict {
        let refusal = refused(exchange, &app, facts, stale, target);
        return Ok(Judged::Refused(refusal));
    }
    Ok(Judged::Admitted(Box::new(Admitted {
        app,
        routed,
        decision,
        presented,
        parts,
        body,
    })))
}

/// The answer to a request that may not go on; `target` is where its user was.
fn refused(
    exchange: &Exchange,
    app: &AppRuntime,
    facts: RequestFacts,
    stale: Stale,
    target: Option<Target>,
) -> Response<AnswerBody> {
    let scopes = exchange.expired(app, stale);
    let expired = scopes.iter().filter_map(|scope| exchange.expire(scope));
    let mut cookies: Vec<_> = expired.collect();
    if !cookies.is_empty() {
        cookies.extend(hand_out::expired(exchange, app));
    }
    cookies.extend(exchange.told_way_back.clone());
    let proof = exchange.setting.proof;
    respond::refuse(Refusal {
        app: &app.app,
        facts,
        stale,
        cookies,
        proof: stale.needs_proof().then(|| ProofAsked {
            max_auth_age: proof.max_auth_age,
            has_ended: proof.may_end(facts),
            page: target,
        }),
    })
}
