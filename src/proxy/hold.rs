//! Running work is not idle: the touches with which it holds its session's clock, and what is told
//! of work that finished behind the absolute timeout.

use std::collections::HashMap;
use std::time::Duration;

use crate::domain::identity::Sid;
use crate::domain::resolve::Setting;
use crate::domain::session::Record;
use crate::domain::time::Timestamp;
use crate::store::StoreError;
use crate::store::event::build::{EventFacts, late_work_event};
use crate::telemetry::metrics::StoreOp;

use super::Proxy;
use super::stream::work::{Finished, Held, Late};

/// How old the stored activity of a session at work may become: what a gateway that is killed
/// loses. A third of the idle timeout where that is shorter.
const TOUCH_EVERY: Duration = Duration::from_secs(10);

/// Whether a session's clock must be moved now to what its work has held it until: the stored
/// activity is too old, or nothing has moved since and no later touch would tell.
pub(super) fn must_touch(held: Held, stored: Timestamp, idle: Duration) -> bool {
    let every = TOUCH_EVERY.min(idle / 3);
    held.until > stored && (held.stands_still || held.until.since(stored) >= every)
}

impl Proxy {
    /// Tells the sessions whose work is over when it moved for the last time, and the audit what
    /// finished late.
    ///
    /// # Errors
    /// When the store does not answer: sessions lose what the last touch did not tell.
    pub(super) async fn tell_finished(&self) -> Result<(), StoreError> {
        let mut last: HashMap<Sid, Timestamp> = HashMap::new();
        for finished in self.streams.take_finished() {
            let sid = finished.of.sid;
            match finished.late {
                Some(late) => self.tell_late(&finished, late).await?,
                None => {
                    let at = last.entry(sid).or_insert(finished.at);
                    *at = finished.at.max(*at);
                }
            }
        }
        for (sid, at) in last {
            self.touch(sid, at).await?;
        }
        Ok(())
    }

    async fn tell_late(&self, finished: &Finished, late: Late) -> Result<(), StoreError> {
        let sids = [finished.of.sid];
        let look_up = self.store.look_up(&sids);
        let found = self.timed(StoreOp::LookUp, look_up).await?;
        let Some(Some(record)) = found.records.into_iter().next() else {
            return Ok(());
        };
        let Record {
            session,
            last_active,
            ..
        } = record;
        let config = &self.snapshot.load_full().config;
        let setting = Setting::of_app(config.bounds_of(&finished.of.app));
        let limits = session.limits(&config.policy, setting);
        let facts = EventFacts {
            session: &session,
            last_active,
            limits: &limits,
            policy: &config.policy,
            at: finished.at,
            client: None,
        };
        let how = match late {
            Late::Finished => "finished",
            Late::Cut => "cut",
        };
        let nonce = u32::from_le_bytes(self.entropy.bytes());
        let event = late_work_event(facts, how, nonce);
        self.telemetry.events.finished_late(event);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{TOUCH_EVERY, must_touch};
    use crate::domain::time::Timestamp;
    use crate::proxy::stream::work::Held;

    const IDLE: Duration = Duration::from_secs(900);

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + millis)
    }

    fn moving(millis: u64) -> Held {
        Held {
            until: at(millis),
            stands_still: false,
        }
    }

    #[test]
    fn a_session_at_work_is_touched_before_its_activity_is_too_old() {
        let every = TOUCH_EVERY.as_millis() as u64;
        assert!(!must_touch(moving(every - 1), at(0), IDLE));
        assert!(must_touch(moving(every), at(0), IDLE));
        let idle = Duration::from_secs(6);
        assert!(!must_touch(moving(1_999), at(0), idle));
        assert!(must_touch(moving(2_000), at(0), idle));
    }

    #[test]
    fn work_that_stands_still_tells_once_when_it_moved_last() {
        let still = |millis| Held {
            stands_still: true,
            ..moving(millis)
        };
        assert!(must_touch(still(300), at(0), IDLE));
        assert!(!must_touch(still(300), at(300), IDLE));
        assert!(!must_touch(still(0), at(300), IDLE));
    }
}
