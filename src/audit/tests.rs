use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::file::line;
use super::{Audit, BATCH_MAX, Pass};
use crate::config::Sink;
use crate::config::diff::{Change, Diff};
use crate::config::load::parse_alone;
use crate::domain::decide::Stale;
use crate::domain::identity::{Lineage, Sid};
use crate::domain::limits::{Limit, Limits, Rule};
use crate::domain::policy::{Policy, PolicyVersion, RoleName};
use crate::domain::session::{EndReason, Login, Session, UserName};
use crate::domain::time::Timestamp;
use crate::store::Store;
use crate::store::event::build::{EventFacts, end_event, refusal_event};
use crate::store::event::{EventId, SessionEvent};
use crate::store::memory::MemoryStore;
use crate::store::op::{End, Ended, NewSession};
use crate::telemetry::events::{
    EDITS_WAITING_MAX, EventFeed, PolicyEvent, REFUSALS_WAITING_MAX, event_feed,
};
use crate::telemetry::lines::append_line;
use crate::telemetry::metrics::Metrics;

const DOCUMENTED: &str = include_str!("../../docs/audit-events.md");
const STARTED: Timestamp = Timestamp::from_millis(1_767_225_600_000);
const ENDED: Timestamp = Timestamp::from_millis(1_767_226_500_000);

fn session(lineage: [u8; 16], user: &str) -> Session {
    Session {
        lineage: Lineage::from_bytes(lineage),
        generation: 1,
        app: "shop".into(),
        started: STARTED,
        until: None,
        login: Some(Login {
            admitted: STARTED,
            user: UserName::new(user),
            groups: Vec::new(),
            roles: vec![RoleName::new("buyer")],
            roles_learned: STARTED,
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

fn told<T>(session: &Session, tell: impl FnOnce(EventFacts<'_>) -> T) -> T {
    let limit = Limit {
        after: Duration::from_secs(900),
        rule: Rule::Ceiling,
    };
    tell(EventFacts {
        session,
        last_active: STARTED,
        limits: &Limits {
            idle: limit,
            absolute: limit,
        },
        policy: &Policy {
            version: PolicyVersion(1),
            ..Policy::default()
        },
        at: ENDED,
        client: None,
    })
}

fn refusal() -> SessionEvent {
    let stale = Stale::Ended(EndReason::Logout);
    told(&session([9; 16], "buyer-1"), |facts| {
        refusal_event(facts, stale, 7)
    })
}

/// An audit to a file over a store of its own, and the ends of the wires that lead to it.
struct Bench {
    audit: Audit,
    store: Arc<Store>,
    feed: EventFeed,
    metrics: Arc<Metrics>,
    reopen: Arc<Notify>,
}

fn bench(sink: &Sink) -> Bench {
    let store = Arc::new(Store::Memory(MemoryStore::new(10_000)));
    let metrics = Arc::new(Metrics::new());
    let (feed, refusals) = event_feed(&metrics);
    let reopen = Arc::new(Notify::new());
    let audit = Audit::open(
        sink,
        Arc::clone(&store),
        refusals,
        Arc::clone(&metrics),
        Arc::clone(&reopen),
    );
    Bench {
        audit: audit.unwrap(),
        store,
        feed,
        metrics,
        reopen,
    }
}

/// Ends a session, with its event.
async fn end(store: &Store, n: u16, user: &str) {
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&n.to_be_bytes());
    let session = Arc::new(session(bytes, user));
    let lineage = session.lineage;
    let event = told(&session, |facts| end_event(facts, EndReason::IdleTimeout));
    let forget_at = ENDED.plus(Duration::from_secs(3600));
    let new = NewSession {
        session,
        last_active: STARTED,
        pending: false,
        forget_at,
    };
    let sid = Sid::from_bytes(bytes);
    store.create(sid, new).await.unwrap();
    let end = End {
        lineage,
        reason: EndReason::IdleTimeout,
        at: ENDED,
        if_last_active: None,
        event: Some(Box::new(event)),
        forget_at,
    };
    assert_eq!(store.end(sid, end).await, Ok(Ended::Now));
}

fn written(path: &Path) -> Vec<SessionEvent> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[track_caller]
fn check_metric(metrics: &Metrics, sample: &str) {
    let text = metrics.render();
    assert!(text.lines().any(|line| line == sample), "{text}");
}

#[tokio::test]
async fn what_is_written_is_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let mut bench = bench(&Sink::File(path.clone()));
    end(&bench.store, 1, "buyer-1").await;
    bench.feed.refused(refusal());
    assert_eq!(bench.audit.pass().await, Pass::Done);
    let reasons: BTreeSet<_> = written(&path)
        .into_iter()
        .filter_map(|event| event.reason)
        .collect();
    assert_eq!(
        reasons,
        ["idle_timeout".to_owned(), "logout".to_owned()].into()
    );
    assert_eq!(bench.store.events_pending().await, Ok(0));

    assert_eq!(bench.audit.pass().await, Pass::Done);
    assert_eq!(written(&path).len(), 2);
}

#[tokio::test]
async fn what_cannot_be_written_stays_in_the_outbox_and_comes_once_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    symlink("/dev/full", &path).unwrap();
    let mut bench = bench(&Sink::File(path.clone()));
    end(&bench.store, 1, "buyer-1").await;
    bench.feed.refused(refusal());
    assert_eq!(bench.audit.pass().await, Pass::NotWritten);
    assert_eq!(bench.audit.pass().await, Pass::NotWritten);
    assert_eq!(bench.store.events_pending().await, Ok(1));
    check_metric(&bench.metrics, "curfew_audit_write_errors_total 2");

    fs::remove_file(&path).unwrap();
    bench.audit.file.reopen().await;
    end(&bench.store, 2, "buyer-2").await;
    assert_eq!(bench.audit.pass().await, Pass::More);
    assert_eq!(written(&path).len(), 2);
    assert_eq!(bench.audit.pass().await, Pass::Done);
    assert_eq!(written(&path).len(), 3);
    assert_eq!(bench.store.events_pending().await, Ok(0));
}

#[tokio::test]
async fn switched_off_it_acknowledges_without_writing() {
    let mut bench = bench(&Sink::Off);
    end(&bench.store, 1, "buyer-1").await;
    assert_eq!(bench.audit.pass().await, Pass::Done);
    assert_eq!(bench.store.events_pending().await, Ok(0));
}

#[tokio::test]
async fn a_user_name_stays_on_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let mut bench = bench(&Sink::File(path.clone()));
    let user = "\"},\u{2028}{\"event\":\"login\"\\\u{202e}";
    end(&bench.store, 1, user).await;
    bench.audit.pass().await;
    let events = written(&path);
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].user.as_deref(), Some(user));
    assert!(
        !fs::read_to_string(&path)
            .unwrap()
            .contains(['\u{2028}', '\u{202e}'])
    );
}

