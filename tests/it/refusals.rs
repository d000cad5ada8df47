//! What a client is told whose session is over, in the form that it understands; and what `strip`
//! lets the app see instead.

use http::request::Builder;

use crate::harness::answer::Answer;
use crate::harness::app::{FORM_APP, LegacyApp, Sessions, form_app};
use crate::harness::browser::{Browser, Page, navigation, script};
use crate::harness::gateway::Gateway;
use crate::harness::span;
use crate::harness::websocket::Socket;

/// A buyer who was away for too long, and whose browser does not know it yet.
async fn stale(policy: &str) -> (LegacyApp, Gateway, Browser) {
    let app = LegacyApp::start(form_app()).await;
    let gateway = Gateway::with(&app, policy).await;
    let mut browser = gateway.browser();
    browser.log_in("buyer").await;
    gateway.advance(span("15m"));
    (app, gateway, browser)
}

const DEAD: &str = "JSESSIONID=S1";

fn with_the_dead_id(request: Builder) -> Builder {
    request.header("cookie", DEAD)
}

/// What every answer of the gateway's own has in common.
fn is_the_gateways_own(page: &Page, code: &str) {
    assert_eq!(
        page.header("curfew-verdict"),
        format!("refuse; code={code}")
    );
    assert_eq!(page.header("cache-control"), "no-store");
    assert!(!page.header("x-request-id").is_empty());
}

/// The one Set-Cookie that takes the dead id away, where the app had put it.
fn expires_the_cookie(page: &Page) {
    let cookies = page.set_cookies();
    assert_eq!(cookies.len(), 1, "{cookies:?}");
    assert!(
        cookies[0].starts_with("JSESSIONID=; Path=/; "),
        "{}",
        cookies[0]
    );
    assert!(cookies[0].contains("Max-Age=0"), "{}", cookies[0]);
}

#[tokio::test]
async fn a_page_is_sent_to_the_login_page_with_the_reason() {
    let (app, _gateway, mut browser) = stale(FORM_APP).await;
    let before = app.count();
    let page = browser.open("/orders?page=2").await;
    assert_eq!(page.status, 303);
    assert_eq!(
        page.header("location"),
        "/login?curfew_reason=session_idle_timeout"
    );
    is_the_gateways_own(&page, "session_idle_timeout");
    expires_the_cookie(&page);
    assert_eq!(app.count(), before);

    let page = browser.follow(page).await;
    assert_eq!(page.text(), "<form>");
    assert_eq!(app.last().all("cookie"), Vec::<&str>::new());
    // Who merely is not signed in needs no reason.
    let page = browser.open("/orders").await;
    assert_eq!(page.header("location"), "/login");
    assert_eq!(page.set_cookies(), Vec::<&str>::new());
}

#[tokio::test]
async fn a_form_that_was_sent_too_late_is_answered_with_a_page_that_says_so() {
    let (app, _gateway, mut browser) = stale(FORM_APP).await;
    let before = app.count();
    let page = browser.submit("/orders", "item=chair&count=2").await;
    assert_eq!(page.status, 401);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.text().contains("did not reach the application"));
    assert!(
        page.text()
            .contains("/login?curfew_reason=session_idle_timeout")
    );
    is_the_gateways_own(&page, "session_idle_timeout");
    expires_the_cookie(&page);
    assert_eq!(app.count(), before);
}

#[tokio::test]
async fn a_page_of_an_app_without_a_login_page_is_the_gateways_own() {
    let policy = FORM_APP.replace("page = \"/login\"\n", "");
    let (_app, _gateway, mut browser) = stale(&policy).await;
    let page = browser.open("/orders").await;
    assert_eq!(page.status, 401);
    assert!(page.text().contains("away for too long"));
    is_the_gateways_own(&page, "session_idle_timeout");
    expires_the_cookie(&page);
}

#[tokio::test]
async fn a_script_gets_a_problem_document() {
    let (app, _gateway, browser) = stale(FORM_APP).await;
    let before = app.count();
    let ajax = |request: Builder| {
        request
            .header("accept", "text/html")
            .header("x-requested-with", "XMLHttpRequest")
    };
    for request in [
        script(browser.request("GET", "/api/orders")),
        script(browser.request("DELETE", "/api/orders/1")),
        ajax(browser.request("GET", "/api/orders")),
        // An image of a page is no page.
        browser
            .request("GET", "/chart.png")
            .header("sec-fetch-mode", "no-cors")
            .header("sec-fetch-dest", "image"),
        // A program says nothing of itself.
        browser
            .request("GET", "/api/orders")
            .header("accept", "application/json"),
        browser.request("PUT", "/api/orders"),
    ] {
        let page = browser.send(with_the_dead_id(request), "").await;
        assert_eq!(page.status, 401);
        assert_eq!(page.header("content-type"), "application/problem+json");
        let problem = page.json();
        assert_eq!(problem["code"], "session_idle_timeout");
        assert_eq!(problem["status"], 401);
        assert_eq!(problem["type"], "urn:curfew:session_idle_timeout");
        assert_eq!(problem["login"], "/login");
        is_the_gateways_own(&page, "session_idle_timeout");
        expires_the_cookie(&page);
    }
    assert_eq!(app.count(), before);
}

