//! Running work is not idle: who waits for a report, or sends and receives for long, keeps his
//! session; what stands still, what nobody asked for, and streams do not.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::harness::answer::{Answer, Gate};
use crate::harness::app::{FORM_APP, LegacyApp, form_app};
use crate::harness::browser::{Browser, HOST, Page};
use crate::harness::gateway::Gateway;
use crate::harness::{eventually, soon, span};

use super::{is_over, is_served};

/// `FORM_APP` with these keys of the app, and these tables behind it.
fn policy(keys: &str, tables: &str) -> String {
    let app = format!("name = \"procurement\"\n{keys}");
    format!(
        "{}{tables}\n",
        FORM_APP.replace("name = \"procurement\"", &app)
    )
}

const POLLS: &str = "[[apps.routes]]\npath = \"/poll\"\nactivity = \"passive\"\n";

/// A user who has logged in at an app that answers at `/slow` and `/other/slow` once the gate
/// is open, and streams at `/report` and `/events` what the test sends.
struct Desk {
    app: LegacyApp,
    gateway: Gateway,
    browser: Browser,
    gate: Gate,
    streams: Arc<Mutex<Vec<mpsc::Sender<Bytes>>>>,
}

impl Desk {
    async fn with(policy: &str) -> Self {
        let gate = Gate::closed();
        let streams = Arc::<Mutex<Vec<_>>>::default();
        let (held, kept, plain) = (gate.clone(), Arc::clone(&streams), form_app());
        let app = LegacyApp::start(move |seen| {
            let kind = match seen.path() {
                "/slow" | "/other/slow" => return Answer::page("done").held_by(&held),
                "/report" => "application/pdf",
                "/events" => "text/event-stream;charset=utf-8",
                _ => return plain(seen),
            };
            let (answer, chunks) = Answer::stream(kind);
            kept.lock().expect("nobody panics holding it").push(chunks);
            answer
        })
        .await;
        let gateway = Gateway::with(&app, policy).await;
        let mut browser = gateway.browser();
        browser.log_in("buyer").await;
        Self {
            app,
            gateway,
            browser,
            gate,
            streams,
        }
    }

    /// Asks for something slow, and returns once the app is at it.
    async fn asks(&self, browser: &Browser, target: &'static str) -> JoinHandle<Page> {
        let before = self.app.count();
        let mut browser = browser.clone();
        let asked = tokio::spawn(async move { browser.fetch(target).await });
        eventually("the app is at it", async || {
            (self.app.count() > before).then_some(())
        })
        .await;
        asked
    }

    /// Lets time pass, and waits until the session was touched for what is under way.
    async fn holds_for(&self, by: &str) {
        let before = self.touches().await;
        self.gateway.advance(span(by));
        eventually("a touch", async || {
            (self.touches().await > before).then_some(())
        })
        .await;
    }

    /// Waits for the touch that follows this.
    async fn touched_by<T>(&self, done: impl Future<Output = T>) -> T {
        let before = self.touches().await;
        let done = done.await;
        eventually("a touch", async || {
            (self.touches().await > before).then_some(())
        })
        .await;
        done
    }

    async fn touches(&self) -> f64 {
        let name = "curfew_store_duration_seconds_count";
        self.gateway.metric(name, &["op=\"touch\""]).await
    }

    /// Begins a download.
    async fn downloads(&self, target: &str) -> (Incoming, mpsc::Sender<Bytes>) {
        let body = self.browser.stream(target).await.into_body();
        let streams = self.streams.lock().expect("nobody panics holding it");
        (body, streams.last().expect("the app was asked").clone())
    }

    async fn ends_idle(&mut self, after: &str) {
        self.gateway.advance(span(after));
        is_over(
            &self.app,
            &mut self.browser,
            "/home",
            "session_idle_timeout",
        )
        .await;
        let ends = self.gateway.events("end", 1).await;
        assert_eq!(ends[0]["idle_ms"], 900_000);
    }
}

/// Some of a body passes.
async fn passes(body: &mut Incoming, chunks: &mpsc::Sender<Bytes>) {
    let sent = chunks.send(Bytes::from_static(b"more")).await;
    sent.expect("the stream is open");
    let frame = soon("a frame", body.frame()).await;
    assert!(matches!(frame, Some(Ok(_))), "{frame:?}");
}

