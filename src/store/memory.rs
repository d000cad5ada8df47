//! The store in this process.
//!
//! Every operation on one id holds the lock of that id's shard and is therefore one step; an
//! event is appended under the same lock as the write that it tells of. No lock is held for
//! longer than a walk over one shard, and none across a wait.
//!
//! At its bound it refuses new ids; what is alive, and what was dead, stays.

mod kept;
mod outbox;
mod packed;
mod seats;
mod shard;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::task::yield_now;

use crate::domain::cuts::{Cuts, Scope};
use crate::domain::identity::{Lineage, Sid};
use crate::domain::time::Timestamp;

use self::outbox::Outbox;
use self::seats::UserSeats;
use self::shard::Shard;
use super::LookUp;
use super::event::{EventId, SessionEvent};
use super::op::{
    Activated, Activation, Amended, Amendment, Bound, Claim, Claimed, ClaimedBy, Created, End,
    Ended, NewSession, Touched,
};

/// One for each value of a sid's first byte, so that cores seldom wait for each other.
const SHARDS: usize = 256;

/// Shards that one `claim_due` tidies. At one call a second, each is tidied every 16 seconds.
const TIDIED_AT_ONCE: usize = 16;

/// Sessions, tombstones, cuts and the outbox, in memory.
pub struct MemoryStore {
    shards: Vec<Mutex<Shard>>,
    sessions_max: usize,
    sessions: AtomicUsize,
    cuts: ArcSwap<Cuts>,
    seats: UserSeats,
    outbox: Mutex<Outbox>,
    /// One for each app of the configuration that adopts, at most.
    adoptions: Mutex<HashMap<Box<str>, Timestamp>>,
    /// The instant of the last `claim_due`, in milliseconds. What may be forgotten is judged by
    /// it: the sweeper calls every second, and garbage may well lie about for a second.
    swept_ms: AtomicU64,
    /// The shard with which the next `claim_due` begins, so that none is favoured.
    turn: AtomicUsize,
}

