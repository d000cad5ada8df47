//! A gateway to test its parts in: one app, a store in memory, a clock that stands still.

use std::sync::Arc;

use crate::clock::Clock;
use crate::config::load;
use crate::domain::decide::Live;
use crate::domain::device::Moved;
use crate::domain::identity::{Lineage, Sid};
use crate::domain::limits::RouteBounds;
use crate::domain::resolve::Setting;
use crate::domain::session::{Login, Session};
use crate::domain::time::Timestamp;
use crate::entropy::Entropy;
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::store::op::NewSession;
use crate::telemetry::Telemetry;
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::events::event_feed;
use crate::telemetry::metrics::Metrics;

use super::Proxy;
use super::snapshot::AppRuntime;

/// 2026-12-01T00:00:00Z.
pub(super) const NOW: Timestamp = Timestamp::from_millis(1_796_083_200_000);

const CONFIG: &str = r#"
    listeners = [{ address = "127.0.0.1:0" }]
    roles.buyer = { idle = "15m", absolute = "8h", users = ["buyer-1"] }

    [[apps]]
    name = "shop"
    upstreams = ["http://127.0.0.1:1"]
    session = { id = "cookie:SID" }

    [[apps.logins]]
    path = "/login"
    page = "/login"
    success = { new_session = true }

    [[apps.routes]]
    path = "/approvals/**"
    idle = "8s"
    "#;

pub(super) fn proxy() -> Proxy {
    let loaded = load::parse_alone(CONFIG, "test.toml");
    let config = loaded.unwrap_or_else(|faults| panic!("{faults}")).config;
    let metrics = Arc::new(Metrics::new());
    let (events, _) = event_feed(&metrics);
    let telemetry = Telemetry {
        metrics,
        access: AccessLog::off(),
        events,
    };
    Proxy::new(
        Arc::new(config),
        Arc::new(Store::Memory(MemoryStore::new(1_000))),
        Clock::manual(NOW),
        Entropy::seeded(1),
        Arc::new(telemetry),
    )
}

pub(super) fn app(proxy: &Proxy) -> Arc<AppRuntime> {
    Arc::clone(&proxy.snapshot.load().apps[0])
}

pub(super) fn sid(n: u8) -> Sid {
    Sid::from_bytes([n; 16])
}

/// The `n`th lineage, of a user who logged in just now.
pub(super) fn user(proxy: &Proxy, n: u8) -> Arc<Session> {
    let config = &proxy.snapshot.load().config;
    Arc::new(Session {
        lineage: Lineage::from_bytes([n; 16]),
        generation: 0,
        app: Arc::clone(&config.apps[0].name),
        started: NOW,
        until: None,
        login: Some(Login {
            admitted: NOW,
            user: None,
            groups: Vec::new(),
            roles: Vec::new(),
            roles_learned: NOW,
            is_doubtful: false,
        }),
        device: None,
        policy: config.policy.version,
        companions: Vec::new(),
        scopes: Vec::new(),
        token: None,
        would_have_ended: Default::default(),
    })
}

pub(super) fn live(proxy: &Proxy, sid: Sid, session: &Arc<Session>) -> Live {
    let config = &proxy.snapshot.load().config;
    Live {
        sid,
        session: Arc::clone(session),
        last_active: NOW,
        limits: session.limits(&config.policy, Setting::of_app(config.apps[0].bounds)),
        route: RouteBounds::default(),
        moved: Moved::No,
        token: None,
        rehearsal: None,
    }
}

pub(super) fn new(session: &Arc<Session>) -> NewSession {
    NewSession {
        session: Arc::clone(session),
        last_active: NOW,
        pending: false,
        forget_at: Timestamp::from_millis(u64::MAX),
    }
}
