//! `resolve`: from a policy and the facts of one session to its two limits, each with the rule it
//! came from. Nobody else knows which rules apply.

mod seats;

use super::device::{OnDeviceChange, Seen};
use super::limits::{Bounds, DeviceId, Limits, RoleId, RouteBounds, Rule};
use super::policy::{Policy, Role, RoleName};
use super::proof::Proof;
use super::rehearse::{AppBounds, MONITOR_ABSOLUTE, MONITOR_IDLE, Mode};

pub use seats::SeatCandidate;

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
    /// What the app says of all its sessions.
    pub app: AppBounds,
    /// Those of the request's route; none where nobody is there.
    pub route: RouteBounds,
    /// The device that the request was made on.
    pub seen: Seen,
    /// What becomes of a session that moved to it.
    pub on_device_change: OnDeviceChange,
    /// What it asks of the session's login.
    pub proof: Proof,
}

impl Setting {
    /// Within an app, with no request at hand.
    pub fn of_app(app: impl Into<AppBounds>) -> Self {
        Self {
            app: app.into(),
            ..Self::default()
        }
    }
}

/// Everything that decides which rules apply.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Whose session it is.
    pub holder: Holder<'a>,
    /// The class of the device that it has on record.
    pub recorded: Option<DeviceId>,
    /// Where it is judged.
    pub setting: Setting,
}

impl Facts<'_> {
    /// The classes that count: of the device on record and of the one at hand, so that a session
    /// is not loosened by the request with which it moves.
    fn devices(&self) -> [Option<DeviceId>; 2] {
        match self.setting.seen {
            Seen::Nobody => [self.recorded; 2],
            Seen::On(now) => [self.recorded, now],
        }
    }
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
    /// Whether it is enforced, or only watched.
    pub mode: Mode,
}

/// The limits of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resolved {
    /// Those that end it.
    pub enforced: Limits,
    /// What they would be if nothing were in monitor mode, where that makes a difference.
    pub watched: Option<Limits>,
}

impl Resolved {
    /// What the limits would be if nothing were only watched.
    pub fn written(self) -> Limits {
        self.watched.unwrap_or(self.enforced)
    }

    /// The smaller of each; of equal ones, these keep the credit.
    #[must_use]
    pub(super) fn and(self, other: Self) -> Self {
        let is_watched = self.watched.or(other.watched).is_some();
        Self {
            enforced: self.enforced.and(other.enforced),
            watched: is_watched.then(|| self.written().and(other.written())),
        }
    }
}

impl Policy {
    /// The limits of a session: of all rules that apply and are enforced, the smallest of each.
    pub fn resolve(&self, facts: Facts<'_>) -> Limits {
        self.resolve_both(facts).enforced
    }

    /// The same, and what they would be if nothing were only watched.
    ///
    /// Where anything is, and nothing enforced bounds a session, a bound holds that is not shorter
    /// than what it stands in for.
    pub fn resolve_both(&self, facts: Facts<'_>) -> Resolved {
        let (mut enforced, mut all) = (Limits::UNBOUNDED, Limits::UNBOUNDED);
        let mut is_watched = false;
        self.ask(facts, |candidate| {
            if candidate.applies {
                all.tighten(candidate.bounds, candidate.rule);
                match candidate.mode {
                    Mode::Enforce => enforced.tighten(candidate.bounds, candidate.rule),
                    Mode::Monitor => is_watched |= candidate.bounds.is_set(),
                }
            }
        });
        if is_watched {
            let bound = Bounds {
                idle: Some(MONITOR_IDLE.max(all.idle.after)),
                absolute: Some(MONITOR_ABSOLUTE.max(all.absolute.after)),
            };
            let enforced_too = self.lasting(facts);
            let bound = bound.only(|kind| !enforced_too.of(kind).is_set());
            enforced.tighten(bound, Rule::Monitor);
        }
        Resolved {
            enforced,
            watched: (is_watched && !all.is_as_long_as(&enforced)).then_some(all),
        }
    }

    /// The enforced limits that hold wherever its user goes: those of routes do not.
    fn lasting(&self, facts: Facts<'_>) -> Limits {
        let mut lasting = Limits::UNBOUNDED;
        self.ask(facts, |candidate| {
            let lasts = !matches!(candidate.rule, Rule::Route(_));
            if candidate.applies && candidate.mode == Mode::Enforce && lasts {
                lasting.tighten(candidate.bounds, candidate.rule);
            }
        });
        lasting
    }

