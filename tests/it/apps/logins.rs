//! How users log in.

use serde_json::json;

use crate::harness::answer::{Answer, token};
use crate::harness::app::{LegacyApp, Seen, Sessions};
use crate::harness::gateway::Gateway;
use crate::harness::span;

use super::{has_the_buyers_limits, logins_were};

/// Whether a form names a user who is his own password.
fn is_right(seen: &Seen) -> bool {
    let user = seen.form("username");
    user.is_some() && user == seen.form("password")
}

/// A container with FORM authentication: a protected page without a login is answered with the
/// login form, in place, and the request is saved in an anonymous session.
fn container() -> impl Fn(&Seen) -> Answer + Send + Sync {
    let sessions = Sessions::default();
    move |seen| {
        let known = seen.cookie("JSESSIONID").filter(|id| sessions.knows(id));
        match (seen.path(), known) {
            ("/j_security_check", None) => Answer::status(408),
            ("/j_security_check", Some(id)) => {
                let user = seen.form("j_username").unwrap_or_default();
                if seen.form("j_password").as_deref() != Some(&*user) {
                    return Answer::page("login failed");
                }
                sessions.destroy(id);
                let id = sessions.create(Some(&user));
                Answer::redirect("/orders").set_cookie(&format!("JSESSIONID={id}; Path=/"))
            }
            (_, Some(id)) => match sessions.user(id) {
                Some(user) => Answer::page(&format!("orders of {user}")),
                None => Answer::page("<form action=j_security_check>"),
            },
            (_, None) => {
                let id = sessions.create(None);
                Answer::page("<form action=j_security_check>")
                    .set_cookie(&format!("JSESSIONID={id}; Path=/"))
            }
        }
    }
}

const CONTAINER: &str = r#"
[[apps]]
name = "orders"

[apps.session]
id = "cookie:JSESSIONID"

[[apps.logins]]
path = "/j_security_check"
page = "same"
user = "form:j_username"
success = { status = [302, 303], new_session = true }
"#;

#[tokio::test]
async fn the_login_page_is_the_protected_page_itself() {
    let app = LegacyApp::start(container()).await;
    let gateway = Gateway::with(&app, CONTAINER).await;
    let mut browser = gateway.browser();

    let form = browser.open("/orders").await;
    assert!(form.text().contains("j_security_check"));
    let again = browser.open("/orders").await;
    assert!(again.text().contains("j_security_check"));
    assert_eq!(app.last().cookie("JSESSIONID"), Some("S1"));
    let script = browser.fetch("/orders").await;
    assert_eq!(script.refusal(), "login_required");

    let login = "j_username=buyer&j_password=buyer";
    let page = browser.submit("/j_security_check", login).await;
    assert_eq!(app.last().cookie("JSESSIONID"), Some("S1"));
    let page = browser.follow(page).await;
    assert_eq!(page.text(), "orders of buyer");
    logins_were(&gateway, &["buyer"]).await;

    // The very page shows the form again once the session is over, without the dead id.
    gateway.advance(span("15m"));
    let form = browser.open("/orders").await;
    assert!(form.text().contains("j_security_check"));
    assert_eq!(app.last().cookie("JSESSIONID"), None);
    let page = browser.submit("/j_security_check", login).await;
    let page = browser.follow(page).await;
    assert_eq!(page.text(), "orders of buyer");
    has_the_buyers_limits(&gateway, &app, &mut browser, "/orders").await;
}

/// An app whose right login is answered with `right`, and whose wrong one with `wrong`.
async fn learns_success(
    success: &str,
    right: impl Fn() -> Answer + Send + Sync + 'static,
    wrong: impl Fn() -> Answer + Send + Sync + 'static,
) {
    let sessions = Sessions::default();
    let app = LegacyApp::start(move |seen| match seen.path() {
        "/login" if is_right(seen) => {
            let id = sessions.create(seen.form("username").as_deref());
            right().set_cookie(&format!("SID={id}"))
        }
        "/login" => wrong(),
        _ => Answer::page("content"),
    })
    .await;
    let policy = format!(
        r#"
        [[apps]]
        name = "app"
        session = {{ id = "cookie:SID" }}
        [[apps.logins]]
        path = "/login"
        page = "/login"
        user = "form:username"
        success = {success}
        "#
    );
    let gateway = Gateway::with(&app, &policy).await;
    let mut browser = gateway.browser();

    browser.submit("/login", "username=buyer&password=no").await;
    let before = app.count();
    let refused = browser.fetch("/home").await;
    assert!(refused.refusal().ends_with("_required"), "{refused:?}");
    assert_eq!(app.count(), before);

    browser
        .submit("/login", "username=buyer&password=buyer")
        .await;
    logins_were(&gateway, &["buyer"]).await;
    has_the_buyers_limits(&gateway, &app, &mut browser, "/home").await;
}

