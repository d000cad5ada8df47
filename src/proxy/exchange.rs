//! One exchange: what is known of a request from its first byte to its answer's head, and what
//! is recorded of it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;

use crate::clock::monotonic;
use crate::domain::access::Client;
use crate::domain::decide::{Decision, Found, Stale, Verdict, Write};
use crate::domain::identity::Sid;
use crate::domain::session::Session;
use crate::domain::time::Timestamp;
use crate::store::StoreError;
use crate::store::event::build::{EventFacts, refusal_event};
use crate::telemetry::access_log::AccessEntry;
use crate::telemetry::metrics::VerdictLabel;

use super::Proxy;
use super::body::Body;
use super::error::ProxyError;
use super::learn::Lesson;
use super::route::Routed;
use super::snapshot::{AppRuntime, Snapshot};
use super::{head, respond};

/// Who is at the other end of a connection.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) address: IpAddr,
    /// Whether the connection speaks TLS.
    pub(crate) secure: bool,
    /// Peers whose forwarding headers are believed.
    pub(crate) trusted: Arc<[ipnet::IpNet]>,
}

/// One exchange.
pub(crate) struct Exchange {
    /// The configuration that was in force when it began; it holds to the end.
    pub(crate) snapshot: Arc<Snapshot>,
    /// The one reading of the clock.
    pub(crate) now: Timestamp,
    /// What kind of client waits.
    pub(crate) kind: Client,
    /// The client's address, as far as trusted peers tell it.
    pub(crate) client: IpAddr,
    pub(crate) peer: Peer,
    /// What the gateway's log and the app's log have in common.
    pub(crate) request_id: String,
    /// When it began and how long others took since, on the monotonic clock.
    began: Duration,
    waited: Duration,
    /// The ids it carries.
    found: Vec<FoundId>,
    app: Option<Arc<AppRuntime>>,
    store_down: bool,
    entry: Option<Box<AccessEntry>>,
}

/// An id and what its record said, dead or alive.
struct FoundId {
    sid: Sid,
    session: Option<Arc<Session>>,
    last_active: Option<Timestamp>,
}

impl Exchange {
    pub(crate) fn begin(proxy: &Proxy, peer: Peer, request: &Request<Incoming>) -> Self {
        let headers = request.headers();
        let client = head::client_address(headers, peer.address, &peer.trusted);
        let snapshot = proxy.snapshot.load_full();
        let entry = proxy.telemetry.access.is_on().then(|| {
            Box::new(AccessEntry::begin(request.method(), request.uri(), headers, client))
        });
        Self {
            now: proxy.clock.now(),
            kind: head::wants(request.method(), headers),
            client,
            request_id: proxy.request_id(headers, &peer),
            began: monotonic(),
            waited: Duration::ZERO,
            found: Vec::new(),
            app: None,
            store_down: false,
            entry,
            snapshot,
            peer,
        }
    }

    /// The request's app and route are known.
    pub(crate) fn routed(&mut self, app: &Arc<AppRuntime>, routed: &Routed) {
        self.app = Some(Arc::clone(app));
        if let Some(entry) = &mut self.entry {
            entry.routed(&app.app.name, &routed.label, routed.rule.activity, routed.rule.access);
        }
    }

    /// The records of its ids were looked up.
    pub(crate) fn found(&mut self, found: &[Found]) {
        self.found.clear();
        self.found.extend(found.iter().map(|found| FoundId {
            sid: found.sid,
            session: found.record.as_ref().map(|record| Arc::clone(&record.session)),
            last_active: found.record.as_ref().map(|record| record.last_active),
        }));
    }

    /// What becomes of it is decided and written.
    pub(crate) fn decided(&mut self, proxy: &Proxy, app: &AppRuntime, decision: &Decision) {
        let session = match &decision.live {
            Some(live) => Some(&live.session),
            None => self.found.iter().find_map(|found| found.session.as_ref()),
        };
        let role = session.map(|session| app.metrics.role_of(session));
        let (verdict, stale) = match decision.verdict {
            Verdict::Forward => (VerdictLabel::Forward, None),
            Verdict::Strip(stale) => (VerdictLabel::Strip, Some(stale)),
            Verdict::Refuse(stale) => (VerdictLabel::Refuse, Some(stale)),
        };
        app.metrics.decided(role, verdict);
        if let (Some(live), Some(role), Write::Touch(_)) = (&decision.live, role, &decision.write) {
            let gap = self.now.since(live.last_active);
            app.metrics.idle_gap(role, gap, live.limits.idle.after);
        }
        if let Some(stale) = stale {
            self.record_refusal(proxy, app, stale);
        }
        if let Some(entry) = &mut self.entry {
            let policy = self.snapshot.config.policy.version;
            entry.decided(verdict, stale.map(respond::code), session.map(|s| &**s), policy);
        }
    }

