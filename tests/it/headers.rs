//! What a request and an answer are on the other side of the gateway: headers, bodies, errors.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::answer::{Answer, Gate};
use crate::harness::app::{FORM_APP, LegacyApp, Seen, form_app};
use crate::harness::browser::{HOST, navigation};
use crate::harness::gateway::Gateway;
use crate::harness::raw;
use crate::harness::websocket::Socket;
use crate::harness::{eventually, soon};

/// An app whose every path is public.
const PUBLIC: &str =
    "[[apps]]\nname = \"app\"\naccess = \"public\"\nsession = { id = \"cookie:S\" }\n";

/// The same behind a proxy on this machine.
fn behind_a_proxy() -> String {
    format!("[[listeners]]\naddress = \"127.0.0.1:0\"\ntrusted_proxies = [\"127.0.0.1\"]\n{PUBLIC}")
}

async fn public(
    policy: &str,
    behaviour: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
) -> (LegacyApp, Gateway) {
    let app = LegacyApp::start(behaviour).await;
    let gateway = Gateway::with(&app, policy).await;
    (app, gateway)
}

/// What a client says of where it comes from.
const CLAIMS: [(&str, &str); 6] = [
    ("x-forwarded-for", "203.0.113.7"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "shop.example.org"),
    ("forwarded", "for=198.51.100.1;proto=https"),
    ("x-real-ip", "203.0.113.7"),
    ("via", "1.0 somebody"),
];

#[tokio::test]
async fn what_a_client_says_of_itself_is_not_believed() {
    let (app, gateway) = public(PUBLIC, |_| Answer::page("")).await;
    let browser = gateway.browser();
    let request = CLAIMS
        .iter()
        .fold(browser.request("GET", "/"), |request, (name, value)| {
            request.header(*name, *value)
        });
    browser.send(request, "").await;
    let seen = app.last();
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("http"));
    assert_eq!(seen.header("x-forwarded-host"), Some(HOST));
    let forwarded = format!("for=127.0.0.1;host=\"{HOST}\";proto=http");
    assert_eq!(seen.header("forwarded"), Some(&*forwarded));
    assert_eq!(seen.header("x-real-ip"), None);
    assert_eq!(seen.header("via"), Some("1.1 curfew"));
}

#[tokio::test]
async fn no_port_that_the_client_asked_for_is_kept_from_the_app() {
    let (app, gateway) = public(PUBLIC, |_| Answer::page("")).await;
    let browser = gateway.browser();
    let request = http::Request::get("/").header("host", "Shop.Example:8443");
    browser.send(request, "").await;
    let seen = app.last();
    assert_eq!(seen.header("x-forwarded-host"), Some("Shop.Example:8443"));
    let forwarded = "for=127.0.0.1;host=\"Shop.Example:8443\";proto=http";
    assert_eq!(seen.header("forwarded"), Some(forwarded));
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_as_far_as_it_vouches() {
    let (app, gateway) = public(&behind_a_proxy(), |_| Answer::page("")).await;
    let browser = gateway.browser();
    let request = browser
        .request("GET", "/")
        .header("x-forwarded-for", "192.0.2.66, 203.0.113.7")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "shop.example.org");
    browser.send(request, "").await;
    let seen = app.last();
    // The client wrote the first address itself.
    assert_eq!(
        seen.header("x-forwarded-for"),
        Some("203.0.113.7, 127.0.0.1")
    );
    assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
    assert_eq!(seen.header("x-forwarded-host"), Some("shop.example.org"));
}

