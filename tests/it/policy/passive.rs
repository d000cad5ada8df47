//! What is no person's never extends: polls, prefetches, answers that bring nothing new, streams;
//! and of a WebSocket's messages, those that a person sends do.

use http::request;

use crate::harness::answer::Answer;
use crate::harness::app::{FORM_APP, LegacyApp, form_app};
use crate::harness::browser::{Browser, HOST};
use crate::harness::gateway::Gateway;
use crate::harness::websocket::Socket;
use crate::harness::{eventually, raw, span};

use super::{is_over, is_served, logged_in};

/// `FORM_APP` with these keys of the app, and these tables behind it.
fn policy(keys: &str, tables: &str) -> String {
    let app = format!("name = \"procurement\"\n{keys}");
    format!(
        "{}{tables}\n",
        FORM_APP.replace("name = \"procurement\"", &app)
    )
}

/// Asks every five seconds for fourteen minutes and more, and is served each time; at fifteen
/// minutes after the login, and not a millisecond before, the session is over.
async fn never_extends(policy: &str, ask: impl Fn(&Browser) -> request::Builder, target: &str) {
    let (app, gateway, mut browser) = logged_in(policy, "buyer").await;
    for _ in 1..180 {
        gateway.advance(span("5s"));
        let asked = ask(&browser);
        let page = browser.keep(target, asked, "").await;
        assert_eq!(page.refusal(), "");
    }
    gateway.advance(span("4s 999ms"));
    let asked = ask(&browser);
    let page = browser.keep(target, asked, "").await;
    assert_eq!(page.refusal(), "", "a millisecond before its time");
    let before = app.count();
    gateway.advance(span("1ms"));
    let asked = ask(&browser);
    let page = browser.keep(target, asked, "").await;
    assert_eq!(page.refusal(), "session_idle_timeout");
    assert_eq!(app.count(), before);
    let ends = gateway.events("end", 1).await;
    assert_eq!(ends[0]["idle_ms"], 900_000);
}

#[tokio::test]
async fn a_tab_that_polls_every_five_seconds_ends_at_its_idle_timeout() {
    let tables = "[[apps.passive]]\npath = \"/ui/poll\"\nmethods = [\"POST\"]\n";
    let ask = |browser: &Browser| browser.request("POST", "/ui/poll");
    never_extends(&policy("", tables), ask, "/ui/poll").await;
}

#[tokio::test]
async fn a_prefetch_never_extends_whatever_else_its_header_says() {
    let policy = policy("presets = [\"prefetch\"]", "");
    for (name, value) in [
        ("sec-purpose", "prefetch"),
        ("sec-purpose", "prefetch;prerender"),
        ("purpose", "Prefetch"),
    ] {
        let ask = |browser: &Browser| browser.request("GET", "/home").header(name, value);
        never_extends(&policy, ask, "/home").await;
    }
}

#[tokio::test]
async fn heartbeats_of_known_frameworks_never_extend() {
    let policy = policy("presets = [\"vaadin\", \"socket.io\", \"stomp\"]", "");
    for (method, target) in [
        ("POST", "/?v-r=heartbeat&v-uiId=0"),
        ("POST", "/orders/HEARTBEAT/?v-uiId=0"),
        ("POST", "/socket.io/?EIO=4&transport=polling&sid=1"),
        ("POST", "/shop/stomp/417/k5a3vx2q/xhr_send?t=1"),
        ("POST", "/stomp/417/k5a3vx2q/xhr_streaming"),
        ("POST", "/stomp/417/k5a3vx2q/xhr"),
        // Some servers take the other value.
        ("POST", "/?v-r=uidl&v-r=heartbeat"),
    ] {
        let ask = |browser: &Browser| browser.request(method, target);
        never_extends(&policy, ask, target).await;
    }
}

#[tokio::test]
async fn no_ping_of_signalr_without_a_websocket_extends() {
    let policy = policy("presets = [\"signalr\"]", "");
    for method in ["GET", "POST"] {
        let ask = |browser: &Browser| {
            let request = browser.request(method, "/hub?id=417");
            request.header("x-signalr-user-agent", "Microsoft SignalR/8.0")
        };
        never_extends(&policy, ask, "/hub?id=417").await;
    }
}

