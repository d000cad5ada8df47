//! A connection that breaks before the answer came: the write was done, and is not done again.

use curfew::clock::Clock;
use curfew::store::Store;
use curfew::store::event::EventKind;
use curfew::store::op::{
    Activated, Amended, Claim, Claimed, ClaimedBy, Created, Ended, NewSession, Touched,
};
use curfew::store::seat::Seat;

use super::{
    IN_PLACE, PATIENT, START, at, buyer, config, event, in_place, last_active, login, logout,
    moved, new, open, seat, sid, succession,
};
use crate::harness::lossy::Lossy;
use crate::harness::redis::RedisServer;

/// A server that knows every script, and a store that reaches it through what loses answers.
async fn prepared(server: &RedisServer) -> (Store, Lossy) {
    let direct = open(&config(&server.url(), PATIENT), Clock::manual(START));
    let pending = NewSession {
        pending: true,
        ..new(0x20)
    };
    direct.create(sid(0x20), pending).await.unwrap();
    direct.activate(sid(0x20), login(0x20)).await.unwrap();
    direct.touch(sid(0x20), START).await.unwrap();
    let seat = direct.take_seat(buyer(), seat(0x20)).await.unwrap();
    direct
        .hand_over_seat(buyer(), sid(0x20), sid(0x21))
        .await
        .unwrap();
    let left: Vec<Seat> = seat.own.into_iter().collect();
    direct.leave_seats(buyer(), &left).await.unwrap();
    direct.amend(sid(0x20), moved(0x20)).await.unwrap();
    direct.bind(sid(0x20), in_place(0x20)).await.unwrap();
    direct
        .claim(sid(0x20), succession(0x20 | IN_PLACE, 0x21))
        .await
        .unwrap();
    direct.end(sid(0x20), logout(0x20)).await.unwrap();
    // All keys but the scripts.
    server.cli(&["FLUSHALL"]).await;
    let lossy = Lossy::before(server.port()).await;
    let url = format!("redis://127.0.0.1:{}", lossy.port());
    (open(&config(&url, PATIENT), Clock::manual(START)), lossy)
}

#[tokio::test]
async fn a_login_and_its_end_are_told_once() {
    let server = RedisServer::start().await;
    let (store, lossy) = prepared(&server).await;
    let pending = NewSession {
        pending: true,
        ..new(1)
    };
    lossy.lose_next();
    assert_eq!(store.create(sid(1), pending).await, Ok(Created::Recorded));
    lossy.lose_next();
    assert_eq!(store.activate(sid(1), login(1)).await, Ok(Activated::Yes));
    lossy.lose_next();
    assert_eq!(store.touch(sid(1), at(7)).await, Ok(Touched::Alive));
    assert_eq!(last_active(&store, sid(1)).await, Ok(Some(at(7))));
    lossy.lose_next();
    assert_eq!(store.end(sid(1), logout(1)).await, Ok(Ended::Now));
    assert_eq!(store.events_pending().await, Ok(2));
    assert_eq!(lossy.lost(), 4);
}

#[tokio::test]
async fn a_seat_is_taken_once_and_stays_where_it_stands() {
    let server = RedisServer::start().await;
    let (store, lossy) = prepared(&server).await;
    lossy.lose_next();
    let first = store.take_seat(buyer(), seat(1)).await.unwrap();
    let first = first.own.expect("there is room");
    assert_eq!(first.taken, START);
    let second = store.take_seat(buyer(), seat(2)).await.unwrap();
    assert_eq!(second.others, [first]);
    lossy.lose_next();
    store.hand_over_seat(buyer(), sid(1), sid(3)).await.unwrap();
    lossy.lose_next();
    let handed_over = Seat {
        sid: sid(3),
        ..first
    };
    store.leave_seats(buyer(), &second.others).await.unwrap();
    assert_eq!(store.holds_seat(buyer(), handed_over).await, Ok(true));
    assert_eq!(lossy.lost(), 3);
}

#[tokio::test]
async fn a_claim_succeeds_once() {
    let server = RedisServer::start().await;
    let (store, lossy) = prepared(&server).await;
    let over = || Claim {
        by: ClaimedBy::Login(event(1, EventKind::End)),
        ..succession(1, 3)
    };
    let last_active = START;
    for (n, claim) in [(1, over()), (2, succession(2, 3))] {
        store.create(sid(n), new(n)).await.unwrap();
        lossy.lose_next();
        assert_eq!(
            store.claim(sid(n), claim).await,
            Ok(Claimed::Yes { last_active })
        );
    }
    let ended = store.claim(sid(1), over()).await.unwrap();
    assert!(
        matches!(ended, Claimed::Ended(_)),
        "nobody lost that answer"
    );
    let superseded = store.claim(sid(2), succession(2, 3)).await;
    assert_eq!(superseded, Ok(Claimed::Superseded(sid(3))));
    assert_eq!(store.events_pending().await, Ok(1));
    assert_eq!(lossy.lost(), 2);
}

#[tokio::test]
async fn a_login_that_keeps_the_id_is_told_once() {
    let server = RedisServer::start().await;
    let (store, lossy) = prepared(&server).await;
    store.create(sid(1), new(1)).await.unwrap();
    lossy.lose_next();
    assert_eq!(store.bind(sid(1), in_place(1)).await, Ok(Touched::Alive));
    assert_eq!(store.bind(sid(1), in_place(1)).await, Ok(Touched::Unknown));
    assert_eq!(store.events_pending().await, Ok(1));
    assert_eq!(lossy.lost(), 1);
}

#[tokio::test]
async fn a_move_to_another_device_is_told_once() {
    let server = RedisServer::start().await;
    let (store, lossy) = prepared(&server).await;
    store.create(sid(1), new(1)).await.unwrap();
    lossy.lose_next();
    assert_eq!(store.amend(sid(1), moved(1)).await, Ok(Amended::Yes));
    assert_eq!(store.amend(sid(1), moved(1)).await, Ok(Amended::Overtaken));
    assert_eq!(store.events_pending().await, Ok(1));
    assert_eq!(lossy.lost(), 1);
}

#[tokio::test]
async fn of_an_id_that_is_known_a_second_create_is_told() {
    let server = RedisServer::start().await;
    let (store, lossy) = prepared(&server).await;
    store.create(sid(1), new(1)).await.unwrap();
    assert_eq!(store.create(sid(1), new(1)).await, Ok(Created::Taken));
    lossy.lose_next();
    assert_eq!(store.create(sid(1), new(2)).await, Ok(Created::Taken));
    assert_eq!(lossy.lost(), 1);
}
