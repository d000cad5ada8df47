//! The session: what is kept of one id, its states, and how it may end.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::cuts::Cuts;
use super::identity::{Fingerprint, Lineage, Sid};
use super::limits::{Bounds, Limits, Rule};
use super::policy::{Policy, PolicyVersion, RoleName};
use super::rehearse::{Mode, WouldHaveEnded};
use super::resolve::{Candidate, Facts, Holder, Resolved, Setting};
use super::time::Timestamp;
use super::token::Token;

/// Why a lineage ended. The first reason stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// Its user was away for the idle timeout.
    IdleTimeout,
    /// It reached the absolute timeout.
    AbsoluteTimeout,
    /// Its user left.
    Logout,
    /// Somebody with the right to do so ended it.
    Revoked,
    /// A newer session of the same user took its place.
    Displaced,
    /// Its user's roles changed, or were learned too long ago.
    RoleChanged,
    /// It moved to a device of another class.
    DeviceChanged,
    /// A replaced companion token came back.
    TokenReuse,
    /// The identity provider said so.
    BackChannel,
    /// Its user logged in again.
    Reauthenticated,
}

impl EndReason {
    /// Every reason, in the order of its declaration: `ALL[reason as usize] == reason`.
    pub const ALL: [Self; 10] = [
        Self::IdleTimeout,
        Self::AbsoluteTimeout,
        Self::Logout,
        Self::Revoked,
        Self::Displaced,
        Self::RoleChanged,
        Self::DeviceChanged,
        Self::TokenReuse,
        Self::BackChannel,
        Self::Reauthenticated,
    ];

    /// The word for it in records, metrics and configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IdleTimeout => "idle_timeout",
            Self::AbsoluteTimeout => "absolute_timeout",
            Self::Logout => "logout",
            Self::Revoked => "revoked",
            Self::Displaced => "displaced",
            Self::RoleChanged => "role_changed",
            Self::DeviceChanged => "device_changed",
            Self::TokenReuse => "token_reuse",
            Self::BackChannel => "back_channel",
            Self::Reauthenticated => "reauthenticated",
        }
    }

    /// The reason that `word` stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Bytes of a user name that are kept, at most; a longer one is no user name.
pub const USER_BYTES_MAX: usize = 128;

/// A user, as the app names him: 1 to 128 bytes without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UserName(Arc<str>);

impl UserName {
    /// The name, where it is one.
    pub fn new(name: &str) -> Option<Self> {
        let fits = !name.is_empty() && name.len() <= USER_BYTES_MAX;
        (fits && !name.chars().any(char::is_control)).then(|| Self(name.into()))
    }

    /// The name as the app spells it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where the app set a cookie, as its Set-Cookie said: what is needed to delete it again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CookieScope {
    /// The cookie's name.
    pub name: Arc<str>,
    /// Its Path attribute, where it had one.
    pub path: Option<Arc<str>>,
    /// Its Domain attribute, where it had one.
    pub domain: Option<Arc<str>>,
}

/// The value of a cookie that accompanies the id, by its keyed hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Companion {
    /// The cookie's name.
    pub name: Arc<str>,
    /// The value the app set last.
    pub current: Fingerprint,
    /// The one before it: requests that were under way still carry it.
    pub previous: Option<Fingerprint>,
}

/// What a login taught.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// When the login request was admitted, not when the app answered it: a cut made in between
    /// must cover it.
    pub admitted: Timestamp,
    /// The user, where the recipe yields one.
    pub user: Option<UserName>,
    /// His groups, as the app told them.
    pub groups: Vec<Arc<str>>,
    /// The roles that the policy in force gave them; none where no mapping knew them.
    pub roles: Vec<RoleName>,
    /// When the roles were learned.
    pub roles_learned: Timestamp,
    /// Whether something that it told could not be believed: no mapping gives it any role.
    pub is_doubtful: bool,
}

/// What stays as it is while an id lives, apart from its last activity and its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// What a person would call the session.
    pub lineage: Lineage,
    /// Raised by each login that keeps the id.
    pub generation: u32,
    /// The app that issued the id.
    pub app: Arc<str>,
    /// When the lineage began: at the id's first sight, or at the login.
    pub started: Timestamp,
    /// No later than this, whatever the policy says: where the id was adopted.
    pub until: Option<Timestamp>,
    /// The login, where one was seen; none for an anonymous session.
    pub login: Option<Login>,
    /// The class of its device: at the login, or after the last change of it that was recorded.
    /// None where the policy knew no classes.
    pub device: Option<Arc<str>>,
    /// The policy that was in force when it was recorded.
    pub policy: PolicyVersion,
    /// The cookies that accompany the id, at most one of each name.
    pub companions: Vec<Companion>,
    /// Where the app set its cookies.
    pub scopes: Vec<CookieScope>,
    /// The gateway's own companion token; none where the app has none, or none was asked for yet.
    pub token: Option<Token>,
    /// Which ends it would have come to by limits that are only watched, as far as they were told.
    pub would_have_ended: WouldHaveEnded,
}

impl Session {
    /// Whether a login was seen.
    pub fn is_authenticated(&self) -> bool {
        self.login.is_some()
    }

