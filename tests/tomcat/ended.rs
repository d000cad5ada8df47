//! After the end: what a browser is told, and that Tomcat never sees the dead id again, although it
//! would still honour it.

use http::header::{ACCEPT, CACHE_CONTROL, COOKIE};
use http::{Method, Request};

use crate::browser::Browser;
use crate::stage::{BUYER_IDLE, LOGIN, LOGIN_PAGE, NOTES, PROTECTED, Stage, event, seen};
use crate::tomcat::Seen;

/// A browser whose user was away for too long, and the id that it still has.
fn idle_browser(stage: &Stage) -> (Browser, String) {
    let browser = stage.logged_in("buyer");
    let dead = browser.id();
    stage.advance(BUYER_IDLE);
    stage.reached();
    (browser, dead)
}

#[test]
fn a_script_is_told_that_and_why_the_session_ended() {
    let stage = Stage::new();
    let (mut browser, _) = idle_browser(&stage);
    let answer = browser.fetch(Method::GET, NOTES);
    assert_eq!(answer.status, 401);
    assert_eq!(answer.code(), "session_idle_timeout");
    assert_eq!(answer.headers[CACHE_CONTROL], "no-store");
    assert_eq!(
        browser.id(),
        "",
        "the dead cookie is expired where Tomcat set it"
    );
    assert_eq!(stage.reached(), []);

    let again = browser.fetch(Method::GET, NOTES);
    assert_eq!(
        (again.status.as_u16(), &*again.code()),
        (401, "session_required")
    );
    assert_eq!(stage.reached(), []);
}

#[test]
fn a_navigation_sees_the_login_form_without_its_dead_id_and_logs_in_again() {
    let stage = Stage::new();
    let (mut browser, dead) = idle_browser(&stage);
    let form = browser.open(PROTECTED);
    assert_eq!(form.title(), LOGIN_PAGE);
    let anonymous = browser.id();
    assert_ne!(anonymous, dead);

    let done = browser.fill_in(&form, "approver", "approver");
    let page = browser.follow(&done);
    assert!(page.body.contains("<b>approver</b>"), "{page:?}");
    assert_eq!(browser.open(NOTES).status, 200);
    assert_eq!(
        stage.reached(),
        [
            seen("GET", PROTECTED, 200, ""),
            seen(
                "POST",
                &format!("{LOGIN};jsessionid={anonymous}"),
                303,
                &anonymous
            ),
            // Tomcat logs the request that it had saved.
            seen("GET", PROTECTED, 200, ""),
            seen("GET", NOTES, 200, &browser.id()),
        ]
    );
    assert_eq!(
        stage.audit(),
        [
            event("login", "buyer", "-"),
            event("end", "buyer", "idle_timeout"),
            event("login", "approver", "-"),
            event("refusal", "buyer", "idle_timeout"),
        ]
    );
}

#[test]
fn a_browser_that_keeps_its_dead_cookie_loses_only_that() {
    let stage = Stage::new();
    let (mut browser, dead) = idle_browser(&stage);
    for _ in 0..3 {
        assert_eq!(browser.open(PROTECTED).title(), LOGIN_PAGE);
        browser.keep(&dead);
    }
    // Even to the login: Tomcat then asks to begin anew.
    let answer = browser.submit(LOGIN, &[("j_username", "buyer"), ("j_password", "buyer")]);
    assert_eq!(answer.status, 408);
    let reached = stage.reached();
    assert!(
        reached.iter().all(|seen| seen.cookie.is_none()),
        "{reached:?}"
    );
    stage.log_in(&mut browser, "buyer");
}

#[test]
fn a_stale_form_never_reaches_tomcat() {
    let stage = Stage::new();
    let (mut browser, _) = idle_browser(&stage);
    let page = browser.submit(PROTECTED, &[("dataName", "order"), ("dataValue", "4711")]);
    assert_eq!(page.status, 401);
    assert!(
        page.body.contains("away for too long"),
        "the user is told: {page:?}"
    );
    let script = browser.fetch(Method::POST, NOTES);
    assert_eq!(script.status, 401);
    assert_eq!(stage.reached(), []);

    stage.log_in(&mut browser, "buyer");
    let page = browser.open(PROTECTED);
    assert!(
        !page.body.contains("4711"),
        "nothing was saved to be replayed: {page:?}"
    );
}

