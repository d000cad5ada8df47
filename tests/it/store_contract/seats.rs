//! A user's seats.

use std::collections::BTreeSet;
use std::sync::Arc;

use curfew::domain::identity::{Sid, UserKey};
use curfew::domain::time::Timestamp;
use curfew::store::seat::{NewSeat, SEATS_KEPT_MAX, Seat, SeatsTaken};
use tokio::task::JoinSet;

use super::given::{FORGET, Tested, at, sid};
use super::{Case, case};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case(who_takes_a_seat_is_told_of_all_others),
        case(a_seat_is_taken_later_than_those_before_whatever_the_clock_says),
        case(a_seat_that_is_taken_again_is_one),
        case(a_seat_that_was_taken_again_is_not_left),
        case(a_seat_is_handed_over_as_it_is),
        case(another_users_seats_are_another_matter),
        case(a_user_has_no_more_seats_than_are_kept),
        case(of_any_two_at_once_the_later_one_sees_the_earlier),
    ]
}

const ANSWERS: &str = "a store under test answers";

fn user() -> UserKey {
    UserKey::of("procurement", "buyer-1")
}

async fn take_at(store: &Tested, n: u64, at: Timestamp) -> SeatsTaken {
    let new = NewSeat {
        sid: sid(n),
        at,
        forget_at: FORGET,
    };
    store.bare().take_seat(user(), new).await.expect(ANSWERS)
}

async fn take(store: &Tested, n: u64) -> Seat {
    take_at(store, n, at(10)).await.own.expect("there is room")
}

/// Who sits there, as somebody is told who takes another seat and leaves it.
async fn others(store: &Tested) -> BTreeSet<Sid> {
    let told = take_at(store, 9_999, at(0)).await;
    leave(store, &[told.own.expect("there is room")]).await;
    told.others.into_iter().map(|seat| seat.sid).collect()
}

async fn leave(store: &Tested, left: &[Seat]) {
    let left = store.bare().leave_seats(user(), left).await;
    left.expect(ANSWERS);
}

async fn hand_over(store: &Tested, from: u64, to: u64) {
    let handed = store
        .bare()
        .hand_over_seat(user(), sid(from), sid(to))
        .await;
    handed.expect(ANSWERS);
}

async fn holds(store: &Tested, seat: Seat) -> bool {
    store.bare().holds_seat(user(), seat).await.expect(ANSWERS)
}

fn sids(of: &[u64]) -> BTreeSet<Sid> {
    of.iter().map(|n| sid(*n)).collect()
}

async fn who_takes_a_seat_is_told_of_all_others(store: Arc<Tested>) {
    let first = take_at(&store, 1, at(10)).await;
    assert_eq!(first.others, []);
    let second = take_at(&store, 2, at(20)).await;
    assert_eq!(second.others, [first.own.expect("there is room")]);
    assert_eq!(others(&store).await, sids(&[1, 2]));
}

async fn a_seat_is_taken_later_than_those_before_whatever_the_clock_says(store: Arc<Tested>) {
    let mut before = take(&store, 1).await;
    assert_eq!(before.taken, at(10));
    for (n, now) in [(2, 10), (3, 5), (4, 0)] {
        let told = take_at(&store, n, at(now)).await;
        let seat = told.own.expect("there is room");
        assert!(seat.taken > before.taken, "{seat:?}");
        assert!(told.others.iter().all(|other| other.taken < seat.taken));
        before = seat;
    }
    assert_eq!(
        take_at(&store, 5, at(500)).await.own.map(|own| own.taken),
        Some(at(500))
    );
}

async fn a_seat_that_is_taken_again_is_one(store: Arc<Tested>) {
    let first = take(&store, 1).await;
    let again = take_at(&store, 1, at(10)).await;
    assert_eq!(again.others, []);
    let again = again.own.expect("there is room");
    assert!(again.taken > first.taken);
    assert!(holds(&store, again).await && !holds(&store, first).await);
}

async fn a_seat_that_was_taken_again_is_not_left(store: Arc<Tested>) {
    let first = take(&store, 1).await;
    let again = take(&store, 1).await;
    leave(&store, &[first]).await;
    assert!(holds(&store, again).await);
    leave(&store, &[again]).await;
    assert!(!holds(&store, again).await);
    assert_eq!(others(&store).await, sids(&[]));
}

async fn a_seat_is_handed_over_as_it_is(store: Arc<Tested>) {
    let seat = take(&store, 1).await;
    take(&store, 2).await;
    hand_over(&store, 1, 3).await;
    assert_eq!(others(&store).await, sids(&[2, 3]));
    assert!(
        holds(
            &store,
            Seat {
                sid: sid(3),
                ..seat
            }
        )
        .await
    );
    // Whose seat is not there has none to hand over.
    hand_over(&store, 1, 4).await;
    assert_eq!(others(&store).await, sids(&[2, 3]));
    // Both may be there, where ids were followed as well.
    hand_over(&store, 2, 3).await;
    assert_eq!(others(&store).await, sids(&[3]));
}

async fn another_users_seats_are_another_matter(store: Arc<Tested>) {
    let seat = take(&store, 1).await;
    let other = UserKey::of("procurement", "buyer-2");
    let new = NewSeat {
        sid: sid(2),
        at: at(10),
        forget_at: FORGET,
    };
    let told = store.bare().take_seat(other, new).await.expect(ANSWERS);
    assert_eq!(told.others, []);
    store
        .bare()
        .leave_seats(other, &[seat])
        .await
        .expect(ANSWERS);
    assert!(holds(&store, seat).await);
}

async fn a_user_has_no_more_seats_than_are_kept(store: Arc<Tested>) {
    let mut last = take(&store, 0).await;
    for n in 1..SEATS_KEPT_MAX as u64 {
        last = take(&store, n).await;
    }
    let told = take_at(&store, 5_000, at(10)).await;
    assert_eq!(told.own, None);
    assert_eq!(told.others.len(), SEATS_KEPT_MAX);
    leave(&store, &[last]).await;
    let told = take_at(&store, 5_000, at(10)).await;
    assert!(told.own.is_some());
}

/// Of a crowd at once, each two know of each other in one direction at least.
async fn of_any_two_at_once_the_later_one_sees_the_earlier(store: Arc<Tested>) {
    const CROWD: u64 = 20;
    let mut tasks = JoinSet::new();
    for n in 0..CROWD {
        let store = Arc::clone(&store);
        tasks.spawn(async move { take_at(&store, n, at(10)).await });
    }
    let mut told = tasks.join_all().await;
    told.sort_by_key(|told| told.own.map(|own| own.taken));
    let mut before: BTreeSet<Sid> = BTreeSet::new();
    for one in told {
        let seen: BTreeSet<Sid> = one.others.iter().map(|seat| seat.sid).collect();
        assert_eq!(seen, before);
        before.extend(one.own.map(|own| own.sid));
    }
    assert_eq!(before.len(), CROWD as usize);
}
