//! Logging in at the page that Tomcat protects, and what a login that fails changes: nothing.

use http::header::{CONTENT_TYPE, COOKIE};
use http::{Method, Request};

use crate::stage::{
    APPROVER_IDLE, BUYER_IDLE, ERROR_PAGE, LOGIN, LOGIN_PAGE, NOTES, PROTECTED, PROTECTED_PAGE,
    Stage, TICK, event, seen,
};

#[test]
fn a_browser_logs_in_at_the_page_it_asked_for() {
    let stage = Stage::new();
    let mut browser = stage.browser();
    let form = browser.open(PROTECTED);
    assert_eq!(
        (form.status.as_u16(), form.title()),
        (200, LOGIN_PAGE),
        "{form:?}"
    );
    let anonymous = browser.id();

    let done = browser.fill_in(&form, "buyer", "buyer");
    assert_eq!(done.status, 303, "{done:?}");
    let id = browser.id();
    assert_ne!(id, anonymous);

    let page = browser.follow(&done);
    assert_eq!(page.title(), PROTECTED_PAGE);
    assert!(page.body.contains("<b>buyer</b>"), "{page:?}");
    assert_eq!(browser.open(NOTES).status, 200);
    assert_eq!(browser.id(), id);
    assert_eq!(
        stage.reached(),
        [
            seen("GET", PROTECTED, 200, ""),
            // No cookie had come in with the first request, so Tomcat wrote the id into the form too.
            seen(
                "POST",
                &format!("{LOGIN};jsessionid={anonymous}"),
                303,
                &anonymous
            ),
            // Tomcat serves, and logs, the request that it had saved: that one had no cookie.
            seen("GET", PROTECTED, 200, ""),
            seen("GET", NOTES, 200, &id),
        ]
    );
    assert_eq!(stage.audit(), [event("login", "buyer", "-")]);
}

#[test]
fn an_anonymous_id_rotates_at_every_visit_before_the_login_and_keeps_its_data() {
    let stage = Stage::new();
    let mut browser = stage.browser();
    browser.open(&format!("{NOTES}?dataname=kept&datavalue=since-before"));
    let mut ids = vec![browser.id()];
    for _ in 0..3 {
        let form = browser.open(PROTECTED);
        assert_eq!(form.title(), LOGIN_PAGE);
        let id = browser.id();
        assert!(
            !ids.contains(&id),
            "Tomcat renames a session that it shows the form"
        );
        ids.push(id);
    }
    stage.reached();

    stage.log_in(&mut browser, "buyer");
    let notes = browser.open(NOTES);
    assert!(notes.body.contains("kept = since-before"), "{notes:?}");
    let reached = stage.reached();
    let newest = ids.last().expect("it has at least one");
    assert_eq!(reached[0], seen("GET", PROTECTED, 200, newest));

    for old in ids {
        let mut behind = stage.browser();
        behind.keep(&old);
        behind.open(NOTES);
        assert_eq!(
            stage.reached(),
            [seen("GET", NOTES, 200, "")],
            "an id that was replaced is dead"
        );
    }
}

#[test]
fn a_wrong_password_keeps_the_anonymous_id_and_teaches_nothing() {
    let stage = Stage::new();
    let mut browser = stage.browser();
    let form = browser.open(PROTECTED);
    let anonymous = browser.id();

    let wrong = browser.fill_in(&form, "buyer", "guess");
    assert_eq!(
        (wrong.status.as_u16(), wrong.title()),
        (200, ERROR_PAGE),
        "{wrong:?}"
    );
    assert_eq!(wrong.sets(), [""; 0]);
    assert_eq!(browser.id(), anonymous);
    let script = browser.fetch(Method::GET, NOTES);
    assert_eq!(
        (script.status.as_u16(), &*script.code()),
        (401, "login_required"),
        "nobody is logged in"
    );

    let done = browser.fill_in(&form, "buyer", "buyer");
    assert_eq!(done.status, 303, "the same id still logs in: {done:?}");
    assert_eq!(browser.follow(&done).title(), PROTECTED_PAGE);
    assert_eq!(stage.audit(), [event("login", "buyer", "-")]);
}

#[test]
fn a_login_that_tomcat_does_not_serve_changes_neither_session_nor_limits() {
    let stage = Stage::new();
    let mut browser = stage.logged_in("approver");
    let id = browser.id();
    // Who is logged in finds no j_security_check; the approver would like the buyer's limits.
    let answer = browser.submit(LOGIN, &[("j_username", "buyer"), ("j_password", "buyer")]);
    assert_eq!(answer.status, 404);
    assert_eq!(browser.id(), id);
    stage.advance(APPROVER_IDLE);
    let script = browser.fetch(Method::GET, NOTES);
    assert_eq!(script.code(), "session_idle_timeout");
    assert_eq!(
        stage.audit()[..2],
        [
            event("login", "approver", "-"),
            event("end", "approver", "idle_timeout")
        ]
    );
}

