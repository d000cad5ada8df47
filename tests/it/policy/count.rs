//! How many sessions a user may have at a time: who has to leave, or who is not let in.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::harness::answer::{Answer, Gate};
use crate::harness::app::{FORM_APP, LegacyApp, Seen, Sessions, form_app};
use crate::harness::browser::{Browser, Page};
use crate::harness::gateway::{Gateway, ROLES};
use crate::harness::redis::RedisServer;
use crate::harness::websocket::Socket;
use crate::harness::{eventually, span, within};

const LOGIN: &str = "username=buyer&password=buyer";

/// `FORM_APP`, where a buyer may have so many sessions.
fn policy(seats: u32, on: &str) -> String {
    let says = format!("max_sessions = {seats}\non_max_sessions = {on:?}\nusers = [\"buyer\"]");
    ROLES.replace("users = [\"buyer\"]", &says) + FORM_APP
}

async fn start(policy: &str) -> (LegacyApp, Gateway) {
    let app = LegacyApp::start(form_app()).await;
    let gateway = Gateway::with(&app, policy).await;
    (app, gateway)
}

async fn buyer(gateway: &Gateway) -> Browser {
    let mut browser = gateway.browser();
    browser.log_in("buyer").await;
    browser
}

async fn is_served(browser: &mut Browser) {
    let page = browser.fetch("/home").await;
    assert_eq!(page.text(), "hello buyer");
}

async fn is_displaced(browser: &mut Browser) {
    let page = browser.fetch("/home").await;
    assert_eq!(page.refusal(), "session_displaced");
    let detail = page.json()["detail"].to_string();
    assert!(detail.contains("newer session"), "{detail}");
}

/// A login that the gateway refuses: nothing of the app's answer reaches the client.
#[track_caller]
fn is_one_too_many(page: &Page) {
    assert_eq!(page.refusal(), "too_many_sessions", "{}", page.text());
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_eq!(page.set_cookies(), Vec::<&str>::new());
    assert_eq!(page.header("location"), "");
    assert!(page.text().contains("as often as is allowed"));
}

fn reasons(events: &[Value]) -> Vec<&str> {
    let reasons = events.iter().filter_map(|event| event["reason"].as_str());
    reasons.collect()
}

#[tokio::test]
async fn the_least_recently_active_leaves_and_is_told_so() {
    let (_app, gateway) = start(&policy(2, "displace")).await;
    let mut first = buyer(&gateway).await;
    gateway.advance(span("1m"));
    let mut second = buyer(&gateway).await;
    gateway.advance(span("1m"));
    is_served(&mut first).await;
    let mut third = buyer(&gateway).await;
    is_displaced(&mut second).await;
    is_served(&mut first).await;
    is_served(&mut third).await;
    let ends = gateway.events("end", 1).await;
    assert_eq!(reasons(&ends), ["displaced"]);
    assert_eq!(
        ends[0]["max_sessions"],
        json!({ "most": 2, "rule": "role buyer" })
    );
    assert_eq!(ends[0]["idle_ms"], 60_000);
    let labels = ["reason=\"displaced\"", "role=\"buyer\""];
    let displaced = gateway.metric("curfew_sessions_ended_total", &labels).await;
    assert_eq!(displaced, 1.0);
}

#[tokio::test]
async fn where_nothing_is_said_a_login_too_many_displaces() {
    let unsaid = policy(1, "displace").replace("on_max_sessions = \"displace\"\n", "");
    let (_app, gateway) = start(&unsaid).await;
    let mut first = buyer(&gateway).await;
    let mut second = buyer(&gateway).await;
    is_displaced(&mut first).await;
    is_served(&mut second).await;
}

