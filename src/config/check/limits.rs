//! Roles, ceilings and the sessions without a login.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Checker, items};
use crate::config::Caps;
use crate::config::defaults;
use crate::config::fault::{At, Code, Fault};
use crate::config::lines::RuleLines;
use crate::config::raw::{RawAnonymous, RawConfig, RawRole};
use crate::config::value::DurationText;
use crate::domain::limits::{Bounds, Rule};
use crate::domain::policy::{Policy, Role, RoleName};
use crate::domain::session::UserName;

/// What records and metrics call the role of a session without a login.
const ANONYMOUS: &str = "anonymous";

impl Checker<'_> {
    /// The policy without the roles that have a fault, and where its rules stand.
    pub(super) fn policy(&self, raw: &RawConfig) -> (Policy, RuleLines) {
        let mut lines = RuleLines::default();
        let mut ceiling = Bounds::default();
        if let Some(told) = &raw.ceiling {
            lines.insert(Rule::Ceiling, self.line(&told.place));
            ceiling = self.bounds(told.value.idle.as_ref(), told.value.absolute.as_ref());
        }
        if let Some(told) = &raw.anonymous {
            lines.insert(Rule::Anonymous, self.line(&told.place));
        }
        let (anonymous_idle, anonymous_absolute) =
            self.anonymous_limits(raw.anonymous.as_ref().map(|told| &told.value), ceiling);
        let roles = raw.roles.iter().filter_map(|(name, role)| {
            let role_name = RoleName::new(&self.role_name(name)?);
            let line = self.line(&role.place);
            lines.insert(Rule::Role(role_name.clone()), line);
            lines.insert(Rule::Unmapped(role_name.clone()), line);
            self.role(role_name, role, ceiling)
        });
        let policy = Policy {
            version: self.version,
            ceiling,
            anonymous_idle,
            anonymous_absolute,
            roles: roles.collect(),
        };
        (policy, lines)
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

    fn role(&self, name: RoleName, raw: &At<RawRole>, ceiling: Bounds) -> Option<Role> {
        let role = &raw.value;
        let bounds = self.bounds(role.idle.as_ref(), role.absolute.as_ref());
        self.below_ceiling(role.idle.as_ref(), ceiling.idle);
        self.below_ceiling(role.absolute.as_ref(), ceiling.absolute);
        let users = self.holders(items(role.users.as_ref()));
        let groups = self.holders(items(role.groups.as_ref()));
        if users.is_empty() && groups.is_empty() {
            let fault = Fault::warning(
                Code::RoleWithoutHolder,
                &raw.place,
                "nobody can hold this role",
            );
            self.findings.push(
                fault
                    .label("no `users`, no `groups`")
                    .help("write users = [\"..\"] or groups = [\"..\"]"),
            );
        }
        Some(Role {
            name,
            idle: bounds.idle?,
            absolute: bounds.absolute?,
            users,
            groups,
        })
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

    fn anonymous_limits(
        &self,
        raw: Option<&RawAnonymous>,
        ceiling: Bounds,
    ) -> (Duration, Duration) {
        let idle = raw.and_then(|raw| raw.idle.as_ref());
        let absolute = raw.and_then(|raw| raw.absolute.as_ref());
        self.below_ceiling(idle, ceiling.idle);
        self.below_ceiling(absolute, ceiling.absolute);
        let bounds = self.bounds(idle, absolute);
        let absolute_after = bounds.absolute.unwrap_or(defaults::ANONYMOUS_ABSOLUTE);
        if let (Some(told), None) = (idle, absolute)
            && told.value.0 > absolute_after
        {
            self.idle_beyond_absolute(told, absolute_after, None);
        }
        // Where only the absolute limit is told and shorter than the default idle one, it ends
        // the session first; nothing in the file is wrong then.
        (
            bounds.idle.unwrap_or(defaults::ANONYMOUS_IDLE),
            absolute_after,
        )
    }

    /// The limits of one table, which must make sense together.
    pub(super) fn bounds(
        &self,
        idle: Option<&At<DurationText>>,
        absolute: Option<&At<DurationText>>,
    ) -> Bounds {
        if let (Some(idle), Some(absolute)) = (idle, absolute)
            && idle.value.0 > absolute.value.0
        {
            self.idle_beyond_absolute(idle, absolute.value.0, Some(absolute));
        }
        Bounds {
            idle: idle.map(|told| told.value.0),
            absolute: absolute.map(|told| told.value.0),
        }
    }

    fn idle_beyond_absolute(
        &self,
        idle: &At<DurationText>,
        absolute_after: Duration,
        absolute: Option<&At<DurationText>>,
    ) {
        let absolute_after = humantime::format_duration(absolute_after);
        let mut fault = Fault::error(
            Code::Limits,
            &idle.place,
            format!("longer than the absolute timeout ({absolute_after}), so it never applies"),
        )
        .help(format!("write at most \"{absolute_after}\""));
        if let Some(absolute) = absolute {
            fault = fault.other(&absolute.place, "ends every session first");
        }
        self.findings.push(fault);
    }

    /// A warning where the ceiling is lower: what is written does not apply.
    pub(super) fn below_ceiling(&self, told: Option<&At<DurationText>>, ceiling: Option<Duration>) {
        let (Some(told), Some(ceiling)) = (told, ceiling) else {
            return;
        };
        if told.value.0 > ceiling {
            let ceiling = humantime::format_duration(ceiling);
            let message = format!("above the ceiling, so {ceiling} applies");
            let fault = Fault::warning(Code::AboveCeiling, &told.place, message);
            self.findings
                .push(fault.help(format!("write at most \"{ceiling}\", or raise the ceiling")));
        }
    }

    pub(super) fn anonymous_caps(&self, raw: Option<&At<RawAnonymous>>) -> Caps {
        let raw = raw.map(|raw| &raw.value);
        let total = raw.and_then(|raw| raw.sessions_max.as_ref());
        let per_client = raw.and_then(|raw| raw.sessions_per_client_max.as_ref());
        Caps {
            total: self.count(total, defaults::ANONYMOUS_SESSIONS_MAX),
            per_client: self.count(per_client, defaults::ANONYMOUS_SESSIONS_PER_CLIENT_MAX),
        }
    }

    /// A number of records, at least one.
    pub(super) fn count(&self, told: Option<&At<u64>>, default: u64) -> usize {
        let number = told.map_or(default, |told| told.value);
        if let Some(told) = told.filter(|told| told.value == 0) {
            let help = format!("write how many at most, like {default}");
            self.error(Code::Range, &told.place, "nobody could log in", &help);
        }
        usize::try_from(number).unwrap_or(usize::MAX)
    }
}

fn can_be_learned(name: &str) -> bool {
    name.trim() == name && UserName::new(name).is_some()
}
