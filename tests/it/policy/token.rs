//! Companion tokens: a copied session is found out, and nobody who is honest notices anything.

mod wire;

use http::StatusCode;
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::harness::answer::{Answer, Gate};
use crate::harness::app::{FORM_APP, LegacyApp, Seen, Sessions, form_app};
use crate::harness::browser::{Browser, HOST, Page};
use crate::harness::gateway::Gateway;
use crate::harness::redis::RedisServer;
use crate::harness::{eventually, soon, span};

use super::{is_over, is_served};

const TOKENS: &str = "[apps.token]\n";
const COOKIE: &str = "curfew-procurement";

/// Longer than the answer that a value may come with, and shorter than any idle timeout.
const OVERLAP: &str = "30s";

fn policy() -> String {
    format!("{FORM_APP}{TOKENS}")
}

/// The value of the token's cookie that a page sets, if it does.
fn set(page: &Page) -> Option<String> {
    let cookies = page.set_cookies();
    let mut values = cookies
        .iter()
        .filter_map(|cookie| cookie.strip_prefix(COOKIE)?.strip_prefix('='));
    let first = values.next()?;
    assert_eq!(values.next(), None, "the token is set twice");
    Some(first.split(';').next().unwrap_or_default().to_owned())
}

fn number(value: &str) -> u32 {
    let number = value
        .split('.')
        .next()
        .and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("{value:?} is no token"))
}

/// The number of the value that a browser holds.
fn held(browser: &Browser) -> Option<u32> {
    browser.jar.get(COOKIE).as_deref().map(number)
}

async fn gateway(policy: &str) -> (LegacyApp, Gateway) {
    let app = LegacyApp::start(form_app()).await;
    let gateway = Gateway::with(&app, policy).await;
    (app, gateway)
}

async fn logged_in() -> (LegacyApp, Gateway, Browser) {
    super::logged_in(&policy(), "buyer").await
}

/// Lets time pass in steps within the idle timeout, in each of which the browser does something.
async fn works(gateway: &Gateway, browser: &mut Browser, steps: u32) {
    for step in 0..steps {
        gateway.advance(span("5m"));
        let page = browser.fetch("/home").await;
        assert_eq!(page.refusal(), "", "step {step}");
    }
}

/// As many requests at once with what the browser holds, whose answers it does not keep.
fn at_once(browser: &Browser, count: usize) -> Vec<JoinHandle<Page>> {
    let send = |_| {
        let mut browser = browser.clone();
        tokio::spawn(async move { browser.fetch("/home").await })
    };
    (0..count).map(send).collect()
}

/// The pages of these requests, of which none was refused.
async fn all_served(requests: Vec<JoinHandle<Page>>) -> Vec<Page> {
    let mut pages = Vec::new();
    for request in requests {
        let page = request.await.expect("it was answered");
        assert_eq!((page.refusal(), page.status), ("", StatusCode::OK));
        pages.push(page);
    }
    pages
}

/// The only value that these pages bring.
fn only_value(pages: &[Page]) -> String {
    let values: Vec<_> = pages.iter().filter_map(set).collect();
    assert_eq!(values.len(), 1, "{values:?}");
    values[0].clone()
}

async fn is_refused(browser: &mut Browser, reason: &str) -> Page {
    let page = browser.fetch("/home").await;
    assert_eq!(page.refusal(), reason);
    page
}

fn without_ends(gateway: &Gateway) {
    let audit = gateway.audit();
    let told = |kind: &str| audit.iter().any(|event| event["event"] == kind);
    assert!(!told("end") && !told("alert"), "{audit:?}");
}

#[tokio::test]
async fn without_the_table_nothing_is_said_of_tokens() {
    let (app, gateway, mut browser) = super::logged_in(FORM_APP, "buyer").await;
    browser.jar.put(HOST, COOKIE, "the app's own");
    is_served(&app, &mut browser, "/home").await;
    assert_eq!(app.last().cookie(COOKIE), Some("the app's own"));
    assert!(!gateway.metrics().await.contains("curfew_tokens_total{"));
}

