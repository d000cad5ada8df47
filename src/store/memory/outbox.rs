//! The outbox: events in the order of the writes that made them true, until acknowledged.

use std::collections::{HashSet, VecDeque};

use crate::store::event::{EventId, SessionEvent};

/// Events that wait, at most: some 60 MiB. Beyond it an end still ends, since safety comes before
/// the record of it; the newest event is dropped and counted, so that what was kept has no hole
/// before its last.
pub(super) const OUTBOX_MAX: usize = 100_000;

/// Events that were not acknowledged yet.
#[derive(Default)]
pub(super) struct Outbox {
    events: VecDeque<Box<SessionEvent>>,
    dropped: u64,
}

impl Outbox {
    pub(super) fn append(&mut self, events: impl IntoIterator<Item = Box<SessionEvent>>) {
        for event in events {
            if self.events.len() < OUTBOX_MAX {
                self.events.push_back(event);
            } else {
                self.dropped += 1;
            }
        }
    }

    pub(super) fn read(&self, max: usize) -> Vec<SessionEvent> {
        let oldest = self.events.iter().take(max);
        oldest.map(|event| SessionEvent::clone(event)).collect()
    }

    /// The reader acknowledges what it read, which is a run at the front; the walk over the rest
    /// is for one who acknowledges out of order.
    pub(super) fn acknowledge(&mut self, events: &[EventId]) {
        let mut acknowledged: HashSet<&EventId> = events.iter().collect();
        while let Some(front) = self.events.front()
            && acknowledged.remove(&front.id)
        {
            self.events.pop_front();
        }
        if !acknowledged.is_empty() {
            self.events
                .retain(|event| !acknowledged.contains(&event.id));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}
