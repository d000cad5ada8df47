//! One exchange: what is known of a request from its first byte to its answer's head, and what
//! is recorded of it.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Response};

use crate::clock::monotonic;
use crate::domain::access::Client;
use crate::domain::decide::{Decision, Found, Stale, Verdict, Write};
use crate::domain::identity::Sid;
use crate::domain::resolve::Setting;
use crate::domain::session::{Session, State};
use crate::domain::time::Timestamp;
use crate::routing::Routed;
use crate::routing::client::wants;
use crate::store::StoreError;
use crate::store::event::build::{EventFacts, refusal_event};
use crate::telemetry::access_log::{AccessEntry, Happened};
use crate::telemetry::metrics::VerdictLabel;

use super::Proxy;
use super::body::Tail;
use super::error::ProxyError;
use super::head::forwarded::{Origin, forwarded};
use super::head::hygiene;
use super::learn::lesson::Lesson;
use super::peer::Peer;
use super::snapshot::{AppRuntime, Snapshot};
use super::token::PresentedToken;
use super::upstream::AnswerBody;
use super::way_back::WayBack;
use super::{head, logged, respond};

/// The name under which the gateway and the app log a request.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// One exchange.
pub(crate) struct Exchange {
    /// The configuration that was in force when it began; it holds to the end.
    pub(crate) snapshot: Arc<Snapshot>,
    /// The one reading of the clock.
    pub(crate) now: Timestamp,
    /// What kind of client waits.
    pub(crate) kind: Client,
    /// Where the request came from, as far as trusted peers tell it.
    pub(crate) origin: Origin,
    pub(crate) peer: Arc<Peer>,
    /// The name under which the gateway and the app log it.
    pub(crate) request_id: HeaderValue,
    /// Where its session is judged.
    pub(crate) setting: Setting,
    /// The companion token that it carries, where its app has one.
    pub(super) token: Option<Box<PresentedToken>>,
    /// Where its user was, where it is about to log him in again.
    pub(super) way_back: Option<WayBack>,
    /// With which the user of an answer from the app is told the way back.
    pub(super) told_way_back: Option<HeaderValue>,
    began: Duration,
    waited: Option<Duration>,
    waited_for_store: Option<Duration>,
    /// The ids it carries.
    pub(super) found: Vec<FoundId>,
    app: Option<Arc<AppRuntime>>,
    store_down: bool,
    /// Whether it was counted under its verdict: an error after that is the app's or the client's.
    is_decided: bool,
    /// What the access log will say; none where there is no log.
    pub(super) entry: Option<Box<AccessEntry>>,
}

/// An id and what its record said, dead or alive.
pub(super) struct FoundId {
    pub(super) sid: Sid,
    pub(super) session: Option<Arc<Session>>,
    pub(super) last_active: Option<Timestamp>,
    pub(super) is_alive: bool,
}

impl Exchange {
    pub(crate) fn begin(proxy: &Proxy, peer: Arc<Peer>, parts: &Parts) -> Self {
        let snapshot = proxy.snapshot.load_full();
        let began = monotonic();
        let now = proxy.clock.at(began);
        let request_id = proxy.request_id(&parts.headers, &peer);
        let entry = proxy.telemetry.access.is_on().then(|| {
            let request = String::from_utf8_lossy(request_id.as_bytes()).into_owned();
            let version = snapshot.config.policy.version;
            Box::new(AccessEntry::new(
                now,
                request,
                peer.address.ip,
                parts.method.clone(),
                version,
            ))
        });
        Self {
            now,
            kind: wants(parts),
            origin: Origin {
                address: peer.address.ip,
                scheme: peer.scheme,
            },
            request_id,
            setting: Setting::default(),
            token: None,
            way_back: None,
            told_way_back: None,
            began,
            waited: None,
            waited_for_store: None,
            found: Vec::new(),
            app: None,
            store_down: false,
            is_decided: false,
            entry,
            snapshot,
            peer,
        }
    }

