//! A login whose user's sessions are counted, and what it does to those that it meets.

use crate::domain::identity::{Lineage, Sid, UserKey};
use crate::domain::resolve::Setting;
use crate::domain::seats::{Occupant, Seats};
use crate::domain::session::{EndReason, Record, UserName};
use crate::domain::time::Timestamp;
use crate::proxy::Proxy;
use crate::proxy::learn::lesson::Asked;
use crate::proxy::succession;
use crate::store::StoreError;
use crate::store::event::build::EventFacts;
use crate::store::op::{End, Ended};
use crate::store::seat::Seat;
use crate::telemetry::metrics::StoreOp;

/// A login whose user's sessions are counted.
pub(crate) struct Counted<'a> {
    pub(super) proxy: &'a Proxy,
    pub(super) asked: &'a Asked,
    pub(super) user: UserName,
    pub(super) key: UserKey,
    pub(super) seats: Seats,
    /// The sessions that the login begins and ends.
    pub(super) own: Vec<Lineage>,
}

/// Somebody on a seat.
pub(super) struct Sitting {
    pub(super) seat: Seat,
    /// The id that his session has by now.
    pub(super) sid: Sid,
    pub(super) record: Record,
    pub(super) occupant: Occupant,
}

impl Counted<'_> {
    pub(super) fn end_of(&self, one: &Sitting, reason: EndReason, now: Timestamp) -> End {
        let config = &self.asked.snapshot.config;
        let session = &one.record.session;
        let setting = Setting::of_app(config.bounds_of(&session.app));
        let limits = session.limits(&config.policy, setting);
        let facts = EventFacts {
            session,
            last_active: one.record.last_active,
            limits: &limits,
            policy: &config.policy,
            at: now,
            client: Some(self.asked.client),
        };
        End::of(facts, reason, config.forget_at(true, now))
    }

    /// Ends a session, and tells whether it is over now, by this or by another's doing.
    pub(super) async fn end(&self, one: &Sitting, end: End) -> Result<bool, StoreError> {
        let session = &one.record.session;
        let apps = self.asked.snapshot.apps.iter();
        let mut apps = apps.filter(|app| app.app.name == session.app);
        let app = apps.next().unwrap_or(&self.asked.app);
        let ended = succession::end_from(self.proxy, app, session, one.sid, end).await?;
        Ok(matches!(ended, Ended::Now | Ended::Before(_)))
    }

    /// Leaves seats that lead to nobody. If it fails, the next login meets them again.
    pub(super) async fn leave(&self, seats: &[Seat]) {
        if seats.is_empty() {
            return;
        }
        let left = self.proxy.store.leave_seats(self.key, seats);
        if let Err(error) = self.store(left).await {
            tracing::debug!(%error, "seats that lead to nobody are left for the next login");
        }
    }

    pub(super) async fn store<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.proxy.timed(StoreOp::Seat, call).await
    }
}
