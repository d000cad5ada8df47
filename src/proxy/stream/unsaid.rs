//! What is still to be told of work: to sessions, that they were not idle; to the audit, that some
//! finished late.
//!
//! Who watches streams leaves it here and goes on: no store keeps it waiting. Of several touches of
//! a session the latest is kept, and what could not be told comes back.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::domain::identity::{Lineage, Sid};
use crate::domain::time::Timestamp;

use super::work::{Finished, Late};

/// Sessions that wait to be touched, at most: as many as may hold streams, some 12 MiB.
const TOUCHES_MAX: usize = 1 << 17;

/// Pieces of late work that wait to be told to the audit, at most.
const LATE_MAX: usize = 1 << 14;

/// When the work of a session moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) lineage: Lineage,
    pub(crate) app: Arc<str>,
    /// Since when, as far as it is known.
    pub(crate) since: Timestamp,
    /// For the last time.
    pub(crate) at: Timestamp,
}

/// What waits to be told.
#[derive(Debug, Default)]
pub(crate) struct Unsaid {
    waiting: Mutex<Waiting>,
    /// Notified when something waits.
    has_some: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    touches: BTreeMap<Sid, Moved>,
    late: VecDeque<(Finished, Late)>,
    dropped: u64,
}

impl Unsaid {
    /// The session of this id was not idle when this work moved.
    pub(crate) fn touch(&self, sid: Sid, moved: Moved) {
        let mut waiting = self.lock();
        let has_room = waiting.touches.len() < TOUCHES_MAX;
        match waiting.touches.get_mut(&sid) {
            Some(known) => {
                known.since = known.since.min(moved.since);
                known.at = known.at.max(moved.at);
            }
            None if has_room => {
                waiting.touches.insert(sid, moved);
            }
            None => waiting.dropped += 1,
        }
        self.has_some.notify_one();
    }

    /// Work is over.
    pub(crate) fn finished(&self, finished: Finished) {
        match finished.late {
            None => self.touch(
                finished.of.sid,
                Moved {
                    lineage: finished.of.lineage,
                    app: finished.of.app,
                    since: finished.at,
                    at: finished.at,
                },
            ),
            Some(late) => self.finished_late(finished, late),
        }
    }

    /// Work is over whose session had reached its absolute timeout.
    pub(crate) fn finished_late(&self, finished: Finished, late: Late) {
        let mut waiting = self.lock();
        match waiting.late.len() < LATE_MAX {
            true => waiting.late.push_back((finished, late)),
            false => waiting.dropped += 1,
        }
        self.has_some.notify_one();
    }

    /// A touch that waits.
    pub(crate) fn next_touch(&self) -> Option<(Sid, Moved)> {
        self.lock().touches.pop_first()
    }

    /// Late work that waits.
    pub(crate) fn next_late(&self) -> Option<(Finished, Late)> {
        self.lock().late.pop_front()
    }

    /// How much waits.
    pub(crate) fn len(&self) -> usize {
        let waiting = self.lock();
        waiting.touches.len() + waiting.late.len()
    }

    /// How much found no room, since this was asked last.
    pub(crate) fn take_dropped(&self) -> u64 {
        std::mem::take(&mut self.lock().dropped)
    }

    /// Returns when something was added since it returned last.
    pub(crate) async fn has_some(&self) {
        self.has_some.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Finished, LATE_MAX, Moved, TOUCHES_MAX, Unsaid};
    use crate::domain::identity::{Lineage, Sid};
    use crate::domain::time::Timestamp;
    use crate::proxy::stream::work::{Late, Owner};

    fn sid(n: usize) -> Sid {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&n.to_be_bytes());
        Sid::from_bytes(bytes)
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn moved(since: u64, until: u64) -> Moved {
        Moved {
            lineage: Lineage::from_bytes([1; 16]),
            app: Arc::from("shop"),
            since: at(since),
            at: at(until),
        }
    }

    #[test]
    fn a_session_is_told_the_latest_of_what_waits_once() {
        let unsaid = Unsaid::default();
        for (id, millis) in [(1, 5), (2, 1), (1, 7), (1, 6)] {
            unsaid.touch(sid(id), moved(millis, millis));
        }
        assert_eq!(unsaid.next_touch(), Some((sid(1), moved(5, 7))));
        assert_eq!(unsaid.next_touch(), Some((sid(2), moved(1, 1))));
        assert_eq!(unsaid.next_touch(), None);
    }

    #[test]
    fn no_touch_of_a_known_session_is_dropped_and_one_beyond_the_bound_is_counted() {
        let unsaid = Unsaid::default();
        for n in 0..=TOUCHES_MAX {
            unsaid.touch(sid(n), moved(1, 1));
        }
        assert_eq!((unsaid.len(), unsaid.take_dropped()), (TOUCHES_MAX, 1));
        unsaid.touch(sid(0), moved(2, 2));
        assert_eq!(unsaid.take_dropped(), 0);
        assert_eq!(unsaid.next_touch(), Some((sid(0), moved(1, 2))));
    }

    #[test]
    fn late_work_beyond_the_bound_is_counted_and_the_older_stays() {
        let unsaid = Unsaid::default();
        let late = |n: usize| Finished {
            of: Owner {
                lineage: Lineage::from_bytes([1; 16]),
                sid: sid(n),
                app: Arc::from("shop"),
            },
            at: at(1),
            late: Some(Late::Cut),
        };
        for n in 0..=LATE_MAX {
            unsaid.finished(late(n));
        }
        assert_eq!((unsaid.len(), unsaid.take_dropped()), (LATE_MAX, 1));
        assert_eq!(unsaid.next_late(), Some((late(0), Late::Cut)));
    }
}
