//! Roles: their limits, inherited or their own, and whether anybody can hold them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::heir::{Heir, Named};
use super::limits::Rulebook;
use super::{Checker, items};
use crate::config::device::Devices;
use crate::config::fault::{At, Code, Fault};
use crate::config::raw::RawConfig;
use crate::config::raw::app::RawApp;
use crate::config::value::did_you_mean;
use crate::domain::limits::{LimitKind, Rule};
use crate::domain::policy::{Role, RoleName};
use crate::domain::session::UserName;

/// What records and metrics call the role of a session without a login.
const ANONYMOUS: &str = "anonymous";

impl Checker<'_> {
    /// The roles without those that have a fault. Where there is none, each has its place in the
    /// file for an id.
    pub(super) fn roles(&self, raw: &RawConfig, known: &Devices, rules: &mut Rulebook) {
        let learned = Learned::of(&raw.apps);
        for (index, (name, role)) in raw.roles.iter().enumerate() {
            let heir = Heir {
                roles: &raw.roles,
                chain: self.chain(&raw.roles, index),
            };
            let place = self.line(&role.place);
            rules.lines.insert(Rule::Role(heir.id(), None), place);
            for kind in LimitKind::BOTH {
                if let Some((giver, _)) = heir.limit(kind) {
                    rules.lines.insert_heir((heir.id(), None), kind, giver);
                }
            }
            let own = [role.value.idle.as_ref(), role.value.absolute.as_ref()];
            self.below_ceiling(own, rules.policy.ceiling);
            self.in_order_over(own, heir.limits());
            let on_devices = self.on_devices(&heir, known, rules);
            let max_role_age = self.max_role_age(&heir, rules);
            let seats = self.seats_of_role(&heir, raw, rules);
            self.held(&raw.roles, index, learned);
            let mode = self.mode(role.value.mode.as_ref(), "its limits end no session");
            let users = self.holders(items(role.value.users.as_ref()));
            let groups = self.holders(items(role.value.groups.as_ref()));
            if let Some(name) = self.role_name(name)
                && let [Some(idle), Some(absolute)] = heir.limits()
            {
                rules.policy.roles.push(Role {
                    name: RoleName::new(&name),
                    idle: idle.value.0,
                    absolute: absolute.value.0,
                    users,
                    groups,
                    on_devices,
                    max_role_age,
                    seats,
                    mode,
                });
            }
        }
    }

    /// How long what a login told of a role counts; a warning where its sessions are over by then.
    fn max_role_age(&self, heir: &Heir<'_>, rules: &mut Rulebook) -> Option<Duration> {
        let (giver, told) = heir.max_role_age()?;
        let line = self.line(&heir.roles[giver.index()].1.place);
        rules.lines.insert(Rule::RoleAge(heir.id()), line);
        if let (true, Some((_, absolute))) = (giver == heir.id(), heir.limit(LimitKind::Absolute))
            && told.value.0 >= absolute.value.0
        {
            self.never_applies(
                told,
                absolute.value.0,
                "no session of this role has more than",
            );
        }
        Some(told.value.0)
    }

    /// The name of a role, which is none of those that a session has without one.
    fn role_name(&self, told: &At<String>) -> Option<Arc<str>> {
        if told.value == ANONYMOUS {
            let message = "sessions without a login have this name";
            let help = "write [anonymous] for their limits, or another name";
            self.error(Code::Range, &told.place, message, help);
            return None;
        }
        self.label(told)
    }

    /// A role, the one that it extends, the one that that one extends, and so on: it has each limit
    /// from the first that sets it.
    fn chain(&self, roles: &[Named], index: usize) -> Vec<usize> {
        let mut chain = vec![index];
        loop {
            let last = &roles[chain[chain.len() - 1]].1.value;
            let Some(parent) = &last.extends else {
                return chain;
            };
            let found = roles
                .iter()
                .position(|(name, _)| name.value == parent.value);
            match found {
                None => {
                    // Told once, at the role that says it.
                    if chain.len() == 1 {
                        self.no_such_role(roles, index, parent);
                    }
                    return chain;
                }
                Some(found) if chain.contains(&found) => {
                    if found == index && chain.iter().all(|link| *link >= index) {
                        self.circle(roles, &chain, parent);
                    }
                    return chain;
                }
                Some(found) => chain.push(found),
            }
        }
    }

    fn no_such_role(&self, roles: &[Named], index: usize, parent: &At<String>) {
        let others = roles
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index);
        let names: Vec<&str> = others.map(|(_, (name, _))| name.value.as_str()).collect();
        let message = format!("no role is called {:?}", parent.value);
        let help = match names.is_empty() {
            true => "write `idle` and `absolute` here, without `extends`".to_owned(),
            false => format!("write {}", did_you_mean(&parent.value, names)),
        };
        self.error(Code::UnknownWord, &parent.place, message, &help);
    }

    /// Told once, at the first of them in the file.
    fn circle(&self, roles: &[Named], chain: &[usize], last: &At<String>) {
        let names: Vec<&str> = chain
            .iter()
            .map(|link| roles[*link].0.value.as_str())
            .chain([last.value.as_str()])
            .collect();
        let first = roles[chain[0]].1.value.extends.as_ref().unwrap_or(last);
        let message = format!("extends itself: {}", names.join(" -> "));
        let help = "write `idle` and `absolute` in one of them, without `extends`";
        self.error(Code::Contradiction, &first.place, message, help);
    }

    /// A warning where nobody can ever hold a role.
    fn held(&self, roles: &[Named], index: usize, learned: Learned) {
        let (name, role) = &roles[index];
        let by_user = !items(role.value.users.as_ref()).is_empty();
        let by_group = !items(role.value.groups.as_ref()).is_empty();
        let is_extended = roles.iter().any(|(_, other)| {
            let extends = other.value.extends.as_ref();
            extends.is_some_and(|parent| parent.value == name.value)
        });
        let (label, help) = match (by_user, by_group) {
            (false, false) if is_extended => return,
            (false, false) => (
                "no `users`, no `groups`, and no role extends it",
                "write users = [\"..\"] or groups = [\"..\"]",
            ),
            // Without any login there is nothing to learn from, for no role.
            _ if !learned.logins || by_user && learned.users || by_group && learned.groups => {
                return;
            }
            (_, true) if !by_user => (
                "no login of any app tells groups",
                "write where a login finds them, like groups = \"answer-json:/groups\"",
            ),
            _ => (
                "no login of any app tells who logs in",
                "write where a login finds the name, like user = \"form:j_username\"",
            ),
        };
        let fault = Fault::warning(
            Code::RoleWithoutHolder,
            &role.place,
            "nobody can hold this role",
        );
        self.findings.push(fault.label(label).help(help));
    }

    fn holders(&self, list: &[At<String>]) -> BTreeSet<String> {
        self.no_duplicates(
            list.iter().map(|name| (&name.value, &name.place)),
            "write it once",
        );
        for name in list.iter().filter(|name| !can_be_learned(&name.value)) {
            self.error(
                Code::Range,
                &name.place,
                "no login ever yields this name",
                "write it as the app spells it: 1 to 128 bytes, no control characters, no spaces around it",
            );
        }
        list.iter().map(|name| name.value.clone()).collect()
    }
}

/// What the logins of all apps tell together.
#[derive(Clone, Copy)]
struct Learned {
    logins: bool,
    users: bool,
    groups: bool,
}

impl Learned {
    fn of(apps: &[At<RawApp>]) -> Self {
        let logins = || apps.iter().flat_map(|app| &app.value.logins);
        Self {
            logins: logins().next().is_some(),
            users: logins().any(|login| login.value.user.is_some()),
            groups: logins().any(|login| login.value.groups.is_some()),
        }
    }
}

fn can_be_learned(name: &str) -> bool {
    name.trim() == name && UserName::new(name).is_some()
}
