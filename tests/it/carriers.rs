//! Every way in which an id can travel is gated, however it is written. Judged by what reached the
//! app: nothing that needs a session, and nowhere the dead id.

use http::request::Builder;

use crate::harness::answer::Answer;
use crate::harness::app::{LegacyApp, Seen, Sessions};
use crate::harness::browser::{Browser, HOST, script};
use crate::harness::gateway::Gateway;
use crate::harness::raw;
use crate::harness::span;

const POLICY: &str = r#"
[[apps]]
name = "app"

[apps.session]
id = "cookie:JSESSIONID"
also = ["path:jsessionid", "query:sid", "authorization:Session", "header:X-Auth-Token"]
auth_cookies = ["remember-me"]

[[apps.logins]]
path = "/login"
page = "/login"
user = "form:username"
success = { status = [302], new_session = true }

[[apps.routes]]
path = "/public/**"
access = "public"
"#;

/// Ids are `S1`, `S2`, …; each login also sets a remember-me cookie of its own.
fn behaviour() -> impl Fn(&Seen) -> Answer + Send + Sync {
    let sessions = Sessions::default();
    move |seen| match seen.path() {
        "/login" => {
            let id = sessions.create(seen.form("username").as_deref());
            Answer::redirect("/home")
                .set_cookie(&format!("JSESSIONID={id}; Path=/"))
                .set_cookie(&format!("remember-me=ticket-of-{id}; Path=/"))
        }
        _ => Answer::page("content"),
    }
}

/// `S1` has ended, `S2` is alive.
async fn one_dead_and_one_alive() -> (LegacyApp, Gateway, Browser) {
    let app = LegacyApp::start(behaviour()).await;
    let gateway = Gateway::with(&app, POLICY).await;
    let (mut dead, mut alive) = (gateway.browser(), gateway.browser());
    dead.log_in("buyer").await;
    gateway.advance(span("15m"));
    alive.log_in("buyer").await;
    (app, gateway, alive)
}

/// A request: its target below `/home` or `/public`, and its headers.
type Smuggled = (&'static str, &'static [(&'static str, &'static str)]);

/// The dead `S1`, beside the living `S2` or alone.
const DEAD: [Smuggled; 27] = [
    ("", &[("cookie", "JSESSIONID=S1")]),
    ("", &[("cookie", "JSESSIONID=S2; JSESSIONID=S1")]),
    ("", &[("cookie", "JSESSIONID=S1; JSESSIONID=S2")]),
    (
        "",
        &[("cookie", "JSESSIONID=S2"), ("cookie", "JSESSIONID=S1")],
    ),
    ("", &[("cookie", "a=1"), ("cookie", "b=2;JSESSIONID=S1")]),
    ("", &[("cookie", "JSESSIONID=\"S1\"")]),
    ("", &[("cookie", "JSESSIONID = S1")]),
    ("", &[("cookie", "JSESSIONID=S2; jsessionid=S1")]),
    ("", &[("cookie", "JSESSIONID=S2; $JSESSIONID=S1")]),
    ("", &[("cookie", "JSESSIONID=S2, JSESSIONID=S1")]),
    (";jsessionid=S1", &[]),
    (";jsessionid=S1", &[("cookie", "JSESSIONID=S2")]),
    (";jsessionid=S2;jsessionid=S1", &[]),
    (";a=b;jsessionid=S1", &[]),
    (";JSESSIONID=S1", &[]),
    (";jsessionid=S1/list", &[]),
    (";jsession%69d=S1", &[]),
    (";jsessionid=%531", &[]),
    ("?sid=S1", &[]),
    ("?a=1&sid=S1", &[("cookie", "JSESSIONID=S2")]),
    ("?sid=S2&sid=S1", &[]),
    ("?s%69d=S1", &[]),
    ("?a=1;sid=S1", &[]),
    ("", &[("authorization", "Session S1")]),
    (
        "",
        &[
            ("authorization", "session  S1"),
            ("cookie", "JSESSIONID=S2"),
        ],
    ),
    ("", &[("x-auth-token", "S1")]),
    ("", &[("x-auth-token", "S2"), ("x-auth-token", "S1")]),
];

