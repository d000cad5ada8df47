//! One route: which requests are meant, and what they need.

use super::Checker;
use super::limits::{Rulebook, Told};
use super::pattern::RawPattern;
use crate::config::app::{Route, RouteRule, WorkLimits};
use crate::config::defaults;
use crate::config::fault::{At, Code, Fault};
use crate::config::raw::app::{RawApp, RawRoute};
use crate::config::value::{DurationOrOff, Word};
use crate::domain::access::{Access, Activity, OnStale};
use crate::domain::device::OnDeviceChange;
use crate::domain::limits::{Bounds, LimitKind, RouteBounds};
use crate::domain::policy::Policy;
use crate::domain::resolve::{Facts, Holder, Setting};

/// What a route needs to know of its app.
pub(super) struct AppPlace<'a> {
    pub(super) name: &'a str,
    /// The app's own limits.
    pub(super) bounds: Bounds,
    /// What paths need that no route names.
    pub(super) fallback: RouteRule,
}

impl Checker<'_> {
    pub(super) fn route(
        &self,
        raw: &At<RawRoute>,
        app: &AppPlace<'_>,
        rules: &mut Rulebook,
    ) -> Option<Route> {
        let route = &raw.value;
        let told = [route.idle.as_ref(), route.absolute.as_ref()];
        let access = word(route.access.as_ref(), app.fallback.access);
        let bounds = self.bounds(told);
        self.below_ceiling(told, rules.policy.ceiling);
        for (told, kind) in told.into_iter().zip(LimitKind::BOTH) {
            let Some(told) = told else { continue };
            self.limit_applies(told, kind, (access, app), &rules.policy);
        }
        let max_auth_age = route.max_auth_age.as_ref();
        if let Some(told) = max_auth_age {
            self.auth_age_applies(told, (access, app), &rules.policy);
        }
        let pattern = self.request_pattern(RawPattern {
            path: route.path.as_ref(),
            methods: route.methods.as_ref(),
            query: route.query.as_ref(),
            headers: route.headers.as_ref(),
        })?;
        let limits = if bounds.is_set() {
            let line = self.line(&raw.place);
            let id = rules.add_route(app.name, &pattern.text(), bounds, line);
            RouteBounds::of(id, bounds)
        } else {
            RouteBounds::default()
        };
        Some(Route {
            label: pattern.path.text.as_str().into(),
            rule: RouteRule {
                access,
                activity: word(route.activity.as_ref(), app.fallback.activity),
                on_stale: word(route.on_stale.as_ref(), app.fallback.on_stale),
                limits,
                work: work(
                    [route.work_max.as_ref(), route.work_drain.as_ref()],
                    app.fallback.work,
                ),
                max_auth_age: max_auth_age.map(|told| told.value.0),
            },
            pattern,
        })
    }

    /// Whether a route's limit can ever end a session: not where it needs none, and not where
    /// everybody has a smaller one anyway.
    fn limit_applies(
        &self,
        told: Told<'_>,
        kind: LimitKind,
        (access, app): (Access, &AppPlace<'_>),
        policy: &Policy,
    ) {
        if access == Access::Public {
            let message = "a public route needs no session, so it has no limits";
            let help = "leave it out, or write access = \"authenticated\"";
            self.error(Code::Contradiction, &told.place, message, help);
            return;
        }
        let Some(longest) = longest(policy, kind, access, app.bounds) else {
            return;
        };
        if told.value.0 > longest
            && policy
                .ceiling
                .of(kind)
                .is_none_or(|most| told.value.0 <= most)
        {
            self.never_applies(told, longest, "no session here has more than");
        }
    }
}

impl Checker<'_> {
    /// What an app says of sessions that move; a warning where there is nowhere to move to.
    pub(super) fn on_device_change(
        &self,
        told: Option<&At<Word<OnDeviceChange>>>,
        rules: &Rulebook,
    ) -> OnDeviceChange {
        if let Some(told) = told
            && told.value.0 != OnDeviceChange::Record
            && rules.policy.devices.is_empty()
        {
            let message = "never applies: there are no classes of devices";
            let fault = Fault::warning(Code::NeverApplies, &told.place, message);
            let help = "write [devices.NAME] with by what they are known, or leave it out";
            self.findings.push(fault.help(help));
        }
        word(told, OnDeviceChange::default())
    }
}

/// The longest limit that anybody has in an app, before any route; none where no role was read.
pub(super) fn longest(
    policy: &Policy,
    kind: LimitKind,
    access: Access,
    app: Bounds,
) -> Option<std::time::Duration> {
    let setting = Setting::of_app(app);
    let of = |holder| {
        let facts = Facts {
            holder,
            recorded: None,
            setting,
        };
        policy.resolve_both(facts).written().of(kind).after
    };
    let roles = policy.roles.iter();
    let longest = roles
        .map(|role| of(Holder::Authenticated(std::slice::from_ref(&role.name))))
        .max()?;
    Some(match access {
        Access::Authenticated => longest,
        Access::Public | Access::Session => longest.max(of(Holder::Anonymous)),
    })
}

/// What holds where no route matches.
pub(super) fn fallback(app: &RawApp) -> RouteRule {
    let default = WorkLimits {
        max: defaults::WORK_MAX,
        drain: defaults::WORK_DRAIN,
    };
    RouteRule {
        access: word(app.access.as_ref(), Access::Authenticated),
        activity: Activity::Active,
        on_stale: word(app.on_stale.as_ref(), OnStale::Refuse),
        limits: RouteBounds::default(),
        work: work([app.work_max.as_ref(), app.work_drain.as_ref()], default),
        max_auth_age: None,
    }
}

fn work([max, drain]: [Option<&At<DurationOrOff>>; 2], default: WorkLimits) -> WorkLimits {
    WorkLimits {
        max: max.map_or(default.max, |told| told.value.0),
        drain: drain.map_or(default.drain, |told| told.value.0),
    }
}

fn word<T: Copy>(told: Option<&At<Word<T>>>, default: T) -> T {
    told.map_or(default, |told| told.value.0)
}
