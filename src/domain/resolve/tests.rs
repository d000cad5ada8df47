use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};
use proptest::sample::{select, subsequence};

use super::{Candidate, Facts, Holder, Setting};
use crate::domain::device::{DeviceClass, Seen};
use crate::domain::limits::{
    Bounds, DeviceId, LimitKind, Limits, RoleId, RouteBounds, RouteId, Rule,
};
use crate::domain::policy::{Policy, Role, RoleName};

fn minutes(n: u64) -> Duration {
    Duration::from_secs(60 * n)
}

fn bounds(idle: Option<u64>, absolute: Option<u64>) -> Bounds {
    Bounds {
        idle: idle.map(minutes),
        absolute: absolute.map(minutes),
    }
}

fn role(name: &str, idle: u64, absolute: u64) -> Role {
    Role {
        name: RoleName::new(name),
        idle: minutes(idle),
        absolute: minutes(absolute),
        ..Role::default()
    }
}

fn policy() -> Policy {
    Policy {
        ceiling: bounds(None, Some(600)),
        anonymous_idle: minutes(5),
        anonymous_absolute: minutes(30),
        roles: vec![
            role("buyer", 15, 480),
            role("approver", 5, 240),
            role("auditor", 60, 60),
        ],
        ..Policy::default()
    }
}

fn names(held: &[&str]) -> Vec<RoleName> {
    held.iter().map(|name| RoleName::new(name)).collect()
}

fn of(policy: &Policy, held: &[&str], setting: Setting) -> Limits {
    let held = names(held);
    let holder = Holder::Authenticated(&held);
    policy.resolve(facts_of(holder, setting))
}

fn facts_of<'a>(holder: Holder<'a>, setting: Setting) -> Facts<'a> {
    Facts {
        holder,
        recorded: None,
        setting,
    }
}

const BUYER: Rule = Rule::Role(RoleId(0), None);

#[track_caller]
fn check(limits: Limits, idle: (u64, Rule), absolute: (u64, Rule)) {
    for (kind, (after, rule)) in LimitKind::BOTH.into_iter().zip([idle, absolute]) {
        let limit = limits.of(kind);
        assert_eq!(
            (limit.after, limit.rule),
            (minutes(after), rule),
            "{kind:?}"
        );
    }
}

#[test]
fn each_limit_is_the_smallest_of_the_roles_held() {
    let role = |n| Rule::Role(RoleId(n), None);
    for (held, idle, absolute) in [
        (&["buyer"][..], (15, role(0)), (480, role(0))),
        (&["buyer", "approver"], (5, role(1)), (240, role(1))),
        (&["approver", "auditor"], (5, role(1)), (60, role(2))),
    ] {
        check(of(&policy(), held, Setting::default()), idle, absolute);
    }
}

#[test]
fn a_user_that_no_mapping_knows_gets_the_smallest_of_all_roles() {
    let strictest = |n| Rule::Unmapped(RoleId(n), None);
    let nobody = of(&policy(), &[], Setting::default());
    check(nobody, (5, strictest(1)), (60, strictest(2)));
}

#[test]
fn a_role_that_left_the_policy_counts_as_the_strictest() {
    let strictest = |n| Rule::Unmapped(RoleId(n), None);
    let former = of(&policy(), &["buyer", "retired"], Setting::default());
    check(former, (5, strictest(1)), (60, strictest(2)));
}

#[test]
fn the_app_the_route_and_the_ceiling_only_tighten() {
    let app = bounds(Some(10), Some(9000));
    let id = RouteId::of("procurement", "/approvals/**");
    let route = |idle, absolute| RouteBounds::of(id, bounds(idle, absolute));
    let at = |route| Setting {
        route,
        ..Setting::of_app(app)
    };
    let buyer = |route| of(&policy(), &["buyer"], at(route));
    check(buyer(route(None, None)), (10, Rule::App), (480, BUYER));
    check(
        buyer(route(Some(11), Some(500))),
        (10, Rule::App),
        (480, BUYER),
    );
    check(
        buyer(route(Some(9), Some(60))),
        (9, Rule::Route(id)),
        (60, Rule::Route(id)),
    );

    let mut tight = policy();
    tight.ceiling.idle = Some(minutes(1));
    let visitor = tight.resolve(facts_of(Holder::Anonymous, at(route(Some(2), None))));
    check(visitor, (1, Rule::Ceiling), (30, Rule::Anonymous));
}

