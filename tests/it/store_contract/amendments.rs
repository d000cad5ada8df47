//! Changing what stays of a living id: by whoever judged what is still there, and once.

use std::sync::Arc;

use curfew::domain::session::{EndReason, Session, State};
use curfew::domain::time::Timestamp;
use curfew::domain::token::{Token, TokenSeed};
use curfew::store::event::{EventKind, SessionEvent};
use curfew::store::op::{Amended, Amendment, Touched};

use super::given::{
    DUE, Tested, anonymous, at, authenticated, bound, elaborate, end_for, event, in_place,
    login_event, new, sid, succession,
};
use super::{Case, case};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case(an_amendment_replaces_what_stays_and_tells_it_once),
        case(an_amendment_moves_no_clock_and_sets_when_to_look),
        case(of_two_that_judged_the_same_one_amends),
        case(what_changed_since_it_was_judged_is_not_amended),
        case(only_a_living_id_is_amended),
        case(a_visitor_is_amended_in_silence),
        case(of_many_that_amend_at_once_one_succeeds),
        case(of_many_that_hand_out_a_token_one_may),
    ]
}

fn on(device: &str, session: Session) -> Session {
    Session {
        device: Some(device.into()),
        ..session
    }
}

fn moved(n: u64) -> SessionEvent {
    event(n, EventKind::Device, None)
}

/// The move of the `n`th lineage from one device to another, with its event.
fn amendment(n: u64, before: Session, after: Session, due: Timestamp) -> Amendment {
    Amendment {
        before: Arc::new(before),
        after: Arc::new(after),
        due,
        event: Some(Box::new(moved(n))),
    }
}

fn to_mobile(n: u64) -> Amendment {
    let session = authenticated(n);
    amendment(n, session.clone(), on("mobile", session), DUE)
}

fn with_token(token: Option<Token>) -> Session {
    Session {
        token,
        ..authenticated(1)
    }
}

/// First one is given a token, then it is handed out anew, then it is replaced.
async fn of_many_that_hand_out_a_token_one_may(store: Arc<Tested>) {
    let user = store.user(1).await;
    let token = |number, offered| Token {
        seed: TokenSeed::from_bytes([5; 16]),
        number,
        since: at(300),
        offered,
    };
    let mut before = authenticated(1);
    for after in [
        token(0, Some(at(300))),
        token(0, Some(at(330))),
        token(1, None),
    ] {
        let after = with_token(Some(after));
        let tries: Vec<_> = (0..20)
            .map(|_| {
                let (store, before, after) = (Arc::clone(&store), before.clone(), after.clone());
                let amendment = Amendment {
                    event: None,
                    ..amendment(1, before, after, DUE)
                };
                tokio::spawn(async move { store.amend(user, amendment).await })
            })
            .collect();
        let mut won = 0;
        for one in tries {
            won += usize::from(one.await.expect("it was answered") == Amended::Yes);
        }
        assert_eq!(won, 1, "{after:?}");
        let record = store.record(user).await.expect("it is alive");
        assert_eq!(*record.session, after);
        before = after;
    }
}

async fn an_amendment_replaces_what_stays_and_tells_it_once(store: Arc<Tested>) {
    let user = store.user(1).await;
    assert_eq!(store.amend(user, to_mobile(1)).await, Amended::Yes);
    let record = store.record(user).await.expect("it is alive");
    assert_eq!(*record.session, on("mobile", authenticated(1)));
    assert_eq!(record.state, State::Alive);
    assert_eq!(store.drain().await, [login_event(1), moved(1)]);

    let there = elaborate(1);
    let again = amendment(1, on("mobile", authenticated(1)), there.clone(), DUE);
    assert_eq!(store.amend(user, again).await, Amended::Yes);
    let back = amendment(1, there.clone(), on("kiosk", there.clone()), DUE);
    assert_eq!(store.amend(user, back).await, Amended::Yes);
    let record = store.record(user).await.expect("it is alive");
    assert_eq!(*record.session, on("kiosk", there));
}