/// A body breaks off.
async fn breaks(body: &mut Incoming) {
    let end = soon("the end of a body", body.frame()).await;
    assert!(matches!(end, Some(Err(_))), "{end:?}");
}

#[tokio::test]
async fn a_slow_answer_holds_its_session_and_the_clock_restarts_when_it_comes() {
    let mut desk = Desk::with(&policy("", POLLS)).await;
    let asked = desk.asks(&desk.browser, "/slow").await;
    desk.holds_for("10m").await;
    desk.holds_for("14m 59s").await;
    desk.gate.open();
    let page = desk.touched_by(asked).await.expect("it is answered");
    assert_eq!(page.text(), "done");
    desk.gateway.advance(span("14m 59s 999ms"));
    desk.gateway.sweep();
    is_served(&desk.app, &mut desk.browser, "/poll").await;
    desk.ends_idle("1ms").await;
}

/// What is asked for at `/other/slow` holds nothing, while what is at `/slow` does.
async fn never_holds(tables: &str, answered: &str) {
    let desk = Desk::with(&policy("", tables)).await;
    let mut idle = desk.gateway.browser();
    idle.log_in("buyer").await;
    let waits = desk.asks(&idle, "/other/slow").await;
    let asked = desk.asks(&desk.browser, "/slow").await;
    desk.holds_for("14m").await;
    desk.holds_for("1m").await;
    is_over(&desk.app, &mut idle, "/home", "session_idle_timeout").await;
    let mut busy = desk.browser.clone();
    is_served(&desk.app, &mut busy, "/home").await;
    desk.gate.open();
    assert_eq!(asked.await.expect("it is answered").text(), "done");
    let page = waits.await.expect("it is answered");
    assert!(page.text().contains(answered), "{}", page.text());
}

#[tokio::test]
async fn a_passive_request_never_holds() {
    never_holds("[[apps.passive]]\npath = \"/other/**\"\n", "done").await;
}

const NOTHING_NEW: &str = "[[apps.passive]]\nstatus = [304]\n";

#[tokio::test]
async fn no_rule_about_304_keeps_a_slow_answer_to_anything_else_from_holding() {
    let mut desk = Desk::with(&policy("", NOTHING_NEW)).await;
    let asked = desk.asks(&desk.browser, "/slow").await;
    desk.holds_for("14m").await;
    desk.holds_for("14m").await;
    desk.gate.open();
    assert_eq!(asked.await.expect("it is answered").text(), "done");
    desk.gateway.advance(span("14m"));
    is_served(&desk.app, &mut desk.browser, "/home").await;
}

#[tokio::test]
async fn a_request_that_its_answer_may_call_passive_never_holds() {
    never_holds(
        "[[apps.passive]]\npath = \"/other/**\"\nstatus = [204]\n",
        "done",
    )
    .await;
}

#[tokio::test]
async fn what_proves_to_be_a_persons_by_its_answer_holds_from_then_on() {
    let tables = "[[apps.passive]]\nstatus = [204]\n";
    let desk = Desk::with(&policy("", tables)).await;
    let (mut body, chunks) = desk.downloads("/report").await;
    for _ in 0..2 {
        desk.gateway.advance(span("14m 59s 999ms"));
        desk.touched_by(passes(&mut body, &chunks)).await;
    }
}

#[tokio::test]
async fn where_work_max_is_off_nothing_holds() {
    never_holds(
        "[[apps.routes]]\npath = \"/other/**\"\nwork_max = \"off\"\n",
        "session_idle_timeout",
    )
    .await;
}

#[tokio::test]
async fn nothing_holds_longer_than_work_max() {
    let mut desk = Desk::with(&policy("work_max = \"20m\"", POLLS)).await;
    let _asked = desk.asks(&desk.browser, "/slow").await;
    desk.holds_for("10m").await;
    desk.holds_for("10m").await;
    desk.gateway.advance(span("14m 59s 999ms"));
    desk.gateway.sweep();
    is_served(&desk.app, &mut desk.browser, "/poll").await;
    desk.ends_idle("1ms").await;
}

#[tokio::test]
async fn a_download_holds_while_it_moves_and_is_cut_once_it_stands_still() {
    let desk = Desk::with(&policy("", "")).await;
    let (mut body, chunks) = desk.downloads("/report").await;
    for _ in 0..2 {
        desk.gateway.advance(span("14m 59s 999ms"));
        desk.touched_by(passes(&mut body, &chunks)).await;
    }
    desk.gateway.advance(span("15m"));
    breaks(&mut body).await;
    let ends = desk.gateway.events("end", 1).await;
    assert_eq!(ends[0]["reason"], "idle_timeout");
    assert_eq!(ends[0]["idle_ms"], 900_000);
}

