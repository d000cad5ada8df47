//! What holds of every decision, whatever was found.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{
    Just, Strategy, any, prop_assert, prop_assert_eq, prop_assert_ne, prop_oneof, proptest,
};
use proptest::sample::{select, subsequence};

use super::{
    Access, Activity, Bounds, Client, Company, Cuts, Decision, EndReason, Found, LoginPage,
    OnStale, Policy, Record, RequestFacts, Rules, Safety, Scope, Setting, Standing, State,
    Timestamp, UserName, Verdict, Write, at, decide, record, role, sid,
};
use crate::domain::limits::{RouteBounds, RouteId};

/// Everything that a decision depends on.
#[derive(Debug, Clone)]
struct Situation {
    policy: Policy,
    app: Bounds,
    route: RouteBounds,
    cuts: Cuts,
    now: Timestamp,
    facts: RequestFacts,
    found: Vec<Found>,
}

impl Situation {
    fn decide(&self) -> Decision {
        let rules = Rules {
            policy: &self.policy,
            setting: self.setting(),
            cuts: &self.cuts,
            now: self.now,
        };
        decide(rules, self.facts, &self.found)
    }

    fn setting(&self) -> Setting {
        Setting {
            route: self.route,
            ..Setting::of_app(self.app)
        }
    }

    fn forwards(&self) -> bool {
        self.decide().verdict == Verdict::Forward
    }
}

/// Small numbers, so that limits are often just reached and lineages often meet.
fn seconds() -> impl Strategy<Value = u64> {
    0..12_u64
}

fn limit() -> impl Strategy<Value = Duration> {
    (1..12_u64).prop_map(Duration::from_secs)
}

fn bounds() -> impl Strategy<Value = Bounds> {
    (
        option::weighted(0.2, limit()),
        option::weighted(0.2, limit()),
    )
        .prop_map(|(idle, absolute)| Bounds { idle, absolute })
}

fn policy() -> impl Strategy<Value = Policy> {
    (vec(1..12_u64, 4), limit(), limit(), bounds()).prop_map(
        |(roles, anonymous_idle, anonymous_absolute, ceiling)| Policy {
            ceiling,
            anonymous_idle,
            anonymous_absolute,
            roles: vec![
                role("buyer", roles[0], roles[1]),
                role("approver", roles[2], roles[3]),
            ],
            ..super::policy()
        },
    )
}

fn not_alive() -> impl Strategy<Value = State> {
    prop_oneof![
        Just(State::Pending),
        select(&EndReason::ALL[..]).prop_map(|reason| State::Ended { reason, at: at(0) }),
        Just(State::Superseded {
            at: at(0),
            successor: sid(9)
        }),
    ]
}

fn state() -> impl Strategy<Value = State> {
    prop_oneof![
        4 => Just(State::Alive),
        1 => not_alive(),
    ]
}

fn any_record() -> impl Strategy<Value = Record> {
    let roles = subsequence(vec!["buyer", "approver", "retired"], 0..=3);
    let clocks = (seconds(), seconds(), seconds());
    (1..3_u8, option::weighted(0.8, roles), state(), clocks).prop_map(
        |(lineage, roles, state, (started, admitted, last_active))| {
            let mut record = record(lineage, roles.as_deref());
            let session = Arc::make_mut(&mut record.session);
            session.started = at(started);
            if let Some(login) = &mut session.login {
                login.admitted = at(admitted);
                login.user = UserName::new(&format!("user-{lineage}"));
            }
            Record {
                last_active: at(last_active),
                state,
                ..record
            }
        },
    )
}

/// Records of one lineage tell the same of it: a login begins another lineage.
fn any_found() -> impl Strategy<Value = Vec<Found>> {
    let company = prop_oneof![
        8 => Just(Company::Whole),
        1 => Just(Company::Partial),
        1 => Just(Company::Foreign),
    ];
    let token = prop_oneof![
        8 => Just(Standing::Holds),
        1 => select(vec![Standing::Missing, Standing::Unknown, Standing::Reused]),
    ];
    let record = option::weighted(0.95, any_record());
    let one = (1..4_u8, record, company, token);
    vec(one, 0..4).prop_map(|all| {
        let mut sessions = BTreeMap::new();
        let found = all.into_iter().map(|(n, record, company, token)| Found {
            sid: sid(n),
            record: record.map(|record| Record {
                session: Arc::clone(
                    sessions
                        .entry(record.session.lineage)
                        .or_insert(record.session),
                ),
                ..record
            }),
            company,
            token,
        });
        found.collect()
    })
}

