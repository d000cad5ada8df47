//! What no honest client or app sends: an error or a safe refusal, nothing admitted that was not
//! checked, and the gateway goes on.

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::harness::answer::{Answer, Gate};
use crate::harness::app::{FORM_APP, LegacyApp, Seen, Sessions, form_app};
use crate::harness::browser::HOST;
use crate::harness::gateway::Gateway;
use crate::harness::raw;
use crate::harness::{eventually, span};

async fn protected() -> (LegacyApp, Gateway) {
    let app = LegacyApp::start(form_app()).await;
    let gateway = Gateway::with(&app, FORM_APP).await;
    (app, gateway)
}

/// The gateway still does its job.
async fn goes_on(gateway: &Gateway) {
    let mut browser = gateway.browser();
    browser.log_in("buyer").await;
    assert_eq!(browser.fetch("/home").await.text(), "hello buyer");
    assert_eq!(gateway.metric("curfew_panics_total", &[]).await, 0.0);
}

#[tokio::test]
async fn malformed_cookies_open_nothing() {
    let (app, gateway) = protected().await;
    let long = format!("JSESSIONID={}", "x".repeat(60_000));
    for cookie in [
        &b""[..],
        b";;; ; =;=x; JSESSIONID",
        b"JSESSIONID=",
        b"JSESSIONID=;JSESSIONID=\"\"",
        b"JSESSIONID=\"unended",
        b"=JSESSIONID=S1",
        b"JSESSIONID==S1",
        b"JSESSIONID=\xff\xfe\x80",
        b"\xff=\xff; JSESSIONID=S1",
        b"$Version=1; JSESSIONID=S1; $Path=/",
        b"a=\"; JSESSIONID=S1; b=\"",
        b"\tJSESSIONID=S1",
        long.as_bytes(),
    ] {
        let head = format!("GET /home HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\nCookie: ");
        let request = [head.as_bytes(), cookie, b"\r\n\r\n"].concat();
        let answer = raw::exchange(gateway.address, request).await;
        let status = raw::status(&answer);
        assert!((400..500).contains(&status), "{cookie:?} gave {answer}");
    }
    assert_eq!(app.count(), 0);
    goes_on(&gateway).await;
}

#[tokio::test]
async fn malformed_set_cookies_pass_and_teach_nothing() {
    const STRANGE: [&str; 9] = [
        "",
        "JSESSIONID",
        "=JSESSIONID",
        "; Path=/",
        "JSESSIONID; Path=/",
        " =; JSESSIONID=S9",
        "JSESSIONID=; Path=/",
        "JSESSIONID=\"\"",
        "JSESSIONID=S9; Max-Age=0; Max-Age",
    ];
    let app = LegacyApp::start(|_| {
        STRANGE
            .iter()
            .fold(Answer::page("content"), |answer, cookie| {
                answer.set_cookie(cookie)
            })
    })
    .await;
    let policy = format!("{FORM_APP}\n[[apps.routes]]\npath = \"/public\"\naccess = \"public\"\n");
    let gateway = Gateway::with(&app, &policy).await;
    let browser = gateway.browser();
    let page = browser.get("/public").await;
    assert_eq!(page.set_cookies().len(), STRANGE.len());
    for id in ["S9", "", "\"\""] {
        let request = browser
            .request("GET", "/home")
            .header("cookie", format!("JSESSIONID={id}"));
        let page = browser.send(request, "").await;
        assert!(
            page.refusal().starts_with("session_"),
            "{id:?} gave {page:?}"
        );
    }
    assert_eq!(app.count(), 1);
}

/// A login that the app takes, whatever it says; the limits that it gets are the strictest ones,
/// since it cannot be believed.
async fn gets_the_strictest_limits(form: &str) {
    let sessions = Sessions::default();
    let app = LegacyApp::start(move |seen| match seen.path() {
        "/login" => {
            let id = sessions.create(Some("buyer"));
            Answer::redirect("/home").set_cookie(&format!("JSESSIONID={id}; Path=/"))
        }
        _ => Answer::page("content"),
    })
    .await;
    let gateway = Gateway::with(&app, FORM_APP).await;
    let mut browser = gateway.browser();
    browser.submit("/login", form).await;
    assert_eq!(
        app.last().body,
        form.as_bytes(),
        "the form passes as it came"
    );
    let logins = gateway.events("login", 1).await;
    assert_eq!(logins.len(), 1);
    assert_eq!(logins[0]["roles"], json!([]), "{form:?}");
    gateway.advance(span("4m 59s 999ms"));
    assert_eq!(browser.fetch("/home").await.refusal(), "");
    gateway.advance(span("5m"));
    assert_eq!(
        browser.fetch("/home").await.refusal(),
        "session_idle_timeout"
    );
}

