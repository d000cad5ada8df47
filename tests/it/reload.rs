//! A policy that changes while sessions are alive: it holds from the next request on, a bad one
//! never replaces a good one, and signals do what an operator expects.

use crate::harness::answer::{Answer, Gate};
use crate::harness::app::{FORM_APP, LegacyApp, form_app};
use crate::harness::binary::Binary;
use crate::harness::browser::Browser;
use crate::harness::gateway::Gateway;
use crate::harness::{eventually, span};

/// The buyer's limits, and an approver's that are out of the way.
fn limits(idle: &str, absolute: &str) -> String {
    format!(
        r#"
        [roles.buyer]
        idle = "{idle}"
        absolute = "{absolute}"
        users = ["buyer"]
        [roles.approver]
        idle = "1h"
        absolute = "9h"
        users = ["approver"]
        {FORM_APP}"#
    )
}

async fn logged_in(policy: &str) -> (LegacyApp, Gateway, Browser) {
    let app = LegacyApp::start(form_app()).await;
    let gateway = Gateway::with(&app, policy).await;
    let mut browser = gateway.browser();
    browser.log_in("buyer").await;
    (app, gateway, browser)
}

#[tokio::test]
async fn a_tighter_idle_timeout_hits_a_live_session_at_its_next_request() {
    let (app, gateway, mut browser) = logged_in(&limits("15m", "8h")).await;
    gateway.advance(span("10m"));
    gateway.reload(&limits("10m", "8h"));
    let before = app.count();
    assert_eq!(
        browser.fetch("/home").await.refusal(),
        "session_idle_timeout"
    );
    assert_eq!(app.count(), before);
    let ends = gateway.events("end", 1).await;
    assert_eq!(ends[0]["idle_timeout"]["after_ms"], 600_000);
}

#[tokio::test]
async fn a_tighter_absolute_timeout_hits_a_live_session_at_its_next_request() {
    let (_app, gateway, mut browser) = logged_in(&limits("15m", "8h")).await;
    for _ in 0..3 {
        gateway.advance(span("10m"));
        assert_eq!(browser.fetch("/home").await.refusal(), "");
    }
    gateway.reload(&limits("15m", "30m"));
    assert_eq!(
        browser.fetch("/home").await.refusal(),
        "session_absolute_timeout"
    );
}

#[tokio::test]
async fn a_looser_policy_lets_a_live_session_go_on() {
    let (_app, gateway, mut browser) = logged_in(&limits("15m", "8h")).await;
    gateway.advance(span("14m"));
    gateway.reload(&limits("30m", "8h"));
    gateway.advance(span("15m"));
    assert_eq!(browser.fetch("/home").await.text(), "hello buyer");
    gateway.advance(span("30m"));
    assert_eq!(
        browser.fetch("/home").await.refusal(),
        "session_idle_timeout"
    );
}

#[tokio::test]
async fn a_looser_policy_brings_no_dead_session_back() {
    let (app, gateway, browser) = logged_in(&limits("15m", "8h")).await;
    gateway.advance(span("15m"));
    let ask = async || {
        let request = browser
            .request("GET", "/home")
            .header("cookie", "JSESSIONID=S1");
        browser.send(request, "").await.refusal().to_owned()
    };
    assert_eq!(ask().await, "session_idle_timeout");
    let before = app.count();
    gateway.reload(&limits("1h", "8h"));
    assert_eq!(ask().await, "session_idle_timeout");
    assert_eq!(app.count(), before);
}

#[tokio::test]
async fn a_tighter_policy_ends_also_sessions_whose_users_never_come_back() {
    let (_app, gateway, _browser) = logged_in(&limits("15m", "8h")).await;
    gateway.advance(span("10m"));
    gateway.reload(&limits("5m", "8h"));
    let ends = gateway.events("end", 1).await;
    assert_eq!(ends[0]["reason"], "idle_timeout");
}

