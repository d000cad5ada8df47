//! A roll-out: sessions that the app began before the gateway was there go on until `adopt_until`,
//! under the strictest limits.

use serde_json::Value;

use crate::harness::app::{FORM_APP, LegacyApp, form_app};
use crate::harness::binary::Binary;
use crate::harness::browser::Browser;
use crate::harness::gateway::Gateway;
use crate::harness::redis::RedisServer;
use crate::harness::span;

/// Tests begin at eight o'clock.
const IN_40_MINUTES: &str = "2026-01-01T08:40:00Z";
const TOMORROW: &str = "2026-01-02T08:00:00Z";

/// Of the two roles of these tests the approver's limits are the strictest: 5 min and 4 h.
fn policy(until: &str) -> String {
    let name = "name = \"procurement\"";
    FORM_APP.replace(name, &format!("{name}\nadopt_until = {until}"))
}

/// A buyer who logged in at the app itself.
async fn logged_in_before(app: &LegacyApp) -> Browser {
    let mut browser = Browser::at(app.address, curfew::clock::Clock::system());
    browser.log_in("buyer").await;
    browser
}

async fn rolled_out(until: &str) -> (LegacyApp, Gateway, Browser) {
    let app = LegacyApp::start(form_app()).await;
    let browser = logged_in_before(&app).await;
    let gateway = Gateway::with(&app, &policy(until)).await;
    let browser = browser.moved_to(gateway.address);
    (app, gateway, browser)
}

async fn adopted(gateway: &Gateway) -> f64 {
    gateway.metric("curfew_sessions_adopted_total", &[]).await
}

#[tokio::test]
async fn an_id_from_before_is_adopted_once_and_recorded() {
    let (_app, gateway, mut browser) = rolled_out(IN_40_MINUTES).await;
    assert_eq!(adopted(&gateway).await, 0.0);
    for _ in 0..2 {
        assert_eq!(browser.fetch("/home").await.text(), "hello buyer");
    }
    assert_eq!(adopted(&gateway).await, 1.0);
    let logins = gateway.events("login", 1).await;
    assert_eq!(logins.len(), 1);
    let login = &logins[0];
    assert_eq!(login["reason"], "adopted");
    assert_eq!(login["user"], Value::Null);
    assert_eq!(login["roles"], Value::Array(Vec::new()));
    assert_eq!(login["idle_timeout"]["after_ms"], 300_000);
    assert_eq!(login["absolute_timeout"]["after_ms"], 2_400_000);
    assert_eq!(login["absolute_timeout"]["rule"], "adoption");
}

#[tokio::test]
async fn an_adopted_session_has_the_strictest_idle_timeout() {
    let (app, gateway, mut browser) = rolled_out(IN_40_MINUTES).await;
    for after in ["0s", "4m 59s 999ms", "4m 59s 999ms"] {
        gateway.advance(span(after));
        assert_eq!(browser.fetch("/home").await.text(), "hello buyer");
    }
    gateway.advance(span("5m"));
    let before = app.count();
    let page = browser.fetch("/home").await;
    assert_eq!(page.refusal(), "session_idle_timeout");
    assert_eq!(app.count(), before);
    let ends = gateway.events("end", 1).await;
    assert_eq!(ends[0]["reason"], "idle_timeout");
}

/// Keeps a session active for so many minutes, less a millisecond.
async fn stays_active(gateway: &Gateway, browser: &mut Browser, minutes: u32) {
    for _ in 0..minutes / 4 {
        assert_eq!(browser.fetch("/home").await.text(), "hello buyer");
        gateway.advance(span("3m 59s"));
        assert_eq!(browser.fetch("/home").await.text(), "hello buyer");
        gateway.advance(span("1s"));
    }
}

#[tokio::test]
async fn an_adopted_session_has_the_strictest_absolute_timeout() {
    let (app, gateway, mut browser) = rolled_out(TOMORROW).await;
    stays_active(&gateway, &mut browser, 4 * 60).await;
    let before = app.count();
    let page = browser.fetch("/home").await;
    assert_eq!(page.refusal(), "session_absolute_timeout");
    assert_eq!(app.count(), before);
}

