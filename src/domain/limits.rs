//! The two limits, each with the rule it came from.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// Which of the two limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LimitKind {
    /// Since the last active request.
    Idle,
    /// Since the login, or since the session started.
    Absolute,
}

impl LimitKind {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Idle, Self::Absolute];
}

/// A role, by its place in one policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RoleId(pub(super) u32);

impl RoleId {
    /// The role at this place of `Policy::roles`.
    pub fn at(index: usize) -> Self {
        Self(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// Its place.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A device class, by its place in one policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeviceId(pub(super) u32);

impl DeviceId {
    /// The class at this place of `Policy::devices`.
    pub fn at(index: usize) -> Self {
        Self(u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// Its place.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A route with limits of its own. The same in every policy that has it: a stream keeps it over
/// an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RouteId(u64);

impl RouteId {
    /// The route of this app for the requests that `label` describes.
    pub fn of(app: &str, label: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (app, label).hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// The rule that gave a limit. The policy knows its name, the config its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// The deployment's `[ceiling]`.
    Ceiling,
    /// The app's own `idle` or `absolute`.
    App,
    /// A role the session holds; where a class is named, what the role says of devices of it.
    Role(RoleId, Option<DeviceId>),
    /// The strictest of all roles, because no mapping knew the user or the role is gone.
    Unmapped(RoleId, Option<DeviceId>),
    /// How long what a login told of this role counts: `max_role_age`.
    RoleAge(RoleId),
    /// `[anonymous]`: no login was seen.
    Anonymous,
    /// The class of the device.
    Device(DeviceId),
    /// The route of the request.
    Route(RouteId),
    /// The app's `adopt_until`: its id was adopted.
    Adoption,
    /// What stands in for limits that are only watched.
    Monitor,
}

/// One limit and where it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// `elapsed >= after` ends the session.
    pub after: Duration,
    /// Which rule said so.
    pub rule: Rule,
}

/// What a session may not reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Since the last active request.
    pub idle: Limit,
    /// Since the session started, or since its login.
    pub absolute: Limit,
}

impl Limits {
    /// Where a fold over rules begins, of which at least one sets both limits.
    pub(super) const UNBOUNDED: Self = Self {
        idle: Limit::NONE,
        absolute: Limit::NONE,
    };

    /// The limit of this kind.
    pub fn of(&self, kind: LimitKind) -> Limit {
        match kind {
            LimitKind::Idle => self.idle,
            LimitKind::Absolute => self.absolute,
        }
    }

    /// The smaller of each; of equal ones, this one keeps the credit.
    #[must_use]
    pub(super) fn and(mut self, other: Self) -> Self {
        self.idle.tighten(Some(other.idle.after), other.idle.rule);
        let absolute = other.absolute;
        self.absolute.tighten(Some(absolute.after), absolute.rule);
        self
    }

    /// Whether both are the same, whatever rules they come from.
    pub(super) fn is_as_long_as(&self, other: &Self) -> bool {
        [self.idle.after, self.absolute.after] == [other.idle.after, other.absolute.after]
    }

    /// Takes over each limit of a rule that is smaller; the first to say so keeps the credit.
    pub(super) fn tighten(&mut self, other: Bounds, rule: Rule) {
        self.idle.tighten(other.idle, rule);
        self.absolute.tighten(other.absolute, rule);
    }
}

impl Limit {
    const NONE: Self = Self {
        after: Duration::MAX,
        rule: Rule::Ceiling,
    };

    /// Whether any rule gave it.
    pub(super) fn is_set(&self) -> bool {
        self.after < Duration::MAX
    }

    fn tighten(&mut self, after: Option<Duration>, rule: Rule) {
        if let Some(after) = after
            && after < self.after
        {
            *self = Self { after, rule };
        }
    }
}

/// Limits that a rule may leave open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bounds {
    /// An idle timeout, where the rule sets one.
    pub idle: Option<Duration>,
    /// An absolute timeout, where the rule sets one.
    pub absolute: Option<Duration>,
}

impl Bounds {
    /// The limit of this kind.
    pub fn of(&self, kind: LimitKind) -> Option<Duration> {
        match kind {
            LimitKind::Idle => self.idle,
            LimitKind::Absolute => self.absolute,
        }
    }

    /// These limits as far as they are of such a kind.
    #[must_use]
    pub fn only(self, kind: impl Fn(LimitKind) -> bool) -> Self {
        Self {
            idle: self.idle.filter(|_| kind(LimitKind::Idle)),
            absolute: self.absolute.filter(|_| kind(LimitKind::Absolute)),
        }
    }

    /// Whether a limit is set at all.
    pub fn is_set(&self) -> bool {
        self.idle.is_some() || self.absolute.is_some()
    }
}

/// The limits of the routes that a request may be meant for. Servers may read one request in
/// several ways; the smallest of each limit holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RouteBounds {
    /// The smallest idle timeout, and the route that sets it.
    pub idle: Option<(Duration, RouteId)>,
    /// The smallest absolute timeout, and the route that sets it.
    pub absolute: Option<(Duration, RouteId)>,
}

impl RouteBounds {
    /// The limits of one route.
    pub fn of(id: RouteId, bounds: Bounds) -> Self {
        Self {
            idle: bounds.idle.map(|after| (after, id)),
            absolute: bounds.absolute.map(|after| (after, id)),
        }
    }

    /// Each limit, without the route that sets it.
    pub fn bounds(self) -> Bounds {
        Bounds {
            idle: self.idle.map(|(after, _)| after),
            absolute: self.absolute.map(|(after, _)| after),
        }
    }

    /// The smaller of each limit.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let smaller = |one: Option<(Duration, RouteId)>, other| match (one, other) {
            (Some((one, _)), Some((after, _))) if after < one => other,
            (Some(_), _) => one,
            (None, _) => other,
        };
        Self {
            idle: smaller(self.idle, other.idle),
            absolute: smaller(self.absolute, other.absolute),
        }
    }
}