#[tokio::test]
async fn a_login_too_many_is_refused_until_somebody_leaves() {
    let (app, gateway) = start(&policy(1, "refuse")).await;
    let mut first = buyer(&gateway).await;
    let mut second = gateway.browser();
    let page = second.submit("/login", LOGIN).await;
    is_one_too_many(&page);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.text().contains("href=\"/login\""));
    is_served(&mut first).await;
    // The app would let in whoever has the id that it issued; nobody gets there with it.
    let before = app.count();
    let stolen = second
        .request("GET", "/home")
        .header("cookie", "JSESSIONID=S2");
    assert_eq!(second.send(stolen, "").await.refusal(), "session_displaced");
    assert_eq!(app.count(), before);

    first.open("/logout").await;
    second.log_in("buyer").await;
    is_served(&mut second).await;

    let refusals = gateway.events("refusal", 2).await;
    assert_eq!(reasons(&refusals), ["too_many_sessions", "displaced"]);
    assert_eq!(refusals[0]["user"], "buyer");
    assert_eq!(
        refusals[0]["max_sessions"],
        json!({ "most": 1, "rule": "role buyer" })
    );
    assert_eq!(gateway.events("login", 2).await.len(), 2);
    let refused = ["outcome=\"refused\""];
    assert_eq!(
        gateway.metric("curfew_login_matches_total", &refused).await,
        1.0
    );
}

#[tokio::test]
async fn a_script_is_told_by_a_problem_document() {
    let (_app, gateway) = start(&policy(1, "refuse")).await;
    let _first = buyer(&gateway).await;
    let mut second = gateway.browser();
    let request = crate::harness::browser::script(second.request("POST", "/login"))
        .header("content-type", "application/x-www-form-urlencoded");
    let page = second.keep("/login", request, LOGIN).await;
    is_one_too_many(&page);
    let problem = page.json();
    assert_eq!(problem["code"], "too_many_sessions");
    assert_eq!(problem["type"], "urn:curfew:too_many_sessions");
    assert_eq!(problem["max_sessions"], 1);
}

#[tokio::test]
async fn whoever_is_past_his_limits_keeps_nobody_out() {
    let (_app, gateway) = start(&policy(1, "refuse")).await;
    let _first = buyer(&gateway).await;
    gateway.advance(span("14m 59s 999ms"));
    is_one_too_many(&gateway.browser().submit("/login", LOGIN).await);
    gateway.advance(span("1ms"));
    let mut second = buyer(&gateway).await;
    is_served(&mut second).await;
    assert_eq!(reasons(&gateway.events("end", 1).await), ["idle_timeout"]);
}

#[tokio::test]
async fn whoever_logs_in_again_in_the_same_browser_counts_once() {
    for on in ["refuse", "displace"] {
        let (_app, gateway) = start(&policy(2, on)).await;
        let mut other = buyer(&gateway).await;
        let mut browser = buyer(&gateway).await;
        for _ in 0..3 {
            gateway.advance(span("1m"));
            browser.log_in("buyer").await;
            is_served(&mut browser).await;
        }
        is_served(&mut other).await;
        let ends = gateway.events("end", 3).await;
        assert_eq!(reasons(&ends), ["reauthenticated"; 3], "{on}");
    }
}

/// A browser whose session is refused on the device that it says it is now.
#[tokio::test]
async fn what_the_browser_carried_and_could_not_use_counts_no_longer() {
    let devices = "[devices.phone]\nwhen = [{ user_agent = [\"phone\"] }]\n";
    let app = "[[apps]]\non_device_change = \"reauthenticate\"";
    let policy = devices.to_owned() + &policy(1, "refuse").replace("[[apps]]", app);
    let (_app, gateway) = start(&policy).await;
    let mut browser = buyer(&gateway).await;
    let request = crate::harness::browser::navigation(browser.request("POST", "/login"))
        .header("user-agent", "a phone")
        .header("content-type", "application/x-www-form-urlencoded");
    let page = browser.keep("/login", request, LOGIN).await;
    assert_eq!(page.status, 302, "{}", page.text());
    assert_eq!(
        reasons(&gateway.events("end", 1).await),
        ["reauthenticated"]
    );
}

