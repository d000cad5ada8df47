//! One shard: records and tombstones of the sids that share a first byte, and when to look at them.

use std::collections::{BTreeSet, HashMap};
use std::mem::{replace, size_of};
use std::time::Duration;

use crate::domain::identity::{Lineage, Sid};
use crate::domain::session::{EndReason, Record, Session, State};
use crate::domain::time::Timestamp;
use crate::store::event::SessionEvent;
use crate::store::op::{
    Activated, Activation, Amended, Amendment, Bound, Claim, Claimed, ClaimedBy, End, Ended,
    NewSession, Touched,
};

use super::kept::Kept;

/// How long a full store waits before it walks over a shard again in search of garbage.
const TIDY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Sessions of a shard that are in use at a time, at most. The others that are asked for are
/// unpacked anew each time, so that a million sessions fit however many of them are busy.
pub(super) const IN_USE_MAX: usize = 512;

/// Records by sid.
///
/// Boxed entries, since a table that has just grown is half empty, and an empty place costs as
/// much as a full one.
#[derive(Default)]
pub(super) struct Shard {
    entries: HashMap<Sid, Box<Entry>>,
    due: Due,
    /// Sessions in use, as far as known: the next `tidy` counts again.
    in_use: usize,
    tidied: Option<Timestamp>,
}

struct Entry {
    session: Kept,
    last_active: Timestamp,
    forget_at: Timestamp,
    standing: Standing,
}

impl Entry {
    fn lineage(&self) -> Lineage {
        self.session.session().lineage
    }
}

// A million of these are kept. The allocator hands out 56 bytes as 64, and one more as 80.
const _: () = assert!(size_of::<Entry>() <= 56);

/// `State`, with what the due index needs; small, because tombstones are few.
enum Standing {
    Pending,
    /// Alive; nobody logged in, and nobody looks when it is due.
    Anonymous,
    /// Alive, and in the due index at this instant.
    Watched {
        due: Timestamp,
    },
    Ended {
        reason: EndReason,
        at: Timestamp,
    },
    Superseded(Box<Succession>),
}

#[derive(Clone, Copy)]
struct Succession {
    at: Timestamp,
    successor: Sid,
}

impl Standing {
    fn alive(session: &Session, due: Timestamp) -> Self {
        if session.is_authenticated() {
            Self::Watched { due }
        } else {
            Self::Anonymous
        }
    }

    fn state(&self) -> State {
        match self {
            Self::Pending => State::Pending,
            Self::Anonymous | Self::Watched { .. } => State::Alive,
            Self::Ended { reason, at } => State::Ended {
                reason: *reason,
                at: *at,
            },
            Self::Superseded(succession) => State::Superseded {
                at: succession.at,
                successor: succession.successor,
            },
        }
    }
}

/// When to look at whom: exactly the living authenticated sids, each once.
#[derive(Default)]
struct Due(BTreeSet<(Timestamp, Sid)>);

impl Due {
    /// The only way in which a standing changes.
    fn stand(&mut self, sid: Sid, standing: &mut Standing, new: Standing) {
        if let Standing::Watched { due } = replace(standing, new) {
            self.0.remove(&(due, sid));
        }
        if let Standing::Watched { due } = standing {
            self.0.insert((*due, sid));
        }
    }
}

impl From<NotAlive> for Amended {
    fn from(not: NotAlive) -> Self {
        match not {
            NotAlive::Ended(reason) => Self::Ended(reason),
            NotAlive::Superseded(successor) => Self::Superseded(successor),
            NotAlive::Unknown => Self::Unknown,
        }
    }
}

/// Why an operation on living ids did nothing.
enum NotAlive {
    Ended(EndReason),
    Superseded(Sid),
    Unknown,
}

impl From<NotAlive> for Touched {
    fn from(not: NotAlive) -> Self {
        match not {
            NotAlive::Ended(reason) => Self::Ended(reason),
            NotAlive::Superseded(successor) => Self::Superseded(successor),
            NotAlive::Unknown => Self::Unknown,
        }
    }
}

impl From<NotAlive> for Claimed {
    fn from(not: NotAlive) -> Self {
        match not {
            NotAlive::Ended(reason) => Self::Ended(reason),
            NotAlive::Superseded(successor) => Self::Superseded(successor),
            NotAlive::Unknown => Self::Unknown,
        }
    }
}

