//! Ceilings, limits that must make sense together, and the sessions without a login.

use std::time::Duration;

use super::Checker;
use crate::config::Caps;
use crate::config::defaults;
use crate::config::device::Devices;
use crate::config::fault::{At, Code, Fault};
use crate::config::lines::RuleLines;
use crate::config::raw::{RawAnonymous, RawCeiling, RawConfig};
use crate::config::value::{DurationText, Word};
use crate::domain::limits::{Bounds, RouteId, Rule};
use crate::domain::policy::{Policy, RouteLimits};
use crate::domain::rehearse::Mode;

/// A limit as the file tells it.
pub(super) type Told<'a> = &'a At<DurationText>;

/// Idle and absolute, as far as one table tells them.
pub(super) type ToldBounds<'a> = [Option<Told<'a>>; 2];

/// The policy, as far as it was read, and where its rules stand.
pub(super) struct Rulebook {
    pub(super) policy: Policy,
    pub(super) lines: RuleLines,
}

impl Rulebook {
    /// A route of this app has limits of its own.
    pub(super) fn add_route(
        &mut self,
        app: &str,
        label: &str,
        bounds: Bounds,
        line: usize,
    ) -> RouteId {
        let id = RouteId::of(app, label);
        self.lines.insert(Rule::Route(id), line);
        self.policy.routes.push(RouteLimits {
            id,
            label: label.into(),
            bounds,
        });
        id
    }
}

impl Checker<'_> {
    /// The policy without the roles and classes that have a fault, as yet without routes; and by
    /// what the classes of devices are known.
    pub(super) fn policy(&self, raw: &RawConfig) -> (Rulebook, Devices) {
        let mut lines = RuleLines::default();
        let mut ceiling = Bounds::default();
        let mut seats = None;
        if let Some(told) = &raw.ceiling {
            lines.insert(Rule::Ceiling, self.line(&told.place));
            let RawCeiling {
                idle,
                absolute,
                max_sessions,
                on_max_sessions,
            } = &told.value;
            ceiling = self.bounds([idle.as_ref(), absolute.as_ref()]);
            seats = self.seats_of_ceiling((max_sessions.as_ref(), on_max_sessions.as_ref()));
        }
        if let Some(told) = &raw.anonymous {
            lines.insert(Rule::Anonymous, self.line(&told.place));
        }
        let (anonymous_idle, anonymous_absolute) =
            self.anonymous_limits(raw.anonymous.as_ref().map(|told| &told.value), ceiling);
        let policy = Policy {
            version: self.version,
            ceiling,
            seats,
            anonymous_idle,
            anonymous_absolute,
            ..Policy::default()
        };
        let mut rules = Rulebook { policy, lines };
        let devices = self.devices(&raw.devices, &mut rules);
        self.roles(raw, &devices, &mut rules);
        self.devices_apply(&raw.devices, &rules);
        self.seats_apply(raw, &rules);
        (rules, devices)
    }

    fn anonymous_limits(
        &self,
        raw: Option<&RawAnonymous>,
        ceiling: Bounds,
    ) -> (Duration, Duration) {
        let idle = raw.and_then(|raw| raw.idle.as_ref());
        let absolute = raw.and_then(|raw| raw.absolute.as_ref());
        self.below_ceiling([idle, absolute], ceiling);
        let bounds = self.bounds([idle, absolute]);
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

    /// Whether limits are enforced; a warning where they are not, which nobody should forget.
    pub(super) fn mode(&self, told: Option<&At<Word<Mode>>>, what: &str) -> Mode {
        let mode = told.map_or(Mode::default(), |told| told.value.0);
        if let (Some(told), Mode::Monitor) = (told, mode) {
            let fault = Fault::warning(Code::NotEnforced, &told.place, "nothing is enforced");
            let help = "leave it out once you have seen whom the limits would have ended";
            self.findings.push(fault.label(what).help(help));
        }
        mode
    }

    /// The limits of one table, which must make sense together.
    pub(super) fn bounds(&self, told: ToldBounds<'_>) -> Bounds {
        self.in_order(told);
        let [idle, absolute] = told.map(|told| told.map(|told| told.value.0));
        Bounds { idle, absolute }
    }

    /// A fault where the idle timeout is the longer one.
    pub(super) fn in_order(&self, [idle, absolute]: ToldBounds<'_>) {
        if let (Some(idle), Some(absolute)) = (idle, absolute)
            && idle.value.0 > absolute.value.0
        {
            self.idle_beyond_absolute(idle, absolute.value.0, Some(absolute));
        }
    }

    /// The same for limits that are partly another table's: the fault stands at what this one
    /// says itself. What others say together is told of there.
    pub(super) fn in_order_over(&self, own: ToldBounds<'_>, all: ToldBounds<'_>) {
        match (own, all) {
            ([Some(_), _], _) => self.in_order(all),
            ([None, Some(absolute)], [Some(idle), _]) if idle.value.0 > absolute.value.0 => {
                let idle_after = humantime::format_duration(idle.value.0);
                let most = humantime::format_duration(absolute.value.0);
                let message = format!("shorter than the idle timeout ({idle_after})");
                let fault = Fault::error(Code::Limits, &absolute.place, message);
                self.findings.push(
                    fault
                        .other(&idle.place, "so this never applies")
                        .help(format!("write an `idle` beside it, at most \"{most}\"")),
                );
            }
            _ => {}
        }
    }

    /// A warning at a limit that is longer than what everybody has anyway.
    pub(super) fn never_applies(&self, told: Told<'_>, longest: Duration, who: &str) {
        let longest = humantime::format_duration(longest);
        let message = format!("never applies: {who} {longest}");
        let fault = Fault::warning(Code::NeverApplies, &told.place, message);
        let help = format!("write less than \"{longest}\", or leave it out");
        self.findings.push(fault.help(help));
    }

    fn idle_beyond_absolute(
        &self,
        idle: Told<'_>,
        absolute_after: Duration,
        absolute: Option<Told<'_>>,
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
    pub(super) fn below_ceiling(&self, told: ToldBounds<'_>, ceiling: Bounds) {
        for (told, ceiling) in told.into_iter().zip([ceiling.idle, ceiling.absolute]) {
            let (Some(told), Some(ceiling)) = (told, ceiling) else {
                continue;
            };
            if told.value.0 > ceiling {
                let ceiling = humantime::format_duration(ceiling);
                let message = format!("above the ceiling, so {ceiling} applies");
                let fault = Fault::warning(Code::AboveCeiling, &told.place, message);
                let help = format!("write at most \"{ceiling}\", or raise the ceiling");
                self.findings.push(fault.help(help));
            }
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
