//! How a companion token travels: in cookies and headers, over TLS, past caches, and never to the app.

use serde_json::Value;

use crate::harness::answer::Answer;
use crate::harness::app::{LegacyApp, form_app};
use crate::harness::browser::{Browser, HOST, Page, script};
use crate::harness::gateway::Gateway;
use crate::harness::span;
use crate::harness::tls::Authority;

use super::{
    COOKIE, OVERLAP, gateway, held, is_over, is_refused, is_served, logged_in, number, policy, set,
    without_ends,
};

#[tokio::test]
async fn a_login_brings_a_token_that_the_app_never_sees() {
    let (app, gateway) = gateway(&policy()).await;
    let mut browser = gateway.browser();
    let page = browser
        .submit("/login", "username=buyer&password=buyer")
        .await;
    let cookies = page.set_cookies();
    let token = cookies.iter().find(|cookie| cookie.starts_with(COOKIE));
    let (value, attributes) = token.and_then(|token| token.split_once("; ")).unwrap();
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Lax");
    let value = value.split_once('=').unwrap().1;
    assert_eq!((number(value), value.len()), (2, 34));
    assert_eq!(page.header("cache-control"), "no-store");

    browser.jar.put(HOST, "other", "kept");
    is_served(&app, &mut browser, "/home").await;
    assert_eq!(
        app.last().header("cookie"),
        Some("JSESSIONID=S1; other=kept")
    );
}

#[tokio::test]
async fn what_the_app_says_of_the_token_reaches_no_client() {
    let plain = form_app();
    let app = LegacyApp::start(move |seen| match seen.path() {
        "/meddles" => Answer::page("done")
            .set_cookie("curfew-procurement=mine; Path=/")
            .set_cookie("Curfew-Procurement=mine; Path=/")
            .set_cookie("__Host-curfew-procurement=; Path=/; Max-Age=0; Secure")
            .set_cookie("theme=dark; Path=/")
            .header("x-session-token", "mine"),
        _ => plain(seen),
    })
    .await;
    let policy = format!("{}header = \"x-session-token\"\n", policy());
    let gateway = Gateway::with(&app, &policy).await;
    let mut browser = gateway.browser();
    browser.log_in("buyer").await;
    let before = browser.jar.get(COOKIE);
    let page = browser.fetch("/meddles").await;
    assert_eq!(page.set_cookies(), ["theme=dark; Path=/"]);
    assert_eq!(page.header("x-session-token"), "");
    assert_eq!(browser.jar.get(COOKIE), before);
    let label = ["what=\"withheld\""];
    assert_eq!(gateway.metric("curfew_tokens_total", &label).await, 1.0);
    is_served(&app, &mut browser, "/home").await;
}

#[tokio::test]
async fn garbage_beside_the_token_locks_nobody_out() {
    let (app, gateway, browser) = logged_in().await;
    let cookies = browser.jar.header(HOST, "/").expect("it logged in");
    let before = app.count();
    let with = format!("{COOKIE}=garbage; {cookies}");
    let page = browser
        .send(
            script(browser.request("GET", "/home")).header("cookie", with),
            "",
        )
        .await;
    assert_eq!((page.refusal(), app.count()), ("", before + 1));
    without_ends(&gateway);
}

/// A program that keeps the session's cookie and no other.
struct Program {
    browser: Browser,
    token: String,
}

impl Program {
    async fn asks(&mut self, method: &str, target: &str, body: &str) -> Page {
        let request = self
            .browser
            .request(method, target)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("x-session-token", &self.token);
        let page = self.browser.keep(target, request, body).await;
        let told = page.header("x-session-token");
        if !told.is_empty() {
            self.token = told.to_owned();
        }
        page
    }
}

#[tokio::test]
async fn a_program_has_the_token_in_a_header() {
    let policy = format!("{}header = \"x-session-token\"\n", policy());
    let (app, gateway) = gateway(&policy).await;
    let mut program = Program {
        browser: gateway.browser(),
        token: String::new(),
    };
    let page = program
        .asks("POST", "/login", "username=buyer&password=buyer")
        .await;
    assert_eq!((set(&page), number(&program.token)), (None, 2));
    let mut copy = Program {
        browser: program.browser.clone(),
        token: program.token.clone(),
    };
    assert_eq!(program.asks("GET", "/home", "").await.text(), "hello buyer");
    assert_eq!(app.last().header("x-session-token"), None);
    gateway.advance(span("10m"));
    let page = program.asks("GET", "/home", "").await;
    assert_eq!(
        (number(&program.token), page.header("cache-control")),
        (3, "no-store")
    );
    assert_eq!(program.asks("GET", "/home", "").await.refusal(), "");
    gateway.advance(span(OVERLAP));
    let page = copy.asks("GET", "/home", "").await;
    assert_eq!(page.refusal(), "session_token_reuse");
    let page = program.asks("GET", "/home", "").await;
    assert_eq!(page.refusal(), "session_token_reuse");
    gateway.events("alert", 1).await;
}