#[tokio::test]
async fn a_session_counts_under_whatever_id_it_has_by_now() {
    for on in ["refuse", "displace"] {
        let (_app, gateway) = start(&policy(1, on)).await;
        let mut first = buyer(&gateway).await;
        for _ in 0..20 {
            assert_eq!(first.open("/rotate").await.text(), "rotated");
        }
        let mut second = gateway.browser();
        let page = second.submit("/login", LOGIN).await;
        if on == "refuse" {
            is_one_too_many(&page);
            is_served(&mut first).await;
        } else {
            is_displaced(&mut first).await;
            is_served(&mut second).await;
        }
    }
}

#[tokio::test]
async fn users_are_counted_by_name_and_visitors_not_at_all() {
    let (_app, gateway) =
        start(&policy(1, "refuse").replace("[\"buyer\"]", "[\"buyer\", \"other\"]")).await;
    let mut first = buyer(&gateway).await;
    let mut other = gateway.browser();
    other.log_in("other").await;
    is_served(&mut first).await;
    assert_eq!(other.fetch("/home").await.text(), "hello other");
}

#[tokio::test]
async fn who_leaves_his_name_out_is_not_let_in_uncounted() {
    let sessions = Sessions::default();
    let app = LegacyApp::start(move |seen: &Seen| {
        let id = sessions.create(Some("buyer"));
        match seen.path() {
            "/login" => Answer::redirect("/home").set_cookie(&format!("JSESSIONID={id}; Path=/")),
            _ => Answer::page("content"),
        }
    })
    .await;
    let gateway = Gateway::with(&app, &policy(1, "displace")).await;
    for form in ["password=buyer", "username=buyer&username=other"] {
        let page = gateway.browser().submit("/login", form).await;
        assert_eq!(page.refusal(), "login_without_user", "{form}");
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        assert_eq!(page.set_cookies(), Vec::<&str>::new());
    }
    let refusals = gateway.events("refusal", 2).await;
    assert_eq!(reasons(&refusals), ["login_without_user"; 2]);
}

#[tokio::test]
async fn an_edit_is_in_force_at_the_next_login() {
    let (_app, gateway) = start(&policy(3, "displace")).await;
    let mut browsers = Vec::new();
    for _ in 0..3 {
        gateway.advance(span("1s"));
        browsers.push(buyer(&gateway).await);
    }
    gateway.reload(&policy(1, "displace"));
    for browser in &mut browsers {
        is_served(browser).await;
    }
    gateway.advance(span("1s"));
    browsers.push(buyer(&gateway).await);
    let (last, others) = browsers.split_last_mut().expect("somebody logged in");
    is_served(last).await;
    for browser in others {
        is_displaced(browser).await;
    }
}

#[tokio::test]
async fn the_streams_of_who_is_displaced_are_cut() {
    let (app, gateway) = start(&policy(1, "displace")).await;
    let first = buyer(&gateway).await;
    let socket = Socket::open(&first, gateway.address, "/ws").await;
    let socket = socket.unwrap_or_else(|status| panic!("refused with {status}"));
    let (_socket, heard) = socket.hear().await;
    assert_eq!(heard, "hello");
    let _second = buyer(&gateway).await;
    let cut = within(Duration::from_secs(1), async || app.sockets()[0].closed).await;
    assert!(cut.is_some(), "it is open still");
}

/// An app that keeps its id over a login, and the policy that says so.
fn keeps_its_id(policy: &str) -> String {
    policy.replace(
        "new_session = true }",
        "location = \"/home\" }\nsame_id = true",
    )
}

