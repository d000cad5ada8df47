//! A login takes one of its user's seats, where the policy limits how many sessions he may have.
//!
//! It takes a seat first and is told of all others; then it finds out who of them is there still,
//! and ends whom it must; only then may its id come alive. Two logins at once therefore see each
//! other, or the later one sees the earlier (`store::seat`), and there are never more alive than
//! seats. Whatever breaks off in between leaves a seat whose id is dead or never came alive: the
//! next login meets it.

mod counted;
mod sitting;

use std::sync::Arc;

use crate::domain::decide::Live;
use crate::domain::identity::{Sid, UserKey};
use crate::domain::resolve::Setting;
use crate::domain::seats::{Seating, Seats, find_seat};
use crate::domain::session::{EndReason, Session};
use crate::domain::time::Timestamp;
use crate::store::StoreError;
use crate::store::event::build::seats_in_force;
use crate::store::seat::{NewSeat, Seat};
use crate::telemetry::metrics::StoreOp;

use super::Proxy;
use super::learn::lesson::{Asked, LoginRefused, WhyRefused};
use counted::{Counted, Sitting};

/// How often a login looks again, because somebody whom it was to end came back meanwhile. Who is
/// not gone by then is in use.
const TRIES_MAX: usize = 5;

/// What a login is, as to its user's seats.
pub(crate) enum Counting<'a> {
    /// No rule limits them, or the app's logins do not tell whose session they begin.
    Not,
    /// They are limited.
    By(Counted<'a>),
    /// They are limited, and this login did not tell its user as others do. Whoever could leave
    /// his name out would never be counted.
    Nameless(Seats),
}

impl<'a> Counting<'a> {
    /// Of a login that is to begin this session. `names` is whether its recipe knows where the user
    /// is told.
    pub(crate) fn of(proxy: &'a Proxy, asked: &'a Asked, session: &Session, names: bool) -> Self {
        let policy = &asked.snapshot.config.policy;
        let facts = session.facts(policy, Setting::default());
        let Some(seats) = policy.seats(facts.holder) else {
            return Self::Not;
        };
        let Some(user) = session.user() else {
            return match names {
                true => Self::Nameless(seats),
                false => Self::Not,
            };
        };
        let left = asked.live.as_ref().map(|live| live.session.lineage);
        Self::By(Counted {
            proxy,
            asked,
            key: UserKey::of(&asked.app.app.namespace, user.as_str()),
            user: user.clone(),
            seats,
            own: [Some(session.lineage), left]
                .into_iter()
                .flatten()
                .collect(),
        })
    }

    /// Lets a login go on under an id that is not alive yet, or that nobody is logged in with, if
    /// there is a seat for it.
    pub(crate) async fn admit(
        &self,
        sid: Sid,
        forget_at: Timestamp,
    ) -> Result<Admission, StoreError> {
        match self {
            Self::Not => Ok(Admission::Uncounted),
            Self::Nameless(_) => Ok(Admission::Refused),
            Self::By(counted) => {
                let seat = counted.take(sid, forget_at).await?;
                Ok(seat.map_or(Admission::Refused, Admission::On))
            }
        }
    }

    /// Whether this login may stay, whose id was alive before it was logged in and is now written.
    ///
    /// A seat that is no longer its own was taken again for the same id, by the same login sent
    /// twice, or was left by somebody who took the login for one that broke off. It then takes
    /// another seat: whoever meets that one finds the id logged in, and whoever met the old one came
    /// before it and is counted.
    pub(crate) async fn confirm(
        &self,
        admission: Admission,
        sid: Sid,
        forget_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let (Self::By(counted), Admission::On(seat)) = (self, admission) else {
            return Ok(true);
        };
        let held = counted.proxy.store.holds_seat(counted.key, seat);
        if counted.store(held).await? {
            return Ok(true);
        }
        let again = self.admit(sid, forget_at).await?;
        Ok(again != Admission::Refused)
    }

    /// What its refusal would tell; none where nothing is counted.
    pub(crate) fn refusal(&self, session: &Arc<Session>, in_place: bool) -> Option<LoginRefused> {
        let (why, seats) = match self {
            Self::Not => return None,
            Self::By(counted) => (WhyRefused::TooMany, counted.seats),
            Self::Nameless(seats) => (WhyRefused::Nameless, *seats),
        };
        Some(LoginRefused {
            why,
            seats,
            session: Arc::clone(session),
            in_place,
        })
    }
}

