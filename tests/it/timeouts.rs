//! The idle and the absolute timeout, per role, as users and the audit see them.

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::app::{FORM_APP, LegacyApp, form_app};
use crate::harness::browser::{Browser, HOST};
use crate::harness::gateway::Gateway;
use crate::harness::raw;
use crate::harness::{soon, span};

async fn logged_in(policy: &str, user: &str) -> (LegacyApp, Gateway, Browser) {
    let app = LegacyApp::start(form_app()).await;
    let gateway = Gateway::with(&app, policy).await;
    let mut browser = gateway.browser();
    browser.log_in(user).await;
    (app, gateway, browser)
}

/// A request is served, and the app saw who sent it.
async fn is_served(app: &LegacyApp, browser: &mut Browser, target: &str) {
    let before = app.count();
    let page = browser.fetch(target).await;
    assert_eq!(page.refusal(), "", "{target} is refused");
    assert!(
        page.text().starts_with("hello "),
        "{target}: {}",
        page.text()
    );
    assert_eq!(app.count(), before + 1);
}

/// A request is refused for this reason, and the app saw nothing of it.
async fn is_over(app: &LegacyApp, browser: &mut Browser, target: &str, reason: &str) {
    let before = app.count();
    let page = browser.fetch(target).await;
    assert_eq!(page.refusal(), reason);
    assert_eq!(app.count(), before, "a stale request reached the app");
}

#[tokio::test]
async fn the_idle_timeout_of_each_role_ends_a_session_at_its_very_instant() {
    for (user, just_before) in [("buyer", "14m 59s 999ms"), ("approver", "4m 59s 999ms")] {
        let (app, gateway, mut browser) = logged_in(FORM_APP, user).await;
        // Activity starts it anew, each time.
        for _ in 0..3 {
            gateway.advance(span(just_before));
            is_served(&app, &mut browser, "/home").await;
        }
        gateway.advance(span(just_before));
        gateway.advance(span("1ms"));
        is_over(&app, &mut browser, "/home", "session_idle_timeout").await;
        let ends = gateway.events("end", 1).await;
        let limit = span(just_before).as_millis() as u64 + 1;
        assert_eq!(ends[0]["idle_ms"], limit);
        assert_eq!(ends[0]["idle_timeout"]["after_ms"], limit);
        assert_eq!(ends[0]["idle_timeout"]["rule"], format!("role {user}"));
    }
}

#[tokio::test]
async fn long_after_the_idle_timeout_a_session_is_over_all_the_same() {
    let (app, gateway, mut browser) = logged_in(FORM_APP, "buyer").await;
    gateway.advance(span("7h"));
    is_over(&app, &mut browser, "/home", "session_idle_timeout").await;
}

#[tokio::test]
async fn the_absolute_timeout_ends_a_session_that_is_active_all_the_time() {
    for (user, step, limit) in [("buyer", "10m", "8h"), ("approver", "4m", "4h")] {
        let (app, gateway, mut browser) = logged_in(FORM_APP, user).await;
        let steps = span(limit).as_secs() / span(step).as_secs();
        for _ in 1..steps {
            gateway.advance(span(step));
            is_served(&app, &mut browser, "/home").await;
        }
        gateway.advance(span(step) - span("1ms"));
        is_served(&app, &mut browser, "/home").await;
        gateway.advance(span("1ms"));
        is_over(&app, &mut browser, "/home", "session_absolute_timeout").await;
        let ends = gateway.events("end", 1).await;
        assert_eq!(ends[0]["age_ms"], span(limit).as_millis() as u64);
        assert_eq!(ends[0]["absolute_timeout"]["rule"], format!("role {user}"));
    }
}

#[tokio::test]
async fn a_rotation_of_the_id_restarts_no_clock() {
    let (app, gateway, mut browser) = logged_in(FORM_APP, "buyer").await;
    for _ in 1..48 {
        gateway.advance(span("10m"));
        assert_eq!(browser.open("/rotate").await.text(), "rotated");
    }
    gateway.advance(span("10m") - span("1ms"));
    is_served(&app, &mut browser, "/home").await;
    gateway.advance(span("1ms"));
    is_over(&app, &mut browser, "/home", "session_absolute_timeout").await;
}

