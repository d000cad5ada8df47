//! The store in Redis: the contract, and what only a server can do to it.

#![expect(
    clippy::unwrap_used,
    reason = "a test whose preparations fail has failed"
)]

mod clock;
mod garbled;
mod lost_answers;
mod outages;
mod touches;

use std::sync::Arc;
use std::time::Duration;

use curfew::clock::Clock;
use curfew::config::load::parse_alone;
use curfew::config::{RedisConfig, Secret};
use curfew::domain::identity::{Lineage, Sid, UserKey};
use curfew::domain::policy::{PolicyVersion, RoleName};
use curfew::domain::session::{EndReason, Login, Session, UserName};
use curfew::domain::time::Timestamp;
use curfew::store::event::{EventId, EventKind, LimitInForce, SessionEvent};
use curfew::store::op::{
    Activation, Amendment, Bound, Claim, ClaimedBy, End, InPlaceLogin, NewSession,
};
use curfew::store::redis::RedisStore;
use curfew::store::seat::NewSeat;
use curfew::store::{Store, StoreError};
use curfew::sweeper::Sweeper;
use curfew::telemetry::Telemetry;
use curfew::telemetry::access_log::AccessLog;
use curfew::telemetry::events::event_feed;
use curfew::telemetry::metrics::Metrics;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::harness::redis::RedisServer;
use crate::harness::within;
use crate::store_contract::keep_contract;

/// The deadline of an operation where a test is about deadlines: the configuration's default.
const DEADLINE: Duration = Duration::from_millis(150);

/// The deadline where it is not, so that a busy machine breaks no test.
const PATIENT: Duration = Duration::from_secs(10);

/// How soon it must serve again after an outage.
const BACK_WITHIN: Duration = Duration::from_secs(2);

/// 2100-01-01, so that nothing is garbage during a test.
const START: Timestamp = Timestamp::from_millis(4_102_444_800_000);

fn at(millis: u64) -> Timestamp {
    START.plus(Duration::from_millis(millis))
}

fn sid(n: u8) -> Sid {
    Sid::from_bytes([n; 16])
}

fn buyer() -> UserKey {
    UserKey::of("shop", "buyer-1")
}

fn seat(n: u8) -> NewSeat {
    NewSeat {
        sid: sid(n),
        at: START,
        forget_at: at(1_000_000),
    }
}

fn lineage(n: u8) -> Lineage {
    Lineage::from_bytes([n | 0x80; 16])
}

fn config(url: &str, deadline: Duration) -> RedisConfig {
    RedisConfig {
        url: Secret::new(url.to_owned()),
        ca: None,
        deadline,
    }
}

fn open(config: &RedisConfig, clock: Clock) -> Store {
    Store::Redis(Box::new(RedisStore::open(config, clock).unwrap()))
}

/// A store that runs, until the guard is dropped.
fn run(config: &RedisConfig, clock: Clock) -> (Arc<Store>, DropGuard) {
    let store = Arc::new(open(config, clock));
    let shutdown = CancellationToken::new();
    let running = Arc::clone(&store);
    let token = shutdown.clone();
    tokio::spawn(async move { running.run(token).await });
    (store, shutdown.drop_guard())
}

/// The same, of a gateway whose clock stands at the beginning.
fn run_on(server: &RedisServer, deadline: Duration) -> (Arc<Store>, DropGuard) {
    run(&config(&server.url(), deadline), Clock::manual(START))
}

fn session(n: u8) -> Session {
    Session {
        lineage: lineage(n),
        generation: 0,
        app: "procurement".into(),
        started: START,
        until: None,
        login: Some(Login {
            admitted: START,
            user: UserName::new("buyer-1"),
            groups: Vec::new(),
            roles: vec![RoleName::new("buyer")],
            roles_learned: START,
            is_doubtful: false,
        }),
        device: None,
        policy: PolicyVersion(7),
        companions: Vec::new(),
        scopes: Vec::new(),
        token: None,
        would_have_ended: Default::default(),
    }
}

fn new(n: u8) -> NewSession {
    NewSession {
        session: Arc::new(session(n)),
        last_active: START,
        pending: false,
        forget_at: at(1_000_000),
    }
}

fn event(n: u8, kind: EventKind) -> Box<SessionEvent> {
    let limit = LimitInForce {
        after_ms: 1,
        rule: "role buyer".into(),
    };
    Box::new(SessionEvent {
        id: EventId(format!("{n}-{kind:?}")),
        event: kind,
        at_ms: START.as_millis(),
        lineage: lineage(n).to_string(),
        app: "procurement".into(),
        user: None,
        roles: Vec::new(),
        reason: None,
        client: None,
        device: None,
        device_before: None,
        age_ms: 0,
        idle_ms: 0,
        idle_timeout: limit.clone(),
        absolute_timeout: limit,
        max_sessions: None,
        policy: "00000007".into(),
    })
}

