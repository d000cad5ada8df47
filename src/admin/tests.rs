use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::connection::{self, Waits};
use super::readiness::Readiness;
use super::{AdminState, router, serve};
use crate::clock::Clock;
use crate::config::load::parse_alone;
use crate::config::{Config, Secret};
use crate::domain::cuts::Cuts;
use crate::domain::identity::{Lineage, Sid};
use crate::domain::policy::{PolicyVersion, RoleName};
use crate::domain::session::{EndReason, Login, Session, UserName};
use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::store::op::{Created, End, NewSession};
use crate::telemetry::metrics::Metrics;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
/// 8 hours, and a day for tombstones.
const RETENTION: Duration = Duration::from_secs(32 * 3600);
const TOKEN: &str = "Authorization: Bearer t0k3n\r\n";

/// A running admin listener, and what is behind it.
struct Admin {
    address: SocketAddr,
    store: Arc<Store>,
    readiness: Arc<Readiness>,
    revoked: Arc<Notify>,
    clock: Clock,
    shutdown: CancellationToken,
}

struct Answer {
    head: String,
    body: String,
}

impl Answer {
    fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    fn has(&self, header: &str) -> bool {
        let mut lines = self.head.lines();
        lines.any(|line| line.eq_ignore_ascii_case(header))
    }

    #[track_caller]
    fn check_problem(&self, status: &str, code: &str) {
        assert_eq!(self.status(), status, "{}", self.body);
        assert!(
            self.has("content-type: application/problem+json"),
            "{}",
            self.head
        );
        let document: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(document["code"], code);
        assert_eq!(document["status"].to_string(), status);
    }
}

async fn admin(token: Option<&str>) -> Admin {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (state, mut admin) = parts(token);
    admin.address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, state, admin.shutdown.clone()));
    admin
}

fn parts(token: Option<&str>) -> (AdminState, Admin) {
    let admin = Admin {
        address: ([127, 0, 0, 1], 0).into(),
        store: Arc::new(Store::Memory(MemoryStore::new(100))),
        readiness: Arc::default(),
        revoked: Arc::default(),
        clock: Clock::manual(NOW),
        shutdown: CancellationToken::new(),
    };
    let state = AdminState {
        store: Arc::clone(&admin.store),
        clock: admin.clock.clone(),
        metrics: Arc::new(Metrics::new()),
        token: token.map(|token| Secret::new(token.into())),
        readiness: Arc::clone(&admin.readiness),
        config: watch::channel(Arc::new(config())).1,
        revoked: Arc::clone(&admin.revoked),
    };
    (state, admin)
}

/// An app `shop` with one role and a route with a limit of its own.
fn config() -> Config {
    let policy = r#"
        listeners = [{ address = "127.0.0.1:0" }]
        roles.buyer = { idle = "15m", absolute = "8h", users = ["buyer-1"] }
        [[apps]]
        name = "shop"
        prefix = "/shop"
        upstreams = ["http://127.0.0.1:1"]
        session = { id = "cookie:SID" }
        logins = [{ path = "/shop/login", user = "form:user", success = { new_session = true } }]
        routes = [{ path = "/shop/pay", methods = ["POST"], idle = "5m" }]
    "#;
    parse_alone(policy, "curfew.toml").unwrap().config
}

impl Admin {
    async fn call(&self, line: &str, headers: &str, body: &str) -> Answer {
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        Answer {
            head: head.into(),
            body: body.into(),
        }
    }

    async fn revoke(&self, headers: &str, body: &str) -> Answer {
        self.call("POST /v1/revocations", headers, body).await
    }

    async fn cuts(&self) -> Arc<Cuts> {
        self.store.look_up(&[]).await.unwrap().cuts
    }
}

/// A session that logged in this long before `NOW`.
fn session(lineage: u8, user: &str, ago: Duration) -> Session {
    let at = Timestamp::from_millis(NOW.as_millis() - ago.as_millis() as u64);
    Session {
        lineage: Lineage::from_bytes([lineage; 16]),
        generation: 0,
        app: "shop".into(),
        started: at,
        until: None,
        login: Some(Login {
            admitted: at,
            user: UserName::new(user),
            groups: Vec::new(),
            roles: Vec::new(),
            roles_learned: at,
            is_doubtful: false,
        }),
        device: None,
        policy: PolicyVersion(1),
        companions: Vec::new(),
        scopes: Vec::new(),
        token: None,
        would_have_ended: Default::default(),
    }
}

