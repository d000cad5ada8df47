//! Work under way: an active exchange that is no stream. While it moves bytes, or waits for the
//! app's answer, its session is not idle; at the absolute timeout it may finish within its drain.
//!
//! The watcher looks at it every now and then and touches its session. What is over at once costs
//! nothing here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Clock;
use crate::config::app::WorkLimits;
use crate::domain::identity::{Lineage, Sid};
use crate::domain::time::Timestamp;

use super::progress::{Direction, Progress};

/// What is over before that was covered by the touch of its request: no session may end earlier
/// before its time.
const WORK_FROM: Duration = Duration::from_millis(200);

/// What an exchange may do to the clock of its session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// When its request came.
    pub(crate) began: Timestamp,
    /// How long it counts as work.
    pub(crate) limits: WorkLimits,
}

/// How far an exchange is that is work; clones tell the same.
#[derive(Debug, Clone)]
pub(super) struct Pace(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    /// When it last moved a byte, in milliseconds.
    moved_ms: AtomicU64,
    /// Whether the head of the answer has come.
    is_answered: AtomicBool,
    /// Whether its answer told that it is no person's.
    is_disowned: AtomicBool,
}

impl Pace {
    pub(super) fn new(clock: Clock, began: Timestamp) -> Self {
        Self(Arc::new(Inner {
            clock,
            moved_ms: AtomicU64::new(began.as_millis()),
            is_answered: AtomicBool::new(false),
            is_disowned: AtomicBool::new(false),
        }))
    }

    /// Bytes passed.
    pub(super) fn moved(&self) {
        let now = self.0.clock.now();
        self.0.moved_ms.store(now.as_millis(), Ordering::Relaxed);
    }

    /// The head of the answer has come.
    pub(super) fn answered(&self) {
        self.moved();
        self.0.is_answered.store(true, Ordering::Release);
    }

    /// It is no person's.
    pub(super) fn disown(&self) {
        self.0.is_disowned.store(true, Ordering::Release);
    }

    fn is_disowned(&self) -> bool {
        self.0.is_disowned.load(Ordering::Acquire)
    }

    fn moved_at(&self) -> Timestamp {
        Timestamp::from_millis(self.0.moved_ms.load(Ordering::Relaxed))
    }
}

/// One piece of work, as the registry keeps it.
#[derive(Debug)]
pub(super) struct Work {
    terms: Terms,
    pace: Pace,
    progress: Progress,
    /// Until when it had held its session's clock at the last look.
    told: Timestamp,
    /// Set while its session, or its route, is behind the absolute timeout.
    drain_until: Option<Timestamp>,
}

/// How work holds its session's clock. Of several, the one that goes further counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Held {
    /// Until when.
    pub(crate) until: Timestamp,
    /// Whether that was so at the look before.
    pub(crate) stands_still: bool,
}

impl Work {
    pub(super) fn new(terms: Terms, pace: Pace, progress: Progress) -> Self {
        Self {
            told: terms.began,
            terms,
            pace,
            progress,
            drain_until: None,
        }
    }

    /// How it holds its session's clock by now; not at all, where it turned out to be no person's.
    pub(super) fn look(&mut self, now: Timestamp) -> Option<Held> {
        if self.pace.is_disowned() {
            return None;
        }
        let until = self.held_until(now);
        let stands_still = until == self.told;
        self.told = until;
        Some(Held {
            until,
            stands_still,
        })
    }

    fn held_until(&self, now: Timestamp) -> Timestamp {
        let moved = match self.waits_for_app() {
            true => now,
            false => self.pace.moved_at(),
        };
        moved.min(self.terms.began.plus(self.terms.limits.max))
    }

    /// Whether it is the app's turn: the request has passed, and no answer has come.
    fn waits_for_app(&self) -> bool {
        !self.pace.0.is_answered.load(Ordering::Acquire)
            && self.progress.is_finished(Direction::ToUpstream)
    }

    /// Whether it may go on although its session reached the absolute timeout at `over`.
    pub(super) fn may_drain(&mut self, over: Timestamp, now: Timestamp) -> bool {
        let given = over.plus(self.terms.limits.drain);
        let until = self.drain_until.unwrap_or(given);
        if now >= until {
            return false;
        }
        self.drain_until = Some(until);
        true
    }

    /// Whether its session is behind the absolute timeout.
    pub(super) fn drains(&self) -> bool {
        self.drain_until.is_some()
    }

    /// Whether it has had its drain.
    pub(super) fn is_spent(&self, now: Timestamp) -> bool {
        self.drain_until.is_some_and(|until| now >= until)
    }

    /// An edit put the absolute timeout off.
    pub(super) fn resume(&mut self) {
        self.drain_until = None;
    }

    /// What is left to do for it once it is over; nothing for one that was short.
    pub(super) fn end(self, of: Owner, was_cut: bool) -> Option<Finished> {
        let now = self.pace.0.clock.now();
        if self.drain_until.is_some() {
            let late = Some(if was_cut { Late::Cut } else { Late::Finished });
            return Some(Finished { of, at: now, late });
        }
        let is_short = now.since(self.terms.began) < WORK_FROM;
        (!is_short && !was_cut && !self.pace.is_disowned()).then(|| Finished {
            of,
            at: self.held_until(now),
            late: None,
        })
    }
}

/// Whose work it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) lineage: Lineage,
    pub(crate) sid: Sid,
    pub(crate) app: Arc<str>,
}

