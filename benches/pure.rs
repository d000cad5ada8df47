//! What the pure parts of one request cost: the id's name, the limits, the decision, the store.
//!
//! `cargo bench --bench pure`. Carriers, paths and heads are `proxy`'s own and cannot be reached
//! from here; `benches/compare` measures them as part of the whole.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use curfew::domain::access::{Access, Activity, Client, LoginPage, OnStale, RequestFacts, Safety};
use curfew::domain::cuts::Cuts;
use curfew::domain::decide::{Company, Decision, Found, Rules, decide};
use curfew::domain::identity::{Keyring, Lineage, Sid};
use curfew::domain::limits::{Bounds, Limits};
use curfew::domain::policy::{Policy, PolicyVersion, Role, RoleName};
use curfew::domain::resolve::{Facts, Holder, Setting};
use curfew::domain::session::{CookieScope, Login, Record, Session, State, UserName};
use curfew::domain::time::Timestamp;
use curfew::domain::token::Standing;
use curfew::store::memory::MemoryStore;
use curfew::store::op::{NewSession, Touched};
use curfew::store::{LookUp, Store};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

/// When everything happens.
const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// A buyer's idle timeout.
const IDLE: Duration = Duration::from_secs(15 * 60);

/// Records in the store that is asked.
const SESSIONS: u32 = 100_000;

/// One id, and the bound of a request.
const IDS: [usize; 2] = [1, 8];

#[divan::bench(args = [1, 3])]
fn sids_under_keys(bencher: Bencher<'_, '_>, keys: usize) {
    let secrets = ["first", "second", "third"].map(str::as_bytes);
    let keyring = Keyring::new(secrets.into_iter().take(keys)).expect("there is a key");
    let id = b"0123456789ABCDEF0123456789ABCDEF";
    bencher.bench(|| {
        keyring
            .sids("procurement", "id", black_box(id))
            .fold(0, |all, sid| all ^ sid.as_bytes()[0])
    });
}

#[divan::bench]
fn resolve_a_buyer(bencher: Bencher<'_, '_>) {
    let policy = policy();
    let held = [RoleName::new("buyer")];
    bencher.bench(|| -> Limits {
        policy.resolve(Facts {
            holder: Holder::Authenticated(black_box(&held)),
            recorded: None,
            setting: Setting::default(),
        })
    });
}

#[divan::bench(args = IDS)]
fn decide_live(bencher: Bencher<'_, '_>, ids: usize) {
    bench_decide(bencher, &found(ids, NOW));
}

#[divan::bench(args = IDS)]
fn decide_idle(bencher: Bencher<'_, '_>, ids: usize) {
    let long_ago = Timestamp::from_millis(NOW.as_millis() - IDLE.as_millis() as u64);
    bench_decide(bencher, &found(ids, long_ago));
}

fn bench_decide(bencher: Bencher<'_, '_>, found: &[Found]) {
    let (policy, cuts) = (policy(), Cuts::default());
    let rules = Rules {
        policy: &policy,
        setting: Setting::default(),
        cuts: &cuts,
        now: NOW,
    };
    bencher.bench(|| -> Decision { decide(rules, facts(), black_box(found)) });
}

#[divan::bench(args = IDS)]
fn memory_look_up(bencher: Bencher<'_, '_>, ids: usize) {
    let store = store();
    let mut turn = 0;
    bencher
        .with_inputs(|| {
            turn = (turn + ids as u32) % SESSIONS;
            (turn..turn + ids as u32).map(sid).collect::<Vec<_>>()
        })
        .bench_local_refs(|sids| -> LookUp { at_once(store.look_up(sids)) });
}

#[divan::bench]
fn memory_touch(bencher: Bencher<'_, '_>) {
    let store = store();
    let mut turn = 0;
    bencher
        .with_inputs(|| {
            turn = (turn + 1) % SESSIONS;
            sid(turn)
        })
        .bench_local_values(|sid| -> Touched { at_once(store.touch(sid, NOW)) });
}

#[divan::bench(sample_count = 1000, sample_size = 100)]
fn memory_create(bencher: Bencher<'_, '_>) {
    let store = store();
    let mut turn = SESSIONS;
    bencher
        .with_inputs(|| {
            turn += 1;
            (sid(turn), new_session(turn))
        })
        .bench_local_values(|(sid, new)| at_once(store.create(sid, new)));
}

/// The memory store answers without waiting.
fn at_once<T, E: std::fmt::Debug>(answer: impl Future<Output = Result<T, E>>) -> T {
    match pin!(answer).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer.expect("the memory store does not fail"),
        Poll::Pending => unreachable!("the memory store does not wait"),
    }
}

fn store() -> Store {
    let store = Store::Memory(MemoryStore::new(usize::MAX));
    for number in 0..SESSIONS {
        at_once(store.create(sid(number), new_session(number)));
    }
    store
}

fn new_session(number: u32) -> NewSession {
    NewSession {
        session: Arc::new(session(number)),
        last_active: NOW,
        pending: false,
        forget_at: NOW.plus(Duration::from_secs(24 * 3600)),
    }
}

fn found(ids: usize, last_active: Timestamp) -> Vec<Found> {
    let session = Arc::new(session(0));
    let found = (0..ids as u32).map(|number| Found {
        sid: sid(number),
        record: Some(Record {
            session: Arc::clone(&session),
            last_active,
            state: State::Alive,
        }),
        company: Company::Whole,
        token: Standing::Holds,
    });
    found.collect()
}

fn session(number: u32) -> Session {
    let started = Timestamp::from_millis(NOW.as_millis() - 3_600_000);
    Session {
        lineage: Lineage::from_bytes(name(!number)),
        generation: 0,
        app: "procurement".into(),
        started,
        until: None,
        login: Some(Login {
            admitted: started,
            user: UserName::new(&format!("buyer-{number}")),
            groups: Vec::new(),
            roles: vec![RoleName::new("buyer")],
            roles_learned: started,
            is_doubtful: false,
        }),
        device: None,
        policy: PolicyVersion(1),
        companions: Vec::new(),
        scopes: vec![CookieScope {
            name: "JSESSIONID".into(),
            path: Some("/".into()),
            domain: None,
        }],
        token: None,
        would_have_ended: Default::default(),
    }
}

fn sid(number: u32) -> Sid {
    Sid::from_bytes(name(number))
}

/// Spread like hashes are, so that shards fill evenly.
fn name(number: u32) -> [u8; 16] {
    let spread = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    spread.to_be_bytes()
}

fn policy() -> Policy {
    let role = |name: &str, idle| Role {
        name: RoleName::new(name),
        idle,
        absolute: Duration::from_secs(8 * 3600),
        users: Default::default(),
        groups: Default::default(),
        ..Role::default()
    };
    Policy {
        version: PolicyVersion(1),
        ceiling: Bounds::default(),
        anonymous_idle: IDLE,
        anonymous_absolute: 2 * IDLE,
        roles: vec![role("approver", IDLE / 3), role("buyer", IDLE)],
        ..Policy::default()
    }
}

fn facts() -> RequestFacts {
    RequestFacts {
        access: Access::Authenticated,
        activity: Activity::Active,
        on_stale: OnStale::Refuse,
        client: Client::Script,
        safety: Safety::Safe,
        login_page: LoginPage::Elsewhere,
    }
}
