//! Gateways in miniature over one store, whose writes land late and in any order.

mod land;
mod made;

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::time::Duration;

use curfew::domain::access::{Access, Activity, Client, LoginPage, OnStale, RequestFacts, Safety};
use curfew::domain::cuts::Scope;
use curfew::domain::decide::{Company, Decision, Found, Rules, Verdict, Write, decide};
use curfew::domain::policy::Policy;
use curfew::domain::resolve::Setting;
use curfew::domain::session::{EndReason, Phase, Record};
use curfew::domain::token::Standing;
use curfew::store::event::EventId;
use curfew::store::memory::MemoryStore;
use curfew::store::op::Created;
use curfew::store::{LookUp, Store};

use crate::dice::Dice;
use crate::model::{LIMITS, Life, Model, Stands};
use land::Flight;
use made::{lineage, policy, sid, ts, user_name};

const ANSWERS: &str = "the store in memory always answers";

/// Events read at a time, at most.
const READ_MAX: usize = 10;

pub(super) struct World {
    seed: u64,
    step: usize,
    dice: Dice,
    now: u64,
    store: Store,
    policy: Policy,
    model: Model,
    flights: Vec<Flight>,
    /// Events that the store must still tell, oldest first: whose, and the reason of an end.
    untold: VecDeque<(usize, Option<EndReason>)>,
    told: Vec<(usize, Option<EndReason>)>,
    pub(super) trace: Vec<String>,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            step: 0,
            dice: Dice::new(seed),
            now: 1_000_000,
            store: Store::Memory(MemoryStore::new(100_000)),
            policy: policy(),
            model: Model::default(),
            flights: Vec::new(),
            untold: VecDeque::new(),
            told: Vec::new(),
            trace: Vec::new(),
        }
    }

    pub(super) async fn run(&mut self, steps: usize) {
        for step in 0..steps {
            self.step = step;
            self.one_step().await;
            let alive = self.store.alive().await.expect(ANSWERS);
            self.agree("the living", alive, self.model.alive() as u64);
        }
        self.finish().await;
    }

    async fn one_step(&mut self) {
        match self.dice.below(40) {
            0..=3 => self.wait(),
            4 => self.visit().await,
            5..=6 => self.log_in().await,
            7 => self.rotate().await,
            8..=15 => self.request(Activity::Active).await,
            16..=19 => self.request(Activity::Passive).await,
            20 => self.log_out(),
            21 if self.dice.below(3) == 0 => self.revoke(),
            22 if self.dice.below(10) == 0 => self.cut().await,
            23..=24 => self.sweep(5).await,
            25 => self.tell().await,
            26 => self.meddle().await,
            _ => self.land().await,
        }
    }

    /// That both agree; where not, how to see it again.
    #[track_caller]
    fn agree<T: PartialEq + Debug>(&mut self, what: &str, is: T, must_be: T) {
        let Self { seed, step, .. } = self;
        assert!(
            is == must_be,
            "seed {seed}, step {step}: {what} is {is:?} and must be {must_be:?}; \
             replay with SIM_SEED={seed}. The last of its trace:\n{}",
            self.trace[self.trace.len().saturating_sub(30)..].join("\n")
        );
        self.trace.push(format!("  {what} is {is:?}"));
    }

    fn note(&mut self, what: &str, with: impl Debug) {
        let Self { step, now, .. } = self;
        self.trace.push(format!("{step} at {now}: {what} {with:?}"));
    }

    /// Any id that was ever issued: often a living one, seldom one that died long ago.
    fn any_id(&mut self) -> Option<usize> {
        let ids = &self.model.ids;
        let living: Vec<usize> = (0..ids.len())
            .filter(|id| ids[*id].1 == Stands::Alive)
            .collect();
        let late = ids.len().min(12);
        match self.dice.below(6) {
            _ if late == 0 => None,
            0 => Some(self.dice.below(ids.len())),
            1..=2 => Some(ids.len() - 1 - self.dice.below(late)),
            _ if living.is_empty() => None,
            _ => Some(self.dice.pick(&living)),
        }
    }

    /// Lets a little time pass, or all of it up to the very edge of somebody's limit.
    fn wait(&mut self) {
        let mut then = self.now + self.dice.pick(&[0, 1, 10, 100, 500, 1_000]);
        if self.dice.below(8) == 0
            && let Some(id) = self.any_id()
        {
            let life = self.model.life(id);
            let (idle, absolute) = LIMITS[life.user];
            let edges = [life.last_active + idle, life.started + absolute];
            then = self.dice.pick(&edges) + self.dice.below(3) as u64 - 1;
        }
        self.now = self.now.max(then);
        self.note("wait", ());
    }

    async fn issue(&mut self, life: usize, stands: Stands) -> usize {
        let id = self.model.ids.len();
        self.model.ids.push((life, stands));
        let new = self.new_session(life, stands);
        let created = self.store.create(sid(id), new).await.expect(ANSWERS);
        self.agree("the creation", created, Created::Recorded);
        id
    }

    fn begin(&mut self, user: usize) -> usize {
        self.model.lives.push(Life {
            user,
            started: self.now,
            last_active: self.now,
        });
        self.model.lives.len() - 1
    }

    async fn visit(&mut self) {
        let life = self.begin(0);
        let id = self.issue(life, Stands::Alive).await;
        self.note("visit", id);
    }

    async fn log_in(&mut self) {
        let user = self.dice.pick(&[1, 2]);
        let old = self.any_id();
        let life = self.begin(user);
        let new = self.issue(life, Stands::Pending).await;
        self.note("login", (old, new));
        self.flights.push(match old {
            Some(old) => Flight::Claim { old, new },
            None => self.activation(new, self.now),
        });
    }

    async fn rotate(&mut self) {
        let Some(old) = self.any_id() else { return };
        let new = self.issue(self.model.ids[old].0, Stands::Pending).await;
        self.note("rotation", (old, new));
        self.flights.push(Flight::Claim { old, new });
    }

    /// A request for a protected page: the domain and the shadow must say the same.
    async fn request(&mut self, activity: Activity) {
        let Some(id) = self.any_id() else { return };
        let record = self.record(id).await;
        let last_active = record.last_active.as_millis();
        if self.model.ids[id].1 == Stands::Alive {
            self.agree(
                "the last activity",
                last_active,
                self.model.life(id).last_active,
            );
        }
        let decision = self.decide(id, record, activity).await;
        self.note("request", (id, activity, decision.verdict));
        self.agree(
            "the verdict",
            decision.verdict,
            self.model.verdict(id, self.now),
        );
        let due = self.model.due(id, self.now);
        let write = match (self.model.ids[id].1, due, decision.verdict) {
            (Stands::Alive, Some(reason), _) => Write::End(vec![(sid(id), reason)]),
            (_, _, Verdict::Forward) if activity == Activity::Active => Write::Touch(sid(id)),
            _ => Write::Nothing,
        };
        self.agree("the write", &decision.write, &write);
        match write {
            Write::Touch(_) => self.flights.push(Flight::Touch { id, at: self.now }),
            Write::End(ends) => self.notice(id, ends[0].1, last_active),
            Write::Nothing => {}
        }
    }

    fn notice(&mut self, id: usize, reason: EndReason, last_active: u64) {
        let judged = (reason == EndReason::IdleTimeout).then_some(last_active);
        let life = self.model.ids[id].0;
        self.flights.push(Flight::End {
            id,
            life,
            reason,
            judged,
        });
    }

    fn log_out(&mut self) {
        let Some(id) = self.any_id() else { return };
        if self.model.verdict(id, self.now) == Verdict::Forward {
            self.end_at_once(id, EndReason::Logout);
        }
    }

    /// A pending id is reached by following the one it succeeds, so that its lineage ends once.
    fn revoke(&mut self) {
        if let Some(id) = self.any_id()
            && self.model.ids[id].1 != Stands::Pending
        {
            self.end_at_once(id, EndReason::Revoked);
        }
    }

    fn end_at_once(&mut self, id: usize, reason: EndReason) {
        self.note("end", (id, reason));
        self.flights.push(Flight::End {
            id,
            life: self.model.ids[id].0,
            reason,
            judged: None,
        });
    }

    async fn cut(&mut self) {
        let user = self.dice.pick(&[None, Some(1), Some(2)]);
        let scope = user.map_or(Scope::All, |user| Scope::User(user_name(user)));
        let horizon = self.now - LIMITS[1].1;
        self.model.cuts.retain(|cut| cut.1 >= horizon);
        self.model.cuts.push((user, self.now));
        self.note("cut", user);
        let horizon = ts(horizon);
        self.store
            .cut(scope, ts(self.now), horizon)
            .await
            .expect(ANSWERS);
        self.store.rearm_all(ts(self.now)).await.expect(ANSWERS);
    }

    /// The sweeper: whoever it is handed lives, is authenticated, and is ended or put off.
    async fn sweep(&mut self, max: usize) {
        let lease = Duration::from_secs(5);
        let due = self.store.claim_due(ts(self.now), lease, max).await;
        for sid in due.expect(ANSWERS) {
            let id = (0..self.model.ids.len()).find(|id| self::sid(*id) == sid);
            let id = id.expect("the store hands out what was issued");
            self.agree("the handed out", self.model.ids[id].1, Stands::Alive);
            let record = self.record(id).await;
            let cuts = self.look_up(id).await.cuts;
            let phase = record.phase(&self.policy, Setting::default(), &cuts, ts(self.now));
            self.note("sweep", (id, &phase));
            match phase {
                Phase::Live { left, .. } => {
                    self.agree("the due", None, self.model.due(id, self.now));
                    let at = ts(self.now).plus(left);
                    self.store.rearm(sid, at).await.expect(ANSWERS);
                }
                Phase::Due(reason) => {
                    self.agree("the due", Some(reason), self.model.due(id, self.now));
                    self.notice(id, reason, record.last_active.as_millis());
                }
                other => self.agree("the phase", Some(other), None),
            }
        }
    }

    /// Audit: the events come in the order of the writes, none twice.
    async fn tell(&mut self) {
        let events = self.store.read_events(READ_MAX).await.expect(ANSWERS);
        for event in &events {
            let must_be = self.untold.pop_front();
            let life = (0..self.model.lives.len())
                .find(|life| lineage(*life).to_string() == event.lineage);
            let life = life.expect("an event tells of a lineage that began");
            let reason = event.reason.as_deref().and_then(EndReason::from_word);
            self.agree("the event", Some((life, reason)), must_be);
            self.told.push((life, reason));
        }
        let ids: Vec<EventId> = events.into_iter().map(|event| event.id).collect();
        self.store.acknowledge(&ids).await.expect(ANSWERS);
        self.note("told", ids.len());
    }

    /// What a slow or confused gateway might do to any id.
    async fn meddle(&mut self) {
        let Some(id) = self.any_id() else { return };
        self.note("meddle", id);
        let new = self.new_session(self.model.ids[id].0, Stands::Alive);
        let created = self.store.create(sid(id), new).await.expect(ANSWERS);
        self.agree("the creation", created, Created::Taken);
        if self.model.ids[id].1 != Stands::Pending {
            self.flights.push(self.activation(id, self.now));
        }
        // Late: it was under way since before the last activity.
        let at = self.model.life(id).last_active - 1;
        self.flights.push(Flight::Touch { id, at });
    }

    /// When everything has landed and all time has passed, every login was told and ended once.
    async fn finish(&mut self) {
        while !self.flights.is_empty() {
            self.land().await;
        }
        self.now += 1_000_000;
        self.sweep(usize::MAX).await;
        while !self.flights.is_empty() {
            self.land().await;
        }
        let alive = self.store.alive().await.expect(ANSWERS);
        self.agree("the living", alive, 0);
        while !self.untold.is_empty() {
            self.tell().await;
        }
        let pending = self.store.events_pending().await.expect(ANSWERS);
        self.agree("the waiting events", pending, 0);
        let mut of_life = BTreeMap::<usize, (usize, usize)>::new();
        for (life, reason) in &self.told {
            let (logins, ends) = of_life.entry(*life).or_default();
            *if reason.is_some() { ends } else { logins } += 1;
        }
        for (life, (logins, ends)) in of_life {
            let what = format!("the ends of life {life} after {logins} logins");
            self.agree(&what, (logins <= 1, ends), (true, 1));
        }
    }

    async fn look_up(&self, id: usize) -> LookUp {
        self.store.look_up(&[sid(id)]).await.expect(ANSWERS)
    }

    async fn record(&self, id: usize) -> Record {
        let record = self.look_up(id).await.records.remove(0);
        record.expect("what was issued is recorded")
    }

    async fn decide(&self, id: usize, record: Record, activity: Activity) -> Decision {
        let rules = Rules {
            policy: &self.policy,
            setting: Setting::default(),
            cuts: &self.look_up(id).await.cuts,
            now: ts(self.now),
        };
        let facts = RequestFacts {
            access: Access::Authenticated,
            activity,
            on_stale: OnStale::Refuse,
            client: Client::Script,
            safety: Safety::Unsafe,
            login_page: LoginPage::Elsewhere,
        };
        let found = Found {
            sid: sid(id),
            record: Some(record),
            company: Company::Whole,
            token: Standing::Holds,
        };
        decide(rules, facts, &[found])
    }
}
