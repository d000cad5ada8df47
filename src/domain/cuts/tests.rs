use std::sync::Arc;

use super::{Cuts, Scope};
use crate::domain::identity::Lineage;
use crate::domain::policy::PolicyVersion;
use crate::domain::session::{Login, Session, UserName};
use crate::domain::time::Timestamp;

const fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn lineage(n: u8) -> Lineage {
    Lineage::from_bytes([n; 16])
}

fn visitor(started: u64) -> Session {
    Session {
        lineage: lineage(1),
        generation: 0,
        app: Arc::from("app"),
        started: at(started),
        until: None,
        login: None,
        device: None,
        policy: PolicyVersion(0),
        companions: Vec::new(),
        scopes: Vec::new(),
        token: None,
        would_have_ended: Default::default(),
    }
}

fn user(name: Option<&str>, started: u64, admitted: u64) -> Session {
    Session {
        login: Some(Login {
            admitted: at(admitted),
            user: name.map(|name| UserName::new(name).unwrap()),
            groups: Vec::new(),
            roles: Vec::new(),
            roles_learned: at(admitted),
            is_doubtful: false,
        }),
        ..visitor(started)
    }
}

fn one(scope: Scope, millis: u64) -> Cuts {
    Cuts::new(1, [(scope, at(millis))])
}

fn of(name: &str) -> Scope {
    Scope::User(name.into())
}

#[test]
fn a_cut_covers_what_began_before_it_or_with_it() {
    for (began, covered) in [(99, true), (100, true), (101, false)] {
        let cuts = one(Scope::All, 100);
        assert_eq!(cuts.cover(&visitor(began)), covered, "a visit at {began}");
        assert_eq!(
            cuts.cover(&user(None, 0, began)),
            covered,
            "a login at {began}"
        );
        let cuts = one(of("buyer-1"), 100);
        let user = user(Some("buyer-1"), 0, began);
        assert_eq!(cuts.cover(&user), covered, "a user's login at {began}");
    }
}

#[test]
fn a_login_counts_from_its_admission_and_not_from_its_answer() {
    // Admitted at 90, cut at 100, answered by the app at 110.
    let user = user(Some("buyer-1"), 110, 90);
    assert!(one(Scope::All, 100).cover(&user));
    assert!(one(of("buyer-1"), 100).cover(&user));
}

#[test]
fn a_user_is_known_by_his_whole_name() {
    let cuts = one(of("buyer-1"), 100);
    for other in [user(Some("buyer-11"), 0, 0), user(None, 0, 0), visitor(0)] {
        assert!(!cuts.cover(&other));
    }
}

#[test]
fn a_lineage_is_covered_whenever_it_began() {
    let cuts = one(Scope::Lineage(lineage(1)), 100);
    assert!(cuts.cover(&user(None, 5_000, 5_000)));
    let other = one(Scope::Lineage(lineage(2)), 100);
    assert!(!other.cover(&user(None, 0, 0)));
}

#[test]
fn of_two_cuts_of_a_scope_the_later_stands() {
    for scope in [Scope::All, of("buyer-1")] {
        let user = user(Some("buyer-1"), 0, 100);
        let entries = [(scope.clone(), at(100)), (scope.clone(), at(50))];
        assert!(Cuts::new(1, entries).cover(&user));
        let narrowed = one(scope.clone(), 100).with(scope, at(50));
        assert!(narrowed.cover(&user));
        assert_eq!(narrowed.len(), 1);
    }
}

#[test]
fn each_cut_raises_the_version_and_forgetting_does_not() {
    let cuts = Cuts::default();
    assert_eq!((cuts.version(), cuts.is_empty()), (0, true));
    let cuts = cuts.with(Scope::All, at(1)).with(of("buyer-1"), at(2));
    assert_eq!((cuts.version(), cuts.len()), (2, 2));
    assert_eq!(cuts.since(at(9)).version(), 2);
}

#[test]
fn cuts_before_the_horizon_are_forgotten_and_those_at_it_are_kept() {
    let cuts = |millis| {
        let scopes = [Scope::All, of("buyer-1"), Scope::Lineage(lineage(1))];
        Cuts::new(1, scopes.map(|scope| (scope, at(millis))))
    };
    for (made, kept) in [(99, 0), (100, 3), (101, 3)] {
        assert_eq!(cuts(made).since(at(100)).len(), kept, "made at {made}");
    }
}
