//! What an answer is read with, and what it teaches.

use std::net::IpAddr;
use std::sync::Arc;

use http::{Uri, response};
use serde_json::Value;

use crate::clock;
use crate::config::app::{App, Source};
use crate::domain::decide::Live;
use crate::domain::device::Seen;
use crate::domain::identity::Sid;
use crate::domain::limits::Limits;
use crate::domain::seats::Seats;
use crate::domain::session::Session;
use crate::domain::time::Timestamp;
use crate::proxy::answer_cookies::AnswerCookies;
use crate::proxy::extracted::Extracted;
use crate::proxy::recipe::Attempt;
use crate::proxy::snapshot::{AppRuntime, Snapshot};
use crate::routing::Routed;
use crate::store::event::build::EventFacts;

/// All that is known of the request whose answer is being read.
pub(crate) struct Asked {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) app: Arc<AppRuntime>,
    /// When the request was admitted.
    pub(crate) now: Timestamp,
    pub(crate) client: IpAddr,
    /// The device that it came from.
    pub(crate) seen: Seen,
    /// The session it was admitted with.
    pub(crate) live: Option<Live>,
    /// The ids it carried, dead or alive.
    pub(crate) presented: Vec<Sid>,
    pub(crate) attempt: Option<Attempt>,
    /// The logout recipe it matched.
    pub(crate) logout: Option<usize>,
}

impl Asked {
    /// What an event of a session tells, as of this request.
    pub(super) fn facts<'a>(
        &'a self,
        session: &'a Session,
        last_active: Timestamp,
        limits: &'a Limits,
    ) -> EventFacts<'a> {
        EventFacts {
            session,
            last_active,
            limits,
            policy: &self.snapshot.config.policy,
            at: self.now,
            client: Some(self.client),
        }
    }

    /// What an event of the session it was admitted with tells.
    pub(super) fn facts_of<'a>(&'a self, live: &'a Live) -> EventFacts<'a> {
        self.facts(&live.session, live.last_active, &live.limits)
    }
}

/// The head of an answer, and its JSON where a recipe needs it.
pub(crate) struct AnswerHead {
    pub(crate) parts: response::Parts,
    pub(crate) cookies: AnswerCookies,
    pub(crate) json: Option<Value>,
    /// What was asked for.
    pub(crate) asked_uri: Uri,
}

impl AnswerHead {
    /// With the cookies of an answer that matter, read.
    pub(crate) fn new(
        parts: response::Parts,
        json: Option<Value>,
        asked_uri: Uri,
        read_cookies: &[String],
    ) -> Self {
        let cookies =
            AnswerCookies::read(&parts.headers, read_cookies, asked_uri.path(), clock::wall);
        Self {
            parts,
            cookies,
            json,
            asked_uri,
        }
    }

    /// Whether it can teach anything: most answers cannot.
    pub(crate) fn may_teach(&self, app: &App, routed: &Routed, attempt: Option<&Attempt>) -> bool {
        attempt.is_some()
            || routed.logout.is_some()
            || !app.issued.is_empty()
            || !self.cookies.is_empty()
    }

    /// Whether its body tells an id.
    pub(crate) fn tells_id(&self, app: &App) -> bool {
        app.issued.iter().any(|source| match source {
            Source::AnswerJson(pointer) => {
                let told = Extracted::in_json(self.json.as_ref(), pointer);
                matches!(told, Extracted::Values(_))
            }
            _ => false,
        })
    }
}

/// What was learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lesson {
    /// Nothing that changes a session.
    Nothing,
    /// An id that nobody logged in with.
    Found,
    /// A new id for the same lineage.
    Rotated,
    /// A login, which began this session under a new id.
    LoggedIn(Arc<Session>),
    /// A login, which began this session under the id that the request carried.
    LoggedInPlace(Arc<Session>),
    /// A login that the app took and the gateway refuses.
    LoginRefused(Box<LoginRefused>),
    /// A logout.
    LoggedOut,
    /// The app issued an id that is dead: it is withheld.
    Dropped,
    /// The app issued an id for which there is no room: it is withheld.
    NoRoom,
}

impl Lesson {
    /// The session that a login began.
    pub(crate) fn login(&self) -> Option<&Arc<Session>> {
        match self {
            Self::LoggedIn(session) | Self::LoggedInPlace(session) => Some(session),
            Self::Nothing
            | Self::Found
            | Self::Rotated
            | Self::LoginRefused(_)
            | Self::LoggedOut
            | Self::Dropped
            | Self::NoRoom => None,
        }
    }
}

/// Why a login is refused that the app has let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoginRefused {
    pub(crate) why: WhyRefused,
    pub(crate) seats: Seats,
    /// The session that it would have begun.
    pub(crate) session: Arc<Session>,
    /// Whether the client has the id already: it is dead from now on.
    pub(crate) in_place: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhyRefused {
    /// All seats are taken.
    TooMany,
    /// Nobody can tell whose seats they are.
    Nameless,
}
