//! The listener's TLS: what the app is told of it, how long a client may take, and certificates
//! that are replaced while clients are connected.

use std::net::SocketAddr;
use std::path::Path;

use bytes::Bytes;
use curfew::clock::monotonic;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::answer::Answer;
use crate::harness::app::{FORM_APP, LegacyApp, form_app};
use crate::harness::binary::Binary;
use crate::harness::browser::HOST;
use crate::harness::gateway::Gateway;
use crate::harness::tls::{Authority, Certified, PemFiles, shake_hands};
use crate::harness::{raw, soon, span};

/// A policy whose listener speaks TLS.
fn policy(files: &PemFiles, handshake: &str) -> String {
    let PemFiles { certificate, key } = files;
    format!(
        r#"
        [[listeners]]
        address = "127.0.0.1:0"
        tls = {{ certificate = {certificate:?}, key = {key:?} }}
        [waits]
        handshake = "{handshake}"
        {FORM_APP}"#
    )
}

/// A directory and a certificate that lies in it.
struct Given {
    authority: Authority,
    directory: TempDir,
    first: Certified,
}

impl Given {
    fn new() -> Self {
        let authority = Authority::new();
        Self {
            directory: tempfile::tempdir().expect("a test may write files"),
            first: authority.certify(HOST),
            authority,
        }
    }

    /// A policy for what lies there.
    fn policy(&self, handshake: &str) -> String {
        policy(&self.first.write(self.directory.path()), handshake)
    }

    /// Another certificate, in the place of the one that lies there.
    fn renew(&self) -> Certified {
        let renewed = self.authority.certify(HOST);
        renewed.write(self.directory.path());
        renewed
    }

    /// Whether this is the certificate of a new connection.
    async fn shows(&self, address: SocketAddr, certified: &Certified) -> bool {
        let stream = shake_hands(&self.authority.connector(), address).await;
        certified.was_shown(&stream)
    }
}

/// An app whose cookies are Secure where it is told that its client came by TLS.
async fn secure_app() -> LegacyApp {
    let plain = form_app();
    LegacyApp::start(move |seen| match (seen.method.as_str(), seen.path()) {
        ("POST", "/login") if seen.header("x-forwarded-proto") == Some("https") => {
            Answer::redirect("/home").set_cookie("JSESSIONID=S0; Path=/; Secure; HttpOnly")
        }
        _ => plain(seen),
    })
    .await
}