#[tokio::test]
async fn a_login_form_that_names_its_user_twice_gets_the_strictest_limits() {
    gets_the_strictest_limits("username=buyer&password=x&username=approver").await;
    gets_the_strictest_limits("username=buyer&%75sername=buyer").await;
}

#[tokio::test]
async fn a_login_form_without_a_user_gets_the_strictest_limits() {
    gets_the_strictest_limits("").await;
    gets_the_strictest_limits("username=&password=x").await;
    gets_the_strictest_limits("&&=&%zz=%&username%00=buyer").await;
}

#[tokio::test]
async fn a_user_whose_name_is_too_long_or_breaks_lines_gets_the_strictest_limits() {
    gets_the_strictest_limits(&format!("username={}", "b".repeat(129))).await;
    gets_the_strictest_limits("username=buyer%0a%7B%22event%22%3A%22end%22%7D").await;
    gets_the_strictest_limits("username=buyer%00").await;
}

#[tokio::test]
async fn a_user_of_128_bytes_is_told_whole_and_breaks_no_line() {
    let (_app, gateway) = protected().await;
    let mut browser = gateway.browser();
    let name = format!("\"{}\u{202e}\\\u{2028}é", "b".repeat(118));
    assert_eq!(name.len(), 128);
    let encoded: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
    browser.log_in(&encoded).await;
    let logins = gateway.events("login", 1).await;
    assert_eq!(logins[0]["user"], name.as_str());
}

/// An API whose login answers what the test says; its policy may have one table more.
async fn api(
    more: &str,
    behaviour: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
) -> (LegacyApp, Gateway) {
    let app = LegacyApp::start(move |seen| match seen.path() {
        "/api/login" => behaviour(seen),
        _ => Answer::page("content"),
    })
    .await;
    let policy = r#"
        [[apps]]
        name = "app"
        session = { id = "authorization:Token", issued = ["answer-json:/token"] }
        [[apps.logins]]
        path = "/api/login"
        user = "json:/user"
        success = { status = [200], json = { "/ok" = true }, new_session = true }
        "#;
    let gateway = Gateway::with(&app, &format!("{more}\n{policy}")).await;
    (app, gateway)
}

#[tokio::test]
async fn json_that_is_none_passes_and_is_no_login() {
    for (answer, refusal) in [
        ("", "session_unknown"),
        ("not json", "session_unknown"),
        ("{\"ok\": true", "session_unknown"),
        (
            "{\"ok\": true, \"token\": {\"of\": \"S1\"}}",
            "session_unknown",
        ),
        (
            "{\"ok\": true, \"token\": [\"S1\", \"S2\"]}",
            "session_unknown",
        ),
        // An id that is announced without a login is a visitor's.
        ("{\"ok\": \"true\", \"token\": \"S1\"}", "login_required"),
        ("[true]", "session_unknown"),
        ("\u{0}", "session_unknown"),
    ] {
        let (_app, gateway) = api("", move |_| Answer::page(answer)).await;
        let browser = gateway.browser();
        let login = browser.request("POST", "/api/login");
        let page = browser.send(login, "{\"user\": \"buyer\"}").await;
        assert_eq!((page.status.as_u16(), &*page.text()), (200, answer));
        let request = browser
            .request("GET", "/x")
            .header("authorization", "Token S1");
        let page = browser.send(request, "").await;
        assert_eq!(page.refusal(), refusal, "{answer:?}");
    }
}

#[tokio::test]
async fn a_user_of_the_wrong_type_in_json_gets_the_strictest_limits() {
    for body in [
        "{\"user\": {\"name\": \"buyer\"}}",
        "{\"user\": true}",
        "{\"user\": [\"buyer\", \"approver\"]}",
        "{\"user\": null}",
        "{\"user\": \"buyer\"",
        "",
    ] {
        let (app, gateway) = api("", |_| Answer::json(&json!({ "ok": true, "token": "S1" }))).await;
        let browser = gateway.browser();
        browser
            .send(browser.request("POST", "/api/login"), body.to_owned())
            .await;
        assert_eq!(app.last().body, body.as_bytes());
        let logins = gateway.events("login", 1).await;
        assert_eq!(logins[0]["roles"], json!([]), "{body}");
    }
}

/// What is held of a login's body, and of its answer.
const BODY_MAX: usize = 64 * 1024;
const ANSWER_MAX: usize = 256 * 1024;

