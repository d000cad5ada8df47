//! How an app issues, keeps and replaces its ids, and what travels beside them.

use serde_json::json;

use crate::harness::answer::Answer;
use crate::harness::app::{FORM_APP, LegacyApp, Seen, Sessions, form_app};
use crate::harness::browser::{Browser, HOST, script};
use crate::harness::gateway::Gateway;
use crate::harness::span;

use super::{has_the_buyers_limits, logins_were};

#[tokio::test]
async fn a_login_request_brings_the_anonymous_id_that_its_form_came_with() {
    let sessions = Sessions::default();
    let app = LegacyApp::start(move |seen| match (seen.method.as_str(), seen.path()) {
        ("GET", "/login") => {
            let id = sessions.create(None);
            Answer::page(&format!("<input name=csrf value=token-of-{id}>"))
                .set_cookie(&format!("SID={id}; Path=/"))
        }
        ("POST", "/login") => {
            let id = seen.cookie("SID").unwrap_or_default();
            if seen.form("csrf") != Some(format!("token-of-{id}")) || !sessions.knows(id) {
                return Answer::status(403);
            }
            let id = sessions.create(Some("buyer"));
            Answer::redirect("/home").set_cookie(&format!("SID={id}; Path=/"))
        }
        _ => Answer::page("content"),
    })
    .await;
    let gateway = Gateway::with(&app, &FORM_APP.replace("JSESSIONID", "SID")).await;
    let mut browser = gateway.browser();

    browser.open("/login").await;
    let refused = browser.fetch("/home").await;
    assert_eq!(refused.refusal(), "login_required", "an id is no login");
    let form = "username=buyer&csrf=token-of-S1";
    assert_eq!(browser.submit("/login", form).await.status, 302);
    assert_eq!(app.last().cookie("SID"), Some("S1"));
    logins_were(&gateway, &["buyer"]).await;

    // What was issued before the login is not logged in by it.
    let mut holder = gateway.browser();
    holder.jar.put(HOST, "SID", "S1");
    let refused = holder.fetch("/home").await;
    assert_eq!(refused.refusal(), "session_superseded");
    has_the_buyers_limits(&gateway, &app, &mut browser, "/home").await;
}

