//! Logins and rotations: pending, claim, activate; and the login that keeps its id.

use std::sync::Arc;

use curfew::domain::session::{EndReason, Session, State};
use curfew::store::op::{Activated, Activation, Claimed, Ended, Touched};

use super::given::{
    DUE, LOGIN, LOGIN_DUE, Tested, anonymous, at, authenticated, bound, elaborate, end_event,
    end_for, in_place, lineage, logged_in, login_event, login_over, new, pending, rotated, sid,
    silent_end, succession,
};
use super::{Case, case};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case(a_pending_id_is_not_alive),
        case(an_activated_id_is_alive_with_what_it_was_given),
        case(an_anonymous_rotation_is_neither_counted_nor_due),
        case(activating_twice_is_one_login),
        case(only_a_pending_id_is_activated),
        case(a_claim_hands_over_the_last_activity),
        case(of_two_claims_one_wins),
        case(only_a_living_id_is_claimed),
        case(a_claim_takes_no_session_of_another_lineage),
        case(a_login_over_a_login_ends_it),
        case(a_login_over_a_visitor_is_silent),
        case(a_revocation_before_the_claim_stops_the_rotation),
        case(a_revocation_after_the_claim_follows_the_successor),
        case(a_revocation_after_the_rotation_follows_the_successor),
        case(a_rotation_chain_leads_to_the_living_id),
        case(binding_replaces_what_stays_and_moves_no_clock),
        case(only_a_living_id_of_the_lineage_is_bound),
        case(a_visitor_logs_in_under_his_id),
        case(a_user_logs_in_again_under_his_id),
    ]
}

async fn a_pending_id_is_not_alive(store: Arc<Tested>) {
    let sid = store.pending(1).await;
    assert_eq!(store.state(sid).await, Some(State::Pending));
    assert_eq!(store.alive().await, 0);
    assert_eq!(store.due(at(1_000_000)).await, []);
    assert_eq!(store.claim(sid, succession(1, sid)).await, Claimed::Unknown);
    assert_eq!(store.state(sid).await, Some(State::Pending));
}

async fn an_activated_id_is_alive_with_what_it_was_given(store: Arc<Tested>) {
    let sid = store.pending(1).await;
    let as_ = Activation {
        last_active: at(33),
        ..logged_in(1)
    };
    assert_eq!(store.activate(sid, as_).await, Activated::Yes);
    let record = store.record(sid).await.expect("it is recorded");
    assert_eq!(*record.session, authenticated(1));
    assert_eq!((record.state, record.last_active), (State::Alive, at(33)));
    assert_eq!(store.alive().await, 1);
    assert_eq!(store.due(DUE).await, [sid]);
    assert_eq!(store.drain().await, [login_event(1)]);
}

async fn an_anonymous_rotation_is_neither_counted_nor_due(store: Arc<Tested>) {
    let old = store.visitor(1).await;
    let successor = sid(2);
    store.create(successor, pending(anonymous(1))).await;
    let told = store.claim(old, succession(1, successor)).await;
    assert_eq!(told, Claimed::Yes { last_active: at(0) });
    let as_ = Activation {
        due: None,
        ..rotated(at(0))
    };
    assert_eq!(store.activate(successor, as_).await, Activated::Yes);
    assert_eq!(store.touch(successor, at(5)).await, Touched::Alive);
    assert_eq!(store.alive().await, 0);
    assert_eq!(store.due(at(1_000_000)).await, []);
    assert_eq!(store.events_pending().await, 0);
}

async fn activating_twice_is_one_login(store: Arc<Tested>) {
    let sid = store.user(1).await;
    store.touch(sid, at(50)).await;
    let told = store.activate(sid, logged_in(1)).await;
    assert_eq!(
        told,
        Activated::Yes,
        "an answer that got lost may be asked for again"
    );
    assert_eq!(store.last_active(sid).await, Some(at(50)));
    assert_eq!(store.alive().await, 1);
    assert_eq!(store.drain().await, [login_event(1)]);
}

