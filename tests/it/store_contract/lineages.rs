//! From a lineage to its ids, for those who have its name from a record.

use std::sync::Arc;

use curfew::domain::session::{EndReason, State};

use super::given::{
    Tested, at, authenticated, end_for, in_place, login_over, pending, rotated, sid, silent_end,
    succession,
};
use super::{Case, case};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case(a_lineage_is_found_while_it_lives_and_after_its_end),
        case(a_lineage_that_nobody_has_is_not_found),
        case(a_visitors_lineage_is_not_found),
        case(a_rotation_is_found_under_its_new_id_alone),
        case(a_buried_successor_hides_nobody),
        case(a_login_over_a_login_is_found_beside_the_one_it_ended),
        case(a_login_that_keeps_the_id_is_found_under_its_new_lineage_alone),
    ]
}

async fn a_lineage_is_found_while_it_lives_and_after_its_end(store: Arc<Tested>) {
    let (one, other) = (store.pending(1).await, store.user(2).await);
    assert_eq!(store.ids_of(1).await, [one]);
    assert_eq!(store.ids_of(2).await, [other]);
    store.end(other, end_for(2, EndReason::Logout)).await;
    assert_eq!(store.ids_of(2).await, [other]);
}

async fn a_lineage_that_nobody_has_is_not_found(store: Arc<Tested>) {
    store.user(1).await;
    assert_eq!(store.ids_of(2).await, []);
}

async fn a_visitors_lineage_is_not_found(store: Arc<Tested>) {
    store.visitor(1).await;
    assert_eq!(store.ids_of(1).await, []);
}

async fn a_rotation_is_found_under_its_new_id_alone(store: Arc<Tested>) {
    let mut old = store.user(1).await;
    for n in 2..20 {
        let successor = sid(n);
        store.create(successor, pending(authenticated(1))).await;
        let mut both = [old, successor];
        both.sort_unstable();
        assert_eq!(store.ids_of(1).await, both);
        store.claim(old, succession(1, successor)).await;
        assert_eq!(store.ids_of(1).await, [successor]);
        store.activate(successor, rotated(at(0))).await;
        assert_eq!(store.ids_of(1).await, [successor]);
        old = successor;
    }
}

async fn a_buried_successor_hides_nobody(store: Arc<Tested>) {
    let alive = store.user(1).await;
    store.create(sid(2), pending(authenticated(1))).await;
    store.end(sid(2), silent_end(1, EndReason::Logout)).await;
    let ids = store.ids_of(1).await;
    assert!(ids.contains(&alive));
    assert_eq!(store.state(alive).await, Some(State::Alive));
}

async fn a_login_over_a_login_is_found_beside_the_one_it_ended(store: Arc<Tested>) {
    let old = store.user(1).await;
    let new = store.user(2).await;
    store.claim(old, login_over(1, new)).await;
    assert_eq!(store.ids_of(1).await, [old]);
    assert_eq!(store.ids_of(2).await, [new]);
}

async fn a_login_that_keeps_the_id_is_found_under_its_new_lineage_alone(store: Arc<Tested>) {
    let id = store.user(1).await;
    store.bind(id, in_place(1, 2)).await;
    assert_eq!(store.ids_of(1).await, []);
    assert_eq!(store.ids_of(2).await, [id]);
}
