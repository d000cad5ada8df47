use std::sync::Arc;
use std::time::Duration;

use super::{EndReason, Login, Phase, Record, Session, State, USER_BYTES_MAX, UserName};
use crate::domain::cuts::{Cuts, Scope};
use crate::domain::identity::{Lineage, Sid};
use crate::domain::limits::{Bounds, Rule};
use crate::domain::policy::{Policy, PolicyVersion, Role, RoleName};
use crate::domain::resolve::Setting;
use crate::domain::time::Timestamp;

const SECOND: u64 = 1_000;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

const fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// A buyer has 15 s idle and 60 s in all, a visitor 5 s and 30 s.
fn policy() -> Policy {
    Policy {
        version: PolicyVersion(1),
        ceiling: Bounds::default(),
        anonymous_idle: seconds(5),
        anonymous_absolute: seconds(30),
        roles: vec![Role {
            name: RoleName::new("buyer"),
            idle: seconds(15),
            absolute: seconds(60),
            users: ["buyer-1".to_owned()].into(),
            groups: [].into(),
            ..Role::default()
        }],
        ..Policy::default()
    }
}

fn visitor(last_active: Timestamp) -> Record {
    Record {
        session: Arc::new(Session {
            lineage: Lineage::from_bytes([1; 16]),
            generation: 0,
            app: "app".into(),
            started: at(0),
            until: None,
            login: None,
            device: None,
            policy: PolicyVersion(1),
            companions: Vec::new(),
            scopes: Vec::new(),
            token: None,
            would_have_ended: Default::default(),
        }),
        last_active,
        state: State::Alive,
    }
}

fn buyer(last_active: Timestamp) -> Record {
    let mut record = visitor(last_active);
    Arc::make_mut(&mut record.session).login = Some(Login {
        admitted: at(0),
        user: UserName::new("buyer-1"),
        groups: Vec::new(),
        roles: vec![RoleName::new("buyer")],
        roles_learned: at(0),
        is_doubtful: false,
    });
    record
}

fn phase(record: &Record, now: Timestamp) -> Phase {
    record.phase(&policy(), Setting::default(), &Cuts::default(), now)
}

/// Which end is due at `now`, or else what is left in milliseconds.
#[track_caller]
fn check(record: &Record, now: u64, expected: Result<u64, EndReason>) {
    let told = match phase(record, at(now)) {
        Phase::Live { left, .. } => Ok(left.as_millis() as u64),
        Phase::Due(reason) => Err(reason),
        other => panic!("{other:?}"),
    };
    assert_eq!(told, expected, "at {now}");
}

#[test]
fn the_idle_timeout_ends_a_session_at_its_instant() {
    let record = buyer(at(7 * SECOND));
    check(&record, 22 * SECOND - 1, Ok(1));
    check(&record, 22 * SECOND, Err(EndReason::IdleTimeout));
    check(&record, 22 * SECOND + 1, Err(EndReason::IdleTimeout));
}

#[test]
fn the_absolute_timeout_ends_a_session_at_its_instant() {
    let record = buyer(at(59 * SECOND));
    check(&record, 60 * SECOND - 1, Ok(1));
    check(&record, 60 * SECOND, Err(EndReason::AbsoluteTimeout));
    check(&record, 60 * SECOND + 1, Err(EndReason::AbsoluteTimeout));
}

#[test]
fn an_adopted_session_ends_at_its_instant_however_busy_it_is() {
    let mut record = buyer(at(39 * SECOND));
    Arc::make_mut(&mut record.session).until = Some(at(40 * SECOND));
    check(&record, 40 * SECOND - 1, Ok(1));
    check(&record, 40 * SECOND, Err(EndReason::AbsoluteTimeout));
    check(&record, 40 * SECOND + 1, Err(EndReason::AbsoluteTimeout));
    let limits = record.session.limits(&policy(), Setting::default());
    assert_eq!(limits.absolute.rule, Rule::Adoption);
}

#[test]
fn an_adoption_loosens_nothing() {
    let mut record = buyer(at(59 * SECOND));
    Arc::make_mut(&mut record.session).until = Some(at(90 * SECOND));
    check(&record, 60 * SECOND - 1, Ok(1));
    check(&record, 60 * SECOND, Err(EndReason::AbsoluteTimeout));
    record.last_active = at(0);
    check(&record, 15 * SECOND, Err(EndReason::IdleTimeout));
}

#[test]
fn nobody_looks_later_than_at_the_earliest_end() {
    let mut session = (*buyer(at(0)).session).clone();
    let earliest = |session: &Session, last_active| {
        let limits = session.limits(&policy(), Setting::default());
        session.earliest_end(&limits, at(last_active))
    };
    assert_eq!(earliest(&session, 0), at(15 * SECOND));
    assert_eq!(earliest(&session, 50 * SECOND), at(60 * SECOND));
    session.until = Some(at(52 * SECOND));
    assert_eq!(earliest(&session, 50 * SECOND), at(52 * SECOND));
}

#[test]
fn a_visitor_has_the_limits_of_visitors() {
    check(&visitor(at(0)), 5 * SECOND - 1, Ok(1));
    check(&visitor(at(0)), 5 * SECOND, Err(EndReason::IdleTimeout));
    let busy = visitor(at(29 * SECOND));
    check(&busy, 30 * SECOND - 1, Ok(1));
    check(&busy, 30 * SECOND, Err(EndReason::AbsoluteTimeout));
}