fn same_id_app() -> impl Fn(&Seen) -> Answer + Send + Sync + 'static {
    let sessions = Sessions::default();
    move |seen| {
        let id = seen.cookie("JSESSIONID").filter(|id| sessions.knows(id));
        match (seen.method.as_str(), seen.path(), id) {
            ("POST", "/login", Some(id)) => {
                sessions.log_in(id, &seen.form("username").unwrap_or_default());
                Answer::redirect("/home")
            }
            (_, _, Some(id)) => match sessions.user(id) {
                Some(user) => Answer::page(&format!("hello {user}")),
                None => Answer::page("<form>"),
            },
            (_, _, None) => {
                let id = sessions.create(None);
                Answer::page("<form>").set_cookie(&format!("JSESSIONID={id}; Path=/"))
            }
        }
    }
}

#[tokio::test]
async fn an_id_that_the_app_keeps_over_the_login_is_counted_and_dead_where_it_is_refused() {
    for on in ["refuse", "displace"] {
        let app = LegacyApp::start(same_id_app()).await;
        let gateway = Gateway::with(&app, &keeps_its_id(&policy(1, on))).await;
        let mut browsers = [gateway.browser(), gateway.browser()];
        let mut pages = Vec::new();
        for browser in &mut browsers {
            browser.open("/login").await;
            pages.push(browser.submit("/login", LOGIN).await);
        }
        let [first, second] = &mut browsers;
        assert_eq!(pages[0].status, 302);
        if on == "refuse" {
            assert_eq!(pages[1].refusal(), "too_many_sessions");
            assert!(
                pages[1].set_cookies()[0].starts_with("JSESSIONID=;"),
                "{:?}",
                pages[1]
            );
            is_served(first).await;
            let stolen = second
                .request("GET", "/home")
                .header("cookie", "JSESSIONID=S2");
            assert_eq!(second.send(stolen, "").await.refusal(), "session_displaced");
        } else {
            is_displaced(first).await;
            is_served(second).await;
        }
        // Again in the same browser, under the id that it has.
        let still = if on == "refuse" { first } else { second };
        assert_eq!(still.submit("/login", LOGIN).await.status, 302);
        is_served(still).await;
        let ends = gateway
            .events("end", if on == "refuse" { 1 } else { 2 })
            .await;
        assert!(reasons(&ends).contains(&"reauthenticated"), "{ends:?}");
    }
}

/// Of a login that is sent twice neither logs the other one out.
async fn a_double_click_logs_in(one: &Gateway, other: &Gateway, app: &LegacyApp, gate: &Gate) {
    let mut browser = one.browser();
    browser.open("/login").await;
    let before = app.reached("/login");
    let clicks = [one, other].map(|gateway| {
        let mut click = browser.clone().moved_to(gateway.address);
        tokio::spawn(async move { click.submit("/login", LOGIN).await })
    });
    eventually("both logins reach the app", async || {
        (app.reached("/login") == before + 2).then_some(())
    })
    .await;
    gate.open();
    for click in clicks {
        let page = click.await.expect("every login is answered");
        assert_eq!((page.refusal(), page.status.as_u16()), ("", 302));
        assert_eq!(page.set_cookies(), Vec::<&str>::new());
    }
    is_served(&mut browser).await;
}

fn same_id_app_behind(gate: &Gate) -> impl Fn(&Seen) -> Answer + Send + Sync + 'static {
    let (gate, plain) = (gate.clone(), same_id_app());
    move |seen| match seen.method.as_str() {
        "POST" => plain(seen).held_by(&gate),
        _ => plain(seen),
    }
}

