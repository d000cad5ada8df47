//! On which line of the file each rule of the policy stands.

use std::collections::HashMap;

use crate::domain::limits::{LimitKind, RoleId, Rule};

/// The line of each rule, from 1. A rule that is a default has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleLines {
    rules: HashMap<Rule, usize>,
    apps: HashMap<String, usize>,
    /// From which role one has a limit that it does not set itself.
    heirs: HashMap<(RoleId, LimitKind), RoleId>,
}

impl RuleLines {
    /// The line of a rule that gives a session of this app a limit of this kind.
    pub fn of(&self, app: &str, rule: Rule, kind: LimitKind) -> Option<usize> {
        match rule {
            Rule::App | Rule::Adoption => self.apps.get(app),
            Rule::Role(id) | Rule::Unmapped(id) => {
                let giver = self.giver(id, kind).unwrap_or(id);
                self.rules.get(&Rule::Role(giver))
            }
            Rule::Ceiling | Rule::Anonymous | Rule::Route(_) => self.rules.get(&rule),
        }
        .copied()
    }

    /// The role from which another one has a limit, where it does not set it itself.
    pub fn giver(&self, role: RoleId, kind: LimitKind) -> Option<RoleId> {
        self.heirs.get(&(role, kind)).copied()
    }

    pub(super) fn insert(&mut self, rule: Rule, line: usize) {
        self.rules.insert(rule, line);
    }

    pub(super) fn insert_app(&mut self, app: &str, line: usize) {
        self.apps.insert(app.to_owned(), line);
    }

    pub(super) fn insert_heir(&mut self, role: RoleId, kind: LimitKind, giver: RoleId) {
        self.heirs.insert((role, kind), giver);
    }
}