#[test]
fn of_rules_that_say_the_same_the_one_nearest_to_the_user_is_named() {
    let id = RouteId::of("procurement", "/");
    let same = bounds(Some(15), Some(480));
    let mut policy = policy();
    policy.ceiling = same;
    let setting = Setting {
        route: RouteBounds::of(id, same),
        ..Setting::of_app(same)
    };
    check(of(&policy, &["buyer"], setting), (15, BUYER), (480, BUYER));
}

#[test]
fn of_two_readings_of_a_request_the_smaller_of_each_limit_holds() {
    let [one, other] = ["/a", "/b"].map(|label| RouteId::of("procurement", label));
    let both = RouteBounds::of(one, bounds(Some(3), None))
        .and(RouteBounds::of(other, bounds(Some(4), Some(20))));
    let setting = Setting {
        route: both,
        ..Setting::default()
    };
    let limits = of(&policy(), &["buyer"], setting);
    check(limits, (3, Rule::Route(one)), (20, Rule::Route(other)));
}

#[test]
fn a_policy_without_roles_gives_nobody_a_limitless_session() {
    let mut policy = policy();
    policy.roles.clear();
    let nobody = of(&policy, &["buyer"], Setting::default());
    check(nobody, (5, Rule::Anonymous), (30, Rule::Anonymous));
}

#[test]
fn a_rule_that_does_not_apply_is_a_candidate_all_the_same() {
    let held = names(&["approver"]);
    let setting = Setting::of_app(bounds(Some(10), None));
    let facts = facts_of(Holder::Authenticated(&held), setting);
    let policy = policy();
    let told: Vec<(Rule, bool)> = policy
        .candidates(facts)
        .iter()
        .map(|candidate| (candidate.rule, candidate.applies))
        .collect();
    let expected = [
        (BUYER, false),
        (Rule::Role(RoleId(1), None), true),
        (Rule::Role(RoleId(2), None), false),
        (Rule::Anonymous, false),
        (Rule::App, true),
        (Rule::Ceiling, true),
    ];
    assert_eq!(told, expected);
}

/// A buyer may stay longer in the office, an approver less long on a phone, and on a phone nobody
/// longer than 10 minutes.
fn with_devices() -> Policy {
    let mut policy = policy();
    let class = |name: &str, bounds| DeviceClass {
        name: name.into(),
        bounds,
    };
    policy.devices = vec![
        class("mobile", bounds(Some(10), None)),
        class("office", bounds(None, None)),
    ];
    policy.roles[0].on_devices = vec![(OFFICE, bounds(Some(30), None))];
    policy.roles[1].on_devices = vec![(MOBILE, bounds(Some(3), None))];
    policy
}

const MOBILE: DeviceId = DeviceId(0);
const OFFICE: DeviceId = DeviceId(1);

fn on(seen: Seen) -> Setting {
    Setting {
        seen,
        ..Setting::default()
    }
}

#[test]
fn a_role_may_say_something_else_of_a_device_and_a_class_only_tightens() {
    let own = (15, BUYER);
    let in_office = (30, Rule::Role(RoleId(0), Some(OFFICE)));
    let on_phone = (10, Rule::Device(MOBILE));
    for (recorded, seen, idle) in [
        (None, Seen::On(None), own),
        (Some(OFFICE), Seen::On(Some(OFFICE)), in_office),
        (Some(OFFICE), Seen::Nobody, in_office),
        (Some(MOBILE), Seen::On(Some(MOBILE)), on_phone),
        (Some(MOBILE), Seen::Nobody, on_phone),
        // The strictest of the device on record and the one at hand.
        (None, Seen::On(Some(OFFICE)), own),
        (Some(OFFICE), Seen::On(None), own),
        (Some(OFFICE), Seen::On(Some(MOBILE)), on_phone),
        (Some(MOBILE), Seen::On(Some(OFFICE)), on_phone),
        (Some(MOBILE), Seen::On(None), on_phone),
    ] {
        let held = names(&["buyer"]);
        let limits = with_devices().resolve(Facts {
            recorded,
            ..facts_of(Holder::Authenticated(&held), on(seen))
        });
        check(limits, idle, (480, BUYER));
    }
}

