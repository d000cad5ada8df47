mod properties;
mod table;

use std::sync::Arc;
use std::time::Duration;

use super::{Company, Decision, Found, Rules, Stale, Verdict, Write, decide};
use crate::domain::access::{Access, Activity, Client, LoginPage, OnStale, RequestFacts, Safety};
use crate::domain::cuts::{Cuts, Scope};
use crate::domain::device::{DeviceClass, Moved, OnDeviceChange, Seen};
use crate::domain::identity::{Lineage, Sid};
use crate::domain::limits::{Bounds, DeviceId};
use crate::domain::policy::{Policy, PolicyVersion, Role, RoleName};
use crate::domain::proof::{AskedBy, LoginStep, Proof};
use crate::domain::resolve::Setting;
use crate::domain::session::{EndReason, Login, Record, Session, State, UserName};
use crate::domain::time::Timestamp;
use crate::domain::token::{Change, Standing, Token, TokenSeed};

const fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_000 * seconds)
}

fn sid(n: u8) -> Sid {
    Sid::from_bytes([n; 16])
}

fn role(name: &str, idle: u64, absolute: u64) -> Role {
    Role {
        name: RoleName::new(name),
        idle: Duration::from_secs(idle),
        absolute: Duration::from_secs(absolute),
        users: [].into(),
        groups: [].into(),
        ..Role::default()
    }
}

/// A buyer has 15 s idle and 60 s in all, an approver 10 s and 40 s, a visitor 5 s and 30 s.
fn policy() -> Policy {
    Policy {
        version: PolicyVersion(1),
        ceiling: Bounds::default(),
        anonymous_idle: Duration::from_secs(5),
        anonymous_absolute: Duration::from_secs(30),
        roles: vec![role("buyer", 15, 60), role("approver", 10, 40)],
        ..Policy::default()
    }
}

/// A living session that began, and was last active, at 0.
fn record(lineage: u8, roles: Option<&[&str]>) -> Record {
    let login = roles.map(|roles| Login {
        admitted: at(0),
        user: UserName::new("user-1"),
        groups: Vec::new(),
        roles: roles.iter().map(|name| RoleName::new(name)).collect(),
        roles_learned: at(0),
        is_doubtful: false,
    });
    Record {
        session: Arc::new(Session {
            lineage: Lineage::from_bytes([lineage; 16]),
            generation: 0,
            app: "app".into(),
            started: at(0),
            until: None,
            login,
            device: None,
            policy: PolicyVersion(1),
            companions: Vec::new(),
            scopes: Vec::new(),
            token: None,
            would_have_ended: Default::default(),
        }),
        last_active: at(0),
        state: State::Alive,
    }
}

fn buyer(lineage: u8) -> Record {
    record(lineage, Some(&["buyer"]))
}

fn in_state(state: State) -> Record {
    Record { state, ..buyer(1) }
}

fn ended(reason: EndReason) -> Record {
    in_state(State::Ended { reason, at: at(0) })
}

fn superseded() -> Record {
    let successor = sid(9);
    in_state(State::Superseded {
        at: at(0),
        successor,
    })
}

fn found(n: u8, record: Option<Record>) -> Found {
    Found {
        sid: sid(n),
        record,
        company: Company::Whole,
        token: Standing::Holds,
    }
}

fn in_company(company: Company) -> Found {
    Found {
        company,
        ..found(1, Some(buyer(1)))
    }
}

/// A navigation to a protected page.
const PAGE: RequestFacts = RequestFacts {
    access: Access::Authenticated,
    activity: Activity::Active,
    on_stale: OnStale::Refuse,
    client: Client::Navigation,
    safety: Safety::Safe,
    login_page: LoginPage::Elsewhere,
};

fn decide_at(now: Timestamp, facts: RequestFacts, found: &[Found]) -> Decision {
    let rules = Rules {
        policy: &policy(),
        setting: Setting::default(),
        cuts: &Cuts::default(),
        now,
    };
    decide(rules, facts, found)
}

/// What a navigation to a protected page is told at 1 s.
#[track_caller]
fn check(found: &[Found], verdict: Verdict, write: Write) {
    let decision = decide_at(at(1), PAGE, found);
    assert_eq!((decision.verdict, decision.write), (verdict, write));
    assert_eq!(decision.live.is_some(), verdict == Verdict::Forward);
}

#[track_caller]
fn check_stale(found: &[Found], stale: Stale) {
    check(found, Verdict::Refuse(stale), Write::Nothing);
}

