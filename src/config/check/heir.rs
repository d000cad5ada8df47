//! From whom a role has its limits: each from the first that sets it, of the role itself, the one
//! that it extends, the one that that one extends, and so on.

use super::limits::{Told, ToldBounds};
use crate::config::fault::At;
use crate::config::raw::RawRole;
use crate::domain::limits::{LimitKind, RoleId};

/// A role of the file.
pub(super) type Named = (At<String>, At<RawRole>);

/// A role and those that it extends.
pub(super) struct Heir<'a> {
    pub(super) roles: &'a [Named],
    /// Their places among `roles`, its own first.
    pub(super) chain: Vec<usize>,
}

impl<'a> Heir<'a> {
    pub(super) fn id(&self) -> RoleId {
        RoleId::at(self.chain[0])
    }

    pub(super) fn role(&self) -> &'a RawRole {
        &self.roles[self.chain[0]].1.value
    }

    /// Its limit of a kind, and whose it is.
    pub(super) fn limit(&self, kind: LimitKind) -> Option<(RoleId, Told<'a>)> {
        self.first(|role| of(role.idle.as_ref(), role.absolute.as_ref(), kind))
    }

    /// How long what a login told of it counts, and who says so.
    pub(super) fn max_role_age(&self) -> Option<(RoleId, Told<'a>)> {
        self.first(|role| role.max_role_age.as_ref())
    }

    /// Both limits.
    pub(super) fn limits(&self) -> ToldBounds<'a> {
        LimitKind::BOTH.map(|kind| Some(self.limit(kind)?.1))
    }

    /// What takes the place of its limit of a kind on devices of a class, and who says so. Who
    /// sets a limit itself inherits none of what takes its place elsewhere.
    pub(super) fn limit_on(&self, device: &str, kind: LimitKind) -> Option<(RoleId, Told<'a>)> {
        let (setter, _) = self.limit(kind)?;
        let (giver, told) = self.first(|role| {
            let on = role.devices.iter().find(|(name, _)| name.value == device);
            let (_, on) = on?;
            of(on.value.idle.as_ref(), on.value.absolute.as_ref(), kind)
        })?;
        let place = |id| self.chain.iter().position(|link| RoleId::at(*link) == id);
        (place(giver) <= place(setter)).then_some((giver, told))
    }

    /// What the first of them tells that tells something, and which it is.
    pub(super) fn first<T>(&self, told: impl Fn(&'a RawRole) -> Option<T>) -> Option<(RoleId, T)> {
        let mut links = self.chain.iter();
        links.find_map(|link| Some((RoleId::at(*link), told(&self.roles[*link].1.value)?)))
    }
}

fn of<'a>(idle: Option<Told<'a>>, absolute: Option<Told<'a>>, kind: LimitKind) -> Option<Told<'a>> {
    match kind {
        LimitKind::Idle => idle,
        LimitKind::Absolute => absolute,
    }
}