fn login(n: u8) -> Activation {
    Activation {
        last_active: START,
        due: Some(at(1_000)),
        event: Some(event(n, EventKind::Login)),
    }
}

fn logout(n: u8) -> End {
    End {
        lineage: lineage(n),
        reason: EndReason::Logout,
        at: at(500),
        if_last_active: None,
        event: Some(event(n, EventKind::End)),
        forget_at: at(1_000_000),
    }
}

/// What the number of a lineage has more than that of its id, after a login over which the id
/// stayed as it was.
const IN_PLACE: u8 = 0x40;

/// A login over which the `n`th id stayed as it was.
fn in_place(n: u8) -> Bound {
    let login = InPlaceLogin {
        last_active: at(600),
        due: at(1_600),
        forget_at: at(1_000_000),
        events: vec![*event(n | IN_PLACE, EventKind::Login)],
    };
    Bound {
        lineage: lineage(n),
        session: Arc::new(session(n | IN_PLACE)),
        login: Some(Box::new(login)),
    }
}

/// A move of the `n`th session to another device.
fn moved(n: u8) -> Amendment {
    let after = Session {
        device: Some("mobile".into()),
        ..session(n)
    };
    Amendment {
        before: Arc::new(session(n)),
        after: Arc::new(after),
        due: at(1_000),
        event: Some(event(n, EventKind::Device)),
    }
}

/// A handover of the `n`th id in silence.
fn succession(n: u8, successor: u8) -> Claim {
    Claim {
        lineage: lineage(n),
        successor: sid(successor),
        at: at(400),
        by: ClaimedBy::Succession,
    }
}

/// Whether a look-up is answered.
async fn serves(store: &Store) -> bool {
    store.look_up(&[sid(1)]).await.is_ok()
}

