//! What happens between the steps of a login.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use super::counted::Counted;
use super::sitting::UNDER_WAY_MAX;
use super::{Admission, Counting};
use crate::domain::decide::Live;
use crate::domain::device::Seen;
use crate::domain::identity::{Sid, UserKey};
use crate::domain::limits::Rule;
use crate::domain::seats::{SeatLimit, Seats, WhenFull};
use crate::domain::session::{EndReason, Session, State, UserName};
use crate::domain::time::Timestamp;
use crate::proxy::Proxy;
use crate::proxy::bench::{NOW, app, live, new, proxy, sid, user};
use crate::proxy::learn::lesson::Asked;
use crate::store::op::{
    Activated, Activation, Bound, Claim, Claimed, ClaimedBy, Created, NewSession, Touched,
};
use crate::store::seat::{NewSeat, SEATS_KEPT_MAX, Seat};

const FORGET: Timestamp = Timestamp::from_millis(u64::MAX);

fn seconds(n: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(n))
}

fn asked(proxy: &Proxy, live: Option<Live>) -> Asked {
    Asked {
        snapshot: proxy.snapshot.load_full(),
        app: app(proxy),
        now: NOW,
        client: Ipv4Addr::LOCALHOST.into(),
        seen: Seen::Nobody,
        live,
        presented: Vec::new(),
        attempt: None,
        logout: None,
    }
}

/// The `n`th session of the buyer.
fn buyer(proxy: &Proxy, n: u8) -> Arc<Session> {
    let mut session = user(proxy, n);
    let login = Arc::make_mut(&mut session).login.as_mut();
    login.expect("he logged in").user = UserName::new("buyer-1");
    session
}

/// A login of the buyer that begins his `n`th session.
fn login<'a>(proxy: &'a Proxy, asked: &'a Asked, n: u8, limit: SeatLimit) -> Counting<'a> {
    Counting::By(Counted {
        proxy,
        asked,
        user: UserName::new("buyer-1").expect("a name"),
        key: key(),
        seats: Seats {
            limit,
            rule: Rule::Ceiling,
        },
        own: vec![buyer(proxy, n).lineage],
    })
}

fn key() -> UserKey {
    UserKey::of("shop", "buyer-1")
}

const ONE: SeatLimit = SeatLimit {
    seats: 1,
    when_full: WhenFull::Displace,
};

const ONLY_ONE: SeatLimit = SeatLimit {
    seats: 1,
    when_full: WhenFull::Refuse,
};

async fn sits(proxy: &Proxy, n: u8, at: Timestamp) -> Seat {
    let seat = NewSeat {
        sid: sid(n),
        at,
        forget_at: FORGET,
    };
    let taken = proxy.store.take_seat(key(), seat).await.unwrap();
    taken.own.unwrap()
}

/// The buyer's `n`th session is alive, and was last active at this instant.
async fn lives(proxy: &Proxy, n: u8, last_active: Timestamp) -> Seat {
    let session = buyer(proxy, n);
    let record = NewSession {
        last_active,
        ..new(&session)
    };
    let created = proxy.store.create(sid(n), record).await.unwrap();
    assert_eq!(created, Created::Recorded);
    sits(proxy, n, NOW).await
}

/// A login that begins the buyer's `n`th session has taken its seat, and is not over.
async fn is_under_way(proxy: &Proxy, n: u8, since: Timestamp) -> Seat {
    let record = NewSession {
        pending: true,
        ..new(&buyer(proxy, n))
    };
    let created = proxy.store.create(sid(n), record).await.unwrap();
    assert_eq!(created, Created::Recorded);
    sits(proxy, n, since).await
}

async fn state(proxy: &Proxy, n: u8) -> State {
    let found = proxy.store.look_up(&[sid(n)]).await.unwrap();
    found.records[0].as_ref().unwrap().state
}

async fn admit(counting: &Counting<'_>, n: u8) -> bool {
    let admission = counting.admit(sid(n), FORGET).await.unwrap();
    matches!(admission, Admission::On(_))
}

fn is_ended(state: State, why: EndReason) -> bool {
    matches!(state, State::Ended { reason, .. } if reason == why)
}

#[tokio::test]
async fn who_came_back_after_he_was_chosen_is_spared() {
    let proxy = proxy();
    let asked = asked(&proxy, None);
    let Counting::By(counted) = login(&proxy, &asked, 9, ONE) else {
        panic!("it is counted");
    };
    let seat = lives(&proxy, 1, NOW).await;
    let sitting = counted.who_sits(vec![seat], NOW).await.unwrap();
    proxy.store.touch(sid(1), seconds(1)).await.unwrap();
    let over = counted.displace(&sitting, &[0], NOW).await.unwrap();
    assert!(!over);
    assert_eq!(state(&proxy, 1).await, State::Alive);
    assert!(proxy.store.holds_seat(key(), seat).await.unwrap());
    // Looked at again, he is chosen by what he is now.
    let sitting = counted.who_sits(vec![seat], NOW).await.unwrap();
    assert_eq!(sitting[0].occupant.last_active, seconds(1));
    assert!(counted.displace(&sitting, &[0], NOW).await.unwrap());
    assert!(is_ended(state(&proxy, 1).await, EndReason::Displaced));
    assert!(!proxy.store.holds_seat(key(), seat).await.unwrap());
}

