//! Where a login has to be fresh: who is asked for a new one, what ends by it, and the way back.

mod attempts;

use http::request;
use serde_json::Value;

use crate::harness::answer::Answer;
use crate::harness::app::{FORM_APP, LegacyApp, Seen, Sessions};
use crate::harness::browser::{Browser, HOST, Page, navigation, script};
use crate::harness::gateway::Gateway;
use crate::harness::redis::RedisServer;
use crate::harness::span;
use crate::harness::tls::{Authority, PemFiles};

const COOKIE: &str = "curfew-way-back";
const CODE: &str = "reauthentication_required";
const TO_LOGIN: &str = "/login?curfew_reason=reauthentication_required";

/// An app that leaves everybody logged in who is: it shows him no form, and looks at no password.
fn content_app(keeps_id: bool) -> impl Fn(&Seen) -> Answer + Send + Sync + 'static {
    let sessions = Sessions::default();
    move |seen| {
        let user = sessions.user_of(seen, "JSESSIONID");
        match (seen.method.as_str(), seen.path(), user) {
            (_, "/login", Some(_)) => Answer::redirect("/home"),
            ("GET", "/login", None) => {
                let id = sessions.create(None);
                Answer::page("<form>").set_cookie(&format!("JSESSIONID={id}; Path=/"))
            }
            ("POST", "/login", None) => {
                let user = seen.form("username").unwrap_or_default();
                if seen.form("password").as_deref() != Some(&*user) {
                    return Answer::page("wrong password");
                }
                let known = seen.cookie("JSESSIONID").filter(|id| sessions.knows(id));
                match known.filter(|_| keeps_id) {
                    Some(id) => {
                        sessions.log_in(id, &user);
                        Answer::redirect("/home")
                    }
                    None => {
                        let id = sessions.create(Some(&user));
                        Answer::redirect("/home").set_cookie(&format!("JSESSIONID={id}; Path=/"))
                    }
                }
            }
            (_, "/ws", _) => {
                Answer::websocket(seen.header("sec-websocket-key").unwrap_or_default())
            }
            (_, path, Some(user)) => Answer::page(&format!("{path} of {user}")),
            (_, path, None) => Answer::page(&format!("{path} of a stranger")),
        }
    }
}

/// Approvals ask for a login of the last five minutes.
fn policy() -> String {
    format!(
        "{FORM_APP}\n[[apps.routes]]\npath = \"/approvals/**\"\nmax_auth_age = \"5m\"\n\
         [[apps.routes]]\npath = \"/ws\"\nmax_auth_age = \"5m\"\n"
    )
}

async fn logged_in_at(policy: &str, keeps_id: bool) -> (LegacyApp, Gateway, Browser) {
    let app = LegacyApp::start(content_app(keeps_id)).await;
    let gateway = Gateway::with(&app, policy).await;
    let mut browser = gateway.browser();
    browser.open("/login").await;
    browser.log_in("buyer").await;
    (app, gateway, browser)
}

/// A buyer whose login is five minutes old, to the millisecond, and who was active all the time.
async fn no_longer_fresh(policy: &str) -> (LegacyApp, Gateway, Browser) {
    let (app, gateway, browser) = logged_in_at(policy, false).await;
    gateway.advance(span("5m"));
    (app, gateway, browser)
}

/// A navigation that says from where it comes.
fn coming_from(browser: &Browser, method: &str, target: &str, site: &str) -> request::Builder {
    browser
        .request(method, target)
        .header("accept", "text/html")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document")
        .header("sec-fetch-site", site)
}

/// A navigation refused, and sent to the login page.
#[track_caller]
fn is_sent_to_login(page: &Page) {
    let to = (page.status.as_u16(), page.header("location"));
    assert_eq!(to, (303, TO_LOGIN), "{}", page.text());
    assert_eq!(page.refusal(), CODE);
}

#[track_caller]
fn way_back(page: &Page) -> Option<&str> {
    let cookies = page.set_cookies();
    cookies
        .into_iter()
        .find(|cookie| cookie.contains(COOKIE) && !cookie.contains("Max-Age=0"))
}

/// The reasons of all ends so far.
fn ends(gateway: &Gateway) -> Vec<Value> {
    let audit = gateway.audit().into_iter();
    audit.filter(|line| line["event"] == "end").collect()
}

async fn one_end(gateway: &Gateway) -> Value {
    gateway.events("end", 1).await;
    let mut ends = ends(gateway);
    assert_eq!(ends.len(), 1, "{ends:?}");
    ends.remove(0)
}