impl MemoryStore {
    /// An empty store that holds at most `sessions_max` records, tombstones included.
    pub fn new(sessions_max: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            sessions_max,
            sessions: AtomicUsize::new(0),
            cuts: ArcSwap::default(),
            seats: UserSeats::new(),
            outbox: Mutex::default(),
            adoptions: Mutex::default(),
            swept_ms: AtomicU64::new(0),
            turn: AtomicUsize::new(0),
        }
    }

    /// How many events were dropped because nobody acknowledged the `OUTBOX_MAX` before them.
    pub fn events_dropped(&self) -> u64 {
        lock(&self.outbox).dropped()
    }

    /// The cuts are read after the records, so that a cut made meanwhile is seen.
    pub(super) fn look_up(&self, sids: &[Sid]) -> LookUp {
        let records = sids.iter().map(|sid| self.shard(*sid).record(*sid));
        LookUp {
            records: records.collect(),
            cuts: self.cuts.load_full(),
        }
    }

    /// A walk over all records, since an index would cost every session what is seldom asked for.
    /// Others have their turn between two shards.
    pub(super) async fn ids_of(&self, lineage: Lineage) -> Vec<Sid> {
        let mut found = Vec::new();
        for shard in &self.shards {
            lock(shard).add_ids_of(lineage, &mut found);
            yield_now().await;
        }
        found
    }

    pub(super) fn touch(&self, sid: Sid, at: Timestamp) -> Touched {
        self.shard(sid).touch(sid, at)
    }

    pub(super) fn create(&self, sid: Sid, new: NewSession) -> Created {
        let mut shard = self.shard(sid);
        if shard.knows(sid) {
            return Created::Taken;
        }
        if !self.take_room() {
            self.give_room(shard.tidy_again(self.swept()));
            if !self.take_room() {
                return Created::Full;
            }
        }
        shard.insert(sid, new);
        Created::Recorded
    }

    pub(super) fn claim(&self, sid: Sid, claim: Claim) -> Claimed {
        let mut shard = self.shard(sid);
        let claimed = shard.claim(sid, &claim);
        if let (Claimed::Yes { .. }, ClaimedBy::Login(event)) = (claimed, claim.by) {
            self.append([event]);
        }
        claimed
    }

    pub(super) fn activate(&self, sid: Sid, as_: Activation) -> Activated {
        let mut shard = self.shard(sid);
        let (activated, event) = shard.activate(sid, as_);
        self.append(event);
        activated
    }

    pub(super) fn end(&self, sid: Sid, end: End) -> Ended {
        let mut shard = self.shard(sid);
        let ended = shard.end(sid, &end);
        if ended == Ended::Now {
            self.append(end.events());
        }
        ended
    }

    pub(super) fn bind(&self, sid: Sid, bound: Bound) -> Touched {
        let mut shard = self.shard(sid);
        let touched = shard.bind(sid, &bound);
        if let (Touched::Alive, Some(login)) = (touched, bound.login) {
            self.append(login.events.into_iter().map(Box::new));
        }
        touched
    }

    pub(super) fn amend(&self, sid: Sid, amendment: Amendment) -> Amended {
        let mut shard = self.shard(sid);
        let amended = shard.amend(sid, &amendment);
        if amended == Amended::Yes {
            self.append(amendment.event);
        }
        amended
    }

    pub(super) fn cut(&self, scope: Scope, at: Timestamp, horizon: Timestamp) -> Arc<Cuts> {
        self.cuts.rcu(|cuts| {
            let kept = Cuts::clone(cuts).since(horizon);
            kept.with(scope.clone(), at)
        });
        self.cuts.load_full()
    }

    pub(super) fn claim_due(&self, now: Timestamp, lease: Duration, max: usize) -> Vec<Sid> {
        self.swept_ms.fetch_max(now.as_millis(), Ordering::Relaxed);
        let turn = self.turn.fetch_add(TIDIED_AT_ONCE, Ordering::Relaxed);
        let mut claimed = Vec::new();
        for step in 0..SHARDS {
            let index = (turn + step) % SHARDS;
            let mut shard = lock(&self.shards[index]);
            shard.claim_due(now, now.plus(lease), max, &mut claimed);
            if step < TIDIED_AT_ONCE {
                self.give_room(shard.tidy(now));
                self.seats.tidy(index, now);
            }
        }
        claimed
    }

    pub(super) fn rearm(&self, sid: Sid, at: Timestamp) {
        self.shard(sid).rearm(sid, at);
    }

    pub(super) fn rearm_all(&self, now: Timestamp) {
        for shard in &self.shards {
            lock(shard).rearm_all(now);
        }
    }

    /// The oldest that are not acknowledged. Nothing is leased: the outbox has one reader, and
    /// what it did not acknowledge is what its next read begins with.
    pub(super) fn read_events(&self, max: usize) -> Vec<SessionEvent> {
        lock(&self.outbox).read(max)
    }

    pub(super) fn acknowledge(&self, events: &[EventId]) {
        lock(&self.outbox).acknowledge(events);
    }

    pub(super) fn adoption_mark(&self, app: &str, now: Timestamp) -> Timestamp {
        *lock(&self.adoptions).entry(app.into()).or_insert(now)
    }

    pub(super) fn seats(&self) -> &UserSeats {
        &self.seats
    }

    pub(super) fn alive(&self) -> u64 {
        let alive = self.shards.iter().map(|shard| lock(shard).watched());
        alive.sum::<usize>() as u64
    }

    pub(super) fn events_pending(&self) -> u64 {
        lock(&self.outbox).len() as u64
    }

    fn shard(&self, sid: Sid) -> MutexGuard<'_, Shard> {
        lock(&self.shards[usize::from(sid.as_bytes()[0])])
    }

    /// Called with the shard's lock held, so that nobody sees a write without its event.
    fn append(&self, events: impl IntoIterator<Item = Box<SessionEvent>>) {
        let mut events = events.into_iter().peekable();
        if events.peek().is_some() {
            lock(&self.outbox).append(events);
        }
    }

    fn swept(&self) -> Timestamp {
        Timestamp::from_millis(self.swept_ms.load(Ordering::Relaxed))
    }

    fn take_room(&self) -> bool {
        let taken = |sessions| (sessions < self.sessions_max).then_some(sessions + 1);
        self.sessions
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken)
            .is_ok()
    }

    fn give_room(&self, forgotten: usize) {
        self.sessions.fetch_sub(forgotten, Ordering::Relaxed);
    }
}

/// What a lock guards here is whole at every instant, so that one who panicked left no half.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
