//! Whether an app adopts ids that nobody knows, and what this gateway saw of the store's mark.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::time::Timestamp;

/// Whether one app adopts, as far as this gateway knows.
pub(crate) struct Adoption {
    until: Option<Timestamp>,
    mark: Mutex<Mark>,
    /// Whether the log says that an id was adopted.
    told: AtomicBool,
}

/// What this gateway knows of the store's mark.
#[derive(Clone, Copy)]
enum Mark {
    Unseen,
    Seen(Timestamp),
    Lost,
}

impl Adoption {
    pub(crate) fn new(until: Option<Timestamp>) -> Self {
        Self {
            until,
            mark: Mutex::new(Mark::Unseen),
            told: AtomicBool::new(false),
        }
    }

    /// Whether the app adopts at any time.
    pub(super) fn takes_place(&self) -> bool {
        self.until.is_some()
    }

    /// When it is over; none where it is over, or does not take place.
    pub(crate) fn until(&self, now: Timestamp) -> Option<Timestamp> {
        let lost = matches!(*self.mark(), Mark::Lost);
        self.until.filter(|until| !lost && now < *until)
    }

    /// Takes notice of the store's mark. False where it is not the one that was there before.
    pub(crate) fn see(&self, app: &str, mark: Timestamp) -> bool {
        let mut known = self.mark();
        match *known {
            Mark::Unseen => *known = Mark::Seen(mark),
            Mark::Seen(before) if before == mark => {}
            Mark::Seen(_) => {
                *known = Mark::Lost;
                tracing::warn!(
                    app,
                    "the store was emptied: it cannot tell dead ids from unknown ones, so none \
                     are adopted until adopt_until is changed or the gateway is started again"
                );
            }
            Mark::Lost => {}
        }
        !matches!(*known, Mark::Lost)
    }

    /// Whether this is the first id that is adopted here.
    pub(crate) fn is_first(&self) -> bool {
        !self.told.swap(true, Ordering::Relaxed)
    }

    fn mark(&self) -> MutexGuard<'_, Mark> {
        self.mark.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
