//! How many sessions a user may have at a time: of all rules that apply, the strictest.

use super::{Holder, Standing};
use crate::domain::limits::{RoleId, Rule};
use crate::domain::policy::Policy;
use crate::domain::seats::{SeatLimit, Seats};

/// A rule that could limit how many sessions a user has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeatCandidate {
    /// The rule, and what it says.
    pub seats: Seats,
    /// Whether it is meant for this user.
    pub applies: bool,
}

impl Policy {
    /// How many sessions such a user may have at a time; none where no rule limits them.
    pub fn seats(&self, holder: Holder<'_>) -> Option<Seats> {
        let candidates = self.seat_candidates(holder);
        let applying = candidates.into_iter().filter(|one| one.applies);
        applying.map(|one| one.seats).reduce(|held, next| {
            if next.limit.is_stricter_than(held.limit) {
                next
            } else {
                held
            }
        })
    }

    /// Every rule that has a say, in the order in which equal ones get the credit.
    pub fn seat_candidates(&self, holder: Holder<'_>) -> Vec<SeatCandidate> {
        let standing = self.standing(holder);
        let roles = self.roles.iter().enumerate().filter_map(|(index, role)| {
            let id = RoleId::at(index);
            let (rule, applies) = match standing {
                Standing::Anonymous => (Rule::Role(id, None), false),
                Standing::Holds(held) => (Rule::Role(id, None), held.contains(&role.name)),
                Standing::Unmapped => (Rule::Unmapped(id, None), true),
            };
            Some(candidate(role.seats?, rule, applies))
        });
        let is_somebody = !matches!(standing, Standing::Anonymous);
        let ceiling = self
            .seats
            .map(|limit| candidate(limit, Rule::Ceiling, is_somebody));
        roles.chain(ceiling).collect()
    }

    /// Whether any rule limits how many sessions anybody has.
    pub fn limits_seats(&self) -> bool {
        self.seats.is_some() || self.roles.iter().any(|role| role.seats.is_some())
    }
}

fn candidate(limit: SeatLimit, rule: Rule, applies: bool) -> SeatCandidate {
    SeatCandidate {
        seats: Seats { limit, rule },
        applies,
    }
}

#[cfg(test)]
mod tests {
    use super::Holder;
    use crate::domain::limits::{RoleId, Rule};
    use crate::domain::policy::{Policy, Role, RoleName};
    use crate::domain::seats::{SeatLimit, Seats, WhenFull};

    fn limit(seats: u32, when_full: WhenFull) -> SeatLimit {
        SeatLimit { seats, when_full }
    }

    fn role(name: &str, seats: Option<SeatLimit>) -> Role {
        Role {
            name: RoleName::new(name),
            seats,
            ..Role::default()
        }
    }

    fn policy(ceiling: Option<SeatLimit>) -> Policy {
        Policy {
            seats: ceiling,
            roles: vec![
                role("buyer", Some(limit(3, WhenFull::Displace))),
                role("approver", Some(limit(1, WhenFull::Displace))),
                role("auditor", Some(limit(1, WhenFull::Refuse))),
                role("guest", None),
            ],
            ..Policy::default()
        }
    }

    fn of(policy: &Policy, held: &[&str]) -> Option<Seats> {
        let held: Vec<RoleName> = held.iter().map(|name| RoleName::new(name)).collect();
        policy.seats(Holder::Authenticated(&held))
    }

    fn by_role(index: usize, seats: u32, when_full: WhenFull) -> Option<Seats> {
        Some(Seats {
            limit: limit(seats, when_full),
            rule: Rule::Role(RoleId::at(index), None),
        })
    }

    #[test]
    fn of_all_roles_the_fewest_seats_count_and_of_as_few_a_refusal() {
        let policy = policy(None);
        let [refuse, displace] = [WhenFull::Refuse, WhenFull::Displace];
        for (held, seats) in [
            (&["buyer"][..], by_role(0, 3, displace)),
            (&["buyer", "approver"], by_role(1, 1, displace)),
            (&["approver", "auditor"], by_role(2, 1, refuse)),
            (&["guest"], None),
            (&["guest", "buyer"], by_role(0, 3, displace)),
        ] {
            assert_eq!(of(&policy, held), seats, "{held:?}");
        }
    }

    #[test]
    fn a_user_whom_no_role_knows_has_as_few_as_anybody() {
        let seats = Seats {
            limit: limit(1, WhenFull::Refuse),
            rule: Rule::Unmapped(RoleId::at(2), None),
        };
        assert_eq!(of(&policy(None), &[]), Some(seats));
        assert_eq!(of(&policy(None), &["gone"]), Some(seats));
    }

    #[test]
    fn the_ceiling_holds_for_everybody_and_a_role_that_says_the_same_has_the_credit() {
        let ceiling = limit(2, WhenFull::Refuse);
        let policy = policy(Some(ceiling));
        let by_ceiling = Some(Seats {
            limit: ceiling,
            rule: Rule::Ceiling,
        });
        assert_eq!(of(&policy, &["guest"]), by_ceiling);
        assert_eq!(of(&policy, &["buyer"]), by_ceiling);
        assert_eq!(
            of(&policy, &["approver"]),
            by_role(1, 1, WhenFull::Displace)
        );
        let same = Policy {
            seats: Some(limit(3, WhenFull::Displace)),
            ..policy
        };
        assert_eq!(of(&same, &["buyer"]), by_role(0, 3, WhenFull::Displace));
    }

    #[test]
    fn visitors_are_not_counted() {
        let policy = policy(Some(limit(1, WhenFull::Refuse)));
        assert_eq!(policy.seats(Holder::Anonymous), None);
        assert!(policy.limits_seats());
        assert!(!Policy::default().limits_seats());
    }
}
