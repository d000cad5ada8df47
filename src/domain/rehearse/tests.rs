use std::sync::Arc;
use std::time::Duration;

use super::{AppBounds, MONITOR_ABSOLUTE, MONITOR_IDLE, Mode, Rehearsal, WouldHaveEnded};
use crate::domain::cuts::{Cuts, Scope};
use crate::domain::identity::Lineage;
use crate::domain::limits::{Bounds, LimitKind, RoleId, Rule};
use crate::domain::policy::{Policy, Role, RoleName};
use crate::domain::resolve::{Facts, Holder, Setting};
use crate::domain::session::{EndReason, Login, Phase, Record, Session, State};
use crate::domain::time::Timestamp;

const IDLE: EndReason = EndReason::IdleTimeout;
const ABSOLUTE: EndReason = EndReason::AbsoluteTimeout;

const fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn role(name: &str, idle: u64, absolute: u64, mode: Mode) -> Role {
    Role {
        name: RoleName::new(name),
        idle: seconds(idle),
        absolute: seconds(absolute),
        mode,
        ..Role::default()
    }
}

/// A buyer has 20 s idle and 100 s in all, an approver, who is only watched, 10 s and 60 s.
fn policy() -> Policy {
    Policy {
        anonymous_idle: seconds(5),
        anonymous_absolute: seconds(30),
        roles: vec![
            role("buyer", 20, 100, Mode::Enforce),
            role("approver", 10, 60, Mode::Monitor),
        ],
        ..Policy::default()
    }
}

fn record(roles: &[&str], last_active: Timestamp, told: WouldHaveEnded) -> Record {
    let login = Login {
        admitted: at(0),
        user: None,
        groups: Vec::new(),
        roles: roles.iter().map(|role| RoleName::new(role)).collect(),
        roles_learned: at(0),
        is_doubtful: false,
    };
    Record {
        session: Arc::new(Session {
            lineage: Lineage::from_bytes([1; 16]),
            generation: 0,
            app: "app".into(),
            started: at(0),
            until: None,
            login: Some(login),
            device: None,
            // Whose mapping gave the roles.
            policy: policy().version,
            companions: Vec::new(),
            scopes: Vec::new(),
            token: None,
            would_have_ended: told,
        }),
        last_active,
        state: State::Alive,
    }
}

fn approver(last_active: u64, told: WouldHaveEnded) -> Record {
    record(&["approver"], at(last_active), told)
}

fn rehearse(record: &Record, now: Timestamp) -> Rehearsal {
    let rehearsal = record.rehearse(&policy(), Setting::default(), now);
    rehearsal.expect("an approver is watched")
}

fn is_live(record: &Record, setting: Setting, now: Timestamp) -> bool {
    let phase = record.phase(&policy(), setting, &Cuts::default(), now);
    matches!(phase, Phase::Live { .. })
}

fn monitored(limits: Bounds) -> Setting {
    Setting::of_app(AppBounds {
        limits,
        mode: Mode::Monitor,
    })
}

#[test]
fn a_watched_limit_tells_at_its_very_instant_and_ends_nothing() {
    let none = WouldHaveEnded::default();
    for (last_active, now, would) in [
        (0, 9_999, None),
        (0, 10_000, Some(IDLE)),
        (0, 10_001, Some(IDLE)),
        (55, 59_999, None),
        (55, 60_000, Some(ABSOLUTE)),
        (0, 60_000, Some(ABSOLUTE)),
    ] {
        let now = Timestamp::from_millis(now);
        let approver = approver(last_active, none);
        let told = rehearse(&approver, now);
        assert_eq!((told.would, told.untold), (would, would), "{now:?}");
        assert!(is_live(&approver, Setting::default(), now));
    }
}

#[test]
fn an_idle_time_is_told_once_and_the_next_one_again() {
    let told = WouldHaveEnded::default().and(IDLE, at(0));
    let again = rehearse(&approver(0, told), at(25));
    assert_eq!((again.would, again.untold), (Some(IDLE), None));
    // He may have come back at this moment.
    assert_eq!(again.left, seconds(10));
    let back = rehearse(&approver(25, told), at(34));
    assert_eq!((back.would, back.left), (None, seconds(1)));
    assert_eq!(rehearse(&approver(25, told), at(35)).untold, Some(IDLE));
}

#[test]
fn the_absolute_timeout_is_told_once_and_idle_times_go_on() {
    let told = WouldHaveEnded::default().and(ABSOLUTE, at(55));
    let on = rehearse(&approver(55, told), at(61));
    assert_eq!((on.would, on.untold), (Some(ABSOLUTE), None));
    assert_eq!(on.left, seconds(4));
    let idle = rehearse(&approver(55, told), at(65));
    assert_eq!((idle.would, idle.untold), (Some(ABSOLUTE), Some(IDLE)));
}

#[test]
fn both_at_once_are_told_one_after_the_other() {
    let first = approver(0, WouldHaveEnded::default());
    assert_eq!(rehearse(&first, at(60)).untold, Some(ABSOLUTE));
    let told = WouldHaveEnded::default().and(ABSOLUTE, at(0));
    assert_eq!(rehearse(&approver(0, told), at(60)).untold, Some(IDLE));
    let told = told.and(IDLE, at(0));
    assert_eq!(rehearse(&approver(0, told), at(60)).untold, None);
}