fn cut() -> impl Strategy<Value = (Scope, Timestamp)> {
    let scope = prop_oneof![
        Just(Scope::All),
        Just(Scope::User("user-1".into())),
        Just(Scope::Lineage(super::Lineage::from_bytes([1; 16]))),
    ];
    (scope, seconds().prop_map(at))
}

fn facts() -> impl Strategy<Value = RequestFacts> {
    (
        select(vec![Access::Public, Access::Session, Access::Authenticated]),
        select(vec![Activity::Active, Activity::Passive]),
        select(vec![OnStale::Refuse, OnStale::Strip]),
        select(vec![Client::Navigation, Client::Script, Client::Upgrade]),
        select(vec![Safety::Safe, Safety::Unsafe]),
        select(vec![LoginPage::Elsewhere, LoginPage::Same]),
    )
        .prop_map(
            |(access, activity, on_stale, client, safety, login_page)| RequestFacts {
                access,
                activity,
                on_stale,
                client,
                safety,
                login_page,
            },
        )
}

fn situation() -> impl Strategy<Value = Situation> {
    let cuts = option::weighted(0.2, cut()).prop_map(|cut| Cuts::new(1, cut));
    let route = bounds().prop_map(|bounds| RouteBounds::of(RouteId::of("app", "/route"), bounds));
    let places = (bounds(), route);
    (policy(), places, cuts, seconds(), facts(), any_found()).prop_map(
        |(policy, (app, route), cuts, now, facts, found)| Situation {
            policy,
            app,
            route,
            cuts,
            now: at(now),
            facts,
            found,
        },
    )
}

/// Whether an id may pass, written a second time and in other words.
fn passes(situation: &Situation, found: &Found) -> bool {
    let Some(record) = &found.record else {
        return false;
    };
    let limits = record
        .session
        .limits(&situation.policy, situation.setting());
    let cut = situation.cuts.cover(&record.session);
    record.state == State::Alive
        && found.company == Company::Whole
        && found.token == Standing::Holds
        && !cut
        && situation.now < record.last_active.plus(limits.idle.after)
        && situation.now < record.session.started.plus(limits.absolute.after)
}