#[tokio::test]
async fn a_login_that_broke_off_keeps_its_seat_for_a_while_and_can_never_come_alive_after() {
    let proxy = proxy();
    let asked = asked(&proxy, None);
    let seat = is_under_way(&proxy, 1, NOW).await;
    let just_before = UNDER_WAY_MAX - Duration::from_millis(1);
    proxy.clock.advance(just_before);
    assert!(!admit(&login(&proxy, &asked, 2, ONLY_ONE), 2).await);
    assert_eq!(state(&proxy, 1).await, State::Pending);
    proxy.clock.advance(Duration::from_millis(1));
    assert!(admit(&login(&proxy, &asked, 3, ONLY_ONE), 3).await);
    let activation = Activation {
        last_active: NOW,
        due: None,
        event: None,
    };
    let activated = proxy.store.activate(sid(1), activation).await.unwrap();
    assert_eq!(activated, Activated::No);
    assert!(!proxy.store.holds_seat(key(), seat).await.unwrap());
}

#[tokio::test]
async fn a_login_under_way_is_displaced_like_a_session() {
    let proxy = proxy();
    let asked = asked(&proxy, None);
    is_under_way(&proxy, 1, NOW).await;
    assert!(admit(&login(&proxy, &asked, 2, ONE), 2).await);
    assert!(is_ended(state(&proxy, 1).await, EndReason::Displaced));
}

#[tokio::test]
async fn an_id_that_is_kept_over_a_login_is_never_ended_for_another_and_loses_its_seat_in_time() {
    let proxy = proxy();
    let asked = asked(&proxy, None);
    // Of a visitor, who is about to log in as the buyer.
    let mut visitor = user(&proxy, 1);
    Arc::make_mut(&mut visitor).login = None;
    proxy.store.create(sid(1), new(&visitor)).await.unwrap();
    let his = login(&proxy, &asked, 1, ONE);
    let admission = his.admit(sid(1), FORGET).await.unwrap();
    assert!(his.confirm(admission, sid(1), FORGET).await.unwrap());
    assert!(!admit(&login(&proxy, &asked, 2, ONE), 2).await);
    assert_eq!(state(&proxy, 1).await, State::Alive);
    proxy.clock.advance(UNDER_WAY_MAX);
    assert!(admit(&login(&proxy, &asked, 3, ONE), 3).await);
    assert_eq!(state(&proxy, 1).await, State::Alive);
    let Admission::On(seat) = admission else {
        panic!("it was admitted");
    };
    assert!(!proxy.store.holds_seat(key(), seat).await.unwrap());
}

/// The buyer's `from`th id is replaced by the `to`th, which is not activated yet.
async fn rotates(proxy: &Proxy, from: u8, to: u8) {
    let session = buyer(proxy, from);
    let claim = Claim {
        lineage: session.lineage,
        successor: sid(to),
        at: NOW,
        by: ClaimedBy::Succession,
    };
    let record = NewSession {
        pending: true,
        ..new(&session)
    };
    proxy.store.create(sid(to), record).await.unwrap();
    let claimed = proxy.store.claim(sid(from), claim).await.unwrap();
    assert!(matches!(claimed, Claimed::Yes { .. }));
}

async fn comes_alive(proxy: &Proxy, n: u8) -> bool {
    let activation = Activation {
        last_active: NOW,
        due: None,
        event: None,
    };
    let activated = proxy.store.activate(sid(n), activation).await.unwrap();
    activated == Activated::Yes
}

#[tokio::test]
async fn a_rotation_under_way_is_not_taken_for_a_login_that_broke_off() {
    let proxy = proxy();
    let asked = asked(&proxy, None);
    lives(&proxy, 1, NOW).await;
    proxy.clock.advance(UNDER_WAY_MAX);
    rotates(&proxy, 1, 2).await;
    assert!(!admit(&login(&proxy, &asked, 3, ONLY_ONE), 3).await);
    assert!(comes_alive(&proxy, 2).await);
}

#[tokio::test]
async fn a_rotation_that_broke_off_keeps_nobody_out_for_longer_than_its_session() {
    let proxy = proxy();
    let asked = asked(&proxy, None);
    lives(&proxy, 1, NOW).await;
    rotates(&proxy, 1, 2).await;
    let limits = live(&proxy, sid(1), &buyer(&proxy, 1)).limits;
    let just_before = limits.idle.after - Duration::from_millis(1);
    proxy.clock.advance(just_before);
    assert!(!admit(&login(&proxy, &asked, 3, ONLY_ONE), 3).await);
    proxy.clock.advance(Duration::from_millis(1));
    assert!(admit(&login(&proxy, &asked, 4, ONLY_ONE), 4).await);
    assert!(!comes_alive(&proxy, 2).await);
}

