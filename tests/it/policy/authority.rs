//! Roles that are no longer what a login told: by an edit of the policy, by age, or because somebody
//! said so.

use serde_json::{Value, json};

use crate::harness::app::{FORM_APP, LegacyApp, form_app};
use crate::harness::browser::Browser;
use crate::harness::gateway::Gateway;
use crate::harness::redis::RedisServer;
use crate::harness::span;
use crate::harness::websocket::Socket;

use super::{is_over, is_served, logged_in};

const CHANGED: &str = "session_role_changed";
const TO_LOGIN: &str = "/login?curfew_reason=session_role_changed";

/// Three roles, and who has the first and the second.
fn mapped(buyers: &str, approvers: &str) -> String {
    format!(
        "[roles.buyer]\nidle = \"15m\"\nabsolute = \"8h\"\nusers = [{buyers}]\n\
         [roles.approver]\nidle = \"5m\"\nabsolute = \"4h\"\nusers = [{approvers}]\n\
         [roles.auditor]\nidle = \"30m\"\nabsolute = \"10h\"\nusers = [\"auditor\"]\n{}",
        FORM_APP.replace("[apps.session]", "way_back = true\n[apps.session]")
    )
}

async fn one_end(gateway: &Gateway) -> Value {
    let ends = gateway.events("end", 1).await;
    assert_eq!(ends.len(), 1, "{ends:?}");
    ends.into_iter().next().unwrap_or_default()
}

/// Logs in again at the page that the browser was sent to.
async fn logs_in_again(browser: &mut Browser) -> String {
    browser.open(TO_LOGIN).await;
    let page = browser
        .submit("/login", "username=buyer&password=buyer")
        .await;
    page.header("location").to_owned()
}

#[tokio::test]
async fn whoever_is_given_other_roles_logs_in_again_and_has_them_then() {
    let before = mapped("\"buyer\"", "\"approver\"");
    for (buyers, approvers, idle) in [
        ("\"buyer\"", "\"buyer\"", "role approver"),
        ("", "\"buyer\"", "role approver"),
        (
            "\"nobody\"",
            "\"approver\"",
            "strictest of all roles (approver)",
        ),
    ] {
        let (app, gateway, mut browser) = logged_in(&before, "buyer").await;
        gateway.reload(&mapped(buyers, approvers));
        is_over(&app, &mut browser.clone(), "/home", CHANGED).await;
        let sent = browser.open("/orders?page=2").await;
        assert_eq!(
            (sent.status.as_u16(), sent.header("location")),
            (303, TO_LOGIN)
        );
        assert_eq!(logs_in_again(&mut browser).await, "/orders?page=2");
        is_served(&app, &mut browser, "/home").await;

        let end = one_end(&gateway).await;
        assert_eq!(end["reason"], "role_changed");
        assert_eq!(end["roles"], json!(["buyer"]));
        // Until its end it had the strictest of old and new.
        assert_eq!(end["idle_timeout"]["after_ms"], 300_000);
        let logins = gateway.events("login", 2).await;
        assert_ne!(logins[0]["lineage"], logins[1]["lineage"]);
        assert_eq!(logins[1]["idle_timeout"]["rule"], idle);
    }
}

#[tokio::test]
async fn a_looser_role_loosens_no_session_that_runs() {
    let (app, gateway, mut browser) = logged_in(&mapped("", "\"buyer\""), "buyer").await;
    gateway.reload(&mapped("\"buyer\"", ""));
    gateway.advance(span("4m 59s 999ms"));
    is_over(&app, &mut browser, "/home", CHANGED).await;
    assert_eq!(one_end(&gateway).await["idle_timeout"]["after_ms"], 300_000);
}

#[tokio::test]
async fn an_edit_that_leaves_his_roles_as_they_are_ends_nobody() {
    let (app, gateway, mut browser) = logged_in(&mapped("\"buyer\"", ""), "buyer").await;
    gateway.reload(&mapped("\"buyer\", \"buyer-2\"", "\"approver-2\""));
    gateway.sweep();
    is_served(&app, &mut browser, "/home").await;
    gateway.advance(span("14m 59s 999ms"));
    is_served(&app, &mut browser, "/home").await;
    assert!(gateway.audit().iter().all(|event| event["event"] != "end"));
}

#[tokio::test]
async fn nobody_has_to_come_back_and_his_websocket_is_cut() {
    let (_app, gateway, browser) = logged_in(&mapped("\"buyer\"", ""), "buyer").await;
    let socket = Socket::open(&browser, gateway.address, "/ws").await;
    let socket = socket.unwrap_or_else(|status| panic!("refused with {status}"));
    let (socket, _) = socket.hear().await;
    gateway.reload(&mapped("", "\"buyer\""));
    assert_eq!(socket.closed().await, (1008, CHANGED.to_owned()));
    let end = one_end(&gateway).await;
    assert_eq!(
        (&end["reason"], &end["client"]),
        (&"role_changed".into(), &Value::Null)
    );
    let ended = [
        "app=\"procurement\"",
        "reason=\"role_changed\"",
        "role=\"buyer\"",
    ];
    assert_eq!(
        gateway.metric("curfew_sessions_ended_total", &ended).await,
        1.0
    );
}

fn aged(max_role_age: &str) -> String {
    let role = "[roles.buyer]\nidle = \"15m\"\nabsolute = \"8h\"\nusers = [\"buyer\"]\n";
    format!("{role}max_role_age = \"{max_role_age}\"\n{FORM_APP}")
}

