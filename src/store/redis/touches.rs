//! Touches, at most one a second written for each session.
//!
//! The first touch of a session is written at once. What follows within a second is kept here and
//! written when the second is over, so that a gateway that is killed loses a second of activity
//! and no more. A session whose stored activity is older is never deferred: a request near its
//! idle limit is written before it is admitted.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::identity::Sid;
use crate::domain::time::Timestamp;

/// How long a written touch stands for those that follow, on the deployment clock.
const COALESCE: Duration = Duration::from_secs(1);

/// How long after a write the deferred touch is written, on this machine's clock: the rest of the
/// second is for the flush to come round.
const FLUSH_AFTER: Duration = Duration::from_millis(750);

/// Sessions remembered at most, in all shards together. Those of the last second are; beyond
/// them, touches are written through.
const REMEMBERED_MAX: usize = 65_536;

/// So that cores seldom wait for each other; a power of two.
const SHARDS: usize = 32;

/// What becomes of a touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    /// It must be written now.
    Write,
    /// It is kept, or an earlier one covers it.
    Deferred,
}

struct Entry {
    /// The activity that is stored, as far as this gateway knows.
    written: Timestamp,
    /// When it was written, on this machine's clock.
    written_at: Duration,
    /// A later activity that is not stored yet.
    pending: Option<Timestamp>,
}

/// The sessions that were touched within the last second.
pub(super) struct Touches {
    shards: [Mutex<HashMap<Sid, Entry>>; SHARDS],
    /// How many there are, so that a look-up need not take a lock where there are none.
    count: AtomicUsize,
}

