//! `mode = "monitor"`: what the limits would have ended is recorded and counted, and goes on.

use serde_json::Value;

use crate::harness::app::{FORM_APP, LegacyApp, form_app};
use crate::harness::browser::Browser;
use crate::harness::gateway::{Gateway, ROLES};
use crate::harness::span;

use super::{is_over, is_served, logged_in};

const POLL: &str = "[[apps.routes]]\npath = \"/poll\"\nactivity = \"passive\"\n";

fn monitored_app() -> String {
    FORM_APP.replace(
        "name = \"procurement\"",
        "name = \"procurement\"\nmode = \"monitor\"",
    )
}

fn monitored_approvers() -> String {
    let roles = ROLES.replace("[roles.approver]", "[roles.approver]\nmode = \"monitor\"");
    format!("{roles}{FORM_APP}")
}

/// A buyer who is an approver as well.
fn monitored_with(users: &str) -> String {
    monitored_approvers().replace("users = [\"approver\"]", users)
}

async fn counted(gateway: &Gateway, reason: &str) -> f64 {
    let reason = format!("reason=\"{reason}\"");
    let name = "curfew_sessions_would_have_ended_total";
    gateway.metric(name, &[&reason]).await
}

fn reasons(events: &[Value]) -> Vec<&str> {
    let reasons = events.iter().map(|event| event["reason"].as_str());
    reasons.map(|reason| reason.expect("a word")).collect()
}

#[tokio::test]
async fn past_its_idle_limit_a_request_of_a_monitored_app_passes_and_is_told_once() {
    let (app, gateway, mut browser) = logged_in(&monitored_app(), "buyer").await;
    gateway.advance(span("14m 59s 999ms"));
    is_served(&app, &mut browser, "/home").await;
    gateway.advance(span("15m"));
    is_served(&app, &mut browser, "/home").await;
    is_served(&app, &mut browser, "/home").await;
    gateway.sweep();

    let told = gateway.events("would_end", 1).await;
    assert_eq!(reasons(&told), ["idle_timeout"]);
    assert_eq!(told[0]["idle_ms"], 900_000);
    assert_eq!(told[0]["idle_timeout"]["after_ms"], 900_000);
    assert_eq!(told[0]["idle_timeout"]["rule"], "role buyer");
    assert_eq!(told[0]["absolute_timeout"]["rule"], "role buyer");
    assert_eq!(counted(&gateway, "idle_timeout").await, 1.0);
    let ended = gateway.metric("curfew_sessions_ended_total", &["idle_timeout"]);
    assert_eq!(ended.await, 0.0);
    assert!(gateway.audit().iter().all(|line| line["event"] != "end"));
}

#[tokio::test]
async fn each_time_that_a_user_was_away_for_too_long_counts_and_the_absolute_timeout_once() {
    let (app, gateway, mut browser) = logged_in(&monitored_app(), "approver").await;
    for _ in 0..3 {
        gateway.advance(span("5m"));
        is_served(&app, &mut browser, "/home").await;
        gateway.advance(span("4m"));
        is_served(&app, &mut browser, "/home").await;
    }
    let told = gateway.events("would_end", 3).await;
    assert_eq!(reasons(&told), ["idle_timeout"; 3]);
    let ids: std::collections::BTreeSet<_> = told
        .iter()
        .map(|event| &event["id"])
        .map(Value::to_string)
        .collect();
    assert_eq!(ids.len(), 3);
    for _ in 0..60 {
        gateway.advance(span("4m"));
        is_served(&app, &mut browser, "/home").await;
    }
    let told = gateway.events("would_end", 4).await;
    assert_eq!(told[3]["reason"], "absolute_timeout");
    assert_eq!(told.len(), 4);
    assert_eq!(counted(&gateway, "absolute_timeout").await, 1.0);
}

#[tokio::test]
async fn a_user_who_does_not_come_back_is_told_of_by_the_sweeper_and_not_again() {
    let (app, gateway, mut browser) = logged_in(&monitored_app(), "buyer").await;
    gateway.advance(span("15m"));
    gateway.sweep();
    let told = gateway.events("would_end", 1).await;
    assert_eq!(told[0]["client"], Value::Null);
    gateway.advance(span("20m"));
    is_served(&app, &mut browser, "/home").await;
    gateway.advance(span("15m"));
    gateway.sweep();
    let told = gateway.events("would_end", 2).await;
    assert_eq!(reasons(&told), ["idle_timeout"; 2]);
}

