use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};

use super::{pack, unpack};
use crate::domain::identity::{Fingerprint, Lineage};
use crate::domain::policy::{PolicyVersion, RoleName};
use crate::domain::rehearse::WouldHaveEnded;
use crate::domain::session::{Companion, CookieScope, Login, Session, UserName};
use crate::domain::time::Timestamp;
use crate::domain::token::{Token, TokenSeed};

fn text() -> impl Strategy<Value = Arc<str>> {
    "\\PC{0,200}".prop_map(Arc::from)
}

fn instant() -> impl Strategy<Value = Timestamp> {
    any::<u64>().prop_map(Timestamp::from_millis)
}

fn fingerprint() -> impl Strategy<Value = Fingerprint> {
    any::<[u8; 16]>().prop_map(Fingerprint::from_bytes)
}

fn login() -> impl Strategy<Value = Login> {
    let user = "[a-zé@.]{1,60}".prop_map(|name| UserName::new(&name));
    let roles = vec(text().prop_map(|name| RoleName::new(&name)), 0..4);
    (instant(), user, vec(text(), 0..4), roles, instant()).prop_map(
        |(admitted, user, groups, roles, roles_learned)| Login {
            admitted,
            user,
            groups,
            roles,
            roles_learned,
            is_doubtful: false,
        },
    )
}

fn companion() -> impl Strategy<Value = Companion> {
    (text(), fingerprint(), option::of(fingerprint())).prop_map(|(name, current, previous)| {
        Companion {
            name,
            current,
            previous,
        }
    })
}

fn scope() -> impl Strategy<Value = CookieScope> {
    (text(), option::of(text()), option::of(text())).prop_map(|(name, path, domain)| CookieScope {
        name,
        path,
        domain,
    })
}

fn token() -> impl Strategy<Value = Token> {
    (
        any::<[u8; 16]>(),
        any::<u32>(),
        instant(),
        option::of(instant()),
    )
        .prop_map(|(seed, number, since, offered)| Token {
            seed: TokenSeed::from_bytes(seed),
            number,
            since,
            offered,
        })
}

fn session() -> impl Strategy<Value = Session> {
    let began = (any::<[u8; 16]>(), any::<u32>(), text(), instant());
    let until = option::of(instant());
    let learned = (option::of(login()), option::of(text()), any::<u32>());
    let cookies = (vec(companion(), 0..4), vec(scope(), 0..4));
    let last = (option::of(token()), any::<bool>(), option::of(instant()));
    (began, until, learned, cookies, last).prop_map(
        |(began, until, learned, cookies, (token, absolute, idle_since))| Session {
            lineage: Lineage::from_bytes(began.0),
            generation: began.1,
            app: began.2,
            started: began.3,
            until,
            login: learned.0,
            device: learned.1,
            policy: PolicyVersion(learned.2),
            companions: cookies.0,
            scopes: cookies.1,
            token,
            would_have_ended: WouldHaveEnded {
                absolute,
                idle_since,
            },
        },
    )
}

proptest! {
    #[test]
    fn a_session_survives_being_packed(session in session()) {
        prop_assert_eq!(unpack(&pack(&session)), Some(session));
    }

    #[test]
    fn a_part_of_the_bytes_is_no_session(session in session(), cut in any::<proptest::sample::Index>()) {
        let bytes = pack(&session);
        prop_assert_eq!(unpack(&bytes[..cut.index(bytes.len())]), None);
    }

    #[test]
    fn any_bytes_are_a_session_or_none(bytes in vec(any::<u8>(), 0..200)) {
        if let Some(session) = unpack(&bytes) {
            prop_assert!(unpack(&pack(&session)).is_some());
        }
    }
}

#[test]
fn a_usual_session_takes_160_bytes_of_the_allocator() {
    let session = Session {
        lineage: Lineage::from_bytes([1; 16]),
        generation: 0,
        app: "procurement".into(),
        started: Timestamp::from_millis(1_900_000_000_000),
        until: None,
        login: Some(Login {
            admitted: Timestamp::from_millis(1_900_000_000_000),
            user: UserName::new("buyer-123456"),
            groups: Vec::new(),
            roles: vec![RoleName::new("buyer")],
            roles_learned: Timestamp::from_millis(1_900_000_000_000),
            is_doubtful: false,
        }),
        device: None,
        policy: PolicyVersion(u32::MAX),
        companions: vec![Companion {
            name: "remember-me".into(),
            current: Fingerprint::from_bytes([2; 16]),
            previous: None,
        }],
        scopes: vec![CookieScope {
            name: "JSESSIONID".into(),
            path: Some("/procurement".into()),
            domain: None,
        }],
        token: None,
        would_have_ended: Default::default(),
    };
    let bytes = pack(&session).len();
    assert!(bytes <= 152, "{bytes} bytes, and the allocator adds 8");
}
