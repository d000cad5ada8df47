//! `resolve`: from a policy and the facts of one session to its two limits, each with the rule it
//! came from. Nobody else knows which rules apply.

use super::limits::{Bounds, Limits, RoleId, RouteBounds, Rule};
use super::policy::{Policy, Role, RoleName};

/// Whose limits are asked for.
#[derive(Debug, Clone, Copy)]
pub enum Holder<'a> {
    /// Nobody logged in.
    Anonymous,
    /// A login was seen, and these roles learned from it.
    Authenticated(&'a [RoleName]),
}

/// Where a session is judged, apart from what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Setting {
    /// The app's own limits.
    pub app: Bounds,
    /// Those of the request's route; none where nobody is there.
    pub route: RouteBounds,
}

impl Setting {
    /// Within an app, with no request at hand.
    pub fn of_app(app: Bounds) -> Self {
        Self {
            app,
            ..Self::default()
        }
    }
}

/// Everything that decides which rules apply.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Whose session it is.
    pub holder: Holder<'a>,
    /// Where it is judged.
    pub setting: Setting,
}

/// A rule that could limit a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// The rule.
    pub rule: Rule,
    /// What it says.
    pub bounds: Bounds,
    /// Whether it is meant for this session.
    pub applies: bool,
}

impl Policy {
    /// The limits of a session: of all rules that apply, the smallest of each.
    pub fn resolve(&self, facts: Facts<'_>) -> Limits {
        let mut limits = Limits::UNBOUNDED;
        self.candidates(facts)
            .filter(|candidate| candidate.applies)
            .for_each(|candidate| limits.tighten(candidate.bounds, candidate.rule));
        limits
    }

    /// Every rule that has a say, in the order in which equal ones get the credit.
    ///
    /// At least one that applies sets both limits: a role where somebody logged in, else
    /// `[anonymous]`.
    pub fn candidates<'a>(&'a self, facts: Facts<'a>) -> impl Iterator<Item = Candidate> + 'a {
        let Setting { app, route } = facts.setting;
        let standing = self.standing(facts.holder);
        let roles = self.roles.iter().enumerate();
        let roles = roles.map(move |(index, role)| standing.of_role(RoleId::at(index), role));
        let anonymous = Candidate {
            rule: Rule::Anonymous,
            bounds: Bounds {
                idle: Some(self.anonymous_idle),
                absolute: Some(self.anonymous_absolute),
            },
            // Without any role nothing else would limit a session.
            applies: matches!(standing, Standing::Anonymous) || self.roles.is_empty(),
        };
        let always = |rule, bounds: Bounds| {
            bounds.is_set().then_some(Candidate {
                rule,
                bounds,
                applies: true,
            })
        };
        let [idle_route, absolute_route] = of_routes(route);
        let others = [
            Some(anonymous),
            always(Rule::App, app),
            idle_route,
            absolute_route,
            always(Rule::Ceiling, self.ceiling),
        ];
        roles.chain(others.into_iter().flatten())
    }

    /// A role that was removed from the policy must not hand its holders to the roles that are
    /// left: they may be looser than it was.
    fn standing<'a>(&self, holder: Holder<'a>) -> Standing<'a> {
        let known = |name: &RoleName| self.roles.iter().any(|role| role.name == *name);
        match holder {
            Holder::Anonymous => Standing::Anonymous,
            Holder::Authenticated(held) if !held.is_empty() && held.iter().all(known) => {
                Standing::Holds(held)
            }
            Holder::Authenticated(_) => Standing::Unmapped,
        }
    }
}

/// What a holder means in one policy.
#[derive(Clone, Copy)]
enum Standing<'a> {
    Anonymous,
    /// Roles that the policy has, all of them.
    Holds(&'a [RoleName]),
    /// Somebody whom no role names, or whose role is gone: all roles apply.
    Unmapped,
}

impl Standing<'_> {
    fn of_role(self, id: RoleId, role: &Role) -> Candidate {
        let (rule, applies) = match self {
            Self::Anonymous => (Rule::Role(id), false),
            Self::Holds(held) => (Rule::Role(id), held.contains(&role.name)),
            Self::Unmapped => (Rule::Unmapped(id), true),
        };
        let bounds = Bounds {
            idle: Some(role.idle),
            absolute: Some(role.absolute),
        };
        Candidate {
            rule,
            bounds,
            applies,
        }
    }
}

/// One rule where the same route gives both limits.
fn of_routes(route: RouteBounds) -> [Option<Candidate>; 2] {
    let RouteBounds { idle, absolute } = route;
    let candidate = |id, idle, absolute| Candidate {
        rule: Rule::Route(id),
        bounds: Bounds { idle, absolute },
        applies: true,
    };
    match (idle, absolute) {
        (Some((idle, one)), Some((absolute, other))) if one == other => {
            [Some(candidate(one, Some(idle), Some(absolute))), None]
        }
        _ => [
            idle.map(|(idle, id)| candidate(id, Some(idle), None)),
            absolute.map(|(absolute, id)| candidate(id, None, Some(absolute))),
        ],
    }
}

#[cfg(test)]
mod tests;
