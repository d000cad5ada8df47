//! Cuts: revocations of many at once, each one write.

use std::collections::HashMap;

use super::identity::Lineage;
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
        usize::from(self.all.is_some()) + self.users.len() + self.lineages.len()
    }

    /// Whether nothing is cut.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a session is covered.
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
        self
    }

    fn insert(&mut self, scope: Scope, at: Timestamp) {
        let latest = match scope {
            Scope::All => self.all.get_or_insert(at),
            Scope::User(user) => self.users.entry(user).or_insert(at),
            Scope::Lineage(lineage) => self.lineages.entry(lineage).or_insert(at),
        };
        *latest = at.max(*latest);
    }
}

#[cfg(test)]
mod tests;