#[test]
fn of_several_roles_the_enforced_ones_end_a_session_and_the_others_are_watched() {
    let both = record(&["buyer", "approver"], at(0), WouldHaveEnded::default());
    let told = rehearse(&both, at(10));
    assert_eq!(told.untold, Some(IDLE));
    assert_eq!(told.limits.idle.rule, Rule::Role(RoleId::at(1), None));
    assert!(is_live(&both, Setting::default(), at(19)));
    let phase = both.phase(&policy(), Setting::default(), &Cuts::default(), at(20));
    assert_eq!(phase, Phase::Due(IDLE));
}

#[test]
fn a_role_that_is_not_held_is_not_watched() {
    let buyer = record(&["buyer"], at(0), WouldHaveEnded::default());
    assert_eq!(buyer.rehearse(&policy(), Setting::default(), at(15)), None);
}

#[test]
fn a_watched_limit_that_is_the_longer_one_is_not_told_of() {
    let mut policy = policy();
    policy.ceiling.idle = Some(seconds(8));
    policy.ceiling.absolute = Some(seconds(50));
    let approver = approver(0, WouldHaveEnded::default());
    assert_eq!(approver.rehearse(&policy, Setting::default(), at(7)), None);
    let phase = approver.phase(&policy, Setting::default(), &Cuts::default(), at(8));
    assert_eq!(phase, Phase::Due(IDLE));
}

#[test]
fn in_a_monitored_app_no_limit_ends_a_login_but_the_bound() {
    let mut policy = policy();
    policy.ceiling.idle = Some(seconds(7));
    let setting = monitored(Bounds {
        idle: Some(seconds(6)),
        absolute: None,
    });
    let buyer = record(&["buyer"], at(0), WouldHaveEnded::default());
    let told = buyer.rehearse(&policy, setting, at(6)).unwrap();
    assert_eq!(
        (told.untold, told.limits.idle.rule),
        (Some(IDLE), Rule::App)
    );
    let phase = |now| buyer.phase(&policy, setting, &Cuts::default(), now);
    let end = at(0).plus(MONITOR_IDLE);
    let before = Timestamp::from_millis(end.as_millis() - 1);
    assert!(matches!(phase(before), Phase::Live { .. }));
    assert_eq!(phase(end), Phase::Due(IDLE));
}

#[test]
fn the_bound_is_never_shorter_than_what_it_stands_in_for() {
    let week = 7 * 24 * 60 * 60;
    for (idle, absolute) in [(10, 60), (week, 5 * week)] {
        let policy = Policy {
            roles: vec![role("clerk", idle, absolute, Mode::Monitor)],
            ..policy()
        };
        let limits = policy.resolve(Facts {
            holder: Holder::Authenticated(&[RoleName::new("clerk")]),
            recorded: None,
            setting: Setting::default(),
        });
        let [idle, absolute] = [idle, absolute].map(seconds);
        assert_eq!(limits.of(LimitKind::Idle).after, MONITOR_IDLE.max(idle));
        let after = limits.of(LimitKind::Absolute).after;
        assert_eq!(after, MONITOR_ABSOLUTE.max(absolute));
        assert_eq!(limits.idle.rule, Rule::Monitor);
    }
}

#[test]
fn a_visitor_has_the_limits_of_anonymous_sessions_in_a_monitored_app_too() {
    let mut visitor = record(&[], at(0), WouldHaveEnded::default());
    Arc::make_mut(&mut visitor.session).login = None;
    let setting = monitored(Bounds::default());
    assert!(is_live(&visitor, setting, at(4)));
    assert!(!is_live(&visitor, setting, at(5)));
}

#[test]
fn an_adoption_ends_in_a_monitored_app_too() {
    let mut adopted = record(&["buyer"], at(0), WouldHaveEnded::default());
    Arc::make_mut(&mut adopted.session).until = Some(at(9));
    let setting = monitored(Bounds::default());
    assert!(is_live(&adopted, setting, at(8)));
    assert!(!is_live(&adopted, setting, at(9)));
}

#[test]
fn a_cut_ends_what_is_only_watched() {
    let approver = approver(0, WouldHaveEnded::default());
    let cuts = Cuts::default().with(Scope::All, at(1));
    let phase = approver.phase(&policy(), monitored(Bounds::default()), &cuts, at(2));
    assert_eq!(phase, Phase::Due(EndReason::Revoked));
}

#[test]
fn no_stand_in_tightens_what_is_enforced() {
    let day = 24 * 60 * 60;
    let mut policy = policy();
    policy.roles[0] = role("buyer", 3 * day, 30 * day, Mode::Enforce);
    let both = record(&["buyer", "approver"], at(0), WouldHaveEnded::default());
    let limits = both.session.limits(&policy, Setting::default());
    let buyer = Rule::Role(RoleId::at(0), None);
    assert_eq!(
        (limits.idle.after, limits.idle.rule),
        (seconds(3 * day), buyer)
    );
    let absolute = limits.absolute;
    assert_eq!((absolute.after, absolute.rule), (seconds(30 * day), buyer));
}
