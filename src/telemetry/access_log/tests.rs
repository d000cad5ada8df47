use std::fs;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use tokio::sync::mpsc;

use super::{AccessEntry, AccessLog, ENTRIES_WAITING_MAX, Happened, Message, Queue};
use crate::config::Sink;
use crate::domain::access::{Access, Activity};
use crate::domain::identity::{Fingerprint, Lineage};
use crate::domain::policy::{PolicyVersion, RoleName};
use crate::domain::session::{Login, Session, UserName};
use crate::domain::time::Timestamp;
use crate::telemetry::metrics::{Metrics, VerdictLabel};

fn session() -> Session {
    let at = Timestamp::from_millis(1);
    Session {
        lineage: Lineage::from_bytes([7; 16]),
        generation: 0,
        app: "shop".into(),
        started: at,
        until: None,
        login: Some(Login {
            admitted: at,
            user: UserName::new("buyer-1"),
            groups: Vec::new(),
            roles: vec![RoleName::new("buyer")],
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

fn entry(path: &str) -> AccessEntry {
    AccessEntry {
        at: Timestamp::from_millis(1_500),
        request: "r-1".into(),
        client: [192, 0, 2, 1].into(),
        method: Method::GET,
        host: Some("shop.example".into()),
        path: path.into(),
        app: Some("shop".into()),
        route: None,
        matched: Some("/orders".into()),
        session: Some(Arc::new(session())),
        user: Some(Fingerprint::from_bytes([5; 16])),
        before: None,
        device: Some("mobile".into()),
        stream: false,
        access: Some(Access::Authenticated),
        activity: Some(Activity::Active),
        verdict: VerdictLabel::Refuse,
        reason: Some("session_idle_timeout"),
        would: None,
        happened: Some(Happened::End),
        status: StatusCode::UNAUTHORIZED,
        policy: PolicyVersion(0xabc),
        total: Duration::from_micros(180),
        own: Duration::from_micros(80),
        upstream: None,
        store: Some(Duration::from_micros(100)),
        bytes_in: None,
        bytes_out: 97,
        complete: true,
    }
}

#[tokio::test]
async fn a_line_holds_what_a_replay_needs_and_no_user() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let log = AccessLog::start(&Sink::File(path.clone()), &Metrics::new()).unwrap();
    log.record(|| entry("/orders"));
    log.flush().await;
    let expected = concat!(
        r#"{"at_ms":1500,"request":"r-1","client":"192.0.2.1","method":"GET","#,
        r#""host":"shop.example","path":"/orders","app":"shop","route":null,"#,
        r#""matched":"/orders","lineage":"07070707070707070707070707070707","before":null,"#,
        r#""user":"05050505050505050505050505050505","started_ms":1,"until_ms":null,"#,
        r#""device":"mobile","authenticated":true,"roles":["buyer"],"#,
        r#""access":"authenticated","activity":"active","stream":false,"verdict":"refuse","#,
        r#""reason":"session_idle_timeout","event":"end","would":null,"status":401,"policy":"00000abc","#,
        r#""total_us":180,"own_us":80,"upstream_us":null,"store_us":100,"bytes_in":null,"#,
        r#""bytes_out":97,"complete":true}"#,
        "\n"
    );
    assert_eq!(fs::read_to_string(path).unwrap(), expected);
}

#[tokio::test]
async fn a_path_cannot_break_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let log = AccessLog::start(&Sink::File(path.clone()), &Metrics::new()).unwrap();
    log.record(|| entry("/a\n{\"verdict\":\"forward\"}\u{2028}"));
    log.flush().await;
    assert_eq!(fs::read_to_string(path).unwrap().lines().count(), 1);
}

#[tokio::test]
async fn after_a_rotation_lines_go_to_a_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (
        folder.path().join("access.log"),
        folder.path().join("moved"),
    );
    let log = AccessLog::start(&Sink::File(path.clone()), &Metrics::new()).unwrap();
    log.record(|| entry("/before"));
    log.flush().await;
    fs::rename(&path, &moved).unwrap();
    log.reopen();
    log.record(|| entry("/after"));
    log.flush().await;
    assert!(fs::read_to_string(moved).unwrap().contains("/before"));
    assert!(fs::read_to_string(path).unwrap().contains("/after"));
}

#[tokio::test]
async fn lines_that_a_full_disk_refuses_are_counted() {
    let metrics = Metrics::new();
    let log = AccessLog::start(&Sink::File("/dev/full".into()), &metrics).unwrap();
    log.record(|| entry("/a"));
    log.record(|| entry("/b"));
    log.flush().await;
    assert_eq!(metrics.access_lines_dropped().get(), 2);
}

#[test]
fn switched_off_it_asks_for_no_entry() {
    let log = AccessLog::start(&Sink::Off, &Metrics::new()).unwrap();
    log.record(|| unreachable!("nobody wants to know"));
}

#[test]
fn what_finds_the_queue_full_is_counted() {
    let metrics = Metrics::new();
    let (outgoing, incoming) = mpsc::channel::<Message>(ENTRIES_WAITING_MAX);
    let log = AccessLog(Some(Queue {
        outgoing,
        reopen: Arc::default(),
        dropped: metrics.access_lines_dropped(),
        full: false.into(),
    }));
    for _ in 0..ENTRIES_WAITING_MAX + 2 {
        log.record(|| entry("/a"));
    }
    assert_eq!(metrics.access_lines_dropped().get(), 2);
    assert_eq!(incoming.len(), ENTRIES_WAITING_MAX);
}
