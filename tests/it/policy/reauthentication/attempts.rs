//! Logins that are sent by somebody who is logged in: none of them makes his old login a fresh one.

use serde_json::json;

use super::{CODE, coming_from, content_app, ends, goes_on, logged_in_at, one_end, policy};
use crate::harness::answer::Answer;
use crate::harness::app::{LegacyApp, Seen, Sessions};
use crate::harness::browser::Browser;
use crate::harness::gateway::Gateway;
use crate::harness::span;

/// A login of the app that keeps its id, and takes being led home for a success.
fn believing() -> String {
    policy()
        .replace("page = \"/login\"", "page = \"/login\"\nsame_id = true")
        .replace("new_session = true", "location = \"/home\"")
}

/// As `content_app`, and it finds its login however the path is spelled.
fn lenient_app() -> impl Fn(&Seen) -> Answer + Send + Sync + 'static {
    let app = content_app(true);
    move |seen| {
        let mut seen = seen.clone();
        if seen.method == "POST" {
            seen.target = "/login".to_owned();
        }
        app(&seen)
    }
}

#[tokio::test]
async fn no_spelling_of_the_login_path_renews_a_login_that_the_app_did_not_look_at() {
    for target in [
        "/login",
        "//login",
        "/./login",
        "/x/../login",
        "/logi%6E",
        "/login;x=1",
        "/%2e/login",
    ] {
        for site in ["same-origin", "cross-site"] {
            let app = LegacyApp::start(lenient_app()).await;
            let gateway = Gateway::with(&app, &believing()).await;
            let mut browser = gateway.browser();
            browser.open("/login").await;
            browser.log_in("buyer").await;
            gateway.advance(span("5m"));
            let request = coming_from(&browser, "POST", target, site);
            let request = request.header("content-type", "application/x-www-form-urlencoded");
            let before = app.count();
            let form = "username=buyer&password=x";
            browser.keep(target, request, form).await;
            let seen = app.requests().split_off(before);
            let carried = seen.iter().any(|seen| seen.cookie("JSESSIONID").is_some());
            assert!(
                !carried,
                "{target} from {site}: the app saw who is logged in"
            );
            let page = browser.fetch("/approvals/7").await;
            assert_ne!(page.refusal(), "", "{target} from {site}");
        }
    }
}

#[tokio::test]
async fn a_login_that_is_not_too_old_yet_is_not_renewed_by_a_wrong_password() {
    let (app, gateway, mut browser) = logged_in_at(&believing(), true).await;
    gateway.advance(span("1m"));
    let form = "username=buyer&password=x";
    let request = coming_from(&browser, "POST", "/login", "cross-site");
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let page = browser.keep("/login", request, form).await;
    assert_eq!(page.text(), "wrong password");
    assert_eq!(app.last().cookie("JSESSIONID"), None);
    goes_on(&gateway, &mut browser).await;

    let page = browser.submit("/login", form).await;
    assert_eq!(page.text(), "wrong password", "the app looked at none");
    assert_eq!(app.last().cookie("JSESSIONID"), None);
    assert_eq!(one_end(&gateway).await["reason"], "reauthenticated");
    assert_ne!(browser.fetch("/approvals/7").await.refusal(), "");
}

#[tokio::test]
async fn without_a_route_that_asks_for_a_fresh_login_one_is_sent_with_its_session() {
    let lax = believing().replace("max_auth_age = \"5m\"\n", "");
    let (app, _gateway, mut browser) = logged_in_at(&lax, true).await;
    let page = browser.submit("/login", "username=buyer&password=x").await;
    assert_eq!(page.header("location"), "/home");
    assert!(app.last().cookie("JSESSIONID").is_some());
}

#[tokio::test]
async fn a_login_by_somebody_elses_form_ends_the_session_whose_place_it_takes() {
    let (_app, gateway, mut browser) = logged_in_at(&policy(), false).await;
    let mut copy = browser.clone();
    gateway.advance(span("1m"));
    let request = coming_from(&browser, "POST", "/login", "cross-site");
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let form = "username=buyer&password=buyer";
    let page = browser.keep("/login", request, form).await;
    assert_eq!(page.status, 302);
    let end = one_end(&gateway).await;
    assert_eq!(end["reason"], "reauthenticated");
    let logins = gateway.events("login", 2).await;
    assert_eq!(logins[0]["lineage"], end["lineage"]);
    let refusal = copy.fetch("/home").await.refusal().to_owned();
    assert_eq!(refusal, "session_reauthenticated");
    gateway.advance(span("4m 59s"));
    assert_eq!(browser.fetch("/approvals/7").await.refusal(), "");
}