#[tokio::test]
async fn what_a_browsers_fetch_says_of_itself_can_make_it_passive() {
    let tables = "[[apps.passive]]\npath = \"/feed/**\"\n\
                  headers = { sec-fetch-mode = \"cors\", sec-fetch-dest = \"empty\" }\n";
    let policy = policy("", tables);
    let ask = |browser: &Browser| {
        let request = browser.request("GET", "/feed/1");
        request
            .header("sec-fetch-mode", "cors")
            .header("sec-fetch-dest", "empty")
    };
    never_extends(&policy, ask, "/feed/1").await;
    let (app, gateway, mut browser) = logged_in(&policy, "buyer").await;
    for _ in 0..2 {
        gateway.advance(span("14m"));
        // One that opens the feed as a page says something else.
        assert_eq!(browser.open("/feed/1").await.refusal(), "");
        is_served(&app, &mut browser, "/home").await;
    }
}

#[tokio::test]
async fn no_rule_about_passive_traffic_changes_who_is_admitted() {
    let tables = "[[apps.passive]]\npath = \"/**\"\nheaders = { x-poll = \"*\" }\n\
                  [[apps.routes]]\npath = \"/assets/**\"\naccess = \"public\"\n";
    let (app, gateway, _) = logged_in(&policy("", tables), "buyer").await;
    let stranger = gateway.browser();
    for (target, served) in [("/assets/a.css", true), ("/home", false)] {
        let before = app.count();
        let request = stranger.request("GET", target).header("x-poll", "1");
        stranger.send(request, "").await;
        assert_eq!(app.count() - before, usize::from(served), "{target}");
    }
}

#[tokio::test]
async fn an_event_stream_that_is_opened_again_and_again_never_extends() {
    let ask = |browser: &Browser| {
        let request = browser.request("GET", "/events");
        request.header("accept", "text/event-stream")
    };
    never_extends(&policy("", ""), ask, "/events").await;
}

/// An app that answers 304 at `/feed`, unless the query says that there is news.
async fn with_feed(policy: &str) -> (LegacyApp, Gateway, Browser) {
    let plain = form_app();
    let app = LegacyApp::start(move |seen| match (seen.path(), seen.query("news")) {
        ("/feed", None) => Answer::status(304),
        _ => plain(seen),
    })
    .await;
    let gateway = Gateway::with(&app, policy).await;
    let mut browser = gateway.browser();
    browser.log_in("buyer").await;
    (app, gateway, browser)
}

const FEED: &str = "[[apps.passive]]\npath = \"/feed\"\nstatus = [304]\n";

#[tokio::test]
async fn an_answer_that_brings_nothing_new_was_no_activity_and_one_that_does_was() {
    let (app, gateway, mut browser) = with_feed(&policy("", FEED)).await;
    for _ in 0..2 {
        gateway.advance(span("7m"));
        is_served(&app, &mut browser, "/feed").await;
        gateway.advance(span("7m 59s 999ms"));
        is_served(&app, &mut browser, "/feed?news=1").await;
    }
    gateway.advance(span("7m"));
    is_served(&app, &mut browser, "/feed").await;
    gateway.advance(span("7m 59s 999ms"));
    is_served(&app, &mut browser, "/feed").await;
    gateway.advance(span("1ms"));
    is_over(&app, &mut browser, "/feed?news=1", "session_idle_timeout").await;
    let text = gateway.metrics().await;
    let gaps = "curfew_idle_gap_ratio_count{app=\"procurement\",role=\"buyer\"} 2";
    assert!(text.contains(gaps), "{text}");
}

#[tokio::test]
async fn an_activity_that_its_answer_tells_follows_a_rotation_in_that_answer() {
    let tables = "[[apps.passive]]\npath = \"/rotate\"\nstatus = [304]\n";
    let (app, gateway, mut browser) = with_feed(&policy("", tables)).await;
    for _ in 0..3 {
        gateway.advance(span("14m 59s 999ms"));
        is_served(&app, &mut browser, "/rotate").await;
    }
    gateway.advance(span("15m"));
    is_over(&app, &mut browser, "/home", "session_idle_timeout").await;
}

async fn open(gateway: &Gateway, browser: &Browser) -> Socket {
    let socket = Socket::open(browser, gateway.address, "/ws").await;
    let socket = socket.unwrap_or_else(|status| panic!("refused with {status}"));
    let (socket, heard) = socket.hear().await;
    assert_eq!(heard, "hello");
    socket
}

async fn touches(gateway: &Gateway) -> f64 {
    let name = "curfew_store_duration_seconds_count";
    gateway.metric(name, &["op=\"touch\""]).await
}

const PING: &str = "{\"type\":6}\u{1e}";
const INVOCATION: &str = "{\"type\":1,\"target\":\"Save\",\"arguments\":[]}\u{1e}";