#[test]
fn a_login_is_learned_wherever_tomcat_takes_it() {
    let stage = Stage::new();
    let mut browser = stage.browser();
    browser.open(PROTECTED);
    let done = browser.submit(
        "/examples/servlets/j_security_check",
        &[("j_username", "buyer"), ("j_password", "buyer")],
    );
    assert_eq!(done.status, 303, "{done:?}");
    assert_eq!(browser.fetch(Method::GET, NOTES).status, 200);
    assert_eq!(stage.audit(), [event("login", "buyer", "-")]);
}

/// Tomcat believes the query before the form, and decodes the form as its charset says.
#[test]
fn no_login_form_says_one_user_to_tomcat_and_another_to_the_gateway() {
    let approver = "j_username=approver&j_password=approver";
    let buyer = "j_username=buyer&j_password=buyer";
    // The same fields as `approver`, percent-encoded in EBCDIC.
    let ebcdic = |text: &str| {
        text.bytes()
            .map(|byte| match byte {
                b'=' | b'&' => char::from(byte).to_string(),
                b'_' => "%6D".to_owned(),
                b'a'..=b'i' => format!("%{:02X}", byte - b'a' + 0x81),
                b'j'..=b'r' => format!("%{:02X}", byte - b'j' + 0x91),
                other => format!("%{:02X}", other - b's' + 0xA2),
            })
            .collect::<String>()
    };
    let form = "application/x-www-form-urlencoded";
    let hidden = ebcdic(approver);
    for (target, kind, body) in [
        (
            format!("{LOGIN}?{approver}"),
            form.to_owned(),
            buyer.to_owned(),
        ),
        (
            format!("{LOGIN}?{approver}"),
            form.to_owned(),
            String::new(),
        ),
        (
            LOGIN.to_owned(),
            form.to_owned(),
            format!("{approver}&{buyer}"),
        ),
        (
            LOGIN.to_owned(),
            format!("{form}; charset=IBM037"),
            format!("{buyer}&{hidden}"),
        ),
    ] {
        let stage = Stage::new();
        let mut browser = stage.browser();
        browser.open(PROTECTED);
        let request = Request::post(&target)
            .header(CONTENT_TYPE, kind)
            .header(COOKIE, browser.cookies_for(LOGIN))
            .body(body.clone())
            .expect("it is well-formed");
        let done = stage.line().send(request);
        assert_eq!(done.status, 303, "Tomcat logs the approver in: {done:?}");
        let set = done.sets().join("; ");
        let id = set.split(['=', ';']).nth(1).expect("a login sets an id");
        browser.keep(id);
        let page = browser.open(PROTECTED);
        assert!(page.body.contains("<b>approver</b>"), "{page:?}");
        stage.advance(APPROVER_IDLE);
        let script = browser.fetch(Method::GET, NOTES);
        assert_eq!(
            script.code(),
            "session_idle_timeout",
            "{target} {body} bought an approver the limits of a buyer"
        );
    }
}

#[test]
fn a_login_form_may_stand_open_as_long_as_its_id_lives() {
    let stage = Stage::new();
    let mut browser = stage.browser();
    let form = browser.open(PROTECTED);
    stage.advance(BUYER_IDLE - TICK);
    assert_eq!(browser.fill_in(&form, "buyer", "buyer").status, 303);

    let mut late = stage.browser();
    let form = late.open(PROTECTED);
    let dead = late.id();
    stage.advance(BUYER_IDLE);
    stage.reached();
    let answer = late.fill_in(&form, "buyer", "buyer");
    assert_eq!(answer.status, 408, "Tomcat asks to begin anew: {answer:?}");
    assert_eq!(stage.reached(), [seen("POST", LOGIN, 408, "")]);
    assert_eq!(late.id(), dead, "which costs the browser nothing");
    stage.log_in(&mut late, "buyer");
}

/// Two tabs, one form each: Tomcat wrote the first id into the first form, and replaced that id when it
/// answered the second tab.
#[test]
fn a_form_that_holds_a_replaced_id_logs_nobody_in_and_the_next_one_does() {
    let stage = Stage::new();
    let mut browser = stage.browser();
    let first_tab = browser.open(PROTECTED);
    browser.open(PROTECTED);
    stage.reached();
    let answer = browser.fill_in(&first_tab, "buyer", "buyer");
    assert_eq!(answer.status, 408, "Tomcat asks to begin anew: {answer:?}");
    assert_eq!(stage.reached(), [seen("POST", LOGIN, 408, "")]);
    stage.log_in(&mut browser, "buyer");
    assert_eq!(
        stage.audit(),
        [
            event("login", "buyer", "-"),
            event("refusal", "-", "superseded")
        ]
    );
}