/// One endpoint for all calls; it leaves whoever is logged in logged in.
fn rpc_app() -> impl Fn(&Seen) -> Answer + Send + Sync + 'static {
    let sessions = Sessions::default();
    move |seen| {
        let user = sessions.user_of(seen, "JSESSIONID");
        let call = match seen.method.as_str() {
            "POST" => seen.json(),
            _ => json!(null),
        };
        match (&call["password"], user) {
            (password, None) if password.is_string() => {
                if *password != call["user"] {
                    return Answer::page("wrong password");
                }
                let id = sessions.create(call["user"].as_str());
                Answer::page("welcome").set_cookie(&format!("JSESSIONID={id}; Path=/"))
            }
            (password, Some(_)) if password.is_string() => Answer::page("welcome"),
            (_, Some(user)) => Answer::page(&format!("{} of {user}", seen.path())),
            (_, None) => Answer::page("a stranger"),
        }
    }
}

async fn logged_in_at_the_endpoint() -> (LegacyApp, Gateway, Browser) {
    let rpc = policy()
        .replace("path = \"/login\"\npage = \"/login\"", "path = \"/api\"")
        .replace("user = \"form:username\"", "user = \"json:/user\"")
        .replace("status = [302]", "status = [200]")
        .replace(
            "success =",
            "same_id = true\njson = { \"/password\" = \"*\" }\nsuccess =",
        )
        .replace(", new_session = true", "");
    let app = LegacyApp::start(rpc_app()).await;
    let gateway = Gateway::with(&app, &rpc).await;
    let mut browser = gateway.browser();
    let page = browser.post_json("/api", &credentials("buyer")).await;
    assert_eq!(page.text(), "welcome");
    (app, gateway, browser)
}

fn credentials(password: &str) -> serde_json::Value {
    json!({ "user": "buyer", "password": password })
}

#[tokio::test]
async fn no_ordinary_call_to_an_endpoint_that_also_takes_logins_is_taken_for_one() {
    let (_app, gateway, mut browser) = logged_in_at_the_endpoint().await;
    for after in ["1m", "4m", "10m"] {
        gateway.advance(span(after));
        let page = browser
            .post_json("/api", &json!({ "list": "orders" }))
            .await;
        assert_eq!(page.text(), "/api of buyer", "after {after}");
    }
    assert_eq!(browser.fetch("/approvals/7").await.refusal(), CODE);
    assert!(ends(&gateway).is_empty());
}

#[tokio::test]
async fn a_login_that_only_its_body_tells_is_a_real_one_too() {
    for (after, password) in [("1m", "x"), ("5m", "x"), ("5m", "buyer")] {
        let (app, gateway, mut browser) = logged_in_at_the_endpoint().await;
        let id = browser.jar.get("JSESSIONID");
        gateway.advance(span(after));
        let request = coming_from(&browser, "POST", "/api", "cross-site");
        let body = credentials("x").to_string();
        let page = browser.keep("/api", request, &body).await;
        assert_eq!(page.text(), "wrong password");
        assert_eq!(app.last().cookie("JSESSIONID"), None);
        assert_eq!(browser.jar.get("JSESSIONID"), id);
        goes_on(&gateway, &mut browser).await;

        let page = browser.post_json("/api", &credentials(password)).await;
        assert_eq!(app.last().cookie("JSESSIONID"), None, "{after} {password}");
        assert_eq!(one_end(&gateway).await["reason"], "reauthenticated");
        let approval = browser.fetch("/approvals/7").await;
        match password {
            "x" => assert_ne!(approval.refusal(), "", "{}", page.text()),
            _ => assert_eq!(approval.text(), "/approvals/7 of buyer"),
        }
    }
}
