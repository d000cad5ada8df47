//! What runs on is cut within a second of the end, whatever ends the session and wherever.

use std::time::Duration;

use curfew::clock::monotonic;
use serde_json::json;
use tokio::time::interval;

use crate::it::harness::span;
use crate::open::{Open, opened};
use crate::pair::Pair;
use crate::{LATE, NOISE, in_time, timed};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_open_on_redis_is_cut_at_the_idle_end_and_a_new_login_opens_it_again() {
    let pair = Pair::with("2s", "8h").await;
    let mut browser = pair.here.browser();
    browser.log_in("buyer").await;
    let open = Open::with(&browser).await;
    let last_active = open.at;
    let cut = open.cut("session_idle_timeout").await;
    for (what, at) in cut.at {
        in_time(what, last_active, span("2s"), at);
    }

    let sockets = pair.app.sockets().len();
    browser.log_in("buyer").await;
    let _open = opened(&browser).await;
    assert_eq!(pair.app.sockets().len(), sockets + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_open_on_redis_is_cut_at_the_absolute_end_of_somebody_who_works() {
    let pair = Pair::with("2s", "4s").await;
    let mut browser = pair.here.browser();
    let ((), login) = timed(browser.log_in("buyer")).await;
    let open = Open::with(&browser).await;
    // He works at one gateway and has everything open at the other.
    let mut browser = pair.over_there(browser);
    let works = async {
        let mut every = interval(Duration::from_millis(500));
        loop {
            every.tick().await;
            let page = browser.fetch("/home").await;
            if !page.refusal().is_empty() {
                break (page.refusal().to_owned(), monotonic());
            }
        }
    };
    let cut = open.cut("session_absolute_timeout");
    let (cut, (refusal, refused)) = tokio::join!(cut, works);
    for (what, at) in cut.at {
        in_time(what, login, span("4s"), at);
    }
    assert_eq!(refusal, "session_absolute_timeout");
    in_time("the session", login, span("4s"), refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_open_on_redis_is_cut_by_a_revocation_at_another_gateway() {
    let pair = Pair::with("15m", "8h").await;
    let mut browser = pair.here.browser();
    browser.log_in("buyer").await;
    let open = Open::with(&browser).await;
    let mut other = pair.here.browser();
    other.log_in("approver").await;
    let _others = opened(&other).await;
    let cut = open.cut("session_revoked");
    let revoked = async {
        pair.there.revoke(json!({ "user": "buyer" })).await;
        monotonic()
    };
    let (cut, revoked) = tokio::join!(cut, revoked);
    for (what, at) in cut.at {
        let took = at.saturating_sub(revoked);
        assert!(took <= LATE + NOISE, "{what} was cut after {took:?}");
    }
    assert_eq!(browser.fetch("/home").await.refusal(), "session_revoked");
    browser.log_in("buyer").await;
    let _open = opened(&browser).await;
    assert_eq!(other.fetch("/home").await.text(), "hello approver");
    let others = pair.app.sockets()[1].clone();
    assert!(!others.closed, "nobody revoked the approver");
}