async fn only_a_pending_id_is_activated(store: Arc<Tested>) {
    let ended = store.pending(1).await;
    store.end(ended, end_for(1, EndReason::Revoked)).await;
    let superseded = store.user(2).await;
    store.claim(superseded, succession(2, sid(3))).await;
    store.drain().await;
    for dead in [ended, superseded, sid(9)] {
        let before = store.record(dead).await;
        assert_eq!(store.activate(dead, logged_in(9)).await, Activated::No);
        assert_eq!(store.record(dead).await, before);
    }
    assert_eq!(store.events_pending().await, 0);
}

async fn a_claim_hands_over_the_last_activity(store: Arc<Tested>) {
    let old = store.user(1).await;
    store.touch(old, at(123)).await;
    let told = store.claim(old, succession(1, sid(2))).await;
    assert_eq!(
        told,
        Claimed::Yes {
            last_active: at(123)
        }
    );
    let record = store.record(old).await.expect("a tombstone");
    let superseded = State::Superseded {
        at: at(400),
        successor: sid(2),
    };
    assert_eq!(record.state, superseded);
    assert_eq!(*record.session, authenticated(1));
    assert_eq!(store.touch(old, at(124)).await, Touched::Superseded(sid(2)));
}

async fn of_two_claims_one_wins(store: Arc<Tested>) {
    let old = store.user(1).await;
    let won = store.claim(old, succession(1, sid(2))).await;
    assert_eq!(won, Claimed::Yes { last_active: at(0) });
    let tombstone = store.record(old).await;
    for lost in [succession(1, sid(3)), login_over(1, sid(3))] {
        let told = store.claim(old, lost).await;
        assert_eq!(told, Claimed::Superseded(sid(2)));
    }
    assert_eq!(store.record(old).await, tombstone);
    assert_eq!(store.drain().await, [login_event(1)]);
}

async fn only_a_living_id_is_claimed(store: Arc<Tested>) {
    let ended = store.user(1).await;
    store.end(ended, end_for(1, EndReason::Logout)).await;
    store.drain().await;
    let pending = store.pending(2).await;
    for (not_alive, n, told) in [
        (ended, 1, Claimed::Ended(EndReason::Logout)),
        (pending, 2, Claimed::Unknown),
        (sid(9), 9, Claimed::Unknown),
    ] {
        let before = store.record(not_alive).await;
        assert_eq!(store.claim(not_alive, succession(n, sid(3))).await, told);
        assert_eq!(store.claim(not_alive, login_over(n, sid(3))).await, told);
        assert_eq!(store.record(not_alive).await, before);
    }
    assert_eq!(store.events_pending().await, 0);
}

async fn a_claim_takes_no_session_of_another_lineage(store: Arc<Tested>) {
    let user = store.user(1).await;
    store.bind(user, in_place(1, 2)).await;
    store.drain().await;
    let before = store.record(user).await;
    for late in [succession(1, sid(3)), login_over(1, sid(3))] {
        assert_eq!(store.claim(user, late).await, Claimed::Unknown);
        assert_eq!(store.record(user).await, before);
    }
    assert_eq!(store.due(LOGIN_DUE).await, [user]);
    assert_eq!(store.events_pending().await, 0);
    let told = store.claim(user, succession(2, sid(3))).await;
    assert_eq!(told, Claimed::Yes { last_active: LOGIN });
}

async fn a_login_over_a_login_ends_it(store: Arc<Tested>) {
    let old = store.user(1).await;
    let successor = store.pending(2).await;
    let told = store.claim(old, login_over(1, successor)).await;
    assert_eq!(told, Claimed::Yes { last_active: at(0) });
    assert_eq!(
        store.activate(successor, logged_in(2)).await,
        Activated::Yes
    );
    let ended = State::Ended {
        reason: EndReason::Reauthenticated,
        at: at(400),
    };
    assert_eq!(store.state(old).await, Some(ended));
    assert_eq!(store.alive().await, 1);
    assert_eq!(store.due(DUE).await, [successor]);
    let mut events = store.drain().await;
    events.sort_by_key(|event| event.id.0.clone());
    let mut expected = [
        login_event(1),
        end_event(1, EndReason::Reauthenticated),
        login_event(2),
    ];
    expected.sort_by_key(|event| event.id.0.clone());
    assert_eq!(events, expected);
}

