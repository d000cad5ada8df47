//! Who may stay how long: roles, the ceiling, and `resolve`, the one place that answers it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::limits::{Bounds, Limit, Limits, Rule};

/// A role's name in the policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleName(Arc<str>);

impl RoleName {
    /// The name as the policy spells it.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name as the policy spells it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A role: its limits, and who holds it.
#[derive(Debug, Clone)]
pub struct Role {
    /// Its name.
    pub name: RoleName,
    /// Its idle timeout.
    pub idle: Duration,
    /// Its absolute timeout.
    pub absolute: Duration,
    /// Users that hold it, as the app names them.
    pub users: BTreeSet<String>,
    /// Groups, as the app tells them, whose members hold it.
    pub groups: BTreeSet<String>,
}

/// Names one state of the policy: a hash of the file, in eight hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PolicyVersion(pub u32);

impl fmt::Display for PolicyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// What the administrator said about time.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Which state of the policy this is.
    pub version: PolicyVersion,
    /// What no session may exceed.
    pub ceiling: Bounds,
    /// The idle timeout of a session without a login.
    pub anonymous_idle: Duration,
    /// The absolute timeout of a session without a login.
    pub anonymous_absolute: Duration,
    /// All roles. `config` sees to it that there is at least one, and each name once.
    pub roles: Vec<Role>,
}

/// Whose limits are asked for.
#[derive(Debug, Clone, Copy)]
pub enum Holder<'a> {
    /// Nobody logged in.
    Anonymous,
    /// A login was seen, and these roles learned from it.
    Authenticated(&'a [RoleName]),
}

impl Policy {
    /// The limits of a session in an app: of all rules that apply, the smallest of each.
    ///
    /// A holder of no known role gets, for each limit, the smallest of all roles.
    pub fn resolve(&self, app: Bounds, holder: Holder<'_>) -> Limits {
        let mut limits = match holder {
            Holder::Anonymous => self.anonymous(),
            Holder::Authenticated(held) => self.held(held),
        };
        limits.tighten(app, &Rule::App);
        limits.tighten(self.ceiling, &Rule::Ceiling);
        limits
    }

    /// The roles of a user and his groups, in the policy's order; none where no mapping knows him.
    pub fn roles_of(&self, user: Option<&str>, groups: &[impl AsRef<str>]) -> Vec<RoleName> {
        self.roles
            .iter()
            .filter(|role| {
                user.is_some_and(|user| role.users.contains(user))
                    || groups
                        .iter()
                        .any(|group| role.groups.contains(group.as_ref()))
            })
            .map(|role| role.name.clone())
            .collect()
    }

    /// The largest absolute timeout that any rule gives: how long an id may stay of interest.
    pub fn absolute_max(&self) -> Duration {
        let roles = self.roles.iter().map(|role| role.absolute);
        roles
            .chain([self.anonymous_absolute])
            .max()
            .unwrap_or(self.anonymous_absolute)
    }

    fn anonymous(&self) -> Limits {
        Limits {
            idle: Limit {
                after: self.anonymous_idle,
                rule: Rule::Anonymous,
            },
            absolute: Limit {
                after: self.anonymous_absolute,
                rule: Rule::Anonymous,
            },
        }
    }

    /// The smallest of the roles held; of all roles, where one that is held is not known.
    ///
    /// A role that was removed from the policy must not hand its holders to the roles that are
    /// left: they may be looser than it was.
    fn held(&self, held: &[RoleName]) -> Limits {
        let known = |name: &RoleName| self.roles.iter().any(|role| role.name == *name);
        if !held.is_empty() && held.iter().all(known) {
            let roles = self.roles.iter().filter(|role| held.contains(&role.name));
            return self.smallest(roles, Rule::Role);
        }
        self.smallest(self.roles.iter(), Rule::Unmapped)
    }