#[tokio::test]
async fn another_login_restarts_both_clocks() {
    let (app, gateway, mut browser) = logged_in(FORM_APP, "buyer").await;
    for _ in 0..3 {
        for _ in 0..42 {
            gateway.advance(span("10m"));
            is_served(&app, &mut browser, "/home").await;
        }
        browser.log_in("buyer").await;
    }
    let ends = gateway.events("end", 3).await;
    assert!(
        ends.iter().all(|end| end["reason"] == "reauthenticated"),
        "{ends:?}"
    );
}

/// Polls for longer than the idle timeout, then finds the session over, to the millisecond.
async fn never_extends(route: &str, poll: impl AsyncFn(&mut Browser)) {
    let policy = format!("{FORM_APP}\n[[apps.routes]]\nactivity = \"passive\"\n{route}\n");
    let (app, gateway, mut browser) = logged_in(&policy, "buyer").await;
    gateway.advance(span("5m"));
    is_served(&app, &mut browser, "/home").await;
    for second in 0..89 {
        gateway.advance(span("10s"));
        let before = app.count();
        poll(&mut browser).await;
        assert_eq!(app.count(), before + 1, "poll {second} was not served");
    }
    gateway.advance(span("9s 999ms"));
    poll(&mut browser).await;
    let before = app.count();
    gateway.advance(span("1ms"));
    poll(&mut browser).await;
    assert_eq!(app.count(), before, "polling kept the session alive");
    let ends = gateway.events("end", 1).await;
    assert_eq!(ends[0]["reason"], "idle_timeout");
    assert_eq!(ends[0]["idle_ms"], 900_000);
}

#[tokio::test]
async fn polling_a_passive_path_never_extends() {
    never_extends("path = \"/api/*/poll\"", async |browser| {
        browser.fetch("/api/orders/poll").await;
    })
    .await;
}

#[tokio::test]
async fn polling_with_a_passive_query_never_extends() {
    let route = "path = \"/index.php\"\nquery = { do = \"poll\" }";
    never_extends(route, async |browser| {
        browser.fetch("/index.php?x=1&do=poll").await;
    })
    .await;
}

#[tokio::test]
async fn polling_with_a_passive_method_never_extends() {
    let route = "path = \"/**\"\nmethods = [\"HEAD\"]";
    never_extends(route, async |browser| {
        browser.ask("HEAD", "/home", "").await;
    })
    .await;
}

#[tokio::test]
async fn polling_with_a_passive_header_never_extends() {
    let route = "path = \"/**\"\nheaders = { X-Background = \"*\" }";
    never_extends(route, async |browser| {
        let request = browser.request("GET", "/home").header("x-background", "1");
        browser.keep("/home", request, "").await;
    })
    .await;
}

#[tokio::test]
async fn polling_by_what_the_browser_says_of_its_purpose_never_extends() {
    let route = "path = \"/**\"\nheaders = { Sec-Fetch-Dest = \"image\" }";
    never_extends(route, async |browser| {
        let request = browser
            .request("GET", "/pixel")
            .header("sec-fetch-dest", "image");
        browser.keep("/pixel", request, "").await;
    })
    .await;
}

#[tokio::test]
async fn a_passive_path_in_disguise_never_extends_and_an_active_one_is_not_made_passive() {
    let policy = format!("{FORM_APP}\n[[apps.routes]]\npath = \"/poll\"\nactivity = \"passive\"\n");
    for disguise in ["/%70oll", "/./poll", "/x/../poll", "/poll;x=1"] {
        let (app, gateway, mut browser) = logged_in(&policy, "buyer").await;
        gateway.advance(span("10m"));
        is_served(&app, &mut browser, disguise).await;
        gateway.advance(span("5m"));
        is_over(&app, &mut browser, "/home", "session_idle_timeout").await;
    }
    // The first route that matches wins, and a longer path is another one.
    let (app, gateway, mut browser) = logged_in(&policy, "buyer").await;
    gateway.advance(span("10m"));
    is_served(&app, &mut browser, "/poll/now").await;
    gateway.advance(span("14m 59s 999ms"));
    is_served(&app, &mut browser, "/home").await;
}