#[tokio::test]
async fn no_401_makes_a_browser_ask_for_a_password() {
    let (_app, _gateway, browser) = stale(FORM_APP).await;
    for request in [
        script(browser.request("GET", "/api/orders")),
        navigation(browser.request("POST", "/orders")),
    ] {
        let page = browser.send(with_the_dead_id(request), "").await;
        assert_eq!(page.status, 401);
        let challenge = page.header("www-authenticate");
        assert_eq!(challenge, "Curfew error=\"session_idle_timeout\"");
    }
}

#[tokio::test]
async fn a_websocket_is_refused_with_401() {
    let (app, gateway, browser) = stale(FORM_APP).await;
    let before = app.count();
    let refused = Socket::open(&browser, gateway.address, "/ws").await;
    assert_eq!(refused.err(), Some(401));
    assert_eq!(app.count(), before);
}

#[tokio::test]
async fn a_refusal_expires_every_cookie_where_the_app_had_put_it() {
    let sessions = Sessions::default();
    let app = LegacyApp::start(move |seen| match seen.path() {
        "/shop/login" => {
            let id = sessions.create(Some("buyer"));
            Answer::redirect("/shop/")
                .set_cookie(&format!("SID={id}; Path=/shop; Domain=.example.com"))
                .set_cookie(&format!("SID.sig=of-{id}"))
                .set_cookie("remember=1; Path=/shop/account")
                .set_cookie("XSRF-TOKEN=2; Path=/")
        }
        _ => Answer::page("content"),
    })
    .await;
    let policy = r#"
        [[apps]]
        name = "shop"
        [apps.session]
        id = "cookie:SID"
        group = ["SID.sig"]
        auth_cookies = ["remember"]
        [[apps.session.expire_at]]
        path = "/old"
        domain = "shop.example.com"
        [[apps.logins]]
        path = "/shop/login"
        user = "form:username"
        success = { status = [302], new_session = true }
        "#;
    let gateway = Gateway::with(&app, policy).await;
    let mut browser = gateway.browser();
    browser.submit("/shop/login", "username=buyer").await;
    gateway.advance(span("15m"));
    let refused = browser.fetch("/shop/orders").await;
    assert_eq!(refused.refusal(), "session_idle_timeout");

    let mut places: Vec<String> = refused
        .set_cookies()
        .iter()
        .map(|cookie| {
            let (place, rest) = cookie.split_once("; Max-Age=0").expect("it expires");
            assert!(!rest.contains("Secure"), "plain HTTP takes no such cookie");
            place.to_owned()
        })
        .collect();
    places.sort();
    assert_eq!(
        places,
        [
            "SID.sig=; Path=/old; Domain=shop.example.com",
            "SID.sig=; Path=/shop",
            "SID=; Path=/old; Domain=shop.example.com",
            "SID=; Path=/shop; Domain=example.com",
            "remember=; Path=/old; Domain=shop.example.com",
            "remember=; Path=/shop/account",
        ]
    );
    assert_eq!(browser.jar.get("SID"), None);
    assert_eq!(browser.jar.get("XSRF-TOKEN").as_deref(), Some("2"));
}

#[tokio::test]
async fn the_administrators_own_answers_keep_the_marks_of_the_gateway() {
    let policy = format!(
        r#"{FORM_APP}
        [apps.refusal.navigation]
        status = 440
        headers = {{ "Content-Type" = "text/plain" }}
        body = "{{code}}: {{detail}}"
        [apps.refusal.script]
        status = 200
        body = ""
        "#
    );
    let (_app, _gateway, browser) = stale(&policy).await;
    let page = navigation(browser.request("GET", "/orders"));
    let page = browser.send(with_the_dead_id(page), "").await;
    assert_eq!(page.status.as_u16(), 440);
    assert_eq!(page.header("content-type"), "text/plain");
    assert!(
        page.text()
            .starts_with("session_idle_timeout: Your session ended")
    );
    is_the_gateways_own(&page, "session_idle_timeout");
    expires_the_cookie(&page);
    let page = script(browser.request("GET", "/orders"));
    let page = browser.send(with_the_dead_id(page), "").await;
    assert_eq!(page.status, 200);
    is_the_gateways_own(&page, "session_idle_timeout");
}

/// An app whose stale requests are stripped, with every carrier and companion there is.
const STRIPPING: &str = r#"
[[apps]]
name = "procurement"
on_stale = "strip"

[apps.session]
id = "cookie:JSESSIONID"
also = ["path:jsessionid", "query:sid", "header:X-Auth-Token"]
group = ["SIG"]
auth_cookies = ["remember"]

