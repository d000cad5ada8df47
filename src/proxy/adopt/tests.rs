use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http::header::COOKIE;

use super::{ADOPTIONS_MAX, Sid};
use crate::clock::Clock;
use crate::config::{Config, load};
use crate::domain::access::{Access, Activity, Client, LoginPage, OnStale, RequestFacts, Safety};
use crate::domain::cuts::Scope;
use crate::domain::decide::{Decision, Live, Stale, Verdict};
use crate::domain::limits::Rule;
use crate::domain::session::{EndReason, Record, Session, State};
use crate::domain::time::Timestamp;
use crate::entropy::Entropy;
use crate::proxy::Proxy;
use crate::proxy::alarm::Alarm;
use crate::proxy::carriers;
use crate::proxy::exchange::Exchange;
use crate::proxy::head::forwarded::{PeerAddress, Scheme};
use crate::proxy::peer::Peer;
use crate::store::Store;
use crate::store::event::{EventKind, SessionEvent};
use crate::store::memory::MemoryStore;
use crate::store::op::{Created, End, NewSession};
use crate::telemetry::Telemetry;
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::events::event_feed;
use crate::telemetry::metrics::Metrics;

/// 2026-12-01T00:00:00Z.
const UNTIL: Timestamp = Timestamp::from_millis(1_796_083_200_000);
const MINUTE: Duration = Duration::from_secs(60);
const OFFICE: &str = "192.0.2.17";

/// The strictest limits are 5 min idle and 60 min in all, of two roles.
fn config(until: &str) -> Arc<Config> {
    let text = format!(
        r#"
        listeners = [{{ address = "127.0.0.1:0" }}]
        roles.buyer = {{ idle = "15m", absolute = "1h", users = ["buyer-1"] }}
        roles.approver = {{ idle = "5m", absolute = "8h", users = ["approver-1"] }}

        [[apps]]
        name = "shop"
        upstreams = ["http://127.0.0.1:1"]
        adopt_until = {until}

        [apps.session]
        id = "cookie:SID"
        group = ["ROUTE"]
        auth_cookies = ["remember-me"]

        [[apps.logins]]
        path = "/login"
        page = "/login"
        success = {{ new_session = true }}
        "#
    );
    let loaded = load::parse_alone(&text, "test.toml");
    Arc::new(loaded.unwrap_or_else(|faults| panic!("{faults}")).config)
}

fn adopting() -> Arc<Config> {
    config("2026-12-01T00:00:00Z")
}

const NAVIGATION: RequestFacts = RequestFacts {
    access: Access::Authenticated,
    activity: Activity::Active,
    on_stale: OnStale::Refuse,
    client: Client::Navigation,
    safety: Safety::Safe,
    login_page: LoginPage::Elsewhere,
};

struct Bench {
    proxy: Proxy,
    clock: Clock,
}

/// A gateway that starts so long before adoption is over.
fn started(before_the_end: Duration) -> Bench {
    let start = UNTIL.as_millis() - before_the_end.as_millis() as u64;
    let clock = Clock::manual(Timestamp::from_millis(start));
    let metrics = Arc::new(Metrics::new());
    let (events, _) = event_feed(&metrics);
    let telemetry = Telemetry {
        metrics,
        access: AccessLog::off(),
        events,
    };
    let proxy = Proxy::new(
        adopting(),
        empty_store(1_000_000),
        clock.clone(),
        Entropy::seeded(1),
        Arc::new(telemetry),
    );
    Bench { proxy, clock }
}

fn empty_store(sessions_max: usize) -> Arc<Store> {
    Arc::new(Store::Memory(MemoryStore::new(sessions_max)))
}

impl Bench {
    async fn ask(&self, cookies: &str) -> Decision {
        self.ask_from(OFFICE, cookies).await
    }

    async fn ask_from(&self, client: &str, cookies: &str) -> Decision {
        let request = Request::builder().uri("/").header(COOKIE, cookies);
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let peer = Arc::new(Peer {
            address: PeerAddress::new(client.parse().unwrap()),
            scheme: Scheme::Http,
            trusted: [].into(),
            alarm: Alarm::default(),
        });
        let mut exchange = Exchange::begin(&self.proxy, peer, &parts);
        let app = Arc::clone(&exchange.snapshot.apps[0]);
        let presented = carriers::presented(&parts, &app.app.shape).unwrap();
        let decided = self
            .proxy
            .decide(&mut exchange, &app, NAVIGATION, &presented);
        decided.await.unwrap()
    }

    async fn adopts(&self, cookies: &str) -> Live {
        let decision = self.ask(cookies).await;
        assert_eq!(decision.verdict, Verdict::Forward, "{cookies}");
        decision.live.unwrap()
    }

    async fn refuses(&self, cookies: &str, why: Stale) {
        let decision = self.ask(cookies).await;
        assert_eq!(decision.verdict, Verdict::Refuse(why), "{cookies}");
    }

    async fn record(&self, id: &str) -> Option<Record> {
        let found = self.proxy.store.look_up(&[self.sid(id)]).await.unwrap();
        found.records[0].clone()
    }