/// The browser is still where it was: nothing of its session ended.
async fn goes_on(gateway: &Gateway, browser: &mut Browser) {
    assert_eq!(browser.fetch("/home").await.text(), "/home of buyer");
    assert!(ends(gateway).is_empty());
}

#[tokio::test]
async fn a_login_is_too_old_from_its_very_instant_on() {
    let (app, gateway, mut browser) = logged_in_at(&policy(), false).await;
    gateway.advance(span("4m 59s 999ms"));
    assert_eq!(browser.fetch("/approvals/7").await.refusal(), "");
    gateway.advance(span("1ms"));
    let before = app.count();
    assert_eq!(browser.fetch("/approvals/7").await.refusal(), CODE);
    assert_eq!(app.count(), before, "it reached the app");
    goes_on(&gateway, &mut browser).await;
}

#[tokio::test]
async fn who_opens_a_page_logs_in_again_for_real_and_is_back_where_he_was() {
    let (app, gateway, mut browser) = no_longer_fresh(&policy()).await;
    let sent = browser.open("/approvals/7?page=2").await;
    is_sent_to_login(&sent);
    let cookie = way_back(&sent).expect("he is told the way back").to_owned();
    for attribute in ["; Path=/", "; HttpOnly", "; SameSite=Lax", "; Max-Age=600"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("approvals"), "it is sealed: {cookie}");

    let form = browser.open(TO_LOGIN).await;
    assert_eq!(form.text(), "<form>", "the app left him logged in");
    let wrong = browser.submit("/login", "username=buyer&password=x").await;
    assert_eq!(wrong.text(), "wrong password");
    let home = browser
        .submit("/login", "username=buyer&password=buyer")
        .await;
    assert_eq!(
        (home.status.as_u16(), home.header("location")),
        (302, "/approvals/7?page=2")
    );
    let page = browser.follow(home).await;
    assert_eq!(page.text(), "/approvals/7 of buyer");
    assert_eq!(browser.jar.get(COOKIE), None, "it is good for one login");
    assert!(
        app.requests()
            .iter()
            .all(|seen| seen.cookie(COOKIE).is_none())
    );

    let end = one_end(&gateway).await;
    assert_eq!(end["reason"], "reauthenticated");
    let logins = gateway.events("login", 2).await;
    assert_eq!(logins[0]["lineage"], end["lineage"]);
    assert_ne!(logins[1]["lineage"], end["lineage"]);
    let refusals = gateway.events("refusal", 1).await;
    assert_eq!(refusals[0]["reason"], "login_too_old");
    let ended = ["app=\"procurement\"", "reason=\"reauthenticated\""];
    assert_eq!(
        gateway.metric("curfew_sessions_ended_total", &ended).await,
        1.0
    );

    // Both clocks have begun anew.
    gateway.advance(span("4m 59s 999ms"));
    assert_eq!(
        browser.open("/approvals/8").await.text(),
        "/approvals/8 of buyer"
    );
    gateway.advance(span("1ms"));
    is_sent_to_login(&browser.open("/approvals/8").await);
}

#[tokio::test]
async fn the_session_that_was_proven_anew_is_dead_for_whoever_still_has_its_id() {
    let (_app, gateway, mut browser) = no_longer_fresh(&policy()).await;
    let mut copy = browser.clone();
    is_sent_to_login(&browser.open("/approvals/7").await);
    assert_eq!(
        copy.fetch("/home").await.refusal(),
        "session_reauthenticated"
    );
    let second = copy.open("/approvals/8").await;
    assert_eq!(
        second.header("location"),
        "/login?curfew_reason=session_reauthenticated"
    );
    assert!(
        way_back(&second).is_some(),
        "of two requests, one may never arrive"
    );
    one_end(&gateway).await;
}