    /// Makes the head the gateway's own, as far as it tells of the client and of this connection.
    pub(crate) fn receive(&mut self, parts: &mut Parts, host: &str) {
        let Peer {
            address,
            scheme,
            trusted,
            ..
        } = &*self.peer;
        hygiene::clean_request(&mut parts.headers);
        let asked = head::written_host(parts);
        self.origin = forwarded(&mut parts.headers, address, trusted, *scheme, asked);
        let devices = &self.snapshot.config.devices;
        self.setting.seen = devices.seen(&parts.headers, self.origin.address);
        if let Some(entry) = &mut self.entry {
            entry.client = self.origin.address;
            entry.host = Some(host.to_owned());
        }
    }

    /// The request's app and route are known.
    pub(crate) fn routed(&mut self, app: &Arc<AppRuntime>, routed: &Routed, path: &str) {
        self.app = Some(Arc::clone(app));
        self.setting = Setting {
            app: app.app.bounds,
            route: routed.rule.limits,
            on_device_change: app.app.on_device_change,
            proof: routed.proof,
            ..self.setting
        };
        if let Some(entry) = &mut self.entry {
            let policy = &self.snapshot.config.policy;
            entry.device = policy.device_on_record(self.setting.seen);
            logged::routed(entry, app, routed, path);
        }
    }

    /// The records of its ids were looked up.
    pub(crate) fn found(&mut self, found: &[Found]) {
        self.found.clear();
        self.found.extend(found.iter().map(|found| {
            FoundId {
                sid: found.sid,
                session: found
                    .record
                    .as_ref()
                    .map(|record| Arc::clone(&record.session)),
                last_active: found.record.as_ref().map(|record| record.last_active),
                is_alive: found
                    .record
                    .as_ref()
                    .is_some_and(|record| record.state == State::Alive),
            }
        }));
    }

    /// What becomes of it is decided and written.
    pub(crate) fn decided(&mut self, proxy: &Proxy, app: &AppRuntime, decision: &Decision) {
        if let Write::End(ended) = &decision.write {
            for found in &mut self.found {
                found.is_alive &= !ended.iter().any(|(sid, _)| *sid == found.sid);
            }
        }
        let session = match &decision.live {
            Some(live) => Some(&live.session),
            None => self.found.iter().find_map(|found| found.session.as_ref()),
        };
        let role = session.map(|session| app.metrics.role_of(session));
        let (verdict, stale) = match decision.verdict {
            Verdict::Forward => (VerdictLabel::Forward, None),
            // Nothing was needed, and nothing was there to be stripped.
            Verdict::Strip(Stale::NoSession) => (VerdictLabel::Forward, None),
            Verdict::Strip(stale) => (VerdictLabel::Strip, Some(stale)),
            Verdict::Refuse(stale) => (VerdictLabel::Refuse, Some(stale)),
        };
        app.metrics.decided(role, verdict);
        self.is_decided = true;
        if let (Some(live), Write::Touch(_)) = (&decision.live, &decision.write) {
            app.was_active(live, self.now);
        }
        if let Some(stale) = stale {
            app.metrics.token_refused(stale);
            self.record_refusal(proxy, stale);
        }
        if let Some(entry) = &mut self.entry {
            entry.verdict = verdict;
            entry.reason = stale.map(respond::code);
            entry.user =
                session.and_then(|session| logged::pseudonym(app, &self.snapshot, session));
            entry.session = session.cloned();
            let rehearsal = decision
                .live
                .as_ref()
                .and_then(|live| live.rehearsal.as_ref());
            entry.would = rehearsal.and_then(|rehearsal| rehearsal.would);
            entry.happened = matches!(decision.write, Write::End(_)).then_some(Happened::End);
        }
    }

    /// A dead id that came back is recorded, one event a request.
    pub(super) fn record_refusal(&self, proxy: &Proxy, stale: Stale) {
        if !stale.is_recorded() {
            return;
        }
        let known = self
            .found
            .iter()
            .find_map(|found| Some((found.session.as_ref()?, found.last_active?)));
        let Some((session, last_active)) = known else {
            return;
        };
        let config = &self.snapshot.config;
        let limits = session.limits(&config.policy, self.setting);
        let facts = EventFacts {
            session,
            last_active,
            limits: &limits,
            policy: &config.policy,
            at: self.now,
            client: Some(self.origin.address),
        };
        let nonce = u32::from_le_bytes(proxy.entropy.bytes());
        proxy
            .telemetry
            .events
            .refused(refusal_event(facts, stale, nonce));
    }

