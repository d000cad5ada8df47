use std::sync::Arc;
use std::time::Duration;

use crate::domain::cuts::{Cuts, Scope};
use crate::domain::identity::Lineage;
use crate::domain::limits::Rule;
use crate::domain::policy::{Policy, PolicyVersion, Role, RoleName};
use crate::domain::rehearse::WouldHaveEnded;
use crate::domain::resolve::Setting;
use crate::domain::session::{EndReason, Login, Phase, Record, Session, State, UserName};
use crate::domain::time::Timestamp;

const fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_000 * seconds)
}

fn role(name: &str, seconds: u64, users: &[&str], groups: &[&str]) -> Role {
    let all = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    Role {
        name: RoleName::new(name),
        idle: Duration::from_secs(seconds),
        absolute: Duration::from_secs(2 * seconds),
        users: all(users),
        groups: all(groups),
        ..Role::default()
    }
}

/// A policy that is another one than that of the login.
fn policy(roles: Vec<Role>) -> Policy {
    Policy {
        version: PolicyVersion(2),
        anonymous_idle: Duration::from_secs(1_000),
        anonymous_absolute: Duration::from_secs(1_000),
        roles,
        ..Policy::default()
    }
}

/// `u` of the group `g`, who logged in at 10 s under the policy 1, and got these roles.
fn session(roles: &[&str]) -> Session {
    Session {
        lineage: Lineage::from_bytes([1; 16]),
        generation: 0,
        app: "app".into(),
        started: at(10),
        until: None,
        login: Some(Login {
            admitted: at(10),
            user: UserName::new("u"),
            groups: vec!["g".into()],
            roles: roles.iter().map(|name| RoleName::new(name)).collect(),
            roles_learned: at(10),
            is_doubtful: false,
        }),
        device: None,
        policy: PolicyVersion(1),
        companions: Vec::new(),
        scopes: Vec::new(),
        token: None,
        would_have_ended: WouldHaveEnded::default(),
    }
}

fn phase_at(session: &Session, policy: &Policy, cuts: &Cuts, now: Timestamp) -> Phase {
    let record = Record {
        session: Arc::new(session.clone()),
        last_active: at(10),
        state: State::Alive,
    };
    record.phase(policy, Setting::default(), cuts, now)
}

fn is_over(session: &Session, policy: &Policy) -> bool {
    match phase_at(session, policy, &Cuts::default(), at(11)) {
        Phase::Due(reason) => {
            assert_eq!(reason, EndReason::RoleChanged);
            true
        }
        phase => {
            assert!(matches!(phase, Phase::Live { .. }), "{phase:?}");
            false
        }
    }
}

#[test]
fn a_session_is_over_once_the_policy_gives_its_user_other_roles_looser_or_tighter() {
    let buyer = |users: &[&str], groups: &[&str]| role("buyer", 100, users, groups);
    let strict = |users: &[&str]| role("strict", 50, users, &[]);
    let loose = |users: &[&str]| role("loose", 500, users, &[]);
    for (held, roles, over) in [
        (&["buyer"][..], vec![buyer(&["u"], &[])], false),
        (&["buyer"], vec![buyer(&[], &["g"])], false),
        (
            &["buyer"],
            vec![role("buyer", 20, &["u", "v"], &["h"])],
            false,
        ),
        (&["buyer"], vec![buyer(&["u"], &[]), strict(&["v"])], false),
        (&["buyer"], vec![buyer(&["u"], &[]), strict(&["u"])], true),
        (&["buyer"], vec![buyer(&["u"], &[]), loose(&["u"])], true),
        (&["buyer"], vec![buyer(&["v"], &[]), loose(&["u"])], true),
        (&["buyer"], vec![buyer(&["v"], &["h"])], true),
        (&["buyer"], vec![role("renamed", 100, &["u"], &[])], true),
        (
            &["buyer", "strict"],
            vec![buyer(&["u"], &[]), strict(&["u"])],
            false,
        ),
        (
            &["strict", "buyer"],
            vec![buyer(&["u"], &[]), strict(&["u"])],
            false,
        ),
        (
            &["buyer", "strict"],
            vec![buyer(&["u"], &[]), strict(&[])],
            true,
        ),
        (&[], vec![buyer(&["v"], &[])], false),
        (&[], vec![buyer(&["u"], &[])], true),
    ] {
        let policy = policy(roles);
        assert_eq!(
            is_over(&session(held), &policy),
            over,
            "{held:?} {policy:?}"
        );
    }
}

