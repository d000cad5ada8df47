//! The idle timeout: not a moment too early, not much too late, and also when nobody comes back.

use std::time::Duration;

use curfew::clock::monotonic;
use tokio::time::interval;

use crate::it::harness::{eventually, span};
use crate::pair::{POLL, Pair};
use crate::{NOISE, in_time, timed};

/// How soon an end is recorded that nobody came back for.
const RECORDED_WITHIN: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polling_on_redis_never_extends_a_session() {
    let pair = Pair::with("2s", "8h").await;
    let mut browser = pair.here.browser();
    browser.log_in("buyer").await;
    let (page, last_active) = timed(browser.fetch("/home")).await;
    assert_eq!(page.text(), "hello buyer");
    let mut browser = pair.over_there(browser);
    let mut every = interval(Duration::from_millis(500));
    let mut served = 0;
    let (refusal, refused) = loop {
        every.tick().await;
        let page = browser.fetch(POLL).await;
        if !page.refusal().is_empty() {
            break (page.refusal().to_owned(), monotonic());
        }
        served += 1;
    };
    assert_eq!(refusal, "session_idle_timeout");
    in_time("the session", last_active, span("2s"), refused);
    assert_eq!(pair.app.reached(POLL), served);
    assert!(served >= 3, "polls are served until then: {served}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_on_redis_that_nobody_comes_back_for_is_recorded_once_and_soon() {
    let pair = Pair::with("2s", "8h").await;
    let mut browser = pair.here.browser();
    let ((), login) = timed(browser.log_in("buyer")).await;
    let ends = eventually("the end is recorded", async || {
        Some(pair.ends()).filter(|ends| !ends.is_empty())
    })
    .await;
    let recorded = monotonic();
    let fell_due = login.before + span("2s");
    let took = recorded.saturating_sub(fell_due);
    assert!(took <= RECORDED_WITHIN + NOISE, "recorded after {took:?}");
    assert!(recorded + crate::EARLY >= login.after + span("2s"));
    assert_eq!(ends[0]["reason"], "idle_timeout");

    // The refusals come after the end in both audits, so no second end is on its way.
    let id = browser.jar.get("JSESSIONID").expect("it was logged in");
    for gateway in [&pair.there, &pair.here] {
        browser = browser.moved_to(gateway.address);
        let request = browser.request("GET", "/home");
        let request = request.header("cookie", format!("JSESSIONID={id}"));
        let page = browser.send(request, "").await;
        assert_eq!(page.refusal(), "session_idle_timeout");
        gateway.events("refusal", 1).await;
    }
    assert_eq!(pair.ends(), ends);
}
