//! Bodies that take their time, and upstreams that do not accept or break off: each wait has an
//! end, and what could change something is sent once.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::harness::answer::{Answer, Gate};
use crate::harness::app::{FORM_APP, LegacyApp, Seen, form_app};
use crate::harness::browser::HOST;
use crate::harness::gateway::Gateway;
use crate::harness::{eventually, raw, soon, span};

const PUBLIC: &str =
    "[[apps]]\nname = \"app\"\naccess = \"public\"\nsession = { id = \"cookie:S\" }\n";

/// A login whose answer is read.
const JSON_LOGIN: &str = r#"
[[apps]]
name = "procurement"

[apps.session]
id = "cookie:S"

[[apps.logins]]
path = "/login"
user = "form:username"
success = { json = { "/ok" = true } }
"#;

/// A client's connection, on which this was sent.
async fn sent(gateway: &Gateway, head: &str, body: &str) -> TcpStream {
    let stream = TcpStream::connect(gateway.address).await;
    let mut stream = stream.expect("it listens");
    let bytes = format!("{head} HTTP/1.1\r\nHost: {HOST}\r\n{body}");
    stream.write_all(bytes.as_bytes()).await.expect("it reads");
    stream
}

async fn answer(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let read = soon("the end of a connection", stream.read_to_end(&mut answer));
    // A server that has not read everything may reset the connection.
    drop(read.await);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_login_whose_body_does_not_come_is_a_408_and_never_reaches_the_app() {
    let app = LegacyApp::start(form_app()).await;
    let gateway = Gateway::with(&app, &format!("[waits]\nbody = \"50ms\"\n{FORM_APP}")).await;
    let body = "Content-Length: 30\r\n\r\nusername=bu";
    let answer = answer(sent(&gateway, "POST /login", body).await).await;
    assert_eq!(raw::status(&answer), 408, "{answer}");
    assert!(answer.contains("body_late"), "{answer}");
    assert_eq!(app.count(), 0);
}

#[tokio::test]
async fn a_short_upload_that_stands_still_is_a_408() {
    let app = LegacyApp::start(|_| Answer::page("")).await;
    let gateway = Gateway::with(&app, &format!("[waits]\nbody = \"50ms\"\n{PUBLIC}")).await;
    let body = "Content-Length: 30\r\n\r\nitem=cha";
    let answer = answer(sent(&gateway, "POST /orders", body).await).await;
    assert_eq!(raw::status(&answer), 408, "{answer}");
    assert!(answer.contains("body_late"), "{answer}");
}

/// An app whose every answer is a stream that the test feeds, all of this length.
async fn streaming(
    policy: &str,
    length: Option<&'static str>,
) -> (Gateway, mpsc::Receiver<mpsc::Sender<Bytes>>) {
    let (streams, opened) = mpsc::channel(1);
    let app = LegacyApp::start(move |_: &Seen| {
        let (answer, chunks) = Answer::stream("application/json");
        streams.try_send(chunks).expect("one request is made");
        match length {
            Some(length) => answer.header("content-length", length),
            None => answer,
        }
    });
    (Gateway::with(&app.await, policy).await, opened)
}

#[tokio::test]
async fn a_login_whose_answer_does_not_end_is_a_504() {
    let policy = format!("[waits]\nbody = \"50ms\"\n{JSON_LOGIN}");
    let (gateway, mut opened) = streaming(&policy, None).await;
    let mut browser = gateway.browser();
    let (page, _chunks) = tokio::join!(browser.submit("/login", "username=buyer"), opened.recv());
    assert_eq!((page.status.as_u16(), page.refusal()), (504, "app_late"));
}

#[tokio::test]
async fn a_login_answer_too_long_to_be_read_is_passed_on_whole() {
    let (gateway, mut opened) = streaming(JSON_LOGIN, None).await;
    let long: String = (0..300 << 10)
        .map(|n: u32| char::from(b'a' + (n % 26) as u8))
        .collect();
    let mut browser = gateway.browser();
    let feed = async {
        let chunks = opened.recv().await.expect("the app was asked");
        for part in long.as_bytes().chunks(10_000) {
            let part = Bytes::copy_from_slice(part);
            chunks.send(part).await.expect("it is read");
        }
    };
    let (page, ()) = tokio::join!(browser.submit("/login", "username=buyer"), feed);
    assert_eq!(page.status, 200);
    assert!(page.text() == long);
}

#[tokio::test]
async fn a_short_answer_that_drips_does_not_outlast_a_revocation() {
    let (streams, mut opened) = mpsc::channel(1);
    let plain = form_app();
    let app = LegacyApp::start(move |seen| {
        if seen.path() != "/drip" {
            return plain(seen);
        }
        let (answer, chunks) = Answer::stream("text/plain");
        streams.try_send(chunks).expect("one request is made");
        answer.header("content-length", "60000")
    })
    .await;
    let gateway = Gateway::with(&app, &format!("[waits]\nbody = \"200ms\"\n{FORM_APP}")).await;
    let mut browser = gateway.browser();
    browser.log_in("buyer").await;
    let mut body = browser.stream("/drip").await.into_body();
    let chunks = opened.recv().await.expect("the app was asked");
    gateway.revoke(json!({ "user": "buyer" })).await;
    let drip = async {
        while chunks.send(Bytes::from_static(b"x")).await.is_ok() {
            tokio::time::sleep(span("20ms")).await;
        }
    };
    let read = async {
        loop {
            match body.frame().await {
                Some(Ok(_)) => {}
                other => return other,
            }
        }
    };
    let (end, ()) = soon("the end of the body", async { tokio::join!(read, drip) }).await;
    assert!(
        matches!(end, Some(Err(_))),
        "it must not look whole: {end:?}"
    );
}

#[tokio::test]
async fn a_client_that_does_not_read_loses_its_connection() {
    let policy = format!("[waits]\nbody = \"200ms\"\n{PUBLIC}");
    let (gateway, mut opened) = streaming(&policy, None).await;
    let _unread = sent(&gateway, "GET /", "\r\n").await;
    let chunks = opened.recv().await.expect("the app was asked");
    let part = Bytes::from(vec![b'x'; 1 << 16]);
    let flood = async { while chunks.send(part.clone()).await.is_ok() {} };
    soon("the app's side is closed", flood).await;
}

#[tokio::test]
async fn an_upload_longer_than_the_wait_for_an_answer_is_no_504() {
    let app = LegacyApp::start(|_| Answer::page("done")).await;
    let gateway = Gateway::with(&app, &format!("[waits]\nanswer = \"200ms\"\n{PUBLIC}")).await;
    let head = "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut stream = sent(&gateway, "POST /upload", head).await;
    for count in 1..=20 {
        tokio::time::sleep(span("20ms")).await;
        stream.write_all(b"1\r\nx\r\n").await.expect("it reads");
        eventually("it reaches the app", async || {
            (app.requests().first()?.body.len() == count).then_some(())
        })
        .await;
    }
    stream.write_all(b"0\r\n\r\n").await.expect("it reads");
    let answer = answer(stream).await;
    assert_eq!(raw::status(&answer), 200, "{answer}");
}

#[tokio::test]
async fn an_app_that_does_not_answer_an_upload_is_a_504() {
    let gate = Gate::closed();
    let app = LegacyApp::start(move |_| Answer::page("").held_by(&gate)).await;
    let gateway = Gateway::with(&app, &format!("[waits]\nanswer = \"50ms\"\n{PUBLIC}")).await;
    let page = gateway.browser().ask("POST", "/", "item=chair").await;
    assert_eq!((page.status.as_u16(), page.refusal()), (504, "app_late"));
}

/// A policy with these upstreams. The spaces keep the harness from putting in its own.
fn with_upstreams(upstreams: [SocketAddr; 2], policy: &str) -> String {
    let [first, second] = upstreams;
    let apps = format!("[[ apps ]]\nupstreams = [\"http://{first}\", \"http://{second}\"]");
    policy.replace("[[apps]]", &apps)
}

#[tokio::test]
async fn an_upstream_that_refuses_is_passed_over_also_with_a_body() {
    let absent = LegacyApp::absent().await;
    let app = LegacyApp::start(form_app()).await;
    let policy = with_upstreams([absent.address, app.address], FORM_APP);
    let gateway = Gateway::with(&app, &policy).await;
    let mut browser = gateway.browser();
    browser.log_in("buyer").await;
    let page = browser.ask("POST", "/orders", "item=chair").await;
    assert_eq!(page.text(), "hello buyer");
    assert_eq!(app.last().body, b"item=chair");
}

#[tokio::test]
async fn an_upstream_that_breaks_off_is_not_passed_over() {
    let broken = LegacyApp::start(|_| Answer::broken()).await;
    let app = LegacyApp::start(|_| Answer::page("")).await;
    let policy = with_upstreams([broken.address, app.address], PUBLIC);
    let gateway = Gateway::with(&app, &policy).await;
    let browser = gateway.browser();
    assert_eq!(browser.get("/").await.status, 502);
    assert_eq!((broken.count(), app.count()), (1, 0));
}

/// How often an app is asked that breaks off from its second request on: on a connection that was
/// kept the second, on a new one every further.
async fn asked(method: &str) -> (u16, usize) {
    let count = AtomicUsize::new(0);
    let app = LegacyApp::start(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => Answer::page("first"),
        _ => Answer::broken(),
    })
    .await;
    let gateway = Gateway::with(&app, PUBLIC).await;
    let mut browser = gateway.browser();
    assert_eq!(browser.get("/").await.text(), "first");
    let page = browser.ask(method, "/", "").await;
    (page.status.as_u16(), app.count() - 1)
}

#[tokio::test]
async fn a_get_is_sent_again_once_where_a_kept_connection_closed() {
    assert_eq!(asked("GET").await, (502, 2));
}

#[tokio::test]
async fn a_post_is_not_sent_again_where_a_kept_connection_closed() {
    assert_eq!(asked("POST").await, (502, 1));
}