/// Every way in which Tomcat finds an id, and what travels with it.
fn carriers_of(id: &str) -> Vec<(String, Vec<String>)> {
    let plain = format!("JSESSIONID={id}");
    let quoted = format!("JSESSIONID=\"{id}\"");
    vec![
        (NOTES.to_owned(), vec![plain.clone()]),
        (NOTES.to_owned(), vec![quoted.clone()]),
        (
            NOTES.to_owned(),
            vec!["theme=dark".to_owned(), plain.clone()],
        ),
        (NOTES.to_owned(), vec![format!("JSESSIONID=0; {plain}")]),
        (NOTES.to_owned(), vec![format!("{plain}; JSESSIONID=0")]),
        (
            NOTES.to_owned(),
            vec![format!("$Version=1; {quoted}; $Path=/examples")],
        ),
        (format!("{NOTES};jsessionid={id}"), vec![]),
        (format!("{NOTES};x=1;jsessionid={id};y=2"), vec![]),
        (
            NOTES.replace("/servlets/", &format!("/servlets;jsessionid={id}/")),
            vec![],
        ),
        (format!("{NOTES};jsessionid=0"), vec![plain]),
    ]
}

fn request(target: &str, cookies: &[String], accept: &str) -> Request<String> {
    let mut request = Request::get(target).header(ACCEPT, accept);
    for cookie in cookies {
        request = request.header(COOKIE, cookie);
    }
    request.body(String::new()).expect("it is well-formed")
}

fn tells(seen: &Seen, id: &str) -> bool {
    seen.target.contains(id)
        || seen
            .cookie
            .as_ref()
            .is_some_and(|cookie| cookie.contains(id))
}

#[test]
fn a_dead_id_reaches_tomcat_in_no_carrier_that_tomcat_reads() {
    let stage = Stage::new();
    let (_, dead) = idle_browser(&stage);
    let live = stage.logged_in("approver").id();
    stage.reached();
    for (target, cookies) in carriers_of(&dead) {
        let mut with_a_live_one = cookies.clone();
        with_a_live_one.push(format!("JSESSIONID={live}"));
        for cookies in [&cookies, &with_a_live_one] {
            stage.line().send(request(&target, cookies, "text/html"));
            let reached = stage.reached();
            assert!(
                !reached.iter().any(|seen| tells(seen, &dead)),
                "{target} {cookies:?}: {reached:?}"
            );
            let script = stage.line().send(request(&target, cookies, "*/*"));
            assert_eq!(script.status, 401, "{target} {cookies:?}");
            assert_eq!(stage.reached(), [], "{target} {cookies:?}");
        }
    }
}

#[test]
fn tomcat_itself_would_still_honour_the_dead_id_in_each_of_them() {
    let stage = Stage::new();
    let (_, dead) = idle_browser(&stage);
    for (target, cookies) in carriers_of(&dead) {
        let page = stage
            .past_the_gateway()
            .send(request(&target, &cookies, "text/html"));
        assert!(
            page.body.contains(&format!("Session ID: {dead}")),
            "{target} {cookies:?}: {page:?}"
        );
    }
    let page = stage.past_the_gateway().send(request(
        PROTECTED,
        &[format!("JSESSIONID={dead}")],
        "text/html",
    ));
    assert!(page.body.contains("<b>buyer</b>"), "{page:?}");
}

#[test]
fn a_live_id_is_forwarded_in_every_carrier_byte_for_byte() {
    let stage = Stage::new();
    let live = stage.logged_in("buyer").id();
    stage.reached();
    for (target, cookies) in carriers_of(&live) {
        if target.contains("=0") || cookies.iter().any(|cookie| cookie.contains("=0")) {
            continue; // An id that nobody knows beside it makes the request stale.
        }
        let page = stage.line().send(request(&target, &cookies, "text/html"));
        assert!(
            page.body.contains(&format!("Session ID: {live}")),
            "{target} {cookies:?}: {page:?}"
        );
        let reached = stage.reached();
        assert_eq!(reached[0].target, target);
    }
}