#[tokio::test]
async fn a_double_clicked_login_under_a_kept_id_does_not_log_its_user_out() {
    for on in ["refuse", "displace"] {
        let gate = Gate::closed();
        let app = LegacyApp::start(same_id_app_behind(&gate)).await;
        let gateway = Gateway::with(&app, &keeps_its_id(&policy(1, on))).await;
        a_double_click_logs_in(&gateway, &gateway, &app, &gate).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nor_does_one_at_two_gateways() {
    for on in ["refuse", "displace"] {
        let server = RedisServer::start().await;
        let gate = Gate::closed();
        let app = LegacyApp::start(same_id_app_behind(&gate)).await;
        let policy = server.table("2s") + &keeps_its_id(&policy(1, on));
        let one = Gateway::live(&app, &policy).await;
        let other = Gateway::live(&app, &policy).await;
        a_double_click_logs_in(&one, &other, &app, &gate).await;
    }
}

/// Lets a crowd log in at the same moment, at these gateways in turn. Who got in, in any order.
async fn crowd(gateways: &[&Gateway], size: usize) -> (Vec<Browser>, Vec<Page>) {
    let start = Arc::new(Barrier::new(size));
    let mut logins = Vec::with_capacity(size);
    for n in 0..size {
        let mut browser = gateways[n % gateways.len()].browser();
        let start = Arc::clone(&start);
        logins.push(tokio::spawn(async move {
            start.wait().await;
            let page = browser.submit("/login", LOGIN).await;
            (browser, page)
        }));
    }
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for login in logins {
        let (browser, page) = login.await.expect("every login is answered");
        if page.status == 302 {
            inside.push(browser);
        } else {
            outside.push(page);
        }
    }
    (inside, outside)
}

const CROWD: usize = 20;

/// Of a crowd at once exactly as many are alive as may be, and everybody else is told.
async fn leaves_no_more_than(seats: u32, on: &str, gateways: &[&Gateway]) {
    let (inside, outside) = crowd(gateways, CROWD).await;
    let mut alive = 0;
    for mut browser in inside {
        let page = browser.fetch("/home").await;
        match page.refusal() {
            "" => alive += 1,
            refusal => assert_eq!(refusal, "session_displaced", "{on}"),
        }
    }
    assert_eq!(alive, seats, "{on}");
    for page in &outside {
        is_one_too_many(page);
    }
    if on == "refuse" {
        assert_eq!(outside.len(), CROWD - seats as usize);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twenty_logins_at_once_never_leave_more_than_may_be() {
    for (seats, on) in [
        (1, "displace"),
        (3, "displace"),
        (1, "refuse"),
        (3, "refuse"),
    ] {
        let (_app, gateway) = start(&policy(seats, on)).await;
        leaves_no_more_than(seats, on, &[&gateway]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nor_do_they_at_two_gateways() {
    for (seats, on) in [
        (1, "displace"),
        (3, "displace"),
        (1, "refuse"),
        (3, "refuse"),
    ] {
        let server = RedisServer::start().await;
        let app = LegacyApp::start(form_app()).await;
        let policy = server.table("2s") + &policy(seats, on);
        let [one, other] = [
            Gateway::live(&app, &policy).await,
            Gateway::live(&app, &policy).await,
        ];
        leaves_no_more_than(seats, on, &[&one, &other]).await;
        // And nothing is left behind that would keep the next one out, or let him in.
        let mut late = one.browser();
        let page = late.submit("/login", LOGIN).await;
        if on == "refuse" {
            is_one_too_many(&page);
        } else {
            is_served(&mut late).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_whose_seats_cannot_be_counted_is_answered_503_without_a_cookie() {
    let mut server = RedisServer::start().await;
    let gate = Gate::closed();
    let plain = form_app();
    let app = LegacyApp::start({
        let gate = gate.clone();
        move |seen| plain(seen).held_by(&gate)
    })
    .await;
    let policy = server.table("150ms") + &policy(1, "displace");
    let gateway = Gateway::live(&app, &policy).await;
    let mut browser = gateway.browser();
    let login = browser.submit("/login", LOGIN);
    let meanwhile = async {
        eventually("the login reaches the app", async || {
            (app.count() == 1).then_some(())
        })
        .await;
        server.kill().await;
        gate.open();
    };
    let (page, ()) = tokio::join!(login, meanwhile);
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(page.set_cookies(), Vec::<&str>::new());
}