    fn smallest<'a>(
        &'a self,
        roles: impl Iterator<Item = &'a Role>,
        rule: fn(RoleName) -> Rule,
    ) -> Limits {
        let mut limits: Option<Limits> = None;
        for role in roles {
            let bounds = Bounds {
                idle: Some(role.idle),
                absolute: Some(role.absolute),
            };
            let rule = rule(role.name.clone());
            match &mut limits {
                Some(limits) => limits.tighten(bounds, &rule),
                None => {
                    limits = Some(Limits {
                        idle: Limit {
                            after: role.idle,
                            rule: rule.clone(),
                        },
                        absolute: Limit {
                            after: role.absolute,
                            rule,
                        },
                    });
                }
            }
        }
        limits.unwrap_or_else(|| self.anonymous())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Holder, Policy, PolicyVersion, Role, RoleName};
    use crate::domain::limits::{Bounds, Rule};

    fn minutes(n: u64) -> Duration {
        Duration::from_secs(60 * n)
    }

    fn role(name: &str, idle: u64, absolute: u64) -> Role {
        Role {
            name: RoleName::new(name),
            idle: minutes(idle),
            absolute: minutes(absolute),
            users: [format!("{name}-1")].into(),
            groups: [format!("{name}s")].into(),
        }
    }

    fn policy() -> Policy {
        Policy {
            version: PolicyVersion(1),
            ceiling: Bounds {
                idle: None,
                absolute: Some(minutes(600)),
            },
            anonymous_idle: minutes(5),
            anonymous_absolute: minutes(30),
            roles: vec![
                role("buyer", 15, 480),
                role("approver", 5, 240),
                role("auditor", 60, 60),
            ],
        }
    }

    #[track_caller]
    fn check(held: &[&str], idle: (u64, &str), absolute: (u64, &str)) {
        let held: Vec<RoleName> = held.iter().map(|name| RoleName::new(name)).collect();
        let limits = policy().resolve(Bounds::default(), Holder::Authenticated(&held));
        let told = |rule: &Rule| match rule {
            Rule::Role(name) => name.to_string(),
            Rule::Unmapped(name) => format!("?{name}"),
            other => format!("{other:?}"),
        };
        assert_eq!(
            (limits.idle.after, &*told(&limits.idle.rule)),
            (minutes(idle.0), idle.1)
        );
        assert_eq!(
            (limits.absolute.after, &*told(&limits.absolute.rule)),
            (minutes(absolute.0), absolute.1)
        );
    }

    #[test]
    fn each_limit_is_the_smallest_of_the_roles_held() {
        check(&["buyer"], (15, "buyer"), (480, "buyer"));
        check(&["buyer", "approver"], (5, "approver"), (240, "approver"));
        check(&["approver", "auditor"], (5, "approver"), (60, "auditor"));
    }

    #[test]
    fn a_user_that_no_mapping_knows_gets_the_smallest_of_all_roles() {
        check(&[], (5, "?approver"), (60, "?auditor"));
    }

    #[test]
    fn a_role_that_left_the_policy_counts_as_the_strictest() {
        check(&["buyer", "retired"], (5, "?approver"), (60, "?auditor"));
    }

    #[test]
    fn the_app_and_the_ceiling_only_tighten() {
        let app = Bounds {
            idle: Some(minutes(10)),
            absolute: Some(minutes(9000)),
        };
        let limits = policy().resolve(app, Holder::Authenticated(&[RoleName::new("buyer")]));
        assert_eq!(
            (limits.idle.after, limits.idle.rule),
            (minutes(10), Rule::App)
        );
        assert_eq!(limits.absolute.rule, Rule::Role(RoleName::new("buyer")));

        let mut tight = policy();
        tight.ceiling.idle = Some(minutes(1));
        let limits = tight.resolve(app, Holder::Anonymous);
        assert_eq!(
            (limits.idle.after, limits.idle.rule),
            (minutes(1), Rule::Ceiling)
        );
        assert_eq!(
            (limits.absolute.after, limits.absolute.rule),
            (minutes(30), Rule::Anonymous)
        );
    }

    #[test]
    fn roles_come_from_users_and_from_groups() {
        let names = |user, groups: &[&str]| -> Vec<String> {
            policy()
                .roles_of(user, groups)
                .iter()
                .map(ToString::to_string)
                .collect()
        };
        assert_eq!(names(Some("buyer-1"), &["auditors"]), ["buyer", "auditor"]);
        assert_eq!(names(Some("nobody"), &[]), Vec::<String>::new());
        assert_eq!(names(None, &["approvers"]), ["approver"]);
    }
}
