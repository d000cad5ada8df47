//! The words that the cases are written in.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use curfew::domain::identity::{Fingerprint, Lineage, Sid};
use curfew::domain::policy::{PolicyVersion, RoleName};
use curfew::domain::session::{
    Companion, CookieScope, EndReason, Login, Record, Session, State, UserName,
};
use curfew::domain::time::Timestamp;
use curfew::domain::token::{Token, TokenSeed};
use curfew::store::Store;
use curfew::store::event::{EventId, EventKind, LimitInForce, SessionEvent};
use curfew::store::op::{
    Activated, Activation, Amended, Amendment, Bound, Claim, Claimed, ClaimedBy, Created, End,
    Ended, InPlaceLogin, NewSession, Touched,
};

/// 2100-01-01.
const EPOCH: u64 = 4_102_444_800_000;

/// When a session that these words make is due.
pub(super) const DUE: Timestamp = at(1_000);

/// When everything may be forgotten: after the end of every case.
pub(super) const FORGET: Timestamp = at(1_000_000_000);

/// When a login over which the app kept its id takes place, and when it is due.
pub(super) const LOGIN: Timestamp = at(600);
pub(super) const LOGIN_DUE: Timestamp = at(1_600);

const ANSWERS: &str = "a store under test answers";

/// The instant so many milliseconds after a case began.
pub(super) const fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(EPOCH + millis)
}

/// The `n`th id, as uniform as a keyed hash.
pub(super) fn sid(n: u64) -> Sid {
    Sid::from_bytes(name(n))
}

/// The lineage that the `n`th id begins.
pub(super) fn lineage(n: u64) -> Lineage {
    Lineage::from_bytes(name(n | 1 << 62))
}

/// Sixteen bytes that differ in every place (splitmix64).
fn name(n: u64) -> [u8; 16] {
    let mixed = |n: u64| {
        let z = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u128::from(z ^ (z >> 31))
    };
    (mixed(2 * n) << 64 | mixed(2 * n + 1)).to_be_bytes()
}

/// What stays of a visitor's session.
pub(super) fn anonymous(n: u64) -> Session {
    Session {
        lineage: lineage(n),
        generation: 0,
        app: "procurement".into(),
        started: at(0),
        until: None,
        login: None,
        device: None,
        policy: PolicyVersion(7),
        companions: Vec::new(),
        scopes: Vec::new(),
        token: None,
        would_have_ended: Default::default(),
    }
}

/// What stays of a session with a login, admitted when it started.
pub(super) fn authenticated(n: u64) -> Session {
    Session {
        login: Some(Login {
            admitted: at(0),
            user: UserName::new("buyer-1"),
            groups: Vec::new(),
            roles: vec![RoleName::new("buyer")],
            roles_learned: at(0),
            is_doubtful: false,
        }),
        ..anonymous(n)
    }
}

/// A session that uses every field.
pub(super) fn elaborate(n: u64) -> Session {
    let names = |names: &[&str]| names.iter().map(|name| (*name).into()).collect();
    let fingerprint = |byte| Fingerprint::from_bytes([byte; 16]);
    let scope = |name: &str, path: Option<&str>, domain: Option<&str>| CookieScope {
        name: name.into(),
        path: path.map(Into::into),
        domain: domain.map(Into::into),
    };
    Session {
        generation: 3,
        until: Some(at(70_000)),
        login: Some(Login {
            admitted: at(5),
            user: UserName::new("Käufer \"1\" {}"),
            groups: names(&["purchasing", "", "a, b"]),
            roles: vec![RoleName::new("buyer"), RoleName::new("approver")],
            roles_learned: at(6),
            is_doubtful: true,
        }),
        device: Some("desktop".into()),
        policy: PolicyVersion(u32::MAX),
        companions: vec![
            Companion {
                name: "remember-me".into(),
                current: fingerprint(0),
                previous: Some(fingerprint(255)),
            },
            Companion {
                name: "route".into(),
                current: fingerprint(10),
                previous: None,
            },
        ],
        scopes: vec![
            scope("JSESSIONID", Some("/procurement"), Some("example.com")),
            scope("route", None, None),
        ],
        token: Some(Token {
            seed: TokenSeed::from_bytes([13; 16]),
            number: 7,
            since: at(14),
            offered: Some(at(15)),
        }),
        ..anonymous(n)
    }
}

/// A record to be created, last active when the case began.
pub(super) fn new(session: Session) -> NewSession {
    NewSession {
        session: Arc::new(session),
        last_active: at(0),
        pending: false,
        forget_at: FORGET,
    }
}

/// The same, pending.
pub(super) fn pending(session: Session) -> NewSession {
    NewSession {
        pending: true,
        ..new(session)
    }
}

