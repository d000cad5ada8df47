//! Where every session's truth is kept: one contract, two stores.
//!
//! Every write carries its own condition, so that there is no "save the record" with which a slow
//! request could undo a logout. Decisions are Rust's, in `domain`; a store only guards writes.
//! Every instant that a store compares is an argument.

pub mod event;
pub mod memory;
pub mod op;
pub mod redis;
pub mod seat;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::domain::cuts::{Cuts, Scope};
use crate::domain::identity::{Lineage, Sid, UserKey};
use crate::domain::session::Record;
use crate::domain::time::Timestamp;

use event::{EventId, SessionEvent};
use memory::MemoryStore;
use op::{
    Activated, Activation, Amended, Amendment, Bound, Claim, Claimed, Created, End, Ended,
    NewSession, Touched,
};
use redis::RedisStore;
use seat::{NewSeat, Seat, SeatsTaken};

/// Why a store did not answer. No answer is never taken for "no session".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No connection, or it broke.
    #[error("the store cannot be reached: {0}")]
    Unreachable(String),
    /// No answer within the deadline.
    #[error("the store did not answer within {}", humantime::format_duration(*.0))]
    Late(Duration),
    /// It refused the command: full, read-only, no permission.
    #[error("the store refused: {0}")]
    Refused(String),
    /// It answered something that is none of our records.
    #[error("the store holds something that is not a record of ours: {0}")]
    Garbled(String),
}

impl StoreError {
    /// Every kind, as metrics spell it.
    pub const KINDS: [&'static str; 4] = ["unreachable", "late", "refused", "garbled"];

    /// Which of `KINDS` this is.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Late(_) => "late",
            Self::Refused(_) => "refused",
            Self::Garbled(_) => "garbled",
        }
    }
}

/// Scopes that are cut at once: every look-up of a session is held against them, and each of them
/// is forgotten when no session can be old enough for it. More are a case for cutting all.
const CUTS_MAX: usize = 65_536;

/// What one look-up found, in one round trip.
#[derive(Debug, Clone)]
pub struct LookUp {
    /// For each sid asked for, in order, its record.
    pub records: Vec<Option<Record>>,
    /// The table of cuts at that moment.
    pub cuts: Arc<Cuts>,
}

/// Whether the store serves, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Up,
    /// It does not, or has not been reached yet.
    Down {
        /// Since when.
        since: Timestamp,
    },
}

impl Health {
    /// Whether it serves.
    pub const fn is_up(self) -> bool {
        matches!(self, Self::Up)
    }
}

/// The store of a deployment.
///
/// What waits for Redis is boxed but for the look-up: each is large, few requests come to it, and
/// all would carry the room of the largest.
pub enum Store {
    /// In this process; gone with it.
    Memory(MemoryStore),
    /// In Redis, shared by all gateways.
    Redis(Box<RedisStore>),
}