fn living(entry: Option<&mut Box<Entry>>) -> Result<&mut Entry, NotAlive> {
    let entry = entry.ok_or(NotAlive::Unknown)?;
    match entry.standing.state() {
        State::Alive => Ok(entry),
        State::Pending => Err(NotAlive::Unknown),
        State::Ended { reason, .. } => Err(NotAlive::Ended(reason)),
        State::Superseded { successor, .. } => Err(NotAlive::Superseded(successor)),
    }
}

impl Shard {
    pub(super) fn record(&mut self, sid: Sid) -> Option<Record> {
        let entry = self.entries.get_mut(&sid)?;
        match &mut entry.session {
            Kept::InUse { asked, .. } => *asked = true,
            at_rest @ Kept::AtRest(_) if self.in_use < IN_USE_MAX => {
                *at_rest = at_rest.in_use();
                self.in_use += 1;
            }
            Kept::AtRest(_) => {}
        }
        Some(Record {
            session: entry.session.session(),
            last_active: entry.last_active,
            state: entry.standing.state(),
        })
    }

    /// Adds to `found` the ids of a lineage whose login was seen, those superseded left out.
    pub(super) fn add_ids_of(&self, lineage: Lineage, found: &mut Vec<Sid>) {
        let of_lineage = self.entries.iter().filter(|(_, entry)| {
            !matches!(entry.standing, Standing::Superseded(_))
                && entry.session.is_of(lineage)
                && entry.session.session().is_authenticated()
        });
        found.extend(of_lineage.map(|(sid, _)| *sid));
    }

    pub(super) fn knows(&self, sid: Sid) -> bool {
        self.entries.contains_key(&sid)
    }

    /// An authenticated one that is alive at once has no due of its own: it is looked at soon.
    pub(super) fn insert(&mut self, sid: Sid, new: NewSession) {
        let mut standing = Standing::Pending;
        if !new.pending {
            let alive = Standing::alive(&new.session, new.last_active);
            self.due.stand(sid, &mut standing, alive);
        }
        let entry = Entry {
            session: Kept::new(&new.session),
            last_active: new.last_active,
            forget_at: new.forget_at,
            standing,
        };
        self.entries.insert(sid, Box::new(entry));
    }

    pub(super) fn touch(&mut self, sid: Sid, at: Timestamp) -> Touched {
        match living(self.entries.get_mut(&sid)) {
            Ok(entry) => {
                entry.last_active = at.max(entry.last_active);
                Touched::Alive
            }
            Err(not) => not.into(),
        }
    }

    pub(super) fn claim(&mut self, sid: Sid, claim: &Claim) -> Claimed {
        let entry = match living(self.entries.get_mut(&sid)) {
            Ok(entry) => entry,
            Err(not) => return not.into(),
        };
        if entry.lineage() != claim.lineage {
            return Claimed::Unknown;
        }
        let at = claim.at;
        let dead = match claim.by {
            ClaimedBy::Succession => Standing::Superseded(Box::new(Succession {
                at,
                successor: claim.successor,
            })),
            ClaimedBy::Login(_) => Standing::Ended {
                reason: EndReason::Reauthenticated,
                at,
            },
        };
        self.due.stand(sid, &mut entry.standing, dead);
        Claimed::Yes {
            last_active: entry.last_active,
        }
    }

    /// Also hands back the event, where this call is what made the id live.
    pub(super) fn activate(
        &mut self,
        sid: Sid,
        as_: Activation,
    ) -> (Activated, Option<Box<SessionEvent>>) {
        let Some(entry) = self.entries.get_mut(&sid) else {
            return (Activated::No, None);
        };
        match entry.standing.state() {
            State::Pending => {}
            State::Alive => return (Activated::Yes, None),
            State::Ended { .. } | State::Superseded { .. } => return (Activated::No, None),
        }
        entry.last_active = as_.last_active.max(entry.last_active);
        let due = as_.due.unwrap_or(entry.last_active);
        let alive = Standing::alive(&entry.session.session(), due);
        self.due.stand(sid, &mut entry.standing, alive);
        (Activated::Yes, as_.event)
    }