#[tokio::test]
async fn when_it_stops_it_writes_all_that_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let bench = bench(&Sink::File(path.clone()));
    let many = u16::try_from(BATCH_MAX).unwrap() + 1;
    for n in 0..many {
        end(&bench.store, n, "buyer-1").await;
    }
    let stopped = CancellationToken::new();
    stopped.cancel();
    bench.audit.run(stopped).await;
    assert_eq!(written(&path).len(), usize::from(many));
    assert_eq!(bench.store.events_pending().await, Ok(0));
}

/// Turns until something has become true; fails after ten seconds.
async fn until(mut is_true: impl AsyncFnMut() -> bool) {
    let turning = async {
        while !is_true().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), turning)
        .await
        .unwrap();
}

#[tokio::test]
async fn while_it_runs_it_writes_when_nudged_and_follows_a_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (
        folder.path().join("audit.jsonl"),
        folder.path().join("moved"),
    );
    let bench = bench(&Sink::File(path.clone()));
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(bench.audit.run(shutdown.clone()));
    let store = &bench.store;

    end(store, 1, "before").await;
    bench.feed.outbox_grew();
    until(async || store.events_pending().await == Ok(0)).await;
    fs::rename(&path, &moved).unwrap();
    bench.reopen.notify_one();
    until(async || path.exists()).await;
    end(store, 2, "after").await;
    bench.feed.outbox_grew();
    until(async || store.events_pending().await == Ok(0)).await;

    shutdown.cancel();
    running.await.unwrap();
    assert_eq!(written(&moved)[0].user.as_deref(), Some("before"));
    assert_eq!(written(&path)[0].user.as_deref(), Some("after"));
    check_metric(&bench.metrics, "curfew_outbox_pending 0");
}

