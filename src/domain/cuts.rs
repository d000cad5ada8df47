//! Cuts: revocations of many at once, and changes of roles, each one write.

use std::collections::HashMap;

use super::identity::Lineage;
use super::policy::RoleName;
use super::session::Session;
use super::time::Timestamp;

/// Whom a cut covers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One lineage, whatever its id is by now.
    Lineage(Lineage),
    /// All sessions of a user, in every app.
    User(String),
    /// Every session.
    All,
    /// All sessions of a user, whose roles are others than his logins told.
    RolesOf(String),
    /// All sessions that hold a role, of which others may have it by now.
    Role(RoleName),
}

/// The table of cuts: of each scope, the latest instant.
///
/// A session is covered where it began, or logged in, at or before the instant, so that a fresh
/// login works at once. A lineage is covered whenever it began: its name is never used again.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cuts {
    version: u64,
    all: Option<Timestamp>,
    users: HashMap<String, Timestamp>,
    lineages: HashMap<Lineage, Timestamp>,
    roles_of: HashMap<String, Timestamp>,
    roles: HashMap<RoleName, Timestamp>,
}

impl Cuts {
    /// The table as the store holds it. Of two entries of a scope the later one stands.
    pub fn new(version: u64, entries: impl IntoIterator<Item = (Scope, Timestamp)>) -> Self {
        let mut cuts = Self {
            version,
            ..Self::default()
        };
        for (scope, at) in entries {
            cuts.insert(scope, at);
        }
        cuts
    }

    /// Raised by every change of the stored table.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// How many scopes are cut.
    pub fn len(&self) -> usize {
        let roles = self.roles_of.len() + self.roles.len();
        usize::from(self.all.is_some()) + self.users.len() + self.lineages.len() + roles
    }

    /// Whether nothing is cut.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a session is revoked.
    pub fn cover(&self, session: &Session) -> bool {
        if self.is_empty() {
            return false;
        }
        let began = session
            .login
            .as_ref()
            .map_or(session.started, |login| login.admitted);
        let covered = |at: Option<&Timestamp>| at.is_some_and(|at| began <= *at);
        covered(self.all.as_ref())
            || session
                .user()
                .is_some_and(|user| covered(self.users.get(user.as_str())))
            || self.lineages.contains_key(&session.lineage)
    }

    /// Whether somebody said that a session's roles changed, at or after the instant at which they
    /// were learned.
    pub fn tell_of_roles(&self, session: &Session) -> bool {
        if self.roles_of.is_empty() && self.roles.is_empty() {
            return false;
        }
        let Some(login) = &session.login else {
            return false;
        };
        let is_old = |at: Option<&Timestamp>| at.is_some_and(|at| login.roles_learned <= *at);
        let user = login.user.as_ref().map(|user| user.as_str());
        user.is_some_and(|user| is_old(self.roles_of.get(user)))
            || login.roles.iter().any(|role| is_old(self.roles.get(role)))
    }

    /// This table with one cut more, under the next version.
    pub fn with(mut self, scope: Scope, at: Timestamp) -> Self {
        self.insert(scope, at);
        self.version += 1;
        self
    }

    /// This table without the cuts made before `horizon`: no session can be old enough for them.
    pub fn since(mut self, horizon: Timestamp) -> Self {
        self.all = self.all.filter(|at| *at >= horizon);
        self.users.retain(|_, at| *at >= horizon);
        self.lineages.retain(|_, at| *at >= horizon);
        self.roles_of.retain(|_, at| *at >= horizon);
        self.roles.retain(|_, at| *at >= horizon);
        self
    }

    fn insert(&mut self, scope: Scope, at: Timestamp) {
        let latest = match scope {
            Scope::All => self.all.get_or_insert(at),
            Scope::User(user) => self.users.entry(user).or_insert(at),
            Scope::Lineage(lineage) => self.lineages.entry(lineage).or_insert(at),
            Scope::RolesOf(user) => self.roles_of.entry(user).or_insert(at),
            Scope::Role(role) => self.roles.entry(role).or_insert(at),
        };
        *latest = at.max(*latest);
    }
}

#[cfg(test)]
mod tests;