#[tokio::test]
async fn a_passive_request_past_the_limit_is_told_of_and_moves_no_clock() {
    let policy = format!("{}{POLL}", monitored_app());
    let (app, gateway, mut browser) = logged_in(&policy, "buyer").await;
    for _ in 0..4 {
        gateway.advance(span("10m"));
        is_served(&app, &mut browser, "/poll").await;
    }
    assert_eq!(gateway.events("would_end", 1).await.len(), 1);
    assert_eq!(counted(&gateway, "idle_timeout").await, 1.0);
}

#[tokio::test]
async fn a_logout_and_a_revocation_end_a_monitored_session_all_the_same() {
    let (app, gateway, mut browser) = logged_in(&monitored_app(), "buyer").await;
    gateway.advance(span("1h"));
    is_served(&app, &mut browser, "/home").await;
    gateway.revoke(serde_json::json!({ "all": true })).await;
    is_over(&app, &mut browser, "/home", "session_revoked").await;
    assert_eq!(reasons(&gateway.events("end", 1).await), ["revoked"]);
}

#[tokio::test]
async fn no_monitored_session_outlives_its_bound() {
    let (app, gateway, mut browser) = logged_in(&monitored_app(), "buyer").await;
    gateway.advance(span("24h") - span("1ms"));
    is_served(&app, &mut browser, "/home").await;
    gateway.advance(span("24h"));
    is_over(&app, &mut browser, "/home", "session_idle_timeout").await;
    let end = &gateway.events("end", 1).await[0];
    assert_eq!(end["idle_timeout"]["rule"], "monitor");
}

#[tokio::test]
async fn of_two_roles_the_enforced_one_ends_and_the_other_is_watched() {
    let policy = monitored_with("users = [\"approver\", \"buyer\"]");
    let (app, gateway, mut browser) = logged_in(&policy, "buyer").await;
    gateway.advance(span("5m"));
    is_served(&app, &mut browser, "/home").await;
    let told = &gateway.events("would_end", 1).await[0];
    assert_eq!(told["idle_timeout"]["rule"], "role approver");
    gateway.advance(span("15m"));
    is_over(&app, &mut browser, "/home", "session_idle_timeout").await;
    let end = &gateway.events("end", 1).await[0];
    assert_eq!(end["idle_timeout"]["rule"], "role buyer");
}

#[tokio::test]
async fn who_holds_no_monitored_role_ends_as_ever() {
    let (app, gateway, mut browser) = logged_in(&monitored_approvers(), "buyer").await;
    gateway.advance(span("15m"));
    is_over(&app, &mut browser, "/home", "session_idle_timeout").await;
    assert_eq!(counted(&gateway, "idle_timeout").await, 0.0);
}

#[tokio::test]
async fn enforced_again_a_session_is_judged_at_its_next_request_by_its_real_clocks() {
    let (app, gateway, mut browser) = logged_in(&monitored_app(), "buyer").await;
    let mut other = gateway.browser();
    other.log_in("buyer").await;
    gateway.advance(span("20m"));
    is_served(&app, &mut browser, "/home").await;
    gateway.reload(FORM_APP);
    is_served(&app, &mut browser, "/home").await;
    is_over(&app, &mut other, "/home", "session_idle_timeout").await;
    gateway.advance(span("15m"));
    is_over(&app, &mut browser, "/home", "session_idle_timeout").await;
}

#[tokio::test]
async fn the_limits_of_a_route_are_watched_in_a_monitored_app() {
    let policy = format!(
        "{}[[apps.routes]]\npath = \"/bank/**\"\nidle = \"2m\"\n",
        monitored_app()
    );
    let (app, gateway, mut browser) = logged_in(&policy, "buyer").await;
    gateway.advance(span("2m"));
    is_served(&app, &mut browser, "/bank/1").await;
    let told = &gateway.events("would_end", 1).await[0];
    assert_eq!(told["idle_timeout"]["rule"], "route /bank/**");
    assert_eq!(told["client"], "127.0.0.1");
}

/// Twenty requests at once, past the limit.
#[tokio::test]
async fn many_requests_at_once_tell_one_would_be_end() {
    let app = LegacyApp::start(form_app()).await;
    let gateway = Gateway::with(&app, &monitored_app()).await;
    let mut browser = gateway.browser();
    browser.log_in("buyer").await;
    gateway.advance(span("15m"));
    let asked = (0..20).map(|_| {
        let mut browser: Browser = browser.clone();
        tokio::spawn(async move { browser.fetch("/home").await.refusal().to_owned() })
    });
    for asked in asked.collect::<Vec<_>>() {
        assert_eq!(asked.await.expect("nobody panics"), "");
    }
    gateway.sweep();
    assert_eq!(gateway.events("would_end", 1).await.len(), 1);
    assert_eq!(counted(&gateway, "idle_timeout").await, 1.0);
}