#[tokio::test]
async fn an_upload_holds_while_it_moves_and_is_cut_once_it_stands_still() {
    let desk = Desk::with(&policy("", "")).await;
    let cookies = desk.browser.jar.header(HOST, "/").expect("a cookie");
    let mut stream = TcpStream::connect(desk.gateway.address)
        .await
        .expect("it listens");
    let head = format!(
        "POST /upload HTTP/1.1\r\nHost: {HOST}\r\nCookie: {cookies}\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("it reads");
    eventually("the app is at it", async || {
        (desk.app.reached("/upload") == 1).then_some(())
    })
    .await;
    for parts in 1..=2 {
        desk.gateway.advance(span("14m 59s 999ms"));
        let sent = async {
            stream.write_all(b"4\r\nmore\r\n").await.expect("it reads");
            eventually("it reaches the app", async || {
                (desk.app.last().body.len() == 4 * parts).then_some(())
            })
            .await;
        };
        desk.touched_by(sent).await;
    }
    desk.gateway.advance(span("15m"));
    let ends = desk.gateway.events("end", 1).await;
    assert_eq!(ends[0]["reason"], "idle_timeout");
    assert_eq!(ends[0]["idle_ms"], 900_000);
    drop(stream.write_all(b"4\r\nmore\r\n").await);
    assert_eq!(desk.app.last().body.len(), 8);
}

#[tokio::test]
async fn no_end_leaves_anybody_waiting_for_the_answer_of_an_app() {
    let desk = Desk::with(&policy("", "")).await;
    let read = desk.asks(&desk.browser, "/slow").await;
    let (mut browser, before) = (desk.browser.clone(), desk.app.count());
    let written = tokio::spawn(async move {
        let sent = browser.request("POST", "/slow");
        browser.keep("/slow", sent, "amount=7").await
    });
    eventually("the app is at it", async || {
        (desk.app.count() > before).then_some(())
    })
    .await;
    desk.gateway.revoke(json!({ "user": "buyer" })).await;
    let read = soon("the end of the wait", read).await;
    assert_eq!(read.expect("it is answered").refusal(), "session_revoked");
    let written = soon("the end of the wait", written).await;
    let written = written.expect("it is answered");
    assert_eq!(written.status, 504);
    assert!(written.text().contains("session_ended_at_work"));
}

#[tokio::test]
async fn no_short_upload_that_stands_still_counts_as_waiting_for_the_app() {
    let desk = Desk::with(&policy("", "")).await;
    let mut idle = desk.gateway.browser();
    idle.log_in("buyer").await;
    let cookies = idle.jar.header(HOST, "/").expect("a cookie");
    let connecting = TcpStream::connect(desk.gateway.address).await;
    let mut stream = connecting.expect("it listens");
    let head = format!(
        "POST /upload HTTP/1.1\r\nHost: {HOST}\r\nCookie: {cookies}\r\n\
         Content-Length: 10\r\n\r\nfour"
    );
    stream.write_all(head.as_bytes()).await.expect("it reads");
    eventually("the app is at it", async || {
        (desk.app.reached("/upload") == 1).then_some(())
    })
    .await;
    let _asked = desk.asks(&desk.browser, "/slow").await;
    desk.holds_for("14m").await;
    desk.holds_for("1m").await;
    is_over(&desk.app, &mut idle, "/home", "session_idle_timeout").await;
}

#[tokio::test]
async fn an_event_stream_holds_nothing_however_much_it_sends() {
    let desk = Desk::with(&policy("", "")).await;
    let (mut body, chunks) = desk.downloads("/events").await;
    for _ in 0..14 {
        desk.gateway.advance(span("1m"));
        passes(&mut body, &chunks).await;
    }
    desk.gateway.advance(span("1m"));
    breaks(&mut body).await;
}

#[tokio::test]
async fn work_follows_a_rotation_of_the_id() {
    let mut desk = Desk::with(&policy("", "")).await;
    let asked = desk.asks(&desk.browser, "/slow").await;
    desk.browser.open("/rotate").await;
    desk.holds_for("14m").await;
    desk.browser.open("/rotate").await;
    desk.holds_for("14m").await;
    desk.gate.open();
    desk.touched_by(asked).await.expect("it is answered");
    desk.gateway.advance(span("14m 59s 999ms"));
    is_served(&desk.app, &mut desk.browser, "/home").await;
}

/// A download that is under way when its session reaches the absolute timeout.
async fn at_the_absolute_timeout(keys: &str) -> (Desk, Incoming, mpsc::Sender<Bytes>) {
    let mut desk = Desk::with(&policy(keys, "")).await;
    for _ in 0..47 {
        desk.gateway.advance(span("10m"));
        is_served(&desk.app, &mut desk.browser, "/home").await;
    }
    let (mut body, chunks) = desk.downloads("/report").await;
    passes(&mut body, &chunks).await;
    desk.gateway.advance(span("10m"));
    is_over(
        &desk.app,
        &mut desk.browser,
        "/home",
        "session_absolute_timeout",
    )
    .await;
    (desk, body, chunks)
}

/// The events that tell of late work.
async fn late(gateway: &Gateway) -> Vec<serde_json::Value> {
    gateway.events("late_work", 1).await
}

#[tokio::test]
async fn at_the_absolute_timeout_work_may_finish_and_nothing_new_is_admitted() {
    let (desk, mut body, chunks) = at_the_absolute_timeout("").await;
    desk.gateway.advance(span("1m 59s 999ms"));
    passes(&mut body, &chunks).await;
    drop((chunks, desk.streams.lock().expect("nobody panics").pop()));
    let end = soon("the end", body.frame()).await;
    assert!(end.is_none(), "{end:?}");
    let late = late(&desk.gateway).await;
    let ends = desk.gateway.events("end", 1).await;
    assert_eq!(late[0]["reason"], "finished");
    assert_eq!(late[0]["age_ms"], 28_800_000 + 119_999);
    assert_eq!(late[0]["lineage"], ends[0]["lineage"]);
    assert_eq!(ends[0]["reason"], "absolute_timeout");
    assert_eq!(ends[0]["age_ms"], 28_800_000);
}

#[tokio::test]
async fn work_that_is_not_over_within_its_drain_is_cut() {
    for (keys, drain) in [("", "2m"), ("work_drain = \"10m\"", "10m")] {
        let (desk, mut body, chunks) = at_the_absolute_timeout(keys).await;
        desk.gateway.advance(span(drain) - span("1ms"));
        passes(&mut body, &chunks).await;
        desk.gateway.advance(span("1ms"));
        breaks(&mut body).await;
        let late = late(&desk.gateway).await;
        assert_eq!(late[0]["reason"], "cut");
        assert_eq!(desk.gateway.events("late_work", 1).await.len(), 1);
    }
}

#[tokio::test]
async fn without_a_drain_work_is_cut_at_the_absolute_timeout() {
    let (_desk, mut body, _chunks) = at_the_absolute_timeout("work_drain = \"off\"").await;
    breaks(&mut body).await;
}

#[tokio::test]
async fn no_session_goes_idle_while_work_drains_behind_the_absolute_timeout_of_a_route() {
    let route = "[[apps.routes]]\npath = \"/report\"\nabsolute = \"1h\"\nwork_drain = \"40m\"\n\
                 work_max = \"40m\"\n";
    let mut desk = Desk::with(&policy("", route)).await;
    for _ in 0..4 {
        desk.gateway.advance(span("14m"));
        is_served(&desk.app, &mut desk.browser, "/home").await;
    }
    let (mut body, chunks) = desk.downloads("/report").await;
    for by in ["5m", "14m", "14m"] {
        desk.gateway.advance(span(by));
        desk.touched_by(passes(&mut body, &chunks)).await;
    }
    desk.gateway.advance(span("14m"));
    is_served(&desk.app, &mut desk.browser, "/home").await;
}

#[tokio::test]
async fn every_other_end_cuts_work_at_once_also_while_it_drains() {
    let mut desk = Desk::with(&policy("", "")).await;
    let (mut body, chunks) = desk.downloads("/report").await;
    passes(&mut body, &chunks).await;
    desk.browser.open("/logout").await;
    breaks(&mut body).await;

    let (desk, mut body, chunks) = at_the_absolute_timeout("").await;
    passes(&mut body, &chunks).await;
    desk.gateway.revoke(json!({ "user": "buyer" })).await;
    breaks(&mut body).await;
    assert_eq!(late(&desk.gateway).await[0]["reason"], "cut");
}