#[tokio::test]
async fn an_app_keeps_its_id_over_the_login() {
    let sessions = Sessions::default();
    let app = LegacyApp::start(move |seen| {
        let known = seen.cookie("SID").filter(|id| sessions.knows(id));
        match (seen.method.as_str(), seen.path(), known) {
            (_, _, None) => {
                let id = sessions.create(None);
                Answer::page("<form>").set_cookie(&format!("SID={id}; Path=/"))
            }
            ("POST", "/login", Some(id)) => {
                let user = seen.form("username").unwrap_or_default();
                if seen.form("password").as_deref() != Some(&*user) {
                    return Answer::redirect("/login?error");
                }
                sessions.log_in(id, &user);
                Answer::redirect("/home")
            }
            (_, _, Some(id)) => Answer::page(&sessions.user(id).unwrap_or_default()),
        }
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
        success = { status = [302], location_not = "/login*" }
        same_id = true
        "#;
    let gateway = Gateway::with(&app, policy).await;
    let mut browser = gateway.browser();

    browser.open("/login").await;
    browser.submit("/login", "username=buyer&password=no").await;
    let refused = browser.fetch("/home").await;
    assert_eq!(refused.refusal(), "login_required");
    browser
        .submit("/login", "username=buyer&password=buyer")
        .await;
    assert_eq!(browser.fetch("/home").await.text(), "buyer");

    // Another login under the same id is another session: the first one ends, once.
    browser
        .submit("/login", "username=approver&password=approver")
        .await;
    assert_eq!(browser.fetch("/home").await.text(), "approver");
    logins_were(&gateway, &["buyer", "approver"]).await;
    let ends = gateway.events("end", 1).await;
    assert_eq!(ends.len(), 1);
    assert_eq!(ends[0]["reason"], "reauthenticated");
    assert_eq!(ends[0]["user"], "buyer");

    browser
        .submit("/login", "username=buyer&password=buyer")
        .await;
    has_the_buyers_limits(&gateway, &app, &mut browser, "/home").await;
}

/// Two cookies make one session: whoever shows half of a pair loses the whole.
fn pair_app() -> impl Fn(&Seen) -> Answer + Send + Sync {
    let sessions = Sessions::default();
    move |seen| {
        if (seen.method.as_str(), seen.path()) == ("POST", "/login") {
            let id = sessions.create(Some("buyer"));
            return Answer::redirect("/home")
                .set_cookie(&format!("SID={id}; Path=/"))
                .set_cookie(&format!("SID.sig=seal-of-{id}; Path=/"));
        }
        match (seen.cookie("SID"), seen.cookie("SID.sig")) {
            (Some(id), Some(seal)) if seal == format!("seal-of-{id}") && sessions.knows(id) => {
                Answer::page("content")
            }
            (None, None) => Answer::page("stranger"),
            (id, _) => {
                sessions.destroy(id.unwrap_or_default());
                Answer::status(400)
            }
        }
    }
}

const PAIR_APP: &str = r#"
[[apps]]
name = "app"
session = { id = "cookie:SID", group = ["SID.sig"] }
[[apps.logins]]
path = "/login"
page = "/login"
user = "form:username"
success = { status = [302], new_session = true }
[[apps.routes]]
path = "/public"
access = "public"
"#;

#[tokio::test]
async fn half_a_pair_of_cookies_never_reaches_the_app() {
    let app = LegacyApp::start(pair_app()).await;
    let gateway = Gateway::with(&app, PAIR_APP).await;
    let mut browser = gateway.browser();
    browser.submit("/login", "username=buyer").await;
    assert_eq!(browser.fetch("/home").await.text(), "content");
    let before = app.count();
    for (cookies, refusal) in [
        ("SID=S1", "session_partial"),
        ("SID=S1; SID.sig=seal-of-S2", "session_foreign"),
        ("SID.sig=seal-of-S1", "session_required"),
    ] {
        let request = script(browser.request("GET", "/home")).header("cookie", cookies);
        let refused = browser.send(request, "").await;
        assert_eq!(refused.refusal(), refusal, "{cookies}");
    }
    assert_eq!(app.count(), before);

    // Where no session is needed, the half that is there goes too.
    let request = browser
        .request("GET", "/public")
        .header("cookie", "a=1; SID.sig=seal-of-S1");
    assert_eq!(browser.send(request, "").await.text(), "stranger");
    assert_eq!(app.last().header("cookie"), Some("a=1"));
    assert_eq!(
        browser.fetch("/home").await.text(),
        "content",
        "the session lives"
    );

    // Both halves are expired together.
    gateway.advance(span("15m"));
    let refused = browser.fetch("/home").await;
    assert_eq!(refused.refusal(), "session_idle_timeout");
    assert_eq!(browser.jar.header(HOST, "/home"), None);
}

#[tokio::test]
async fn an_answer_that_deletes_and_sets_the_same_cookie_sets_it() {
    let sessions = Sessions::default();
    let app = LegacyApp::start(move |seen| {
        let fresh = |user| {
            let id = sessions.create(user);
            Answer::redirect("/home")
                .set_cookie("SID=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT")
                .set_cookie(&format!("SID={id}; Path=/"))
        };
        match seen.path() {
            "/login" => fresh(seen.form("username").as_deref()),
            "/renew" => fresh(Some("buyer")),
            _ => Answer::page("content"),
        }
    })
    .await;
    let gateway = Gateway::with(&app, &FORM_APP.replace("JSESSIONID", "SID")).await;
    let mut browser = gateway.browser();
    browser.submit("/login", "username=buyer").await;
    browser.open("/renew").await;
    assert_eq!(browser.jar.get("SID").as_deref(), Some("S2"));
    assert_eq!(browser.fetch("/home").await.text(), "content");
    assert_eq!(gateway.events("login", 1).await.len(), 1);
    has_the_buyers_limits(&gateway, &app, &mut browser, "/home").await;
    let ends = gateway.events("end", 1).await;
    assert_eq!(ends[0]["reason"], "idle_timeout", "no logout was seen");
}

#[tokio::test]
async fn a_dead_id_is_sent_again_with_the_next_login() {
    let app = LegacyApp::start(form_app()).await;
    let gateway = Gateway::with(&app, FORM_APP).await;
    let mut browser = gateway.browser();
    browser.log_in("buyer").await;
    gateway.advance(span("15m"));
    // Nothing told this browser that its session is over: it still has the cookie.
    browser.log_in("buyer").await;
    assert_eq!(app.last().all("cookie"), Vec::<&str>::new());
    logins_were(&gateway, &["buyer", "buyer"]).await;
    has_the_buyers_limits(&gateway, &app, &mut browser, "/home").await;
}

/// An app with two doors, each of which sets the id at a Path of its own.
async fn two_doors() -> (LegacyApp, Gateway) {
    let sessions = Sessions::default();
    let app = LegacyApp::start(move |seen| {
        let path = match seen.path() {
            "/login" => "/",
            "/shop/login" => "/shop",
            _ => return Answer::page("content"),
        };
        if seen.form("password").as_deref() == Some("wrong") {
            return Answer::page("wrong password");
        }
        let id = sessions.create(seen.form("username").as_deref());
        Answer::redirect("/home").set_cookie(&format!("SID={id}; Path={path}"))
    })
    .await;
    let policy = r#"
        [[apps]]
        name = "app"
        session = { id = "cookie:SID" }
        [[apps.logins]]
        path = "/login"
        user = "form:username"
        success = { status = [302], new_session = true }
        [[apps.logins]]
        path = "/shop/login"
        user = "form:username"
        success = { status = [302], new_session = true }
        "#;
    let gateway = Gateway::with(&app, policy).await;
    (app, gateway)
}

#[tokio::test]
async fn a_login_with_the_ids_of_two_living_sessions_is_not_locked_out_by_the_one_that_is_left() {
    let (app, gateway) = two_doors().await;
    let (mut browser, mut other) = (gateway.browser(), gateway.browser());
    browser.submit("/login", "username=buyer").await;
    let page = other.submit("/shop/login", "username=buyer").await;
    browser.jar.take(HOST, "/shop/login", &page.headers);
    let refused = browser.fetch("/shop/list").await;
    assert_eq!(refused.refusal(), "session_mixed");

    let failed = "username=buyer&password=wrong";
    let page = browser.submit("/shop/login", failed).await;
    assert_eq!(page.set_cookies(), Vec::<&str>::new(), "nobody logged in");
    let page = browser.submit("/shop/login", "username=buyer").await;
    assert_eq!(app.last().all("cookie"), Vec::<&str>::new());
    let [set, expired] = page.set_cookies()[..] else {
        panic!("{page:?}");
    };
    assert_eq!(set, "SID=S3; Path=/shop");
    assert!(expired.starts_with("SID=; Path=/; Max-Age=0"), "{expired}");
    logins_were(&gateway, &["buyer", "buyer", "buyer"]).await;
    has_the_buyers_limits(&gateway, &app, &mut browser, "/shop/list").await;
}

#[tokio::test]
async fn a_login_is_not_locked_out_by_the_id_that_it_replaces_at_another_path() {
    let (app, gateway) = two_doors().await;
    let mut browser = gateway.browser();
    browser.submit("/login", "username=buyer").await;
    browser.submit("/shop/login", "username=buyer").await;
    assert_eq!(app.last().cookie("SID"), Some("S1"), "it was alive");
    logins_were(&gateway, &["buyer", "buyer"]).await;
    assert_eq!(browser.fetch("/shop/list").await.text(), "content");

    // The same where the old id has died meanwhile, or was never recorded.
    browser.submit("/login", "username=buyer").await;
    browser.jar.forget("SID");
    browser.jar.put(HOST, "SID", "S1");
    browser.submit("/shop/login", "username=buyer").await;
    assert_eq!(browser.fetch("/shop/list").await.text(), "content");
    browser.jar.put(HOST, "SID", "never-issued");
    browser.submit("/shop/login", "username=buyer").await;
    has_the_buyers_limits(&gateway, &app, &mut browser, "/shop/list").await;
}

#[tokio::test]
async fn a_cookie_has_a_path_and_is_secure_and_lives_long_and_holds_colons() {
    const TICKET: &str = "buyer:1767254400:Zm9v+/bar==:x";
    let app = LegacyApp::start(|seen| match seen.path() {
        "/shop/login" => Answer::redirect("/shop/").set_cookie(&format!(
            "ticket={TICKET}; Max-Age=31536000; Path=/shop; Secure; HttpOnly; SameSite=Lax"
        )),
        _ => Answer::page("content"),
    })
    .await;
    let policy = r#"
        [[listeners]]
        address = "127.0.0.1:0"
        trusted_proxies = ["127.0.0.1"]
        [[apps]]
        name = "shop"
        session = { id = "cookie:ticket" }
        [[apps.logins]]
        path = "/shop/login"
        page = "/shop/login"
        user = "answer-cookie:ticket@:@0"
        success = { status = [302], cookie = "ticket" }
        "#;
    let gateway = Gateway::with(&app, policy).await;
    let browser = gateway.browser();
    // TLS ends at a proxy in front, so the gateway itself hears plain HTTP.
    let over_tls = |method: &str, target: &str| {
        let request = script(browser.request(method, target));
        request.header("x-forwarded-proto", "https")
    };
    let login = browser.send(over_tls("POST", "/shop/login"), "").await;
    assert!(login.set_cookies()[0].starts_with(&format!("ticket={TICKET}; Max-Age")));
    logins_were(&gateway, &["buyer"]).await;

    let with_ticket = |target| over_tls("GET", target).header("cookie", format!("ticket={TICKET}"));
    assert_eq!(
        browser.send(with_ticket("/shop/"), "").await.text(),
        "content"
    );
    assert_eq!(app.last().cookie("ticket"), Some(TICKET));
    gateway.advance(span("15m"));
    let refused = browser.send(with_ticket("/shop/"), "").await;
    assert_eq!(refused.refusal(), "session_idle_timeout");
    let expired = refused.set_cookies();
    assert_eq!(expired.len(), 1, "{expired:?}");
    for part in ["ticket=; ", "; Path=/shop", "; Max-Age=0", "; Secure"] {
        assert!(expired[0].contains(part), "{part} in {}", expired[0]);
    }
}

#[tokio::test]
async fn a_csrf_cookie_is_touched_by_nobody() {
    let sessions = Sessions::default();
    let app = LegacyApp::start(move |seen| match seen.path() {
        "/login" => {
            let id = sessions.create(Some("buyer"));
            Answer::redirect("/home")
                .set_cookie(&format!("JSESSIONID={id}; Path=/"))
                .set_cookie("XSRF-TOKEN=t0k3n; Path=/")
        }
        _ => Answer::page("content"),
    })
    .await;
    let policy = format!("{FORM_APP}[[apps.routes]]\npath = \"/news\"\non_stale = \"strip\"\n");
    let gateway = Gateway::with(&app, &policy).await;
    let mut browser = gateway.browser();
    browser.submit("/login", "username=buyer").await;
    browser.open("/home").await;
    assert_eq!(app.last().cookie("XSRF-TOKEN"), Some("t0k3n"));

    gateway.advance(span("15m"));
    let stripped = browser.open("/news").await;
    assert_eq!(stripped.text(), "content");
    assert_eq!(app.last().header("cookie"), Some("XSRF-TOKEN=t0k3n"));
    browser.fetch("/home").await;
    assert_eq!(browser.jar.get("JSESSIONID"), None);
    assert_eq!(browser.jar.get("XSRF-TOKEN").as_deref(), Some("t0k3n"));
}

/// An app whose ids travel in `Authorization`, under a scheme of its own.
async fn learns_tokens(issued: &str, tell: impl Fn(&str) -> Answer + Send + Sync + 'static) {
    let app = LegacyApp::start(move |seen| match seen.path() {
        "/api/login" => tell("T0k3n:1=="),
        _ => Answer::page("content"),
    })
    .await;
    let policy = format!(
        r#"
        [[apps]]
        name = "app"
        session = {{ id = "authorization:Session", issued = ["{issued}"] }}
        [[apps.logins]]
        path = "/api/login"
        user = "json:/user"
        success = {{ status = [200], new_session = true }}
        "#
    );
    let gateway = Gateway::with(&app, &policy).await;
    let mut browser = gateway.browser();
    browser
        .post_json("/api/login", &json!({ "user": "buyer" }))
        .await;
    logins_were(&gateway, &["buyer"]).await;

    let with = |credentials: &str| {
        script(browser.request("GET", "/api/orders")).header("authorization", credentials)
    };
    assert_eq!(
        browser.send(with("Session T0k3n:1=="), "").await.text(),
        "content"
    );
    assert_eq!(
        app.last().header("authorization"),
        Some("Session T0k3n:1==")
    );
    let before = app.count();
    for (credentials, refusal) in [
        ("Session guessed", "session_unknown"),
        ("Basic YnV5ZXI6YnV5ZXI=", "session_required"),
    ] {
        let refused = browser.send(with(credentials), "").await;
        assert_eq!(refused.refusal(), refusal, "{credentials}");
    }
    gateway.advance(span("15m"));
    let refused = browser.send(with("session T0k3n:1=="), "").await;
    assert_eq!(refused.refusal(), "session_idle_timeout");
    assert_eq!(refused.set_cookies(), Vec::<&str>::new());
    assert_eq!(app.count(), before);
}

#[tokio::test]
async fn ids_in_authorization_are_issued_by_a_json_field() {
    learns_tokens("answer-json:/session/token", |token| {
        Answer::json(&json!({ "session": { "token": token } }))
    })
    .await;
}

#[tokio::test]
async fn ids_in_authorization_are_issued_by_a_header() {
    learns_tokens("answer-header:x-session-token", |token| {
        Answer::json(&json!({})).header("x-session-token", token)
    })
    .await;
}

/// An app whose users each have one token, of which this is how it is told at the login.
async fn one_token_for_each_user(
    issued: &str,
    tell: impl Fn(&str) -> Answer + Send + Sync + 'static,
) -> (LegacyApp, Gateway) {
    let app = LegacyApp::start(move |seen| match seen.path() {
        "/api/login" => {
            let user = seen.json()["user"].as_str().unwrap_or_default().to_owned();
            tell(&format!("token-of-{user}"))
        }
        _ => Answer::page("content"),
    })
    .await;
    let policy = format!(
        r#"
        [[apps]]
        name = "app"
        session = {{ id = "authorization:Session", issued = ["{issued}"] }}
        [[apps.logins]]
        path = "/api/login"
        user = "json:/user"
        success = {{ status = [200], new_session = true }}
        "#
    );
    let gateway = Gateway::with(&app, &policy).await;
    (app, gateway)
}

#[tokio::test]
async fn no_login_is_answered_with_a_body_that_tells_a_dead_id() {
    let (app, gateway) = one_token_for_each_user("answer-json:/token", |token| {
        Answer::json(&json!({ "token": token })).set_cookie("lang=en")
    })
    .await;
    let mut browser = gateway.browser();
    let buyer = json!({ "user": "buyer" });
    let with = |browser: &Browser| {
        let request = script(browser.request("GET", "/api/orders"));
        request.header("authorization", "Session token-of-buyer")
    };
    let told = browser.post_json("/api/login", &buyer).await;
    assert_eq!(told.json()["token"], "token-of-buyer");

    // Alive, it is said again to its own user, and its session goes on with its clocks.
    gateway.advance(span("10m"));
    let told = browser.post_json("/api/login", &buyer).await;
    assert_eq!(told.json()["token"], "token-of-buyer");
    gateway.advance(span("4m 59s 999ms"));
    assert_eq!(browser.send(with(&browser), "").await.text(), "content");

    gateway.advance(span("15m"));
    let refused = browser.send(with(&browser), "").await;
    assert_eq!(refused.refusal(), "session_idle_timeout");
    let before = app.count();
    let refused = browser.post_json("/api/login", &buyer).await;
    assert_eq!(app.count(), before + 1, "the app logged him in");
    assert_eq!(
        (refused.status.as_u16(), refused.refusal()),
        (401, "session_unknown")
    );
    assert!(
        !refused.text().contains("token-of-buyer"),
        "{}",
        refused.text()
    );
    assert_eq!(refused.set_cookies(), Vec::<&str>::new());
    logins_were(&gateway, &["buyer"]).await;
}

#[tokio::test]
async fn no_answer_has_a_header_that_tells_a_dead_id() {
    let (_app, gateway) = one_token_for_each_user("answer-header:x-session-token", |token| {
        Answer::json(&json!({ "ok": true })).header("x-session-token", token)
    })
    .await;
    let mut browser = gateway.browser();
    let buyer = json!({ "user": "buyer" });
    let told = browser.post_json("/api/login", &buyer).await;
    assert_eq!(told.header("x-session-token"), "token-of-buyer");
    gateway.revoke(json!({ "user": "buyer" })).await;
    let told = browser.post_json("/api/login", &buyer).await;
    assert_eq!(told.json(), json!({ "ok": true }));
    assert_eq!(told.header("x-session-token"), "");
    logins_were(&gateway, &["buyer"]).await;
}

#[tokio::test]
async fn no_answer_tells_an_id_for_which_there_is_no_room() {
    let sessions = Sessions::default();
    let app = LegacyApp::start(move |seen| {
        let id = sessions.create(None);
        match seen.path() {
            // A first step, which logs nobody in.
            "/api/login" => Answer::json(&json!({ "token": id })),
            _ => Answer::page("content")
                .header("x-session-token", &id)
                .set_cookie(&format!("SID={id}")),
        }
    })
    .await;
    let policy = r#"
        [anonymous]
        sessions_per_client_max = 1
        [[apps]]
        name = "app"
        access = "public"
        [apps.session]
        id = "cookie:SID"
        also = ["authorization:Session"]
        issued = ["answer-header:x-session-token", "answer-json:/token"]
        [[apps.logins]]
        path = "/api/login"
        success = { status = [200], json = { "/user" = "*" }, new_session = true }
        "#;
    let gateway = Gateway::with(&app, policy).await;
    let browser = gateway.browser();
    let first = browser.get("/").await;
    assert_eq!(first.set_cookies(), ["SID=S1"]);
    assert_eq!(first.header("x-session-token"), "S1");
    let second = browser.get("/").await;
    assert_eq!(second.text(), "content");
    assert_eq!(second.set_cookies(), Vec::<&str>::new());
    assert_eq!(second.header("x-session-token"), "");
    let request = browser.request("POST", "/api/login");
    let third = browser.send(request, "").await;
    assert_eq!(
        (third.status.as_u16(), third.refusal()),
        (503, "store_full")
    );
    assert!(!third.text().contains("S3"), "{}", third.text());
}
