//! Limits of a route: they hold for requests that are meant for it, and for the streams it opens.

use crate::harness::app::FORM_APP;
use crate::harness::browser::{Browser, HOST};
use crate::harness::gateway::Gateway;
use crate::harness::span;
use crate::harness::websocket::Socket;

use super::{is_over, is_served, logged_in};

/// A policy in which approvals have limits of their own.
fn approvals(limits: &str) -> String {
    format!("{FORM_APP}\n[[apps.routes]]\npath = \"/approvals/**\"\n{limits}\n")
}

#[tokio::test]
async fn a_session_that_is_past_a_routes_idle_timeout_ends_at_a_request_for_it() {
    let policy = approvals("idle = \"4m\"");
    let (app, gateway, mut browser) = logged_in(&policy, "buyer").await;
    for _ in 0..2 {
        gateway.advance(span("3m 59s 999ms"));
        is_served(&app, &mut browser, "/approvals/7").await;
    }
    gateway.advance(span("4m"));
    is_over(&app, &mut browser, "/approvals/7", "session_idle_timeout").await;
    // It is the session that ended, not its way to this route.
    browser.jar.put(HOST, "JSESSIONID", "S1");
    is_over(&app, &mut browser, "/home", "session_idle_timeout").await;
    let ends = gateway.events("end", 1).await;
    assert_eq!(ends[0]["idle_timeout"]["rule"], "route /approvals/**");
    assert_eq!(ends[0]["idle_timeout"]["after_ms"], 240_000);
    assert_eq!(ends[0]["idle_ms"], 240_000);
    assert_eq!(ends[0]["absolute_timeout"]["rule"], "role buyer");
}

#[tokio::test]
async fn elsewhere_and_for_the_sweeper_the_session_has_its_own_limits() {
    let policy = approvals("idle = \"4m\"");
    let (app, gateway, mut browser) = logged_in(&policy, "buyer").await;
    gateway.advance(span("14m"));
    gateway.sweep();
    is_served(&app, &mut browser, "/home").await;
    // That was activity, so the route admits it again.
    is_served(&app, &mut browser, "/approvals/7").await;
    gateway.advance(span("14m 59s 999ms"));
    gateway.sweep();
    is_served(&app, &mut browser, "/home").await;
    gateway.advance(span("15m"));
    gateway.sweep();
    let ends = gateway.events("end", 1).await;
    assert_eq!(ends[0]["idle_timeout"]["rule"], "role buyer");
    assert_eq!(ends.len(), 1);
}

#[tokio::test]
async fn a_routes_absolute_timeout_counts_from_the_login() {
    let policy = approvals("methods = [\"POST\"]\nabsolute = \"30m\"");
    let (app, gateway, mut browser) = logged_in(&policy, "buyer").await;
    for _ in 0..2 {
        gateway.advance(span("10m"));
        is_served(&app, &mut browser, "/home").await;
    }
    gateway.advance(span("9m 59s 999ms"));
    assert_eq!(browser.ask("POST", "/approvals/7", "").await.refusal(), "");
    gateway.advance(span("1ms"));
    // Another method is another route.
    is_served(&app, &mut browser, "/approvals/7").await;
    let page = browser.ask("POST", "/approvals/7", "").await;
    assert_eq!(page.refusal(), "session_absolute_timeout");
    let ends = gateway.events("end", 1).await;
    assert_eq!(ends[0]["reason"], "absolute_timeout");
    let rule = &ends[0]["absolute_timeout"]["rule"];
    assert_eq!(rule, "route POST /approvals/**");
}

#[tokio::test]
async fn no_spelling_of_a_path_gets_round_its_routes_limits() {
    let policy = approvals("idle = \"4m\"");
    for disguise in [
        "/%61pprovals/7",
        "/./approvals/7",
        "/x/../approvals/7",
        "//approvals/7",
        "/approvals;x=1/7",
    ] {
        let (app, gateway, mut browser) = logged_in(&policy, "buyer").await;
        gateway.advance(span("4m"));
        is_over(&app, &mut browser, disguise, "session_idle_timeout").await;
    }
}

