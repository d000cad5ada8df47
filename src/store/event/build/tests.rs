use std::time::Duration;

use super::{
    EventFacts, adopted_event, device_event, end_event, login_event, refusal_event, rule_text,
};
use crate::domain::decide::Stale;
use crate::domain::device::DeviceClass;
use crate::domain::identity::Lineage;
use crate::domain::limits::{Bounds, DeviceId, Limit, Limits, RoleId, RouteId, Rule};
use crate::domain::policy::{Policy, PolicyVersion, Role, RoleName, RouteLimits};
use crate::domain::session::{EndReason, Login, Session, UserName};
use crate::domain::time::Timestamp;
use crate::store::event::{EventKind, SessionEvent};

const STARTED: Timestamp = Timestamp::from_millis(1_000_000);
const LINEAGE: &str = "07070707070707070707070707070707";

fn session(generation: u32) -> Session {
    Session {
        lineage: Lineage::from_bytes([7; 16]),
        generation,
        app: "procurement".into(),
        started: STARTED,
        until: None,
        login: Some(Login {
            admitted: STARTED,
            user: UserName::new("buyer-1"),
            groups: vec!["buyers".into()],
            roles: vec![RoleName::new("buyer"), RoleName::new("approver")],
            roles_learned: STARTED,
            is_doubtful: false,
        }),
        device: None,
        policy: PolicyVersion(1),
        companions: Vec::new(),
        scopes: Vec::new(),
        token: None,
        would_have_ended: Default::default(),
    }
}

fn policy() -> Policy {
    let role = |name| Role {
        name: RoleName::new(name),
        ..Role::default()
    };
    let label = "POST /approvals/**";
    Policy {
        version: PolicyVersion(0xabc),
        roles: vec![role("buyer"), role("approver")],
        devices: vec![DeviceClass {
            name: "mobile".into(),
            bounds: Bounds::default(),
        }],
        routes: vec![RouteLimits {
            id: RouteId::of("procurement", label),
            label: label.into(),
            bounds: Bounds::default(),
        }],
        ..Policy::default()
    }
}

fn told(generation: u32, tell: impl FnOnce(EventFacts<'_>) -> SessionEvent) -> SessionEvent {
    let limit = |minutes: u64, rule| Limit {
        after: Duration::from_secs(60 * minutes),
        rule,
    };
    tell(EventFacts {
        session: &session(generation),
        last_active: Timestamp::from_millis(1_200_000),
        limits: &Limits {
            idle: limit(5, Rule::Role(RoleId::at(1), None)),
            absolute: limit(480, Rule::Ceiling),
        },
        policy: &policy(),
        at: Timestamp::from_millis(1_500_000),
        client: "2001:db8::7".parse().ok(),
    })
}

#[test]
fn an_end_tells_everything_but_the_id_of_the_session() {
    let event = told(2, |facts| end_event(facts, EndReason::IdleTimeout));
    let text = serde_json::to_string(&event).unwrap();
    let expected = format!(
        concat!(
            r#"{{"id":"{0}-2-end","event":"end","at_ms":1500000,"lineage":"{0}","#,
            r#""app":"procurement","user":"buyer-1","roles":["buyer","approver"],"#,
            r#""reason":"idle_timeout","client":"2001:db8::7","age_ms":500000,"idle_ms":300000,"#,
            r#""idle_timeout":{{"after_ms":300000,"rule":"role approver"}},"#,
            r#""absolute_timeout":{{"after_ms":28800000,"rule":"ceiling"}},"policy":"00000abc"}}"#
        ),
        LINEAGE
    );
    assert_eq!(text, expected);
}

#[test]
fn whoever_tells_an_end_or_a_login_gives_it_the_same_id() {
    let end = |reason| told(3, |facts| end_event(facts, reason)).id.0;
    assert_eq!(end(EndReason::Logout), format!("{LINEAGE}-3-end"));
    assert_eq!(end(EndReason::Logout), end(EndReason::Revoked));
    assert_eq!(told(3, login_event).id.0, format!("{LINEAGE}-3-login"));
    assert_ne!(told(3, login_event).id, told(4, login_event).id);
}

#[test]
fn a_login_has_no_reason() {
    let event = told(0, login_event);
    assert_eq!((event.event, event.reason), (EventKind::Login, None));
}

#[test]
fn an_adoption_is_a_login_that_says_so() {
    let event = told(0, adopted_event);
    assert_eq!(
        (&event.id, event.event),
        (&told(0, login_event).id, EventKind::Login)
    );
    assert_eq!(event.reason.as_deref(), Some("adopted"));
}

#[test]
fn a_change_of_device_tells_both_classes() {
    let event = told(2, |facts| {
        let session = Session {
            device: Some("mobile".into()),
            ..facts.session.clone()
        };
        let facts = EventFacts {
            session: &session,
            ..facts
        };
        device_event(facts, "other")
    });
    assert_eq!(event.id.0, format!("{LINEAGE}-2-device-1500000"));
    assert_eq!((event.event, event.reason), (EventKind::Device, None));
    assert_eq!(event.device.as_deref(), Some("mobile"));
    assert_eq!(event.device_before.as_deref(), Some("other"));
}

#[test]
fn two_refusals_in_one_millisecond_differ_by_their_nonce() {
    let refusal = |stale, nonce| told(0, |facts| refusal_event(facts, stale, nonce));
    let ended = refusal(Stale::Ended(EndReason::Logout), 1);
    assert_eq!(ended.id.0, format!("{LINEAGE}-1500000-00000001"));
    assert_eq!(ended.event, EventKind::Refusal);
    assert_eq!(ended.reason.as_deref(), Some("logout"));
    assert_ne!(ended.id, refusal(Stale::Superseded, 2).id);
}

#[test]
fn a_rule_is_told_in_words() {
    let texts = [
        (Rule::Ceiling, "ceiling"),
        (Rule::App, "app"),
        (Rule::Role(RoleId::at(0), None), "role buyer"),
        (
            Rule::Unmapped(RoleId::at(1), None),
            "strictest of all roles (approver)",
        ),
        (
            Rule::Role(RoleId::at(0), Some(DeviceId::at(0))),
            "role buyer on mobile",
        ),
        (
            Rule::Unmapped(RoleId::at(1), Some(DeviceId::at(0))),
            "strictest of all roles (approver on mobile)",
        ),
        (Rule::Device(DeviceId::at(0)), "device mobile"),
        (
            Rule::Route(RouteId::of("procurement", "POST /approvals/**")),
            "route POST /approvals/**",
        ),
        (Rule::Anonymous, "anonymous"),
        (Rule::Adoption, "adoption"),
        (Rule::Monitor, "monitor"),
    ];
    for (rule, text) in texts {
        assert_eq!(rule_text(&policy(), rule), text);
    }
}