impl Touches {
    pub(super) fn new() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            count: AtomicUsize::new(0),
        }
    }

    /// A session was seen alive and shall be touched.
    pub(super) fn offer(&self, sid: Sid, at: Timestamp) -> Offer {
        match self.shard(sid).get_mut(&sid) {
            Some(entry) if at.since(entry.written) < COALESCE => {
                if at > entry.written {
                    entry.pending = entry.pending.max(Some(at));
                }
                Offer::Deferred
            }
            Some(_) | None => Offer::Write,
        }
    }

    /// A touch was written while the session was alive.
    pub(super) fn written(&self, sid: Sid, at: Timestamp, written_at: Duration) {
        let mut shard = self.shard(sid);
        let full = shard.len() >= REMEMBERED_MAX / SHARDS;
        match shard.get_mut(&sid) {
            Some(entry) => {
                entry.written = entry.written.max(at);
                entry.written_at = written_at;
                entry.pending = entry.pending.filter(|pending| *pending > entry.written);
            }
            None if full => {}
            None => {
                let entry = Entry {
                    written: at,
                    written_at,
                    pending: None,
                };
                shard.insert(sid, entry);
                self.count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// The later of a stored activity and the one that waits here.
    pub(super) fn latest(&self, sid: Sid, stored: Timestamp) -> Timestamp {
        self.pending(sid)
            .map_or(stored, |pending| pending.max(stored))
    }

    /// The activity that is not stored yet.
    pub(super) fn pending(&self, sid: Sid) -> Option<Timestamp> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.shard(sid).get(&sid)?.pending
    }

    /// The id changed its state: the next touch asks the store.
    pub(super) fn forget(&self, sid: Sid) {
        if self.shard(sid).remove(&sid).is_some() {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The touches whose second is over; they stay until `written` or `forget` tells what became
    /// of them. Forgets the sessions that were left in peace for as long.
    pub(super) fn over(&self, now: Duration) -> Vec<(Sid, Timestamp)> {
        let mut over = Vec::new();
        for shard in &self.shards {
            let mut shard = lock(shard);
            let before = shard.len();
            shard.retain(|sid, entry| {
                if now.saturating_sub(entry.written_at) < FLUSH_AFTER {
                    return true;
                }
                over.extend(entry.pending.map(|pending| (*sid, pending)));
                entry.pending.is_some()
            });
            self.count
                .fetch_sub(before - shard.len(), Ordering::Relaxed);
        }
        over
    }

    fn shard(&self, sid: Sid) -> MutexGuard<'_, HashMap<Sid, Entry>> {
        lock(&self.shards[usize::from(sid.as_bytes()[3]) % SHARDS])
    }
}

/// What a lock guards here is whole at every instant, so that one who panicked left no half.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{FLUSH_AFTER, Offer, REMEMBERED_MAX, SHARDS, Touches};
    use crate::domain::identity::Sid;
    use crate::domain::time::Timestamp;

    const SID: Sid = Sid::from_bytes([7; 16]);
    const WRITTEN_AT: Duration = Duration::from_secs(100);

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(10_000 + millis)
    }

    fn written_once() -> Touches {
        let touches = Touches::new();
        assert_eq!(touches.offer(SID, at(0)), Offer::Write);
        touches.written(SID, at(0), WRITTEN_AT);
        touches
    }

    #[test]
    fn the_first_touch_is_written_and_those_of_the_next_second_are_not() {
        let touches = written_once();
        assert_eq!(touches.offer(SID, at(1)), Offer::Deferred);
        assert_eq!(touches.offer(SID, at(999)), Offer::Deferred);
        assert_eq!(touches.offer(SID, at(1000)), Offer::Write);
    }

    #[test]
    fn a_failed_write_is_no_touch() {
        let touches = Touches::new();
        assert_eq!(touches.offer(SID, at(0)), Offer::Write);
        assert_eq!(touches.offer(SID, at(1)), Offer::Write);
    }

    #[test]
    fn the_latest_activity_counts_whichever_order_it_came_in() {
        let touches = written_once();
        touches.offer(SID, at(700));
        touches.offer(SID, at(300));
        assert_eq!(touches.latest(SID, at(0)), at(700));
        assert_eq!(touches.latest(SID, at(800)), at(800));
        assert_eq!(touches.latest(Sid::from_bytes([8; 16]), at(0)), at(0));
    }

    #[test]
    fn a_deferred_touch_is_flushed_once_the_second_is_over() {
        let touches = written_once();
        touches.offer(SID, at(700));
        let just_before = WRITTEN_AT + FLUSH_AFTER - Duration::from_millis(1);
        assert_eq!(touches.over(just_before), []);
        let then = WRITTEN_AT + FLUSH_AFTER;
        assert_eq!(touches.over(then), [(SID, at(700))]);
        // Until it is known to be written it is not forgotten.
        assert_eq!(touches.over(then), [(SID, at(700))]);
        touches.written(SID, at(700), then);
        assert_eq!(touches.over(then + FLUSH_AFTER), []);
        assert_eq!(touches.offer(SID, at(800)), Offer::Write);
    }

    #[test]
    fn a_touch_that_came_during_a_flush_waits_for_the_next() {
        let touches = written_once();
        touches.offer(SID, at(700));
        let then = WRITTEN_AT + FLUSH_AFTER;
        touches.offer(SID, at(800));
        touches.written(SID, at(700), then);
        assert_eq!(touches.pending(SID), Some(at(800)));
    }

    #[test]
    fn after_a_change_of_state_the_store_is_asked() {
        let touches = written_once();
        touches.forget(SID);
        assert_eq!(touches.offer(SID, at(1)), Offer::Write);
    }

    #[test]
    fn beyond_its_bound_it_writes_through() {
        let touches = Touches::new();
        let sid = |n: u32| {
            let mut bytes = [0; 16];
            bytes[8..12].copy_from_slice(&n.to_be_bytes());
            Sid::from_bytes(bytes)
        };
        let bound = (REMEMBERED_MAX / SHARDS) as u32;
        for n in 0..=bound {
            touches.written(sid(n), at(0), WRITTEN_AT);
        }
        assert_eq!(touches.offer(sid(bound - 1), at(1)), Offer::Deferred);
        assert_eq!(touches.offer(sid(bound), at(1)), Offer::Write);
    }
}