#[test]
fn a_user_without_a_role_has_the_strictest_of_all_on_his_device() {
    let held = names(&[]);
    let of = |device| {
        let limits = with_devices().resolve(Facts {
            recorded: Some(device),
            ..facts_of(Holder::Authenticated(&held), on(Seen::On(Some(device))))
        });
        (limits.idle.after, limits.idle.rule)
    };
    let strictest = |device| Rule::Unmapped(RoleId(1), device);
    assert_eq!(of(MOBILE), (minutes(3), strictest(Some(MOBILE))));
    assert_eq!(of(OFFICE), (minutes(5), strictest(None)));
}

#[test]
fn what_a_device_replaces_is_a_candidate_that_does_not_apply() {
    let held = names(&["buyer"]);
    let facts = Facts {
        recorded: Some(OFFICE),
        ..facts_of(Holder::Authenticated(&held), Setting::default())
    };
    let policy = with_devices();
    let told: Vec<(Rule, Bounds, bool)> = policy
        .candidates(facts)
        .iter()
        .filter(|one| matches!(one.rule, Rule::Role(RoleId(0), _) | Rule::Device(_)))
        .map(|one| (one.rule, one.bounds, one.applies))
        .collect();
    let expected = [
        (BUYER, bounds(None, Some(480)), true),
        (BUYER, bounds(Some(15), None), false),
        (
            Rule::Role(RoleId(0), Some(OFFICE)),
            bounds(Some(30), None),
            true,
        ),
        (Rule::Device(MOBILE), bounds(Some(10), None), false),
    ];
    assert_eq!(told, expected);
}

fn any_bounds() -> impl Strategy<Value = Bounds> {
    let limit = || option::of(1..40_u64);
    (limit(), limit()).prop_map(|(idle, absolute)| bounds(idle, absolute))
}

fn any_on_devices() -> impl Strategy<Value = Vec<(DeviceId, Bounds)>> {
    let says = || option::weighted(0.3, any_bounds());
    (says(), says()).prop_map(|(mobile, office)| {
        let said = [(MOBILE, mobile), (OFFICE, office)];
        let said = said.into_iter();
        said.filter_map(|(id, bounds)| Some((id, bounds?)))
            .collect()
    })
}

fn any_device() -> impl Strategy<Value = Option<DeviceId>> {
    option::of(select(vec![MOBILE, OFFICE]))
}

fn any_policy() -> impl Strategy<Value = Policy> {
    (
        vec(((1..40_u64, 1..40_u64), any_on_devices()), 1..4),
        any_bounds(),
        (1..40_u64, 1..40_u64),
        (any_bounds(), any_bounds()),
    )
        .prop_map(|(roles, ceiling, (idle, absolute), classes)| Policy {
            ceiling,
            anonymous_idle: minutes(idle),
            anonymous_absolute: minutes(absolute),
            roles: roles
                .into_iter()
                .zip(["buyer", "approver", "auditor"])
                .map(|(((idle, absolute), on_devices), name)| Role {
                    on_devices,
                    ..role(name, idle, absolute)
                })
                .collect(),
            devices: [("mobile", classes.0), ("office", classes.1)]
                .map(|(name, bounds)| DeviceClass {
                    name: name.into(),
                    bounds,
                })
                .into(),
            ..Policy::default()
        })
}

fn any_setting() -> impl Strategy<Value = Setting> {
    let route = any_bounds().prop_map(|route| RouteBounds::of(RouteId::of("app", "/"), route));
    (any_bounds(), route).prop_map(|(app, route)| Setting {
        route,
        ..Setting::of_app(app)
    })
}