#[test]
fn one_living_id_in_whole_company_goes_on_and_is_touched() {
    check(
        &[found(1, Some(buyer(1)))],
        Verdict::Forward,
        Write::Touch(sid(1)),
    );
}

#[test]
fn each_way_to_be_stale_has_its_name() {
    use EndReason::Logout;
    check_stale(&[], Stale::NoSession);
    check_stale(&[found(1, None)], Stale::Unknown);
    check_stale(&[found(1, Some(in_state(State::Pending)))], Stale::Unknown);
    check_stale(&[found(1, Some(ended(Logout)))], Stale::Ended(Logout));
    check_stale(&[found(1, Some(superseded()))], Stale::Superseded);
    check_stale(&[in_company(Company::Partial)], Stale::Partial);
    check_stale(&[in_company(Company::Foreign)], Stale::Foreign);
    let mixed = [found(1, Some(buyer(1))), found(2, Some(buyer(2)))];
    check_stale(&mixed, Stale::Mixed);
}

#[test]
fn a_visitor_at_a_protected_page_must_log_in_and_keeps_his_session() {
    let visitor = [found(1, Some(record(1, None)))];
    let decision = decide_at(at(1), PAGE, &visitor);
    assert_eq!(decision.verdict, Verdict::Refuse(Stale::LoginRequired));
    assert_eq!(decision.write, Write::Nothing);
    assert_eq!(decision.live.map(|live| live.sid), Some(sid(1)));
}

#[test]
fn a_due_end_is_written_before_the_refusal() {
    let idle = EndReason::IdleTimeout;
    for (now, end) in [(14, None), (15, Some(idle)), (16, Some(idle))] {
        let decision = decide_at(at(now), PAGE, &[found(1, Some(buyer(1)))]);
        let (verdict, write) = match end {
            None => (Verdict::Forward, Write::Touch(sid(1))),
            Some(reason) => (
                Verdict::Refuse(Stale::Ended(reason)),
                Write::End(vec![(sid(1), reason)]),
            ),
        };
        assert_eq!(
            (decision.verdict, decision.write),
            (verdict, write),
            "at {now}"
        );
    }
}

#[test]
fn every_id_that_is_due_is_ended() {
    let mut old = buyer(2);
    old.last_active = at(59);
    let ids = [found(1, Some(buyer(1))), found(2, Some(old))];
    let decision = decide_at(at(60), PAGE, &ids);
    let absolute = EndReason::AbsoluteTimeout;
    assert_eq!(
        decision.write,
        Write::End(vec![(sid(1), absolute), (sid(2), absolute)])
    );
    assert_eq!(decision.verdict, Verdict::Refuse(Stale::Ended(absolute)));
}

#[test]
fn a_cut_ends_what_it_covers() {
    let rules = Rules {
        policy: &policy(),
        setting: Setting::default(),
        cuts: &Cuts::new(1, [(Scope::All, at(0))]),
        now: at(1),
    };
    let decision = decide(rules, PAGE, &[found(1, Some(buyer(1)))]);
    let revoked = EndReason::Revoked;
    assert_eq!(decision.verdict, Verdict::Refuse(Stale::Ended(revoked)));
    assert_eq!(decision.write, Write::End(vec![(sid(1), revoked)]));
}

/// What a navigation of a buyer at 1 s is told, who was recorded on one device and comes from
/// another.
fn decide_moved(mode: OnDeviceChange, before: Option<&str>, company: Company) -> Decision {
    let class = |name: &str| DeviceClass {
        name: name.into(),
        bounds: Bounds::default(),
    };
    let policy = Policy {
        devices: vec![class("mobile"), class("kiosk")],
        ..policy()
    };
    let rules = Rules {
        policy: &policy,
        setting: Setting {
            seen: Seen::On(Some(DeviceId::at(0))),
            on_device_change: mode,
            ..Setting::default()
        },
        cuts: &Cuts::default(),
        now: at(1),
    };
    let mut moved = in_company(company);
    if let Some(record) = &mut moved.record {
        Arc::make_mut(&mut record.session).device = before.map(Arc::from);
    }
    decide(rules, PAGE, &[moved])
}