#[tokio::test]
async fn an_adopted_session_ends_at_the_date_however_active_it_is() {
    let (app, gateway, mut browser) = rolled_out(IN_40_MINUTES).await;
    gateway.advance(span("1m"));
    stays_active(&gateway, &mut browser, 36).await;
    gateway.advance(span("2m 59s 999ms"));
    assert_eq!(browser.fetch("/home").await.text(), "hello buyer");
    gateway.advance(span("1ms"));
    let before = app.count();
    let page = browser.fetch("/home").await;
    assert_eq!(page.refusal(), "session_absolute_timeout");
    assert_eq!(app.count(), before);
}

#[tokio::test]
async fn a_login_puts_an_adopted_session_under_the_limits_of_its_user() {
    let (_app, gateway, mut browser) = rolled_out(IN_40_MINUTES).await;
    assert_eq!(browser.fetch("/home").await.text(), "hello buyer");
    browser.log_in("buyer").await;
    for _ in 0..4 {
        gateway.advance(span("14m 59s"));
        assert_eq!(browser.fetch("/home").await.text(), "hello buyer");
    }
    assert_eq!(adopted(&gateway).await, 1.0);
}

#[tokio::test]
async fn an_id_that_comes_at_the_date_or_later_is_not_adopted() {
    let (app, gateway, mut late) = rolled_out(IN_40_MINUTES).await;
    let mut in_time = logged_in_before(&app).await.moved_to(gateway.address);
    gateway.advance(span("39m 59s 999ms"));
    assert_eq!(in_time.fetch("/home").await.text(), "hello buyer");
    gateway.advance(span("1ms"));
    let before = app.count();
    assert_eq!(late.fetch("/home").await.refusal(), "session_unknown");
    assert_eq!(app.count(), before);
    assert_eq!(adopted(&gateway).await, 1.0);
}

#[tokio::test]
async fn without_a_date_nothing_from_before_is_adopted() {
    let app = LegacyApp::start(form_app()).await;
    let browser = logged_in_before(&app).await;
    let gateway = Gateway::with(&app, FORM_APP).await;
    let mut browser = browser.moved_to(gateway.address);
    assert_eq!(browser.fetch("/home").await.refusal(), "session_unknown");
    assert_eq!(adopted(&gateway).await, 0.0);
}

#[tokio::test]
async fn a_logged_out_id_is_not_adopted_again() {
    let (_app, gateway, mut browser) = rolled_out(IN_40_MINUTES).await;
    let id = browser.jar.get("JSESSIONID").expect("it was logged in");
    assert_eq!(browser.fetch("/home").await.text(), "hello buyer");
    browser.open("/logout").await;
    let request = browser.request("GET", "/home");
    let request = request.header("cookie", format!("JSESSIONID={id}"));
    let page = browser.send(request, "").await;
    assert_eq!(page.refusal(), "session_logout");
    assert_eq!(adopted(&gateway).await, 1.0);
}

/// Redis lost everything, so nobody can tell who was logged out.
#[tokio::test]
async fn nothing_is_adopted_once_redis_was_emptied() {
    let server = RedisServer::start().await;
    let app = LegacyApp::start(form_app()).await;
    let (dead, unseen) = (logged_in_before(&app).await, logged_in_before(&app).await);
    let policy = server.table("5s") + &policy("2100-01-01T00:00:00Z");
    let mut gateway = Binary::serve(&app, &policy).await;
    let mut dead = dead.moved_to(gateway.address);
    let mut unseen = unseen.moved_to(gateway.address);
    let id = dead.jar.get("JSESSIONID").expect("it was logged in");
    assert_eq!(dead.fetch("/home").await.text(), "hello buyer");
    gateway.says("unknown ids are adopted").await;
    dead.open("/logout").await;

    assert_eq!(server.cli(&["FLUSHALL"]).await, "OK");
    let before = app.count();
    let request = dead.request("GET", "/home");
    let request = request.header("cookie", format!("JSESSIONID={id}"));
    assert_eq!(dead.send(request, "").await.refusal(), "session_unknown");
    assert_eq!(unseen.fetch("/home").await.refusal(), "session_unknown");
    assert_eq!(app.count(), before);
    let line = gateway.says("the store was emptied").await;
    assert_eq!(line["level"], "WARN");
    // Who logs in is served as ever.
    unseen.log_in("buyer").await;
    assert_eq!(unseen.fetch("/home").await.text(), "hello buyer");
}