/// Whose session it is: nobody's, or a user's of these roles.
fn any_holder() -> impl Strategy<Value = Option<Vec<RoleName>>> {
    let held = subsequence(vec!["buyer", "approver", "auditor", "retired"], 0..=4);
    option::weighted(0.8, held.prop_map(|held| names(&held)))
}

fn facts(holder: Option<&[RoleName]>, setting: Setting) -> Facts<'_> {
    let holder = holder.map_or(Holder::Anonymous, Holder::Authenticated);
    facts_of(holder, setting)
}

proptest! {
    #[test]
    fn a_limit_is_the_smallest_of_all_rules_that_apply_and_names_one_of_them(
        policy in any_policy(),
        holder in any_holder(),
        setting in any_setting(),
        device in any_device(),
    ) {
        let setting = Setting { seen: Seen::On(device), ..setting };
        let facts = facts(holder.as_deref(), setting);
        let limits = policy.resolve(facts);
        for kind in LimitKind::BOTH {
            let said = |candidate: &Candidate| candidate.bounds.of(kind);
            let applying = || policy.candidates(facts).into_iter().filter(|candidate| candidate.applies);
            let limit = limits.of(kind);
            prop_assert_eq!(applying().filter_map(|one| said(&one)).min(), Some(limit.after));
            let named = applying().find(|one| one.rule == limit.rule && said(one) == Some(limit.after));
            prop_assert!(named.is_some(), "{:?} did not say {:?}", limit.rule, limit.after);
        }
    }

    #[test]
    fn on_two_devices_a_session_has_the_strictest_of_both(
        policy in any_policy(),
        holder in any_holder(),
        setting in any_setting(),
        recorded in any_device(),
        now in any_device(),
    ) {
        let of = |recorded, seen| {
            let setting = Setting { seen, ..setting };
            policy.resolve(Facts { recorded, ..facts(holder.as_deref(), setting) })
        };
        let both = of(recorded, Seen::On(now));
        let [one, other] = [recorded, now].map(|device| of(device, Seen::On(device)));
        prop_assert_eq!(of(recorded, Seen::Nobody), one);
        for kind in LimitKind::BOTH {
            let strictest = one.of(kind).after.min(other.of(kind).after);
            prop_assert_eq!(both.of(kind).after, strictest);
        }
    }

    #[test]
    fn no_rule_more_and_no_smaller_one_loosens_anything(
        policy in any_policy(),
        holder in any_holder(),
        setting in any_setting(),
        device in any_device(),
        which in 0..5_usize,
        more in any_bounds(),
        unknown in any::<bool>(),
    ) {
        let setting = Setting { seen: Seen::On(device), ..setting };
        let before = policy.resolve(facts(holder.as_deref(), setting));
        let (mut tighter, mut place, mut held) = (policy.clone(), setting, holder.clone());
        let smaller = |one: Bounds| {
            let of = |one: Option<Duration>, other: Option<Duration>| match (one, other) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
            Bounds { idle: of(one.idle, more.idle), absolute: of(one.absolute, more.absolute) }
        };
        match which {
            0 => tighter.ceiling = smaller(tighter.ceiling),
            1 => place.app.limits = smaller(place.app.limits),
            2 => place.route = place.route.and(RouteBounds::of(RouteId::of("app", "/b"), more)),
            3 => tighter.devices[0].bounds = smaller(tighter.devices[0].bounds),
            // One role more that a user holds, known or not.
            _ => if let Some(held) = &mut held {
                held.push(RoleName::new(if unknown { "gone" } else { "buyer" }));
            },
        }
        // A user without any role has all of them; a first one that is known leaves it alone.
        let first = which == 4 && holder.as_ref().is_some_and(Vec::is_empty);
        let after = tighter.resolve(facts(held.as_deref(), place));
        for kind in LimitKind::BOTH {
            prop_assert!(first || after.of(kind).after <= before.of(kind).after, "{kind:?}");
        }
    }
}
