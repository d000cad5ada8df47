//! Where every session's truth is kept: one contract, two stores.
//!
//! Every write carries its own condition, so that there is no "save the record" with which a slow
//! request could undo a logout. Decisions are Rust's, in `domain`; a store only guards writes.
//! Every instant that a store compares is an argument.

pub mod event;
pub mod memory;
pub mod op;

use std::sync::Arc;
use std::time::Duration;

use crate::domain::cuts::{Cuts, Scope};
use crate::domain::identity::Sid;
use crate::domain::session::Record;
use crate::domain::time::Timestamp;

use event::{EventId, SessionEvent};
use memory::MemoryStore;
use op::{Activated, Activation, Bound, Claim, Claimed, Created, End, Ended, NewSession, Touched};

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

/// What one look-up found, in one round trip.
#[derive(Debug, Clone)]
pub struct LookUp {
    /// For each sid asked for, in order, its record.
    pub records: Vec<Option<Record>>,
    /// The table of cuts at that moment.
    pub cuts: Arc<Cuts>,
}

/// The store of a deployment.
pub enum Store {
    /// In this process; gone with it.
    Memory(MemoryStore),
}

impl Store {
    /// Reads the records of these sids and the cuts.
    pub async fn look_up(&self, sids: &[Sid]) -> Result<LookUp, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.look_up(sids)),
        }
    }

    /// Moves the idle clock of an id to `at`, if it is alive and `at` is later.
    pub async fn touch(&self, sid: Sid, at: Timestamp) -> Result<Touched, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.touch(sid, at)),
        }
    }

    /// Records an id. Never over an id that is known, alive or dead.
    pub async fn create(&self, sid: Sid, new: NewSession) -> Result<Created, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.create(sid, new)),
        }
    }

    /// Takes a living id out of service for its successor. Of all that try, one succeeds.
    pub async fn claim(&self, sid: Sid, claim: Claim) -> Result<Claimed, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.claim(sid, claim)),
        }
    }

    /// Makes a pending id live.
    pub async fn activate(&self, sid: Sid, as_: Activation) -> Result<Activated, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.activate(sid, as_)),
        }
    }

    /// Ends an id that is alive or pending. The first reason stands.
    pub async fn end(&self, sid: Sid, end: End) -> Result<Ended, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.end(sid, end)),
        }
    }

    /// Replaces what stays of a living id of the same lineage: its generation, companions and
    /// scopes; and, where the session has a new login, its clocks.
    pub async fn bind(&self, sid: Sid, bound: Bound) -> Result<Touched, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.bind(sid, bound)),
        }
    }

    /// Cuts a scope at an instant: one write. Drops cuts made before `horizon`.
    pub async fn cut(
        &self,
        scope: Scope,
        at: Timestamp,
        horizon: Timestamp,
    ) -> Result<Arc<Cuts>, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.cut(scope, at, horizon)),
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
        }
    }

    /// Looks at an authenticated living id again at `at`.
    pub async fn rearm(&self, sid: Sid, at: Timestamp) -> Result<(), StoreError> {
        match self {
            Self::Memory(store) => {
                store.rearm(sid, at);
                Ok(())
            }
        }
    }

    /// Makes every authenticated living id due now, for after a cut or a tighter policy.
    pub async fn rearm_all(&self, now: Timestamp) -> Result<(), StoreError> {
        match self {
            Self::Memory(store) => {
                store.rearm_all(now);
                Ok(())
            }
        }
    }

    /// Up to `max` events that were not acknowledged, oldest first, leased to this reader.
    pub async fn read_events(&self, max: usize) -> Result<Vec<SessionEvent>, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.read_events(max)),
        }
    }

    /// Events that are durably recorded and need not be kept.
    pub async fn acknowledge(&self, events: &[EventId]) -> Result<(), StoreError> {
        match self {
            Self::Memory(store) => {
                store.acknowledge(events);
                Ok(())
            }
        }
    }

    /// How many authenticated sessions of the deployment are alive.
    pub async fn alive(&self) -> Result<u64, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.alive()),
        }
    }

    /// How many events wait to be acknowledged.
    pub async fn events_pending(&self) -> Result<u64, StoreError> {
        match self {
            Self::Memory(store) => Ok(store.events_pending()),
        }
    }
}