#[tokio::test]
async fn a_login_succeeds_with_302() {
    let success = "{ status = [302], new_session = true }";
    let wrong = || Answer::page("wrong password");
    learns_success(success, || Answer::redirect("/home"), wrong).await;
}

#[tokio::test]
async fn a_login_succeeds_with_303() {
    let success = r#"{ status = [303], location = "/home", new_session = true }"#;
    let right = || Answer::redirect("/home").with_status(303);
    let wrong = || Answer::redirect("/login?error").with_status(303);
    learns_success(success, right, wrong).await;
}

#[tokio::test]
async fn a_login_succeeds_with_200() {
    let success = "{ status = [200], new_session = true }";
    let wrong = || Answer::page("wrong password");
    learns_success(success, || Answer::page("welcome"), wrong).await;
}

#[tokio::test]
async fn a_login_fails_with_200_and_an_anonymous_id() {
    let success = "{ status = [302], new_session = true }";
    let wrong = || Answer::page("wrong password").set_cookie("SID=anonymous");
    learns_success(success, || Answer::redirect("/home"), wrong).await;
}

#[tokio::test]
async fn a_login_fails_with_401_and_an_anonymous_id() {
    let success = "{ status = [200], new_session = true }";
    let wrong = || Answer::status(401).set_cookie("SID=anonymous");
    learns_success(success, || Answer::page("welcome"), wrong).await;
}

#[tokio::test]
async fn the_login_post_carries_path_parameters_and_a_query() {
    let sessions = Sessions::default();
    let app = LegacyApp::start(move |seen| match (seen.method.as_str(), seen.path()) {
        ("POST", "/login") => {
            let id = sessions.create(Some("buyer"));
            Answer::redirect(&format!("/home;jsessionid={id}"))
                .set_cookie(&format!("JSESSIONID={id}"))
        }
        ("GET", "/login") => {
            let id = sessions.create(None);
            Answer::page(&format!("<form action=/login;jsessionid={id}?from=mail>"))
                .set_cookie(&format!("JSESSIONID={id}"))
        }
        _ => Answer::page("content"),
    })
    .await;
    let policy = r#"
        [[apps]]
        name = "app"
        session = { id = "cookie:JSESSIONID", also = ["path:jsessionid"] }
        [[apps.logins]]
        path = "/login"
        page = "/login"
        user = "form:username"
        success = { status = [302], location = "/home", new_session = true }
        "#;
    let gateway = Gateway::with(&app, policy).await;
    let mut browser = gateway.browser();

    // The app does not know yet whether this browser keeps cookies, and it does not.
    browser.open("/login").await;
    browser.jar.forget("JSESSIONID");
    let target = "/login;jsessionid=S1;lang=de?from=mail";
    browser
        .submit(target, "username=buyer&password=buyer")
        .await;
    assert_eq!(app.last().target, target);
    logins_were(&gateway, &["buyer"]).await;
    has_the_buyers_limits(&gateway, &app, &mut browser, "/home").await;
}