    /// Every rule that has a say, in the order in which equal ones get the credit.
    pub fn candidates(&self, facts: Facts<'_>) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        self.ask(facts, |candidate| {
            if candidate.bounds.is_set() {
                candidates.push(candidate);
            }
        });
        candidates
    }

    /// Asks one rule after the other.
    ///
    /// At least one that applies sets both limits: a role where somebody logged in, else
    /// `[anonymous]`.
    #[inline]
    fn ask(&self, facts: Facts<'_>, mut hear: impl FnMut(Candidate)) {
        let Setting { app, route, .. } = facts.setting;
        let mode = app.mode;
        let devices = facts.devices();
        let standing = self.standing(facts.holder);
        for (index, role) in self.roles.iter().enumerate() {
            standing.ask_role((RoleId::at(index), role), devices, mode, &mut hear);
        }
        hear(Candidate {
            rule: Rule::Anonymous,
            bounds: Bounds {
                idle: Some(self.anonymous_idle),
                absolute: Some(self.anonymous_absolute),
            },
            // Without any role nothing else would limit a session.
            applies: matches!(standing, Standing::Anonymous) || self.roles.is_empty(),
            // It bounds what anybody may have recorded without a login.
            mode: Mode::Enforce,
        });
        hear(Candidate {
            rule: Rule::App,
            bounds: app.limits,
            applies: true,
            mode,
        });
        for (index, class) in self.devices.iter().enumerate() {
            let id = DeviceId::at(index);
            hear(Candidate {
                rule: Rule::Device(id),
                bounds: class.bounds,
                applies: devices.contains(&Some(id)),
                mode,
            });
        }
        let routes = of_routes(route, mode);
        routes.into_iter().flatten().for_each(&mut hear);
        hear(Candidate {
            rule: Rule::Ceiling,
            bounds: self.ceiling,
            applies: true,
            mode,
        });
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
    /// Asks a role: what it says on any device, what of it a device at hand replaces, and what it
    /// says of each class of devices.
    #[inline]
    fn ask_role(
        self,
        (id, role): (RoleId, &Role),
        devices: [Option<DeviceId>; 2],
        app: Mode,
        hear: &mut impl FnMut(Candidate),
    ) {
        let (rule, is_held): (fn(_, _) -> Rule, bool) = match self {
            Self::Anonymous => (Rule::Role, false),
            Self::Holds(held) => (Rule::Role, held.contains(&role.name)),
            Self::Unmapped => (Rule::Unmapped, true),
        };
        let mut say = |device, bounds, applies| {
            hear(Candidate {
                rule: rule(id, device),
                bounds,
                applies: applies && is_held,
                mode: role.mode.or(app),
            });
        };
        if role.on_devices.is_empty() {
            say(None, role.own(), true);
            return self.ask_age(id, role, is_held, hear);
        }
        let replaced = |kind| {
            let says = |device: DeviceId| role.on(device).of(kind).is_some();
            devices.iter().all(|device| device.is_some_and(says))
        };
        say(None, role.own().only(|kind| !replaced(kind)), true);
        say(None, role.own().only(replaced), false);
        for (device, bounds) in &role.on_devices {
            say(Some(*device), *bounds, devices.contains(&Some(*device)));
        }
        self.ask_age(id, role, is_held, hear);
    }

    /// Asks a role how long what a login told of it counts. It is told at the login, from which the
    /// absolute timeout counts too.
    #[inline]
    fn ask_age(self, id: RoleId, role: &Role, is_held: bool, hear: &mut impl FnMut(Candidate)) {
        if role.max_role_age.is_some() {
            hear(Candidate {
                rule: Rule::RoleAge(id),
                bounds: Bounds {
                    idle: None,
                    absolute: role.max_role_age,
                },
                applies: is_held,
                // Authority that is too old is no question of limits that are tried.
                mode: Mode::Enforce,
            });
        }
    }
}

/// One rule where the same route gives both limits.
fn of_routes(route: RouteBounds, mode: Mode) -> [Option<Candidate>; 2] {
    let RouteBounds { idle, absolute } = route;
    let candidate = |id, idle, absolute| Candidate {
        rule: Rule::Route(id),
        bounds: Bounds { idle, absolute },
        applies: true,
        mode,
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
