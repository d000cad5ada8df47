//! Running work is not idle, for every gateway.

use std::time::Duration;

use curfew::clock::monotonic;
use tokio::time::interval;

use crate::it::harness::{eventually, span};
use crate::pair::{POLL, Pair, SLOW};
use crate::{in_time, timed};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_takes_its_time_on_redis_holds_its_session_at_both_gateways() {
    let pair = Pair::with("2s", "8h").await;
    let mut browser = pair.here.browser();
    browser.log_in("buyer").await;
    let (slow, polling) = (browser.stream(SLOW), pair.over_there(browser.clone()));
    let answered = timed(slow);
    let polls = async {
        let mut browser = polling;
        let mut every = interval(Duration::from_millis(500));
        for served in 0.. {
            every.tick().await;
            // Polls never extend; only what is under way at the other gateway does.
            let page = browser.fetch(POLL).await;
            if !page.refusal().is_empty() {
                return (page.refusal().to_owned(), monotonic(), served);
            }
            if served == 10 {
                pair.slow.open();
            }
        }
        unreachable!("a tab is not for ever");
    };
    let ((answer, last_byte), (refusal, refused, served)) = tokio::join!(answered, polls);
    assert_eq!(answer.status(), 200);
    assert!(served > 10, "it was held for five seconds: {served}");
    assert_eq!(refusal, "session_idle_timeout");
    // What matters is when the answer came, which is when it began to be waited for no longer.
    let since = crate::When {
        after: last_byte.before,
        ..last_byte
    };
    in_time("the session", since, span("2s"), refused);
    let ends = eventually("the end is recorded", async || {
        Some(pair.ends()).filter(|ends| !ends.is_empty())
    });
    assert_eq!(ends.await.len(), 1);
}