#[tokio::test]
async fn no_script_gets_by_the_header_what_the_cookie_hides() {
    let policy = format!("{}header = \"x-session-token\"\n", policy());
    let (_app, gateway, mut browser) = crate::policy::logged_in(&policy, "buyer").await;
    gateway.advance(span("10m"));
    let request = script(browser.request("GET", "/home")).header("x-session-token", "");
    let page = browser.keep("/home", request, "").await;
    assert_eq!(
        (page.header("x-session-token"), held(&browser)),
        ("", Some(3))
    );
}

#[tokio::test]
async fn over_tls_the_cookie_is_prefixed_and_secure() {
    let authority = Authority::new();
    let directory = tempfile::tempdir().expect("a test may write files");
    let files = authority.certify(HOST).write(directory.path());
    let (certificate, key) = (files.certificate, files.key);
    let listener = format!(
        "[[listeners]]\naddress = \"127.0.0.1:0\"\ntls = {{ certificate = {certificate:?}, key = {key:?} }}\n"
    );
    let (app, gateway) = gateway(&format!("{listener}{}", policy())).await;
    let mut browser = gateway.browser().trusting(&authority);
    let page = browser
        .submit("/login", "username=buyer&password=buyer")
        .await;
    let cookies = page.set_cookies();
    let token = cookies
        .iter()
        .find(|cookie| cookie.starts_with("__Host-curfew-procurement=2."));
    let token = token.unwrap_or_else(|| panic!("{cookies:?}"));
    assert!(
        token.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"),
        "{token}"
    );
    is_served(&app, &mut browser, "/home").await;
    assert_eq!(app.last().header("cookie"), Some("JSESSIONID=S1"));
    browser.jar.forget("__Host-curfew-procurement");
    is_over(&app, &mut browser, "/home", "session_token_missing").await;
}

#[tokio::test]
async fn behind_a_trusted_proxy_that_speaks_tls_it_is_prefixed_too() {
    let listener = "[[listeners]]\naddress = \"127.0.0.1:0\"\ntrusted_proxies = [\"127.0.0.1\"]\n";
    let (_app, gateway) = gateway(&format!("{listener}{}", policy())).await;
    for (proto, name) in [
        ("https", "__Host-curfew-procurement="),
        ("http", "curfew-procurement="),
    ] {
        let browser = gateway.browser();
        let request = browser
            .request("POST", "/login")
            .header("x-forwarded-proto", proto)
            .header("content-type", "application/x-www-form-urlencoded");
        let page = browser.send(request, "username=buyer&password=buyer").await;
        let cookies = page.set_cookies();
        let token = cookies.iter().find(|cookie| cookie.starts_with(name));
        let token = token.unwrap_or_else(|| panic!("{proto}: {cookies:?}"));
        assert_eq!(token.ends_with("; Secure"), proto == "https");
    }
}

#[tokio::test]
async fn no_value_comes_with_an_answer_that_others_may_keep() {
    let plain = form_app();
    let app = LegacyApp::start(move |seen| {
        let cached = |control: &str| Answer::page("asset").header("cache-control", control);
        match seen.path() {
            "/public" => cached("max-age=60, Public"),
            "/shared" => cached("s-maxage=60"),
            "/immutable" => cached("max-age=60,immutable"),
            "/cdn" => cached("private").header("cdn-cache-control", "max-age=60"),
            "/surrogate" => cached("private").header("surrogate-control", "max-age=60"),
            "/unchanged" => Answer::status(304).header("etag", "\"1\""),
            "/private" => cached("private, max-age=60"),
            _ => plain(seen),
        }
    })
    .await;
    let gateway = Gateway::with(&app, &policy()).await;
    let mut browser = gateway.browser();
    browser.log_in("buyer").await;
    gateway.advance(span("10m"));
    let shared = ["/public", "/shared", "/immutable", "/cdn", "/surrogate"];
    for target in shared.into_iter().chain(["/unchanged"]) {
        let page = browser.fetch(target).await;
        assert_eq!((page.refusal(), set(&page)), ("", None), "{target}");
        assert_ne!(page.header("cache-control"), "no-store", "{target}");
        // What was not brought is handed out again.
        gateway.advance(span(OVERLAP));
    }
    let page = browser.fetch("/private").await;
    assert_eq!(
        (held(&browser), page.header("cache-control")),
        (Some(3), "no-store")
    );
}

#[tokio::test]
async fn no_value_stands_in_any_record() {
    let (_app, gateway) = gateway(&policy()).await;
    let mut browser = gateway.browser();
    browser.log_in("buyer").await;
    let mut copy = browser.clone();
    let first = browser.jar.get(COOKIE).expect("it logged in");
    gateway.advance(span("10m"));
    browser.fetch("/home").await;
    browser.fetch("/home").await;
    let second = browser.jar.get(COOKIE).expect("it was renewed");
    gateway.advance(span(OVERLAP));
    is_refused(&mut copy, "session_token_reuse").await;
    gateway.events("alert", 1).await;
    let audit: Vec<String> = gateway.audit().iter().map(Value::to_string).collect();
    for text in [audit.join("\n"), gateway.metrics().await] {
        for value in [&first, &second] {
            let secret = value.split('.').next_back().expect("it has a dot");
            assert!(!text.contains(secret), "{text}");
        }
    }
}