#[tokio::test]
async fn health_metrics_and_version_need_no_token() {
    let admin = admin(Some("t0k3n")).await;
    let health = admin.call("GET /healthz", "", "").await;
    assert_eq!((health.status(), &*health.body), ("200", "ok\n"));

    let metrics = admin.call("GET /metrics", "", "").await;
    assert!(metrics.has("content-type: text/plain; version=0.0.4; charset=utf-8"));
    assert!(metrics.body.contains("\ncurfew_store_up 0\n"));

    let version = admin.call("GET /version", "", "").await;
    let version: serde_json::Value = serde_json::from_str(&version.body).unwrap();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn readiness_follows_the_gateways_life() {
    let admin = admin(None).await;
    let starting = admin.call("GET /readyz", "", "").await;
    assert_eq!((starting.status(), &*starting.body), ("503", "not ready\n"));
    admin.readiness.started();
    let ready = admin.call("GET /readyz", "", "").await;
    assert_eq!((ready.status(), &*ready.body), ("200", "ready\n"));
    admin.readiness.store_lost();
    let lost = admin.call("GET /readyz?verbose", "", "").await;
    assert_eq!(lost.status(), "503");
    assert_eq!(
        lost.body,
        r#"{"ready":false,"stage":"serving","store":"lost"}"#
    );
    assert_eq!(admin.call("GET /healthz", "", "").await.status(), "200");
}

#[tokio::test]
async fn without_the_token_nothing_is_revoked() {
    let open = admin(Some("t0k3n")).await;
    for headers in [
        "",
        "Authorization: Bearer t0k3\r\n",
        "Authorization: Bearer t0k3nn\r\n",
        "Authorization: Basic t0k3n\r\n",
        "Authorization: Bearer x\r\nAuthorization: Bearer t0k3n\r\n",
    ] {
        let answer = open.revoke(headers, r#"{"all":true}"#).await;
        answer.check_problem("401", "token_required");
        assert!(answer.has("www-authenticate: Bearer realm=\"curfew\""));
    }
    assert!(open.cuts().await.is_empty());

    let closed = admin(None).await;
    let answer = closed.revoke(TOKEN, r#"{"all":true}"#).await;
    answer.check_problem("403", "no_token_configured");
    assert!(closed.cuts().await.is_empty());
}

#[tokio::test]
async fn a_user_is_cut_by_one_write_and_nobody_else() {
    let admin = admin(Some("t0k3n")).await;
    let answer = admin.revoke(TOKEN, r#"{"user":"buyer-1"}"#).await;
    assert_eq!(answer.status(), "200");
    assert_eq!(answer.body, r#"{"cut":{"user":"buyer-1"},"at_ms":1000000}"#);
    let cuts = admin.cuts().await;
    assert_eq!((cuts.version(), cuts.len()), (1, 1));
    assert!(cuts.cover(&session(1, "buyer-1", Duration::ZERO)));
    assert!(!cuts.cover(&session(1, "buyer-2", Duration::ZERO)));
}

#[tokio::test]
async fn a_lineage_is_cut_by_its_name_in_the_audit() {
    let admin = admin(Some("t0k3n")).await;
    let lineage = Lineage::from_bytes([0xab; 16]);
    let answer = admin
        .revoke(TOKEN, &format!(r#"{{"lineage":"{lineage}"}}"#))
        .await;
    assert_eq!(answer.status(), "200");
    let cuts = admin.cuts().await;
    assert!(cuts.cover(&session(0xab, "buyer-1", Duration::ZERO)));
    assert!(!cuts.cover(&session(0xac, "buyer-1", Duration::ZERO)));
}

#[tokio::test]
async fn a_cut_wakes_those_who_end_sessions_also_when_they_are_busy() {
    let admin = admin(Some("t0k3n")).await;
    admin.revoke(TOKEN, r#"{"all":true}"#).await;
    admin.revoked.notified().await;
    assert!(
        admin
            .cuts()
            .await
            .cover(&session(1, "buyer-1", Duration::ZERO))
    );
}

#[tokio::test]
async fn cuts_that_no_session_can_be_old_enough_for_are_dropped() {
    let admin = admin(Some("t0k3n")).await;
    admin.revoke(TOKEN, r#"{"user":"buyer-1"}"#).await;
    admin.clock.advance(RETENTION);
    admin.revoke(TOKEN, r#"{"user":"buyer-2"}"#).await;
    assert_eq!(admin.cuts().await.len(), 2);
    admin.clock.advance(Duration::from_millis(1));
    admin.revoke(TOKEN, r#"{"user":"buyer-3"}"#).await;
    assert_eq!(admin.cuts().await.len(), 2);
}

#[tokio::test]
async fn a_body_that_is_not_exactly_one_scope_cuts_nothing() {
    let admin = admin(Some("t0k3n")).await;
    for body in [
        "",
        "{}",
        "null",
        "[]",
        r#""all""#,
        r#"{"all":false}"#,
        r#"{"all":"true"}"#,
        r#"{"user":null}"#,
        r#"{"user":"buyer-1","all":true}"#,
        r#"{"user":"buyer-1","user":"buyer-2"}"#,
        r#"{"role":"buyer"}"#,
        r#"{"all":true} {}"#,
        "{\"user\":\"\u{fffd}",
    ] {
        let answer = admin.revoke(TOKEN, body).await;
        answer.check_problem("400", "scope_malformed");
    }
    for (body, code) in [
        (r#"{"lineage":"AB"}"#, "lineage_malformed"),
        (r#"{"user":""}"#, "user_malformed"),
        (r#"{"user":"a\nb"}"#, "user_malformed"),
    ] {
        admin.revoke(TOKEN, body).await.check_problem("400", code);
    }
    assert!(admin.cuts().await.is_empty());
}

#[tokio::test]
async fn a_body_is_read_up_to_16_kib() {
    let admin = admin(Some("t0k3n")).await;
    let padded = |length| format!("{:<length$}", r#"{"all":true}"#);
    let answer = admin.revoke(TOKEN, &padded(16 * 1024)).await;
    assert_eq!(answer.status(), "200");
    let answer = admin.revoke(TOKEN, &padded(16 * 1024 + 1)).await;
    answer.check_problem("413", "body_too_large");
}

#[tokio::test]
async fn other_paths_and_methods_are_told_so() {
    let admin = admin(Some("t0k3n")).await;
    let answer = admin.call("GET /v1/sessions", TOKEN, "").await;
    answer.check_problem("404", "no_such_path");
    let answer = admin.call("GET /v1/revocations", TOKEN, "").await;
    answer.check_problem("405", "method_not_allowed");
    assert!(answer.has("allow: POST"), "{}", answer.head);
}

/// Reads until the listener closes.
async fn closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    rest
}

#[tokio::test]
async fn a_client_that_sends_no_head_is_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (state, admin) = parts(None);
    let waits = Waits {
        head: Duration::from_millis(20),
        ..Waits::DEFAULT
    };
    let router = router(Arc::new(state));
    tokio::spawn(connection::accept(listener, router, admin.shutdown, waits));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /healthz HT").await.unwrap();
    closed(&mut stream).await;
}

#[tokio::test]
async fn a_shutdown_closes_connections_that_wait_for_a_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (state, admin) = parts(None);
    let served = tokio::spawn(serve(listener, state, admin.shutdown.clone()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let mut first = [0; 15];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    admin.shutdown.cancel();
    closed(&mut stream).await;
    served.await.unwrap();
}

/// A buyer's session, alive, whose last request was now.
async fn buyer(admin: &Admin) -> Lineage {
    let mut session = session(7, "buyer-1", Duration::from_secs(300));
    let login = session.login.as_mut().unwrap();
    login.roles.push(RoleName::new("buyer"));
    let lineage = session.lineage;
    let new = NewSession {
        session: Arc::new(session),
        last_active: NOW,
        pending: false,
        forget_at: NOW.plus(RETENTION),
    };
    let created = admin.store.create(Sid::from_bytes([9; 16]), new).await;
    assert_eq!(created, Ok(Created::Recorded));
    lineage
}

impl Admin {
    async fn explain(&self, lineage: impl std::fmt::Display, query: &str) -> Answer {
        let line = format!("GET /v1/sessions/{lineage}/explain{query}");
        self.call(&line, TOKEN, "").await
    }

    async fn explained(&self, lineage: Lineage, query: &str) -> serde_json::Value {
        let answer = self.explain(lineage, query).await;
        assert_eq!(answer.status(), "200", "{}", answer.body);
        assert!(answer.has("cache-control: no-store"));
        serde_json::from_str(&answer.body).unwrap()
    }
}

#[tokio::test]
async fn a_live_session_is_explained_by_its_lineage() {
    let admin = admin(Some("t0k3n")).await;
    let lineage = buyer(&admin).await;
    admin.clock.advance(Duration::from_secs(60));
    let told = admin.explained(lineage, "").await;
    let session = &told["session"];
    assert_eq!(session["user"], "buyer-1");
    assert_eq!(session["roles"], serde_json::json!(["buyer"]));
    assert_eq!(session["state"], "live");
    assert_eq!(
        (&session["age_ms"], &session["idle_ms"]),
        (&360_000.into(), &60_000.into())
    );
    assert_eq!(session["left"]["idle_ms"], 14 * 60_000);
    assert_eq!(session["left"]["absolute_ms"], 8 * 3_600_000 - 360_000);
    assert_eq!(session["left"]["ends_at_ms"], NOW.as_millis() + 15 * 60_000);
    let explanation = &told["explanation"];
    assert_eq!(explanation["idle"]["rule"], "role buyer");
    assert_eq!(explanation["idle"]["line"], 3);
    assert_eq!(explanation["candidates"][0]["idle"]["wins"], true);
}

#[tokio::test]
async fn at_a_request_the_routes_limits_count() {
    let admin = admin(Some("t0k3n")).await;
    let lineage = buyer(&admin).await;
    let told = admin
        .explained(lineage, "?path=/shop/pay&method=POST")
        .await;
    assert_eq!(told["explanation"]["idle"]["rule"], "route POST /shop/pay");
    assert_eq!(
        told["explanation"]["request"]["route"]["requests"],
        "POST /shop/pay"
    );
    assert_eq!(told["session"]["left"]["idle_ms"], 300_000);
    admin.clock.advance(Duration::from_secs(300));
    let told = admin
        .explained(lineage, "?path=/shop/pay&method=POST")
        .await;
    assert_eq!(told["session"]["state"], "due");
    assert_eq!(told["session"]["reason"], "idle_timeout");
    let elsewhere = admin.explained(lineage, "?path=/shop/pay").await;
    assert_eq!(elsewhere["session"]["state"], "live");
}

#[tokio::test]
async fn a_session_that_was_cut_or_ended_says_so() {
    let admin = admin(Some("t0k3n")).await;
    let lineage = buyer(&admin).await;
    let end = End {
        lineage,
        reason: EndReason::Logout,
        at: NOW,
        if_last_active: None,
        event: None,
        forget_at: NOW.plus(RETENTION),
    };
    admin.revoke(TOKEN, r#"{"user":"buyer-1"}"#).await;
    let cut = admin.explained(lineage, "").await;
    let standing = |told: &serde_json::Value| {
        (
            told["session"]["state"].clone(),
            told["session"]["reason"].clone(),
        )
    };
    assert_eq!(standing(&cut), ("due".into(), "revoked".into()));
    admin
        .store
        .end(Sid::from_bytes([9; 16]), end)
        .await
        .unwrap();
    let ended = admin.explained(lineage, "").await;
    assert_eq!(standing(&ended), ("ended".into(), "logout".into()));
    assert!(ended["session"]["left"].is_null());
}

#[tokio::test]
async fn what_cannot_be_explained_is_a_problem_of_its_own() {
    let admin = admin(Some("t0k3n")).await;
    let lineage = buyer(&admin).await;
    let none = Lineage::from_bytes([1; 16]);
    admin
        .explain(none, "")
        .await
        .check_problem("404", "no_such_session");
    let short = admin.explain("0707", "").await;
    short.check_problem("400", "lineage_malformed");
    for query in [
        "?paht=/shop",
        "?method=GET",
        "?path=shop",
        "?path=/shop&path=/x",
        "?path=/shop&header=x",
        "?path=/shop&client=x",
        "?client=10.0.0.1",
    ] {
        admin
            .explain(lineage, query)
            .await
            .check_problem("400", "query_malformed");
    }
    let elsewhere = admin.explain(lineage, "?path=/other").await;
    elsewhere.check_problem("400", "path_elsewhere");
    let refused = admin.explain(lineage, "?path=/shop/a%252fb").await;
    refused.check_problem("400", "path_refused");
    let line = format!("GET /v1/sessions/{lineage}/explain");
    let stranger = admin.call(&line, "", "").await;
    stranger.check_problem("401", "token_required");
}