#[tokio::test]
async fn a_script_is_challenged_and_ends_nothing_until_its_user_logs_in() {
    let (_app, gateway, mut browser) = no_longer_fresh(&policy()).await;
    let request = script(browser.request("POST", "/approvals/7"));
    let request = request.header("referer", format!("http://{HOST}/cart?item=1"));
    let page = browser.keep("/approvals/7", request, "{}").await;
    assert_eq!(page.status, 401);
    assert_eq!(
        page.header("www-authenticate"),
        "Bearer error=\"insufficient_user_authentication\", max_age=300"
    );
    assert_eq!(page.header("content-type"), "application/problem+json");
    let problem = page.json();
    assert_eq!(problem["code"], CODE);
    assert_eq!(problem["type"], format!("urn:curfew:{CODE}"));
    assert_eq!(problem["max_age"], 300);
    assert_eq!(problem["login"], "/login");
    goes_on(&gateway, &mut browser).await;

    // Its page takes him to the login, which is a real one.
    assert_eq!(browser.open(TO_LOGIN).await.text(), "<form>");
    assert_eq!(one_end(&gateway).await["reason"], "reauthenticated");
    let home = browser
        .submit("/login", "username=buyer&password=buyer")
        .await;
    assert_eq!(home.header("location"), "/cart?item=1");
    assert_eq!(
        browser.fetch("/approvals/7").await.text(),
        "/approvals/7 of buyer"
    );
}

#[tokio::test]
async fn a_websocket_is_challenged_and_a_poll_tells_nobody_to_log_in() {
    let passive = format!("{}activity = \"passive\"\n", policy());
    let (app, gateway, mut browser) = no_longer_fresh(&passive).await;
    let before = app.count();
    let handshake = browser.request("GET", "/ws");
    let handshake = handshake
        .header("connection", "Upgrade")
        .header("upgrade", "websocket");
    let refused = browser.keep("/ws", handshake, "").await;
    assert_eq!((refused.status.as_u16(), way_back(&refused)), (401, None));
    assert!(
        refused
            .header("www-authenticate")
            .starts_with("Bearer error=")
    );
    assert_eq!(app.count(), before);
    let poll = browser.fetch("/ws").await;
    assert_eq!((poll.refusal(), way_back(&poll)), (CODE, None));
    // So the login page is that of somebody who is logged in.
    assert_eq!(browser.open("/login").await.status, 302);
    goes_on(&gateway, &mut browser).await;
}

#[tokio::test]
async fn a_form_is_not_sent_and_its_user_is_back_at_the_page_that_he_sent_it_from() {
    for (referer, back) in [
        (format!("http://{HOST}/approvals/7"), "/approvals/7"),
        (
            "http://elsewhere.example.com/approvals/7".to_owned(),
            "/home",
        ),
        (format!("http://{HOST}//elsewhere.example.com/"), "/home"),
        (String::new(), "/home"),
    ] {
        let (app, gateway, mut browser) = no_longer_fresh(&policy()).await;
        let request = navigation(browser.request("POST", "/approvals/7"));
        let request = request.header("referer", &referer);
        let page = browser.keep("/approvals/7", request, "approve=yes").await;
        assert_eq!((page.status.as_u16(), page.refusal()), (401, CODE));
        assert!(page.text().contains("did not reach the application"));
        assert!(page.text().contains(TO_LOGIN), "{}", page.text());
        assert_eq!(browser.open(TO_LOGIN).await.text(), "<form>");
        let home = browser
            .submit("/login", "username=buyer&password=buyer")
            .await;
        assert_eq!(home.header("location"), back, "{referer:?}");
        browser.follow(home).await;
        let sent = app
            .requests()
            .into_iter()
            .filter(|seen| seen.method == "POST");
        assert!(
            sent.into_iter().all(|seen| seen.path() == "/login"),
            "sent twice"
        );
        one_end(&gateway).await;
    }
}

#[tokio::test]
async fn no_link_of_somebody_else_ends_a_session() {
    for site in ["cross-site", "same-site"] {
        let (app, gateway, mut browser) = no_longer_fresh(&policy()).await;
        let before = app.count();
        for target in ["/approvals/7?a=%22%3E", "/approvals/8"] {
            let request = coming_from(&browser, "GET", target, site);
            let page = browser.keep(target, request, "").await;
            assert_eq!((page.status.as_u16(), page.refusal()), (401, CODE));
            assert_eq!(page.set_cookies(), Vec::<&str>::new());
            assert!(
                page.text().contains(&format!("href=\"{target}\"")),
                "{}",
                page.text()
            );
            assert_eq!(page.header("x-frame-options"), "DENY");
            assert_eq!(
                page.header("content-security-policy"),
                "frame-ancestors 'none'"
            );
        }
        let form = coming_from(&browser, "POST", "/approvals/7", site);
        let page = browser.keep("/approvals/7", form, "approve=yes").await;
        assert_eq!((page.status.as_u16(), page.refusal()), (401, CODE));
        assert!(!page.text().contains("href"), "{}", page.text());
        for (mode, dest) in [
            ("no-cors", "image"),
            ("cors", "empty"),
            ("websocket", "websocket"),
        ] {
            let request = browser.request("GET", "/approvals/7");
            let request = request
                .header("sec-fetch-mode", mode)
                .header("sec-fetch-dest", dest);
            let request = request.header("sec-fetch-site", site);
            let page = browser.keep("/approvals/7", request, "").await;
            assert_eq!((page.refusal(), way_back(&page)), (CODE, None));
        }
        assert_eq!(app.count(), before);
        goes_on(&gateway, &mut browser).await;
        // A click on the gateway's own page is his.
        is_sent_to_login(&browser.open("/approvals/7?a=%22%3E").await);
    }
}

