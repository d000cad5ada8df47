//! What nobody can make the gateway believe of a login.

use serde_json::{Value, json};

use crate::harness::answer::{Answer, token};
use crate::harness::app::{LegacyApp, Sessions};
use crate::harness::gateway::Gateway;
use crate::harness::span;

use super::logins_were;

/// An app that logs in whoever calls `/login`, as `user` finds his name, behind these listeners.
async fn idle_timeout_of(listeners: &str, user: &str, login: (&str, &str, &str)) -> &'static str {
    idle_timeout_after(json!({}), listeners, user, login).await
}

/// The same of an app that says this of the login.
async fn idle_timeout_after(
    answer: Value,
    listeners: &str,
    user: &str,
    login: (&str, &str, &str),
) -> &'static str {
    let app = LegacyApp::start(move |seen| match seen.path() {
        "/login" => Answer::json(&answer).set_cookie("SID=S1; Path=/"),
        _ => Answer::page("content"),
    })
    .await;
    let policy = format!(
        r#"
        {listeners}
        [[apps]]
        name = "app"
        session = {{ id = "cookie:SID" }}
        [[apps.logins]]
        path = "/login"
        user = "{user}"
        success = {{ status = [200], new_session = true }}
        "#
    );
    let gateway = Gateway::with(&app, &policy).await;
    let browser = gateway.browser();
    let (name, value, body) = login;
    let request = browser.request("POST", "/login").header(name, value);
    browser.send(request, body.to_owned()).await;
    gateway.events("login", 1).await;
    gateway.advance(span("5m"));
    let request = browser.request("GET", "/home").header("cookie", "SID=S1");
    match browser.send(request, "").await.refusal() {
        "" => "the buyer's",
        "session_idle_timeout" => "the strictest",
        other => panic!("{other}"),
    }
}

async fn tells_the_user_for_trusted_peers_alone(user: &str, login: (&str, &str, &str)) {
    let anybody = idle_timeout_of("", user, login).await;
    assert_eq!(anybody, "the strictest");
    let elsewhere =
        "[[listeners]]\naddress = \"127.0.0.1:0\"\ntrusted_proxies = [\"192.0.2.0/24\"]";
    let stranger = idle_timeout_of(elsewhere, user, login).await;
    assert_eq!(stranger, "the strictest");
    let here = "[[listeners]]\naddress = \"127.0.0.1:0\"\ntrusted_proxies = [\"127.0.0.1\"]";
    let proxy = idle_timeout_of(here, user, login).await;
    assert_eq!(proxy, "the buyer's");
}

#[tokio::test]
async fn no_header_of_an_untrusted_peer_tells_the_user() {
    let login = ("x-remote-user", "buyer", "");
    tells_the_user_for_trusted_peers_alone("header:x-remote-user", login).await;
}

#[tokio::test]
async fn no_cookie_and_no_token_of_an_untrusted_peer_tells_the_user() {
    let login = ("cookie", "a=1; sso=buyer", "");
    tells_the_user_for_trusted_peers_alone("cookie:sso", login).await;
    let token = token(&json!({ "https://example.com/user": "buyer" }));
    let user = "claim:https://example.com/user in header:authorization";
    let login = ("authorization", &*format!("Bearer {token}"), "");
    tells_the_user_for_trusted_peers_alone(user, login).await;
    let user = "claim:https://example.com/user in cookie:sso";
    let login = ("cookie", &*format!("sso={token}"), "");
    tells_the_user_for_trusted_peers_alone(user, login).await;
}

#[tokio::test]
async fn no_token_that_cannot_be_read_in_one_way_tells_the_user() {
    let told = async |token: String| {
        let user = "claim:/sub in answer-json:/access_token";
        let answer = json!({ "access_token": token });
        idle_timeout_after(answer, "", user, ("accept", "*/*", "")).await
    };
    let good = token(&json!({ "sub": "buyer" }));
    assert_eq!(told(good.clone()).await, "the buyer's");
    let (signed, _) = good.rsplit_once('.').unwrap_or_default();
    for token in [
        signed.to_owned(),
        format!("{good}.{good}"),
        format!("{signed}.{}", "A".repeat(16 * 1024)),
        // {"sub":"buyer","sub":"buyer"}
        "e30.eyJzdWIiOiJidXllciIsInN1YiI6ImJ1eWVyIn0.".to_owned(),
        String::new(),
    ] {
        assert_eq!(told(token.clone()).await, "the strictest", "{token}");
    }
}

#[tokio::test]
async fn no_json_that_names_two_users_tells_the_user() {
    let told = async |body| {
        let login = ("content-type", "application/json", body);
        idle_timeout_of("", "json:/user", login).await
    };
    assert_eq!(told(r#"{"user":"buyer"}"#).await, "the buyer's");
    let twice = told(r#"{"user":"approver","user":"buyer"}"#).await;
    assert_eq!(twice, "the strictest");
    let disguised = told(r#"{"user":"buyer","User":"approver"}"#).await;
    assert_eq!(disguised, "the strictest");
}

#[tokio::test]
async fn a_password_given_twice_makes_no_attempt_of_a_recipe_that_asks_for_one() {
    let app = LegacyApp::start(|seen| match seen.path() {
        "/login" => Answer::json(&json!({ "ok": true })).set_cookie("SID=S1; Path=/"),
        _ => Answer::page("content"),
    })
    .await;
    let policy = r#"
        [[apps]]
        name = "app"
        session = { id = "cookie:SID" }
        [[apps.logins]]
        path = "/login"
        json = { "/password" = "*" }
        user = "json:/user"
        success = { status = [200], new_session = true }
        "#;
    let gateway = Gateway::with(&app, policy).await;
    let browser = gateway.browser();
    let body = r#"{"user":"buyer","password":"buyer","password":null}"#;
    browser.send(browser.request("POST", "/login"), body).await;
    let home = browser.request("GET", "/home").header("cookie", "SID=S1");
    let refused = browser.send(home, "").await;
    assert_eq!(refused.refusal(), "login_required");
}

#[tokio::test]
async fn no_failed_login_of_the_php_example_is_learned_from_the_id_it_comes_with() {
    let sessions = Sessions::default();
    let app = LegacyApp::start(move |seen| match seen.query("action").as_deref() {
        // session_start() issues an id to whoever has none, also where the password is wrong.
        Some("login") if seen.method == "POST" => {
            let target = match seen.form("username") == seen.form("password") {
                true => "index.php?action=list",
                false => "index.php?action=login&error=1",
            };
            let id = sessions.create(None);
            Answer::redirect(target).set_cookie(&format!("PHPSESSID={id}; path=/"))
        }
        _ => Answer::page("content"),
    })
    .await;
    let policy: String = include_str!("../../../config/examples/php.toml")
        .lines()
        .filter(|line| !line.starts_with("hosts") && !line.starts_with("upstreams"))
        .map(|line| format!("{line}\n"))
        .collect();
    let policy = policy.replace("127.0.0.1:8080", "127.0.0.1:0");
    let gateway = Gateway::with(&app, &policy).await;
    let mut browser = gateway.browser();
    let login = "/index.php?action=login";

    browser.submit(login, "username=clerk-1&password=no").await;
    assert!(browser.jar.get("PHPSESSID").is_some());
    let refused = browser.fetch("/index.php?action=list").await;
    assert_eq!(refused.refusal(), "login_required");

    let right = "username=clerk-1&password=clerk-1";
    browser.submit(login, right).await;
    logins_were(&gateway, &["clerk-1"]).await;
    let list = browser.fetch("/index.php?action=list").await;
    assert_eq!(list.text(), "content");
}