#[tokio::test]
async fn pings_of_a_websocket_never_extend_and_a_persons_messages_do() {
    let policy = policy("presets = [\"signalr\"]", "");
    let (_app, gateway, browser) = logged_in(&policy, "buyer").await;
    let mut socket = open(&gateway, &browser).await;
    for _ in 0..2 {
        gateway.advance(span("14m 59s 999ms"));
        let before = touches(&gateway).await;
        socket = socket.say(INVOCATION).await;
        eventually("the touch", async || {
            (touches(&gateway).await > before).then_some(())
        })
        .await;
    }
    for _ in 0..14 {
        gateway.advance(span("1m"));
        socket = socket.say(PING).await;
    }
    let socket = socket.send(b"\x02\x91\x06").await;
    gateway.advance(span("59s 999ms"));
    let socket = socket.say(PING).await;
    gateway.advance(span("1ms"));
    let (code, reason) = socket.closed().await;
    assert_eq!((code, &*reason), (1008, "session_idle_timeout"));
    let ends = gateway.events("end", 1).await;
    assert_eq!(ends[0]["idle_ms"], 900_000);
    assert_eq!(ends[0]["age_ms"], 2_699_998);
}

#[tokio::test]
async fn no_last_message_of_a_person_is_lost_with_its_websocket() {
    let policy = policy("presets = [\"signalr\"]", "");
    let (app, gateway, mut browser) = logged_in(&policy, "buyer").await;
    let socket = open(&gateway, &browser).await;
    let before = touches(&gateway).await;
    let socket = socket.say(INVOCATION).await;
    eventually("the touch", async || {
        (touches(&gateway).await > before).then_some(())
    })
    .await;
    gateway.advance(span("500ms"));
    let before = touches(&gateway).await;
    drop(socket.say(INVOCATION).await);
    eventually("the touch", async || {
        (touches(&gateway).await > before).then_some(())
    })
    .await;
    gateway.advance(span("14m 59s 999ms"));
    is_served(&app, &mut browser, "/home").await;
}

#[tokio::test]
async fn a_persons_messages_count_after_a_rotation_and_for_others_of_the_session() {
    let policy = policy("presets = [\"stomp\"]", "");
    let (app, gateway, mut browser) = logged_in(&policy, "buyer").await;
    let socket = open(&gateway, &browser).await;
    browser.open("/rotate").await;
    browser.open("/rotate").await;
    gateway.advance(span("14m"));
    let before = touches(&gateway).await;
    let _socket = socket.say("SEND\ndestination:/app/edit\n\n\0").await;
    eventually("the touch", async || {
        (touches(&gateway).await > before).then_some(())
    })
    .await;
    gateway.advance(span("14m 59s 999ms"));
    is_served(&app, &mut browser, "/home").await;
}

#[tokio::test]
async fn neither_on_a_passive_route_nor_outside_their_path_do_messages_count() {
    for tables in [
        "[[apps.person_frames]]\n[[apps.routes]]\npath = \"/ws\"\nactivity = \"passive\"\n",
        "[[apps.person_frames]]\n[[apps.passive]]\npath = \"/ws\"\n",
        "[[apps.person_frames]]\npath = \"/other/**\"\n",
    ] {
        let (_app, gateway, browser) = logged_in(&policy("", tables), "buyer").await;
        let mut socket = open(&gateway, &browser).await;
        for _ in 0..14 {
            gateway.advance(span("1m"));
            socket = socket.say("I am here").await;
        }
        gateway.advance(span("1m"));
        let (_, reason) = socket.closed().await;
        assert_eq!(&*reason, "session_idle_timeout", "{tables}");
    }
}

#[tokio::test]
async fn a_websocket_that_is_opened_again_and_again_never_extends() {
    let (_app, gateway, browser) = logged_in(&policy("presets = [\"stomp\"]", ""), "buyer").await;
    for _ in 0..14 {
        gateway.advance(span("1m"));
        let _closed = open(&gateway, &browser).await;
    }
    gateway.advance(span("1m"));
    let refused = Socket::open(&browser, gateway.address, "/ws").await;
    assert_eq!(refused.err(), Some(401));
}

#[tokio::test]
async fn where_messages_are_read_no_compression_is_agreed_on() {
    for (keys, asked) in [("", true), ("presets = [\"signalr\"]", false)] {
        let (app, gateway, browser) = logged_in(&policy(keys, ""), "buyer").await;
        let cookies = browser.jar.header(HOST, "/ws").expect("a cookie");
        let head = format!(
            "GET /ws HTTP/1.1\r\nHost: {HOST}\r\nCookie: {cookies}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
        );
        let answer = raw::head(gateway.address, head).await;
        assert_eq!(raw::status(&answer), 101);
        let seen = app.last();
        assert_eq!(seen.header("sec-websocket-extensions").is_some(), asked);
    }
}