#[tokio::test]
async fn a_login_body_that_is_too_large_is_refused_and_one_that_just_fits_is_not() {
    let (app, gateway) = protected().await;
    let browser = gateway.browser();
    let padded = |length: usize| {
        let form = "username=buyer&password=buyer&x=";
        format!("{form}{}", "x".repeat(length - form.len()))
    };
    let refused = browser
        .send(browser.request("POST", "/login"), padded(BODY_MAX + 1))
        .await;
    assert_eq!(
        (refused.status.as_u16(), refused.refusal()),
        (413, "login_too_large")
    );
    assert_eq!(app.count(), 0);

    // The same without a length that would tell beforehand.
    let chunk = padded(BODY_MAX + 1);
    let request = format!(
        "POST /login HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x}\r\n{chunk}\r\n0\r\n\r\n",
        chunk.len()
    );
    let answer = raw::exchange(gateway.address, request).await;
    assert_eq!(raw::status(&answer), 413, "{answer}");
    assert_eq!(app.count(), 0);

    let page = browser
        .send(browser.request("POST", "/login"), padded(BODY_MAX))
        .await;
    assert_eq!(page.status, 302);
    gateway.events("login", 1).await;
}

#[tokio::test]
async fn an_encoded_login_body_is_refused() {
    let (app, gateway) = protected().await;
    let browser = gateway.browser();
    let request = browser
        .request("POST", "/login")
        .header("content-encoding", "gzip");
    let refused = browser.send(request, "username=buyer&password=buyer").await;
    assert_eq!(
        (refused.status.as_u16(), refused.refusal()),
        (415, "login_encoded")
    );
    assert_eq!(app.count(), 0);
}

#[tokio::test]
async fn a_login_body_that_breaks_off_reaches_no_app() {
    let (app, gateway) = protected().await;
    let mut stream = TcpStream::connect(gateway.address)
        .await
        .expect("it listens");
    let head =
        format!("POST /login HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 30\r\n\r\nusername=");
    stream.write_all(head.as_bytes()).await.expect("it reads");
    drop(stream);
    goes_on(&gateway).await;
    assert_eq!(app.reached("/login"), 1, "only the login that was whole");
}

#[tokio::test]
async fn a_login_whose_client_leaves_is_learned_all_the_same() {
    let gate = Gate::closed();
    let plain = form_app();
    let app = LegacyApp::start({
        let gate = gate.clone();
        move |seen| plain(seen).held_by(&gate)
    })
    .await;
    let gateway = Gateway::with(&app, FORM_APP).await;
    let mut stream = TcpStream::connect(gateway.address)
        .await
        .expect("it listens");
    let form = "username=buyer&password=buyer";
    let length = form.len();
    let request =
        format!("POST /login HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {length}\r\n\r\n{form}");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("it reads");
    eventually("the app was asked", async || {
        (app.count() == 1).then_some(())
    })
    .await;
    drop(stream);
    gate.open();
    // The app has logged somebody in: whoever shows that id is held to its limits.
    gateway.events("login", 1).await;
    gateway.advance(span("15m"));
    let browser = gateway.browser();
    let request = browser
        .request("GET", "/home")
        .header("cookie", "JSESSIONID=S1");
    assert_eq!(
        browser.send(request, "").await.refusal(),
        "session_idle_timeout"
    );
}

#[tokio::test]
async fn a_login_answer_that_is_read_is_asked_for_unencoded_and_held_to_a_bound() {
    let (app, gateway) = api("", |seen| {
        let length = seen.json()["length"].as_u64().unwrap_or(0) as usize;
        let start = "{\"ok\": true, \"token\": \"S1\", \"x\": \"";
        Answer::page(&format!(
            "{start}{}\"}}",
            "x".repeat(length - start.len() - 2)
        ))
    })
    .await;
    let browser = gateway.browser();
    let login = async |length: usize| {
        let request = browser
            .request("POST", "/api/login")
            .header("accept-encoding", "gzip, br");
        let body = json!({ "user": "buyer", "length": length }).to_string();
        browser.send(request, body).await
    };
    let long = login(ANSWER_MAX + 1).await;
    assert_eq!(app.last().header("accept-encoding"), Some("identity"));
    assert_eq!(long.body.len(), ANSWER_MAX + 1, "it passes, unread");
    let request = browser
        .request("GET", "/x")
        .header("authorization", "Token S1");
    assert_eq!(browser.send(request, "").await.refusal(), "session_unknown");

    assert_eq!(login(ANSWER_MAX).await.body.len(), ANSWER_MAX);
    let request = browser
        .request("GET", "/x")
        .header("authorization", "Token S1");
    assert_eq!(browser.send(request, "").await.text(), "content");
}

