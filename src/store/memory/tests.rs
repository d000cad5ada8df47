use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::outbox::OUTBOX_MAX;
use super::shard::IN_USE_MAX;
use super::{MemoryStore, TIDIED_AT_ONCE};
use crate::domain::identity::{Lineage, Sid};
use crate::domain::policy::PolicyVersion;
use crate::domain::session::{EndReason, Login, Session, State};
use crate::domain::time::Timestamp;
use crate::store::event::{EventId, EventKind, LimitInForce, SessionEvent};
use crate::store::op::{
    Activation, Bound, Claim, ClaimedBy, Created, End, Ended, InPlaceLogin, NewSession, Touched,
};

const fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

const LINEAGE: Lineage = Lineage::from_bytes([7; 16]);

fn sid(n: u8) -> Sid {
    Sid::from_bytes([n; 16])
}

fn visitor(forget_at: Timestamp) -> NewSession {
    NewSession {
        session: Arc::new(Session {
            lineage: LINEAGE,
            generation: 0,
            app: "app".into(),
            started: at(0),
            until: None,
            login: None,
            device: None,
            policy: PolicyVersion(0),
            companions: Vec::new(),
            scopes: Vec::new(),
            token: None,
            would_have_ended: Default::default(),
        }),
        last_active: at(0),
        pending: false,
        forget_at,
    }
}

fn user(forget_at: Timestamp) -> NewSession {
    let mut new = visitor(forget_at);
    Arc::make_mut(&mut new.session).login = Some(Login {
        admitted: at(0),
        user: None,
        groups: Vec::new(),
        roles: Vec::new(),
        roles_learned: at(0),
        is_doubtful: false,
    });
    new
}

fn event(id: usize) -> SessionEvent {
    let limit = LimitInForce {
        after_ms: 1,
        rule: String::new(),
    };
    SessionEvent {
        id: EventId(id.to_string()),
        event: EventKind::End,
        at_ms: 0,
        lineage: String::new(),
        app: String::new(),
        user: None,
        roles: Vec::new(),
        reason: None,
        client: None,
        device: None,
        device_before: None,
        age_ms: 0,
        idle_ms: 0,
        idle_timeout: limit.clone(),
        absolute_timeout: limit,
        max_sessions: None,
        policy: String::new(),
    }
}

fn end(event: Option<SessionEvent>) -> End {
    End {
        lineage: LINEAGE,
        reason: EndReason::Logout,
        at: at(1),
        if_last_active: None,
        event: event.map(Box::new),
        forget_at: at(1000),
    }
}

/// Enough sweeps at one instant to have tidied every shard.
fn sweep(store: &MemoryStore, now: Timestamp) {
    for _ in 0..super::SHARDS / TIDIED_AT_ONCE {
        store.claim_due(now, Duration::from_secs(1), 0);
    }
}

fn knows(store: &MemoryStore, n: u8) -> bool {
    store.look_up(&[sid(n)]).records[0].is_some()
}

#[test]
fn a_full_store_refuses_new_ids_and_keeps_the_living_and_the_dead() {
    let store = MemoryStore::new(2);
    assert_eq!(store.create(sid(1), user(at(1000))), Created::Recorded);
    assert_eq!(store.create(sid(2), visitor(at(1000))), Created::Recorded);
    store.end(sid(2), end(None));
    assert_eq!(store.create(sid(3), user(at(1000))), Created::Full);
    assert_eq!(store.create(sid(2), user(at(1000))), Created::Taken);
    assert!(!knows(&store, 3));
    let records = store.look_up(&[sid(1), sid(2)]).records;
    let states = records
        .iter()
        .map(|record| record.as_ref().map(|record| record.state));
    let ended = State::Ended {
        reason: EndReason::Logout,
        at: at(1),
    };
    assert_eq!(
        states.collect::<Vec<_>>(),
        [Some(State::Alive), Some(ended)]
    );
}

#[test]
fn what_may_be_forgotten_is_forgotten_at_its_instant_and_makes_room() {
    let store = MemoryStore::new(1);
    store.create(sid(1), visitor(at(1000)));
    sweep(&store, at(999));
    assert!(knows(&store, 1));
    assert_eq!(store.create(sid(2), visitor(at(1000))), Created::Full);
    sweep(&store, at(1000));
    assert!(!knows(&store, 1));
    assert_eq!(store.create(sid(2), visitor(at(2000))), Created::Recorded);
}

#[test]
fn an_end_says_how_long_its_tombstone_is_kept() {
    for forget_at in [500, 1500] {
        let store = MemoryStore::new(9);
        store.create(sid(1), visitor(at(1000)));
        let end = End {
            forget_at: at(forget_at),
            ..end(None)
        };
        assert_eq!(store.end(sid(1), end), Ended::Now);
        sweep(&store, at(forget_at - 1));
        assert!(knows(&store, 1), "before {forget_at}");
        sweep(&store, at(forget_at));
        assert!(!knows(&store, 1), "at {forget_at}");
    }
}

#[test]
fn a_login_that_keeps_the_id_says_how_long_its_record_is_kept() {
    let store = MemoryStore::new(9);
    store.create(sid(1), visitor(at(1000)));
    let login = InPlaceLogin {
        last_active: at(1),
        due: at(9000),
        forget_at: at(2000),
        events: Vec::new(),
    };
    let bound = Bound {
        lineage: LINEAGE,
        session: user(at(0)).session,
        login: Some(Box::new(login)),
    };
    assert_eq!(store.bind(sid(1), bound), Touched::Alive);
    let claim = Claim {
        lineage: LINEAGE,
        successor: sid(2),
        at: at(2),
        by: ClaimedBy::Succession,
    };
    store.claim(sid(1), claim);
    sweep(&store, at(1999));
    assert!(knows(&store, 1));
    sweep(&store, at(2000));
    assert!(!knows(&store, 1));
}

