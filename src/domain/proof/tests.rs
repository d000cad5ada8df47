use std::time::Duration;

use super::{AskedBy, LoginStep, Proof};
use crate::domain::access::{Access, Activity, Client, LoginPage, OnStale, RequestFacts, Safety};
use crate::domain::identity::Lineage;
use crate::domain::policy::PolicyVersion;
use crate::domain::rehearse::WouldHaveEnded;
use crate::domain::session::{Login, Session};
use crate::domain::time::Timestamp;

const fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Began at 1 s; somebody logged in at 2 s, where anybody did.
fn session(is_authenticated: bool) -> Session {
    Session {
        lineage: Lineage::from_bytes([1; 16]),
        generation: 0,
        app: "app".into(),
        started: at(1_000),
        until: None,
        login: is_authenticated.then(|| Login {
            admitted: at(2_000),
            user: None,
            groups: Vec::new(),
            roles: Vec::new(),
            roles_learned: at(2_000),
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

fn newer_than(millis: u64) -> Proof {
    Proof {
        max_auth_age: Some(Duration::from_millis(millis)),
        ..Proof::default()
    }
}

#[test]
fn a_login_is_too_old_from_the_very_instant_on() {
    for (now, is_due) in [(0, false), (6_999, false), (7_000, true), (7_001, true)] {
        assert_eq!(
            newer_than(5_000).is_due(&session(true), at(now)),
            is_due,
            "{now}"
        );
    }
}

#[test]
fn without_a_login_there_is_none_to_prove_and_without_a_rule_nothing_is_asked() {
    assert!(!newer_than(1).is_due(&session(false), at(9_000)));
    assert!(!Proof::default().is_due(&session(true), at(9_000_000)));
}

#[test]
fn nobody_knows_the_age_of_a_login_that_was_adopted() {
    let adopted = Session {
        until: Some(at(9_000_000)),
        ..session(true)
    };
    assert!(newer_than(8_000_000).is_due(&adopted, at(2_000)));
    assert!(!Proof::default().is_due(&adopted, at(2_000)));
}

#[test]
fn whoever_was_told_to_log_in_again_must_though_his_login_is_fresh() {
    for (n, is_due) in [(1, true), (2, false)] {
        let of = Some(Lineage::from_bytes([n; 16]));
        let proof = Proof {
            of,
            step: LoginStep::Form,
            ..Proof::default()
        };
        let elsewhere = Proof {
            step: LoginStep::Neither,
            ..proof
        };
        assert!(!elsewhere.is_due(&session(true), at(2_000)));
        assert_eq!(proof.is_due(&session(true), at(2_000)), is_due);
        assert!(!proof.is_due(&session(false), at(2_000)));
    }
}

#[test]
fn no_login_is_new_enough_for_who_sends_another_where_any_route_asks_for_a_new_one() {
    let most = Some(Duration::from_secs(5));
    for (freshest, is_due) in [(most, true), (None, false)] {
        let proof = newer_than(9_000).at_attempt(freshest);
        assert_eq!(proof.is_due(&session(true), at(2_000)), is_due);
        assert!(!proof.is_due(&session(false), at(2_000)));
    }
}

#[test]
fn only_a_person_on_the_way_to_the_login_ends_a_session_by_asking() {
    let facts = RequestFacts {
        access: Access::Authenticated,
        activity: Activity::Active,
        on_stale: OnStale::Refuse,
        client: Client::Navigation,
        safety: Safety::Safe,
        login_page: LoginPage::Elsewhere,
    };
    let may_end = |step, facts| {
        let by = |asked_by| {
            let proof = Proof {
                step,
                asked_by,
                ..Proof::default()
            };
            proof.may_end(facts)
        };
        assert!(!by(AskedBy::Elsewhere), "{facts:?}");
        by(AskedBy::User)
    };
    assert!(may_end(LoginStep::Neither, facts));
    assert!(may_end(
        LoginStep::Neither,
        RequestFacts {
            safety: Safety::Unsafe,
            ..facts
        }
    ));
    for client in [Client::Script, Client::Upgrade] {
        assert!(!may_end(
            LoginStep::Neither,
            RequestFacts { client, ..facts }
        ));
    }
    let public = RequestFacts {
        access: Access::Public,
        ..facts
    };
    assert!(!may_end(LoginStep::Neither, public));
    assert!(may_end(LoginStep::Form, public));
    assert!(may_end(
        LoginStep::Attempt,
        RequestFacts {
            client: Client::Script,
            ..public
        }
    ));
    let passive = RequestFacts {
        activity: Activity::Passive,
        ..facts
    };
    assert!(!may_end(LoginStep::Neither, passive));
}
