//! Authority: whether what a login told of its user still gives him the roles that he has.
//!
//! Roles are never changed in a session that runs, so authority is never widened in it: where they
//! no longer are what the policy would give, the session is over, and a login tells them anew.

use super::cuts::Cuts;
use super::policy::{Policy, RoleName};
use super::session::{Login, Session};

impl Session {
    /// Whether its roles are not what they were at its login: by the policy, or because somebody
    /// said so.
    pub(super) fn has_stale_authority(&self, policy: &Policy, cuts: &Cuts) -> bool {
        cuts.tell_of_roles(self) || self.remapped(policy).is_some()
    }

    /// The roles that the policy gives its user, where they are others than he has.
    pub(super) fn other_roles(&self, policy: &Policy) -> Option<Vec<RoleName>> {
        let login = self.remapped(policy)?;
        let user = login.user.as_ref().map(|user| user.as_str());
        Some(policy.roles_of(user, &login.groups))
    }

    /// Its login, where the policy maps it to other roles. Under the policy that mapped it, it does
    /// not; so nothing is compared on the way of most requests.
    fn remapped(&self, policy: &Policy) -> Option<&Login> {
        let login = self.login.as_ref()?;
        let is_other = self.policy != policy.version && policy.maps_otherwise(login);
        is_other.then_some(login)
    }
}

impl Policy {
    /// Whether a login would give other roles than it gave.
    fn maps_otherwise(&self, login: &Login) -> bool {
        if login.is_doubtful {
            return false;
        }
        let user = login.user.as_ref().map(|user| user.as_str());
        let mut given = 0;
        for role in &self.roles {
            if role.is_given(user, &login.groups) {
                if !login.roles.contains(&role.name) {
                    return true;
                }
                given += 1;
            }
        }
        given != login.roles.len()
    }
}

#[cfg(test)]
mod tests;