#[test]
fn a_full_store_looks_for_room_where_the_new_id_belongs_once_a_second() {
    let store = MemoryStore::new(1);
    let neighbour = Sid::from_bytes(*b"\x01another of them");
    let sweep_elsewhere = |millis| store.swept_ms.store(millis, Ordering::Relaxed);
    store.create(sid(1), visitor(at(1500)));
    sweep(&store, at(1000));
    sweep_elsewhere(1999);
    assert_eq!(store.create(neighbour, visitor(at(9000))), Created::Full);
    sweep_elsewhere(2000);
    assert_eq!(
        store.create(neighbour, visitor(at(9000))),
        Created::Recorded
    );
    assert!(!knows(&store, 1));
}

#[test]
fn an_authenticated_session_is_not_forgotten_before_its_end() {
    let store = MemoryStore::new(9);
    store.create(sid(1), user(at(1000)));
    sweep(&store, at(5000));
    assert!(knows(&store, 1));
    assert_eq!(store.alive(), 1);
    store.end(sid(1), end(None));
    sweep(&store, at(5000));
    assert!(!knows(&store, 1));
}

#[test]
fn a_pending_id_that_nobody_activates_is_forgotten() {
    let store = MemoryStore::new(9);
    let pending = NewSession {
        pending: true,
        ..user(at(1000))
    };
    store.create(sid(1), pending);
    sweep(&store, at(1000));
    assert!(!knows(&store, 1));
}

fn session(store: &MemoryStore, sid: Sid) -> Arc<Session> {
    let record = store.look_up(&[sid]).records.remove(0).unwrap();
    record.session
}

#[test]
fn a_session_is_the_same_at_rest_and_in_use() {
    let store = MemoryStore::new(9);
    let new = user(at(9000));
    store.create(sid(1), new.clone());
    let asked = session(&store, sid(1));
    assert_eq!(asked, new.session);
    sweep(&store, at(1));
    let again = session(&store, sid(1));
    assert!(
        Arc::ptr_eq(&again, &asked),
        "asked for since the last sweep"
    );
    sweep(&store, at(2));
    sweep(&store, at(3));
    let rested = session(&store, sid(1));
    assert!(!Arc::ptr_eq(&rested, &asked), "asked for by nobody since");
    assert_eq!(rested, new.session);
}

#[test]
fn a_shard_keeps_a_bounded_number_of_sessions_in_use() {
    let store = MemoryStore::new(10_000);
    let sid = |n: usize| Sid::from_bytes(((7_u128 << 120) + n as u128).to_be_bytes());
    let everyone = || (0..IN_USE_MAX + 100).map(sid);
    for sid in everyone() {
        store.create(sid, user(at(9000)));
    }
    for now in 1..=3 {
        let once: Vec<_> = everyone().map(|sid| session(&store, sid)).collect();
        let twice = everyone().map(|sid| session(&store, sid));
        let shared = once
            .iter()
            .zip(twice)
            .filter(|(once, twice)| Arc::ptr_eq(once, twice));
        assert_eq!(shared.count(), IN_USE_MAX);
        sweep(&store, at(now));
    }
}

#[test]
fn a_full_outbox_counts_what_it_drops_and_the_ends_stand() {
    let store = MemoryStore::new(9);
    for n in 1..=2 {
        store.create(sid(n), user(at(1000)));
    }
    let filling = (1..OUTBOX_MAX).map(|id| Box::new(event(id)));
    super::lock(&store.outbox).append(filling);
    assert_eq!(store.end(sid(1), end(Some(event(OUTBOX_MAX)))), Ended::Now);
    assert_eq!(
        (store.events_pending(), store.events_dropped()),
        (OUTBOX_MAX as u64, 0)
    );
    assert_eq!(
        store.end(sid(2), end(Some(event(OUTBOX_MAX + 1)))),
        Ended::Now
    );
    assert_eq!(
        (store.events_pending(), store.events_dropped()),
        (OUTBOX_MAX as u64, 1)
    );
    store.acknowledge(&[EventId("1".into())]);
    assert_eq!(store.read_events(1)[0].id, EventId("2".into()));
    assert_eq!(store.events_pending(), OUTBOX_MAX as u64 - 1);
}

#[test]
fn acknowledged_out_of_order_the_others_stay_in_order() {
    let store = MemoryStore::new(9);
    let filling = (1..=5).map(|id| Box::new(event(id)));
    super::lock(&store.outbox).append(filling);
    store.acknowledge(&["4", "1", "9"].map(|id| EventId(id.into())));
    let left: Vec<_> = store
        .read_events(9)
        .into_iter()
        .map(|event| event.id.0)
        .collect();
    assert_eq!(left, ["2", "3", "5"]);
}

#[test]
fn an_authenticated_id_that_is_alive_at_once_is_looked_at_soon() {
    let store = MemoryStore::new(9);
    store.create(sid(1), user(at(1000)));
    assert_eq!(store.claim_due(at(0), Duration::from_secs(1), 9), [sid(1)]);
}

#[test]
fn an_activation_without_a_due_is_looked_at_soon() {
    let store = MemoryStore::new(9);
    let pending = NewSession {
        pending: true,
        ..user(at(1000))
    };
    store.create(sid(1), pending);
    let as_ = Activation {
        last_active: at(5),
        due: None,
        event: None,
    };
    store.activate(sid(1), as_);
    assert_eq!(store.claim_due(at(4), Duration::from_secs(1), 9), []);
    assert_eq!(store.claim_due(at(5), Duration::from_secs(1), 9), [sid(1)]);
}