/// Work that is over, and what its session must be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finished {
    pub(crate) of: Owner,
    /// When it moved for the last time; of late work, when it was over.
    pub(crate) at: Timestamp,
    /// How, where its session had reached the absolute timeout before.
    pub(crate) late: Option<Late>,
}

/// How work was over whose session had reached its absolute timeout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Late {
    /// By itself.
    Finished,
    /// It was cut.
    Cut,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Finished, Held, Late, Owner, Pace, Terms, Work};
    use crate::clock::Clock;
    use crate::config::app::WorkLimits;
    use crate::domain::identity::{Lineage, Sid};
    use crate::domain::time::Timestamp;
    use crate::proxy::stream::progress::{Direction, Progress};

    const BEGAN: Timestamp = Timestamp::from_millis(1_000_000);
    const MAX: Duration = Duration::from_secs(60);
    const DRAIN: Duration = Duration::from_secs(5);

    fn after(millis: u64) -> Timestamp {
        BEGAN.plus(Duration::from_millis(millis))
    }

    fn held(millis: u64, stands_still: bool) -> Option<Held> {
        Some(Held {
            until: after(millis),
            stands_still,
        })
    }

    fn owner() -> Owner {
        Owner {
            lineage: Lineage::from_bytes([1; 16]),
            sid: Sid::from_bytes([2; 16]),
            app: "shop".into(),
        }
    }

    /// Work whose request has a body, and what moves it.
    fn upload() -> (Work, Progress, Pace, Clock) {
        let progress = Progress::default();
        let clock = Clock::manual(BEGAN);
        let pace = Pace::new(clock.clone(), BEGAN);
        let limits = WorkLimits {
            max: MAX,
            drain: DRAIN,
        };
        let terms = Terms {
            began: BEGAN,
            limits,
        };
        let work = Work::new(terms, pace.clone(), progress.clone());
        (work, progress, pace, clock)
    }

    #[test]
    fn an_upload_holds_while_it_moves_and_then_the_wait_for_its_answer_does() {
        let (mut work, progress, pace, clock) = upload();
        let mut look = |millis: u64| {
            clock.advance(after(millis).since(clock.now()));
            work.look(clock.now())
        };
        assert_eq!(look(300), held(0, true));
        assert_eq!(look(500), held(0, true));
        pace.moved();
        assert_eq!(look(600), held(500, false));
        assert_eq!(look(900), held(500, true));
        progress.finish(Direction::ToUpstream);
        assert_eq!(look(1200), held(1200, false));
        assert_eq!(look(1500), held(1500, false));
        pace.answered();
        assert_eq!(look(1800), held(1500, true));
        pace.moved();
        assert_eq!(look(2100), held(1800, false));
    }

    #[test]
    fn nothing_holds_longer_than_its_limit() {
        let (mut work, progress, _, _) = upload();
        progress.finish(Direction::ToUpstream);
        assert_eq!(work.look(after(59_999)), held(59_999, false));
        assert_eq!(work.look(after(60_001)), held(60_000, false));
        assert_eq!(work.look(after(90_000)), held(60_000, true));
    }

    #[test]
    fn the_drain_counts_from_the_absolute_timeout_and_is_given_once() {
        let (mut work, _, _, _) = upload();
        assert!(work.may_drain(after(0), after(4_999)));
        assert!(!work.may_drain(after(0), after(5_000)));
        assert!(!work.may_drain(after(5_000), after(5_000)));
    }

    #[test]
    fn what_is_over_tells_when_it_moved_last_unless_it_was_short_or_cut() {
        let ended = |millis: u64, was_cut: bool| {
            let (work, _, pace, clock) = upload();
            clock.advance(Duration::from_millis(10));
            pace.moved();
            clock.advance(Duration::from_millis(millis - 10));
            work.end(owner(), was_cut).map(|finished| finished.at)
        };
        assert_eq!(ended(199, false), None);
        assert_eq!(ended(200, false), Some(after(10)));
        assert_eq!(ended(1000, true), None);
    }

    #[test]
    fn no_work_is_late_that_had_no_drain_or_whose_timeout_was_put_off() {
        let (mut work, ..) = upload();
        assert!(!work.may_drain(after(0), after(5_000)));
        assert_eq!(work.end(owner(), true), None);
        let (mut work, _, _, clock) = upload();
        assert!(work.may_drain(after(0), after(0)));
        work.resume();
        clock.advance(Duration::from_secs(10));
        let told = work.end(owner(), false);
        assert_eq!(told.map(|finished| finished.late), Some(None));
    }

    #[test]
    fn no_work_that_is_no_persons_holds_or_tells_anything() {
        let (mut work, progress, pace, clock) = upload();
        progress.finish(Direction::ToUpstream);
        assert_eq!(work.look(after(300)), held(300, false));
        pace.disown();
        assert_eq!(work.look(after(600)), None);
        clock.advance(Duration::from_secs(10));
        assert_eq!(work.end(owner(), false), None);
    }

    #[test]
    fn late_work_always_tells_its_end() {
        for (was_cut, late) in [(false, Late::Finished), (true, Late::Cut)] {
            let (mut work, _, _, clock) = upload();
            clock.advance(Duration::from_millis(10));
            assert!(work.may_drain(after(0), after(0)));
            let expected = Finished {
                of: owner(),
                at: after(10),
                late: Some(late),
            };
            assert_eq!(work.end(owner(), was_cut), Some(expected));
        }
    }
}