#[tokio::test]
async fn heads_that_two_servers_could_read_differently_are_refused() {
    let (app, gateway) = protected().await;
    let many: String = (0..101).map(|n| format!("x-{n}: 1\r\n")).collect();
    let host = format!("Host: {HOST}\r\n");
    for (line, headers, statuses) in [
        ("GET /login HTTP/1.1", String::new(), &[400][..]),
        ("GET /login HTTP/1.1", format!("{host}{host}"), &[400]),
        (
            "GET /login HTTP/1.1",
            format!("{host}Host: other\r\n"),
            &[400],
        ),
        ("GET http://other/login HTTP/1.1", host.clone(), &[400]),
        ("GET /login HTTP/1.1", "Host: a b\r\n".to_owned(), &[400]),
        ("GET /login HTTP/1.1", "Host: a@b\r\n".to_owned(), &[400]),
        ("TRACE /login HTTP/1.1", host.clone(), &[405]),
        ("CONNECT other:443 HTTP/1.1", host.clone(), &[400, 405]),
        (
            "POST /login HTTP/1.1",
            format!("{host}Transfer-Encoding: gzip, chunked\r\n"),
            &[400, 501],
        ),
        (
            "POST /login HTTP/1.1",
            format!("{host}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            &[400],
        ),
        (
            "POST /login HTTP/1.1",
            format!("{host}Content-Length: 1\r\nContent-Length: 2\r\n"),
            &[400],
        ),
        (
            "POST /login HTTP/1.1",
            format!("{host}Content-Length: +1\r\n"),
            &[400],
        ),
        (
            "GET /login HTTP/1.1",
            format!("{host}Expect: a-miracle\r\n"),
            &[417],
        ),
        ("GET /login HTTP/1.1", format!("{host}{many}"), &[431]),
        (
            "GET /login HTTP/1.1",
            format!("{host}X: {}\r\n", "x".repeat(70_000)),
            &[431],
        ),
        (
            &format!("GET /login?{} HTTP/1.1", "x".repeat(8 * 1024)),
            host.clone(),
            &[414],
        ),
        ("GET login HTTP/1.1", host.clone(), &[400]),
        ("GET * HTTP/1.1", host.clone(), &[400]),
    ] {
        let request = format!("{line}\r\n{headers}Connection: close\r\n\r\n");
        let answer = raw::exchange(gateway.address, request).await;
        let status = raw::status(&answer);
        let shown: String = format!("{line} {headers}").chars().take(120).collect();
        assert!(statuses.contains(&status), "{shown} gave {answer}");
    }
    assert_eq!(app.count(), 0);
    goes_on(&gateway).await;
}

#[tokio::test]
async fn a_body_with_two_lengths_is_framed_anew_and_nothing_is_smuggled_behind_it() {
    let (app, gateway) = protected().await;
    let request = format!(
        "POST /login HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n\
         8\r\nusername\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: {HOST}\r\n\r\n"
    );
    let answer = raw::exchange(gateway.address, request).await;
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    assert_eq!(app.count(), 1);
    assert_eq!(app.last().body, b"username");
    assert_eq!(app.last().header("content-length"), Some("8"));
    assert_eq!(app.last().header("transfer-encoding"), None);
}

#[tokio::test]
async fn garbage_instead_of_http_harms_nobody() {
    let (app, gateway) = protected().await;
    let noise: Vec<u8> = (0..100_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    for bytes in [
        &b"\r\n\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n bad: folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nbad header: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nx: \x00\r\n\r\n",
        &noise,
    ] {
        let mut stream = TcpStream::connect(gateway.address)
            .await
            .expect("it listens");
        // A server may close on nonsense before it has read all of it.
        drop(stream.write_all(bytes).await);
        drop(stream.shutdown().await);
    }
    goes_on(&gateway).await;
    assert_eq!(app.reached("/"), 0);
}

#[tokio::test]
async fn a_flood_of_anonymous_ids_fills_nothing_and_keeps_nobody_from_logging_in() {
    let count = std::sync::atomic::AtomicU32::new(0);
    let plain = form_app();
    let app = LegacyApp::start(move |seen| match (seen.method.as_str(), seen.path()) {
        ("GET", "/login") => {
            let n = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Answer::page("<form>").set_cookie(&format!("JSESSIONID=visitor{n}; Path=/"))
        }
        _ => plain(seen),
    })
    .await;
    let policy = format!("[anonymous]\nsessions_per_client_max = 5\n{FORM_APP}");
    let gateway = Gateway::with(&app, &policy).await;
    let browser = gateway.browser();
    for _ in 0..8 {
        browser.get("/login").await;
    }
    let known = async |n: u32| {
        let cookie = format!("JSESSIONID=visitor{n}");
        let request = browser.request("GET", "/home").header("cookie", cookie);
        browser.send(request, "").await.refusal().to_owned()
    };
    assert_eq!(known(4).await, "login_required");
    assert_eq!(known(5).await, "session_unknown");
    assert_eq!(
        gateway
            .metric("curfew_anonymous_unrecorded_total", &[])
            .await,
        3.0
    );
    goes_on(&gateway).await;
}