#[tokio::test]
async fn everything_goes_through_the_root_and_the_query_tells_it_apart() {
    let sessions = Sessions::default();
    let app = LegacyApp::start(move |seen| match seen.query("action").as_deref() {
        Some("login") if is_right(seen) => {
            let id = sessions.create(seen.form("username").as_deref());
            Answer::redirect("/?action=list").set_cookie(&format!("PHPSESSID={id}; path=/"))
        }
        Some("logout") => Answer::redirect("/?action=form"),
        Some("form") => Answer::page("<form>"),
        Some(action) => Answer::page(action),
        None => Answer::page("start"),
    })
    .await;
    let policy = r#"
        [[apps]]
        name = "app"
        session = { id = "cookie:PHPSESSID" }
        [[apps.logins]]
        path = "/"
        query = { action = "login" }
        page = "/?action=form"
        user = "form:username"
        success = { status = [302], new_session = true }
        [[apps.logouts]]
        path = "/"
        query = { action = "logout" }
        [[apps.routes]]
        path = "/"
        query = { action = "poll" }
        activity = "passive"
        "#;
    let gateway = Gateway::with(&app, policy).await;
    let mut browser = gateway.browser();
    let login = "username=buyer&password=buyer";

    let page = browser.visit("/?action=list").await;
    assert_eq!(page.text(), "<form>");
    browser.submit("/?action=login", login).await;
    logins_were(&gateway, &["buyer"]).await;

    gateway.advance(span("10m"));
    assert_eq!(browser.fetch("/?action=poll").await.text(), "poll");
    gateway.advance(span("5m"));
    let refused = browser.fetch("/?action=poll").await;
    assert_eq!(refused.refusal(), "session_idle_timeout");

    browser.submit("/?action=login", login).await;
    let id = browser.jar.get("PHPSESSID").expect("a new id");
    browser.open("/?action=logout").await;
    browser
        .jar
        .put(crate::harness::browser::HOST, "PHPSESSID", &id);
    let refused = browser.fetch("/?action=list").await;
    assert_eq!(refused.refusal(), "session_logout");
}

#[tokio::test]
async fn an_app_has_several_login_forms() {
    let sessions = Sessions::default();
    let app = LegacyApp::start(move |seen| {
        let user = match seen.path() {
            "/login" => seen.form("username"),
            "/partners/login" => seen.form("partner"),
            _ => return Answer::page("content"),
        };
        let id = sessions.create(user.as_deref());
        Answer::redirect("/home").set_cookie(&format!("SID={id}; Path=/"))
    })
    .await;
    let policy = r#"
        [[apps]]
        name = "app"
        session = { id = "cookie:SID" }
        [[apps.logins]]
        path = "/login"
        page = "/login"
        user = "form:username"
        success = { status = [302], new_session = true }
        [[apps.logins]]
        path = "/partners/login"
        page = "/partners/login"
        user = "form:partner"
        success = { status = [302], new_session = true }
        "#;
    let gateway = Gateway::with(&app, policy).await;
    let (mut one, mut other) = (gateway.browser(), gateway.browser());
    one.submit("/login", "username=buyer").await;
    other.submit("/partners/login", "partner=approver").await;
    logins_were(&gateway, &["buyer", "approver"]).await;

    gateway.advance(span("5m"));
    assert_eq!(one.fetch("/home").await.refusal(), "");
    let refused = other.fetch("/home").await;
    assert_eq!(refused.refusal(), "session_idle_timeout");
}

#[tokio::test]
async fn an_api_login_in_json_names_its_user_at_an_array_position_after_a_step_without_password() {
    let sessions = Sessions::default();
    let app = LegacyApp::start(move |seen| {
        if seen.path() != "/api/session" {
            return Answer::json(&json!(["order"]));
        }
        let credentials = seen.json()["credentials"].clone();
        match (credentials[0].as_str(), credentials[1].as_str()) {
            // Both steps answer 200, and the first one issues an id too.
            (Some(_), None) => {
                let id = sessions.create(None);
                Answer::json(&json!({ "next": "password", "ok": true }))
                    .set_cookie(&format!("sid={id}; Path=/"))
            }
            (Some(user), Some(password)) if user == password => {
                let id = sessions.create(Some(user));
                Answer::json(&json!({ "ok": true })).set_cookie(&format!("sid={id}; Path=/"))
            }
            _ => Answer::json(&json!({ "ok": false })),
        }
    })
    .await;
    let policy = r#"
        [[apps]]
        name = "app"
        session = { id = "cookie:sid" }
        [[apps.logins]]
        path = "/api/session"
        json = { "/credentials/1" = "*" }
        user = "json:/credentials/0"
        success = { status = [200], json = { "/ok" = true }, new_session = true }
        "#;
    let gateway = Gateway::with(&app, policy).await;
    let mut browser = gateway.browser();

    let first = json!({ "credentials": ["buyer"] });
    let answer = browser.post_json("/api/session", &first).await;
    assert_eq!(answer.json()["next"], "password");
    let refused = browser.fetch("/api/orders").await;
    assert_eq!(refused.refusal(), "login_required");

    let wrong = json!({ "credentials": ["buyer", "guess"] });
    browser.post_json("/api/session", &wrong).await;
    let refused = browser.fetch("/api/orders").await;
    assert_eq!(refused.refusal(), "login_required");

    let second = json!({ "credentials": ["buyer", "buyer"] });
    browser.post_json("/api/session", &second).await;
    assert_eq!(app.last().json(), second, "the body passes as it came");
    logins_were(&gateway, &["buyer"]).await;
    has_the_buyers_limits(&gateway, &app, &mut browser, "/api/orders").await;
}

