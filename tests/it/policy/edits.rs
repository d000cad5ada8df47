//! Edits of the policy reach sessions that live, and the audit tells of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use curfew::clock::{Clock, monotonic};
use curfew::config::load::parse_alone;
use curfew::config::{Config, RedisConfig, Secret};
use curfew::domain::identity::{Keyring, Lineage, Sid};
use curfew::domain::policy::{PolicyVersion, RoleName};
use curfew::domain::session::{Login, Session, UserName};
use curfew::store::Store;
use curfew::store::memory::MemoryStore;
use curfew::store::op::{Created, NewSession};
use curfew::store::redis::RedisStore;
use curfew::sweeper::Sweeper;
use curfew::telemetry::Telemetry;
use curfew::telemetry::access_log::AccessLog;
use curfew::telemetry::events::event_feed;
use curfew::telemetry::metrics::Metrics;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::harness::app::{FORM_APP, LegacyApp, form_app};
use crate::harness::browser::HOST;
use crate::harness::gateway::{Gateway, SESSION_KEY, START};
use crate::harness::redis::RedisServer;
use crate::harness::{eventually, span};

use super::{is_over, is_served, logged_in};

/// Live sessions that an edit meets.
const SESSIONS: u64 = 10_000;

/// How much later each of them was used than the one before: the first half of them has been away
/// for over five minutes, ten minutes after the first.
const APART: Duration = Duration::from_millis(60);

/// How soon ends must be noticed that no request notices.
const NOTICED_WITHIN: Duration = Duration::from_secs(5);

fn buyers(idle: &str) -> String {
    format!("[roles.buyer]\nidle = \"{idle}\"\nabsolute = \"8h\"\nusers = [\"buyer\"]\n{FORM_APP}")
}

fn value(n: u64) -> String {
    format!("made-{n}")
}

/// The id of the `n`th session, under the key of these tests.
fn sid(n: u64) -> Sid {
    let keys = Keyring::new([SESSION_KEY.as_bytes()]).expect("there is a key");
    keys.sid("procurement", "cookie:JSESSIONID", value(n).as_bytes())
}

