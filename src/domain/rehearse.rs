//! What is only watched: limits in monitor mode, and the ends to which they would have come.

use std::time::Duration;

use super::limits::{Bounds, Limits};
use super::policy::Policy;
use super::resolve::Setting;
use super::session::{EndReason, Record};
use super::time::Timestamp;

/// Whether the limits of an app or of a role end sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// They do.
    #[default]
    Enforce,
    /// They are watched: what they would have ended is told, and goes on.
    Monitor,
}

impl Mode {
    /// Watched where either says so.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match self {
            Self::Enforce => other,
            Self::Monitor => self,
        }
    }
}

/// The idle timeout of a session whose limits are only watched, where they are not longer
/// themselves: nobody who comes back the same day is turned away, and the store does not fill.
pub const MONITOR_IDLE: Duration = Duration::from_secs(24 * 60 * 60);

/// Its absolute timeout, likewise: so long a record and the cuts that may cover it are kept.
pub const MONITOR_ABSOLUTE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What an app says of the sessions in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AppBounds {
    /// Its own limits.
    pub limits: Bounds,
    /// Whether anything ends its sessions by time.
    pub mode: Mode,
}

impl From<Bounds> for AppBounds {
    fn from(limits: Bounds) -> Self {
        Self {
            limits,
            mode: Mode::Enforce,
        }
    }
}

/// Which would-be ends of a session were told. Each is told once: the absolute timeout once in its
/// life, the idle one once for each time that its user was away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WouldHaveEnded {
    /// By the absolute timeout.
    pub absolute: bool,
    /// By the idle timeout: behind which last activity.
    pub idle_since: Option<Timestamp>,
}

impl WouldHaveEnded {
    /// These and one more, of a session that was last active then.
    #[must_use]
    pub fn and(self, reason: EndReason, last_active: Timestamp) -> Self {
        match reason {
            EndReason::AbsoluteTimeout => Self {
                absolute: true,
                ..self
            },
            _ => Self {
                idle_since: Some(last_active),
                ..self
            },
        }
    }
}

/// A living session held against limits that are only watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsal {
    /// The limits it would have if nothing were in monitor mode.
    pub limits: Limits,
    /// What would have ended it by now.
    pub would: Option<EndReason>,
    /// Of that, what nobody has told yet.
    pub untold: Option<EndReason>,
    /// How long until the next moment worth a look, once that is told.
    pub left: Duration,
}

impl Policy {
    /// Whether any limit may only be watched there.
    pub fn watches(&self, setting: Setting) -> bool {
        let monitored = |mode| mode == Mode::Monitor;
        monitored(setting.app.mode) || self.roles.iter().any(|role| monitored(role.mode))
    }
}

impl Record {
    /// Holds a living session against the limits that are only watched; nothing where none is
    /// shorter than what is enforced.
    pub fn rehearse(&self, policy: &Policy, setting: Setting, now: Timestamp) -> Option<Rehearsal> {
        if !policy.watches(setting) {
            return None;
        }
        let limits = self.session.resolve(policy, setting).watched?;
        let left = self.left(&limits, now);
        let told = self.session.would_have_ended;
        let absolute = left
            .absolute
            .is_zero()
            .then_some(EndReason::AbsoluteTimeout);
        let idle = left.idle.is_zero().then_some(EndReason::IdleTimeout);
        let idle_untold = idle.filter(|_| told.idle_since != Some(self.last_active));
        let next_idle = match idle {
            // He may come back any moment, and be away as long again.
            Some(_) => limits.idle.after,
            None => left.idle,
        };
        Some(Rehearsal {
            would: absolute.or(idle),
            untold: absolute.filter(|_| !told.absolute).or(idle_untold),
            left: match absolute {
                Some(_) => next_idle,
                None => next_idle.min(left.absolute),
            },
            limits,
        })
    }
}

#[cfg(test)]
mod tests;
