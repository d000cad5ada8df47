//! Touches: at most one a second is written, and none is lost.

use std::time::Duration;

use curfew::clock::Clock;
use curfew::domain::session::EndReason;
use curfew::store::Store;
use curfew::store::op::{Claim, Claimed, ClaimedBy, End, Ended, Touched};

use super::{PATIENT, START, at, config, last_active, lineage, logout, new, open, run_on, sid};
use crate::harness::redis::RedisServer;
use crate::harness::within;

/// How soon a deferred touch is written, with time for a busy machine.
const FLUSHED_WITHIN: Duration = Duration::from_secs(3);

/// A store that does not flush, since nobody runs it, with a session touched at 10 (written)
/// and at 700 (deferred).
async fn touched_twice(server: &RedisServer) -> Store {
    let store = open(&config(&server.url(), PATIENT), Clock::manual(START));
    store.create(sid(1), new(1)).await.unwrap();
    for millis in [10, 700] {
        assert_eq!(store.touch(sid(1), at(millis)).await, Ok(Touched::Alive));
    }
    store
}

async fn stored(server: &RedisServer) -> u64 {
    let key = format!("curfew:{{b01}}:s:{}", sid(1));
    let stored = server.cli(&["HGET", &key, "a"]).await;
    stored.parse::<u64>().unwrap() - START.as_millis()
}

#[tokio::test]
async fn a_deferred_touch_counts_here_before_it_is_written() {
    let server = RedisServer::start().await;
    let store = touched_twice(&server).await;
    assert_eq!(stored(&server).await, 10);
    assert_eq!(last_active(&store, sid(1)).await, Ok(Some(at(700))));
    let other = open(&config(&server.url(), PATIENT), Clock::manual(START));
    assert_eq!(last_active(&other, sid(1)).await, Ok(Some(at(10))));
}

#[tokio::test]
async fn a_touch_a_second_after_the_written_one_is_written() {
    let server = RedisServer::start().await;
    let store = touched_twice(&server).await;
    store.touch(sid(1), at(1_009)).await.unwrap();
    assert_eq!(stored(&server).await, 10);
    store.touch(sid(1), at(1_010)).await.unwrap();
    assert_eq!(stored(&server).await, 1_010);
}

#[tokio::test]
async fn a_deferred_touch_is_written_when_its_second_is_over() {
    let server = RedisServer::start().await;
    let (store, _running) = run_on(&server, PATIENT);
    store.create(sid(1), new(1)).await.unwrap();
    store.touch(sid(1), at(10)).await.unwrap();
    store.touch(sid(1), at(700)).await.unwrap();
    let flushed = within(FLUSHED_WITHIN, async || stored(&server).await == 700);
    flushed.await.unwrap();
}

#[tokio::test]
async fn a_gateway_that_stops_leaves_no_touch_behind() {
    let server = RedisServer::start().await;
    let (store, running) = run_on(&server, PATIENT);
    store.create(sid(1), new(1)).await.unwrap();
    store.touch(sid(1), at(10)).await.unwrap();
    store.touch(sid(1), at(700)).await.unwrap();
    drop(running);
    within(FLUSHED_WITHIN, async || stored(&server).await == 700)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_deferred_touch_survives_an_outage() {
    let mut server = RedisServer::start().await;
    let (store, _running) = run_on(&server, PATIENT);
    store.create(sid(1), new(1)).await.unwrap();
    store.touch(sid(1), at(10)).await.unwrap();
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]).await;
    store.touch(sid(1), at(700)).await.unwrap();
    let down = within(FLUSHED_WITHIN, async || !store.health().is_up());
    down.await.unwrap();
    assert_eq!(stored(&server).await, 10);
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]).await;
    let flushed = within(FLUSHED_WITHIN, async || stored(&server).await == 700);
    flushed.await.unwrap();
    server.kill().await;
}

#[tokio::test]
async fn a_claim_hands_over_a_deferred_touch() {
    let server = RedisServer::start().await;
    let store = touched_twice(&server).await;
    let claim = Claim {
        lineage: lineage(1),
        successor: sid(2),
        at: at(800),
        by: ClaimedBy::Succession,
    };
    let last_active = at(700);
    assert_eq!(
        store.claim(sid(1), claim).await,
        Ok(Claimed::Yes { last_active })
    );
}

#[tokio::test]
async fn a_deferred_touch_overtakes_an_idle_end() {
    let server = RedisServer::start().await;
    let store = touched_twice(&server).await;
    let idle = |judged| End {
        reason: EndReason::IdleTimeout,
        if_last_active: Some(at(judged)),
        ..logout(1)
    };
    assert_eq!(
        store.end(sid(1), idle(10)).await,
        Ok(Ended::Touched(at(700)))
    );
    assert_eq!(store.end(sid(1), idle(700)).await, Ok(Ended::Now));
}

#[tokio::test]
async fn after_an_end_the_next_touch_is_told_of_it() {
    let server = RedisServer::start().await;
    let store = touched_twice(&server).await;
    store.end(sid(1), logout(1)).await.unwrap();
    let ended = Ok(Touched::Ended(EndReason::Logout));
    assert_eq!(store.touch(sid(1), at(701)).await, ended);
}