fn request(browser: &Browser, base: &str, (rest, headers): Smuggled) -> Builder {
    let request = script(browser.request("GET", &format!("{base}{rest}")));
    headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    })
}

#[tokio::test]
async fn a_dead_id_opens_nothing_wherever_it_travels() {
    let (app, _gateway, browser) = one_dead_and_one_alive().await;
    let before = app.count();
    for smuggled in DEAD {
        let page = browser.send(request(&browser, "/home", smuggled), "").await;
        assert!(!page.refusal().is_empty(), "{smuggled:?} gave {page:?}");
        assert!(page.status.is_client_error(), "{smuggled:?} gave {page:?}");
        assert_eq!(app.count(), before, "{smuggled:?} reached the app");
    }
    let page = browser.send(
        request(&browser, "/home", ("", &[("cookie", "JSESSIONID=S2")])),
        "",
    );
    assert_eq!(page.await.text(), "content", "S2 lives on");
}

#[tokio::test]
async fn a_dead_id_is_taken_out_where_no_session_is_needed() {
    let (app, _gateway, browser) = one_dead_and_one_alive().await;
    for smuggled in DEAD {
        let before = app.count();
        let page = browser
            .send(request(&browser, "/public/news", smuggled), "")
            .await;
        // What servers read in different ways may be refused rather than cleaned.
        if app.count() == before {
            assert_eq!(page.status, 400, "{smuggled:?} gave {page:?}");
            continue;
        }
        let seen = app.last();
        let heard = format!("{} {:?}", seen.target, seen.headers);
        assert!(!heard.contains("S1"), "{smuggled:?} came as {heard}");
        assert!(!heard.contains("%531"), "{smuggled:?} came as {heard}");
    }
}

#[tokio::test]
async fn an_id_that_was_never_issued_opens_nothing() {
    let (app, _gateway, browser) = one_dead_and_one_alive().await;
    let before = app.count();
    for smuggled in [
        ("", &[("cookie", "JSESSIONID=guessed")][..]),
        ("", &[("cookie", "JSESSIONID=S2; JSESSIONID=guessed")]),
        (";jsessionid=guessed", &[]),
        ("?sid=guessed", &[]),
        ("", &[("authorization", "Session guessed")]),
        ("", &[("x-auth-token", "guessed")]),
    ] {
        let page = browser.send(request(&browser, "/home", smuggled), "").await;
        assert_eq!(page.refusal(), "session_unknown", "{smuggled:?}");
    }
    assert_eq!(app.count(), before);
}

#[tokio::test]
async fn the_same_id_is_the_same_session_wherever_it_travels() {
    let (app, gateway, browser) = one_dead_and_one_alive().await;
    let carried: [Smuggled; 6] = [
        ("", &[("cookie", "JSESSIONID=S2")]),
        ("", &[("cookie", "JSESSIONID=\"S2\"")]),
        (";jsessionid=S2", &[("cookie", "JSESSIONID=S2")]),
        ("?sid=S2", &[]),
        ("", &[("authorization", "Session S2")]),
        ("", &[("x-auth-token", "S2")]),
    ];
    for smuggled in carried {
        gateway.advance(span("14m"));
        let before = app.count();
        let page = browser.send(request(&browser, "/home", smuggled), "").await;
        assert_eq!(page.text(), "content", "{smuggled:?}");
        assert_eq!(app.count(), before + 1);
    }
    gateway.advance(span("15m"));
    for smuggled in carried {
        let page = browser.send(request(&browser, "/home", smuggled), "").await;
        assert_eq!(page.refusal(), "session_idle_timeout", "{smuggled:?}");
    }
}

