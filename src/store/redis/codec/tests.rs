use std::sync::Arc;

use super::{decode, decode_instant, decode_state, encode, encode_state};
use crate::domain::identity::{Fingerprint, Lineage, Sid};
use crate::domain::policy::{PolicyVersion, RoleName};
use crate::domain::rehearse::WouldHaveEnded;
use crate::domain::session::{Companion, CookieScope, EndReason, Login, Session, State, UserName};
use crate::domain::time::Timestamp;
use crate::domain::token::{Token, TokenSeed};

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn anonymous() -> Session {
    Session {
        lineage: Lineage::from_bytes([0xa5; 16]),
        generation: 0,
        app: "procurement".into(),
        started: at(1_750_000_000_000),
        until: None,
        login: None,
        device: None,
        policy: PolicyVersion(0xdead_beef),
        companions: Vec::new(),
        scopes: Vec::new(),
        token: None,
        would_have_ended: Default::default(),
    }
}

fn with_everything() -> Session {
    Session {
        generation: 3,
        until: Some(at(1_760_000_000_000)),
        login: Some(Login {
            admitted: at(1_750_000_000_001),
            user: UserName::new("büyer \"1\"\\"),
            groups: vec!["buyers".into(), "".into()],
            roles: vec![RoleName::new("buyer"), RoleName::new("approver")],
            roles_learned: at(1_750_000_000_002),
            is_doubtful: false,
        }),
        device: Some("desktop".into()),
        companions: vec![companion("route", Some([2; 16])), companion("lb", None)],
        scopes: vec![
            scope("JSESSIONID", Some("/app"), None),
            scope("route", None, Some("example.com")),
        ],
        token: Some(Token {
            seed: TokenSeed::from_bytes([9; 16]),
            number: 7,
            since: at(1_750_000_000_003),
            offered: Some(at(1_750_000_000_004)),
        }),
        would_have_ended: WouldHaveEnded {
            absolute: true,
            idle_since: Some(at(1_750_000_000_003)),
        },
        ..anonymous()
    }
}

fn companion(name: &str, previous: Option<[u8; 16]>) -> Companion {
    Companion {
        name: name.into(),
        current: Fingerprint::from_bytes([1; 16]),
        previous: previous.map(Fingerprint::from_bytes),
    }
}

fn scope(name: &str, path: Option<&str>, domain: Option<&str>) -> CookieScope {
    CookieScope {
        name: name.into(),
        path: path.map(Arc::from),
        domain: domain.map(Arc::from),
    }
}

#[test]
fn a_session_survives_being_stored() {
    for session in [anonymous(), with_everything()] {
        assert_eq!(decode(&encode(&session)), Some(session));
    }
}

#[test]
fn a_record_from_before_adoption_was_known_still_reads() {
    let lineage = "a5".repeat(16);
    let stored = format!(
        r#"1a{lineage}{{"p":"procurement","s":1750000000000,"y":{}}}"#,
        0xdead_beef_u32
    );
    assert_eq!(decode(stored.as_bytes()), Some(anonymous()));
    assert_eq!(encode(&anonymous()), stored.as_bytes());
}

/// Before sessions had one, `t` was kept for a token, and always empty.
#[test]
fn an_older_gateway_finds_no_token_where_it_looks() {
    let stored = String::from_utf8(encode(&with_everything())).unwrap();
    assert!(!stored.contains(r#""t":"#), "{stored}");
}

#[test]
fn the_scripts_find_the_login_and_the_lineage_in_the_header() {
    let text = |session| String::from_utf8(encode(&session)).unwrap();
    let lineage = "a5".repeat(16);
    assert!(text(anonymous()).starts_with(&format!("1a{lineage}{{")));
    assert!(text(with_everything()).starts_with(&format!("1u{lineage}{{")));
}

#[test]
fn with_everything_it_takes_less_than_700_bytes_and_without_a_login_little() {
    assert!(encode(&with_everything()).len() < 700);
    assert!(encode(&anonymous()).len() < 120);
}

#[test]
fn what_is_cut_short_or_changed_in_its_header_is_none_of_ours() {
    let stored = encode(&with_everything());
    for length in 0..stored.len() {
        assert_eq!(decode(&stored[..length]), None, "{length}");
    }
    for (index, byte) in [(0, b'2'), (1, b'a'), (1, b'x'), (2, b'A'), (33, b'g')] {
        let mut changed = stored.clone();
        changed[index] = byte;
        assert_eq!(decode(&changed), None, "{index}");
    }
}

#[test]
fn a_value_that_the_domain_refuses_is_none_of_ours() {
    let stored = String::from_utf8(encode(&with_everything())).unwrap();
    for (what, with) in [
        (r#""u":"büyer"#, r#""u":"\u0000büyer"#),
        (r#""s":1750000000000"#, r#""s":-1"#),
        (r#""s":1750000000000"#, r#""s":1e3"#),
        (r#""s":1750000000000"#, r#""s":"1""#),
        (r#""n":1760000000000"#, r#""n":-1"#),
        (r#""x":["09"#, r#""x":["0"#),
        (r#",7,1750000000003,"#, r#",-7,1750000000003,"#),
        (r#""lb""#, "7"),
    ] {
        let changed = stored.replace(what, with);
        assert_ne!(changed, stored, "{what}");
        assert_eq!(decode(changed.as_bytes()), None, "{with}");
    }
}

#[test]
fn a_state_survives_being_stored() {
    let ended = EndReason::ALL.map(|reason| State::Ended { reason, at: at(7) });
    let superseded = State::Superseded {
        at: at(8),
        successor: Sid::from_bytes([3; 16]),
    };
    for state in ended
        .into_iter()
        .chain([State::Alive, State::Pending, superseded])
    {
        assert_eq!(decode_state(encode_state(state).as_bytes()), Some(state));
    }
}

#[test]
fn another_text_is_no_state() {
    let sid = "03".repeat(16);
    for text in [
        "",
        "a",
        "AA",
        "E",
        "E:logout",
        "E:logout:",
        "E:logout:x",
        "E:logout:+1",
        "E:logout:1:2",
        "E:holiday:1",
        "S:logout:1",
        "X:logout:1",
        &format!("S:{sid}"),
        &format!("S:{sid}:-1"),
    ] {
        assert_eq!(decode_state(text.as_bytes()), None, "{text}");
    }
    assert_eq!(decode_state(b"\xff"), None);
}

#[test]
fn an_instant_is_decimal_digits() {
    assert_eq!(decode_instant(b"0"), Some(at(0)));
    assert_eq!(decode_instant(b"18446744073709551615"), Some(at(u64::MAX)));
    for text in [
        "",
        "+1",
        "-1",
        "1.5",
        "1e3",
        " 1",
        "nan",
        "18446744073709551616",
    ] {
        assert_eq!(decode_instant(text.as_bytes()), None, "{text}");
    }
}