    fn sid(&self, id: &str) -> Sid {
        let snapshot = self.proxy.snapshot.load();
        let app = &snapshot.config.apps[0];
        let keys = &snapshot.config.keys;
        keys.sid(&app.namespace, &app.slot, id.as_bytes())
    }

    async fn events(&self) -> Vec<SessionEvent> {
        self.proxy.store.read_events(100).await.unwrap()
    }

    #[track_caller]
    fn counted(&self, count: u64) {
        let metrics = self.proxy.telemetry.metrics.render();
        let sample = format!("curfew_sessions_adopted_total{{app=\"shop\"}} {count}\n");
        assert!(metrics.contains(&sample), "{metrics}");
    }
}

#[tokio::test]
async fn an_unknown_id_becomes_a_login_that_nobody_saw() {
    let bench = started(40 * MINUTE);
    bench.counted(0);
    let live = bench.adopts("SID=old").await;
    let session = &live.session;
    assert!(session.is_authenticated());
    assert_eq!((session.user(), session.roles()), (None, [].as_slice()));
    assert_eq!(session.started, bench.clock.now());
    assert_eq!(session.until, Some(UNTIL));
    assert_eq!(live.limits.idle.after, 5 * MINUTE);
    assert_eq!(live.limits.absolute.after, 40 * MINUTE);
    assert_eq!(live.limits.absolute.rule, Rule::Adoption);
    bench.counted(1);

    bench.adopts("SID=old").await;
    bench.counted(1);
    let events = bench.events().await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].event, EventKind::Login);
    assert_eq!(events[0].reason.as_deref(), Some("adopted"));
    assert_eq!(events[0].client.as_deref(), Some(OFFICE));
}

#[tokio::test]
async fn the_sweeper_looks_when_its_idle_timeout_is_over() {
    let bench = started(40 * MINUTE);
    bench.adopts("SID=old").await;
    let due = async |at| bench.proxy.store.claim_due(at, MINUTE, 9).await.unwrap();
    let idle_end = bench.clock.now().plus(5 * MINUTE);
    let before = Timestamp::from_millis(idle_end.as_millis() - 1);
    assert_eq!(due(before).await, []);
    assert_eq!(due(idle_end).await, [bench.sid("old")]);
}

#[tokio::test]
async fn ids_are_adopted_until_the_instant() {
    let bench = started(Duration::from_millis(1));
    bench.adopts("SID=early").await;
    bench.clock.advance(Duration::from_millis(1));
    bench.refuses("SID=late", Stale::Unknown).await;
    assert_eq!(bench.record("late").await, None);
    let ended = Stale::Ended(EndReason::AbsoluteTimeout);
    bench.refuses("SID=early", ended).await;
}

#[tokio::test]
async fn without_a_date_nothing_is_adopted() {
    let bench = started(40 * MINUTE);
    let text = std::fs::read_to_string("config/examples/minimal.toml").unwrap();
    let config = load::parse_alone(&text, "minimal.toml").unwrap().config;
    bench.proxy.reload(Arc::new(config));
    bench.refuses("JSESSIONID=old", Stale::Unknown).await;
    bench.refuses("SID=old", Stale::NoSession).await;
}

#[tokio::test]
async fn a_dead_id_is_not_adopted() {
    let bench = started(40 * MINUTE);
    bench.adopts("SID=old").await;
    bench.clock.advance(5 * MINUTE);
    let ended = Stale::Ended(EndReason::IdleTimeout);
    bench.refuses("SID=old", ended).await;
    bench.refuses("SID=old", ended).await;
    bench.counted(1);
}

#[test]
fn a_tombstone_is_kept_until_no_id_is_adopted() {
    let config = adopting();
    let now = Timestamp::from_millis(1_000);
    assert_eq!(config.forget_at(true, now), UNTIL);
    let anonymous = now.plus(config.retention(false));
    assert_eq!(config.forget_at(false, now), anonymous);
    let later = UNTIL.plus(config.retention(true));
    assert_eq!(config.forget_at(true, UNTIL), later);
}

#[tokio::test]
async fn of_several_ids_none_is_adopted() {
    let bench = started(40 * MINUTE);
    bench.refuses("SID=one; SID=two", Stale::Unknown).await;
    bench.adopts("SID=one").await;
    bench.refuses("SID=one; SID=two", Stale::Unknown).await;
    assert_eq!(bench.record("two").await, None);
}

#[tokio::test]
async fn what_accompanies_it_is_bound_to_it() {
    let bench = started(40 * MINUTE);
    let live = bench.adopts("SID=old; ROUTE=a; remember-me=x").await;
    let names = live.session.companions.iter().map(|bound| &*bound.name);
    assert_eq!(names.collect::<Vec<_>>(), ["ROUTE", "remember-me"]);
    bench.refuses("SID=old; ROUTE=b", Stale::Foreign).await;
    bench.refuses("SID=old", Stale::Partial).await;
    bench.adopts("SID=old; ROUTE=a").await;
}