    /// A dead id that came back is recorded, one event a request.
    fn record_refusal(&self, proxy: &Proxy, app: &AppRuntime, stale: Stale) {
        if !matches!(stale, Stale::Ended(_) | Stale::Superseded | Stale::Mixed | Stale::Foreign) {
            return;
        }
        let known = self.found.iter().find_map(|found| {
            Some((found.session.as_ref()?, found.last_active?))
        });
        let Some((session, last_active)) = known else { return };
        let config = &self.snapshot.config;
        let limits = session.limits(&config.policy, app.app.bounds);
        let facts = EventFacts {
            session,
            last_active,
            limits: &limits,
            policy: config.policy.version,
            at: self.now,
            client: Some(self.client),
        };
        let nonce = u32::from_le_bytes(proxy.entropy.bytes());
        proxy.telemetry.events.tell(refusal_event(facts, stale, nonce));
    }

    /// The store did not answer, and the request goes on without it.
    pub(crate) fn store_failed(&mut self, error: &StoreError) {
        tracing::debug!(%error, "a request goes on without its ids");
        self.store_down = true;
    }

    pub(crate) fn store_is_down(&self) -> bool {
        self.store_down
    }

    /// Ids of this request that are not alive.
    pub(crate) fn stale_ids(&self) -> Vec<Sid> {
        self.found.iter().map(|found| found.sid).collect()
    }

    /// Set-Cookie values that expire what a stale request carried.
    ///
    /// Not where the client has a fresh cookie of that name by now, or may get one any moment:
    /// an answer that comes late would delete it.
    pub(crate) fn expired(&self, app: &AppRuntime, stale: Stale) -> Vec<(Arc<str>, HeaderValue)> {
        let dead = matches!(stale, Stale::Ended(_) | Stale::Unknown | Stale::Mixed);
        let relogged = self.found.iter().any(|found| app.relogged.contains(&found.sid));
        if !dead || relogged {
            return Vec::new();
        }
        let sessions = self.found.iter().filter_map(|found| found.session.as_ref());
        app.expire(sessions.flat_map(|session| session.scopes.iter().cloned()).collect())
    }

    /// The app answered, or failed to.
    pub(crate) fn waited_for_app<T>(&mut self, took: Duration, sent: &Result<T, ProxyError>) {
        self.waited += took;
        let Some(app) = &self.app else { return };
        match sent {
            Ok(_) => app.metrics.upstream_answered(took),
            Err(ProxyError::Upstream(failure)) => app.metrics.upstream_failed(failure.fault()),
            Err(_) => {}
        }
    }

    /// The answer taught something.
    pub(crate) fn learned(&mut self, lesson: Lesson) {
        if let Some(entry) = &mut self.entry {
            entry.learned(lesson.marker());
        }
    }

    /// Ends the exchange with an error.
    pub(crate) fn fail(self, proxy: &Proxy, error: &ProxyError) -> Response<Body> {
        if let Some(app) = &self.app {
            app.metrics.decided(None, VerdictLabel::Error);
        }
        match error {
            ProxyError::Upstream(_) | ProxyError::Internal | ProxyError::StoreFull => {
                tracing::warn!(%error, request_id = self.request_id, "a request failed");
            }
            _ => tracing::debug!(%error, request_id = self.request_id, "a request failed"),
        }
        let answer = respond::fail(error, self.kind);
        self.finish(proxy, answer)
    }

    /// Ends the exchange: the head of its answer is ready.
    pub(crate) fn finish(mut self, proxy: &Proxy, answer: Response<Body>) -> Response<Body> {
        let total = monotonic().saturating_sub(self.began);
        let own = total.saturating_sub(self.waited);
        proxy.telemetry.metrics.overhead(own);
        if let Some(mut entry) = self.entry.take() {
            entry.finished(self.now, answer.status(), total, own, &self.request_id);
            proxy.telemetry.access.write(*entry);
        }
        answer
    }
}