#[tokio::test]
async fn what_is_meant_for_one_hop_ends_there() {
    let (app, gateway) = public(PUBLIC, |_| {
        Answer::page("x")
            .header("connection", "x-of-the-app")
            .header("x-of-the-app", "1")
            .header("keep-alive", "timeout=5")
            .header("proxy-authenticate", "Basic")
            .header("server", "Apache-Coyote/1.1")
    })
    .await;
    let browser = gateway.browser();
    let request = browser
        .request("GET", "/")
        .header("connection", "x-of-the-client, x-forwarded-for")
        .header("x-of-the-client", "1")
        .header("keep-alive", "timeout=5")
        .header("te", "trailers")
        .header("proxy-authorization", "Basic YTpi")
        .header("x-kept", "1");
    let page = browser.send(request, "").await;
    let seen = app.last();
    for dropped in [
        "x-of-the-client",
        "keep-alive",
        "te",
        "proxy-authorization",
        "connection",
    ] {
        assert_eq!(seen.header(dropped), None, "{dropped}");
    }
    assert_eq!(seen.header("x-kept"), Some("1"));
    assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
    for dropped in ["x-of-the-app", "keep-alive", "proxy-authenticate"] {
        assert_eq!(page.header(dropped), "", "{dropped}");
    }
    assert_eq!(page.header("server"), "Apache-Coyote/1.1");
    assert_eq!(page.header("via"), "1.1 curfew");
}

#[tokio::test]
async fn headers_that_servers_take_for_others_reach_no_app() {
    let (app, gateway) = public(PUBLIC, |_| Answer::page("")).await;
    let browser = gateway.browser();
    let request = browser
        .request("GET", "/")
        .header("x_forwarded_for", "203.0.113.7")
        .header("proxy", "http://198.51.100.1/")
        .header("x-original-url", "/admin")
        .header("x-rewrite-url", "/admin")
        .header("cookie2", "$Version=1");
    browser.send(request, "").await;
    let seen = app.last();
    for name in [
        "x_forwarded_for",
        "proxy",
        "x-original-url",
        "x-rewrite-url",
        "cookie2",
    ] {
        assert_eq!(seen.header(name), None, "{name}");
    }
}

#[tokio::test]
async fn a_request_has_one_name_on_both_sides() {
    let (app, gateway) = public(PUBLIC, |_| Answer::page("")).await;
    let browser = gateway.browser();
    let mut names = Vec::new();
    for _ in 0..2 {
        let request = browser
            .request("GET", "/")
            .header("x-request-id", "of-the-client");
        let page = browser.send(request, "").await;
        let name = page.header("x-request-id").to_owned();
        assert_eq!(app.last().header("x-request-id"), Some(&*name));
        names.push(name);
    }
    assert_ne!(names[0], names[1]);
    assert!(!names.contains(&"of-the-client".to_owned()));

    let (app, gateway) = public(&behind_a_proxy(), |_| Answer::page("")).await;
    let browser = gateway.browser();
    let request = browser
        .request("GET", "/")
        .header("x-request-id", "of-the-proxy");
    let page = browser.send(request, "").await;
    assert_eq!(page.header("x-request-id"), "of-the-proxy");
    assert_eq!(app.last().header("x-request-id"), Some("of-the-proxy"));
}