#[tokio::test]
async fn a_login_over_tls_is_told_to_the_app_as_https() {
    let given = Given::new();
    let app = secure_app().await;
    let gateway = Gateway::with(&app, &given.policy("10s")).await;
    let mut browser = gateway.browser().trusting(&given.authority);
    browser.log_in("buyer").await;
    let page = browser.fetch("/home").await;
    assert_eq!((page.status, page.refusal()), (StatusCode::OK, ""));
    let seen = app.last();
    assert_eq!(seen.cookie("JSESSIONID"), Some("S0"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
    let forwarded = seen.header("forwarded").unwrap_or_default();
    assert!(forwarded.contains("proto=https"), "{forwarded}");

    gateway.advance(span("15m"));
    let before = app.count();
    let page = browser.fetch("/home").await;
    assert_eq!(page.refusal(), "session_idle_timeout");
    assert_eq!(browser.jar.get("JSESSIONID"), None, "{page:?}");
    assert_eq!(app.count(), before);
}

#[tokio::test]
async fn a_client_over_tls_cannot_say_that_it_came_without() {
    let given = Given::new();
    let app = LegacyApp::start(form_app()).await;
    let gateway = Gateway::with(&app, &given.policy("10s")).await;
    let browser = gateway.browser().trusting(&given.authority);
    let request = browser
        .request("GET", "/login")
        .header("x-forwarded-proto", "http")
        .header("forwarded", "proto=http");
    assert_eq!(browser.send(request, "").await.status, 200);
    assert_eq!(app.last().header("x-forwarded-proto"), Some("https"));
    let forwarded = app.last().header("forwarded").map(str::to_owned);
    let forwarded = forwarded.unwrap_or_default();
    assert!(forwarded.contains("proto=https"), "{forwarded}");
}

#[tokio::test]
async fn a_client_that_speaks_plain_http_is_dropped_at_once() {
    let given = Given::new();
    let app = LegacyApp::start(form_app()).await;
    let gateway = Gateway::with(&app, &given.policy("1h")).await;
    // It waits for the end of the connection, not for that of the hour.
    let request = format!("GET /login HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    let answer = raw::exchange(gateway.address, request).await;
    assert_eq!(raw::status(&answer), 0, "{answer}");
    assert_eq!(app.count(), 0);
    assert!(given.shows(gateway.address, &given.first).await);
}

/// The head of a handshake record that says more is to come (RFC 8446, 5.1).
const HALF_A_HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc";

#[tokio::test]
async fn a_client_that_does_not_shake_hands_in_time_is_dropped() {
    let given = Given::new();
    let app = LegacyApp::start(form_app()).await;
    let gateway = Gateway::with(&app, &given.policy("300ms")).await;
    for said in [b"".as_slice(), HALF_A_HELLO] {
        let began = monotonic();
        let mut stream = TcpStream::connect(gateway.address)
            .await
            .expect("it listens");
        stream.write_all(said).await.expect("it is open");
        let mut heard = Vec::new();
        // An end and a reset are the same to a client that waits for a handshake.
        drop(soon("the end of a connection", stream.read_to_end(&mut heard)).await);
        let took = monotonic() - began;
        assert!(took >= span("300ms"), "{took:?}");
    }
    assert!(given.shows(gateway.address, &given.first).await);
}

/// A connection that stays open.
async fn keep_open(given: &Given, address: SocketAddr) -> SendRequest<Empty<Bytes>> {
    let stream = shake_hands(&given.authority.connector(), address).await;
    let shaken = http1::handshake(TokioIo::new(stream)).await;
    let (sender, connection) = shaken.expect("a fresh connection is ready");
    // However it ends, the answers tell.
    tokio::spawn(async move { drop(connection.await) });
    sender
}

async fn ask(connection: &mut SendRequest<Empty<Bytes>>) -> String {
    let request = Request::get("/home").header("host", HOST);
    let request = request.header("cookie", "JSESSIONID=S1").body(Empty::new());
    let request = request.expect("a test writes a request");
    soon("the connection's turn", connection.ready())
        .await
        .expect("the connection is open");
    let answer = soon("an answer", connection.send_request(request)).await;
    let body = answer.expect("the connection is open").into_body();
    let body = body.collect().await.expect("the answer is whole");
    String::from_utf8_lossy(&body.to_bytes()).into_owned()
}

#[tokio::test]
async fn sighup_shows_the_new_certificate_to_new_clients_and_leaves_the_others_connected() {
    let given = Given::new();
    let app = LegacyApp::start(form_app()).await;
    let mut gateway = Binary::serve(&app, &given.policy("10s")).await;
    let mut browser = gateway.browser().trusting(&given.authority);
    browser.log_in("buyer").await;
    let mut open = keep_open(&given, gateway.address).await;
    assert_eq!(ask(&mut open).await, "hello buyer");

    let renewed = given.renew();
    assert!(given.shows(gateway.address, &given.first).await);
    gateway.signal("HUP").await;
    gateway.says("a new configuration is in force").await;
    assert!(given.shows(gateway.address, &renewed).await);
    assert_eq!(ask(&mut open).await, "hello buyer");
    assert_eq!(browser.fetch("/home").await.text(), "hello buyer");
}

#[tokio::test]
async fn a_bad_new_certificate_leaves_the_old_one_in_use_until_it_is_mended() {
    let given = Given::new();
    let app = LegacyApp::start(form_app()).await;
    let policy = given.policy("10s");
    let mut gateway = Binary::serve(&app, &policy).await;
    let certificate = given.directory.path().join("certificate.pem");
    let spoil: [&dyn Fn(&Path); 4] = [
        &|file| std::fs::write(file, "no certificate").expect("a file of our own"),
        &|file| std::fs::write(file, given.authority.pem()).expect("a file of our own"),
        &|file| {
            let pem = std::fs::read_to_string(file).expect("a file of our own");
            std::fs::write(file, &pem[..pem.len() / 2]).expect("a file of our own");
        },
        &|file| std::fs::remove_file(file).expect("a file of our own"),
    ];
    for spoil in spoil {
        given.first.write(given.directory.path());
        spoil(&certificate);
        gateway.signal("HUP").await;
        let line = gateway.says("the certificate in use stays").await;
        assert_eq!(line["level"], "ERROR", "{line}");
        // The policy's turn, which wants the files to be there.
        gateway.says("in force").await;
        assert!(given.shows(gateway.address, &given.first).await);
    }
    let renewed = given.renew();
    gateway.signal("HUP").await;
    gateway.says("a new configuration is in force").await;
    assert!(given.shows(gateway.address, &renewed).await);
}
