//! Outages: each a typed error in time, and over without a restart.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use curfew::clock::{Clock, monotonic};
use curfew::store::op::{Created, Ended, Touched};
use curfew::store::{Health, Store, StoreError};
use tokio::io::AsyncWriteExt;

use super::{
    BACK_WITHIN, DEADLINE, PATIENT, START, at, config, logout, new, open, run, run_on, serves, sid,
};
use crate::harness::redis::RedisServer;
use crate::harness::within;

/// What a request may wait for a store that does not answer.
const ANSWERED_WITHIN: Duration = Duration::from_millis(250);

/// How long a server may be unfit before the next heartbeat finds out.
const NOTICED_WITHIN: Duration = Duration::from_secs(2);

/// Does what is told to a server that a store is connected to, expects errors of a kind, then
/// mends it and expects to be served.
async fn suffer(
    kind: &str,
    breaks: impl AsyncFn(&mut RedisServer),
    mends: impl AsyncFn(&mut RedisServer),
) {
    let mut server = RedisServer::start().await;
    let (store, _running) = run_on(&server, DEADLINE);
    store.create(sid(1), new(1)).await.unwrap();
    within(PATIENT, async || store.health().is_up())
        .await
        .unwrap();
    for round in 0..2 {
        breaks(&mut server).await;
        within(NOTICED_WITHIN, async || !serves(&store).await)
            .await
            .unwrap();
        for error in fail_in_time(&store).await {
            assert_eq!(error.kind(), kind, "{round}: {error}");
        }
        let noticed = within(NOTICED_WITHIN, async || !store.health().is_up());
        noticed.await.unwrap();
        assert_eq!(store.health(), Health::Down { since: START });
        mends(&mut server).await;
        let back = within(BACK_WITHIN, async || serves(&store).await);
        assert!(back.await.is_some(), "{round}: it stays down");
        store.touch(sid(1), at(10_000)).await.unwrap();
        assert!(store.health().is_up());
    }
}

type Asked<'a> = Pin<Box<dyn Future<Output = Result<(), StoreError>> + 'a>>;

fn every_operation(store: &Store) -> Vec<Asked<'_>> {
    vec![
        Box::pin(async { store.look_up(&[sid(1), sid(2)]).await.map(drop) }),
        Box::pin(async { store.create(sid(2), new(2)).await.map(drop) }),
        Box::pin(async { store.end(sid(1), logout(1)).await.map(drop) }),
        Box::pin(async { store.claim_due(at(9_000), PATIENT, 10).await.map(drop) }),
        Box::pin(async { store.rearm_all(START).await }),
        Box::pin(async { store.read_events(10).await.map(drop) }),
        Box::pin(async { store.alive().await.map(drop) }),
    ]
}

/// Asks for every operation; none may succeed, or be late.
async fn fail_in_time(store: &Store) -> Vec<StoreError> {
    let mut errors = Vec::new();
    for (index, operation) in every_operation(store).into_iter().enumerate() {
        let began = monotonic();
        errors.push(operation.await.unwrap_err());
        let took = monotonic() - began;
        assert!(took < ANSWERED_WITHIN, "operation {index} took {took:?}");
    }
    errors
}

#[tokio::test]
async fn it_is_killed() {
    let starts = async |server: &mut RedisServer| server.start_again().await;
    suffer("unreachable", RedisServer::kill, starts).await;
}

#[tokio::test]
async fn it_freezes() {
    let freezes = async |server: &mut RedisServer| server.freeze().await;
    let thaws = async |server: &mut RedisServer| server.thaw().await;
    suffer("late", freezes, thaws).await;
}

async fn suffer_command(breaks: &[&[&str]], mends: &[&[&str]]) {
    let tell = async |server: &mut RedisServer, commands: &[&[&str]]| {
        for command in commands {
            let told = server.cli(command).await;
            assert!(!told.contains("ERR"), "{command:?}: {told}");
        }
    };
    let breaks = async |server: &mut RedisServer| tell(server, breaks).await;
    let mends = async |server: &mut RedisServer| tell(server, mends).await;
    suffer("refused", breaks, mends).await;
}