impl Store {
    /// Does what the store does by itself, such as to watch a server; returns after `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) {
        match self {
            Self::Memory(_) => shutdown.cancelled().await,
            Self::Redis(store) => store.run(shutdown).await,
        }
    }

    /// Whether a call waits for another process.
    pub const fn is_remote(&self) -> bool {
        matches!(self, Self::Redis(_))
    }

    /// Whether the store serves. Asks nobody.
    pub fn health(&self) -> Health {
        match self {
            Self::Memory(_) => Health::Up,
            Self::Redis(store) => store.health(),
        }
    }

    /// Reads the records of these sids and the cuts.
    pub async fn look_up(&self, sids: &[Sid]) -> Result<LookUp, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.look_up(sids)),
            Self::Redis(store) => store.look_up(sids).await,
        }
    }

    /// The ids under which a lineage is known whose login was seen: alive, pending or ended; one
    /// that was superseded is left out. For operators: it costs more than a look-up.
    pub async fn ids_of(&self, lineage: Lineage) -> Result<Vec<Sid>, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.ids_of(lineage).await),
            Self::Redis(store) => Box::pin(store.ids_of(lineage)).await,
        }
    }

    /// Moves the idle clock of an id to `at`, if it is alive and `at` is later.
    pub async fn touch(&self, sid: Sid, at: Timestamp) -> Result<Touched, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.touch(sid, at)),
            Self::Redis(store) => Box::pin(store.touch(sid, at)).await,
        }
    }

    /// Records an id. Never over an id that is known, alive or dead.
    pub async fn create(&self, sid: Sid, new: NewSession) -> Result<Created, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.create(sid, new)),
            Self::Redis(store) => Box::pin(store.create(sid, new)).await,
        }
    }

    /// Takes a living id of the same lineage out of service for its successor. Of all that try,
    /// one succeeds.
    pub async fn claim(&self, sid: Sid, claim: Claim) -> Result<Claimed, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.claim(sid, claim)),
            Self::Redis(store) => Box::pin(store.claim(sid, claim)).await,
        }
    }

    /// Makes a pending id live.
    pub async fn activate(&self, sid: Sid, as_: Activation) -> Result<Activated, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.activate(sid, as_)),
            Self::Redis(store) => Box::pin(store.activate(sid, as_)).await,
        }
    }

    /// Ends an id of the same lineage that is alive or pending. The first reason stands.
    pub async fn end(&self, sid: Sid, end: End) -> Result<Ended, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.end(sid, end)),
            Self::Redis(store) => Box::pin(store.end(sid, end)).await,
        }
    }

    /// Replaces what stays of a living id of the same lineage: its generation, companions and
    /// scopes; and, where the session has a new login, its clocks.
    pub async fn bind(&self, sid: Sid, bound: Bound) -> Result<Touched, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.bind(sid, bound)),
            Self::Redis(store) => Box::pin(store.bind(sid, bound)).await,
        }
    }

    /// Changes what stays of a living id, if it is still what the caller judged. Of all that
    /// change the same, one succeeds.
    pub async fn amend(&self, sid: Sid, amendment: Amendment) -> Result<Amended, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.amend(sid, amendment)),
            Self::Redis(store) => Box::pin(store.amend(sid, amendment)).await,
        }
    }

    /// Takes a seat of a user, or takes it again, and tells of all his others.
    pub async fn take_seat(&self, user: UserKey, new: NewSeat) -> Result<SeatsTaken, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.seats().take(user, new)),
            Self::Redis(store) => store.take_seat(user, new).await,
        }
    }

    /// Leaves seats of a user, each unless it was taken again since.
    pub async fn leave_seats(&self, user: UserKey, left: &[Seat]) -> Result<(), StoreError> {
        match self {
            Self::Memory(store) => {
                store.seats().leave(user, left);
                Ok(())
            }
            Self::Redis(store) => store.leave_seats(user, left).await,
        }
    }

    /// Hands a seat over to the id that replaced its own. Nothing, where there is no such seat.
    pub async fn hand_over_seat(
        &self,
        user: UserKey,
        from: Sid,
        to: Sid,
    ) -> Result<(), StoreError> {
        match self {
            Self::Memory(store) => {
                store.seats().hand_over(user, from, to);
                Ok(())
            }
            Self::Redis(store) => store.hand_over_seat(user, from, to).await,
        }
    }

    /// Whether a seat is still as it was taken.
    pub async fn holds_seat(&self, user: UserKey, seat: Seat) -> Result<bool, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.seats().holds(user, seat)),
            Self::Redis(store) => store.holds_seat(user, seat).await,
        }
    }

    /// Cuts a scope at an instant: one write. Drops cuts made before `horizon`.
    pub async fn cut(
        &self,
        scope: Scope,
        at: Timestamp,
        horizon: Timestamp,
    ) -> Result<Arc<Cuts>, StoreError> {
        let table = self.look_up(&[]).await?.cuts;
        if table.len() >= CUTS_MAX {
            let message = format!("{CUTS_MAX} scopes are cut, as many as may be");
            return Err(StoreError::Refused(message));
        }
        match self {
            Self::Memory(store) => Ok(store.cut(scope, at, horizon)),
            Self::Redis(store) => Box::pin(store.cut(scope, at, horizon)).await,
        }
    }

    /// Up to `max` authenticated ids that are due, pushed forward by `lease` so that no other
    /// gateway looks at them meanwhile. Nothing is removed before its end is written.
    pub async fn claim_due(
        &self,
        now: Timestamp,
        lease: Duration,
        max: usize,
    ) -> Result<Vec<Sid>, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.claim_due(now, lease, max)),
            Self::Redis(store) => Box::pin(store.claim_due(now, lease, max)).await,
        }
    }

    /// Looks at an authenticated living id again at `at`; never again at one that is not known.
    pub async fn rearm(&self, sid: Sid, at: Timestamp) -> Result<(), StoreError> {
        match self {
            Self::Memory(store) => {
                store.rearm(sid, at);
                Ok(())
            }
            Self::Redis(store) => Box::pin(store.rearm(sid, at)).await,
        }
    }

    /// Makes every authenticated living id due now, for after a cut or a tighter policy.
    pub async fn rearm_all(&self, now: Timestamp) -> Result<(), StoreError> {
        match self {
            Self::Memory(store) => {
                store.rearm_all(now);
                Ok(())
            }
            Self::Redis(store) => Box::pin(store.rearm_all(now)).await,
        }
    }

    /// Up to `max` events that were not acknowledged, oldest first, leased to this reader.
    pub async fn read_events(&self, max: usize) -> Result<Vec<SessionEvent>, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.read_events(max)),
            Self::Redis(store) => Box::pin(store.read_events(max)).await,
        }
    }

    /// Events that are durably recorded and need not be kept.
    pub async fn acknowledge(&self, events: &[EventId]) -> Result<(), StoreError> {
        match self {
            Self::Memory(store) => {
                store.acknowledge(events);
                Ok(())
            }
            Self::Redis(store) => Box::pin(store.acknowledge(events)).await,
        }
    }

    /// When this app's ids were first adopted; now, where the store knows of no adoption.
    ///
    /// An instant that was told once changes only if the store was emptied.
    pub async fn adoption_mark(&self, app: &str, now: Timestamp) -> Result<Timestamp, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.adoption_mark(app, now)),
            Self::Redis(store) => Box::pin(store.adoption_mark(app, now)).await,
        }
    }

    /// How many authenticated sessions of the deployment are alive.
    pub async fn alive(&self) -> Result<u64, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.alive()),
            Self::Redis(store) => Box::pin(store.alive()).await,
        }
    }

    /// How many events this process had to drop because nobody acknowledged those before them.
    pub fn events_dropped(&self) -> u64 {
        match self {
            Self::Memory(store) => store.events_dropped(),
            Self::Redis(_) => 0,
        }
    }

    /// How many events wait to be acknowledged.
    pub async fn events_pending(&self) -> Result<u64, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.events_pending()),
            Self::Redis(store) => Box::pin(store.events_pending()).await,
        }
    }
}
