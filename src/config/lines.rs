//! On which line of the file each rule of the policy stands.

use std::collections::HashMap;

use crate::domain::limits::{DeviceId, LimitKind, RoleId, Rule};

/// A role; on devices of a class, where one is named.
pub type RoleOn = (RoleId, Option<DeviceId>);

/// The line of each rule, from 1. A rule that is a default has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleLines {
    rules: HashMap<Rule, usize>,
    apps: HashMap<String, usize>,
    /// From which role one has a limit; on devices of a class, where one is named.
    heirs: HashMap<(RoleOn, LimitKind), RoleId>,
    /// From which role one has its number of sessions.
    seats_heirs: HashMap<RoleId, RoleId>,
    /// Why a role may have a longer limit on devices of a class.
    reasons: HashMap<RoleOn, String>,
    /// Of each app's routes, in their order.
    routes: HashMap<String, Vec<usize>>,
}

impl RuleLines {
    /// The line of a rule that gives a session of this app a limit of this kind.
    pub fn of(&self, app: &str, rule: Rule, kind: LimitKind) -> Option<usize> {
        match rule {
            Rule::App | Rule::Adoption => self.apps.get(app),
            Rule::Role(id, device) | Rule::Unmapped(id, device) => {
                let giver = self.giver((id, device), kind).unwrap_or(id);
                self.rules.get(&Rule::Role(giver, device))
            }
            // Not written anywhere.
            Rule::Monitor => None,
            Rule::Ceiling
            | Rule::Anonymous
            | Rule::Device(_)
            | Rule::Route(_)
            | Rule::RoleAge(_) => self.rules.get(&rule),
        }
        .copied()
    }

    /// The role from which another one has a limit, where it does not set it itself.
    pub fn giver(&self, role: RoleOn, kind: LimitKind) -> Option<RoleId> {
        let giver = self.heirs.get(&(role, kind)).copied();
        giver.filter(|giver| *giver != role.0)
    }

    /// The line of a rule that limits how many sessions a user has.
    pub fn of_seats(&self, rule: Rule) -> Option<usize> {
        match rule {
            Rule::Role(id, _) | Rule::Unmapped(id, _) => {
                let giver = self.seats_giver(id).unwrap_or(id);
                self.rules.get(&Rule::Role(giver, None)).copied()
            }
            rule => self.rules.get(&rule).copied(),
        }
    }

    /// The role from which another one has its number of sessions, where it does not set it itself.
    pub fn seats_giver(&self, role: RoleId) -> Option<RoleId> {
        let giver = self.seats_heirs.get(&role).copied();
        giver.filter(|giver| *giver != role)
    }

    /// Why a role has such a limit on devices of a class, where it is written.
    pub fn because(&self, role: RoleOn, kind: LimitKind) -> Option<&str> {
        let giver = self.giver(role, kind).unwrap_or(role.0);
        self.reasons.get(&(giver, role.1)).map(String::as_str)
    }

    pub(super) fn insert_reason(&mut self, role: RoleOn, reason: &str) {
        self.reasons.insert(role, reason.to_owned());
    }

    /// The line of an app.
    pub fn of_app(&self, app: &str) -> Option<usize> {
        self.apps.get(app).copied()
    }

    /// The line of an app's route, by its place in the app.
    pub fn of_route(&self, app: &str, route: usize) -> Option<usize> {
        self.routes.get(app)?.get(route).copied()
    }

    pub(super) fn insert(&mut self, rule: Rule, line: usize) {
        self.rules.insert(rule, line);
    }

    pub(super) fn insert_app(&mut self, app: &str, line: usize) {
        self.apps.insert(app.to_owned(), line);
    }

    pub(super) fn insert_routes(&mut self, app: &str, lines: Vec<usize>) {
        self.routes.insert(app.to_owned(), lines);
    }

    pub(super) fn insert_seats_heir(&mut self, role: RoleId, giver: RoleId) {
        self.seats_heirs.insert(role, giver);
    }

    pub(super) fn insert_heir(&mut self, role: RoleOn, kind: LimitKind, giver: RoleId) {
        self.heirs.insert((role, kind), giver);
    }
}