#[tokio::test]
async fn it_becomes_a_replica() {
    suffer_command(
        &[&["REPLICAOF", "127.0.0.1", "1"]],
        &[&["REPLICAOF", "NO", "ONE"]],
    )
    .await;
}

#[tokio::test]
async fn it_is_full() {
    let breaks: &[&str] = &["CONFIG", "SET", "maxmemory", "1"];
    suffer_command(&[breaks], &[&["CONFIG", "SET", "maxmemory", "0"]]).await;
}

#[tokio::test]
async fn it_loses_its_replicas() {
    let breaks: &[&str] = &["CONFIG", "SET", "min-replicas-to-write", "1"];
    suffer_command(
        &[breaks],
        &[&["CONFIG", "SET", "min-replicas-to-write", "0"]],
    )
    .await;
}

#[tokio::test]
async fn it_asks_for_a_password_all_of_a_sudden() {
    let breaks: &[&[&str]] = &[
        &["CONFIG", "SET", "requirepass", "x"],
        &["-a", "x", "CLIENT", "KILL", "TYPE", "normal"],
    ];
    suffer_command(breaks, &[&["-a", "x", "CONFIG", "SET", "requirepass", ""]]).await;
}

#[tokio::test]
async fn it_is_away_when_the_gateway_starts() {
    let mut server = RedisServer::start().await;
    server.kill().await;
    let (store, _running) = run_on(&server, DEADLINE);
    assert_eq!(store.health(), Health::Down { since: START });
    for error in fail_in_time(&store).await {
        assert_eq!(error.kind(), "unreachable", "{error}");
    }
    server.start_again().await;
    let back = within(BACK_WITHIN, async || serves(&store).await);
    assert!(back.await.is_some());
}

#[tokio::test]
async fn nobody_runs_the_store_and_it_serves_all_the_same() {
    let server = RedisServer::start().await;
    let store = open(&config(&server.url(), PATIENT), Clock::manual(START));
    assert!(!store.health().is_up());
    assert!(serves(&store).await);
    assert!(store.health().is_up());
}

/// A connection that breaks is no outage: whoever was asking asks once more.
#[tokio::test]
async fn its_connections_break_and_no_request_is_lost() {
    let server = RedisServer::start().await;
    let (store, _running) = run_on(&server, PATIENT);
    store.look_up(&[]).await.unwrap();
    for n in 0..20 {
        server.cli(&["CLIENT", "KILL", "TYPE", "normal"]).await;
        let created = store.create(sid(n), new(n)).await;
        assert_eq!(created, Ok(Created::Recorded), "{n}");
        server.cli(&["CLIENT", "KILL", "TYPE", "normal"]).await;
        assert_eq!(store.touch(sid(n), at(5)).await, Ok(Touched::Alive), "{n}");
        server.cli(&["CLIENT", "KILL", "TYPE", "normal"]).await;
        assert_eq!(store.end(sid(n), logout(n)).await, Ok(Ended::Now), "{n}");
    }
    assert_eq!(store.events_pending().await, Ok(20));
}

/// However many requests meet a silent server, each is answered in time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_meets_a_frozen_server() {
    let server = RedisServer::start().await;
    let (store, _running) = run_on(&server, DEADLINE);
    store.create(sid(1), new(1)).await.unwrap();
    server.freeze().await;
    let crowd: Vec<_> = (0..1_000)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let began = monotonic();
                let late = store.look_up(&[sid(1)]).await.is_err();
                (late, monotonic() - began)
            })
        })
        .collect();
    for asked in crowd {
        let (late, took) = asked.await.unwrap();
        assert!(late);
        assert!(took < 2 * ANSWERED_WITHIN, "{took:?}");
    }
    server.thaw().await;
    let back = within(BACK_WITHIN, async || serves(&store).await);
    assert!(back.await.is_some());
}

/// What answers on the port need not be Redis.
#[tokio::test]
async fn another_server_answers() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            // Whether the client still listens is its own affair.
            stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .await
                .ok();
        }
    });
    let (store, _running) = run(&config(&url, DEADLINE), Clock::manual(START));
    for error in fail_in_time(&store).await {
        assert!(
            ["garbled", "unreachable"].contains(&error.kind()),
            "{error}"
        );
    }
    assert!(!store.health().is_up());
}