#[test]
fn nothing_is_compared_under_the_policy_that_mapped_nor_where_nothing_was_believed() {
    let other = policy(vec![role("buyer", 100, &["v"], &[])]);
    let same = Policy {
        version: PolicyVersion(1),
        ..other.clone()
    };
    assert!(is_over(&session(&["buyer"]), &other));
    assert!(!is_over(&session(&["buyer"]), &same));
    let mut doubtful = session(&[]);
    doubtful.login.as_mut().unwrap().is_doubtful = true;
    assert!(!is_over(
        &doubtful,
        &policy(vec![role("buyer", 100, &["u"], &[])])
    ));
    let visitor = Session {
        login: None,
        ..session(&[])
    };
    assert!(!is_over(&visitor, &other));
}

#[test]
fn until_it_is_written_the_strictest_of_old_and_new_limits_holds() {
    for (held, given) in [("long", "short"), ("short", "long")] {
        let mut roles = vec![role("long", 100, &[], &[]), role("short", 50, &[], &[])];
        let new = roles.iter_mut().find(|role| role.name.as_str() == given);
        new.unwrap().users = ["u".to_owned()].into();
        let limits = session(&[held]).limits(&policy(roles), Setting::default());
        assert_eq!(limits.idle.after, Duration::from_secs(50));
        assert_eq!(limits.absolute.after, Duration::from_secs(100));
    }
}

#[test]
fn what_a_login_told_counts_for_as_long_as_the_strictest_of_its_roles_says() {
    let aged = |seconds, role: Role| Role {
        max_role_age: Some(Duration::from_secs(seconds)),
        ..role
    };
    let policy = policy(vec![
        aged(30, role("buyer", 100, &["u"], &[])),
        aged(20, role("approver", 100, &[], &["g"])),
        aged(5, role("other", 100, &[], &[])),
    ]);
    for (held, over_at) in [
        (&["buyer", "approver"][..], 30),
        (&["buyer"], 40),
        (&[], 15),
    ] {
        let session = Session {
            policy: PolicyVersion(2),
            ..session(held)
        };
        let phase = |now| phase_at(&session, &policy, &Cuts::default(), now);
        let before = at(over_at).as_millis() - 1;
        assert!(matches!(
            phase(Timestamp::from_millis(before)),
            Phase::Live { .. }
        ));
        for now in [over_at, over_at + 1] {
            assert_eq!(
                phase(at(now)),
                Phase::Due(EndReason::RoleChanged),
                "{held:?}"
            );
        }
        let limits = session.limits(&policy, Setting::default());
        assert!(matches!(limits.absolute.rule, Rule::RoleAge(_)));
        // So the sweeper looks in time.
        assert_eq!(session.earliest_end(&limits, at(10)), at(over_at));
    }
}

#[test]
fn a_change_of_roles_reaches_what_was_learned_until_then() {
    let policy = policy(vec![role("buyer", 100, &["u"], &["g"])]);
    let session = session(&["buyer"]);
    for scope in [
        Scope::RolesOf("u".into()),
        Scope::Role(RoleName::new("buyer")),
    ] {
        for (told, over) in [(9, false), (10, true), (11, true)] {
            let cuts = Cuts::new(1, [(scope.clone(), at(told))]);
            let phase = phase_at(&session, &policy, &cuts, at(11));
            assert_eq!(
                phase == Phase::Due(EndReason::RoleChanged),
                over,
                "{scope:?} at {told}"
            );
            assert!(!cuts.cover(&session), "it is no revocation");
        }
    }
    for scope in [
        Scope::RolesOf("v".into()),
        Scope::Role(RoleName::new("approver")),
    ] {
        let cuts = Cuts::new(1, [(scope, at(11))]);
        assert!(matches!(
            phase_at(&session, &policy, &cuts, at(11)),
            Phase::Live { .. }
        ));
    }
}

#[test]
fn a_revocation_is_told_before_a_change_of_roles_and_that_before_a_limit() {
    let policy = policy(vec![role("buyer", 100, &["v"], &[])]);
    let revoked = Cuts::new(1, [(Scope::All, at(10))]);
    let session = session(&["buyer"]);
    let late = at(9_000);
    assert_eq!(
        phase_at(&session, &policy, &revoked, late),
        Phase::Due(EndReason::Revoked)
    );
    let over = phase_at(&session, &policy, &Cuts::default(), late);
    assert_eq!(over, Phase::Due(EndReason::RoleChanged));
}
