//! What a simulation comes to, role by role.

use std::collections::HashSet;

use serde::Serialize;

use crate::domain::identity::{Fingerprint, Lineage};
use crate::domain::policy::Policy;
use crate::domain::session::EndReason;
use crate::domain::time::Timestamp;

use super::logs::Broken;

/// Users that are told apart, in all: 16 bytes each. Beyond, their number is a lower bound.
const USERS_MAX: usize = 1_000_000;

/// What a session counts under that holds no role of the policy, and one without a login.
const NO_ROLE: [&str; 2] = ["(no role known)", "(no login)"];

/// An end that a policy would have brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Predicted {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The session.
    pub lineage: String,
    /// The app.
    pub app: String,
    /// The role that it counts under.
    pub role: String,
    /// Why.
    pub reason: String,
    /// The rule of the limit.
    pub rule: String,
}

/// What a simulation comes to.
#[derive(Debug, Default, Serialize)]
pub struct Tally {
    /// The policy that was tried.
    pub policy: String,
    /// How soon after an end who was active was at work, in milliseconds.
    pub within_ms: u64,
    /// When the first line was written.
    pub from_ms: Option<u64>,
    /// When the last was.
    pub to_ms: Option<u64>,
    /// Lines that were replayed.
    pub lines: u64,
    /// By role, in the policy's order.
    pub roles: Vec<RoleTally>,
    /// Whether users were counted to their end.
    pub users_complete: bool,
    /// Sessions that began before the first line: their first idle time is not known.
    pub begun_before: u64,
    /// Sessions that were alive after the last line.
    pub alive_at_the_end: u64,
    /// Requests of apps that this policy does not have.
    pub of_other_apps: u64,
    /// Requests whose route hangs on what no log tells: their recorded activity counts.
    pub as_recorded: u64,
    /// Requests whose device no log tells, though this policy has classes.
    pub without_device: u64,
    /// Sessions that were forgotten because too many lived at once.
    pub forgotten: u64,
    /// Lines that were written long after their request came.
    pub late: u64,
    /// Lines that could not be read.
    pub broken: Broken,
}

/// One role.
#[derive(Debug, Default, Serialize)]
pub struct RoleTally {
    /// Its name.
    pub role: String,
    /// Sessions.
    pub sessions: u64,
    /// Users, as far as the log tells them apart.
    pub users: usize,
    /// Users who would have been cut.
    pub users_cut: usize,
    /// Ends, also of those who never came back.
    pub ends: Ends,
    /// Of them, those that a request would have met.
    pub met: u64,
    /// Of these, those in the middle of work.
    pub at_work: u64,
    /// Sessions whose user was really turned away by a limit.
    pub really_turned_away: u64,
    /// Of them, those that would have gone on; for how long nobody knows.
    pub would_have_gone_on: u64,
    /// When the first would have ended.
    pub first_ms: Option<u64>,
    /// When the last would have.
    pub last_ms: Option<u64>,
    /// How many in each hour of the day, UTC.
    pub by_hour: [u64; 24],
    #[serde(skip)]
    seen: [HashSet<Fingerprint>; 2],
}

/// Ends by reason.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub struct Ends {
    /// By the idle timeout.
    pub idle_timeout: u64,
    /// By the absolute timeout.
    pub absolute_timeout: u64,
    /// Because of another device.
    pub device_changed: u64,
    /// Because what a login told of a role was too old.
    pub role_changed: u64,
}

impl Ends {
    /// All of them.
    pub fn all(&self) -> u64 {
        self.idle_timeout + self.absolute_timeout + self.device_changed + self.role_changed
    }
}

impl Tally {
    pub(super) fn under(policy: &Policy) -> Self {
        let roles = policy.roles.iter().map(|role| role.name.as_str());
        Self {
            policy: policy.version.to_string(),
            roles: roles
                .chain(NO_ROLE)
                .map(|role| RoleTally {
                    role: role.to_owned(),
                    by_hour: [0; 24],
                    ..RoleTally::default()
                })
                .collect(),
            users_complete: true,
            ..Self::default()
        }
    }

    /// A session began, or was met for the first time.
    pub(super) fn began(&mut self, role: usize, user: Option<Fingerprint>) {
        self.roles[role].sessions += 1;
        self.know(role, user, 0);
    }

    /// It would have ended.
    pub(super) fn ended(
        &mut self,
        role: usize,
        user: Option<Fingerprint>,
        (reason, at): (EndReason, Timestamp),
    ) {
        let told = &mut self.roles[role];
        match reason {
            EndReason::AbsoluteTimeout => told.ends.absolute_timeout += 1,
            EndReason::DeviceChanged => told.ends.device_changed += 1,
            EndReason::RoleChanged => told.ends.role_changed += 1,
            _ => told.ends.idle_timeout += 1,
        }
        let at = at.as_millis();
        told.first_ms = Some(told.first_ms.map_or(at, |first| first.min(at)));
        told.last_ms = told.last_ms.max(Some(at));
        told.by_hour[(at / 3_600_000 % 24) as usize] += 1;
        self.know(role, user, 1);
    }

    fn know(&mut self, role: usize, user: Option<Fingerprint>, which: usize) {
        let Some(user) = user else { return };
        let known: usize = self
            .roles
            .iter()
            .flat_map(|role| &role.seen)
            .map(HashSet::len)
            .sum();
        let seen = &mut self.roles[role].seen[which];
        if known >= USERS_MAX && !seen.contains(&user) {
            self.users_complete = false;
            return;
        }
        seen.insert(user);
        let counted = [0, 1].map(|which| self.roles[role].seen[which].len());
        [self.roles[role].users, self.roles[role].users_cut] = counted;
    }

    /// What sessions with these roles count under: of those they hold, the policy's first.
    pub(super) fn role_of(&self, authenticated: bool, held: &[String]) -> usize {
        let named = self.roles.len() - NO_ROLE.len();
        if !authenticated {
            return named + 1;
        }
        let names = self.roles[..named].iter();
        names
            .map(|told| &told.role)
            .position(|name| held.contains(name))
            .unwrap_or(named)
    }
}

pub(super) fn predicted(
    lineage: Lineage,
    app: &str,
    role: &str,
    (reason, at): (EndReason, Timestamp),
    rule: String,
) -> Predicted {
    Predicted {
        at_ms: at.as_millis(),
        lineage: lineage.to_string(),
        app: app.to_owned(),
        role: role.to_owned(),
        reason: reason.to_string(),
        rule,
    }
}