#[tokio::test]
async fn what_a_login_told_counts_for_max_role_age_and_then_a_login_tells_it_anew() {
    let (app, gateway, mut browser) = logged_in(&aged("20m"), "buyer").await;
    gateway.advance(span("10m"));
    is_served(&app, &mut browser, "/home").await;
    gateway.advance(span("9m 59s 999ms"));
    is_served(&app, &mut browser, "/home").await;
    gateway.advance(span("1ms"));
    let sent = browser.open("/orders").await;
    assert_eq!(
        (sent.status.as_u16(), sent.header("location")),
        (303, TO_LOGIN)
    );
    assert_eq!(logs_in_again(&mut browser).await, "/orders");
    is_served(&app, &mut browser, "/home").await;
    let end = one_end(&gateway).await;
    assert_eq!(end["reason"], "role_changed");
    assert_eq!(end["absolute_timeout"]["rule"], "max_role_age of buyer");
    assert_eq!(end["age_ms"], 1_200_000);

    // Also when nobody comes back.
    for _ in 0..2 {
        gateway.advance(span("10m"));
        browser.fetch("/home").await;
    }
    gateway.sweep();
    assert_eq!(gateway.events("end", 2).await[1]["reason"], "role_changed");
}

#[tokio::test]
async fn a_script_is_told_that_roles_changed_and_a_form_that_it_was_not_sent() {
    let (app, gateway, mut browser) = logged_in(&aged("5m"), "buyer").await;
    gateway.advance(span("5m"));
    let before = app.count();
    let form = browser.submit("/orders", "a=b").await;
    assert_eq!((form.status.as_u16(), form.refusal()), (401, CHANGED));
    assert!(form.text().contains("did not reach the application"));
    let mut other = gateway.browser();
    other.log_in("buyer").await;
    gateway.advance(span("5m"));
    let page = other.fetch("/orders").await;
    assert_eq!(
        (page.status.as_u16(), page.json()["code"].as_str()),
        (401, Some(CHANGED))
    );
    assert_eq!(app.reached("/orders"), 0);
    assert_eq!(app.count(), before + 1);
}

#[tokio::test]
async fn who_is_told_by_an_operator_has_to_log_in_again_and_nobody_else() {
    for (whose, code) in [
        (json!({"user": "buyer"}), 200),
        (json!({"role": "buyer"}), 200),
    ] {
        let (app, gateway, mut buyer) =
            logged_in(&mapped("\"buyer\"", "\"approver\""), "buyer").await;
        let mut approver = gateway.browser();
        approver.log_in("approver").await;
        let told = gateway.roles_changed(&whose).await;
        assert_eq!(told.status.as_u16(), code, "{}", told.text());
        assert_eq!(told.json()["changed"], whose);
        is_over(&app, &mut buyer, "/home", CHANGED).await;
        is_served(&app, &mut approver, "/home").await;
        // A login at a later instant works.
        gateway.advance(span("1ms"));
        logs_in_again(&mut buyer).await;
        is_served(&app, &mut buyer, "/home").await;
        assert_eq!(one_end(&gateway).await["reason"], "role_changed");
    }
}

#[tokio::test]
async fn a_call_that_names_nobody_changes_nothing() {
    let (app, gateway, mut browser) = logged_in(&mapped("\"buyer\"", ""), "buyer").await;
    for (whose, status, code) in [
        (json!({"role": "no-such"}), 404, "no_such_role"),
        (json!({"user": ""}), 400, "user_malformed"),
        (
            json!({"user": "buyer", "role": "buyer"}),
            400,
            "scope_malformed",
        ),
        (json!({"all": true}), 400, "scope_malformed"),
        (json!([]), 400, "scope_malformed"),
    ] {
        let told = gateway.roles_changed(&whose).await;
        assert_eq!(told.status.as_u16(), status, "{whose}");
        assert_eq!(told.json()["code"], code, "{whose}");
    }
    is_served(&app, &mut browser, "/home").await;
}

#[tokio::test]
async fn over_redis_another_gateway_ends_what_one_was_told_of() {
    let server = RedisServer::start().await;
    let store = format!(
        "[store]\nurl = \"{}\"\nkeys = \"env:SESSION_KEYS\"\n",
        server.url()
    );
    let policy = |buyers, approvers| format!("{store}{}", mapped(buyers, approvers));
    let before = policy("\"buyer\"", "\"approver\"");
    let app = LegacyApp::start(form_app()).await;
    let one = Gateway::live(&app, &before).await;
    let other = Gateway::live(&app, &before).await;
    let mut buyer = one.browser();
    buyer.log_in("buyer").await;
    let mut approver = one.browser();
    approver.log_in("approver").await;

    let told = one.roles_changed(&json!({"role": "approver"})).await;
    assert_eq!(told.status, 200, "{}", told.text());
    let mut approver = approver.moved_to(other.address);
    is_over(&app, &mut approver, "/home", CHANGED).await;
    let mut buyer = buyer.moved_to(other.address);
    is_served(&app, &mut buyer, "/home").await;

    other.reload(&policy("", "\"buyer\""));
    is_over(&app, &mut buyer.clone(), "/home", CHANGED).await;
    let mut buyer = buyer.moved_to(one.address);
    is_over(&app, &mut buyer, "/home", CHANGED).await;
}
