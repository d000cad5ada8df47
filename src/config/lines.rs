//! On which line of the file each rule of the policy stands.

use std::collections::HashMap;

use crate::domain::limits::Rule;

/// The line of each rule, from 1. A rule that is a default has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleLines {
    rules: HashMap<Rule, usize>,
    apps: HashMap<String, usize>,
}

impl RuleLines {
    /// The line of a rule that limits a session of this app.
    pub fn of(&self, app: &str, rule: &Rule) -> Option<usize> {
        match rule {
            Rule::App | Rule::Adoption => self.apps.get(app),
            Rule::Ceiling | Rule::Role(_) | Rule::Unmapped(_) | Rule::Anonymous => {
                self.rules.get(rule)
            }
        }
        .copied()
    }

    pub(super) fn insert(&mut self, rule: Rule, line: usize) {
        self.rules.insert(rule, line);
    }

    pub(super) fn insert_app(&mut self, app: &str, line: usize) {
        self.apps.insert(app.to_owned(), line);
    }
}