/// An event of the `n`th lineage; its name says of what.
pub(super) fn event(n: u64, kind: EventKind, reason: Option<EndReason>) -> SessionEvent {
    let word = reason.map(|reason| reason.as_str().to_owned());
    let limit = |after_ms| LimitInForce {
        after_ms,
        rule: "role buyer".into(),
    };
    SessionEvent {
        id: EventId(format!("{n}-{kind:?}-{word:?}")),
        event: kind,
        at_ms: at(1).as_millis(),
        lineage: lineage(n).to_string(),
        app: "procurement".into(),
        user: Some("buyer-1".into()),
        roles: vec!["buyer".into()],
        reason: word,
        client: None,
        device: None,
        device_before: None,
        age_ms: 1,
        idle_ms: 1,
        idle_timeout: limit(1_000),
        absolute_timeout: limit(9_000),
        max_sessions: None,
        policy: PolicyVersion(7).to_string(),
    }
}

/// The event of a login.
pub(super) fn login_event(n: u64) -> SessionEvent {
    event(n, EventKind::Login, None)
}

/// The event of an end.
pub(super) fn end_event(n: u64, reason: EndReason) -> SessionEvent {
    event(n, EventKind::End, Some(reason))
}

/// An end that nothing stops, of the `n`th lineage.
pub(super) fn end_for(n: u64, reason: EndReason) -> End {
    End {
        lineage: lineage(n),
        reason,
        at: at(500),
        if_last_active: None,
        event: Some(Box::new(end_event(n, reason))),
        forget_at: FORGET,
    }
}

/// The idle end of the `n`th lineage, judged by a last activity.
pub(super) fn idle_end(n: u64, if_last_active: Timestamp) -> End {
    End {
        if_last_active: Some(if_last_active),
        ..end_for(n, EndReason::IdleTimeout)
    }
}

/// The end of the `n`th lineage, of which nobody is told: an anonymous session, or a burial.
pub(super) fn silent_end(n: u64, reason: EndReason) -> End {
    End {
        event: None,
        ..end_for(n, reason)
    }
}

/// A handover of the `n`th lineage's id in silence.
pub(super) fn succession(n: u64, successor: Sid) -> Claim {
    Claim {
        lineage: lineage(n),
        successor,
        at: at(400),
        by: ClaimedBy::Succession,
    }
}

/// A login over the `n`th lineage.
pub(super) fn login_over(n: u64, successor: Sid) -> Claim {
    let event = end_event(n, EndReason::Reauthenticated);
    Claim {
        by: ClaimedBy::Login(Box::new(event)),
        ..succession(n, successor)
    }
}

/// The activation of a rotation's successor.
pub(super) fn rotated(last_active: Timestamp) -> Activation {
    Activation {
        last_active,
        due: Some(DUE),
        event: None,
    }
}

/// The activation of the `n`th lineage's login.
pub(super) fn logged_in(n: u64) -> Activation {
    Activation {
        event: Some(Box::new(login_event(n))),
        ..rotated(at(0))
    }
}

/// What stays of the `n`th lineage from now on.
pub(super) fn bound(n: u64, session: Session) -> Bound {
    Bound {
        lineage: lineage(n),
        session: Arc::new(session),
        login: None,
    }
}

/// A login that the `n`th lineage's id went through, and that begins the `next`th.
pub(super) fn in_place(n: u64, next: u64) -> Bound {
    let login = InPlaceLogin {
        last_active: LOGIN,
        due: LOGIN_DUE,
        forget_at: FORGET,
        events: vec![login_event(next)],
    };
    let session = Session {
        generation: 1,
        started: LOGIN,
        ..authenticated(next)
    };
    Bound {
        login: Some(Box::new(login)),
        ..bound(n, session)
    }
}

/// A store under test. After each of its steps the count of the living is true.
pub(super) struct Tested {
    store: Store,
    created: Mutex<BTreeSet<Sid>>,
}

impl Tested {
    pub(super) fn new(store: Store) -> Self {
        Self {
            store,
            created: Mutex::default(),
        }
    }

    /// The store itself, for what several tasks do at once.
    pub(super) fn bare(&self) -> &Store {
        &self.store
    }

    /// That `alive` counts exactly the living authenticated sessions that the case created.
    pub(super) async fn count_is_true(&self) {
        let created = self.created.lock().expect("no case panics here").clone();
        let sids: Vec<Sid> = created.into_iter().collect();
        let found = self.store.look_up(&sids).await.expect(ANSWERS);
        let alive = found
            .records
            .iter()
            .flatten()
            .filter(|record| record.state == State::Alive && record.session.is_authenticated());
        let counted = self.store.alive().await.expect(ANSWERS);
        assert_eq!(counted, alive.count() as u64, "the living");
    }

    /// Notes an id that a case creates behind its back.
    pub(super) fn note(&self, sid: Sid) {
        self.created
            .lock()
            .expect("no case panics here")
            .insert(sid);
    }

    pub(super) async fn create(&self, sid: Sid, new: NewSession) -> Created {
        self.note(sid);
        let created = self.store.create(sid, new).await.expect(ANSWERS);
        self.count_is_true().await;
        created
    }

