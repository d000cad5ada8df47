//! Ends: once, for the first reason, and never over an activity that the judge did not see.

use std::sync::Arc;

use curfew::domain::session::{EndReason, State};
use curfew::store::event::EventKind;
use curfew::store::event::build::alert_of;
use curfew::store::op::{Activated, Ended, Touched};

use super::given::{
    Tested, at, end_event, end_for, idle_end, in_place, logged_in, login_event, sid, silent_end,
    succession,
};
use super::{Case, case};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case(the_first_reason_stands_and_one_event_tells_it),
        case(every_reason_comes_back_as_it_was_written),
        case(a_touch_overtakes_an_idle_end),
        case(an_idle_end_judged_by_the_last_activity_ends),
        case(the_end_of_a_superseded_id_points_to_its_successor),
        case(an_id_that_ends_while_pending_is_never_alive),
        case(an_end_touches_no_session_of_another_lineage),
        case(an_unknown_id_does_not_end),
        case(an_anonymous_session_ends_in_silence),
        case(the_end_of_a_copied_session_is_told_with_an_alert),
    ]
}

async fn the_first_reason_stands_and_one_event_tells_it(store: Arc<Tested>) {
    let sid = store.user(1).await;
    assert_eq!(
        store.end(sid, end_for(1, EndReason::Logout)).await,
        Ended::Now
    );
    let tombstone = store.record(sid).await;
    let at = at(500);
    let reason = EndReason::Logout;
    assert_eq!(
        tombstone.as_ref().map(|record| record.state),
        Some(State::Ended { reason, at })
    );
    for later in EndReason::ALL {
        let told = store.end(sid, end_for(1, later)).await;
        assert_eq!(told, Ended::Before(EndReason::Logout));
    }
    assert_eq!(store.record(sid).await, tombstone);
    assert_eq!(
        store.drain().await,
        [login_event(1), end_event(1, EndReason::Logout)]
    );
}

async fn every_reason_comes_back_as_it_was_written(store: Arc<Tested>) {
    for (n, reason) in (0..).zip(EndReason::ALL) {
        let sid = store.user(n).await;
        assert_eq!(store.end(sid, end_for(n, reason)).await, Ended::Now);
        assert_eq!(store.touch(sid, at(1)).await, Touched::Ended(reason));
        let at = at(500);
        assert_eq!(store.state(sid).await, Some(State::Ended { reason, at }));
    }
}

async fn the_end_of_a_copied_session_is_told_with_an_alert(store: Arc<Tested>) {
    let sid = store.user(1).await;
    let copied = || end_for(1, EndReason::TokenReuse);
    assert_eq!(store.end(sid, copied()).await, Ended::Now);
    let told = Ended::Before(EndReason::TokenReuse);
    assert_eq!(store.end(sid, copied()).await, told);
    let end = end_event(1, EndReason::TokenReuse);
    let alert = alert_of(&end).expect("it is alarming");
    assert_eq!(
        (alert.event, &alert.reason),
        (EventKind::Alert, &end.reason)
    );
    assert_ne!(alert.id, end.id);
    assert_eq!(store.drain().await, [login_event(1), end, alert]);

    let silent = store.visitor(2).await;
    let copied = silent_end(2, EndReason::TokenReuse);
    assert_eq!(store.end(silent, copied).await, Ended::Now);
    assert_eq!(store.drain().await, []);
    for reason in EndReason::ALL {
        let alerts = alert_of(&end_event(1, reason)).is_some();
        assert_eq!(alerts, reason == EndReason::TokenReuse);
    }
}

async fn a_touch_overtakes_an_idle_end(store: Arc<Tested>) {
    let sid = store.user(1).await;
    store.drain().await;
    store.touch(sid, at(101)).await;
    let told = store.end(sid, idle_end(1, at(100))).await;
    assert_eq!(told, Ended::Touched(at(101)));
    assert_eq!(store.state(sid).await, Some(State::Alive));
    assert_eq!(store.last_active(sid).await, Some(at(101)));
    assert_eq!(store.events_pending().await, 0);
    let told = store.end(sid, end_for(1, EndReason::AbsoluteTimeout)).await;
    assert_eq!(
        told,
        Ended::Now,
        "an end without a condition asks for no activity"
    );
}

async fn an_idle_end_judged_by_the_last_activity_ends(store: Arc<Tested>) {
    // A gateway also knows touches that it has not written yet: it may judge by a later one.
    for (n, judged) in [(1, 100), (2, 101), (3, 5_000)] {
        let sid = store.user(n).await;
        store.touch(sid, at(100)).await;
        let told = store.end(sid, idle_end(n, at(judged))).await;
        assert_eq!(told, Ended::Now, "judged by {judged}");
    }
}

async fn the_end_of_a_superseded_id_points_to_its_successor(store: Arc<Tested>) {
    let old = store.user(1).await;
    let successor = store.pending(2).await;
    store.claim(old, succession(1, successor)).await;
    let tombstone = store.record(old).await;
    let told = store.end(old, end_for(1, EndReason::Revoked)).await;
    assert_eq!(told, Ended::Superseded(successor));
    assert_eq!(store.record(old).await, tombstone);
    assert_eq!(store.drain().await, [login_event(1)]);
}

async fn an_id_that_ends_while_pending_is_never_alive(store: Arc<Tested>) {
    let sid = store.pending(1).await;
    assert_eq!(
        store.end(sid, end_for(1, EndReason::Revoked)).await,
        Ended::Now
    );
    assert_eq!(store.activate(sid, logged_in(1)).await, Activated::No);
    assert_eq!(
        store.touch(sid, at(1)).await,
        Touched::Ended(EndReason::Revoked)
    );
    assert_eq!(store.due(at(1_000_000)).await, []);
    assert_eq!(store.drain().await, [end_event(1, EndReason::Revoked)]);
}

async fn an_end_touches_no_session_of_another_lineage(store: Arc<Tested>) {
    let user = store.user(1).await;
    store.bind(user, in_place(1, 2)).await;
    let pending = store.pending(3).await;
    store.drain().await;
    for (other, n) in [(user, 1), (pending, 4)] {
        let before = store.record(other).await;
        for late in [
            end_for(n, EndReason::Logout),
            idle_end(n, at(0)),
            silent_end(n, EndReason::Revoked),
        ] {
            assert_eq!(store.end(other, late).await, Ended::Unknown);
            assert_eq!(store.record(other).await, before);
        }
    }
    assert_eq!(store.alive().await, 1);
    assert_eq!(store.events_pending().await, 0);
    let told = store.end(user, end_for(2, EndReason::Logout)).await;
    assert_eq!(told, Ended::Now);
}

async fn an_unknown_id_does_not_end(store: Arc<Tested>) {
    let told = store.end(sid(1), end_for(1, EndReason::Logout)).await;
    assert_eq!(told, Ended::Unknown);
    assert_eq!(store.record(sid(1)).await, None);
    assert_eq!(store.events_pending().await, 0);
}

async fn an_anonymous_session_ends_in_silence(store: Arc<Tested>) {
    let sid = store.visitor(1).await;
    assert_eq!(store.alive().await, 0);
    let told = store.end(sid, silent_end(1, EndReason::IdleTimeout)).await;
    assert_eq!(told, Ended::Now);
    assert_eq!(
        store.touch(sid, at(1)).await,
        Touched::Ended(EndReason::IdleTimeout)
    );
    assert_eq!(store.events_pending().await, 0);
}
