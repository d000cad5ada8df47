//! The limits of two roles: idle and absolute, just before, at and after.

use std::time::Duration;

use http::Method;

use crate::stage::{
    APPROVER_ABSOLUTE, APPROVER_IDLE, BUYER_ABSOLUTE, BUYER_IDLE, LOGIN_PAGE, NOTES, PROTECTED,
    PROTECTED_PAGE, Stage, TICK, event,
};

#[test]
fn each_role_goes_idle_at_its_own_limit_and_no_sooner() {
    let stage = Stage::new();
    for (user, idle) in [("buyer", BUYER_IDLE), ("approver", APPROVER_IDLE)] {
        let mut browser = stage.logged_in(user);
        // Twice: work before the limit moves it.
        for _ in 0..2 {
            stage.advance(idle - TICK);
            assert_eq!(browser.open(PROTECTED).title(), PROTECTED_PAGE, "{user}");
        }
        stage.advance(idle);
        let script = browser.fetch(Method::GET, NOTES);
        assert_eq!(
            (script.status.as_u16(), &*script.code()),
            (401, "session_idle_timeout"),
            "{user}"
        );
    }
}

#[test]
fn a_buyer_works_on_where_an_approver_has_gone_idle() {
    let stage = Stage::new();
    let (mut buyer, mut approver) = (stage.logged_in("buyer"), stage.logged_in("approver"));
    stage.advance(APPROVER_IDLE);
    assert_eq!(buyer.open(PROTECTED).title(), PROTECTED_PAGE);
    assert_eq!(approver.open(PROTECTED).title(), LOGIN_PAGE);
}

#[test]
fn who_works_without_a_break_reaches_the_absolute_limit_of_his_role() {
    let stage = Stage::new();
    for (user, idle, absolute) in [
        ("buyer", BUYER_IDLE, BUYER_ABSOLUTE),
        ("approver", APPROVER_IDLE, APPROVER_ABSOLUTE),
    ] {
        let mut browser = stage.logged_in(user);
        let mut age = Duration::ZERO;
        while age < absolute - TICK {
            let step = (idle - TICK).min(absolute - TICK - age);
            stage.advance(step);
            age += step;
            let page = browser.fetch(Method::GET, NOTES);
            assert_eq!(page.status, 200, "{user} after {age:?}");
        }
        stage.advance(TICK);
        let script = browser.fetch(Method::GET, NOTES);
        assert_eq!(
            (script.status.as_u16(), &*script.code()),
            (401, "session_absolute_timeout"),
            "{user}"
        );
    }
}

#[test]
fn a_session_that_nobody_comes_back_to_ends_once() {
    let stage = Stage::new();
    let mut browser = stage.logged_in("buyer");
    stage.advance(BUYER_IDLE);
    for _ in 0..3 {
        browser.fetch(Method::POST, NOTES);
    }
    let ends = stage.audit();
    let ends: Vec<_> = ends.iter().filter(|(kind, ..)| kind == "end").collect();
    assert_eq!(ends, [&event("end", "buyer", "idle_timeout")]);
}

#[test]
fn the_work_of_a_session_is_the_app_s_own() {
    let stage = Stage::new();
    let mut browser = stage.logged_in("buyer");
    let id = browser.id();
    let stored = browser.submit(NOTES, &[("dataname", "order"), ("datavalue", "4711")]);
    assert!(stored.body.contains("order = 4711"), "{stored:?}");
    stage.advance(BUYER_IDLE - TICK);
    let notes = browser.open(NOTES);
    assert!(notes.body.contains("order = 4711"), "{notes:?}");
    assert!(
        notes.body.contains(&id),
        "Tomcat sees its own id: {notes:?}"
    );
    assert_eq!(browser.id(), id);
}