#[tokio::test]
async fn a_login_is_answered_with_a_token_whose_claims_name_the_user_and_his_groups() {
    let sessions = Sessions::default();
    let app = LegacyApp::start(move |seen| match seen.path() {
        // Whoever signs on is told so in a token, and so is his browser.
        "/sso/login" => {
            let user = seen.form("mail").unwrap_or_default();
            let id = sessions.create(Some(&user));
            let roles = seen.form("roles").unwrap_or_default();
            let roles: Vec<&str> = roles.split_whitespace().collect();
            let claims = json!({ "sub": user, "realm_access": { "roles": roles } });
            Answer::redirect("/home")
                .set_cookie(&format!("SID={id}; Path=/"))
                .set_cookie(&format!("access_token={}; Path=/", token(&claims)))
        }
        _ => Answer::page("content"),
    })
    .await;
    let policy = r#"
        [roles.buyer]
        idle = "15m"
        absolute = "8h"
        users = ["buyer"]
        [roles.approver]
        idle = "5m"
        absolute = "4h"
        groups = ["approvers"]
        [[apps]]
        name = "app"
        session = { id = "cookie:SID" }
        [[apps.logins]]
        path = "/sso/login"
        user = "claim:sub in answer-cookie:access_token"
        groups = "claim:/realm_access/roles in answer-cookie:access_token"
        success = { status = [302], new_session = true, cookie = "access_token" }
        "#;
    let gateway = Gateway::with(&app, policy).await;
    let (mut one, mut other) = (gateway.browser(), gateway.browser());
    one.submit("/sso/login", "mail=buyer&roles=staff").await;
    let both = "mail=other&roles=staff+approvers";
    other.submit("/sso/login", both).await;
    logins_were(&gateway, &["buyer", "other"]).await;
    let logins = gateway.events("login", 2).await;
    assert_eq!(logins[1]["roles"], json!(["approver"]));

    gateway.advance(span("5m"));
    let refused = other.fetch("/home").await;
    assert_eq!(refused.refusal(), "session_idle_timeout");
    has_the_buyers_limits(&gateway, &app, &mut one, "/home").await;
}

#[tokio::test]
async fn a_registration_logs_in() {
    let sessions = Sessions::default();
    let app = LegacyApp::start(move |seen| match seen.path() {
        "/register" => {
            let id = sessions.create(seen.form("new_name").as_deref());
            Answer::redirect("/welcome").set_cookie(&format!("SID={id}; Path=/"))
        }
        _ => Answer::page("content"),
    })
    .await;
    let policy = r#"
        [[apps]]
        name = "app"
        session = { id = "cookie:SID" }
        [[apps.logins]]
        path = "/login"
        page = "/login"
        user = "form:username"
        success = { status = [302], new_session = true }
        [[apps.logins]]
        name = "registration"
        path = "/register"
        page = "/register"
        user = "form:new_name"
        success = { status = [302], location = "/welcome", new_session = true }
        "#;
    let gateway = Gateway::with(&app, policy).await;
    let mut browser = gateway.browser();
    assert_eq!(browser.open("/register").await.refusal(), "");
    browser.submit("/register", "new_name=buyer&terms=on").await;
    logins_were(&gateway, &["buyer"]).await;
    has_the_buyers_limits(&gateway, &app, &mut browser, "/welcome").await;
}
