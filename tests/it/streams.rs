//! What runs on: WebSockets, event streams and long bodies are cut when their session ends, told
//! why where the protocol can say it, and open again after the next login.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::harness::answer::Answer;
use crate::harness::app::{FORM_APP, LegacyApp, Socket as AppSocket, form_app};
use crate::harness::browser::{Browser, HOST};
use crate::harness::gateway::Gateway;
use crate::harness::raw;
use crate::harness::websocket::Socket;
use crate::harness::{eventually, soon, span};

async fn logged_in() -> (LegacyApp, Gateway, Browser) {
    let app = LegacyApp::start(form_app()).await;
    let gateway = Gateway::with(&app, FORM_APP).await;
    let mut browser = gateway.browser();
    browser.log_in("buyer").await;
    (app, gateway, browser)
}

async fn open(gateway: &Gateway, browser: &Browser) -> Socket {
    let socket = Socket::open(browser, gateway.address, "/ws").await;
    let socket = socket.unwrap_or_else(|status| panic!("refused with {status}"));
    let (socket, heard) = socket.hear().await;
    assert_eq!(heard, "hello");
    socket
}

/// The app's side of its nth WebSocket, once it is closed.
async fn closed_at_the_app(app: &LegacyApp, index: usize) -> AppSocket {
    eventually("the app's side is closed", async || {
        let socket = app.sockets().get(index).cloned()?;
        socket.closed.then_some(socket)
    })
    .await
}

