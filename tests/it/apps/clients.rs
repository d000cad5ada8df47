//! What front ends and apps expect of what stands between them.

use crate::harness::answer::{Answer, Gate};
use crate::harness::app::{FORM_APP, LegacyApp, form_app};
use crate::harness::browser::{HOST, script};
use crate::harness::gateway::Gateway;
use crate::harness::{eventually, span};

#[tokio::test]
async fn a_front_end_understands_only_its_own_kind_of_401() {
    let app = LegacyApp::start(form_app()).await;
    let policy = format!(
        r#"{FORM_APP}
        [apps.refusal.script]
        status = 401
        headers = {{ "Content-Type" = "application/json", "X-Session" = "over" }}
        body = '{{"error": {{"name": "SessionExpired", "cause": "{{code}}"}}}}'
        "#
    );
    let gateway = Gateway::with(&app, &policy).await;
    let mut browser = gateway.browser();
    browser.log_in("buyer").await;
    gateway.advance(span("15m"));
    let refused = browser.fetch("/api/orders").await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("content-type"), "application/json");
    assert_eq!(refused.header("x-session"), "over");
    assert_eq!(refused.header("cache-control"), "no-store");
    assert_eq!(refused.json()["error"]["cause"], "session_idle_timeout");
    assert_eq!(browser.jar.get("JSESSIONID"), None);
    let page = browser.open("/orders").await;
    assert_eq!(page.status, 303, "a page is refused as ever");
}

#[tokio::test]
async fn host_passes_unchanged() {
    let app = LegacyApp::start(|_| Answer::page("")).await;
    let policy = "[[apps]]\nname = \"app\"\naccess = \"public\"\nsession = { id = \"cookie:S\" }\n";
    let gateway = Gateway::with(&app, policy).await;
    let browser = gateway.browser();
    for host in [HOST, "Procure.Example.com:8443", "127.0.0.1"] {
        let request = http::Request::get("/").header("host", host);
        browser.send(request, "").await;
        assert_eq!(app.last().header("host"), Some(host));
    }
    gateway.reload(&policy.replace("access =", "host_header = \"app.internal\"\naccess ="));
    browser.get("/").await;
    assert_eq!(app.last().header("host"), Some("app.internal"));
}

#[tokio::test]
async fn a_late_refusal_does_not_delete_the_fresh_cookie() {
    let app = LegacyApp::start(form_app()).await;
    let gateway = Gateway::with(&app, FORM_APP).await;
    let mut browser = gateway.browser();
    browser.log_in("buyer").await;
    let old = browser.jar.header(HOST, "/").expect("a cookie");
    gateway.advance(span("15m"));
    browser.log_in("buyer").await;

    // A script of a page that is still open sent the old cookie before the login, and its answer
    // comes after it.
    let late = script(browser.request("GET", "/api/poll")).header("cookie", old);
    let refused = browser.send(late, "").await;
    assert_eq!(refused.refusal(), "session_idle_timeout");
    assert_eq!(refused.set_cookies(), Vec::<&str>::new());
    browser.jar.take(HOST, "/api/poll", &refused.headers);
    assert_eq!(browser.fetch("/home").await.text(), "hello buyer");
}

#[tokio::test]
async fn a_late_answer_to_a_replaced_id_does_not_delete_the_fresh_cookie() {
    let gate = Gate::closed();
    let plain = form_app();
    let app = LegacyApp::start({
        let gate = gate.clone();
        move |seen| match seen.path() {
            // Seen before the rotation, answered after it, as if the session had been lost.
            "/slow" => Answer::redirect("/login")
                .set_cookie("JSESSIONID=; Path=/; Max-Age=0")
                .held_by(&gate),
            _ => plain(seen),
        }
    })
    .await;
    let gateway = Gateway::with(&app, FORM_APP).await;
    let mut browser = gateway.browser();
    browser.log_in("buyer").await;
    let old = browser.jar.header(HOST, "/").expect("a cookie");
    let slow = script(browser.request("GET", "/slow")).header("cookie", &old);
    let other = gateway.browser();
    let slow = tokio::spawn(async move { other.send(slow, "").await });
    eventually("the slow request reaches the app", async || {
        (app.reached("/slow") == 1).then_some(())
    })
    .await;
    browser.open("/rotate").await;

    let late = script(browser.request("GET", "/home")).header("cookie", &old);
    let refused = browser.send(late, "").await;
    assert_eq!(refused.refusal(), "session_superseded");
    assert_eq!(refused.set_cookies(), Vec::<&str>::new());
    assert_eq!(browser.fetch("/home").await.text(), "hello buyer");

    // The app said by itself that the session is over, so it is, also under its new id.
    gate.open();
    slow.await.expect("it was answered");
    let refused = browser.fetch("/home").await;
    assert_eq!(refused.refusal(), "session_logout");
}
