//! Cuts: one write, seen by the next look-up.

use std::sync::Arc;

use curfew::domain::cuts::{Cuts, Scope};
use curfew::domain::session::State;
use curfew::domain::time::Timestamp;
use curfew::store::op::Activated;

use super::given::{
    Tested, at, authenticated, lineage, logged_in, login_over, new, pending, sid, succession,
};
use super::{Case, case};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case(a_new_store_has_no_cuts),
        case(the_next_look_up_sees_a_cut),
        case(every_scope_is_kept_with_its_latest_instant),
        case(a_cut_drops_those_before_the_horizon),
        case(a_cut_during_a_login_covers_it),
        case(a_login_after_the_cut_is_not_covered),
        case(a_cut_follows_the_lineage_through_a_rotation),
    ]
}

const BEGINNING: Timestamp = at(0);

fn buyer() -> Scope {
    Scope::User("buyer-1".into())
}

async fn cut(store: &Tested, scope: Scope, at: Timestamp) -> Arc<Cuts> {
    let cuts = store.bare().cut(scope, at, BEGINNING).await;
    cuts.expect("a store under test answers")
}

async fn cuts(store: &Tested) -> Arc<Cuts> {
    let found = store.bare().look_up(&[]).await;
    found.expect("a store under test answers").cuts
}

async fn covered(store: &Tested, n: u64) -> bool {
    let found = store.bare().look_up(&[sid(n)]).await;
    let found = found.expect("a store under test answers");
    let record = found.records[0].as_ref().expect("it is recorded");
    found.cuts.cover(&record.session)
}

async fn a_new_store_has_no_cuts(store: Arc<Tested>) {
    assert!(cuts(&store).await.is_empty());
}

async fn the_next_look_up_sees_a_cut(store: Arc<Tested>) {
    store.user(1).await;
    let before = cuts(&store).await.version();
    assert!(!covered(&store, 1).await);
    let told = cut(&store, buyer(), at(0)).await;
    assert!(told.version() > before);
    assert_eq!(cuts(&store).await, told);
    assert!(covered(&store, 1).await);
    let state = store.state(sid(1)).await;
    assert_eq!(state, Some(State::Alive), "a cut writes no end");
}

async fn every_scope_is_kept_with_its_latest_instant(store: Arc<Tested>) {
    let mut version = cuts(&store).await.version();
    for (scope, instant) in [
        (Scope::All, 5),
        (buyer(), 9),
        (Scope::Lineage(lineage(1)), 7),
        (Scope::User("Käufer 2".into()), 6),
        (Scope::All, 3),
        (buyer(), 11),
    ] {
        let told = cut(&store, scope, at(instant)).await;
        assert!(told.version() > version);
        version = told.version();
    }
    let expected = [
        (Scope::All, at(5)),
        (buyer(), at(11)),
        (Scope::Lineage(lineage(1)), at(7)),
        (Scope::User("Käufer 2".into()), at(6)),
    ];
    assert_eq!(*cuts(&store).await, Cuts::new(version, expected));
}

async fn a_cut_drops_those_before_the_horizon(store: Arc<Tested>) {
    cut(&store, Scope::All, at(1)).await;
    cut(&store, buyer(), at(2)).await;
    cut(&store, Scope::Lineage(lineage(1)), at(3)).await;
    let last = Scope::User("buyer-2".into());
    let told = store.bare().cut(last.clone(), at(9), at(2)).await;
    let told = told.expect("a store under test answers");
    let expected = [
        (buyer(), at(2)),
        (Scope::Lineage(lineage(1)), at(3)),
        (last, at(9)),
    ];
    assert_eq!(*told, Cuts::new(told.version(), expected));
    assert_eq!(cuts(&store).await, told);
}

async fn a_cut_during_a_login_covers_it(store: Arc<Tested>) {
    let old = store.visitor(1).await;
    let successor = sid(2);
    let mut session = authenticated(2);
    // The login was admitted at 10; the app answers after the cut.
    session.login.as_mut().expect("a login").admitted = at(10);
    session.started = at(10);
    cut(&store, buyer(), at(20)).await;
    store.create(successor, pending(session)).await;
    store.claim(old, succession(1, successor)).await;
    assert_eq!(
        store.activate(successor, logged_in(2)).await,
        Activated::Yes
    );
    assert!(covered(&store, 2).await);
}

async fn a_login_after_the_cut_is_not_covered(store: Arc<Tested>) {
    let old = store.user(1).await;
    cut(&store, Scope::All, at(20)).await;
    let successor = sid(2);
    let mut session = authenticated(2);
    session.login.as_mut().expect("a login").admitted = at(21);
    session.started = at(21);
    store.create(successor, pending(session)).await;
    store.claim(old, login_over(1, successor)).await;
    store.activate(successor, logged_in(2)).await;
    assert!(covered(&store, 1).await);
    assert!(!covered(&store, 2).await);
}

async fn a_cut_follows_the_lineage_through_a_rotation(store: Arc<Tested>) {
    let old = store.user(1).await;
    cut(&store, Scope::Lineage(lineage(1)), at(20)).await;
    let successor = sid(2);
    store.create(successor, new(authenticated(1))).await;
    store.claim(old, succession(1, successor)).await;
    assert!(covered(&store, 2).await);
    store.user(3).await;
    assert!(!covered(&store, 3).await);
}