#[tokio::test]
async fn ids_of_two_living_sessions_in_one_request_open_neither() {
    let (app, gateway, browser) = one_dead_and_one_alive().await;
    let mut other = gateway.browser();
    other.log_in("approver").await;
    let before = app.count();
    let two: [Smuggled; 3] = [
        ("", &[("cookie", "JSESSIONID=S2; JSESSIONID=S3")]),
        (";jsessionid=S3", &[("cookie", "JSESSIONID=S2")]),
        ("?sid=S2", &[("x-auth-token", "S3")]),
    ];
    for smuggled in two {
        let page = browser.send(request(&browser, "/home", smuggled), "").await;
        assert_eq!(page.refusal(), "session_mixed", "{smuggled:?}");
    }
    assert_eq!(app.count(), before);
}

#[tokio::test]
async fn more_ids_than_any_browser_sends_are_refused() {
    let (app, _gateway, browser) = one_dead_and_one_alive().await;
    let before = app.count();
    let cookies: Vec<String> = (0..9).map(|n| format!("JSESSIONID=x{n}")).collect();
    for target in ["/home", "/public/news"] {
        let request = browser
            .request("GET", target)
            .header("cookie", cookies.join("; "));
        let page = browser.send(request, "").await;
        assert_eq!(
            (page.status.as_u16(), page.refusal()),
            (400, "session_ids_too_many")
        );
    }
    assert_eq!(app.count(), before);
}

#[tokio::test]
async fn an_id_in_a_trailer_reaches_nobody() {
    let (app, gateway, _browser) = one_dead_and_one_alive().await;
    let answer = raw::exchange(
        gateway.address,
        format!(
            "POST /public/form HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\
             Transfer-Encoding: chunked\r\nTrailer: Cookie, X-Auth-Token, X-Sum\r\n\r\n\
             3\r\nabc\r\n0\r\nCookie: JSESSIONID=S1\r\nX-Auth-Token: S1\r\nX-Sum: 1\r\n\r\n"
        ),
    )
    .await;
    assert_eq!(raw::status(&answer), 200, "{answer}");
    let seen = app.last();
    assert_eq!(seen.body, b"abc");
    assert!(seen.trailers.is_empty(), "{:?}", seen.trailers);
}

#[tokio::test]
async fn a_remember_me_cookie_dies_with_its_session() {
    let (app, _gateway, browser) = one_dead_and_one_alive().await;
    let send = async |target: &str, cookies: &str| {
        let request = script(browser.request("GET", target)).header("cookie", cookies);
        browser.send(request, "").await
    };
    let before = app.count();
    let alone = send("/home", "remember-me=ticket-of-S2").await;
    assert_eq!(alone.refusal(), "session_required");
    assert_eq!(app.count(), before);

    for (target, cookies, came) in [
        (
            "/home",
            "JSESSIONID=S2; remember-me=ticket-of-S2",
            "JSESSIONID=S2; remember-me=ticket-of-S2",
        ),
        (
            "/home",
            "JSESSIONID=S2; remember-me=ticket-of-S1",
            "JSESSIONID=S2",
        ),
        (
            "/home",
            "JSESSIONID=S2; Remember-Me=ticket-of-S1; a=b",
            "JSESSIONID=S2; a=b",
        ),
        ("/public/news", "remember-me=ticket-of-S2; a=b", "a=b"),
        (
            "/public/news",
            "JSESSIONID=S1; remember-me=ticket-of-S1; a=b",
            "a=b",
        ),
    ] {
        send(target, cookies).await;
        assert_eq!(
            app.last().header("cookie"),
            Some(came),
            "{target} {cookies}"
        );
    }
}

#[tokio::test]
async fn credentials_that_log_in_by_themselves_reach_no_route_that_needs_a_session() {
    let (app, gateway, browser) = one_dead_and_one_alive().await;
    let basic = async |target: &str| {
        let request = script(browser.request("GET", target))
            .header("cookie", "JSESSIONID=S2")
            .header("authorization", "Basic YnV5ZXI6YnV5ZXI=");
        browser.send(request, "").await;
        app.last().header("authorization").map(str::to_owned)
    };
    assert_eq!(basic("/home").await, None);
    assert!(basic("/public/news").await.is_some());
    gateway.reload(&POLICY.replace("auth_cookies", "authorization = \"pass\"\nauth_cookies"));
    assert!(basic("/home").await.is_some());
}

