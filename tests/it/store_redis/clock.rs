//! The deployment clock, as a server tells it.

use std::time::Duration;

use curfew::clock::{Clock, wall};

use super::{PATIENT, config, run};
use crate::harness::redis::RedisServer;
use crate::harness::within;

const HOUR: Duration = Duration::from_secs(3600);

/// How near two clocks that agree are, on a busy machine.
const NEAR: Duration = Duration::from_millis(200);

/// How far a clock is ahead of this machine's.
fn ahead(clock: &Clock) -> Duration {
    let wall = wall().duration_since(std::time::UNIX_EPOCH).unwrap();
    Duration::from_millis(clock.now().as_millis()).saturating_sub(wall)
}

async fn run_id(server: &RedisServer) -> String {
    let info = server.cli(&["INFO", "server"]).await;
    let line = info.lines().find_map(|line| line.strip_prefix("run_id:"));
    line.unwrap().trim().to_owned()
}

#[tokio::test]
async fn the_first_gateway_notes_that_the_server_needs_no_correction() {
    let server = RedisServer::start().await;
    let clock = Clock::system();
    let _running = run(&config(&server.url(), PATIENT), clock.clone());
    let id = run_id(&server).await;
    let noted = within(PATIENT, async || {
        server.cli(&["HGET", "curfew:clock", &id]).await == "0"
    });
    noted.await.unwrap();
    assert!(ahead(&clock) < NEAR);
}

#[tokio::test]
async fn a_gateway_takes_over_the_correction_that_is_stored() {
    let server = RedisServer::start().await;
    let hour = HOUR.as_millis().to_string();
    server
        .cli(&["HSET", "curfew:clock", &run_id(&server).await, &hour])
        .await;
    let clock = Clock::system();
    let _running = run(&config(&server.url(), PATIENT), clock.clone());
    within(PATIENT, async || ahead(&clock) > HOUR - NEAR)
        .await
        .unwrap();
    assert!(ahead(&clock) < HOUR + NEAR);
}

/// A server that takes over has another run id, and may have another time.
#[tokio::test]
async fn the_time_goes_on_when_another_server_takes_over() {
    let mut server = RedisServer::start().await;
    let hour = HOUR.as_millis().to_string();
    server
        .cli(&["HSET", "curfew:clock", &run_id(&server).await, &hour])
        .await;
    let clock = Clock::system();
    let (store, _running) = run(&config(&server.url(), PATIENT), clock.clone());
    within(PATIENT, async || ahead(&clock) > HOUR - NEAR)
        .await
        .unwrap();
    server.kill().await;
    server.start_again().await;
    let id = run_id(&server).await;
    let mut stored = String::new();
    let noted = within(PATIENT, async || {
        stored = server.cli(&["HGET", "curfew:clock", &id]).await;
        !stored.is_empty()
    });
    noted.await.unwrap();
    let stored = Duration::from_millis(stored.parse().unwrap());
    assert!(stored > HOUR - NEAR && stored < HOUR + NEAR, "{stored:?}");
    assert!(ahead(&clock) > HOUR - NEAR && ahead(&clock) < HOUR + NEAR);
    drop(store);
}
