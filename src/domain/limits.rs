//! The two limits, each with the rule it came from.

use std::time::Duration;

use super::policy::RoleName;

/// The rule that gave a limit. The config knows the line of each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Rule {
    /// The deployment's `[ceiling]`.
    Ceiling,
    /// The app's own `idle` or `absolute`.
    App,
    /// A role the session holds.
    Role(RoleName),
    /// The strictest of all roles, because no mapping knew the user or the role is gone.
    Unmapped(RoleName),
    /// `[anonymous]`: no login was seen.
    Anonymous,
    /// The app's `adopt_until`: its id was adopted.
    Adoption,
}

/// One limit and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// `elapsed >= after` ends the session.
    pub after: Duration,
    /// Which rule said so.
    pub rule: Rule,
}

/// What a session may not reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Since the last active request.
    pub idle: Limit,
    /// Since the session started, or since its login.
    pub absolute: Limit,
}

impl Limits {
    /// Takes over each limit of `other` that is smaller; the first to say so keeps the credit.
    pub(super) fn tighten(&mut self, other: Bounds, rule: &Rule) {
        for (limit, after) in [
            (&mut self.idle, other.idle),
            (&mut self.absolute, other.absolute),
        ] {
            if let Some(after) = after
                && after < limit.after
            {
                *limit = Limit {
                    after,
                    rule: rule.clone(),
                };
            }
        }
    }
}

/// Limits that a rule may leave open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bounds {
    /// An idle timeout, where the rule sets one.
    pub idle: Option<Duration>,
    /// An absolute timeout, where the rule sets one.
    pub absolute: Option<Duration>,
}