    pub(super) async fn touch(&self, sid: Sid, at: Timestamp) -> Touched {
        let touched = self.store.touch(sid, at).await.expect(ANSWERS);
        self.count_is_true().await;
        touched
    }

    pub(super) async fn claim(&self, sid: Sid, claim: Claim) -> Claimed {
        let claimed = self.store.claim(sid, claim).await.expect(ANSWERS);
        self.count_is_true().await;
        claimed
    }

    pub(super) async fn activate(&self, sid: Sid, as_: Activation) -> Activated {
        let activated = self.store.activate(sid, as_).await.expect(ANSWERS);
        self.count_is_true().await;
        activated
    }

    pub(super) async fn end(&self, sid: Sid, end: End) -> Ended {
        let ended = self.store.end(sid, end).await.expect(ANSWERS);
        self.count_is_true().await;
        ended
    }

    pub(super) async fn bind(&self, sid: Sid, bound: Bound) -> Touched {
        let touched = self.store.bind(sid, bound).await.expect(ANSWERS);
        self.count_is_true().await;
        touched
    }

    pub(super) async fn amend(&self, sid: Sid, amendment: Amendment) -> Amended {
        let amended = self.store.amend(sid, amendment).await.expect(ANSWERS);
        self.count_is_true().await;
        amended
    }

    pub(super) async fn claim_due(&self, now: Timestamp, lease: Duration, max: usize) -> Vec<Sid> {
        let mut due = self.store.claim_due(now, lease, max).await.expect(ANSWERS);
        self.count_is_true().await;
        due.sort_unstable();
        due
    }

    /// Who is due, told by a lease so short that they are due again a millisecond later.
    pub(super) async fn due(&self, now: Timestamp) -> Vec<Sid> {
        self.claim_due(now, Duration::from_millis(1), 1_000).await
    }

    pub(super) async fn rearm(&self, sid: Sid, at: Timestamp) {
        self.store.rearm(sid, at).await.expect(ANSWERS);
        self.count_is_true().await;
    }

    pub(super) async fn rearm_all(&self, now: Timestamp) {
        self.store.rearm_all(now).await.expect(ANSWERS);
        self.count_is_true().await;
    }

    pub(super) async fn alive(&self) -> u64 {
        self.store.alive().await.expect(ANSWERS)
    }

    pub(super) async fn record(&self, sid: Sid) -> Option<Record> {
        let found = self.store.look_up(&[sid]).await.expect(ANSWERS);
        assert_eq!(found.records.len(), 1);
        found.records.into_iter().flatten().next()
    }

    /// The ids of the `n`th lineage.
    pub(super) async fn ids_of(&self, n: u64) -> Vec<Sid> {
        let mut ids = self.store.ids_of(lineage(n)).await.expect(ANSWERS);
        ids.sort_unstable();
        ids
    }

    pub(super) async fn state(&self, sid: Sid) -> Option<State> {
        self.record(sid).await.map(|record| record.state)
    }

    pub(super) async fn last_active(&self, sid: Sid) -> Option<Timestamp> {
        self.record(sid).await.map(|record| record.last_active)
    }

    pub(super) async fn events(&self, max: usize) -> Vec<SessionEvent> {
        self.store.read_events(max).await.expect(ANSWERS)
    }

    pub(super) async fn acknowledge(&self, events: &[SessionEvent]) {
        let ids: Vec<EventId> = events.iter().map(|event| event.id.clone()).collect();
        self.store.acknowledge(&ids).await.expect(ANSWERS);
    }

    pub(super) async fn events_pending(&self) -> u64 {
        self.store.events_pending().await.expect(ANSWERS)
    }

    /// Reads and acknowledges all events.
    pub(super) async fn drain(&self) -> Vec<SessionEvent> {
        let mut drained = Vec::new();
        loop {
            let events = self.events(100).await;
            if events.is_empty() {
                break;
            }
            self.acknowledge(&events).await;
            drained.extend(events);
        }
        assert_eq!(self.events_pending().await, 0);
        drained
    }

    /// The `n`th visitor, alive.
    pub(super) async fn visitor(&self, n: u64) -> Sid {
        let created = self.create(sid(n), new(anonymous(n))).await;
        assert_eq!(created, Created::Recorded);
        sid(n)
    }

    /// The `n`th id, pending a login.
    pub(super) async fn pending(&self, n: u64) -> Sid {
        let created = self.create(sid(n), pending(authenticated(n))).await;
        assert_eq!(created, Created::Recorded);
        sid(n)
    }

    /// The `n`th user, logged in; the login's event is waiting.
    pub(super) async fn user(&self, n: u64) -> Sid {
        self.pending(n).await;
        assert_eq!(self.activate(sid(n), logged_in(n)).await, Activated::Yes);
        sid(n)
    }
}