[[apps.logins]]
path = "/login"
page = "/login"
user = "form:username"
success = { status = [302], new_session = true }
"#;

#[tokio::test]
async fn strip_takes_out_the_session_and_leaves_every_other_byte() {
    let (app, _gateway, browser) = stale(STRIPPING).await;
    for (target, cookies, came_to, came_with) in [
        ("/home", "JSESSIONID=S1", "/home", None),
        (
            "/home",
            "a=1; JSESSIONID=S1; b=2",
            "/home",
            Some("a=1; b=2"),
        ),
        ("/home", "a=1;JSESSIONID=S1;b=2", "/home", Some("a=1;b=2")),
        (
            "/home",
            "a=\"x y\"; b==; JSESSIONID=S1",
            "/home",
            Some("a=\"x y\"; b=="),
        ),
        ("/home", "SIG=x; a=1; remember=y", "/home", Some("a=1")),
        (
            "/home",
            "JSESSIONIDX=1; XJSESSIONID=2; JSESSIONID=S1",
            "/home",
            Some("JSESSIONIDX=1; XJSESSIONID=2"),
        ),
        ("/home;jsessionid=S1", "a=1", "/home", Some("a=1")),
        (
            "/a;v=1;jsessionid=S1;w=2/b",
            "a=1",
            "/a;v=1;w=2/b",
            Some("a=1"),
        ),
        (
            "/home?q=%20a+b&sid=S1&&c",
            "a=1",
            "/home?q=%20a+b&&c",
            Some("a=1"),
        ),
        ("/home?sid=S1", "a=1", "/home", Some("a=1")),
        (
            "/%68ome;jsessionid=S1?x=%2F",
            "a=1",
            "/%68ome?x=%2F",
            Some("a=1"),
        ),
    ] {
        let request = script(browser.request("GET", target))
            .header("cookie", cookies)
            .header("x-auth-token", "S1");
        let page = browser.send(request, "").await;
        assert_eq!(page.text(), "hello stranger", "{target} {cookies}");
        let seen = app.last();
        assert_eq!(seen.target, came_to, "{target}");
        assert_eq!(seen.header("cookie"), came_with, "{cookies}");
        assert_eq!(seen.header("x-auth-token"), None);
    }
}

#[tokio::test]
async fn strip_refuses_what_could_change_something() {
    let (app, gateway, browser) = stale(STRIPPING).await;
    let before = app.count();
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let request = with_the_dead_id(script(browser.request(method, "/orders")));
        let page = browser.send(request, "item=chair").await;
        assert_eq!(page.refusal(), "session_idle_timeout", "{method}");
    }
    let refused = Socket::open(&browser, gateway.address, "/ws").await;
    assert_eq!(refused.err(), Some(401));
    assert_eq!(app.count(), before);
}

#[tokio::test]
async fn a_stripped_page_takes_the_dead_cookie_away_and_a_stripped_script_does_not() {
    let (_app, _gateway, browser) = stale(STRIPPING).await;
    let request = script(browser.request("GET", "/home"));
    let page = browser.send(with_the_dead_id(request), "").await;
    assert_eq!(page.set_cookies(), Vec::<&str>::new());
    let request = navigation(browser.request("GET", "/home"));
    let page = browser.send(with_the_dead_id(request), "").await;
    let gone = page.set_cookies();
    assert!(
        gone.iter()
            .any(|cookie| cookie.starts_with("JSESSIONID=; Path=/; Max-Age=0")),
        "{gone:?}"
    );
}

#[tokio::test]
async fn a_stripped_page_keeps_the_fresh_cookie_that_the_app_sets() {
    let plain = form_app();
    let app = LegacyApp::start(move |seen| match seen.path() {
        "/home" => Answer::page("hello stranger").set_cookie("JSESSIONID=fresh; Path=/; HttpOnly"),
        _ => plain(seen),
    })
    .await;
    let gateway = Gateway::with(&app, STRIPPING).await;
    let mut browser = gateway.browser();
    browser.log_in("buyer").await;
    gateway.advance(span("15m"));
    browser.open("/home").await;
    assert_eq!(browser.jar.get("JSESSIONID").as_deref(), Some("fresh"));
}

#[tokio::test]
async fn a_dead_id_does_not_keep_anybody_from_what_is_public() {
    let policy = format!("{FORM_APP}\n[[apps.routes]]\npath = \"/public\"\naccess = \"public\"\n");
    let (app, _gateway, browser) = stale(&policy).await;
    for method in ["GET", "POST"] {
        let request = with_the_dead_id(navigation(browser.request(method, "/public")));
        let page = browser.send(request, "").await;
        assert_eq!(page.text(), "hello stranger", "{method}");
        assert_eq!(app.last().all("cookie"), Vec::<&str>::new());
    }
}