#[tokio::test]
async fn a_value_is_renewed_when_its_time_is_over_and_once() {
    let (_app, gateway, mut browser) = logged_in().await;
    gateway.advance(span("9m 59s 999ms"));
    assert_eq!(set(&browser.fetch("/home").await), None);
    gateway.advance(span("1ms"));
    let page = browser.fetch("/home").await;
    assert_eq!(
        (held(&browser), page.header("cache-control")),
        (Some(3), "no-store")
    );
    let page = browser.fetch("/home").await;
    assert_eq!((set(&page), page.header("cache-control")), (None, ""));
    // From when it was first presented, the next is due ten minutes later.
    gateway.advance(span("9m 59s 999ms"));
    assert_eq!(set(&browser.fetch("/home").await), None);
    gateway.advance(span("1ms"));
    browser.fetch("/home").await;
    assert_eq!(held(&browser), Some(4));
    without_ends(&gateway);
    for (what, count) in [("offered", 2.0), ("renewed", 1.0), ("missing", 0.0)] {
        let label = format!("what=\"{what}\"");
        assert_eq!(
            gateway.metric("curfew_tokens_total", &[&label]).await,
            count,
            "{what}"
        );
    }
}

/// Twenty at once when a renewal is due, twenty more with the old value beside twenty with the new
/// one, and what comes late: all are served, and one of them brings the new value.
async fn survive_renewals(gateways: [&Gateway; 2], browser: &mut Browser) {
    let everywhere = |browser: &Browser, count| {
        let mut requests = Vec::new();
        for gateway in gateways {
            let there = browser.clone().moved_to(gateway.address);
            requests.extend(at_once(&there, count));
        }
        requests
    };
    for _ in 0..5 {
        let old = browser.clone();
        gateways[0].advance(span("10m"));
        let value = only_value(&all_served(everywhere(&old, 10)).await);
        browser.jar.put(HOST, COOKIE, &value);
        let mut requests = everywhere(&old, 10);
        requests.extend(everywhere(browser, 10));
        requests.extend(everywhere(&old, 10));
        let pages = all_served(requests).await;
        assert!(pages.iter().all(|page| set(page).is_none()));
        gateways[0].advance(span(OVERLAP) - span("1ms"));
        all_served(everywhere(&old, 10)).await;
        all_served(everywhere(browser, 10)).await;
    }
    assert_eq!(held(browser), Some(7));
    gateways.iter().for_each(|gateway| without_ends(gateway));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_requests_around_a_renewal_log_nobody_out() {
    let (_app, gateway, mut browser) = logged_in().await;
    survive_renewals([&gateway, &gateway], &mut browser).await;
}

/// Two gateways over one Redis, on one clock.
async fn pair(server: &RedisServer, app: &LegacyApp, policy: &str) -> (Gateway, Gateway) {
    let policy = format!("{}{policy}", server.table("5s"));
    let one = Gateway::with(app, &policy).await;
    let other = one.another(app, &policy).await;
    one.is_ready().await;
    other.is_ready().await;
    (one, other)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_requests_around_a_renewal_log_nobody_out_on_two_gateways() {
    let server = RedisServer::start().await;
    let app = LegacyApp::start(form_app()).await;
    let (one, other) = pair(&server, &app, &policy()).await;
    let mut browser = one.browser();
    browser.log_in("buyer").await;
    survive_renewals([&one, &other], &mut browser).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_found_out_on_another_gateway() {
    let server = RedisServer::start().await;
    let app = LegacyApp::start(form_app()).await;
    let (one, other) = pair(&server, &app, &policy()).await;
    let mut browser = one.browser();
    browser.log_in("buyer").await;
    let mut thief = browser.clone().moved_to(other.address);
    one.advance(span("10m"));
    assert_eq!(thief.fetch("/home").await.refusal(), "");
    assert_eq!(thief.fetch("/home").await.refusal(), "");
    one.advance(span(OVERLAP));
    is_refused(&mut browser, "session_token_reuse").await;
    is_refused(&mut thief, "session_token_reuse").await;
    let both = || [one.audit(), other.audit()].concat();
    let alerts = eventually("an alert", async || {
        let alerts: Vec<Value> = both()
            .into_iter()
            .filter(|line| line["event"] == "alert")
            .collect();
        (!alerts.is_empty()).then_some(alerts)
    })
    .await;
    assert_eq!(alerts.len(), 1);
    assert_eq!(
        both().iter().filter(|line| line["event"] == "end").count(),
        1
    );
}

#[tokio::test]
async fn an_answer_that_is_lost_is_no_theft_and_its_value_comes_again() {
    let (_app, gateway, mut browser) = logged_in().await;
    gateway.advance(span("10m"));
    let lost = set(&browser.clone().fetch("/home").await).expect("a value is due");
    for _ in 0..3 {
        gateway.advance(span(OVERLAP) - span("1ms"));
        assert_eq!(set(&browser.clone().fetch("/home").await), None);
        gateway.advance(span("1ms"));
        let again = browser.clone().fetch("/home").await;
        assert_eq!(set(&again).as_ref(), Some(&lost));
    }
    // However long the old one is all that it has.
    for _ in 0..10 {
        gateway.advance(span("10m"));
        assert_eq!(browser.clone().fetch("/home").await.refusal(), "");
    }
    gateway.advance(span("1m"));
    browser.fetch("/home").await;
    assert_eq!(browser.jar.get(COOKIE).as_ref(), Some(&lost));
    works(&gateway, &mut browser, 5).await;
    without_ends(&gateway);
}

#[tokio::test]
async fn an_answer_that_comes_late_does_not_bring_a_value_back() {
    let gate = Gate::closed();
    let (held_by, plain) = (gate.clone(), form_app());
    let app = LegacyApp::start(move |seen| match seen.path() {
        "/slow" => Answer::page("done").held_by(&held_by),
        _ => plain(seen),
    })
    .await;
    let gateway = Gateway::with(&app, &policy()).await;
    let mut browser = gateway.browser();
    browser.log_in("buyer").await;
    gateway.advance(span("10m"));
    let mut slow = browser.clone();
    let asked = tokio::spawn(async move { slow.fetch("/slow").await });
    eventually("the app is at it", async || {
        (app.reached("/slow") > 0).then_some(())
    })
    .await;
    // Nobody else gets the value while this answer may bring it.
    gateway.advance(span(OVERLAP) - span("1ms"));
    assert_eq!(set(&browser.fetch("/home").await), None);
    gateway.advance(span("1ms"));
    browser.fetch("/home").await;
    assert_eq!(held(&browser), Some(3));
    gate.open();
    let late = asked.await.expect("it was answered");
    assert_eq!((late.text().as_str(), set(&late)), ("done", None));
}

/// Two browsers with the same cookies, of whom the first renews.
async fn copied() -> (LegacyApp, Gateway, Browser, Browser) {
    let (app, gateway, mut first) = logged_in().await;
    let second = first.clone();
    gateway.advance(span("10m"));
    first.fetch("/home").await;
    assert_eq!(held(&first), Some(3));
    gateway.advance(span("5m"));
    first.fetch("/home").await;
    (app, gateway, first, second)
}

#[tokio::test]
async fn a_value_that_was_replaced_is_good_for_the_overlap_and_then_ends_the_session() {
    let (app, gateway, mut first, mut second) = copied().await;
    gateway.advance(span(OVERLAP) - span("1ms"));
    assert_eq!(
        set(&second.fetch("/home").await),
        None,
        "the copy gets the new value"
    );
    gateway.advance(span("1ms"));
    is_over(&app, &mut second, "/home", "session_token_reuse").await;
    is_over(&app, &mut first, "/home", "session_token_reuse").await;

    let ends = gateway.events("end", 1).await;
    let alerts = gateway.events("alert", 1).await;
    for event in [&ends[0], &alerts[0]] {
        assert_eq!(event["reason"], "token_reuse");
        assert_eq!(event["user"], "buyer");
        assert_eq!(event["client"], "127.0.0.1");
        assert_eq!(event["lineage"], ends[0]["lineage"]);
    }
    assert_ne!(alerts[0]["id"], ends[0]["id"]);
    assert_eq!((ends.len(), alerts.len()), (1, 1));
    let labels = ["reason=\"token_reuse\""];
    assert_eq!(
        gateway.metric("curfew_sessions_ended_total", &labels).await,
        1.0
    );

    second.log_in("buyer").await;
    is_served(&app, &mut second, "/home").await;
}

#[tokio::test]
async fn a_value_from_long_ago_is_recognised_and_ends_the_session_at_once() {
    let (_app, gateway, mut browser) = logged_in().await;
    let mut old = browser.clone();
    for _ in 0..12 {
        works(&gateway, &mut browser, 2).await;
    }
    assert!(held(&browser) > Some(5), "{:?}", held(&browser));
    is_refused(&mut old, "session_token_reuse").await;
    is_refused(&mut browser, "session_token_reuse").await;
    gateway.events("alert", 1).await;
}

#[tokio::test]
async fn two_who_share_a_session_are_found_out_whoever_comes_first() {
    for thief_first in [true, false] {
        let (_app, gateway, mut owner) = logged_in().await;
        gateway.advance(span("3m"));
        owner.fetch("/home").await;
        let mut thief = owner.clone();
        let mut ended = None;
        for second in (0..12 * 60).step_by(5) {
            gateway.advance(span("5s"));
            let mut both = [&mut owner, &mut thief];
            if thief_first {
                both.reverse();
            }
            for one in both {
                if one.fetch("/home").await.refusal() == "session_token_reuse" {
                    ended.get_or_insert(second);
                }
            }
        }
        assert!(ended.is_some(), "nobody noticed");
        assert_eq!(gateway.events("alert", 1).await.len(), 1);
    }
}

#[tokio::test]
async fn an_end_by_a_copy_cuts_what_is_open() {
    let app = LegacyApp::start({
        let plain = form_app();
        move |seen: &Seen| match seen.path() {
            "/events" => {
                let (answer, chunks) = Answer::stream("text/event-stream");
                std::mem::forget(chunks);
                answer
            }
            _ => plain(seen),
        }
    })
    .await;
    let gateway = Gateway::with(&app, &policy()).await;
    let mut first = gateway.browser();
    first.log_in("buyer").await;
    let mut second = first.clone();
    let mut stream = first.stream("/events").await.into_body();
    gateway.advance(span("10m"));
    first.fetch("/home").await;
    first.fetch("/home").await;
    gateway.advance(span(OVERLAP));
    is_refused(&mut second, "session_token_reuse").await;
    let cut = soon("the cut", stream.frame()).await;
    assert!(matches!(cut, Some(Err(_))), "{cut:?}");
}

#[tokio::test]
async fn who_has_the_id_and_no_token_does_not_get_in_and_ends_nothing() {
    let (app, gateway, mut owner) = logged_in().await;
    let mut stranger = gateway.browser();
    stranger.log_in("approver").await;
    let others = stranger.jar.get(COOKIE).expect("it logged in");
    let own = owner.jar.get(COOKIE).expect("it logged in");
    let forged = own.replacen("2.", "3.", 1);
    let mut thief = gateway.browser();
    let id = owner.jar.get("JSESSIONID").expect("it logged in");
    thief.jar.put(HOST, "JSESSIONID", &id);
    is_over(&app, &mut thief, "/home", "session_token_missing").await;
    let garbage = [
        others.as_str(),
        &forged,
        "1.0",
        "garbage",
        "1",
        &"9".repeat(4000),
    ];
    for value in garbage {
        thief.jar.put(HOST, COOKIE, value);
        is_over(&app, &mut thief, "/home", "session_token_unknown").await;
    }
    let page = is_refused(&mut thief, "session_token_unknown").await;
    assert_eq!(
        page.set_cookies(),
        Vec::<&str>::new(),
        "it would be gone at the owner's too"
    );
    is_served(&app, &mut owner, "/home").await;
    without_ends(&gateway);
    let refusals = gateway.events("refusal", 8).await;
    assert_eq!(refusals[0]["reason"], "token_missing");
    assert_eq!(refusals[1]["reason"], "token_unknown");
    for (what, count) in [("missing", 1.0), ("unknown", 7.0)] {
        let label = format!("what=\"{what}\"");
        assert_eq!(
            gateway.metric("curfew_tokens_total", &[&label]).await,
            count
        );
    }
    // His way back is the login, where he comes without the id.
    let page = thief.open("/home").await;
    let login = page.header("location").to_owned();
    assert_eq!(login, "/login?curfew_reason=session_token_unknown");
    assert_eq!(thief.open(&login).await.text(), "<form>");
    assert_eq!(app.last().cookie("JSESSIONID"), None);
}

#[tokio::test]
async fn the_token_goes_with_its_session() {
    let (_app, gateway, mut browser) = logged_in().await;
    browser.submit("/logout", "").await;
    assert_eq!(browser.jar.get(COOKIE), None, "after a logout");

    browser.log_in("buyer").await;
    gateway.advance(span("15m"));
    is_refused(&mut browser, "session_idle_timeout").await;
    assert_eq!(browser.jar.get(COOKIE), None, "after an end");
    assert_eq!(browser.jar.get("JSESSIONID"), None);
}

#[tokio::test]
async fn a_rotation_keeps_the_token_and_a_login_gives_another() {
    let (app, gateway, mut browser) = logged_in().await;
    let first = browser.jar.get(COOKIE);
    let page = browser.fetch("/rotate").await;
    assert_eq!(
        (page.text().as_str(), browser.jar.get(COOKIE)),
        ("rotated", first.clone())
    );
    is_served(&app, &mut browser, "/home").await;
    gateway.advance(span("10m"));
    // The answer with the new id brings the new value too.
    browser.fetch("/rotate").await;
    assert_eq!(
        (held(&browser), browser.jar.get("JSESSIONID").as_deref()),
        (Some(3), Some("S3"))
    );
    is_served(&app, &mut browser, "/home").await;
    browser.log_in("buyer").await;
    assert_eq!(held(&browser), Some(2));
    assert_ne!(browser.jar.get(COOKIE), first);
    is_served(&app, &mut browser, "/home").await;
}

#[tokio::test]
async fn a_rotation_that_takes_its_time_does_not_set_the_token_back() {
    let gate = Gate::closed();
    let (held_by, plain) = (gate.clone(), form_app());
    let app = LegacyApp::start(move |seen| match seen.path() {
        "/rotate" => plain(seen).held_by(&held_by),
        _ => plain(seen),
    })
    .await;
    let gateway = Gateway::with(&app, &policy()).await;
    let mut browser = gateway.browser();
    browser.log_in("buyer").await;
    let mut copy = browser.clone();
    let rotating = tokio::spawn(async move {
        copy.fetch("/rotate").await;
        copy
    });
    eventually("the app is at it", async || {
        (app.reached("/rotate") > 0).then_some(())
    })
    .await;
    gateway.advance(span("10m"));
    browser.fetch("/home").await;
    browser.fetch("/home").await;
    assert_eq!(held(&browser), Some(3));
    gate.open();
    let mut copy = rotating.await.expect("it was answered");
    assert_eq!(copy.jar.get("JSESSIONID").as_deref(), Some("S2"));
    gateway.advance(span(OVERLAP));
    is_refused(&mut copy, "session_token_reuse").await;
}

#[tokio::test]
async fn a_login_that_keeps_the_id_gives_a_token_that_is_needed_at_once() {
    let sessions = Sessions::default();
    let app = LegacyApp::start(move |seen| match (seen.method.as_str(), seen.path()) {
        ("POST", "/login") => {
            let id = seen.cookie("JSESSIONID").unwrap_or_default();
            sessions.log_in(id, "buyer");
            Answer::redirect("/home")
        }
        ("GET", "/login") => {
            let id = sessions.create(None);
            Answer::page("<form>").set_cookie(&format!("JSESSIONID={id}; Path=/"))
        }
        _ => Answer::page("hello"),
    })
    .await;
    let same_id = policy().replace(
        "success = { status = [302], new_session = true }",
        "success = { status = [302], location = \"/home\" }\nsame_id = true",
    );
    let gateway = Gateway::with(&app, &same_id).await;
    let mut browser = gateway.browser();
    browser.open("/login").await;
    assert_eq!(held(&browser), None, "a visitor needs none");
    let mut planted = browser.clone();
    browser.log_in("buyer").await;
    is_served(&app, &mut browser, "/home").await;
    is_over(&app, &mut planted, "/home", "session_token_missing").await;
}

#[tokio::test]
async fn switched_on_by_a_reload_it_logs_nobody_out() {
    let (app, gateway, mut browser) = super::logged_in(FORM_APP, "buyer").await;
    let copy = browser.clone();
    gateway.reload(&policy());
    let value = only_value(&all_served(at_once(&browser, 20)).await);
    assert_eq!(number(&value), 1);
    // Until it was presented, the answer that brought it may have been lost.
    gateway.advance(span("5m"));
    let again = only_value(&all_served(at_once(&browser, 20)).await);
    assert_eq!(again, value);
    browser.jar.put(HOST, COOKIE, &value);
    is_served(&app, &mut browser, "/home").await;
    gateway.advance(span(OVERLAP) - span("1ms"));
    all_served(at_once(&copy, 20)).await;
    gateway.advance(span("1ms"));
    is_over(&app, &mut copy.clone(), "/home", "session_token_missing").await;
    is_served(&app, &mut browser, "/home").await;
    without_ends(&gateway);
    // Off and on again it goes on where it was.
    gateway.reload(FORM_APP);
    assert_eq!(copy.clone().fetch("/home").await.refusal(), "");
    gateway.reload(&policy());
    is_served(&app, &mut browser, "/home").await;
    is_over(&app, &mut copy.clone(), "/home", "session_token_missing").await;
}

#[tokio::test]
async fn a_poll_renews_the_token_and_extends_nothing() {
    let polls = "[[apps.routes]]\npath = \"/poll\"\nactivity = \"passive\"\n";
    let (_app, gateway, mut browser) =
        super::logged_in(&format!("{FORM_APP}{polls}{TOKENS}"), "buyer").await;
    gateway.advance(span("10m"));
    assert_eq!(browser.fetch("/poll").await.refusal(), "");
    assert_eq!(held(&browser), Some(3));
    gateway.advance(span("4m 59s 999ms"));
    assert_eq!(browser.fetch("/poll").await.refusal(), "");
    gateway.advance(span("1ms"));
    let page = browser.fetch("/poll").await;
    assert_eq!(page.refusal(), "session_idle_timeout");
    let ends = gateway.events("end", 1).await;
    assert_eq!(ends[0]["idle_ms"], 900_000);
}

#[tokio::test]
async fn a_public_page_is_served_without_the_id_where_the_token_is_missing() {
    let public = "[[apps.routes]]\npath = \"/about\"\naccess = \"public\"\n";
    let (app, gateway, mut browser) =
        super::logged_in(&format!("{FORM_APP}{public}{TOKENS}"), "buyer").await;
    is_served(&app, &mut browser, "/about").await;
    assert_eq!(app.last().cookie("JSESSIONID"), Some("S1"));
    let token = browser.jar.get(COOKIE).expect("it logged in");
    browser.jar.forget(COOKIE);
    is_served(&app, &mut browser, "/about").await;
    assert_eq!(app.last().header("cookie"), None);
    browser.jar.put(HOST, COOKIE, &token);
    is_served(&app, &mut browser, "/home").await;
    without_ends(&gateway);
}

#[tokio::test]
async fn a_page_that_is_asked_for_without_the_token_does_not_replace_the_login() {
    let public = "[[apps.routes]]\npath = \"/about\"\naccess = \"public\"\n";
    let same = FORM_APP.replace("page = \"/login\"", "page = \"same\"");
    for (policy, path) in [(FORM_APP, "/about"), (&same, "/home")] {
        let plain = form_app();
        let app = LegacyApp::start(move |seen| match seen.cookie("JSESSIONID") {
            None if seen.method == "GET" => {
                Answer::page("who are you?").set_cookie("JSESSIONID=visitor; Path=/")
            }
            _ => plain(seen),
        })
        .await;
        let gateway = Gateway::with(&app, &format!("{policy}{public}{TOKENS}")).await;
        let mut browser = gateway.browser();
        browser
            .submit("/login", "username=buyer&password=buyer")
            .await;
        let token = browser.jar.get(COOKIE).expect("it logged in");
        for value in ["", "garbage"] {
            browser.jar.put(HOST, COOKIE, value);
            assert_eq!(browser.open(path).await.text(), "who are you?");
            assert_eq!(browser.jar.get("JSESSIONID").as_deref(), Some("S1"));
        }
        browser.jar.put(HOST, COOKIE, &token);
        assert_eq!(browser.fetch("/home").await.text(), "hello buyer");
    }
}

/// An app whose answers always bind something to the session must not set its token back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_renews_its_own_cookies_sets_no_token_back() {
    let plain = form_app();
    let count = std::sync::atomic::AtomicU32::new(0);
    let gate = Gate::closed();
    let held_by = gate.clone();
    let app = LegacyApp::start(move |seen| {
        let next = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let answer = plain(seen).set_cookie(&format!("remember-me={next}; Path=/"));
        match seen.path() {
            "/slow" => answer.held_by(&held_by),
            _ => answer,
        }
    })
    .await;
    let policy = policy().replace(
        "id = \"cookie:JSESSIONID\"",
        "id = \"cookie:JSESSIONID\"\nauth_cookies = [\"remember-me\"]",
    );
    let gateway = Gateway::with(&app, &policy).await;
    let mut browser = gateway.browser();
    browser.log_in("buyer").await;
    let mut copy = browser.clone();
    let mut slow = browser.clone();
    let asked = tokio::spawn(async move { slow.fetch("/slow").await });
    eventually("the app is at it", async || {
        (app.reached("/slow") > 0).then_some(())
    })
    .await;
    gateway.advance(span("10m"));
    browser.fetch("/home").await;
    browser.fetch("/home").await;
    assert_eq!(held(&browser), Some(3));
    gate.open();
    assert_eq!(asked.await.expect("it was answered").refusal(), "");
    gateway.advance(span(OVERLAP));
    is_refused(&mut copy, "session_token_reuse").await;
}