fn samples() -> impl Iterator<Item = &'static str> {
    DOCUMENTED.lines().filter(|line| line.starts_with('{'))
}

#[test]
fn the_documented_lines_are_what_is_written() {
    let mut kinds = BTreeSet::new();
    for sample in samples().filter(|sample| !sample.contains("policy_changed")) {
        let event: SessionEvent = serde_json::from_str(sample).unwrap();
        kinds.insert(format!("{:?}", event.event));
        let mut spelled = Vec::new();
        append_line(&mut spelled, &line(event.at_ms, &event));
        assert_eq!(String::from_utf8(spelled).unwrap().trim_end(), sample);
    }
    assert_eq!(kinds.len(), 6, "a sample of each kind");
}

#[test]
fn the_documented_edit_is_what_is_written() {
    let change = |key: &str, before: Option<&str>, after: &str, line| Change {
        key: key.into(),
        before: before.map(Into::into),
        after: Some(after.into()),
        line,
        at_a_start: line.is_none(),
    };
    let event = PolicyEvent {
        id: EventId("1d2c3b4a-1767258000000-policy".into()),
        event: "policy_changed",
        at_ms: 1_767_258_000_000,
        policy: "1d2c3b4a".into(),
        policy_before: "9c41f0aa".into(),
        diff: Diff {
            changes: vec![
                change("roles.buyer.idle", Some("15m"), "10m", Some(12)),
                change("roles.buyer.users", None, "buyer-3", Some(12)),
                change("admin.token", Some("(secret)"), "(secret)", None),
            ],
            left_out: 0,
        },
    };
    let mut spelled = Vec::new();
    append_line(&mut spelled, &line(event.at_ms, &event));
    let spelled = String::from_utf8(spelled).unwrap();
    assert!(
        samples().any(|sample| sample == spelled.trim_end()),
        "{spelled}"
    );
}

#[tokio::test]
async fn an_edit_finds_room_among_refusals_that_do_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.log");
    let mut bench = bench(&Sink::File(path.clone()));
    for _ in 0..=REFUSALS_WAITING_MAX {
        bench.feed.refused(refusal());
    }
    let [before, after] = ["15m", "10m"].map(|idle| {
        let policy = format!(
            "listeners = [{{ address = \"127.0.0.1:0\" }}]\n\
             roles.buyer = {{ idle = \"{idle}\", absolute = \"8h\", users = [\"b\"] }}\n\
             apps = [{{ name = \"a\", upstreams = [\"http://h\"], session = {{ id = \"cookie:S\" }} }}]"
        );
        parse_alone(&policy, "curfew.toml").unwrap().config
    });
    assert_eq!(PolicyEvent::of(&before, &before, ENDED), None);
    let edit = PolicyEvent::of(&before, &after, ENDED).unwrap();
    bench.feed.policy_changed(edit.clone());
    bench.audit.pass().await;
    let text = fs::read_to_string(path).unwrap();
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(first["event"], "policy_changed");
    assert_eq!(first["policy_before"], before.policy.version.to_string());
    assert_eq!(first["changes"][0]["after"], "10m");
    for _ in 0..EDITS_WAITING_MAX + 1 {
        bench.feed.policy_changed(edit.clone());
    }
    // One refusal and one edit.
    assert_eq!(bench.metrics.audit_events_dropped().get(), 2);
}

#[test]
fn every_field_is_documented() {
    fn fields(value: &Value, prefix: &str, found: &mut BTreeSet<String>) {
        for (key, value) in value.as_object().into_iter().flatten() {
            let name = format!("{prefix}{key}");
            fields(value, &format!("{name}."), found);
            if !value.is_object() {
                found.insert(name);
            }
        }
    }
    let mut found = BTreeSet::new();
    for sample in samples() {
        fields(&serde_json::from_str(sample).unwrap(), "", &mut found);
    }
    let rows = DOCUMENTED
        .lines()
        .filter_map(|line| line.strip_prefix("| `"));
    let documented: BTreeSet<_> = rows
        .filter_map(|row| row.split('`').next())
        .map(str::to_owned)
        .collect();
    assert_eq!(documented, found);
}