fn buyer(n: u64) -> NewSession {
    let session = Session {
        lineage: Lineage::from_bytes(u128::from(n + 1).to_be_bytes()),
        generation: 0,
        app: "procurement".into(),
        started: START,
        until: None,
        login: Some(Login {
            admitted: START,
            user: UserName::new("buyer"),
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
    };
    NewSession {
        session: Arc::new(session),
        last_active: START.plus(APART * n as u32),
        pending: false,
        forget_at: START.plus(span("2days")),
    }
}

/// Ten thousand buyers, the last of whom was active just before ten minutes after the start.
async fn populate(store: &Arc<Store>) {
    let mut tasks = JoinSet::new();
    for task in 0..50 {
        let store = Arc::clone(store);
        tasks.spawn(async move {
            for n in (task..SESSIONS).step_by(50) {
                let created = store.create(sid(n), buyer(n)).await;
                assert_eq!(created, Ok(Created::Recorded));
            }
        });
    }
    tasks.join_all().await;
}

fn redis(server: &RedisServer, clock: &Clock) -> Store {
    let config = RedisConfig {
        url: Secret::new(server.url()),
        ca: None,
        deadline: span("10s"),
    };
    let store = RedisStore::open(&config, clock.clone()).expect("the URL is one of Redis");
    Store::Redis(Box::new(store))
}

/// A sweeper, and what it is told.
struct Swept {
    sweeper: Sweeper,
    config: watch::Sender<Arc<Config>>,
    look_at_all: Arc<AtomicBool>,
}

impl Swept {
    fn over(store: &Arc<Store>, clock: &Clock, idle: &str) -> Self {
        let metrics = Arc::new(Metrics::new());
        let (events, _) = event_feed(&metrics);
        let telemetry = Telemetry {
            metrics,
            access: AccessLog::off(),
            events,
        };
        let (config, current) = watch::channel(Arc::new(Self::config(idle)));
        let look_at_all = Arc::new(AtomicBool::new(false));
        let sweeper = Sweeper {
            store: Arc::clone(store),
            clock: clock.clone(),
            config: current,
            telemetry: Arc::new(telemetry),
            nudge: Arc::default(),
            look_at_all: Arc::clone(&look_at_all),
        };
        Self {
            sweeper,
            config,
            look_at_all,
        }
    }

    fn config(idle: &str) -> Config {
        let upstream = "[[apps]]\nupstreams = [\"http://127.0.0.1:1\"]";
        let policy = buyers(idle).replace("[[apps]]", upstream);
        let text = format!("[[listeners]]\naddress = \"127.0.0.1:0\"\n{policy}");
        let loaded = parse_alone(&text, "curfew.toml");
        loaded.unwrap_or_else(|faults| panic!("{faults}")).config
    }

    /// What a reload does.
    fn edit(&self, idle: &str) {
        self.config.send_replace(Arc::new(Self::config(idle)));
        self.look_at_all.store(true, Ordering::Release);
    }

    /// Sweeps, and tells how long that took.
    async fn sweep(&self) -> Duration {
        let began = monotonic();
        self.sweeper.sweep().await.expect("the store answers");
        monotonic() - began
    }
}

async fn follow_edits(store: Store, clock: Clock) {
    let store = Arc::new(store);
    populate(&store).await;
    let swept = Swept::over(&store, &clock, "15m");
    clock.advance(span("10m"));
    swept.sweep().await;
    assert_eq!(store.alive().await, Ok(SESSIONS));

    swept.edit("5m");
    let took = swept.sweep().await;
    assert_eq!(store.alive().await, Ok(SESSIONS / 2 - 1));
    assert!(took < NOTICED_WITHIN, "{took:?}");
    assert_eq!(store.events_pending().await, Ok(SESSIONS / 2 + 1));

    // The others would be over by now, had nobody edited the policy again.
    swept.edit("30m");
    clock.advance(span("15m"));
    swept.sweep().await;
    assert_eq!(store.alive().await, Ok(SESSIONS / 2 - 1));
    clock.advance(span("15m"));
    swept.sweep().await;
    assert_eq!(store.alive().await, Ok(0));
}

#[tokio::test]
async fn ten_thousand_sessions_in_memory_follow_a_tighter_and_a_looser_edit() {
    let store = Store::Memory(MemoryStore::new(20_000));
    follow_edits(store, Clock::manual(START)).await;
}

#[tokio::test]
async fn ten_thousand_sessions_in_redis_follow_a_tighter_and_a_looser_edit() {
    let server = RedisServer::start().await;
    let clock = Clock::manual(START);
    follow_edits(redis(&server, &clock), clock).await;
}

#[tokio::test]
async fn each_of_ten_thousand_sessions_is_judged_by_the_edit_at_its_next_request() {
    let server = RedisServer::start().await;
    let store = format!(
        "[store]\nurl = \"{}\"\nkeys = \"env:SESSION_KEYS\"\n",
        server.url()
    );
    let policy = |idle: &str| format!("{store}{}", buyers(idle));
    let app = LegacyApp::start(form_app()).await;
    let gateway = Gateway::with(&app, &policy("15m")).await;
    let store = Arc::new(redis(&server, &Clock::manual(START)));
    populate(&store).await;
    gateway.advance(span("10m"));

    let mut browser = gateway.browser();
    let mut ask = async |n: u64| {
        browser.jar.put(HOST, "JSESSIONID", &value(n));
        browser.fetch("/home").await.refusal().to_owned()
    };
    assert_eq!(ask(1).await, "");
    gateway.reload(&policy("5m"));
    for (n, refusal) in [
        (0, "session_idle_timeout"),
        (1, ""),
        (2, "session_idle_timeout"),
        (SESSIONS / 2, "session_idle_timeout"),
        (SESSIONS / 2 + 1, ""),
        (SESSIONS - 1, ""),
    ] {
        assert_eq!(ask(n).await, refusal, "{n}");
    }
    eventually("the others are ended without a request", async || {
        (store.alive().await == Ok(SESSIONS / 2)).then_some(())
    })
    .await;
    let edit = &gateway.events("policy_changed", 1).await[0];
    let ends = gateway.events("end", SESSIONS as usize / 2).await;
    assert_eq!(ends.len() as u64, SESSIONS / 2);
    assert!(ends.iter().all(|end| end["policy"] == edit["policy"]));

    gateway.reload(&policy("30m"));
    gateway.advance(span("29m"));
    assert_eq!(ask(SESSIONS - 1).await, "");
    assert_eq!(ask(2).await, "session_idle_timeout");
}

#[tokio::test]
async fn an_edit_is_in_the_audit_as_what_it_changes() {
    let (app, gateway, mut browser) = logged_in(&buyers("15m"), "buyer").await;
    gateway.advance(span("10m"));
    let route = "[[apps.routes]]\npath = \"/poll\"\nactivity = \"passive\"\n";
    gateway.reload(&format!("{}{route}", buyers("9m")));
    is_over(&app, &mut browser, "/home", "session_idle_timeout").await;

    let edit = &gateway.events("policy_changed", 1).await[0];
    let login = &gateway.events("login", 1).await[0];
    let end = &gateway.events("end", 1).await[0];
    assert_eq!(edit["policy_before"], login["policy"]);
    assert_eq!(edit["policy"], end["policy"]);
    assert_ne!(edit["policy"], edit["policy_before"]);
    let changes = edit["changes"].as_array().expect("a list");
    let idle = &changes[0];
    assert_eq!(idle["key"], "roles.buyer.idle");
    assert_eq!(
        (&idle["before"], &idle["after"]),
        (&"15m".into(), &"9m".into())
    );
    assert!(idle["line"].is_u64());
    let poll = &changes[1];
    assert_eq!(poll["key"], "apps.procurement.routes /poll");
    let after = "authenticated, passive, refuse, work_max 30m, work_drain 2m";
    assert_eq!(poll["after"], after);
    assert_eq!((changes.len(), &edit["left_out"]), (2, &0.into()));
}

#[tokio::test]
async fn a_reload_of_the_same_file_is_no_edit() {
    let policy = buyers("15m");
    let (app, gateway, mut browser) = logged_in(&policy, "buyer").await;
    gateway.reload(&policy);
    gateway.reload(&format!("{policy}# a comment\n"));
    is_served(&app, &mut browser, "/home").await;
    let edits = gateway.events("policy_changed", 1).await;
    assert_eq!(edits.len(), 1);
    assert_eq!(edits[0]["changes"], serde_json::json!([]));
}