#[tokio::test]
async fn somebody_who_guesses_ids_reaches_a_cap_and_others_do_not() {
    let bench = started(40 * MINUTE);
    for n in 0..ADOPTIONS_MAX.per_client {
        bench.adopts(&format!("SID=guess-{n}")).await;
    }
    bench.refuses("SID=one-more", Stale::Unknown).await;
    assert_eq!(bench.record("one-more").await, None);
    bench.adopts("SID=guess-0").await;
    let other = bench.ask_from("192.0.2.18", "SID=old").await;
    assert_eq!(other.verdict, Verdict::Forward);
}

#[tokio::test]
async fn a_full_store_adopts_nothing() {
    let mut bench = started(40 * MINUTE);
    bench.proxy.store = empty_store(0);
    bench.refuses("SID=old", Stale::Unknown).await;
    bench.counted(0);
}

#[tokio::test]
async fn an_emptied_store_stops_it_until_the_date_is_changed() {
    let mut bench = started(40 * MINUTE);
    bench.adopts("SID=old").await;
    bench.clock.advance(MINUTE);
    bench.proxy.store = empty_store(9);
    bench.refuses("SID=old", Stale::Unknown).await;
    bench.refuses("SID=another", Stale::Unknown).await;
    bench.proxy.reload(adopting());
    bench.refuses("SID=another", Stale::Unknown).await;
    bench.proxy.reload(config("2026-12-01T00:00:01Z"));
    bench.adopts("SID=another").await;
}

#[tokio::test]
async fn a_gateway_that_adopted_nothing_yet_notices_it_too() {
    let mut bench = started(40 * MINUTE);
    look_once(&bench.proxy).await;
    bench.clock.advance(MINUTE);
    bench.proxy.store = empty_store(9);
    bench.refuses("SID=old", Stale::Unknown).await;
}

/// What the watch does each second.
async fn look_once(proxy: &Proxy) {
    let app = Arc::clone(&proxy.snapshot.load().apps[0]);
    let seen = proxy.look_at_mark(&app, proxy.clock.now()).await;
    assert_eq!(seen, Ok(Some(proxy.clock.now())));
}

#[tokio::test]
async fn an_adoption_that_broke_off_is_finished_by_the_next_request() {
    let bench = started(40 * MINUTE);
    let template = bench.adopts("SID=template").await.session;
    let session = Arc::new(Session {
        lineage: bench.proxy.entropy.lineage(),
        ..(*template).clone()
    });
    pending(&bench, "half", &session).await;
    let live = bench.adopts("SID=half").await;
    assert_eq!(live.session.lineage, session.lineage);
    let told: BTreeSet<String> = bench.events().await.into_iter().map(|e| e.id.0).collect();
    assert!(told.contains(&format!("{}-0-login", session.lineage)));
    assert_eq!(told.len(), 2);
}

#[tokio::test]
async fn another_pending_id_stays_pending() {
    let bench = started(40 * MINUTE);
    let template = bench.adopts("SID=template").await.session;
    let session = Arc::new(Session {
        until: None,
        ..(*template).clone()
    });
    pending(&bench, "login", &session).await;
    bench.refuses("SID=login", Stale::Unknown).await;
    let state = bench.record("login").await.map(|record| record.state);
    assert_eq!(state, Some(State::Pending));
}

async fn pending(bench: &Bench, id: &str, session: &Arc<Session>) {
    let new = NewSession {
        session: Arc::clone(session),
        last_active: bench.clock.now(),
        pending: true,
        forget_at: UNTIL,
    };
    let created = bench.proxy.store.create(bench.sid(id), new).await;
    assert_eq!(created, Ok(Created::Recorded));
}

#[tokio::test]
async fn a_cut_of_everything_covers_what_was_not_adopted_yet() {
    let bench = started(40 * MINUTE);
    bench.adopts("SID=old").await;
    bench.clock.advance(MINUTE);
    let (store, now) = (&bench.proxy.store, bench.clock.now());
    let beginning = Timestamp::from_millis(0);
    store.cut(Scope::All, now, beginning).await.unwrap();
    bench.clock.advance(MINUTE);
    let revoked = Stale::Ended(EndReason::Revoked);
    bench.refuses("SID=old", revoked).await;
    bench.refuses("SID=another", Stale::Unknown).await;
    assert_eq!(bench.record("another").await, None);
}

#[tokio::test]
async fn an_adopted_session_that_was_revoked_stays_dead() {
    let bench = started(40 * MINUTE);
    bench.adopts("SID=old").await;
    let record = bench.record("old").await.unwrap();
    let end = End {
        lineage: record.session.lineage,
        reason: EndReason::Revoked,
        at: bench.clock.now(),
        if_last_active: None,
        event: None,
        forget_at: UNTIL,
    };
    bench.proxy.store.end(bench.sid("old"), end).await.unwrap();
    let revoked = Stale::Ended(EndReason::Revoked);
    bench.refuses("SID=old", revoked).await;
}