#[tokio::test]
async fn a_websocket_passes_both_ways() {
    let (app, gateway, browser) = logged_in().await;
    let socket = open(&gateway, &browser).await;
    let before = app.sockets()[0].received.len();
    let _socket = socket.say("order 7").await;
    // A text frame, masked: two bytes, a mask of four, the payload.
    eventually("the app hears it", async || {
        (app.sockets()[0].received.len() == before + 6 + "order 7".len()).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_websocket_is_cut_when_its_session_is_revoked_and_the_next_login_opens_a_new_one() {
    let (app, gateway, mut browser) = logged_in().await;
    let socket = open(&gateway, &browser).await;
    gateway.revoke(json!({ "user": "buyer" })).await;
    let (code, reason) = socket.closed().await;
    assert_eq!((code, &*reason), (1008, "session_revoked"));
    closed_at_the_app(&app, 0).await;

    let refused = Socket::open(&browser, gateway.address, "/ws").await;
    assert_eq!(refused.err(), Some(401));
    gateway.advance(span("1ms"));
    browser.log_in("buyer").await;
    let socket = open(&gateway, &browser).await;
    let _open = socket.say("still here").await;
    assert!(!app.sockets()[1].closed);
}

#[tokio::test]
async fn a_websocket_in_which_the_app_never_pauses_is_closed_between_two_frames() {
    let plain = form_app();
    let app = LegacyApp::start(move |seen| match seen.path() {
        "/ws" => {
            let key = seen.header("sec-websocket-key").unwrap_or_default();
            Answer::talking_websocket(key)
        }
        _ => plain(seen),
    })
    .await;
    let gateway = Gateway::with(&app, FORM_APP).await;
    let mut browser = gateway.browser();
    browser.log_in("buyer").await;
    for _ in 0..8 {
        let (socket, heard) = open(&gateway, &browser).await.hear().await;
        assert_eq!(heard, ".".repeat(126));
        gateway.revoke(json!({ "user": "buyer" })).await;
        // The client would complain of half a frame.
        let (code, reason) = socket.closed().await;
        assert_eq!((code, &*reason), (1008, "session_revoked"));
        gateway.advance(span("1ms"));
        browser.log_in("buyer").await;
    }
}

#[tokio::test]
async fn a_websocket_is_cut_at_the_idle_timeout_whatever_is_said_in_it() {
    let (app, gateway, browser) = logged_in().await;
    let mut socket = open(&gateway, &browser).await;
    for _ in 0..14 {
        gateway.advance(span("1m"));
        socket = socket.say("I am here").await;
    }
    gateway.advance(span("1m"));
    let (code, reason) = socket.closed().await;
    assert_eq!((code, &*reason), (1008, "session_idle_timeout"));
    closed_at_the_app(&app, 0).await;
    let ends = gateway.events("end", 1).await;
    assert_eq!(ends[0]["idle_ms"], 900_000);
}

#[tokio::test]
async fn a_websocket_is_cut_at_the_absolute_timeout_of_an_active_session() {
    let (app, gateway, mut browser) = logged_in().await;
    let socket = open(&gateway, &browser).await;
    for _ in 1..48 {
        gateway.advance(span("10m"));
        assert_eq!(browser.fetch("/home").await.refusal(), "");
    }
    assert!(!app.sockets()[0].closed);
    gateway.advance(span("10m"));
    let (code, reason) = socket.closed().await;
    assert_eq!((code, &*reason), (1008, "session_absolute_timeout"));
    closed_at_the_app(&app, 0).await;
}

#[tokio::test]
async fn a_websocket_is_cut_at_the_logout_and_another_users_is_not() {
    let (app, gateway, mut browser) = logged_in().await;
    let mut other = gateway.browser();
    other.log_in("buyer").await;
    let socket = open(&gateway, &browser).await;
    let others = open(&gateway, &other).await;
    browser.open("/logout").await;
    let (code, reason) = socket.closed().await;
    assert_eq!((code, &*reason), (1008, "session_logout"));
    closed_at_the_app(&app, 0).await;
    let _others = others.say("I stay").await;
    assert!(!app.sockets()[1].closed);
}

#[tokio::test]
async fn a_websocket_outlives_a_rotation_of_the_id_and_is_cut_by_the_lineage() {
    let (app, gateway, mut browser) = logged_in().await;
    let socket = open(&gateway, &browser).await;
    browser.open("/rotate").await;
    browser.open("/rotate").await;
    gateway.advance(span("14m"));
    browser.open("/rotate").await;
    gateway.advance(span("14m"));
    let socket = socket.say("I stay").await;
    assert!(!app.sockets()[0].closed);
    let login = gateway.events("login", 1).await;
    gateway
        .revoke(json!({ "lineage": login[0]["lineage"] }))
        .await;
    let (code, reason) = socket.closed().await;
    assert_eq!((code, &*reason), (1008, "session_revoked"));
}

#[tokio::test]
async fn a_websocket_without_a_live_session_never_reaches_the_app() {
    let (app, gateway, browser) = logged_in().await;
    let before = app.count();
    let stranger = gateway.browser();
    let refused = Socket::open(&stranger, gateway.address, "/ws").await;
    assert_eq!(refused.err(), Some(401));
    gateway.advance(span("15m"));
    let refused = Socket::open(&browser, gateway.address, "/ws").await;
    assert_eq!(refused.err(), Some(401));
    assert_eq!(app.count(), before);
}

/// An app that streams at `/events`, `/report` and `/logout`, chunk by chunk as the test says.
async fn streaming() -> (Gateway, Browser, mpsc::Receiver<mpsc::Sender<Bytes>>) {
    let (streams, opened) = mpsc::channel(8);
    let plain = form_app();
    let app = LegacyApp::start(move |seen| {
        let (answer, chunks) = match seen.path() {
            "/events" => Answer::stream("text/event-stream"),
            "/logout" => Answer::stream("text/html"),
            "/report" => {
                let (answer, chunks) = Answer::stream("application/pdf");
                (answer.header("content-length", "1000000"), chunks)
            }
            _ => return plain(seen),
        };
        streams.try_send(chunks).expect("the test takes them");
        answer
    })
    .await;
    let gateway = Gateway::with(&app, FORM_APP).await;
    let mut browser = gateway.browser();
    browser.log_in("buyer").await;
    (gateway, browser, opened)
}

/// The next bytes of a body, or that it broke off. A whole end is a failure.
async fn next(body: &mut Incoming) -> Option<Bytes> {
    let frame = soon("a frame", body.frame()).await;
    let frame = frame.expect("the body has no end of its own").ok()?;
    frame.into_data().ok()
}

/// A stream passes as it comes, and breaks off when its session ends, also at the app.
async fn is_cut(target: &str, end: impl AsyncFn(&Gateway)) {
    let (gateway, browser, mut opened) = streaming().await;
    let answer = browser.stream(target).await;
    assert_eq!(answer.status(), 200);
    let mut body = answer.into_body();
    let chunks = opened.recv().await.expect("the app was asked");
    for part in ["data: 1\n\n", "data: 2\n\n"] {
        let sent = chunks.send(Bytes::from_static(part.as_bytes())).await;
        sent.expect("the stream is open");
        assert_eq!(next(&mut body).await.as_deref(), Some(part.as_bytes()));
    }
    end(&gateway).await;
    assert_eq!(next(&mut body).await, None, "it must not look whole");
    soon("the app's side is closed", chunks.closed()).await;
}

#[tokio::test]
async fn an_event_stream_is_aborted_when_its_session_is_revoked() {
    is_cut("/events", async |gateway| {
        gateway.revoke(json!({ "all": true })).await;
    })
    .await;
}

#[tokio::test]
async fn an_event_stream_is_aborted_at_the_idle_timeout() {
    is_cut("/events", async |gateway| gateway.advance(span("15m"))).await;
}

#[tokio::test]
async fn a_long_download_is_aborted_when_its_session_ends() {
    is_cut("/report", async |gateway| gateway.advance(span("15m"))).await;
}

#[tokio::test]
async fn an_event_stream_of_a_live_session_goes_on_and_ends_as_the_app_ends_it() {
    let (gateway, mut browser, mut opened) = streaming().await;
    let mut body = browser.stream("/events").await.into_body();
    let chunks = opened.recv().await.expect("the app was asked");
    for _ in 0..3 {
        gateway.advance(span("14m"));
        assert_eq!(browser.fetch("/home").await.refusal(), "");
        let sent = chunks.send(Bytes::from_static(b"data: x\n\n")).await;
        sent.expect("the stream is open");
        assert!(next(&mut body).await.is_some());
    }
    drop(chunks);
    let end = soon("the end", body.frame()).await;
    assert!(end.is_none(), "{end:?}");
}

#[tokio::test]
async fn an_answer_that_logs_out_is_not_cut_by_the_end_that_it_brings() {
    let (_gateway, mut browser, mut opened) = streaming().await;
    let mut body = browser.stream("/logout").await.into_body();
    let chunks = opened.recv().await.expect("the app was asked");
    assert_eq!(browser.fetch("/home").await.refusal(), "session_logout");
    let sent = chunks.send(Bytes::from_static(b"good bye")).await;
    sent.expect("the answer goes on");
    assert_eq!(
        next(&mut body).await.as_deref(),
        Some(b"good bye".as_slice())
    );
    drop(chunks);
    let end = soon("the end", body.frame()).await;
    assert!(end.is_none(), "{end:?}");
}

#[tokio::test]
async fn an_upload_is_aborted_when_its_session_ends_and_the_rest_reaches_no_app() {
    let (app, gateway, browser) = logged_in().await;
    let cookies = browser.jar.header(HOST, "/").expect("a cookie");
    let mut stream = TcpStream::connect(gateway.address)
        .await
        .expect("it listens");
    let head = format!(
        "POST /upload HTTP/1.1\r\nHost: {HOST}\r\nCookie: {cookies}\r\n\
         Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("it reads");
    eventually("the first part reaches the app", async || {
        (app.last().body == b"first").then_some(())
    })
    .await;
    gateway.revoke(json!({ "user": "buyer" })).await;
    let mut answer = String::new();
    let end = soon(
        "the end of the connection",
        stream.read_to_string(&mut answer),
    )
    .await;
    assert!(end.is_err() || raw::status(&answer) >= 400, "{answer}");
    // The connection is gone, or nobody listens any more.
    drop(stream.write_all(b"6\r\nsecond\r\n0\r\n\r\n").await);
    gateway.events("end", 1).await;
    assert_eq!(app.last().body, b"first");
}