async fn last_active(store: &Store, sid: Sid) -> Result<Option<Timestamp>, StoreError> {
    let found = store.look_up(&[sid]).await?;
    Ok(found.records[0].as_ref().map(|record| record.last_active))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redis_keeps_the_contract() {
    let server = RedisServer::start().await;
    keep_contract(async || {
        assert_eq!(server.cli(&["FLUSHALL"]).await, "OK");
        open(&config(&server.url(), PATIENT), Clock::manual(START))
    })
    .await;
}

#[tokio::test]
async fn a_script_that_redis_forgot_is_taught_again() {
    let server = RedisServer::start().await;
    let store = open(&config(&server.url(), PATIENT), Clock::manual(START));
    for n in 0..3 {
        assert_eq!(server.cli(&["SCRIPT", "FLUSH"]).await, "OK");
        store.create(sid(n), new(n)).await.unwrap();
        store.touch(sid(n), at(1)).await.unwrap();
        assert_eq!(server.cli(&["SCRIPT", "FLUSH"]).await, "OK");
        store.end(sid(n), logout(n)).await.unwrap();
        store.claim_due(at(9_000), PATIENT, 10).await.unwrap();
        store.rearm_all(START).await.unwrap();
    }
    assert_eq!(store.events_pending().await, Ok(3));
    assert_eq!(store.alive().await, Ok(0));
}

#[tokio::test]
async fn a_user_a_password_and_a_database_come_from_the_url() {
    let server = RedisServer::with_password("a-secret").await;
    let url = format!("redis://default:a-secret@127.0.0.1:{}/3", server.port());
    let store = open(&config(&url, PATIENT), Clock::manual(START));
    store.create(sid(1), new(1)).await.unwrap();
    assert_ne!(server.cli(&["-n", "3", "DBSIZE"]).await, "0");
    assert_eq!(server.cli(&["-n", "0", "DBSIZE"]).await, "0");
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_not_told() {
    let server = RedisServer::with_password("a-secret").await;
    for user in ["", ":a-wrong-secret@", "someone:a-wrong-secret@"] {
        let url = format!("redis://{user}127.0.0.1:{}", server.port());
        let store = open(&config(&url, PATIENT), Clock::manual(START));
        let refused = store.look_up(&[sid(1)]).await.unwrap_err();
        assert!(matches!(refused, StoreError::Refused(_)), "{refused:?}");
        let told = format!("{refused} {refused:?}");
        assert!(!told.contains("secret"), "{told}");
    }
}

#[tokio::test]
async fn tls_is_spoken_to_a_server_that_the_authority_vouches_for() {
    let server = RedisServer::with_tls().await;
    let mut config = config(&server.url(), PATIENT);
    config.ca = server.ca().map(Into::into);
    let store = open(&config, Clock::manual(START));
    store.create(sid(1), new(1)).await.unwrap();
    assert_eq!(store.alive().await, Ok(1));
    // The machine's own authorities vouch for nobody here.
    config.ca = None;
    let store = open(&config, Clock::manual(START));
    let stranger = store.look_up(&[sid(1)]).await.unwrap_err();
    assert!(
        matches!(stranger, StoreError::Unreachable(_)),
        "{stranger:?}"
    );
}

/// What the store's documentation says its user needs is what it needs.
#[tokio::test]
async fn the_documented_rule_is_enough() {
    let server = RedisServer::start().await;
    let documentation = include_str!("../../src/store/redis.rs");
    let rule = documentation
        .lines()
        .filter_map(|line| line.strip_prefix("//! "))
        .skip_while(|line| !line.starts_with('~'))
        .take_while(|line| !line.starts_with("```"))
        .flat_map(str::split_whitespace);
    let user: Vec<&str> = ["ACL", "SETUSER", "gateway", "on", ">x"]
        .into_iter()
        .chain(rule)
        .collect();
    assert_eq!(server.cli(&user).await, "OK");
    let url = format!("redis://gateway:x@127.0.0.1:{}", server.port());
    let (store, _running) = run(&config(&url, PATIENT), Clock::system());
    for n in 1..=2 {
        let pending = NewSession {
            pending: true,
            ..new(n)
        };
        store.create(sid(n), pending).await.unwrap();
        store.activate(sid(n), login(n)).await.unwrap();
    }
    store.touch(sid(1), at(1)).await.unwrap();
    store.rearm(sid(1), at(1)).await.unwrap();
    store.rearm_all(START).await.unwrap();
    store.claim_due(at(9_000), PATIENT, 10).await.unwrap();
    store.bind(sid(1), in_place(1)).await.unwrap();
    store.claim(sid(2), succession(2, 3)).await.unwrap();
    store.end(sid(1), logout(1 | IN_PLACE)).await.unwrap();
    let scope = curfew::domain::cuts::Scope::All;
    store.cut(scope.clone(), at(1), START).await.unwrap();
    store.cut(scope, at(3), at(2)).await.unwrap();
    store.adoption_mark("shop", START).await.unwrap();
    let taken = store.take_seat(buyer(), seat(1)).await.unwrap();
    store.hand_over_seat(buyer(), sid(2), sid(3)).await.unwrap();
    let left: Vec<_> = taken.own.into_iter().collect();
    assert_eq!(store.holds_seat(buyer(), left[0]).await, Ok(true));
    store.leave_seats(buyer(), &left).await.unwrap();
    assert!(serves(&store).await);
    let events = store.read_events(10).await.unwrap();
    let ids: Vec<EventId> = events.into_iter().map(|event| event.id).collect();
    assert_eq!(ids.len(), 4);
    store.acknowledge(&ids).await.unwrap();
    assert_eq!(store.alive().await, Ok(0));
    assert_eq!(store.events_pending().await, Ok(0));
    let noted = within(PATIENT, async || {
        server.cli(&["HLEN", "curfew:clock"]).await == "1"
    });
    noted.await.unwrap();
    let refused = server.cli(&["ACL", "LOG"]).await;
    assert_eq!(refused, "");
}

#[tokio::test]
async fn ends_and_cuts_are_published() {
    let server = RedisServer::start().await;
    let address = format!("127.0.0.1:{}", server.port());
    let mut listener = tokio::net::TcpStream::connect(address).await.unwrap();
    listener
        .write_all(b"SUBSCRIBE curfew:ends\r\n")
        .await
        .unwrap();
    let mut heard = String::new();
    hear(&mut listener, &mut heard, "subscribe").await;

    let store = open(&config(&server.url(), PATIENT), Clock::manual(START));
    store.create(sid(1), new(1)).await.unwrap();
    store.end(sid(1), logout(1)).await.unwrap();
    hear(
        &mut listener,
        &mut heard,
        &format!("end {} logout", lineage(1)),
    )
    .await;
    let scope = curfew::domain::cuts::Scope::All;
    let cuts = store.cut(scope, at(1), START).await.unwrap();
    hear(
        &mut listener,
        &mut heard,
        &format!("cut {}", cuts.version()),
    )
    .await;
}

async fn hear(from: &mut tokio::net::TcpStream, heard: &mut String, text: &str) {
    while !heard.contains(text) {
        let mut buffer = [0; 1024];
        let read = tokio::time::timeout(PATIENT, from.read(&mut buffer)).await;
        let read = read.expect("it is published").unwrap();
        heard.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
}

#[tokio::test]
async fn what_one_gateway_reads_is_kept_from_the_others() {
    let server = RedisServer::start().await;
    let config = config(&server.url(), PATIENT);
    let one = open(&config, Clock::manual(START));
    let other = open(&config, Clock::manual(START));
    for n in 1..=5 {
        one.create(
            sid(n),
            NewSession {
                pending: true,
                ..new(n)
            },
        )
        .await
        .unwrap();
        one.activate(sid(n), login(n)).await.unwrap();
    }
    let read = one.read_events(10).await.unwrap();
    assert_eq!(read.len(), 5);
    assert_eq!(other.read_events(10).await, Ok(Vec::new()));
    let ids: Vec<EventId> = read.into_iter().map(|event| event.id).collect();
    one.acknowledge(&ids).await.unwrap();
    assert_eq!(other.events_pending().await, Ok(0));
}

/// A bucket that nobody has read before is read along with the others.
#[tokio::test]
async fn the_first_event_of_a_bucket_keeps_back_none_of_the_others() {
    let server = RedisServer::start().await;
    let store = open(&config(&server.url(), PATIENT), Clock::manual(START));
    // The first and the last share a bucket.
    for n in [1, 2, 65] {
        store.create(sid(n), new(n)).await.unwrap();
    }
    store.end(sid(1), logout(1)).await.unwrap();
    assert_eq!(store.read_events(10).await.unwrap().len(), 1);
    store.end(sid(2), logout(2)).await.unwrap();
    store.end(sid(65), logout(65)).await.unwrap();
    assert_eq!(store.read_events(10).await.unwrap().len(), 3);
}

#[tokio::test]
async fn redis_collects_the_garbage_no_sooner_than_asked() {
    let server = RedisServer::start().await;
    let store = open(&config(&server.url(), PATIENT), Clock::manual(START));
    store.create(sid(1), new(1)).await.unwrap();
    let key = format!("curfew:{{b01}}:s:{}", sid(1));
    let left = async || -> u64 { server.cli(&["PTTL", &key]).await.parse().unwrap() };
    assert!(left().await > 1_000_000);
    let mut end = logout(1);
    end.forget_at = at(2_000_000_000);
    store.end(sid(1), end).await.unwrap();
    assert!(left().await > 2_000_000_000);
}

#[tokio::test]
async fn no_tombstone_outlives_the_way_to_it_from_its_lineage() {
    let server = RedisServer::start().await;
    let store = open(&config(&server.url(), PATIENT), Clock::manual(START));
    store.create(sid(1), new(1)).await.unwrap();
    let keys = server.cli(&["KEYS", "curfew:{b01}:l:*"]).await;
    let left = async || -> u64 { server.cli(&["PTTL", &keys]).await.parse().unwrap() };
    assert!(left().await < 2_000_000_000);
    let mut end = logout(1);
    end.forget_at = at(2_000_000_000);
    store.end(sid(1), end).await.unwrap();
    assert!(left().await > 2_000_000_000);
}

/// What Redis evicted, or an operator deleted, is neither counted nor handed out for ever.
#[tokio::test]
async fn the_sweeper_leaves_no_id_due_whose_record_is_gone() {
    let server = RedisServer::start().await;
    let clock = Clock::manual(at(5_000));
    let store = Arc::new(open(&config(&server.url(), PATIENT), clock.clone()));
    store.create(sid(1), new(1)).await.unwrap();
    assert_eq!(store.alive().await, Ok(1));
    let record = format!("curfew:{{b01}}:s:{}", sid(1));
    assert_eq!(server.cli(&["DEL", &record]).await, "1");
    assert_eq!(store.alive().await, Ok(1));
    sweeper(&store, clock).sweep().await.unwrap();
    assert_eq!(store.alive().await, Ok(0));
    let due = store.claim_due(at(1_000_000), PATIENT, 10).await;
    assert_eq!(due, Ok(Vec::new()));
}

fn sweeper(store: &Arc<Store>, clock: Clock) -> Sweeper {
    let text = r#"
        listeners = [{ address = "127.0.0.1:0" }]
        roles.buyer = { idle = "15m", absolute = "8h", users = ["buyer"] }
        [[apps]]
        name = "procurement"
        upstreams = ["http://127.0.0.1:1"]
        session = { id = "cookie:SID" }
        [[apps.logins]]
        path = "/login"
        page = "/login"
        success = { new_session = true }
        "#;
    let loaded = parse_alone(text, "test.toml").unwrap();
    let metrics = Arc::new(Metrics::new());
    let (events, _) = event_feed(&metrics);
    let telemetry = Telemetry {
        metrics,
        access: AccessLog::off(),
        events,
    };
    Sweeper {
        store: Arc::clone(store),
        clock,
        config: watch::channel(Arc::new(loaded.config)).1,
        telemetry: Arc::new(telemetry),
        nudge: Arc::default(),
        look_at_all: Arc::default(),
    }
}