    /// The store did not answer, and the request goes on without it.
    pub(crate) fn store_failed(&mut self, error: &StoreError) {
        tracing::debug!(%error, "a request goes on without its ids");
        self.store_down = true;
    }

    pub(crate) fn store_is_down(&self) -> bool {
        self.store_down
    }

    /// The ids of this request that were looked up.
    pub(crate) fn ids(&self) -> Vec<Sid> {
        self.found.iter().map(|found| found.sid).collect()
    }

    /// The session, dead or alive, that the request came with.
    pub(super) fn session_found(&self) -> Option<&Session> {
        let mut sessions = self
            .found
            .iter()
            .filter_map(|found| found.session.as_deref());
        sessions.find(|session| session.is_authenticated())
    }

    /// The app answered, or failed to.
    pub(crate) fn waited_for_app<T>(&mut self, took: Duration, sent: &Result<T, ProxyError>) {
        self.waited = Some(took);
        let Some(app) = &self.app else { return };
        match sent {
            Ok(_) => app.metrics.upstream_answered(took),
            Err(ProxyError::Upstream(failure)) => app.metrics.upstream_failed(failure.fault()),
            Err(_) => {}
        }
    }

    /// The store answered, or failed to.
    pub(crate) fn waited_for_store(&mut self, took: Duration) {
        *self.waited_for_store.get_or_insert_default() += took;
    }

    /// The answer taught something.
    pub(crate) fn learned(&mut self, lesson: &Lesson) {
        let Some(entry) = &mut self.entry else { return };
        if let Some(session) = lesson.login() {
            logged::login(entry, self.app.as_deref(), &self.snapshot, session);
        }
        if *lesson == Lesson::LoggedOut {
            entry.happened = Some(Happened::Logout);
        }
    }

    /// Ends the exchange: the head of its answer is ready, or why there is none.
    pub(crate) fn end(
        mut self,
        proxy: &Proxy,
        answer: Result<Response<AnswerBody>, ProxyError>,
    ) -> Response<AnswerBody> {
        let answer = answer.unwrap_or_else(|error| self.fail(&error));
        self.finish(proxy, answer)
    }

    fn fail(&mut self, error: &ProxyError) -> Response<AnswerBody> {
        if let (Some(app), false) = (&self.app, self.is_decided) {
            app.metrics.decided(None, VerdictLabel::Error);
        }
        if let Some(entry) = &mut self.entry {
            entry.verdict = VerdictLabel::Error;
            entry.reason = Some(error.told().code);
        }
        match error {
            ProxyError::Upstream(_) | ProxyError::Internal | ProxyError::StoreFull => {
                tracing::warn!(%error, request = ?self.request_id, "a request failed");
            }
            _ => tracing::debug!(%error, request = ?self.request_id, "a request failed"),
        }
        respond::fail(error, self.kind)
    }

    /// Its line is logged with the last byte of the answer's body.
    fn finish(self, proxy: &Proxy, mut answer: Response<AnswerBody>) -> Response<AnswerBody> {
        let own = monotonic().saturating_sub(self.began);
        let waits = [self.waited, self.waited_for_store];
        let own = own.saturating_sub(waits.into_iter().flatten().sum());
        proxy.telemetry.metrics.overhead(own);
        answer.headers_mut().insert(REQUEST_ID, self.request_id);
        let Some(mut entry) = self.entry else {
            return answer;
        };
        entry.status = answer.status();
        entry.own = own;
        entry.upstream = self.waited;
        entry.store = self.waited_for_store;
        let telemetry = Arc::clone(&proxy.telemetry);
        let tail = Tail {
            entry: Some(*entry),
            telemetry,
            began: self.began,
            progress: None,
        };
        answer.map(|body| body.logged(tail))
    }
}
