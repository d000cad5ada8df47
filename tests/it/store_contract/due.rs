//! The due index: never loses an id, and hands each to one sweeper at a time.

use std::sync::Arc;
use std::time::Duration;

use curfew::domain::session::EndReason;

use super::given::{
    DUE, Tested, anonymous, at, authenticated, end_for, idle_end, login_over, new, pending,
    rotated, sid, succession,
};
use super::{Case, case};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case(an_id_is_due_at_its_instant_and_not_before),
        case(a_lease_keeps_an_id_from_the_others_until_it_runs_out),
        case(only_an_end_or_a_claim_takes_an_id_away),
        case(a_touch_leaves_the_due_where_it_is),
        case(an_idle_end_that_was_overtaken_leaves_the_id_in),
        case(a_batch_is_no_larger_than_asked_and_nobody_is_left_out),
        case(rearming_moves_the_due_both_ways),
        case(only_living_authenticated_ids_are_rearmed),
        case(rearming_all_makes_everyone_due),
        case(a_successor_takes_its_predecessors_place),
    ]
}

const LEASE: Duration = Duration::from_millis(100);

/// Later than every due of a case.
const LATE: u64 = 10_000_000;

async fn an_id_is_due_at_its_instant_and_not_before(store: Arc<Tested>) {
    let user = store.user(1).await;
    store.visitor(2).await;
    assert_eq!(store.due(at(0)).await, []);
    assert_eq!(store.due(at(999)).await, []);
    assert_eq!(store.due(DUE).await, [user]);
}

async fn a_lease_keeps_an_id_from_the_others_until_it_runs_out(store: Arc<Tested>) {
    let user = store.user(1).await;
    assert_eq!(store.claim_due(at(1_050), LEASE, 10).await, [user]);
    assert_eq!(store.claim_due(at(1_050), LEASE, 10).await, []);
    assert_eq!(store.claim_due(at(1_149), LEASE, 10).await, []);
    assert_eq!(store.claim_due(at(1_150), LEASE, 10).await, [user]);
    assert_eq!(store.claim_due(at(1_249), LEASE, 10).await, []);
    assert_eq!(store.claim_due(at(LATE), LEASE, 10).await, [user]);
}

async fn only_an_end_or_a_claim_takes_an_id_away(store: Arc<Tested>) {
    let [ended, superseded, replaced, stays] = [
        store.user(1).await,
        store.user(2).await,
        store.user(3).await,
        store.user(4).await,
    ];
    let mut everyone = [ended, superseded, replaced, stays];
    everyone.sort_unstable();
    assert_eq!(store.claim_due(DUE, LEASE, 10).await, everyone);
    store.end(ended, end_for(1, EndReason::Logout)).await;
    store.claim(superseded, succession(2, sid(8))).await;
    store.claim(replaced, login_over(3, sid(9))).await;
    assert_eq!(store.claim_due(at(LATE), LEASE, 10).await, [stays]);
}

async fn a_touch_leaves_the_due_where_it_is(store: Arc<Tested>) {
    let user = store.user(1).await;
    store.touch(user, at(5_000)).await;
    assert_eq!(store.due(at(999)).await, []);
    assert_eq!(store.due(DUE).await, [user]);
}

async fn an_idle_end_that_was_overtaken_leaves_the_id_in(store: Arc<Tested>) {
    let user = store.user(1).await;
    assert_eq!(store.claim_due(DUE, LEASE, 10).await, [user]);
    store.touch(user, at(900)).await;
    store.end(user, idle_end(1, at(0))).await;
    assert_eq!(store.claim_due(at(1_100), LEASE, 10).await, [user]);
}

async fn a_batch_is_no_larger_than_asked_and_nobody_is_left_out(store: Arc<Tested>) {
    let mut left = Vec::new();
    for n in 0..50 {
        left.push(store.user(n).await);
    }
    assert_eq!(store.claim_due(DUE, LEASE, 0).await, []);
    while !left.is_empty() {
        let batch = store.claim_due(DUE, LEASE, 7).await;
        assert_eq!(batch.len(), left.len().min(7));
        let before = left.len();
        left.retain(|sid| !batch.contains(sid));
        assert_eq!(left.len(), before - batch.len(), "each once");
    }
    assert_eq!(store.claim_due(DUE, LEASE, 7).await, []);
    assert_eq!(store.claim_due(at(LATE), LEASE, 1_000).await.len(), 50);
}

async fn rearming_moves_the_due_both_ways(store: Arc<Tested>) {
    let user = store.user(1).await;
    store.rearm(user, at(5_000)).await;
    assert_eq!(store.due(at(4_999)).await, []);
    store.rearm(user, at(200)).await;
    assert_eq!(store.due(at(199)).await, []);
    assert_eq!(store.claim_due(at(200), LEASE, 10).await, [user]);
    store.rearm(user, at(250)).await;
    assert_eq!(store.claim_due(at(249), LEASE, 10).await, []);
    assert_eq!(store.claim_due(at(250), LEASE, 10).await, [user]);
}

async fn only_living_authenticated_ids_are_rearmed(store: Arc<Tested>) {
    let ended = store.user(1).await;
    store.end(ended, end_for(1, EndReason::Logout)).await;
    let superseded = store.user(2).await;
    store.claim(superseded, succession(2, sid(9))).await;
    let visitor = store.visitor(3).await;
    let pending = store.pending(4).await;
    for sid in [ended, superseded, visitor, pending, sid(8)] {
        store.rearm(sid, at(0)).await;
    }
    store.rearm_all(at(0)).await;
    assert_eq!(store.due(at(LATE)).await, []);
}

async fn rearming_all_makes_everyone_due(store: Arc<Tested>) {
    let mut users = Vec::new();
    for n in 0..20 {
        users.push(store.user(n).await);
    }
    users.sort_unstable();
    store.rearm(users[0], at(LATE)).await;
    store.claim_due(DUE, LEASE, 5).await;
    store.rearm_all(at(300)).await;
    assert_eq!(store.claim_due(at(300), LEASE, 100).await, users);
    assert_eq!(store.claim_due(at(399), LEASE, 100).await, []);
}

async fn a_successor_takes_its_predecessors_place(store: Arc<Tested>) {
    let old = store.user(1).await;
    let successor = sid(2);
    store.create(successor, pending(authenticated(1))).await;
    store.claim(old, succession(1, successor)).await;
    assert_eq!(store.claim_due(at(LATE), LEASE, 10).await, []);
    store.activate(successor, rotated(at(0))).await;
    assert_eq!(store.claim_due(DUE, LEASE, 10).await, [successor]);
    store.create(sid(3), new(anonymous(3))).await;
    assert_eq!(store.claim_due(at(LATE), LEASE, 10).await, [successor]);
}
