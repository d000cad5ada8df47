//! How users log out.

use crate::harness::answer::Answer;
use crate::harness::app::{FORM_APP, LegacyApp, Sessions};
use crate::harness::browser::{Browser, HOST};
use crate::harness::gateway::Gateway;

/// An app whose sessions outlive everything: its logout only says that it worked.
async fn app(logout: impl Fn() -> Answer + Send + Sync + 'static) -> LegacyApp {
    let sessions = Sessions::default();
    LegacyApp::start(move |seen| match seen.path() {
        "/login" => {
            let id = sessions.create(seen.form("username").as_deref());
            Answer::redirect("/home").set_cookie(&format!("JSESSIONID={id}; Path=/"))
        }
        "/logout" | "/index.php" if seen.form("csrf").as_deref() != Some("forged") => logout(),
        "/logout" => Answer::status(403),
        _ => Answer::page("content"),
    })
    .await
}

fn policy(logout: &str) -> String {
    let (before, _) = FORM_APP.split_once("[[apps.logouts]]").unwrap_or_default();
    format!("{before}[[apps.logouts]]\n{logout}\n")
}

/// The id is dead, whoever still has it, and the audit says why.
async fn is_logged_out(gateway: &Gateway, app: &LegacyApp, browser: &mut Browser) {
    browser.jar.put(HOST, "JSESSIONID", "S1");
    let before = app.count();
    let refused = browser.fetch("/home").await;
    assert_eq!(refused.refusal(), "session_logout");
    assert_eq!(app.count(), before);
    let ends = gateway.events("end", 1).await;
    assert_eq!(ends.len(), 1);
    assert_eq!(ends[0]["reason"], "logout");
}

#[tokio::test]
async fn a_logout_by_get_with_a_query_sets_no_cookie() {
    let app = app(|| Answer::redirect("/login")).await;
    let policy = policy("path = \"/index.php\"\nmethods = [\"GET\"]\nquery = { do = \"logout\" }");
    let gateway = Gateway::with(&app, &policy).await;
    let mut browser = gateway.browser();
    browser.log_in("buyer").await;
    browser.open("/index.php?do=list").await;
    assert_eq!(browser.fetch("/home").await.text(), "content");
    browser.open("/index.php?do=logout").await;
    is_logged_out(&gateway, &app, &mut browser).await;
}

#[tokio::test]
async fn a_logout_by_post() {
    let app = app(|| Answer::page("bye")).await;
    let policy = policy("path = \"/logout\"\nmethods = [\"POST\"]");
    let gateway = Gateway::with(&app, &policy).await;
    let mut browser = gateway.browser();
    browser.log_in("buyer").await;
    browser.open("/logout").await;
    assert_eq!(browser.fetch("/home").await.text(), "content");
    browser.submit("/logout", "csrf=genuine").await;
    is_logged_out(&gateway, &app, &mut browser).await;
}

#[tokio::test]
async fn a_logout_that_no_recipe_names_is_known_by_the_deleted_cookie() {
    let delete = "JSESSIONID=\"\"; Path=/; Expires=Thu, 01-Jan-1970 00:00:10 GMT";
    let app = app(move || Answer::redirect("/login").set_cookie(delete)).await;
    let gateway = Gateway::with(&app, &policy("path = \"/elsewhere\"")).await;
    let mut browser = gateway.browser();
    browser.log_in("buyer").await;
    browser.open("/logout").await;
    assert_eq!(browser.jar.get("JSESSIONID"), None);
    is_logged_out(&gateway, &app, &mut browser).await;
}

#[tokio::test]
async fn a_forged_logout_that_the_app_refuses_ends_nothing() {
    let app = app(|| Answer::page("bye")).await;
    let gateway = Gateway::with(&app, FORM_APP).await;
    let mut browser = gateway.browser();
    browser.log_in("buyer").await;
    let refused = browser.submit("/logout", "csrf=forged").await;
    assert_eq!((refused.status.as_u16(), refused.refusal()), (403, ""));
    assert_eq!(browser.fetch("/home").await.text(), "content");

    // Without the cookie, as a forged request of another site comes under SameSite: nobody's.
    let stranger = gateway.browser();
    stranger.get("/logout").await;
    assert_eq!(browser.fetch("/home").await.text(), "content");
    browser.submit("/logout", "csrf=genuine").await;
    is_logged_out(&gateway, &app, &mut browser).await;
}
