//! The conditional writes, and what became of them.

use std::sync::Arc;

use crate::domain::identity::{Lineage, Sid};
use crate::domain::session::{EndReason, Session};
use crate::domain::time::Timestamp;

use super::event::SessionEvent;
use super::event::build::{EventFacts, alert_of, end_event, would_end_event};

/// An id to record.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// What stays of it.
    pub session: Arc<Session>,
    /// Its last activity so far.
    pub last_active: Timestamp,
    /// Pending, for a login or a rotation to activate; otherwise alive at once.
    pub pending: bool,
    /// When its record, or its tombstone, may be forgotten. Only collects garbage.
    pub forget_at: Timestamp,
}

/// What became of a `create`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// It is recorded.
    Recorded,
    /// The id is known already, alive or dead: nothing changed.
    Taken,
    /// The store is at its bound: nothing changed.
    Full,
}

/// What became of a `touch` or a `bind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touched {
    /// The id is alive; its last activity is the later of both.
    Alive,
    /// It ended before.
    Ended(EndReason),
    /// Another id took over before.
    Superseded(Sid),
    /// It is not known (any more), not alive yet, or, for a `bind`, of another lineage.
    Unknown,
}

/// How an id hands over to its successor.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The lineage the id must have for this to happen: an id that the app kept over a login has
    /// another, which is unknown to whoever asks with the old one.
    pub lineage: Lineage,
    /// The id that takes over.
    pub successor: Sid,
    /// When.
    pub at: Timestamp,
    /// What it becomes.
    pub by: ClaimedBy,
}

/// What the claim makes of the id.
#[derive(Debug, Clone)]
pub enum ClaimedBy {
    /// A rotation, or a login of an anonymous visitor: superseded, in silence.
    Succession,
    /// A login over an authenticated session: its lineage ends `reauthenticated`, with this event.
    Login(Box<SessionEvent>),
}

/// What became of a `claim`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// It was alive and is no longer; its last activity is handed over.
    Yes {
        /// The last active request it saw.
        last_active: Timestamp,
    },
    /// It ended before.
    Ended(EndReason),
    /// Another id took over before.
    Superseded(Sid),
    /// It is not known (any more), not alive yet, or of another lineage.
    Unknown,
}

/// What a pending id becomes live with.
#[derive(Debug, Clone)]
pub struct Activation {
    /// The last activity it inherits, or the login.
    pub last_active: Timestamp,
    /// When the sweeper shall look at it; none for an anonymous one.
    pub due: Option<Timestamp>,
    /// The login's event, where it is one.
    pub event: Option<Box<SessionEvent>>,
}

/// What became of an `activate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activated {
    /// It is alive.
    Yes,
    /// It was ended while it was pending, or is not known: the app's Set-Cookie must be dropped.
    No,
}

/// An end.
#[derive(Debug, Clone)]
pub struct End {
    /// The lineage the id must have for this to happen, as in a `Claim`.
    pub lineage: Lineage,
    /// Why.
    pub reason: EndReason,
    /// When.
    pub at: Timestamp,
    /// For an idle end: the last activity it was judged by. If a touch came since, nothing ends.
    pub if_last_active: Option<Timestamp>,
    /// The event to append; none for an anonymous session.
    pub event: Option<Box<SessionEvent>>,
    /// When the tombstone may be forgotten.
    pub forget_at: Timestamp,
}

impl End {
    /// The end of a session as an event's facts tell it. An idle end holds only if no touch came
    /// since it was judged; an anonymous session ends without an event.
    pub fn of(facts: EventFacts<'_>, reason: EndReason, forget_at: Timestamp) -> Self {
        let authenticated = facts.session.is_authenticated();
        Self {
            lineage: facts.session.lineage,
            reason,
            at: facts.at,
            if_last_active: (reason == EndReason::IdleTimeout).then_some(facts.last_active),
            event: authenticated.then(|| Box::new(end_event(facts, reason))),
            forget_at,
        }
    }

    /// What to append: its event, and where that is alarming, an alert.
    pub(super) fn events(self) -> impl Iterator<Item = Box<SessionEvent>> {
        let alert = self.event.as_deref().and_then(alert_of).map(Box::new);
        self.event.into_iter().chain(alert)
    }
}

/// What became of an `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// This call ended it.
    Now,
    /// It had ended before, for this reason, which stands.
    Before(EndReason),
    /// Another id took over before: the end must follow it.
    Superseded(Sid),
    /// A touch came since it was judged: it lives on.
    Touched(Timestamp),
    /// It is not known (any more), or of another lineage.
    Unknown,
}

/// What stays of a living id from now on.
#[derive(Debug, Clone)]
pub struct Bound {
    /// The lineage the id must have for this to happen.
    pub lineage: Lineage,
    /// What stays of it from now on; may be of a new lineage, where the app kept the id over a
    /// login.
    pub session: Arc<Session>,
    /// The login that the app's unchanged id went through, where it did.
    pub login: Option<Box<InPlaceLogin>>,
}

/// A login over which the app kept its id.
#[derive(Debug, Clone)]
pub struct InPlaceLogin {
    /// The last activity: the login.
    pub last_active: Timestamp,
    /// When the sweeper shall look at it.
    pub due: Timestamp,
    /// When its record may be forgotten.
    pub forget_at: Timestamp,
    /// The events: the end of an authenticated predecessor, and the login.
    pub events: Vec<SessionEvent>,
}

/// A change of what stays of a living id, judged by what stayed of it before.
#[derive(Debug, Clone)]
pub struct Amendment {
    /// What must still stay of it for this to happen.
    pub before: Arc<Session>,
    /// What stays of it from now on; of the same lineage.
    pub after: Arc<Session>,
    /// When the sweeper shall look at it: its limits may have changed.
    pub due: Timestamp,
    /// The event of the change, where there is one.
    pub event: Option<Box<SessionEvent>>,
}

impl Amendment {
    /// A would-be end of a session, as an event's facts tell it: from now on it is told, and of all
    /// that tell it one does. Of an anonymous session nothing is recorded.
    pub fn of_would_be_end(facts: EventFacts<'_>, reason: EndReason, due: Timestamp) -> Self {
        let before = facts.session;
        let after = Session {
            would_have_ended: before.would_have_ended.and(reason, facts.last_active),
            ..before.clone()
        };
        let event = before
            .is_authenticated()
            .then(|| Box::new(would_end_event(facts, reason)));
        Self {
            before: Arc::new(before.clone()),
            after: Arc::new(after),
            due,
            event,
        }
    }
}

/// What became of an `amend`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amended {
    /// This call changed it.
    Yes,
    /// Something else stays of it by now: nothing changed.
    Overtaken,
    /// It ended before.
    Ended(EndReason),
    /// Another id took over before.
    Superseded(Sid),
    /// It is not known (any more), or not alive yet.
    Unknown,
}