async fn a_login_over_a_visitor_is_silent(store: Arc<Tested>) {
    let old = store.visitor(1).await;
    let successor = store.pending(2).await;
    store.claim(old, succession(1, successor)).await;
    assert_eq!(store.alive().await, 0);
    store.activate(successor, logged_in(2)).await;
    assert_eq!(store.alive().await, 1);
    assert_eq!(store.drain().await, [login_event(2)]);
}

async fn a_revocation_before_the_claim_stops_the_rotation(store: Arc<Tested>) {
    let old = store.user(1).await;
    let successor = sid(2);
    store.create(successor, pending(authenticated(1))).await;
    store.end(old, end_for(1, EndReason::Revoked)).await;
    let told = store.claim(old, succession(1, successor)).await;
    assert_eq!(told, Claimed::Ended(EndReason::Revoked));
    // The gateway buries the successor; the lineage's one event is told already.
    let burial = silent_end(1, EndReason::Revoked);
    assert_eq!(store.end(successor, burial).await, Ended::Now);
    assert_eq!(
        store.activate(successor, rotated(at(0))).await,
        Activated::No
    );
    assert_eq!(
        store.drain().await,
        [login_event(1), end_event(1, EndReason::Revoked)]
    );
}

async fn a_revocation_after_the_claim_follows_the_successor(store: Arc<Tested>) {
    let old = store.user(1).await;
    let successor = sid(2);
    store.create(successor, pending(authenticated(1))).await;
    store.claim(old, succession(1, successor)).await;
    let revoked = || end_for(1, EndReason::Revoked);
    assert_eq!(
        store.end(old, revoked()).await,
        Ended::Superseded(successor)
    );
    assert_eq!(store.end(successor, revoked()).await, Ended::Now);
    assert_eq!(
        store.activate(successor, rotated(at(0))).await,
        Activated::No
    );
    assert_eq!(store.alive().await, 0);
    assert_eq!(
        store.end(successor, revoked()).await,
        Ended::Before(EndReason::Revoked)
    );
    let ends = store
        .drain()
        .await
        .into_iter()
        .filter(|event| event.reason.is_some());
    assert_eq!(ends.count(), 1);
}

async fn a_revocation_after_the_rotation_follows_the_successor(store: Arc<Tested>) {
    let old = store.user(1).await;
    let successor = sid(2);
    store.create(successor, pending(authenticated(1))).await;
    store.claim(old, succession(1, successor)).await;
    store.activate(successor, rotated(at(0))).await;
    let revoked = || end_for(1, EndReason::Revoked);
    assert_eq!(
        store.end(old, revoked()).await,
        Ended::Superseded(successor)
    );
    assert_eq!(store.state(successor).await, Some(State::Alive));
    assert_eq!(store.end(successor, revoked()).await, Ended::Now);
    assert_eq!(
        store.end(old, revoked()).await,
        Ended::Superseded(successor)
    );
}

async fn a_rotation_chain_leads_to_the_living_id(store: Arc<Tested>) {
    store.user(1).await;
    for n in 2..=5 {
        store.create(sid(n), pending(authenticated(1))).await;
        let told = store.claim(sid(n - 1), succession(1, sid(n))).await;
        assert!(matches!(told, Claimed::Yes { .. }), "{told:?}");
        store.activate(sid(n), rotated(at(n))).await;
        assert_eq!(store.alive().await, 1);
    }
    let mut here = sid(1);
    while let Ended::Superseded(successor) = store.end(here, end_for(1, EndReason::Logout)).await {
        here = successor;
    }
    assert_eq!(here, sid(5));
    assert_eq!(store.alive().await, 0);
}