#[tokio::test]
async fn where_servers_read_a_request_in_two_ways_the_smaller_limits_hold() {
    let route = |action: &str, idle: &str| {
        format!(
            "[[apps.routes]]\npath = \"/index.php\"\nquery = {{ action = \"{action}\" }}\n\
             idle = \"{idle}\"\n"
        )
    };
    let policy = format!(
        "{FORM_APP}{}{}",
        route("approve", "4m"),
        route("view", "9m")
    );
    let target = "/index.php?action=view&Action=approve";
    let (app, gateway, mut browser) = logged_in(&policy, "buyer").await;
    gateway.advance(span("3m 59s 999ms"));
    is_served(&app, &mut browser, target).await;
    gateway.advance(span("4m"));
    is_over(&app, &mut browser, target, "session_idle_timeout").await;
}

#[tokio::test]
async fn a_role_that_extends_another_has_its_limits_and_not_its_users() {
    let roles = r#"
        [roles.staff]
        idle = "10m"
        absolute = "6h"
        users = ["porter"]
        [roles.buyer]
        extends = "staff"
        absolute = "1h"
        users = ["buyer"]
        [roles.guest]
        idle = "1m"
        absolute = "1m"
    "#;
    let policy = format!("{roles}{FORM_APP}");
    let (app, gateway, mut browser) = logged_in(&policy, "buyer").await;
    for _ in 0..5 {
        gateway.advance(span("9m 59s 999ms"));
        is_served(&app, &mut browser, "/home").await;
    }
    gateway.advance(span("10m"));
    is_over(&app, &mut browser, "/home", "session_idle_timeout").await;
    browser.log_in("porter").await;
    gateway.advance(span("10m"));
    is_over(&app, &mut browser, "/home", "session_idle_timeout").await;
    let ends = gateway.events("end", 2).await;
    let told = |end: usize| (&ends[end]["roles"], &ends[end]["idle_timeout"]["rule"]);
    assert_eq!(
        told(0),
        (&"[\"buyer\"]".parse().expect("JSON"), &"role buyer".into())
    );
    assert_eq!(
        told(1),
        (&"[\"staff\"]".parse().expect("JSON"), &"role staff".into())
    );
    assert_eq!(ends[0]["absolute_timeout"]["after_ms"], 3_600_000);
}

async fn open(gateway: &Gateway, browser: &Browser, path: &str) -> Socket {
    let socket = Socket::open(browser, gateway.address, path).await;
    let socket = socket.unwrap_or_else(|status| panic!("refused with {status}"));
    let (socket, heard) = socket.hear().await;
    assert_eq!(heard, "hello");
    socket
}

const STREAM: &str = "[[apps.routes]]\npath = \"/ws\"\nquery = { approve = \"*\" }\n";

#[tokio::test]
async fn a_stream_keeps_the_limits_of_its_route_and_others_of_the_session_run_on() {
    let policy = format!("{FORM_APP}{STREAM}idle = \"4m\"\n");
    let (app, gateway, mut browser) = logged_in(&policy, "buyer").await;
    let approving = open(&gateway, &browser, "/ws?approve=1").await;
    let other = open(&gateway, &browser, "/ws").await;
    gateway.advance(span("3m 59s 999ms"));
    let approving = approving.say("I am here").await;
    gateway.advance(span("1ms"));
    let (code, reason) = approving.closed().await;
    assert_eq!((code, &*reason), (1008, "session_idle_timeout"));

    // The session has not ended by that, nor its other stream.
    let other = other.say("still here").await;
    is_served(&app, &mut browser, "/home").await;
    let approving = open(&gateway, &browser, "/ws?approve=1").await;
    gateway.advance(span("4m"));
    approving.closed().await;
    let refused = Socket::open(&browser, gateway.address, "/ws?approve=1").await;
    assert_eq!(refused.err(), Some(401));
    let (_, reason) = other.closed().await;
    assert_eq!(&*reason, "session_idle_timeout");
    let ends = gateway.events("end", 1).await;
    let rule = &ends[0]["idle_timeout"]["rule"];
    assert_eq!(rule, "route /ws?approve=*");
}

#[tokio::test]
async fn an_edit_of_a_routes_limits_reaches_the_streams_that_are_open() {
    let policy = |idle: &str| format!("{FORM_APP}{STREAM}idle = \"{idle}\"\n");
    let (_app, gateway, browser) = logged_in(&policy("10m"), "buyer").await;
    let socket = open(&gateway, &browser, "/ws?approve=1").await;
    gateway.advance(span("5m"));
    let socket = socket.say("I am here").await;
    gateway.reload(&policy("5m"));
    let (_, reason) = socket.closed().await;
    assert_eq!(&*reason, "session_idle_timeout");
}
