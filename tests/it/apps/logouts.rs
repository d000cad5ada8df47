//! How users log out.

use crate::harness::answer::Answer;
use crate::harness::app::{FORM_APP, LegacyApp, Sessions};
use crate::harness::browser::{Browser, HOST};
use crate::harness::gateway::Gateway;
use crate::harness::{raw, span};

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

/// An app that shows its login form in place of any protected page, and gives every stranger an id.
async fn greets_strangers() -> (LegacyApp, Gateway) {
    let sessions = Sessions::default();
    let app = LegacyApp::start(move |seen| {
        let fresh = |answer: Answer, user: Option<&str>| {
            let id = sessions.create(user);
            answer
                .set_cookie(&format!("JSESSIONID={id}; Path=/"))
                .set_cookie(&format!("SEAL=of-{id}; Path=/"))
                .set_cookie("lang=en; Path=/")
        };
        let user = sessions.user_of(seen, "JSESSIONID");
        match (seen.path(), user, seen.form("username")) {
            ("/login", _, Some(user)) => fresh(Answer::redirect("/home"), Some(&user)),
            ("/ws", ..) => fresh(
                Answer::websocket(seen.header("sec-websocket-key").unwrap_or_default()),
                None,
            ),
            (_, Some(user), _) => Answer::page(&format!("hello {user}")),
            (_, None, _) => fresh(Answer::page("<form action=login>"), None),
        }
    })
    .await;
    let policy = r#"
        [[apps]]
        name = "app"
        [apps.session]
        id = "cookie:JSESSIONID"
        also = ["path:jsessionid"]
        auth_cookies = ["SEAL"]
        [[apps.logins]]
        path = "/login"
        page = "same"
        user = "form:username"
        success = { status = [302], new_session = true }
        [[apps.routes]]
        path = "/news"
        access = "public"
        [[apps.routes]]
        path = "/ws"
        access = "public"
        "#;
    let gateway = Gateway::with(&app, policy).await;
    (app, gateway)
}

/// Whoever follows a link that carries another id than his own stays logged in.
async fn a_link_logs_nobody_out(target: &str) {
    let (app, gateway) = greets_strangers().await;
    let (mut victim, mut attacker) = (gateway.browser(), gateway.browser());
    attacker.submit("/login", "username=approver").await;
    gateway.advance(span("5m"));
    attacker.submit("/login", "username=approver").await;
    victim.submit("/login", "username=buyer").await;
    // One that died, one that is alive, one that was never issued.
    for id in ["S1", "S2", "S9"] {
        victim.jar.forget("lang");
        let page = victim.open(&format!("{target};jsessionid={id}")).await;
        assert_eq!(page.text(), "<form action=login>", "{id}");
        assert_eq!(app.last().header("cookie"), None, "{id}: it saw a stranger");
        assert_eq!(page.set_cookies(), ["lang=en; Path=/"], "{id}");
        assert_eq!(victim.jar.get("JSESSIONID").as_deref(), Some("S3"), "{id}");
        assert_eq!(victim.fetch("/home").await.text(), "hello buyer", "{id}");
    }
}

#[tokio::test]
async fn a_link_with_another_id_to_a_public_page_logs_nobody_out() {
    a_link_logs_nobody_out("/news").await;
}

#[tokio::test]
async fn a_link_with_another_id_to_a_page_that_shows_the_login_form_logs_nobody_out() {
    a_link_logs_nobody_out("/orders").await;
}

#[tokio::test]
async fn a_websocket_with_another_id_in_its_link_logs_nobody_out() {
    let (_app, gateway) = greets_strangers().await;
    let mut victim = gateway.browser();
    victim.submit("/login", "username=buyer").await;
    let cookies = victim.jar.header(HOST, "/ws").unwrap_or_default();
    let head = format!(
        "GET /ws;jsessionid=S9 HTTP/1.1\r\nHost: {HOST}\r\nCookie: {cookies}\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let answer = raw::head(gateway.address, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    let answer = answer.to_ascii_lowercase();
    let cookies: Vec<&str> = answer
        .lines()
        .filter(|line| line.starts_with("set-cookie"))
        .collect();
    assert_eq!(cookies, ["set-cookie: lang=en; path=/"]);
}

#[tokio::test]
async fn a_login_that_comes_by_a_link_with_another_id_is_learned() {
    let (_app, gateway) = greets_strangers().await;
    let (mut victim, mut attacker) = (gateway.browser(), gateway.browser());
    attacker.submit("/login", "username=approver").await;
    victim.submit("/login", "username=buyer").await;
    let target = "/login;jsessionid=S1";
    victim.submit(target, "username=buyer").await;
    assert_eq!(victim.jar.get("JSESSIONID").as_deref(), Some("S3"));
    assert_eq!(victim.fetch("/home").await.text(), "hello buyer");
}

#[tokio::test]
async fn a_stranger_with_a_dead_id_gets_the_one_that_his_login_needs() {
    let (_app, gateway) = greets_strangers().await;
    let mut browser = gateway.browser();
    browser.submit("/login", "username=buyer").await;
    gateway.advance(span("15m"));
    browser.open("/news;jsessionid=S9").await;
    assert_eq!(browser.jar.get("JSESSIONID").as_deref(), Some("S2"));
}
