//! Device classes: on what a session is used, and what a change of it means.

use std::sync::Arc;

use super::limits::{Bounds, DeviceId};
use super::policy::Policy;
use super::session::Session;

/// What the class of a device is called that no class of the policy matches.
pub const OTHER: &str = "other";

/// A class of devices that have limits in common.
#[derive(Debug, Clone)]
pub struct DeviceClass {
    /// Its name.
    pub name: Arc<str>,
    /// Limits of every session on it; they only tighten.
    pub bounds: Bounds,
}

/// On what a request was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Seen {
    /// There is no request, or the policy has no classes: the device on record counts.
    #[default]
    Nobody,
    /// On a device of this class; none for one that no class matches.
    On(Option<DeviceId>),
}

/// What becomes of a session that moves to a device of another class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnDeviceChange {
    /// It goes on, and the change is told once.
    #[default]
    Record,
    /// Its user has to log in there: he is sent to the login, and it ends.
    Reauthenticate,
    /// It ends.
    End,
}

/// Whether a session is used on a device of another class than it has on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// On one of the same, or nobody can tell.
    No,
    /// What it began on was never recorded: the policy had no classes then, or not that one.
    Unrecorded,
    /// On one of another class.
    Yes,
}

impl Policy {
    /// The class of this name.
    pub fn device_named(&self, name: &str) -> Option<DeviceId> {
        let index = self.devices.iter().position(|class| *class.name == *name);
        index.map(DeviceId::at)
    }

    /// The name of a class of this policy; none stands for a device that no class matches.
    pub fn name_of_device(&self, device: Option<DeviceId>) -> &str {
        let class = device.and_then(|id| self.devices.get(id.index()));
        class.map_or(OTHER, |class| &class.name)
    }

    /// What is recorded of a device; nothing where nobody knows.
    pub fn device_on_record(&self, seen: Seen) -> Option<Arc<str>> {
        match seen {
            Seen::Nobody => None,
            Seen::On(device) => Some(self.name_of_device(device).into()),
        }
    }
}

impl Session {
    /// Whether it is used elsewhere than before. A visitor without a login may move about.
    pub fn moved(&self, policy: &Policy, seen: Seen) -> Moved {
        let Seen::On(now) = seen else {
            return Moved::No;
        };
        if !self.is_authenticated() {
            return Moved::No;
        }
        match self.device.as_deref() {
            Some(before) if before == policy.name_of_device(now) => Moved::No,
            Some(OTHER) => Moved::Yes,
            Some(before) if policy.device_named(before).is_some() => Moved::Yes,
            _ => Moved::Unrecorded,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{DeviceClass, Moved, Seen};
    use crate::domain::identity::Lineage;
    use crate::domain::limits::{Bounds, DeviceId};
    use crate::domain::policy::{Policy, PolicyVersion};
    use crate::domain::session::{Login, Session};
    use crate::domain::time::Timestamp;

    fn session(device: Option<&str>, authenticated: bool) -> Session {
        let at = Timestamp::from_millis(0);
        Session {
            lineage: Lineage::from_bytes([1; 16]),
            generation: 0,
            app: "app".into(),
            started: at,
            until: None,
            login: authenticated.then(|| Login {
                admitted: at,
                user: None,
                groups: Vec::new(),
                roles: Vec::new(),
                roles_learned: at,
                is_doubtful: false,
            }),
            device: device.map(Arc::from),
            policy: PolicyVersion(1),
            companions: Vec::new(),
            scopes: Vec::new(),
            token: None,
            would_have_ended: Default::default(),
        }
    }

    #[test]
    fn a_session_has_moved_where_it_was_on_a_class_that_is_known() {
        let class = |name: &str| DeviceClass {
            name: name.into(),
            bounds: Bounds::default(),
        };
        let policy = Policy {
            devices: vec![class("mobile"), class("kiosk")],
            ..Policy::default()
        };
        let [mobile, kiosk] = [0, 1].map(|index| Seen::On(Some(DeviceId::at(index))));
        let other = Seen::On(None);
        for (before, now, moved) in [
            (Some("mobile"), mobile, Moved::No),
            (Some("mobile"), kiosk, Moved::Yes),
            (Some("mobile"), other, Moved::Yes),
            (Some("other"), other, Moved::No),
            (Some("other"), mobile, Moved::Yes),
            (Some("tablet"), other, Moved::Unrecorded),
            (None, other, Moved::Unrecorded),
            (None, mobile, Moved::Unrecorded),
            (Some("mobile"), Seen::Nobody, Moved::No),
            (None, Seen::Nobody, Moved::No),
        ] {
            let told = session(before, true).moved(&policy, now);
            assert_eq!(told, moved, "{before:?} {now:?}");
            assert_eq!(session(before, false).moved(&policy, now), Moved::No);
        }
    }
}
