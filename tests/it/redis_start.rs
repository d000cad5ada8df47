//! A gateway that has just started on Redis: it knows how its store is before its first client comes.

use crate::harness::app::{FORM_APP, LegacyApp, form_app};
use crate::harness::browser::Browser;
use crate::harness::eventually;
use crate::harness::gateway::Gateway;
use crate::harness::redis::RedisServer;

/// How often a gateway is started: what is forbidden here is a race, and any of them may lose it.
const STARTS: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_login_after_a_start_finds_redis_connected() {
    let redis = RedisServer::start().await;
    let app = LegacyApp::start(form_app()).await;
    let policy = redis.table("5s") + FORM_APP;
    for _ in 0..STARTS {
        let gateway = Gateway::with(&app, &policy).await;
        gateway.browser().log_in("buyer").await;
    }
}

#[tokio::test]
async fn a_gateway_that_starts_while_redis_is_silent_was_never_ready() {
    let redis = RedisServer::start().await;
    redis.freeze().await;
    let app = LegacyApp::start(form_app()).await;
    let policy = redis.table("1s") + FORM_APP;
    let gateway = Gateway::with(&app, &policy).await;
    let operator = Browser::at(gateway.admin, curfew::clock::Clock::system());
    let readiness = operator.get("/readyz?verbose").await;
    assert_eq!(readiness.status, 503);
    assert_eq!(readiness.json()["store"], "lost");

    redis.thaw().await;
    eventually("it is ready", async || {
        let page = operator.get("/readyz").await;
        (page.status == 200).then_some(())
    })
    .await;
    gateway.browser().log_in("buyer").await;
}