#[tokio::test]
async fn where_a_browser_does_not_say_who_asks_the_page_that_it_came_from_tells() {
    let own = format!("http://{HOST}/home");
    for (header, value, is_own) in [
        ("accept-language", "en", true),
        ("referer", &*own, true),
        ("origin", &format!("http://{HOST}"), true),
        ("referer", "http://elsewhere.example.com/", false),
        ("origin", "http://elsewhere.example.com", false),
        ("origin", "null", false),
        ("sec-purpose", "prefetch;prerender", false),
        ("purpose", "prefetch", false),
    ] {
        let (_app, gateway, mut browser) = no_longer_fresh(&policy()).await;
        let request = browser
            .request("GET", "/approvals/7")
            .header("accept", "text/html");
        let page = browser
            .keep("/approvals/7", request.header(header, value), "")
            .await;
        assert_eq!(
            page.status.as_u16(),
            if is_own { 303 } else { 401 },
            "{header}: {value}"
        );
        match is_own {
            true => assert_eq!(one_end(&gateway).await["reason"], "reauthenticated"),
            false => goes_on(&gateway, &mut browser).await,
        }
    }
}

#[tokio::test]
async fn no_forged_login_takes_the_place_of_a_living_session() {
    let (app, gateway, mut browser) = no_longer_fresh(&policy()).await;
    let id = browser.jar.get("JSESSIONID");
    let request = coming_from(&browser, "POST", "/login", "cross-site");
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    browser
        .keep("/login", request, "username=x&password=y")
        .await;
    assert_eq!(
        app.last().cookie("JSESSIONID"),
        None,
        "the app takes it for a login"
    );
    let request = coming_from(&browser, "GET", "/login", "cross-site");
    browser.keep("/login", request, "").await;
    assert_eq!(browser.jar.get("JSESSIONID"), id);
    goes_on(&gateway, &mut browser).await;
}

#[tokio::test]
async fn an_app_that_believes_whoever_is_logged_in_is_never_asked_for_a_fresh_login() {
    for keeps_id in [true, false] {
        let same_id = "page = \"/login\"\nsame_id = true";
        let believing = policy()
            .replace(
                "page = \"/login\"",
                if keeps_id {
                    same_id
                } else {
                    "page = \"/login\""
                },
            )
            .replace("new_session = true", "location = \"/home\"");
        let (app, gateway, mut browser) = logged_in_at(&believing, keeps_id).await;
        gateway.advance(span("5m"));
        let page = browser.submit("/login", "username=buyer&password=x").await;
        assert_eq!(
            page.text(),
            "wrong password",
            "the app looked at no password"
        );
        assert_eq!(app.last().cookie("JSESSIONID"), None);
        assert_eq!(one_end(&gateway).await["reason"], "reauthenticated");
        assert_ne!(browser.fetch("/approvals/7").await.refusal(), "");
    }
}

#[tokio::test]
async fn an_app_that_keeps_its_id_over_the_login_leads_back_too() {
    let same_id = policy()
        .replace("page = \"/login\"", "page = \"/login\"\nsame_id = true")
        .replace("new_session = true", "location = \"/home\"");
    let (_app, gateway, mut browser) = logged_in_at(&same_id, true).await;
    gateway.advance(span("5m"));
    is_sent_to_login(&browser.open("/approvals/7").await);
    assert_eq!(browser.open(TO_LOGIN).await.text(), "<form>");
    let home = browser
        .submit("/login", "username=buyer&password=buyer")
        .await;
    assert_eq!(browser.follow(home).await.text(), "/approvals/7 of buyer");
    assert_eq!(one_end(&gateway).await["reason"], "reauthenticated");
}

