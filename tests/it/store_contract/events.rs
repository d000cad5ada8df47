//! The outbox: every event exactly once, and again until it is acknowledged.

use std::sync::Arc;

use curfew::domain::session::EndReason;

use super::given::{Tested, end_event, end_for, login_event, sid};
use super::{Case, case};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case(a_new_store_has_no_events),
        case(an_event_waits_until_it_is_acknowledged),
        case(an_event_comes_again_until_it_is_acknowledged),
        case(of_one_session_the_login_comes_before_the_end),
        case(no_more_events_come_than_asked_and_none_is_left_out),
        case(acknowledging_some_leaves_the_others),
        case(acknowledging_twice_or_the_unknown_changes_nothing),
    ]
}

async fn a_new_store_has_no_events(store: Arc<Tested>) {
    assert_eq!(store.events(10).await, []);
    assert_eq!(store.events_pending().await, 0);
}

async fn an_event_waits_until_it_is_acknowledged(store: Arc<Tested>) {
    store.user(1).await;
    assert_eq!(store.events_pending().await, 1);
    let read = store.events(10).await;
    assert_eq!(read, [login_event(1)]);
    assert_eq!(store.events_pending().await, 1, "reading removes nothing");
    store.acknowledge(&read).await;
    assert_eq!(store.events_pending().await, 0);
    assert_eq!(store.events(10).await, []);
}

async fn an_event_comes_again_until_it_is_acknowledged(store: Arc<Tested>) {
    store.user(1).await;
    let first = store.events(10).await;
    // A store may first say that there is nothing new, but then begins again.
    let mut again = store.events(10).await;
    if again.is_empty() {
        again = store.events(10).await;
    }
    assert_eq!(again, first);
    store.acknowledge(&again).await;
    for _ in 0..3 {
        assert_eq!(store.events(10).await, []);
    }
}

async fn of_one_session_the_login_comes_before_the_end(store: Arc<Tested>) {
    store.user(1).await;
    store.end(sid(1), end_for(1, EndReason::Logout)).await;
    assert_eq!(store.events_pending().await, 2);
    let first = store.events(1).await;
    assert_eq!(first, [login_event(1)]);
    store.acknowledge(&first).await;
    assert_eq!(store.events(1).await, [end_event(1, EndReason::Logout)]);
}

async fn no_more_events_come_than_asked_and_none_is_left_out(store: Arc<Tested>) {
    for n in 0..50 {
        store.user(n).await;
    }
    assert_eq!(store.events(0).await, []);
    let mut seen = Vec::new();
    loop {
        let batch = store.events(7).await;
        assert!(batch.len() <= 7);
        if batch.is_empty() {
            break;
        }
        store.acknowledge(&batch).await;
        seen.extend(batch.into_iter().map(|event| event.id.0));
    }
    let mut expected: Vec<String> = (0..50).map(|n| login_event(n).id.0).collect();
    expected.sort_unstable();
    seen.sort_unstable();
    assert_eq!(seen, expected);
}

async fn acknowledging_some_leaves_the_others(store: Arc<Tested>) {
    for n in 1..=3 {
        store.user(n).await;
    }
    assert_eq!(store.events(10).await.len(), 3);
    store.acknowledge(&[login_event(2)]).await;
    assert_eq!(store.events_pending().await, 2);
    let mut left: Vec<_> = store
        .drain()
        .await
        .into_iter()
        .map(|event| event.id)
        .collect();
    left.sort_by_key(|id| id.0.clone());
    assert_eq!(left, [login_event(1).id, login_event(3).id]);
}

async fn acknowledging_twice_or_the_unknown_changes_nothing(store: Arc<Tested>) {
    store.user(1).await;
    store.user(2).await;
    assert_eq!(store.events(10).await.len(), 2);
    let one = [login_event(1), login_event(9)];
    store.acknowledge(&one).await;
    store.acknowledge(&one).await;
    store.acknowledge(&[]).await;
    assert_eq!(store.events_pending().await, 1);
}
