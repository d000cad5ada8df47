//! The store in this process.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::cuts::{Cuts, Scope};
use crate::domain::identity::Sid;
use crate::domain::time::Timestamp;

use super::LookUp;
use super::event::{EventId, SessionEvent};
use super::op::{
    Activated, Activation, Bound, Claim, Claimed, Created, End, Ended, NewSession, Touched,
};

/// Sessions, tombstones, cuts and the outbox, in memory.
pub struct MemoryStore {}

impl MemoryStore {
    /// An empty store that holds at most `sessions_max` records, tombstones included.
    pub fn new(_sessions_max: usize) -> Self {
        todo!()
    }
    pub(super) fn look_up(&self, _sids: &[Sid]) -> LookUp {
        todo!()
    }
    pub(super) fn touch(&self, _sid: Sid, _at: Timestamp) -> Touched {
        todo!()
    }
    pub(super) fn create(&self, _sid: Sid, _new: NewSession) -> Created {
        todo!()
    }
    pub(super) fn claim(&self, _sid: Sid, _claim: Claim) -> Claimed {
        todo!()
    }
    pub(super) fn activate(&self, _sid: Sid, _as: Activation) -> Activated {
        todo!()
    }
    pub(super) fn end(&self, _sid: Sid, _end: End) -> Ended {
        todo!()
    }
    pub(super) fn bind(&self, _sid: Sid, _bound: Bound) -> Touched {
        todo!()
    }
    pub(super) fn cut(&self, _scope: Scope, _at: Timestamp, _horizon: Timestamp) -> Arc<Cuts> {
        todo!()
    }
    pub(super) fn claim_due(&self, _now: Timestamp, _lease: Duration, _max: usize) -> Vec<Sid> {
        todo!()
    }
    pub(super) fn rearm(&self, _sid: Sid, _at: Timestamp) {
        todo!()
    }
    pub(super) fn rearm_all(&self, _now: Timestamp) {
        todo!()
    }
    pub(super) fn read_events(&self, _max: usize) -> Vec<SessionEvent> {
        todo!()
    }
    pub(super) fn acknowledge(&self, _events: &[EventId]) {
        todo!()
    }
    pub(super) fn alive(&self) -> u64 {
        todo!()
    }
    pub(super) fn events_pending(&self) -> u64 {
        todo!()
    }
}