#[test]
fn what_is_left_is_the_nearer_of_both_limits() {
    check(&buyer(at(0)), 0, Ok(15 * SECOND));
    check(&buyer(at(20 * SECOND)), 20 * SECOND, Ok(15 * SECOND));
    check(&buyer(at(50 * SECOND)), 50 * SECOND, Ok(10 * SECOND));
}

#[test]
fn where_both_limits_are_reached_the_absolute_timeout_is_named() {
    let record = buyer(at(45 * SECOND));
    check(&record, 60 * SECOND - 1, Ok(1));
    check(&record, 60 * SECOND, Err(EndReason::AbsoluteTimeout));
}

#[test]
fn a_clock_that_lags_behind_the_record_ends_nothing() {
    check(&buyer(at(9 * SECOND)), 0, Ok(15 * SECOND));
}

#[test]
fn the_limits_in_force_are_told_with_their_rule() {
    let app = Setting::of_app(Bounds {
        idle: Some(seconds(3)),
        absolute: None,
    });
    let record = buyer(at(0));
    let phase = record.phase(&policy(), app, &Cuts::default(), at(2_999));
    let limits = record.session.limits(&policy(), app);
    assert_eq!(limits.idle.after, seconds(3));
    let left = Duration::from_millis(1);
    assert_eq!(phase, Phase::Live { limits, left });
    let phase = record.phase(&policy(), app, &Cuts::default(), at(3_000));
    assert_eq!(phase, Phase::Due(EndReason::IdleTimeout));
}

#[test]
fn a_tightened_policy_applies_at_once() {
    let mut tight = policy();
    tight.roles[0].idle = seconds(2);
    let record = buyer(at(0));
    check(&record, 2 * SECOND, Ok(13 * SECOND));
    let phase = record.phase(&tight, Setting::default(), &Cuts::default(), at(2 * SECOND));
    assert_eq!(phase, Phase::Due(EndReason::IdleTimeout));
}

#[test]
fn a_cut_comes_before_the_limits() {
    let cuts = Cuts::new(1, [(Scope::All, at(0))]);
    for now in [0, 15 * SECOND, 60 * SECOND] {
        let phase = buyer(at(0)).phase(&policy(), Setting::default(), &cuts, at(now));
        assert_eq!(phase, Phase::Due(EndReason::Revoked), "at {now}");
    }
}

#[test]
fn what_was_written_stands_whatever_is_due_or_cut() {
    let successor = Sid::from_bytes([9; 16]);
    let ended = State::Ended {
        reason: EndReason::Logout,
        at: at(1),
    };
    let superseded = State::Superseded {
        at: at(1),
        successor,
    };
    for (state, expected) in [
        (State::Pending, Phase::Pending),
        (ended, Phase::Ended(EndReason::Logout)),
        (superseded, Phase::Superseded(successor)),
    ] {
        let record = Record {
            state,
            ..buyer(at(0))
        };
        for cuts in [Cuts::default(), Cuts::new(1, [(Scope::All, at(0))])] {
            for now in [0, 60 * SECOND] {
                let phase = record.phase(&policy(), Setting::default(), &cuts, at(now));
                assert_eq!(phase, expected);
            }
        }
    }
}

#[test]
fn a_reason_is_known_by_its_word_and_its_place() {
    let words = [
        "idle_timeout",
        "absolute_timeout",
        "logout",
        "revoked",
        "displaced",
        "role_changed",
        "device_changed",
        "token_reuse",
        "back_channel",
        "reauthenticated",
    ];
    assert_eq!(EndReason::ALL.map(EndReason::as_str), words);
    for (place, reason) in EndReason::ALL.into_iter().enumerate() {
        assert_eq!(reason as usize, place);
        assert_eq!(EndReason::from_word(reason.as_str()), Some(reason));
    }
    for other in ["", "Logout", "logout ", "idle"] {
        assert_eq!(EndReason::from_word(other), None, "{other:?}");
    }
}

#[test]
fn a_user_name_is_short_and_breaks_no_line() {
    let longest = "x".repeat(USER_BYTES_MAX);
    for name in ["b", "Käufer 1", "a@example.com", "\"{}\\", &longest] {
        let kept = UserName::new(name).unwrap();
        assert_eq!(kept.as_str(), name);
    }
    let too_long = "x".repeat(USER_BYTES_MAX + 1);
    let too_many_bytes = "ä".repeat(USER_BYTES_MAX / 2 + 1);
    for other in [
        "",
        &too_long,
        &too_many_bytes,
        "a\nb",
        "a\rb",
        "a\0b",
        "a\u{85}b",
        "\u{7f}",
    ] {
        assert_eq!(UserName::new(other), None, "{other:?}");
    }
}

#[test]
fn only_a_login_gives_roles_and_a_user() {
    let buyer = buyer(at(0)).session;
    assert_eq!(buyer.roles(), [RoleName::new("buyer")]);
    assert_eq!(buyer.user().map(UserName::as_str), Some("buyer-1"));
    assert!(buyer.is_authenticated());
    let visitor = visitor(at(0)).session;
    assert_eq!(visitor.roles(), []);
    assert_eq!(visitor.user(), None);
    assert!(!visitor.is_authenticated());
}