#[tokio::test]
async fn a_user_of_several_roles_has_the_strictest_of_each_limit() {
    let policy = format!(
        r#"
        [roles.night]
        idle = "10m"
        absolute = "12h"
        users = ["porter"]
        [roles.day]
        idle = "30m"
        absolute = "1h"
        users = ["porter"]
        [roles.guest]
        idle = "1m"
        absolute = "1m"
        {FORM_APP}"#
    );
    let (app, gateway, mut browser) = logged_in(&policy, "porter").await;
    for _ in 0..6 {
        gateway.advance(span("9m 59s 999ms"));
        is_served(&app, &mut browser, "/home").await;
    }
    gateway.advance(span("6ms"));
    is_over(&app, &mut browser, "/home", "session_absolute_timeout").await;

    browser.log_in("porter").await;
    gateway.advance(span("10m"));
    is_over(&app, &mut browser, "/home", "session_idle_timeout").await;
    let ends = gateway.events("end", 2).await;
    assert_eq!(ends[1]["roles"], serde_json::json!(["night", "day"]));
    assert_eq!(ends[1]["idle_timeout"]["rule"], "role night");
    assert_eq!(ends[1]["absolute_timeout"]["rule"], "role day");
}

#[tokio::test]
async fn a_user_that_no_role_knows_has_the_strictest_of_all_limits() {
    let (app, gateway, mut browser) = logged_in(FORM_APP, "somebody").await;
    gateway.advance(span("4m 59s 999ms"));
    is_served(&app, &mut browser, "/home").await;
    gateway.advance(span("5m"));
    is_over(&app, &mut browser, "/home", "session_idle_timeout").await;
    let ends = gateway.events("end", 1).await;
    assert_eq!(ends[0]["user"], "somebody");
    assert_eq!(ends[0]["roles"], serde_json::json!([]));
    assert_eq!(
        ends[0]["idle_timeout"]["rule"],
        "strictest of all roles (approver)"
    );
}

#[tokio::test]
async fn an_app_and_the_ceiling_bound_every_role() {
    let bounded = FORM_APP.replace("[apps.session]", "idle = \"2m\"\n[apps.session]");
    let policy = format!("[ceiling]\nabsolute = \"6m\"\n{bounded}");
    let (app, gateway, mut browser) = logged_in(&policy, "buyer").await;
    for _ in 0..3 {
        gateway.advance(span("1m 59s 999ms"));
        is_served(&app, &mut browser, "/home").await;
    }
    gateway.advance(span("3ms"));
    is_over(&app, &mut browser, "/home", "session_absolute_timeout").await;
    browser.log_in("buyer").await;
    gateway.advance(span("2m"));
    is_over(&app, &mut browser, "/home", "session_idle_timeout").await;
    let ends = gateway.events("end", 2).await;
    assert_eq!(ends[0]["absolute_timeout"]["rule"], "ceiling");
    assert_eq!(ends[1]["idle_timeout"]["rule"], "app");
}