#[tokio::test]
async fn an_upgrade_is_asked_for_anew_with_what_the_client_said_of_it() {
    let app = LegacyApp::start(form_app()).await;
    let gateway = Gateway::with(&app, FORM_APP).await;
    let mut browser = gateway.browser();
    browser.log_in("buyer").await;
    let socket = Socket::open(&browser, gateway.address, "/ws").await;
    assert!(socket.is_ok());
    let seen = app.last();
    assert_eq!(seen.header("connection"), Some("upgrade"));
    assert_eq!(seen.header("upgrade"), Some("websocket"));
    assert_eq!(seen.header("sec-websocket-version"), Some("13"));
    assert!(seen.header("sec-websocket-key").is_some());
    assert_eq!(seen.header("via"), Some("1.1 curfew"));

    // Another protocol is not asked for.
    let request = browser
        .request("GET", "/home")
        .header("connection", "Upgrade, HTTP2-Settings")
        .header("upgrade", "h2c")
        .header("http2-settings", "AAMAAABk");
    browser.keep("/home", request, "").await;
    let seen = app.last();
    for name in ["connection", "upgrade", "http2-settings"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
}

#[tokio::test]
async fn an_answer_passes_untouched() {
    let (_app, gateway) = public(PUBLIC, |_| {
        Answer::redirect("https://elsewhere.example.org/a?b#c")
            .set_cookie("a=1; Path=/x; SameSite=None; Partitioned")
            .set_cookie("b=\"2 3\"; Expires=Thu, 01-Jan-2099 00:00:00 GMT")
            .set_cookie("a=2")
            .header("content-encoding", "gzip")
            .header("etag", "W/\"7\"")
            .body("not really gzip")
    })
    .await;
    let page = gateway.browser().get("/").await;
    assert_eq!(page.status, 302);
    assert_eq!(
        page.header("location"),
        "https://elsewhere.example.org/a?b#c"
    );
    assert_eq!(
        page.set_cookies(),
        [
            "a=1; Path=/x; SameSite=None; Partitioned",
            "b=\"2 3\"; Expires=Thu, 01-Jan-2099 00:00:00 GMT",
            "a=2"
        ]
    );
    assert_eq!(page.header("content-encoding"), "gzip");
    assert_eq!(page.header("etag"), "W/\"7\"");
    assert_eq!(page.text(), "not really gzip");
    assert_eq!(page.header("curfew-verdict"), "");
}

#[tokio::test]
async fn statuses_without_a_body_stay_without_one() {
    let (_app, gateway) = public(PUBLIC, |seen| match seen.path() {
        "/204" => Answer::status(204),
        "/304" => Answer::status(304).header("etag", "\"1\""),
        _ => Answer::status(200).header("content-length", "5"),
    })
    .await;
    let mut browser = gateway.browser();
    assert_eq!(browser.get("/204").await.status, 204);
    assert_eq!(browser.get("/304").await.status, 304);
    let head = browser.ask("HEAD", "/page", "").await;
    assert_eq!((head.header("content-length"), &*head.text()), ("5", ""));
}

#[tokio::test]
async fn an_app_is_found_by_its_host_and_the_longest_prefix() {
    // One server plays them all; the Host that it is shown tells which of them was meant.
    let app = LegacyApp::start(|_| Answer::page("")).await;
    let one = |name: &str, place: &str| {
        format!(
            "[[apps]]\nname = \"{name}\"\nhost_header = \"{name}\"\naccess = \"public\"\n{place}\n\
             session = {{ id = \"cookie:{name}\" }}\n"
        )
    };
    let policy = [
        one("shop", "hosts = [\"shop.example.com\"]"),
        one(
            "cellar",
            "hosts = [\"shop.example.com\"]\nprefix = \"/cellar\"",
        ),
        one("any", "hosts = [\"*.example.com\"]"),
    ]
    .concat();
    let gateway = Gateway::with(&app, &policy).await;
    let browser = gateway.browser();
    for (host, target, found) in [
        ("shop.example.com", "/", "shop"),
        ("SHOP.example.com:8080", "/cellars", "shop"),
        ("shop.example.com.", "/cellar", "cellar"),
        ("shop.example.com", "/cellar/wine", "cellar"),
        ("shop.example.com", "/x/../cellar/wine", "cellar"),
        ("shop.example.com", "/cellar/../", "shop"),
        ("x.example.com", "/cellar", "any"),
    ] {
        browser
            .send(http::Request::get(target).header("host", host), "")
            .await;
        assert_eq!(app.last().header("host"), Some(found), "{host}{target}");
    }
    let before = app.count();
    let page = browser
        .send(http::Request::get("/").header("host", "example.com"), "")
        .await;
    assert_eq!((page.status.as_u16(), page.refusal()), (404, "no_app"));
    assert_eq!(app.count(), before);
}

#[tokio::test]
async fn a_body_passes_to_the_app_while_it_is_being_sent() {
    let (app, gateway) = public(PUBLIC, |seen| Answer::page(&seen.body.len().to_string())).await;
    let mut stream = TcpStream::connect(gateway.address)
        .await
        .expect("it listens");
    let head = format!(
        "POST /upload HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("it reads");
    for (part, arrived) in [
        ("5\r\nfirst\r\n", "first"),
        ("6\r\nsecond\r\n", "firstsecond"),
    ] {
        stream.write_all(part.as_bytes()).await.expect("it reads");
        eventually(&format!("{arrived} reaches the app"), async || {
            let requests = app.requests();
            let seen = requests.first()?;
            (seen.body == arrived.as_bytes()).then_some(())
        })
        .await;
    }
    stream.write_all(b"0\r\n\r\n").await.expect("it reads");
    let mut answer = String::new();
    soon("an answer", stream.read_to_string(&mut answer))
        .await
        .expect("it answers");
    assert!(answer.contains("11"), "{answer}");
}

#[tokio::test]
async fn a_body_passes_to_the_client_while_it_is_being_sent() {
    let (streams, mut opened) = tokio::sync::mpsc::channel(1);
    let (_app, gateway) = public(PUBLIC, move |_| {
        let (answer, chunks) = Answer::stream("text/plain");
        streams.try_send(chunks).expect("one request is made");
        answer
    })
    .await;
    let mut body = gateway.browser().stream("/").await.into_body();
    let chunks = opened.recv().await.expect("the app was asked");
    for part in ["first", "second"] {
        chunks.send(Bytes::from(part)).await.expect("it is open");
        let frame = soon("a frame", body.frame()).await.expect("it goes on");
        let data = frame.expect("it is whole").into_data();
        assert_eq!(data.ok().as_deref(), Some(part.as_bytes()));
    }
    drop(chunks);
    assert!(soon("the end", body.frame()).await.is_none());
}

#[tokio::test]
async fn a_megabyte_comes_back_as_it_was_sent() {
    let (_app, gateway) = public(PUBLIC, |seen| {
        Answer::page(std::str::from_utf8(&seen.body).unwrap_or_default())
    })
    .await;
    let sent: String = (0..1 << 20)
        .map(|n: u32| char::from(b'a' + (n % 26) as u8))
        .collect();
    let browser = gateway.browser();
    let page = browser
        .send(browser.request("PUT", "/"), sent.clone())
        .await;
    assert!(page.text() == sent);
}

#[tokio::test]
async fn an_app_that_does_not_run_is_a_502() {
    let app = LegacyApp::absent().await;
    let gateway = Gateway::with(&app, PUBLIC).await;
    let browser = gateway.browser();
    let page = browser.get("/").await;
    assert_eq!(
        (page.status.as_u16(), page.refusal()),
        (502, "app_unreachable")
    );
    assert_eq!(page.json()["code"], "app_unreachable");
    assert_eq!(page.header("cache-control"), "no-store");
    let page = browser
        .send(navigation(browser.request("GET", "/")), "")
        .await;
    assert!(page.text().contains("cannot be reached"));
    let labels = ["kind=\"refused\""];
    assert_eq!(
        gateway
            .metric("curfew_upstream_errors_total", &labels)
            .await,
        2.0
    );
}

#[tokio::test]
async fn an_app_that_breaks_off_is_a_502_and_what_could_change_something_is_not_sent_again() {
    let (app, gateway) = public(PUBLIC, |_| Answer::broken()).await;
    let mut browser = gateway.browser();
    let page = browser.ask("POST", "/orders", "item=chair").await;
    assert_eq!(page.status, 502);
    assert_eq!(app.count(), 1);
    let page = browser.ask("POST", "/orders", "").await;
    assert_eq!(page.status, 502);
    assert_eq!(app.count(), 2);
}

#[tokio::test]
async fn an_app_that_does_not_answer_in_time_is_a_504() {
    let gate = Gate::closed();
    let policy = format!("[waits]\nanswer = \"50ms\"\n{PUBLIC}");
    let (_app, gateway) = public(&policy, move |_| Answer::page("").held_by(&gate)).await;
    let page = gateway.browser().get("/").await;
    assert_eq!((page.status.as_u16(), page.refusal()), (504, "app_late"));
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_for_its_body_is_asked() {
    let (app, gateway) = public(PUBLIC, |_| Answer::page("")).await;
    let mut stream = TcpStream::connect(gateway.address)
        .await
        .expect("it listens");
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\
         Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("it reads");
    let mut asked = [0; 25];
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_exact(&mut asked)).await;
    read.expect("it asks").expect("it asks");
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"abc").await.expect("it reads");
    let mut answer = String::new();
    soon("an answer", stream.read_to_string(&mut answer))
        .await
        .expect("it answers");
    assert_eq!(raw::status(&answer), 200);
    assert_eq!(app.last().body, b"abc");
    assert_eq!(app.last().header("expect"), None);
}