    pub(super) fn end(&mut self, sid: Sid, end: &End) -> Ended {
        let Some(entry) = self.entries.get_mut(&sid) else {
            return Ended::Unknown;
        };
        match entry.standing.state() {
            State::Pending | State::Alive => {}
            State::Ended { reason, .. } => return Ended::Before(reason),
            State::Superseded { successor, .. } => return Ended::Superseded(successor),
        }
        if entry.lineage() != end.lineage {
            return Ended::Unknown;
        }
        if end
            .if_last_active
            .is_some_and(|judged| entry.last_active > judged)
        {
            return Ended::Touched(entry.last_active);
        }
        let dead = Standing::Ended {
            reason: end.reason,
            at: end.at,
        };
        self.due.stand(sid, &mut entry.standing, dead);
        entry.forget_at = end.forget_at;
        Ended::Now
    }

    pub(super) fn bind(&mut self, sid: Sid, bound: &Bound) -> Touched {
        let entry = match living(self.entries.get_mut(&sid)) {
            Ok(entry) => entry,
            Err(not) => return not.into(),
        };
        if entry.lineage() != bound.lineage {
            return Touched::Unknown;
        }
        entry.session = Kept::new(&bound.session);
        let mut due = match entry.standing {
            Standing::Watched { due } => due,
            _ => entry.last_active,
        };
        if let Some(login) = &bound.login {
            entry.last_active = login.last_active.max(entry.last_active);
            entry.forget_at = login.forget_at;
            due = login.due;
        }
        let alive = Standing::alive(&bound.session, due);
        self.due.stand(sid, &mut entry.standing, alive);
        Touched::Alive
    }

    pub(super) fn amend(&mut self, sid: Sid, amendment: &Amendment) -> Amended {
        let entry = match living(self.entries.get_mut(&sid)) {
            Ok(entry) => entry,
            Err(not) => return not.into(),
        };
        if entry.session.session() != amendment.before {
            return Amended::Overtaken;
        }
        entry.session = Kept::new(&amendment.after);
        let alive = Standing::alive(&amendment.after, amendment.due);
        self.due.stand(sid, &mut entry.standing, alive);
        Amended::Yes
    }

    /// Adds to `claimed` what is due at `now`, up to `max` in all, and puts it off until `until`.
    pub(super) fn claim_due(
        &mut self,
        now: Timestamp,
        until: Timestamp,
        max: usize,
        claimed: &mut Vec<Sid>,
    ) {
        let new = claimed.len();
        let due = self.due.0.iter().take_while(|(due, _)| *due <= now);
        claimed.extend(due.take(max - new).map(|(_, sid)| sid));
        for sid in &claimed[new..] {
            self.rearm(*sid, until);
        }
    }

    pub(super) fn rearm(&mut self, sid: Sid, at: Timestamp) {
        if let Some(entry) = self.entries.get_mut(&sid)
            && let Standing::Watched { .. } = entry.standing
        {
            let watched = Standing::Watched { due: at };
            self.due.stand(sid, &mut entry.standing, watched);
        }
    }

    pub(super) fn rearm_all(&mut self, now: Timestamp) {
        let watched = self.entries.iter_mut().filter_map(|(sid, entry)| {
            let Standing::Watched { due } = &mut entry.standing else {
                return None;
            };
            *due = now;
            Some((*due, *sid))
        });
        self.due = Due(watched.collect());
    }

    /// How many authenticated ids are alive.
    pub(super) fn watched(&self) -> usize {
        self.due.0.len()
    }

    /// Forgets what may be forgotten and puts to rest what nobody asks for. Tells how many
    /// records went.
    ///
    /// What is watched is never forgotten: it has not been ended yet, and its end is owed.
    pub(super) fn tidy(&mut self, now: Timestamp) -> usize {
        let before = self.entries.len();
        self.tidied = Some(now);
        self.in_use = 0;
        self.entries.retain(|_, entry| {
            let stays = matches!(entry.standing, Standing::Watched { .. }) || now < entry.forget_at;
            self.in_use += usize::from(stays && entry.session.settle());
            stays
        });
        before - self.entries.len()
    }

    /// The same for a full store, which is asked once for every id that it cannot take.
    pub(super) fn tidy_again(&mut self, now: Timestamp) -> usize {
        let lately = |tidied| now.since(tidied) < TIDY_AGAIN_AFTER;
        if self.tidied.is_some_and(lately) {
            return 0;
        }
        self.tidy(now)
    }
}