/// An app that is public but for `/approvals`, and one that is closed but for `/assets`.
const OPEN: &str = r#"
[[apps]]
name = "app"
access = "public"
session = { id = "cookie:JSESSIONID", also = ["path:jsessionid"] }
[[apps.routes]]
path = "/approvals"
access = "authenticated"
[[apps.routes]]
path = "/approvals/**"
access = "authenticated"
"#;

const CLOSED: &str = r#"
[[apps]]
name = "app"
session = { id = "cookie:JSESSIONID", also = ["path:jsessionid"] }
[[apps.routes]]
path = "/assets/**"
access = "public"
"#;

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn a_path_is_judged_as_what_it_leads_to() {
    let app = LegacyApp::start(behaviour()).await;
    let open = Gateway::with(&app, OPEN).await;
    let closed = Gateway::with(&app, CLOSED).await;
    for target in [
        "/approvals",
        "/%61pprovals",
        "/x/../approvals",
        "//approvals",
        "/./approvals",
        "/approvals;x=1",
        "/approvals;jsessionid=",
        "/approvals/",
        "/approvals/1",
        "/approvals/../approvals/2",
        "/x/y/../../%61pproval%73/3",
        "http://procure.example.com/approvals",
    ] {
        let answer = raw::exchange(open.address, get(target)).await;
        assert_eq!(raw::status(&answer), 401, "{target} gave {answer}");
        assert!(
            answer.contains("session_required"),
            "{target} gave {answer}"
        );
    }
    for target in [
        "/assets/../home",
        "/assets/../home/../home",
        "/assets/x/../../home",
        "/home/../assets/app.css",
        "/asset%73",
        "/ASSETS/app.css",
    ] {
        let answer = raw::exchange(closed.address, get(target)).await;
        assert_eq!(raw::status(&answer), 401, "{target} gave {answer}");
    }
    assert_eq!(app.count(), 0);

    // And what is open stays so, in the client's own spelling.
    for target in [
        "/assets/app.css",
        "/assets/%61pp.css",
        "/assets/x;v=2/app.css?a=%2F",
    ] {
        let answer = raw::exchange(closed.address, get(target)).await;
        assert_eq!(raw::status(&answer), 200, "{target} gave {answer}");
        assert_eq!(app.last().target, target);
    }
}

#[tokio::test]
async fn a_path_that_servers_read_in_different_ways_is_refused() {
    let app = LegacyApp::start(behaviour()).await;
    let gateway = Gateway::with(&app, OPEN).await;
    for (target, code) in [
        ("/x%2fapprovals", "path_encoded_slash"),
        ("/x/..%2Fapprovals", "path_encoded_slash"),
        ("/x\\..\\approvals", "path_backslash"),
        ("/x%5capprovals", "path_backslash"),
        ("/x/%2e%2e/approvals", "path_ambiguous_dots"),
        ("/x/.%2e/approvals", "path_ambiguous_dots"),
        ("/x/..;/approvals", "path_ambiguous_dots"),
        ("/x/..;a=b/approvals", "path_ambiguous_dots"),
        ("/x//../approvals", "path_ambiguous_dots"),
        ("/approvals%00", "path_nul"),
        ("/approvals%0a", "path_control_character"),
        ("/%2561pprovals", "path_double_encoding"),
        ("/x/%252e%252e/approvals", "path_double_encoding"),
        ("/x/%c0%ae%c0%ae/approvals", "path_overlong_utf8"),
        ("/approvals%3bjsessionid=1", "path_encoded_semicolon"),
        ("/approvals%", "path_malformed_percent"),
        ("/approvals%zz", "path_malformed_percent"),
    ] {
        let answer = raw::exchange(gateway.address, get(target)).await;
        assert_eq!(raw::status(&answer), 400, "{target} gave {answer}");
        assert!(answer.contains(code), "{target} gave {answer}");
    }
    assert_eq!(app.count(), 0);
}