proptest! {
    #[test]
    fn ids_go_on_only_if_all_are_alive_whole_and_of_one_lineage(situation in situation()) {
        let lineage = |found: &Found| found.record.as_ref().map(|record| record.session.lineage);
        let first = situation.found.first().and_then(lineage);
        let all = situation.found.iter().all(|found| {
            passes(&situation, found) && lineage(found) == first
        });
        let decision = situation.decide();
        prop_assert_eq!(decision.live.is_some(), all && first.is_some());
        if decision.verdict == Verdict::Forward {
            prop_assert!(all && first.is_some());
        }
    }

    #[test]
    fn a_protected_page_is_seen_only_after_a_login(mut situation in situation()) {
        situation.facts.access = Access::Authenticated;
        situation.facts.login_page = LoginPage::Elsewhere;
        if let Some(live) = situation.decide().live {
            prop_assert_eq!(situation.forwards(), live.session.is_authenticated());
        }
    }

    #[test]
    fn a_passive_request_touches_nothing(mut situation in situation()) {
        situation.facts.activity = Activity::Passive;
        prop_assert!(!matches!(situation.decide().write, Write::Touch(_)));
    }

    #[test]
    fn passive_or_active_the_verdict_is_the_same(mut situation in situation()) {
        let before = situation.decide().verdict;
        situation.facts.activity = match situation.facts.activity {
            Activity::Active => Activity::Passive,
            Activity::Passive => Activity::Active,
        };
        prop_assert_eq!(situation.decide().verdict, before);
    }

    #[test]
    fn only_what_goes_on_is_touched_and_only_the_living_are_ended(situation in situation()) {
        let decision = situation.decide();
        match decision.write {
            Write::Touch(sid) => {
                prop_assert_eq!(decision.verdict, Verdict::Forward);
                prop_assert_eq!(decision.live.map(|live| live.sid), Some(sid));
            }
            Write::End(ends) => {
                prop_assert_ne!(decision.verdict, Verdict::Forward);
                prop_assert!(!ends.is_empty());
                for (sid, _) in ends {
                    let alive = situation.found.iter().any(|found| {
                        let record = found.record.as_ref();
                        found.sid == sid && record.is_some_and(|record| record.state == State::Alive)
                    });
                    prop_assert!(alive, "{sid} was not alive");
                }
            }
            Write::Nothing => {}
        }
    }

    #[test]
    fn one_dead_id_more_never_opens_the_way(situation in situation(), dead in not_alive(), place in any::<proptest::sample::Index>()) {
        let mut with = situation;
        let record = Record { state: dead, ..record(1, Some(&["buyer"])) };
        let place = place.index(with.found.len() + 1);
        with.found.insert(place, super::found(7, Some(record)));
        prop_assert!(!with.forwards());
    }

    #[test]
    fn the_order_of_the_ids_changes_nothing_for_the_app(situation in situation()) {
        let mut turned = situation.clone();
        turned.found.reverse();
        prop_assert_eq!(turned.forwards(), situation.forwards());
    }

    #[test]
    fn a_tighter_limit_opens_no_way(situation in situation(), which in 0..12_usize, by in 1..12_u64) {
        let mut tighter = situation.clone();
        let by = Duration::from_secs(by);
        let tighten = |limit: &mut Duration| *limit = limit.saturating_sub(by);
        let tight = |limit: Option<Duration>| {
            limit.unwrap_or(Duration::from_secs(12)).saturating_sub(by)
        };
        let bound = |limit: &mut Option<Duration>| *limit = Some(tight(*limit));
        let id = RouteId::of("app", "/route");
        let bound_route = |limit: &mut Option<(Duration, RouteId)>| {
            *limit = Some((tight(limit.map(|(after, _)| after)), id));
        };
        match which {
            0 => tighten(&mut tighter.policy.roles[0].idle),
            1 => tighten(&mut tighter.policy.roles[0].absolute),
            2 => tighten(&mut tighter.policy.roles[1].idle),
            3 => tighten(&mut tighter.policy.roles[1].absolute),
            4 => tighten(&mut tighter.policy.anonymous_idle),
            5 => tighten(&mut tighter.policy.anonymous_absolute),
            6 => bound(&mut tighter.policy.ceiling.idle),
            7 => bound(&mut tighter.policy.ceiling.absolute),
            8 => bound(&mut tighter.app.idle),
            9 => bound(&mut tighter.app.absolute),
            10 => bound_route(&mut tighter.route.idle),
            _ => bound_route(&mut tighter.route.absolute),
        }
        prop_assert!(situation.forwards() || !tighter.forwards());
    }

    #[test]
    fn a_cut_more_opens_no_way(situation in situation(), cut in cut()) {
        let mut stricter = situation.clone();
        stricter.cuts = stricter.cuts.with(cut.0, cut.1);
        prop_assert!(situation.forwards() || !stricter.forwards());
    }

    #[test]
    fn waiting_opens_no_way(situation in situation(), wait in 1..12_u64) {
        let mut later = situation.clone();
        later.now = later.now.plus(Duration::from_secs(wait));
        prop_assert!(situation.forwards() || !later.forwards());
    }

    #[test]
    fn no_role_held_gives_more_than_its_own_limits(situation in situation()) {
        for found in &situation.found {
            let Some(record) = &found.record else { continue };
            let limits = record.session.limits(&situation.policy, situation.setting());
            let held = situation.policy.roles.iter().filter(|role| {
                record.session.roles().contains(&role.name)
            });
            for role in held {
                prop_assert!(limits.idle.after <= role.idle);
                prop_assert!(limits.absolute.after <= role.absolute);
            }
            let route = Bounds {
                idle: situation.route.idle.map(|(after, _)| after),
                absolute: situation.route.absolute.map(|(after, _)| after),
            };
            for bounds in [situation.app, situation.policy.ceiling, route] {
                prop_assert!(bounds.idle.is_none_or(|idle| limits.idle.after <= idle));
                prop_assert!(bounds.absolute.is_none_or(|most| limits.absolute.after <= most));
            }
        }
    }
}
