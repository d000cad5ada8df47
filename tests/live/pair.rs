//! Two gateways in front of one app, with one Redis between them.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::it::harness::answer::{Answer, Gate};
use crate::it::harness::app::{FORM_APP, LegacyApp, form_app};
use crate::it::harness::browser::Browser;
use crate::it::harness::gateway::Gateway;
use crate::it::harness::redis::RedisServer;

/// A busy machine is no outage.
const STORE_DEADLINE: &str = "5s";

/// The route that never moves the idle clock.
pub(crate) const POLL: &str = "/poll";

/// What the app answers once the test lets it.
pub(crate) const SLOW: &str = "/slow";

/// The deployment.
pub(crate) struct Pair {
    pub(crate) here: Gateway,
    pub(crate) there: Gateway,
    pub(crate) app: LegacyApp,
    /// Lets the app answer at `SLOW`.
    pub(crate) slow: Gate,
    _redis: RedisServer,
}

impl Pair {
    /// Starts it with these limits of the buyer.
    pub(crate) async fn with(idle: &str, absolute: &str) -> Self {
        let redis = RedisServer::start().await;
        let slow = Gate::closed();
        let app = streaming_app(&slow).await;
        let policy = format!(
            r#"{}
            [roles.buyer]
            idle = "{idle}"
            absolute = "{absolute}"
            users = ["buyer"]
            {FORM_APP}
            [[apps.routes]]
            path = "{POLL}"
            activity = "passive"
            [[apps.routes]]
            path = "/report"
            work_drain = "off"
            "#,
            redis.table(STORE_DEADLINE)
        );
        Self {
            here: Gateway::live(&app, &policy).await,
            there: Gateway::live(&app, &policy).await,
            app,
            slow,
            _redis: redis,
        }
    }

    /// The same browser at the other gateway: a load balancer moved it.
    pub(crate) fn over_there(&self, browser: Browser) -> Browser {
        browser.moved_to(self.there.address)
    }

    /// The ends that both have recorded.
    pub(crate) fn ends(&self) -> Vec<Value> {
        let audits = [&self.here, &self.there].map(Gateway::audit);
        let events = audits.into_iter().flatten();
        events.filter(|event| event["event"] == "end").collect()
    }
}

/// An app with a talkative WebSocket at `/ws`, an event stream at `/events` and a download at
/// `/report`, each of which goes on until somebody breaks it off.
async fn streaming_app(slow: &Gate) -> LegacyApp {
    let slow = slow.clone();
    let plain = form_app();
    let kept = Arc::new(Mutex::new(Vec::<mpsc::Sender<Bytes>>::new()));
    LegacyApp::start(move |seen| {
        let (answer, chunks) = match seen.path() {
            "/ws" => {
                let key = seen.header("sec-websocket-key").unwrap_or_default();
                return Answer::talking_websocket(key);
            }
            SLOW => return Answer::page("done").held_by(&slow),
            "/events" => Answer::stream("text/event-stream"),
            "/report" => {
                let (answer, chunks) = Answer::stream("application/pdf");
                (answer.header("content-length", "1000000"), chunks)
            }
            _ => return plain(seen),
        };
        let first = chunks.try_send(Bytes::from_static(b"data: 1\n\n"));
        first.expect("it has room");
        kept.lock().expect("nobody panics holding it").push(chunks);
        answer
    })
    .await
}
