//! The demo's approver, who stays on a page: it polls, its ticker ticks, and the session ends.

use std::time::Duration;

use curfew::clock::monotonic;
use tokio::time::interval;

use crate::it::harness::demo::Demo;
use crate::it::harness::span;
use crate::it::harness::websocket::Socket;
use crate::{in_time, timed};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approver_who_stays_on_a_page_is_signed_out_after_ten_seconds() {
    let mut demo = Demo::start().await;
    let mut browser = demo.browser();
    let form = "username=approver&password=approver";
    assert_eq!(browser.submit("/login", form).await.status, 302);
    assert_eq!(browser.open("/approvals").await.status, 200);
    let (ticker, last_active) = timed(Socket::open(&browser, demo.address, "/ws")).await;
    let ticker = ticker.unwrap_or_else(|status| panic!("refused with {status}"));
    let ticks = async {
        let close = ticker.closed().await;
        (close, monotonic())
    };
    let polls = async {
        let mut every = interval(Duration::from_millis(500));
        loop {
            every.tick().await;
            let page = browser.fetch("/api/poll").await;
            if page.status != 200 {
                break (page, monotonic());
            }
        }
    };
    let ((close, closed), (page, refused)) = tokio::join!(ticks, polls);
    assert_eq!(close, (1008, "session_idle_timeout".to_owned()));
    in_time("the ticker", last_active, span("10s"), closed);
    assert_eq!(page.refusal(), "session_idle_timeout");
    in_time("the session", last_active, span("10s"), refused);

    let end = demo.event("end").await;
    assert_eq!(end["reason"], "idle_timeout");
    assert_eq!(end["user"], "approver");
    let page = browser.visit("/approvals").await;
    assert!(page.text().contains("password"), "{}", page.text());
}
