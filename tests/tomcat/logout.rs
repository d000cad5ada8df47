//! Logging out: by Tomcat's own link, by nothing that only looks like it, and by an administrator.

use http::Method;
use serde_json::json;

use crate::stage::{
    APPROVER_IDLE, LOGIN_PAGE, NOTES, PROTECTED, PROTECTED_PAGE, Stage, TICK, event, seen, user,
};

const LOG_OUT: &str = "/examples/jsp/security/protected/index.jsp?logoff=true";

#[test]
fn tomcat_s_own_logout_ends_the_session() {
    let stage = Stage::new();
    let mut browser = stage.logged_in("buyer");
    let id = browser.id();
    stage.advance(TICK);
    stage.reached();
    let answer = browser.open(LOG_OUT);
    assert_eq!(answer.status, 302);
    assert_eq!(browser.id(), id, "Tomcat does not clear its cookie");
    assert_eq!(browser.follow(&answer).title(), LOGIN_PAGE);
    assert_eq!(
        stage.reached(),
        [
            seen("GET", LOG_OUT, 302, &id),
            seen("GET", PROTECTED, 200, "")
        ],
    );
    browser.keep(&id);
    let script = browser.fetch(Method::GET, NOTES);
    assert_eq!(
        (script.status.as_u16(), &*script.code()),
        (401, "session_logout")
    );
    stage.log_in(&mut browser, "approver");
    let audit = stage.audit();
    assert_eq!(
        audit[..2],
        [
            event("login", "buyer", "-"),
            event("end", "buyer", "logout")
        ]
    );
}

#[test]
fn no_value_of_logoff_logs_out_unseen() {
    let stage = Stage::new();
    let mut browser = stage.logged_in("buyer");
    let answer = browser.open(&LOG_OUT.replace("true", "anything"));
    assert_eq!(answer.status, 302);
    let script = browser.fetch(Method::GET, NOTES);
    assert_eq!(
        (script.status.as_u16(), &*script.code()),
        (401, "session_logout")
    );
}

#[test]
fn a_logout_without_a_login_ends_nothing() {
    let stage = Stage::new();
    let mut buyer = stage.logged_in("buyer");
    let mut stranger = stage.browser();
    assert_eq!(stranger.open(LOG_OUT).title(), LOGIN_PAGE);
    // Now with an anonymous id, which Tomcat renames and does not end.
    stranger.open(&format!("{NOTES}?dataname=kept&datavalue=here"));
    assert_eq!(stranger.open(LOG_OUT).title(), LOGIN_PAGE);
    assert!(stranger.open(NOTES).body.contains("kept = here"));
    assert_eq!(buyer.open(PROTECTED).title(), PROTECTED_PAGE);
    assert_eq!(stage.audit(), [event("login", "buyer", "-")]);
}

#[test]
fn a_revoked_user_is_out_at_once_and_may_log_in_again() {
    let stage = Stage::new();
    let (mut buyer, mut approver) = (stage.logged_in("buyer"), stage.logged_in("approver"));
    stage.advance(TICK);
    stage.reached();
    let made = stage.revoke(&user("buyer"));
    assert_eq!(made.status, 200, "{made:?}");
    let script = buyer.fetch(Method::GET, NOTES);
    assert_eq!(
        (script.status.as_u16(), &*script.code()),
        (401, "session_revoked")
    );
    assert_eq!(stage.reached(), []);
    assert_eq!(approver.open(PROTECTED).title(), PROTECTED_PAGE);

    stage.advance(TICK);
    stage.log_in(&mut buyer, "buyer");
    let audit = stage.audit();
    let ends: Vec<_> = audit.iter().filter(|(kind, ..)| kind == "end").collect();
    assert_eq!(ends, [&event("end", "buyer", "revoked")]);
}

#[test]
fn everybody_is_revoked_in_one_call() {
    let stage = Stage::new();
    let browsers = [stage.logged_in("buyer"), stage.logged_in("approver")];
    stage.advance(APPROVER_IDLE - TICK);
    assert_eq!(stage.revoke(&json!({ "all": true })).status, 200);
    for mut browser in browsers {
        assert_eq!(browser.fetch(Method::GET, NOTES).code(), "session_revoked");
    }
}
