//! Who may stay how long, as the administrator wrote it. What follows from it for one session is
//! answered by `resolve`.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::device::DeviceClass;
use super::limits::{Bounds, DeviceId, RoleId, RouteBounds, RouteId};
use super::rehearse::Mode;
use super::seats::SeatLimit;

/// A role's name in the policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
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
#[derive(Debug, Clone, Default)]
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
    /// Limits that take the place of its own on devices of a class.
    pub on_devices: Vec<(DeviceId, Bounds)>,
    /// How long what a login told of it counts.
    pub max_role_age: Option<Duration>,
    /// How many sessions a holder may have at a time.
    pub seats: Option<SeatLimit>,
    /// Whether its limits end sessions.
    pub mode: Mode,
}

impl Role {
    /// Its own limits, on devices of which it says nothing else.
    pub fn own(&self) -> Bounds {
        Bounds {
            idle: Some(self.idle),
            absolute: Some(self.absolute),
        }
    }

    /// Whether a login gives it.
    pub fn is_given(&self, user: Option<&str>, groups: &[impl AsRef<str>]) -> bool {
        user.is_some_and(|user| self.users.contains(user))
            || groups
                .iter()
                .any(|group| self.groups.contains(group.as_ref()))
    }

    /// What it says of devices of a class.
    pub fn on(&self, device: DeviceId) -> Bounds {
        let said = self.on_devices.iter().find(|(id, _)| *id == device);
        said.map_or(Bounds::default(), |(_, bounds)| *bounds)
    }
}

/// Names one state of the policy: a hash of the file, in eight hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PolicyVersion(pub u32);

impl fmt::Display for PolicyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// What the administrator said about time. The default one admits nobody for any time.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Which state of the policy this is.
    pub version: PolicyVersion,
    /// What no session may exceed.
    pub ceiling: Bounds,
    /// How many sessions any user may have at a time.
    pub seats: Option<SeatLimit>,
    /// The idle timeout of a session without a login.
    pub anonymous_idle: Duration,
    /// The absolute timeout of a session without a login.
    pub anonymous_absolute: Duration,
    /// All roles. `config` sees to it that there is at least one, and each name once.
    pub roles: Vec<Role>,
    /// Device classes, in the order in which they are tried.
    pub devices: Vec<DeviceClass>,
    /// The routes of all apps that have limits of their own.
    pub routes: Vec<RouteLimits>,
}

/// A route's own limits: they hold for requests that are meant for it, whoever makes them.
#[derive(Debug, Clone)]
pub struct RouteLimits {
    /// Names it in limits.
    pub id: RouteId,
    /// Which requests are meant, as people are told.
    pub label: Arc<str>,
    /// Its limits.
    pub bounds: Bounds,
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
    /// The roles of a user and his groups, in the policy's order; none where no mapping knows him.
    pub fn roles_of(&self, user: Option<&str>, groups: &[impl AsRef<str>]) -> Vec<RoleName> {
        self.roles
            .iter()
            .filter(|role| role.is_given(user, groups))
            .map(|role| role.name.clone())
            .collect()
    }

    /// The largest absolute timeout that any rule gives: how long an id may stay of interest.
    pub fn absolute_max(&self) -> Duration {
        let roles = self.roles.iter().map(|role| role.absolute);
        let on_devices = self.roles.iter().flat_map(|role| &role.on_devices);
        let on_devices = on_devices.filter_map(|(_, bounds)| bounds.absolute);
        roles
            .chain(on_devices)
            .chain([self.anonymous_absolute])
            .max()
            .unwrap_or(self.anonymous_absolute)
    }

    /// The name of a role that came from this policy.
    pub fn name_of_role(&self, id: RoleId) -> &str {
        let role = self.roles.get(id.0 as usize);
        role.map_or("", |role| role.name.as_str())
    }

    /// The route of an id, where this policy has it.
    pub fn route(&self, id: RouteId) -> Option<&RouteLimits> {
        self.routes.iter().find(|route| route.id == id)
    }

    /// The limits that these routes have in this policy; one that left it has none.
    pub fn routes_now(&self, routes: RouteBounds) -> RouteBounds {
        let ids = [routes.idle, routes.absolute].into_iter().flatten();
        ids.filter_map(|(_, id)| self.route(id))
            .map(|route| RouteBounds::of(route.id, route.bounds))
            .fold(RouteBounds::default(), RouteBounds::and)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Policy, PolicyVersion, Role, RoleName};
    use crate::domain::limits::Bounds;

    fn role(name: &str) -> Role {
        Role {
            name: RoleName::new(name),
            idle: Duration::from_secs(60),
            absolute: Duration::from_secs(3600),
            users: [format!("{name}-1")].into(),
            groups: [format!("{name}s")].into(),
            ..Role::default()
        }
    }

    #[test]
    fn roles_come_from_users_and_from_groups() {
        let policy = Policy {
            version: PolicyVersion(1),
            ceiling: Bounds::default(),
            anonymous_idle: Duration::from_secs(60),
            anonymous_absolute: Duration::from_secs(60),
            roles: ["buyer", "approver", "auditor"].map(role).into(),
            ..Policy::default()
        };
        let names = |user, groups: &[&str]| -> Vec<String> {
            let roles = policy.roles_of(user, groups);
            roles.iter().map(ToString::to_string).collect()
        };
        assert_eq!(names(Some("buyer-1"), &["auditors"]), ["buyer", "auditor"]);
        assert_eq!(names(Some("nobody"), &[]), Vec::<String>::new());
        assert_eq!(names(None, &["approvers"]), ["approver"]);
    }
}