/// What became of a login, as to its user's seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It takes none.
    Uncounted,
    /// It goes on, on this one.
    On(Seat),
    /// There is none for it.
    Refused,
}

impl Counted<'_> {
    /// Takes a seat for an id; none where all stay taken.
    async fn take(&self, sid: Sid, forget_at: Timestamp) -> Result<Option<Seat>, StoreError> {
        // Not when the request came: the app may have taken its time, and a seat tells how long
        // its login has been under way.
        let now = self.proxy.clock.now();
        let new = NewSeat {
            sid,
            at: now,
            forget_at,
        };
        let (mut own, mut is_free) = self.sit_down(new).await?;
        if is_free && own.is_none() {
            // Those who kept it from a seat of its own led to nobody, and are gone.
            (own, is_free) = self.sit_down(new).await?;
        }
        if is_free {
            return Ok(own);
        }
        // An id that the app keeps may be alive until its end is written; dead, it leads to nobody.
        let live = self.asked.live.as_ref();
        let is_kept = live.is_some_and(|live| live.sid == sid);
        let left = own.filter(|_| !is_kept);
        self.leave(left.as_slice()).await;
        Ok(None)
    }

    /// Takes a seat, if there is room for one more to be kept, and tells whether it may stay.
    async fn sit_down(&self, new: NewSeat) -> Result<(Option<Seat>, bool), StoreError> {
        let taken = self.proxy.store.take_seat(self.key, new);
        let taken = self.store(taken).await?;
        let others = match taken.own {
            // Those that came later count this one.
            Some(own) => {
                let is_earlier = |seat: &Seat| seat.taken < own.taken;
                taken.others.into_iter().filter(is_earlier).collect()
            }
            None => taken.others,
        };
        Ok((taken.own, self.make_room(others, new.at).await?))
    }

    async fn make_room(&self, mut others: Vec<Seat>, now: Timestamp) -> Result<bool, StoreError> {
        for _ in 0..TRIES_MAX {
            let sitting = self.who_sits(others, now).await?;
            let occupants: Vec<_> = sitting.iter().map(|one| one.occupant).collect();
            let leaving = match find_seat(&occupants, &self.own, self.seats.limit) {
                Seating::Free => return Ok(true),
                Seating::Full => return Ok(false),
                Seating::After(leaving) => leaving,
            };
            if self.displace(&sitting, &leaving, now).await? {
                return Ok(true);
            }
            others = sitting.into_iter().map(|one| one.seat).collect();
        }
        Ok(false)
    }

    /// Ends these, each if it is still as idle as when it was chosen. Tells whether all are over.
    async fn displace(
        &self,
        sitting: &[Sitting],
        leaving: &[usize],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        for one in leaving.iter().filter_map(|index| sitting.get(*index)) {
            let mut end = self.end_of(one, EndReason::Displaced, now);
            end.if_last_active = Some(one.record.last_active);
            if let Some(event) = &mut end.event {
                let policy = &self.asked.snapshot.config.policy;
                event.max_sessions = Some(seats_in_force(policy, self.seats));
            }
            if !self.end(one, end).await? {
                return Ok(false);
            }
        }
        let left: Vec<Seat> = leaving.iter().map(|index| sitting[*index].seat).collect();
        self.leave(&left).await;
        Ok(true)
    }
}

/// Hands the seat of a session over to the id that replaced its own. If it fails, the next login
/// follows the ids.
pub(super) async fn follow(proxy: &Proxy, asked: &Asked, live: &Live, to: Sid) {
    let policy = &asked.snapshot.config.policy;
    let facts = live.session.facts(policy, Setting::default());
    let (Some(user), Some(_)) = (live.session.user(), policy.seats(facts.holder)) else {
        return;
    };
    let key = UserKey::of(&asked.app.app.namespace, user.as_str());
    let handed_over = proxy.store.hand_over_seat(key, live.sid, to);
    if let Err(error) = proxy.timed(StoreOp::Seat, handed_over).await {
        tracing::debug!(%error, "a seat stays with an id that was replaced");
    }
}

#[cfg(test)]
mod tests;