#[tokio::test]
async fn an_id_without_a_login_has_limits_of_its_own_and_leaves_no_record() {
    let plain = form_app();
    let app = LegacyApp::start(move |seen| match (seen.path(), seen.cookie("JSESSIONID")) {
        ("/cart", None) => plain(seen).set_cookie("JSESSIONID=visitor; Path=/"),
        _ => plain(seen),
    })
    .await;
    let policy = format!(
        r#"
        [anonymous]
        idle = "3m"
        absolute = "10m"
        {FORM_APP}
        [[apps.routes]]
        path = "/cart"
        access = "session"
        on_stale = "strip"
        "#
    );
    let gateway = Gateway::with(&app, &policy).await;
    let mut browser = gateway.browser();
    let came_as = |cookie: Option<&str>| assert_eq!(app.last().cookie("JSESSIONID"), cookie);

    browser.open("/cart").await;
    came_as(None);
    for _ in 0..3 {
        gateway.advance(span("2m 59s 999ms"));
        browser.open("/cart").await;
        came_as(Some("visitor"));
    }
    gateway.advance(span("1m 3ms"));
    browser.open("/cart").await;
    came_as(None);

    // The app says the same id again, but a dead one stays dead.
    let mut again = gateway.browser();
    again.jar.put(HOST, "JSESSIONID", "visitor");
    again.open("/cart").await;
    came_as(None);
    assert_eq!(gateway.audit(), Vec::<Value>::new());
}

#[tokio::test]
async fn a_connection_that_is_kept_open_is_judged_at_each_request() {
    let (app, gateway, _browser) = logged_in(FORM_APP, "buyer").await;
    let mut stream = TcpStream::connect(gateway.address)
        .await
        .expect("it listens");
    let request = format!("GET /home HTTP/1.1\r\nHost: {HOST}\r\nCookie: JSESSIONID=S1\r\n\r\n");
    let mut statuses = Vec::new();
    for wait in ["14m", "14m", "15m"] {
        gateway.advance(span(wait));
        stream
            .write_all(request.as_bytes())
            .await
            .expect("it is open");
        let mut start = [0; 4096];
        let read = soon("an answer", stream.read(&mut start)).await;
        let answer = String::from_utf8_lossy(&start[..read.expect("it answers")]).into_owned();
        statuses.push(raw::status(&answer));
    }
    assert_eq!(statuses, [200, 200, 401]);
    assert_eq!(app.reached("/home"), 2);
}

#[tokio::test]
async fn an_end_that_many_requests_see_at_once_is_logged_and_counted_once() {
    let (app, gateway, browser) = logged_in(FORM_APP, "buyer").await;
    gateway.advance(span("15m"));
    let before = app.count();
    let cookies = browser.jar.header(HOST, "/").expect("a cookie");
    let mut requests = Vec::new();
    for _ in 0..20 {
        let browser = gateway.browser();
        let request = browser.request("GET", "/home").header("cookie", &cookies);
        requests.push(tokio::spawn(async move { browser.send(request, "").await }));
    }
    gateway.sweep();
    for request in requests {
        let page = request.await.expect("it was answered");
        assert_eq!(page.refusal(), "session_idle_timeout");
    }
    assert_eq!(app.count(), before);
    gateway.events("refusal", 20).await;
    let ends = gateway.events("end", 1).await;
    assert_eq!(ends.len(), 1, "{ends:?}");
    let labels = ["role=\"buyer\"", "reason=\"idle_timeout\""];
    assert_eq!(
        gateway.metric("curfew_sessions_ended_total", &labels).await,
        1.0
    );
}

#[tokio::test]
async fn an_end_is_logged_and_counted_also_when_nobody_comes_back() {
    let (_app, gateway, mut browser) = logged_in(FORM_APP, "buyer").await;
    gateway.advance(span("14m 59s 999ms"));
    gateway.sweep();
    browser.fetch("/home").await;
    gateway.advance(span("15m"));
    gateway.sweep();
    let ends = gateway.events("end", 1).await;
    assert_eq!(ends.len(), 1);
    assert_eq!(ends[0]["reason"], "idle_timeout");
    assert_eq!(ends[0]["user"], "buyer");
    assert_eq!(ends[0]["client"], Value::Null);

    // Who comes back after all finds it so, and it is not logged again.
    let refused = browser.fetch("/home").await;
    assert_eq!(refused.refusal(), "session_idle_timeout");
    gateway.events("refusal", 1).await;
    assert_eq!(gateway.events("end", 1).await.len(), 1);
    let labels = ["reason=\"idle_timeout\""];
    assert_eq!(
        gateway.metric("curfew_sessions_ended_total", &labels).await,
        1.0
    );
}