async fn an_amendment_moves_no_clock_and_sets_when_to_look(store: Arc<Tested>) {
    for (n, due) in [(1, 500), (2, 1_500)] {
        let user = store.user(n).await;
        store.touch(user, at(44)).await;
        let session = authenticated(n);
        let moved = amendment(n, session.clone(), on("mobile", session), at(due));
        assert_eq!(store.amend(user, moved).await, Amended::Yes);
        assert_eq!(store.last_active(user).await, Some(at(44)));
    }
    assert_eq!(store.due(at(499)).await, []);
    assert_eq!(store.due(at(500)).await, [sid(1)]);
    store.rearm(sid(1), at(9_000)).await;
    assert_eq!(store.due(at(1_499)).await, []);
    assert_eq!(store.due(at(1_500)).await, [sid(2)]);
}

async fn of_two_that_judged_the_same_one_amends(store: Arc<Tested>) {
    let user = store.user(1).await;
    store.drain().await;
    assert_eq!(store.amend(user, to_mobile(1)).await, Amended::Yes);
    assert_eq!(store.amend(user, to_mobile(1)).await, Amended::Overtaken);
    assert_eq!(store.drain().await, [moved(1)]);
}

async fn what_changed_since_it_was_judged_is_not_amended(store: Arc<Tested>) {
    let bind = store.user(1).await;
    store.bind(bind, bound(1, elaborate(1))).await;
    let login = store.user(2).await;
    store.bind(login, in_place(2, 3)).await;
    store.drain().await;
    for (n, sid) in [(1, bind), (2, login)] {
        let before = store.record(sid).await;
        assert_eq!(store.amend(sid, to_mobile(n)).await, Amended::Overtaken);
        assert_eq!(store.record(sid).await, before);
    }
    assert_eq!(store.events_pending().await, 0);
}

async fn only_a_living_id_is_amended(store: Arc<Tested>) {
    let ended = store.user(1).await;
    store.end(ended, end_for(1, EndReason::Logout)).await;
    let superseded = store.user(2).await;
    store.claim(superseded, succession(2, sid(9))).await;
    let pending = store.pending(3).await;
    store.drain().await;
    for (n, other, told) in [
        (1, ended, Amended::Ended(EndReason::Logout)),
        (2, superseded, Amended::Superseded(sid(9))),
        (3, pending, Amended::Unknown),
        (8, sid(8), Amended::Unknown),
    ] {
        let before = store.record(other).await;
        assert_eq!(store.amend(other, to_mobile(n)).await, told);
        assert_eq!(store.record(other).await, before);
    }
    assert_eq!(store.events_pending().await, 0);
}

async fn a_visitor_is_amended_in_silence(store: Arc<Tested>) {
    let visitor = store.visitor(1).await;
    let silent = Amendment {
        event: None,
        ..amendment(1, anonymous(1), on("mobile", anonymous(1)), DUE)
    };
    assert_eq!(store.amend(visitor, silent).await, Amended::Yes);
    let record = store.record(visitor).await.expect("it is alive");
    assert_eq!(*record.session, on("mobile", anonymous(1)));
    assert_eq!(store.due(at(9_999)).await, [], "nobody looks at a visitor");
    assert_eq!(store.touch(visitor, at(7)).await, Touched::Alive);
    assert_eq!(store.events_pending().await, 0);
}

async fn of_many_that_amend_at_once_one_succeeds(store: Arc<Tested>) {
    store.create(sid(1), new(authenticated(1))).await;
    let mut racing = Vec::new();
    for _ in 0..20 {
        let store = Arc::clone(&store);
        racing.push(tokio::spawn(async move {
            store.bare().amend(sid(1), to_mobile(1)).await
        }));
    }
    let mut succeeded = 0;
    for raced in racing {
        match raced.await.expect("it ran") {
            Ok(Amended::Yes) => succeeded += 1,
            other => assert_eq!(other, Ok(Amended::Overtaken)),
        }
    }
    assert_eq!(succeeded, 1);
    assert_eq!(store.drain().await, [moved(1)]);
}