    /// What decides which rules limit it.
    pub fn facts(&self, policy: &Policy, setting: Setting) -> Facts<'_> {
        let holder = match &self.login {
            Some(login) => Holder::Authenticated(&login.roles),
            None => Holder::Anonymous,
        };
        let device = self.device.as_deref();
        Facts {
            holder,
            recorded: device.and_then(|name| policy.device_named(name)),
            setting,
        }
    }

    /// The roles it holds; none for an anonymous one.
    pub fn roles(&self) -> &[RoleName] {
        self.login.as_ref().map_or(&[], |login| &login.roles)
    }

    /// The user, where a login told one.
    pub fn user(&self) -> Option<&UserName> {
        self.login.as_ref()?.user.as_ref()
    }

    /// The limits that the policy gives it, within its own `until`. Where its user has other roles
    /// by now, the strictest of old and new.
    pub fn limits(&self, policy: &Policy, setting: Setting) -> Limits {
        self.resolve(policy, setting).enforced
    }

    /// The same, and what they would be if nothing were only watched. Its `until` always holds.
    pub fn resolve(&self, policy: &Policy, setting: Setting) -> Resolved {
        self.resolve_with(policy, setting, self.other_roles(policy))
    }

    /// The same, of one whose user is known to have these other roles by now, or none.
    fn resolve_with(
        &self,
        policy: &Policy,
        setting: Setting,
        others: Option<Vec<RoleName>>,
    ) -> Resolved {
        let facts = self.facts(policy, setting);
        let mut resolved = policy.resolve_both(facts);
        if let Some(roles) = others {
            let holder = Holder::Authenticated(&roles);
            resolved = resolved.and(policy.resolve_both(Facts { holder, ..facts }));
        }
        let limits = [Some(&mut resolved.enforced), resolved.watched.as_mut()];
        for limits in limits.into_iter().flatten() {
            limits.tighten(self.own_bounds(), Rule::Adoption);
        }
        resolved
    }

    /// Every rule that has a say in them, as `Policy::candidates`; its own `until` is the last.
    pub fn candidates(&self, policy: &Policy, setting: Setting) -> Vec<Candidate> {
        let mut candidates = policy.candidates(self.facts(policy, setting));
        let bounds = self.own_bounds();
        candidates.extend(bounds.is_set().then_some(Candidate {
            rule: Rule::Adoption,
            bounds,
            applies: true,
            mode: Mode::Enforce,
        }));
        candidates
    }

    fn own_bounds(&self) -> Bounds {
        Bounds {
            idle: None,
            absolute: self.until.map(|until| until.since(self.started)),
        }
    }

    /// When it is to be looked at, if nobody came after `last_active`: when it could end, or would
    /// if nothing were only watched.
    pub fn due(&self, policy: &Policy, setting: Setting, last_active: Timestamp) -> Timestamp {
        let limits = self.resolve(policy, setting).written();
        self.earliest_end(&limits, last_active)
    }

    /// The earliest instant at which it could end, if nobody came after `last_active`.
    pub fn earliest_end(&self, limits: &Limits, last_active: Timestamp) -> Timestamp {
        let idle_end = last_active.plus(limits.idle.after);
        idle_end.min(self.started.plus(limits.absolute.after))
    }
}

/// Where an id stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Made by a login or a rotation that is not finished: not alive yet.
    Pending,
    /// Requests may carry it.
    Alive,
    /// Its lineage ended. A tombstone.
    Ended {
        /// Why; the first reason stands.
        reason: EndReason,
        /// When.
        at: Timestamp,
    },
    /// A rotation replaced it; its lineage goes on. A tombstone.
    Superseded {
        /// When.
        at: Timestamp,
        /// The id that took over.
        successor: Sid,
    },
}

/// What the store knows of one id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What stays.
    pub session: Arc<Session>,
    /// The last active request.
    pub last_active: Timestamp,
    /// Where the id stands.
    pub state: State,
}

/// What a record means at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Within its limits.
    Live {
        /// The limits it is within.
        limits: Limits,
        /// How long until the first of them is reached without activity; never zero.
        left: Duration,
    },
    /// A limit or a cut is reached, and nobody has written the end yet.
    Due(EndReason),
    /// It ended before.
    Ended(EndReason),
    /// Another id took over.
    Superseded(Sid),
    /// Not alive yet.
    Pending,
}

/// How long a session has until each of its limits is reached.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left {
    pub(super) absolute: Duration,
    pub(super) idle: Duration,
}

impl Record {
    /// What this record means now. `elapsed >= limit` ends a session.
    ///
    /// A cut comes before the limits, since somebody gave an order, and so does a change of roles;
    /// the absolute timeout before the idle one, since no activity could have moved it.
    pub fn phase(&self, policy: &Policy, setting: Setting, cuts: &Cuts, now: Timestamp) -> Phase {
        match self.state {
            State::Pending => return Phase::Pending,
            State::Ended { reason, .. } => return Phase::Ended(reason),
            State::Superseded { successor, .. } => return Phase::Superseded(successor),
            State::Alive => {}
        }
        if cuts.cover(&self.session) {
            return Phase::Due(EndReason::Revoked);
        }
        if self.session.has_stale_authority(policy, cuts) {
            return Phase::Due(EndReason::RoleChanged);
        }
        // Its roles were just found to be what they were.
        let limits = self.session.resolve_with(policy, setting, None).enforced;
        let left = self.left(&limits, now);
        if left.absolute.is_zero() {
            return Phase::Due(match limits.absolute.rule {
                Rule::RoleAge(_) => EndReason::RoleChanged,
                _ => EndReason::AbsoluteTimeout,
            });
        }
        if left.idle.is_zero() {
            return Phase::Due(EndReason::IdleTimeout);
        }
        Phase::Live {
            limits,
            left: left.idle.min(left.absolute),
        }
    }

    /// How long until each limit is reached; zero where it is.
    pub(super) fn left(&self, limits: &Limits, now: Timestamp) -> Left {
        let absolute = now.since(self.session.started);
        let idle = now.since(self.last_active);
        Left {
            absolute: limits.absolute.after.saturating_sub(absolute),
            idle: limits.idle.after.saturating_sub(idle),
        }
    }
}

#[cfg(test)]
mod tests;