async fn binding_replaces_what_stays_and_moves_no_clock(store: Arc<Tested>) {
    let user = store.user(1).await;
    let visitor = store.visitor(2).await;
    let richer = Session {
        companions: elaborate(2).companions,
        scopes: elaborate(2).scopes,
        ..anonymous(2)
    };
    for (sid, n, session) in [(user, 1, elaborate(1)), (visitor, 2, richer)] {
        store.touch(sid, at(44)).await;
        let told = store.bind(sid, bound(n, session.clone())).await;
        assert_eq!(told, Touched::Alive);
        let record = store.record(sid).await.expect("it is alive");
        assert_eq!(*record.session, session);
        assert_eq!((record.state, record.last_active), (State::Alive, at(44)));
    }
    assert_eq!(store.due(at(999)).await, []);
    assert_eq!(store.due(DUE).await, [user]);
    assert_eq!(store.drain().await, [login_event(1)]);
}

async fn only_a_living_id_of_the_lineage_is_bound(store: Arc<Tested>) {
    let ended = store.user(1).await;
    store.end(ended, end_for(1, EndReason::Logout)).await;
    let superseded = store.user(2).await;
    store.claim(superseded, succession(2, sid(9))).await;
    let pending = store.pending(3).await;
    let alive = store.user(4).await;
    store.drain().await;
    for (other, n, told) in [
        (ended, 1, Touched::Ended(EndReason::Logout)),
        (superseded, 2, Touched::Superseded(sid(9))),
        (pending, 3, Touched::Unknown),
        (alive, 5, Touched::Unknown),
        (sid(8), 8, Touched::Unknown),
    ] {
        let before = store.record(other).await;
        assert_eq!(store.bind(other, bound(n, elaborate(n))).await, told);
        assert_eq!(store.bind(other, in_place(n, n + 10)).await, told);
        assert_eq!(store.record(other).await, before);
    }
    assert_eq!(store.events_pending().await, 0);
}

async fn a_visitor_logs_in_under_his_id(store: Arc<Tested>) {
    let sid = store.visitor(1).await;
    assert_eq!(store.bind(sid, in_place(1, 2)).await, Touched::Alive);
    let record = store.record(sid).await.expect("it is alive");
    assert_eq!((record.state, record.last_active), (State::Alive, LOGIN));
    assert_eq!(record.session.lineage, lineage(2));
    assert_eq!(record.session.started, LOGIN);
    assert_eq!(store.alive().await, 1);
    assert_eq!(store.due(at(1_599)).await, []);
    assert_eq!(store.due(LOGIN_DUE).await, [sid]);
    assert_eq!(store.drain().await, [login_event(2)]);
}

async fn a_user_logs_in_again_under_his_id(store: Arc<Tested>) {
    let sid = store.user(1).await;
    store.drain().await;
    let mut again = in_place(1, 2);
    if let Some(login) = &mut again.login {
        let ended = end_event(1, EndReason::Reauthenticated);
        login.events.insert(0, ended);
    }
    assert_eq!(store.bind(sid, again.clone()).await, Touched::Alive);
    assert_eq!(store.alive().await, 1);
    assert_eq!(store.last_active(sid).await, Some(LOGIN));
    assert_eq!(
        store.due(at(1_599)).await,
        [],
        "the first login's due is gone"
    );
    assert_eq!(store.due(LOGIN_DUE).await, [sid]);
    // Who judged by the lineage that was comes too late.
    assert_eq!(store.bind(sid, again).await, Touched::Unknown);
    assert_eq!(
        store.drain().await,
        [end_event(1, EndReason::Reauthenticated), login_event(2)]
    );
    assert_eq!(
        store.create(sid, new(anonymous(3))).await,
        curfew::store::op::Created::Taken
    );
}