#[tokio::test]
async fn a_route_that_becomes_passive_or_public_is_so_from_the_next_request_on() {
    let policy = limits("15m", "8h");
    let (app, gateway, mut browser) = logged_in(&policy).await;
    gateway.reload(&format!(
        "{policy}[[apps.routes]]\npath = \"/poll\"\nactivity = \"passive\"\n"
    ));
    gateway.advance(span("10m"));
    assert_eq!(browser.fetch("/poll").await.refusal(), "");
    gateway.advance(span("5m"));
    assert_eq!(
        browser.fetch("/poll").await.refusal(),
        "session_idle_timeout"
    );
    gateway.reload(&format!(
        "{policy}[[apps.routes]]\npath = \"/poll\"\naccess = \"public\"\n"
    ));
    assert_eq!(browser.fetch("/poll").await.text(), "hello stranger");
    assert_eq!(app.last().path(), "/poll");
    let labels = ["outcome=\"success\""];
    assert_eq!(
        gateway.metric("curfew_policy_reloads_total", &labels).await,
        2.0
    );
}

#[tokio::test]
async fn sighup_puts_the_file_in_force_and_keeps_the_sessions() {
    let app = LegacyApp::start(form_app()).await;
    let mut gateway = Binary::serve(&app, FORM_APP).await;
    let mut browser = gateway.browser();
    browser.log_in("buyer").await;
    assert_eq!(browser.fetch("/home").await.text(), "hello buyer");

    gateway.write(&format!(
        "{FORM_APP}[[apps.routes]]\npath = \"/free\"\naccess = \"public\"\n"
    ));
    gateway.signal("HUP").await;
    gateway.says("a new configuration is in force").await;
    assert_eq!(
        gateway.browser().get("/free").await.text(),
        "hello stranger"
    );
    assert_eq!(browser.fetch("/home").await.text(), "hello buyer");
}

#[tokio::test]
async fn sighup_with_a_bad_file_keeps_the_policy_in_force_and_says_so() {
    let app = LegacyApp::start(form_app()).await;
    let mut gateway = Binary::serve(&app, FORM_APP).await;
    let mut browser = gateway.browser();
    browser.log_in("buyer").await;
    gateway.write(&FORM_APP.replace("form:username", "from:username"));
    gateway.signal("HUP").await;
    let line = gateway.says("the configuration in force stays").await;
    assert_eq!(line["level"], "ERROR");
    assert_eq!(browser.fetch("/home").await.text(), "hello buyer");
    browser.log_in("approver").await;
}

/// An app that answers `/slow` when the gate opens.
async fn slow(gate: &Gate) -> LegacyApp {
    let (plain, gate) = (form_app(), gate.clone());
    LegacyApp::start(move |seen| match seen.path() {
        "/slow" => Answer::page("at last").held_by(&gate),
        _ => plain(seen),
    })
    .await
}

#[tokio::test]
async fn sigterm_lets_a_request_under_way_finish() {
    let gate = Gate::closed();
    let app = slow(&gate).await;
    let mut gateway = Binary::serve(&app, FORM_APP).await;
    let mut browser = gateway.browser();
    browser.log_in("buyer").await;
    let slow = tokio::spawn(async move { browser.fetch("/slow").await });
    eventually("the app was asked", async || {
        (app.reached("/slow") == 1).then_some(())
    })
    .await;
    gateway.signal("TERM").await;
    gateway.says("stopping").await;
    gate.open();
    let page = slow.await.expect("it was answered");
    assert_eq!(page.text(), "at last");
    assert!(gateway.ended().await.success());
}

#[tokio::test]
async fn a_second_sigterm_stops_at_once() {
    let gate = Gate::closed();
    let app = slow(&gate).await;
    let mut gateway = Binary::serve(&app, FORM_APP).await;
    let mut browser = gateway.browser();
    browser.log_in("buyer").await;
    let browser = tokio::spawn(async move { browser.stream("/slow").await });
    eventually("the app was asked", async || {
        (app.reached("/slow") == 1).then_some(())
    })
    .await;
    gateway.signal("TERM").await;
    gateway.says("stopping").await;
    gateway.signal("TERM").await;
    gateway.says("stopped at once").await;
    gateway.ended().await;
    browser.abort();
}
