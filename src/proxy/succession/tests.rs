use std::future::ready;
use std::sync::Arc;

use super::{Predecessor, Succession, Successor, log_in, rotate, take_over};
use crate::domain::decide::Live;
use crate::domain::identity::Sid;
use crate::domain::session::{EndReason, Session, State};
use crate::domain::time::Timestamp;
use crate::proxy::Proxy;
use crate::proxy::bench::{NOW, app, live, new, proxy, sid, user};
use crate::proxy::stream::registry::{StreamKey, StreamKind};
use crate::store::event::SessionEvent;
use crate::store::event::build::{EventFacts, end_event, login_event};
use crate::store::op::{Activated, Activation, Claim, ClaimedBy, NewSession};

fn successor(n: u8, session: &Arc<Session>) -> Successor {
    Successor {
        sid: sid(n),
        session: Arc::clone(session),
        at: NOW,
        last_active: NOW,
        due: Some(NOW),
        forget_at: Timestamp::from_millis(u64::MAX),
    }
}

fn told(
    proxy: &Proxy,
    live: &Live,
    tell: impl FnOnce(EventFacts<'_>) -> SessionEvent,
) -> SessionEvent {
    tell(EventFacts {
        session: &live.session,
        last_active: NOW,
        limits: &live.limits,
        policy: &proxy.snapshot.load().config.policy,
        at: NOW,
        client: None,
    })
}

fn reauthenticated(proxy: &Proxy, live: &Live) -> SessionEvent {
    told(proxy, live, |facts| {
        end_event(facts, EndReason::Reauthenticated)
    })
}

async fn state(proxy: &Proxy, sid: Sid) -> State {
    let found = proxy.store.look_up(&[sid]).await.unwrap();
    found.records[0].as_ref().unwrap().state
}

/// The reasons of the ends that were told.
async fn ends(proxy: &Proxy) -> Vec<String> {
    let events: Vec<SessionEvent> = proxy.store.read_events(9).await.unwrap();
    events
        .into_iter()
        .filter_map(|event| event.reason)
        .collect()
}

/// A login as the third id, by a request that was admitted with the first.
async fn log_in_over(proxy: &Proxy, old: &Live) {
    let app = app(proxy);
    let session = user(proxy, 3);
    let over = Predecessor {
        app: &app,
        live: old,
        end: Some(Box::new(reauthenticated(proxy, old))),
    };
    let event = told(proxy, &live(proxy, sid(3), &session), login_event);
    let told = log_in(
        proxy,
        Some(over),
        successor(3, &session),
        event,
        ready(Ok(true)),
    )
    .await;
    assert_eq!(told, Ok(Succession::Alive));
    assert_eq!(state(proxy, sid(3)).await, State::Alive);
}

const REAUTHENTICATED: State = State::Ended {
    reason: EndReason::Reauthenticated,
    at: NOW,
};

#[tokio::test]
async fn a_login_leaves_no_rotation_of_its_predecessor_alive() {
    let proxy = proxy();
    let old = user(&proxy, 1);
    proxy.store.create(sid(1), new(&old)).await.unwrap();
    let rotated = rotate(&proxy, sid(1), successor(2, &old)).await;
    assert_eq!(rotated, Ok(Succession::Alive));
    log_in_over(&proxy, &live(&proxy, sid(1), &old)).await;
    assert_eq!(state(&proxy, sid(2)).await, REAUTHENTICATED);
    assert_eq!(ends(&proxy).await, ["reauthenticated"]);
}

#[tokio::test]
async fn a_rotation_under_way_does_not_outlive_a_login() {
    let proxy = proxy();
    let old = user(&proxy, 1);
    proxy.store.create(sid(1), new(&old)).await.unwrap();
    let pending = NewSession {
        pending: true,
        ..new(&old)
    };
    proxy.store.create(sid(2), pending).await.unwrap();
    let claim = Claim {
        lineage: old.lineage,
        successor: sid(2),
        at: NOW,
        by: ClaimedBy::Succession,
    };
    proxy.store.claim(sid(1), claim).await.unwrap();
    log_in_over(&proxy, &live(&proxy, sid(1), &old)).await;
    let late = Activation {
        last_active: NOW,
        due: None,
        event: None,
    };
    let activated = proxy.store.activate(sid(2), late).await;
    assert_eq!(activated, Ok(Activated::No));
    assert_eq!(state(&proxy, sid(2)).await, REAUTHENTICATED);
    assert_eq!(ends(&proxy).await, ["reauthenticated"]);
}

#[tokio::test]
async fn a_login_ends_no_session_of_another_lineage() {
    let proxy = proxy();
    let [old, other] = [1, 2].map(|n| user(&proxy, n));
    // The app kept the id over a login that came first.
    proxy.store.create(sid(1), new(&other)).await.unwrap();
    log_in_over(&proxy, &live(&proxy, sid(1), &old)).await;
    assert_eq!(state(&proxy, sid(1)).await, State::Alive);
    assert_eq!(ends(&proxy).await, [""; 0]);
}

/// The login's own end is still open: its activation may fail.
#[tokio::test]
async fn an_end_by_a_login_does_not_wait_for_the_login() {
    let proxy = proxy();
    let app = app(&proxy);
    let session = user(&proxy, 1);
    proxy.store.create(sid(1), new(&session)).await.unwrap();
    let old = live(&proxy, sid(1), &session);
    let key = StreamKey::of(&old, &session.app);
    let stream = proxy.streams.open(key, StreamKind::Tunnel).unwrap();
    let over = Predecessor {
        app: &app,
        live: &old,
        end: Some(Box::new(reauthenticated(&proxy, &old))),
    };
    let told = take_over(&proxy, over, &successor(3, &user(&proxy, 3))).await;
    assert_eq!(told, Ok(()));
    assert_eq!(stream.cut_reason(), Some(EndReason::Reauthenticated));
    let metrics = proxy.telemetry.metrics.render();
    let counted = metrics.lines().any(|line| {
        line.starts_with("curfew_sessions_ended_total{")
            && line.contains("reauthenticated")
            && line.ends_with(" 1")
    });
    assert!(counted, "{metrics}");
}