#[tokio::test]
async fn a_page_that_is_its_own_login_page_shows_the_form_and_then_itself() {
    let in_place = policy().replace("page = \"/login\"", "page = \"same\"");
    let (app, gateway, mut browser) = no_longer_fresh(&in_place).await;
    let request = coming_from(&browser, "GET", "/approvals/7", "cross-site");
    let page = browser.keep("/approvals/7", request, "").await;
    assert_eq!((page.status.as_u16(), page.refusal()), (401, CODE));
    goes_on(&gateway, &mut browser).await;

    let page = browser.open("/approvals/7").await;
    assert_eq!(page.text(), "/approvals/7 of a stranger");
    assert_eq!(app.last().cookie("JSESSIONID"), None);
    assert!(way_back(&page).is_some());
    let home = browser
        .submit("/login", "username=buyer&password=buyer")
        .await;
    assert_eq!(browser.follow(home).await.text(), "/approvals/7 of buyer");
    assert_eq!(one_end(&gateway).await["reason"], "reauthenticated");
}

/// Sent to log in again, the browser's cookie is changed, and the login leads where?
async fn leads(change: impl FnOnce(&Gateway, &mut Browser), user: &str) -> String {
    let users = "[roles.buyer]\nidle = \"1h\"\nabsolute = \"8h\"\nusers = [\"buyer\"]\n";
    let (_app, gateway, mut browser) = no_longer_fresh(&format!("{users}{}", policy())).await;
    is_sent_to_login(&browser.open("/approvals/7").await);
    browser.open(TO_LOGIN).await;
    change(&gateway, &mut browser);
    let form = format!("username={user}&password={user}");
    let page = browser.submit("/login", &form).await;
    assert_eq!(page.status, 302);
    page.header("location").to_owned()
}

#[tokio::test]
async fn the_way_back_is_for_its_user_for_ten_minutes_and_as_it_was_sealed() {
    let value = |browser: &Browser| browser.jar.get(COOKIE).expect("he was told the way back");
    assert_eq!(leads(|_, _| {}, "buyer").await, "/approvals/7");
    assert_eq!(leads(|_, _| {}, "somebody-else").await, "/home");
    assert_eq!(
        leads(|gateway, _| gateway.advance(span("9m 59s")), "buyer").await,
        "/approvals/7"
    );
    let late = |gateway: &Gateway, browser: &mut Browser| {
        let kept = value(browser);
        gateway.advance(span("10m"));
        browser.jar.put(HOST, COOKIE, &kept);
    };
    assert_eq!(leads(late, "buyer").await, "/home");
    for change in [
        |sealed: String| match sealed.strip_suffix('0') {
            Some(start) => format!("{start}1"),
            None => format!("{}0", &sealed[..sealed.len() - 1]),
        },
        |sealed: String| sealed[2..].to_owned(),
        |_: String| "2f2f656c736577686572652e6578616d706c652e636f6d".to_owned(),
        |_: String| "//elsewhere.example.com".to_owned(),
        |_: String| String::new(),
    ] {
        let tamper = |_: &Gateway, browser: &mut Browser| {
            let changed = change(value(browser));
            browser.jar.put(HOST, COOKIE, &changed);
        };
        assert_eq!(leads(tamper, "buyer").await, "/home");
    }
}

#[tokio::test]
async fn where_logins_tell_no_user_only_who_has_the_id_still_is_led_back() {
    let nameless = policy().replace("user = \"form:username\"\n", "");
    let roles = "[roles.buyer]\nidle = \"1h\"\nabsolute = \"8h\"\nusers = [\"buyer\"]\n";
    let nameless = format!("{roles}{nameless}");
    for keeps_id in [true, false] {
        let (_app, gateway, mut browser) = no_longer_fresh(&nameless).await;
        let request = script(browser.request("POST", "/approvals/7"));
        let request = request.header("referer", format!("http://{HOST}/cart"));
        let page = browser.keep("/approvals/7", request, "{}").await;
        assert_eq!(page.refusal(), CODE);
        if !keeps_id {
            browser.open(TO_LOGIN).await;
        }
        let form = "username=somebody-else&password=somebody-else";
        let home = browser.submit("/login", form).await;
        let leads = if keeps_id { "/cart" } else { "/home" };
        assert_eq!(home.header("location"), leads);
        assert_eq!(one_end(&gateway).await["reason"], "reauthenticated");
    }
}