#[test]
fn a_change_of_device_is_recorded_refused_or_the_end_as_the_app_says() {
    use OnDeviceChange::{End, Reauthenticate, Record};
    let changed = EndReason::DeviceChanged;
    let touch = Write::Touch(sid(1));
    let refused = Verdict::Refuse(Stale::DeviceChanged);
    let ended = Verdict::Refuse(Stale::Ended(changed));
    let proven = Write::End(vec![(sid(1), EndReason::Reauthenticated)]);
    for (mode, verdict, write) in [
        (Record, Verdict::Forward, touch.clone()),
        (Reauthenticate, refused, proven),
        (End, ended, Write::End(vec![(sid(1), changed)])),
    ] {
        let moved = decide_moved(mode, Some("kiosk"), Company::Whole);
        assert_eq!((moved.verdict, moved.write), (verdict, write));
        // Where nobody knows what it was on, it has not changed, and the record follows.
        for (before, follows) in [
            (Some("mobile"), Moved::No),
            (None, Moved::Unrecorded),
            (Some("left"), Moved::Unrecorded),
        ] {
            let stayed = decide_moved(mode, before, Company::Whole);
            assert_eq!((stayed.verdict, &stayed.write), (Verdict::Forward, &touch));
            assert_eq!(stayed.live.map(|live| live.moved), Some(follows));
        }
        // Half of a group, from wherever, ends nobody's session.
        let half = decide_moved(mode, Some("kiosk"), Company::Partial);
        assert_eq!(half.verdict, Verdict::Refuse(Stale::Partial));
        assert_eq!(half.write, Write::Nothing);
    }
}

fn with_token(token: Standing) -> Found {
    Found {
        token,
        ..found(1, Some(buyer(1)))
    }
}

#[test]
fn a_request_without_its_token_is_stale_and_a_replaced_one_is_the_end() {
    let reuse = EndReason::TokenReuse;
    for (token, stale, write) in [
        (Standing::Missing, Stale::TokenMissing, Write::Nothing),
        (Standing::Unknown, Stale::TokenUnknown, Write::Nothing),
        (
            Standing::Reused,
            Stale::Ended(reuse),
            Write::End(vec![(sid(1), reuse)]),
        ),
    ] {
        check(&[with_token(token)], Verdict::Refuse(stale), write);
    }
    // Whoever knows a replaced value knows enough, with or without the group.
    let alone = Found {
        company: Company::Partial,
        ..with_token(Standing::Reused)
    };
    let ended = Verdict::Refuse(Stale::Ended(reuse));
    check(&[alone], ended, Write::End(vec![(sid(1), reuse)]));
}

#[test]
fn a_session_that_is_over_ends_for_that_and_not_for_its_token() {
    let copied = [with_token(Standing::Reused)];
    let idle = EndReason::IdleTimeout;
    let decision = decide_at(at(15), PAGE, &copied);
    assert_eq!(decision.write, Write::End(vec![(sid(1), idle)]));
}

#[test]
fn what_becomes_of_a_token_goes_along_with_what_lives() {
    let change = Box::new(Change {
        token: Token::at_login(TokenSeed::from_bytes([1; 16]), at(0)),
        offers: true,
    });
    let found = [with_token(Standing::Changes(change.clone()))];
    let decision = decide_at(at(1), PAGE, &found);
    assert_eq!(decision.verdict, Verdict::Forward);
    assert_eq!(decision.live.and_then(|live| live.token), Some(change));
}

#[test]
fn two_ids_of_one_lineage_go_on() {
    let both = [found(1, Some(buyer(1))), found(2, Some(buyer(1)))];
    check(&both, Verdict::Forward, Write::Touch(sid(1)));
}

#[test]
fn one_bad_id_spoils_the_good_one_in_either_order() {
    let good = || found(1, Some(buyer(1)));
    let bad = [
        (found(2, None), Stale::Unknown),
        (found(2, Some(superseded())), Stale::Superseded),
        (in_company(Company::Foreign), Stale::Foreign),
        (in_company(Company::Partial), Stale::Partial),
    ];
    for (bad, stale) in bad {
        check_stale(&[good(), bad.clone()], stale);
        check_stale(&[bad.clone(), good()], stale);
        check_stale(&[good(), good(), bad], stale);
    }
}

#[test]
fn of_several_faults_an_end_is_what_the_user_is_told() {
    let end = || found(1, Some(ended(EndReason::Logout)));
    let others = [
        found(2, None),
        found(2, Some(superseded())),
        in_company(Company::Foreign),
        found(2, Some(buyer(2))),
    ];
    for other in others {
        let told = Stale::Ended(EndReason::Logout);
        check_stale(&[end(), other.clone()], told);
        check_stale(&[other.clone(), end()], told);
        check_stale(&[found(3, Some(buyer(3))), other, end()], told);
    }
}

