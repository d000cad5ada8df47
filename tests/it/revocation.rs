//! Revocation through the admin listener: of one session, of a user, of all.

mod command;

use serde_json::{Value, json};

use crate::harness::answer::Gate;
use crate::harness::app::{FORM_APP, LegacyApp, form_app};
use crate::harness::browser::Browser;
use crate::harness::gateway::{ADMIN_TOKEN, Gateway};
use crate::harness::{eventually, span};

/// Two sessions of the buyer and one of the approver.
async fn three_sessions() -> (LegacyApp, Gateway, [Browser; 3]) {
    let app = LegacyApp::start(form_app()).await;
    let gateway = Gateway::with(&app, FORM_APP).await;
    let mut browsers = [gateway.browser(), gateway.browser(), gateway.browser()];
    for (browser, user) in browsers.iter_mut().zip(["buyer", "buyer", "approver"]) {
        browser.log_in(user).await;
    }
    gateway.advance(span("1s"));
    (app, gateway, browsers)
}

/// What each browser is told at its next request; nothing where the app answered.
async fn told(browsers: &mut [Browser; 3]) -> Vec<String> {
    let mut told = Vec::new();
    for browser in browsers {
        told.push(browser.fetch("/home").await.refusal().to_owned());
    }
    told
}

const REVOKED: &str = "session_revoked";

#[tokio::test]
async fn one_session_is_revoked_by_its_lineage() {
    let (_app, gateway, mut browsers) = three_sessions().await;
    let logins = gateway.events("login", 3).await;
    gateway
        .revoke(json!({ "lineage": logins[1]["lineage"] }))
        .await;
    assert_eq!(told(&mut browsers).await, ["", REVOKED, ""]);
}

#[tokio::test]
async fn all_sessions_of_a_user_are_revoked() {
    let (_app, gateway, mut browsers) = three_sessions().await;
    gateway.revoke(json!({ "user": "buyer" })).await;
    assert_eq!(told(&mut browsers).await, [REVOKED, REVOKED, ""]);
}

#[tokio::test]
async fn everything_is_revoked() {
    let (app, gateway, mut browsers) = three_sessions().await;
    let before = app.count();
    gateway.revoke(json!({ "all": true })).await;
    assert_eq!(told(&mut browsers).await, [REVOKED; 3]);
    assert_eq!(app.count(), before);
}

#[tokio::test]
async fn a_fresh_login_works_at_once() {
    let (_app, gateway, mut browsers) = three_sessions().await;
    gateway.revoke(json!({ "all": true })).await;
    // The least time that the clock can tell: a login of the cut's own instant may be older.
    gateway.advance(span("1ms"));
    for (browser, user) in browsers.iter_mut().zip(["buyer", "buyer", "approver"]) {
        browser.log_in(user).await;
        assert_eq!(browser.fetch("/home").await.text(), format!("hello {user}"));
    }
}

#[tokio::test]
async fn a_login_under_way_at_the_revocation_is_covered_by_it() {
    let gate = Gate::closed();
    let plain = form_app();
    let app = LegacyApp::start({
        let gate = gate.clone();
        move |seen| plain(seen).held_by(&gate)
    })
    .await;
    let gateway = Gateway::with(&app, FORM_APP).await;
    let mut browser = gateway.browser();
    let login = async {
        browser.log_in("buyer").await;
        browser.fetch("/home").await
    };
    let meanwhile = async {
        eventually("the login reaches the app", async || {
            (app.count() == 1).then_some(())
        })
        .await;
        gateway.advance(span("1s"));
        gateway.revoke(json!({ "user": "buyer" })).await;
        gateway.advance(span("1s"));
        gate.open();
    };
    let (page, ()) = tokio::join!(login, meanwhile);
    assert_eq!(page.refusal(), REVOKED);
}

#[tokio::test]
async fn a_revocation_follows_the_rotations_of_the_id() {
    let (_app, gateway, mut browsers) = three_sessions().await;
    let logins = gateway.events("login", 3).await;
    for _ in 0..3 {
        browsers[0].open("/rotate").await;
    }
    gateway
        .revoke(json!({ "lineage": logins[0]["lineage"] }))
        .await;
    assert_eq!(told(&mut browsers).await, [REVOKED, "", ""]);
    let ends = gateway.events("end", 1).await;
    assert_eq!(ends.len(), 1);
    assert_eq!(ends[0]["lineage"], logins[0]["lineage"]);
}

#[tokio::test]
async fn a_revoked_session_is_recorded_once_also_when_nobody_comes_back() {
    let (_app, gateway, mut browsers) = three_sessions().await;
    gateway.revoke(json!({ "user": "buyer" })).await;
    gateway.sweep();
    let ends = gateway.events("end", 2).await;
    assert!(
        ends.iter().all(|end| end["reason"] == "revoked"),
        "{ends:?}"
    );
    assert_eq!(told(&mut browsers).await, [REVOKED, REVOKED, ""]);
    gateway.events("refusal", 2).await;
    assert_eq!(gateway.events("end", 2).await.len(), 2);
    let labels = ["reason=\"revoked\""];
    assert_eq!(
        gateway.metric("curfew_sessions_ended_total", &labels).await,
        2.0
    );
}

#[tokio::test]
async fn a_revoked_id_stays_dead_even_if_the_app_replaces_it() {
    let (app, gateway, mut browsers) = three_sessions().await;
    let before = app.count();
    gateway.revoke(json!({ "user": "buyer" })).await;
    assert_eq!(browsers[0].open("/rotate").await.refusal(), REVOKED);
    assert_eq!(app.count(), before);
}

#[tokio::test]
async fn only_who_has_the_token_revokes() {
    let (_app, gateway, mut browsers) = three_sessions().await;
    let operator = Browser::at(gateway.admin, curfew::clock::Clock::system());
    let attempt = async |token: Option<&str>, body: &Value| {
        let mut request = operator.request("POST", "/v1/revocations");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        operator
            .send(request, body.to_string())
            .await
            .status
            .as_u16()
    };
    let all = json!({ "all": true });
    assert_eq!(attempt(None, &all).await, 401);
    assert_eq!(
        attempt(Some("another-token-of-these-tests"), &all).await,
        401
    );
    for nonsense in [
        json!({}),
        json!({ "all": false }),
        json!({ "lineage": "x" }),
        json!({ "user": "" }),
        json!({ "user": "a", "all": true }),
        json!([1]),
    ] {
        let status = attempt(Some(ADMIN_TOKEN), &nonsense).await;
        assert_eq!(status, 400, "{nonsense}");
    }
    assert_eq!(told(&mut browsers).await, ["", "", ""]);
}