#[tokio::test]
async fn nobody_is_led_back_where_the_config_says_so_and_the_login_is_a_real_one_all_the_same() {
    let stays = policy().replace("[apps.session]", "way_back = false\n[apps.session]");
    let (_app, gateway, mut browser) = no_longer_fresh(&stays).await;
    is_sent_to_login(&browser.open("/approvals/7").await);
    assert_eq!(browser.open(TO_LOGIN).await.text(), "<form>");
    let page = browser
        .submit("/login", "username=buyer&password=buyer")
        .await;
    assert_eq!(page.header("location"), "/home");
    assert_eq!(one_end(&gateway).await["reason"], "reauthenticated");
}

#[tokio::test]
async fn only_some_methods_may_ask_for_a_fresh_login() {
    let methods = "path = \"/approvals/**\"\nmethods = [\"POST\"]";
    let posts = policy().replace("path = \"/approvals/**\"", methods);
    let (_app, gateway, mut browser) = no_longer_fresh(&posts).await;
    assert_eq!(
        browser.open("/approvals/7").await.text(),
        "/approvals/7 of buyer"
    );
    let post = browser.ask("POST", "/approvals/7", "{}").await;
    assert_eq!(post.refusal(), CODE);
    goes_on(&gateway, &mut browser).await;
}

#[tokio::test]
async fn where_no_login_has_a_page_a_navigation_is_told_so() {
    let pageless = policy().replace("page = \"/login\"", "");
    let (_app, _gateway, mut browser) = no_longer_fresh(&pageless).await;
    let page = browser.open("/approvals/7").await;
    assert_eq!((page.status.as_u16(), page.refusal()), (401, CODE));
    assert!(page.text().contains("fresh sign-in"), "{}", page.text());
}

#[tokio::test]
async fn over_tls_no_other_host_can_set_the_cookie() {
    let authority = Authority::new();
    let directory = tempfile::tempdir().expect("a test may write files");
    let PemFiles { certificate, key } = authority.certify(HOST).write(directory.path());
    let listener = format!(
        "[[listeners]]\naddress = \"127.0.0.1:0\"\n\
         tls = {{ certificate = {certificate:?}, key = {key:?} }}\n"
    );
    let app = LegacyApp::start(content_app(false)).await;
    let gateway = Gateway::with(&app, &format!("{listener}{}", policy())).await;
    let mut browser = gateway.browser().trusting(&authority);
    browser.log_in("buyer").await;
    gateway.advance(span("5m"));
    let sent = browser.open("/approvals/7").await;
    let cookie = way_back(&sent).expect("he is told the way back");
    assert!(cookie.starts_with("__Host-curfew-way-back="), "{cookie}");
    assert!(
        cookie.ends_with("; Secure") && !cookie.contains("Domain"),
        "{cookie}"
    );
    browser.open(TO_LOGIN).await;
    let home = browser
        .submit("/login", "username=buyer&password=buyer")
        .await;
    assert_eq!(home.header("location"), "/approvals/7");
    assert_eq!(browser.jar.get("__Host-curfew-way-back"), None);
}

#[tokio::test]
async fn one_gateway_asks_for_the_login_that_another_one_sees() {
    let server = RedisServer::start().await;
    let store = format!(
        "[store]\nurl = \"{}\"\nkeys = \"env:SESSION_KEYS\"\n",
        server.url()
    );
    let policy = format!("{store}{}", policy().replace("5m", "1s"));
    let app = LegacyApp::start(content_app(false)).await;
    let one = Gateway::live(&app, &policy).await;
    let other = Gateway::live(&app, &policy).await;
    let mut browser = one.browser();
    browser.open("/login").await;
    browser.log_in("buyer").await;
    let mut at_other = browser.moved_to(other.address);
    let sent = crate::harness::eventually("the login is too old", async || {
        let page = at_other.open("/approvals/7").await;
        (page.status == 303).then_some(page)
    })
    .await;
    is_sent_to_login(&sent);
    let mut browser = at_other.moved_to(one.address);
    assert_eq!(browser.open(TO_LOGIN).await.text(), "<form>");
    let home = browser
        .submit("/login", "username=buyer&password=buyer")
        .await;
    assert_eq!(home.header("location"), "/approvals/7");
    assert_eq!(
        browser.fetch("/approvals/7").await.text(),
        "/approvals/7 of buyer"
    );
    let ends = [ends(&one), ends(&other)].concat();
    let logins = one.events("login", 2).await;
    assert_eq!(logins.len(), 2);
    assert!(ends.len() <= 1, "{ends:?}");
    assert!(ends.iter().all(|end| end["reason"] == "reauthenticated"));
}