#[test]
fn the_strictest_of_two_roles_ends_the_session() {
    let both = || [found(1, Some(record(1, Some(&["buyer", "approver"]))))];
    assert_eq!(decide_at(at(9), PAGE, &both()).verdict, Verdict::Forward);
    let idle = Verdict::Refuse(Stale::Ended(EndReason::IdleTimeout));
    assert_eq!(decide_at(at(10), PAGE, &both()).verdict, idle);
    let buyer = [found(1, Some(buyer(1)))];
    assert_eq!(decide_at(at(10), PAGE, &buyer).verdict, Verdict::Forward);
}

#[test]
fn the_live_session_tells_its_activity_before_this_request() {
    let decision = decide_at(at(7), PAGE, &[found(1, Some(buyer(1)))]);
    let live = decision.live.unwrap();
    assert_eq!(live.last_active, at(0));
    assert_eq!(live.limits.idle.after, Duration::from_secs(15));
}

/// What a buyer is told at 5 s who logged in at 0, where a login may not be 5 s old.
fn decide_unproven(proof: Proof, facts: RequestFacts, found: &[Found]) -> Decision {
    let rules = Rules {
        policy: &policy(),
        setting: Setting {
            proof: Proof {
                max_auth_age: Some(Duration::from_secs(5)),
                ..proof
            },
            ..Setting::default()
        },
        cuts: &Cuts::default(),
        now: at(5),
    };
    decide(rules, facts, found)
}

#[test]
fn a_login_that_is_too_old_ends_with_who_goes_to_the_login_and_is_refused_to_all_others() {
    let own = Proof::default();
    let elsewhere = Proof {
        asked_by: AskedBy::Elsewhere,
        ..own
    };
    let at_login = |proof| Proof {
        step: LoginStep::Form,
        ..proof
    };
    let script = RequestFacts {
        client: Client::Script,
        ..PAGE
    };
    let public = RequestFacts {
        access: Access::Public,
        ..PAGE
    };
    let strips = RequestFacts {
        on_stale: OnStale::Strip,
        ..PAGE
    };
    let in_place = RequestFacts {
        login_page: LoginPage::Same,
        ..PAGE
    };
    let too_old = Stale::LoginTooOld;
    let (refused, stripped) = (Verdict::Refuse(too_old), Verdict::Strip(too_old));
    let ends = || Write::End(vec![(sid(1), EndReason::Reauthenticated)]);
    for (proof, facts, verdict, write) in [
        (own, PAGE, refused, ends()),
        (own, script, refused, Write::Nothing),
        (own, strips, refused, ends()),
        (own, in_place, stripped, ends()),
        (elsewhere, PAGE, refused, Write::Nothing),
        (elsewhere, strips, refused, Write::Nothing),
        (elsewhere, in_place, refused, Write::Nothing),
        (at_login(own), PAGE, refused, ends()),
        (at_login(elsewhere), PAGE, refused, Write::Nothing),
        (at_login(own), public, stripped, ends()),
        (at_login(elsewhere), public, stripped, Write::Nothing),
    ] {
        let decision = decide_unproven(proof, facts, &[found(1, Some(buyer(1)))]);
        assert_eq!(decision.verdict, verdict, "{proof:?} {facts:?}");
        assert_eq!(decision.write, write, "{proof:?} {facts:?}");
        assert!(decision.live.is_none());
    }
}

#[test]
fn nobody_is_asked_for_a_proof_of_what_is_over_or_not_his_own() {
    let other = |found: Found| decide_unproven(Proof::default(), PAGE, &[found]);
    for (found, stale) in [
        (
            found(1, Some(ended(EndReason::Logout))),
            Stale::Ended(EndReason::Logout),
        ),
        (in_company(Company::Foreign), Stale::Foreign),
        (found(1, Some(superseded())), Stale::Superseded),
    ] {
        let decision = other(found);
        assert_eq!(decision.verdict, Verdict::Refuse(stale));
        assert_eq!(decision.write, Write::Nothing);
    }
    let mut visitor = record(1, None);
    visitor.last_active = at(4);
    let decision = other(found(1, Some(visitor)));
    assert_eq!(decision.verdict, Verdict::Refuse(Stale::LoginRequired));
}
