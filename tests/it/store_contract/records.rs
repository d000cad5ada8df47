//! Looking up, creating, touching.

use std::sync::Arc;

use curfew::domain::session::{EndReason, State};
use curfew::store::op::{Created, Touched};

use super::given::{
    Tested, anonymous, at, authenticated, elaborate, end_for, new, pending, sid, succession,
};
use super::{Case, case};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case(an_unknown_id_has_no_record),
        case(records_come_in_the_order_asked),
        case(a_record_comes_back_as_it_was_created),
        case(an_id_is_recorded_once),
        case(create_never_goes_over_a_tombstone),
        case(a_touch_moves_the_idle_clock_forward_only),
        case(a_touch_moves_only_what_is_alive),
        case(a_late_touch_after_an_end_changes_nothing),
        case(an_adoption_keeps_its_beginning),
    ]
}

async fn an_unknown_id_has_no_record(store: Arc<Tested>) {
    store.visitor(1).await;
    assert_eq!(store.record(sid(2)).await, None);
    assert_eq!(store.touch(sid(2), at(1)).await, Touched::Unknown);
    assert_eq!(store.record(sid(2)).await, None);
}

async fn records_come_in_the_order_asked(store: Arc<Tested>) {
    for n in 1..=3 {
        store.visitor(n).await;
    }
    let asked = [3, 9, 1, 3, 2].map(sid);
    let found = store.bare().look_up(&asked).await.expect("an answer");
    let lineages = found.records.iter().map(|record| {
        let record = record.as_ref()?;
        Some(record.session.lineage)
    });
    let expected = [Some(3), None, Some(1), Some(3), Some(2)];
    assert_eq!(
        lineages.collect::<Vec<_>>(),
        expected.map(|n| n.map(super::given::lineage))
    );
    let none = store.bare().look_up(&[]).await.expect("an answer");
    assert_eq!(none.records, []);
}

async fn a_record_comes_back_as_it_was_created(store: Arc<Tested>) {
    for (n, session) in [anonymous(1), authenticated(2), elaborate(3)]
        .into_iter()
        .enumerate()
    {
        let sid = sid(n as u64);
        let mut asked = pending(session.clone());
        asked.last_active = at(77);
        assert_eq!(store.create(sid, asked).await, Created::Recorded);
        let record = store.record(sid).await.expect("it was recorded");
        assert_eq!(*record.session, session);
        assert_eq!(record.last_active, at(77));
        assert_eq!(record.state, State::Pending);
    }
    store.visitor(9).await;
    assert_eq!(store.state(sid(9)).await, Some(State::Alive));
}

async fn an_id_is_recorded_once(store: Arc<Tested>) {
    for known in [
        store.visitor(1).await,
        store.user(2).await,
        store.pending(3).await,
    ] {
        let before = store.record(known).await;
        assert_eq!(store.create(known, new(anonymous(9))).await, Created::Taken);
        let again = store.create(known, pending(authenticated(9))).await;
        assert_eq!(again, Created::Taken);
        assert_eq!(store.record(known).await, before);
    }
}

async fn create_never_goes_over_a_tombstone(store: Arc<Tested>) {
    let ended = store.user(1).await;
    store.end(ended, end_for(1, EndReason::Logout)).await;
    let superseded = store.user(2).await;
    store.claim(superseded, succession(2, sid(3))).await;
    for dead in [ended, superseded] {
        let before = store.record(dead).await;
        assert_eq!(
            store.create(dead, new(authenticated(9))).await,
            Created::Taken
        );
        assert_eq!(
            store.create(dead, pending(anonymous(9))).await,
            Created::Taken
        );
        assert_eq!(store.record(dead).await, before);
    }
}

async fn a_touch_moves_the_idle_clock_forward_only(store: Arc<Tested>) {
    for sid in [store.visitor(1).await, store.user(2).await] {
        for (touched, expected) in [(10, 10), (9, 10), (10, 10), (11, 11), (0, 11)] {
            assert_eq!(store.touch(sid, at(touched)).await, Touched::Alive);
            assert_eq!(store.last_active(sid).await, Some(at(expected)));
        }
    }
}

async fn a_touch_moves_only_what_is_alive(store: Arc<Tested>) {
    let pending = store.pending(1).await;
    let ended = store.user(2).await;
    store.end(ended, end_for(2, EndReason::Revoked)).await;
    let superseded = store.user(3).await;
    store.claim(superseded, succession(3, sid(4))).await;
    for (dead, told) in [
        (pending, Touched::Unknown),
        (ended, Touched::Ended(EndReason::Revoked)),
        (superseded, Touched::Superseded(sid(4))),
    ] {
        let before = store.record(dead).await;
        assert_eq!(store.touch(dead, at(9_999)).await, told);
        assert_eq!(store.record(dead).await, before);
    }
}

async fn a_late_touch_after_an_end_changes_nothing(store: Arc<Tested>) {
    let sid = store.user(1).await;
    store.touch(sid, at(10)).await;
    store.end(sid, end_for(1, EndReason::Logout)).await;
    let tombstone = store.record(sid).await;
    for late in [0, 11, 499, 500, 501, 1_000_000] {
        let told = store.touch(sid, at(late)).await;
        assert_eq!(told, Touched::Ended(EndReason::Logout));
        assert_eq!(store.record(sid).await, tombstone);
    }
}

async fn an_adoption_keeps_its_beginning(store: Arc<Tested>) {
    for (app, now, first) in [
        ("procurement", 5, 5),
        ("procurement", 9, 5),
        ("travel {}: é", 7, 7),
        ("procurement", 1, 5),
        ("travel {}: é", 8, 7),
    ] {
        let told = store.bare().adoption_mark(app, at(now)).await;
        assert_eq!(told, Ok(at(first)), "{app} at {now}");
    }
}
