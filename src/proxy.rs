//! The proxy: one request's way from a client to an app and back. Read `handle` first.

mod adopt;
mod adoption;
mod alarm;
mod amend;
mod answer_cookies;
mod attempted;
#[cfg(test)]
mod bench;
mod bind;
mod bodies;
mod body;
mod carriers;
mod claim;
mod cookies;
mod device;
mod error;
mod exchange;
mod extracted;
mod form;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod hand_out;
mod handle;
mod head;
mod hold;
mod joined;
mod json;
mod lead_back;
mod learn;
mod left;
mod listener;
mod logged;
mod login_refusal;
mod look_up;
mod page;
mod pass_on;
mod passive;
mod peer;
mod person;
mod quota;
mod recipe;
mod rehearse;
mod renew;
mod respond;
mod seats;
mod set_cookie;
mod snapshot;
mod stall;
mod stream;
mod succession;
mod tls;
mod token;
mod touch;
mod upgrade;
mod upstream;
mod watch;
mod way_back;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{HeaderMap, HeaderValue};
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::config::Config;
use crate::domain::session::{EndReason, Session};
use crate::domain::time::Timestamp;
use crate::entropy::Entropy;
use crate::store::{Store, StoreError};
use crate::telemetry::Telemetry;
use crate::telemetry::metrics::StoreOp;

use adopt::{ADOPTION_WINDOW, ADOPTIONS_MAX};
use exchange::REQUEST_ID;
use peer::Peer;
use quota::Quota;
use snapshot::{AppRuntime, Snapshot};
use stream::registry::{STREAMS_MAX, StreamRegistry};

pub use listener::{ListenError, Listening};
pub use tls::{TlsError, TlsKeys};

/// Bytes of a request's name that a trusted peer may give it.
const REQUEST_ID_BYTES_MAX: usize = 64;

/// Turns a counter so that two that follow each other differ where people look first.
const REQUEST_ID_TURN: u32 = 48;

/// What all connections share.
pub struct Proxy {
    snapshot: ArcSwap<Snapshot>,
    store: Arc<Store>,
    clock: Clock,
    entropy: Entropy,
    /// The next request's name: a counter from a random start, so that two gateways' names do not
    /// meet. A name is no secret.
    request_ids: AtomicU64,
    telemetry: Arc<Telemetry>,
    streams: StreamRegistry,
    anonymous: Quota,
    adoptions: Quota,
    /// Exchanges and tunnels that run on when their connection's own task does not.
    tasks: TaskTracker,
}

impl Proxy {
    /// A proxy for this configuration.
    pub fn new(
        config: Arc<Config>,
        store: Arc<Store>,
        clock: Clock,
        entropy: Entropy,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        let anonymous = Quota::new(config.anonymous, config.policy.anonymous_absolute);
        let snapshot = Snapshot::new(config, &telemetry.metrics, &[]);
        Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            store,
            clock,
            request_ids: AtomicU64::new(u64::from_le_bytes(entropy.bytes())),
            entropy,
            telemetry,
            streams: StreamRegistry::new(STREAMS_MAX),
            anonymous,
            adoptions: Quota::new(ADOPTIONS_MAX, ADOPTION_WINDOW),
            tasks: TaskTracker::new(),
        }
    }

    /// The name of a request: what a trusted peer calls it, or a new one.
    fn request_id(&self, headers: &HeaderMap, peer: &Peer) -> HeaderValue {
        let given = headers.get(REQUEST_ID).filter(|id| {
            let fits = !id.is_empty() && id.len() <= REQUEST_ID_BYTES_MAX;
            fits && id.as_bytes().iter().all(u8::is_ascii_graphic) && peer.is_trusted()
        });
        given.cloned().unwrap_or_else(|| {
            let number = self.request_ids.fetch_add(1, Ordering::Relaxed);
            let mut digits = [0; 16];
            for (place, digit) in digits.iter_mut().rev().enumerate() {
                let nibble = number.rotate_left(REQUEST_ID_TURN) >> (4 * place) & 0xf;
                *digit = b"0123456789abcdef"[nibble as usize];
            }
            HeaderValue::from_bytes(&digits).unwrap_or(HeaderValue::from_static("-"))
        })
    }

    /// A call of the store, whose time is taken.
    async fn timed<T>(
        &self,
        op: StoreOp,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.telemetry.metrics.store_call(op, call).await
    }

    /// A session ended, and it was this gateway that wrote it: counts it and cuts its streams.
    fn ended(&self, app: &AppRuntime, session: &Session, reason: EndReason, at: Timestamp) {
        if session.is_authenticated() {
            app.metrics.ended(session, reason, at);
            self.telemetry.events.outbox_grew();
        }
        self.cut(session.lineage, reason, at);
    }

    /// Waits for every exchange and tunnel that is under way, at most `wait`; then lets go of them.
    pub async fn drain(&self, wait: Duration) {
        self.tasks.close();
        if tokio::time::timeout(wait, self.tasks.wait()).await.is_err() {
            let left = self.tasks.len();
            tracing::warn!(left, "some connections did not end in time and are closed");
        }
    }

    /// Puts a new configuration in force, from the next request on. Listeners and the store stay as
    /// they were started.
    pub fn reload(&self, config: Arc<Config>) {
        self.anonymous
            .set(config.anonymous, config.policy.anonymous_absolute);
        let before = self.snapshot.load();
        let snapshot = Snapshot::new(config, &self.telemetry.metrics, &before.apps);
        self.snapshot.store(Arc::new(snapshot));
    }
}