/// The visitor with the `n`th id, who is about to log in as the buyer under it.
async fn visits(proxy: &Proxy, n: u8) {
    let mut visitor = user(proxy, n);
    Arc::make_mut(&mut visitor).login = None;
    let created = proxy.store.create(sid(n), new(&visitor)).await.unwrap();
    assert_eq!(created, Created::Recorded);
}

/// His login is written.
async fn is_written(proxy: &Proxy, n: u8) {
    let session = buyer(proxy, n);
    let bound = Bound {
        lineage: session.lineage,
        session,
        login: None,
    };
    let bound = proxy.store.bind(sid(n), bound).await.unwrap();
    assert_eq!(bound, Touched::Alive);
}

#[tokio::test]
async fn a_login_sent_twice_under_a_kept_id_does_not_lose_its_seat_to_itself() {
    for limit in [ONE, ONLY_ONE] {
        let proxy = proxy();
        let asked = asked(&proxy, None);
        visits(&proxy, 1).await;
        let first = login(&proxy, &asked, 1, limit);
        let admission = first.admit(sid(1), FORGET).await.unwrap();
        assert!(admit(&login(&proxy, &asked, 1, limit), 1).await);
        is_written(&proxy, 1).await;
        assert!(first.confirm(admission, sid(1), FORGET).await.unwrap());
        assert!(!admit(&login(&proxy, &asked, 2, ONLY_ONE), 2).await);
    }
}

#[tokio::test]
async fn a_kept_id_that_comes_too_late_counts_who_took_its_seat() {
    for (limit, stays) in [(ONLY_ONE, false), (ONE, true)] {
        let proxy = proxy();
        let asked = asked(&proxy, None);
        visits(&proxy, 1).await;
        let late = login(&proxy, &asked, 1, limit);
        let admission = late.admit(sid(1), FORGET).await.unwrap();
        proxy.clock.advance(UNDER_WAY_MAX);
        proxy
            .store
            .create(sid(2), new(&buyer(&proxy, 2)))
            .await
            .unwrap();
        assert!(admit(&login(&proxy, &asked, 2, limit), 2).await);
        is_written(&proxy, 1).await;
        let confirmed = late.confirm(admission, sid(1), FORGET).await.unwrap();
        assert_eq!(confirmed, stays);
        let displaced = is_ended(state(&proxy, 2).await, EndReason::Displaced);
        assert_eq!(displaced, stays, "never both");
    }
}

#[tokio::test]
async fn a_seat_that_leads_to_nobody_is_left() {
    let proxy = proxy();
    let asked = asked(&proxy, None);
    let unknown = sits(&proxy, 1, NOW).await;
    assert!(admit(&login(&proxy, &asked, 2, ONLY_ONE), 2).await);
    assert!(!proxy.store.holds_seat(key(), unknown).await.unwrap());
}

#[tokio::test]
async fn a_login_sent_twice_over_a_visitors_id_is_not_refused_for_itself() {
    for over in [true, false] {
        let proxy = proxy();
        let mut asked = asked(&proxy, None);
        asked.presented = vec![sid(1)];
        visits(&proxy, 1).await;
        rotates(&proxy, 1, 2).await;
        sits(&proxy, 2, NOW).await;
        if over {
            assert!(comes_alive(&proxy, 2).await);
        }
        assert!(admit(&login(&proxy, &asked, 3, ONLY_ONE), 3).await);
        let first = state(&proxy, 2).await;
        assert!(is_ended(first, EndReason::Reauthenticated), "{first:?}");
    }
}

#[tokio::test]
async fn seats_that_lead_to_nobody_keep_nobody_out_however_many_they_are() {
    let proxy = proxy();
    let asked = asked(&proxy, None);
    for n in 0..SEATS_KEPT_MAX as u64 {
        let seat = NewSeat {
            sid: Sid::from_bytes(u128::from(n + (1 << 32)).to_le_bytes()),
            at: NOW,
            forget_at: FORGET,
        };
        proxy.store.take_seat(key(), seat).await.unwrap();
    }
    assert!(admit(&login(&proxy, &asked, 1, ONLY_ONE), 1).await);
}

#[tokio::test]
async fn a_login_that_is_refused_leaves_no_seat() {
    let proxy = proxy();
    let asked = asked(&proxy, None);
    lives(&proxy, 1, NOW).await;
    for n in 2..5 {
        assert!(!admit(&login(&proxy, &asked, n, ONLY_ONE), n).await);
    }
    let seat = NewSeat {
        sid: sid(9),
        at: NOW,
        forget_at: FORGET,
    };
    let taken = proxy.store.take_seat(key(), seat).await.unwrap();
    let others: Vec<Sid> = taken.others.iter().map(|seat| seat.sid).collect();
    assert_eq!(others, [sid(1)]);
}
