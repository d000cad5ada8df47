use http::header::COOKIE;
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::collection::vec;
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use proptest::sample::select;

use super::{PresentedToken, VALUES_MAX, take};
use crate::config::token::TokenCarrier;
use crate::domain::identity::{Keyring, Lineage, TokenValue};
use crate::domain::policy::PolicyVersion;
use crate::domain::rehearse::WouldHaveEnded;
use crate::domain::session::Session;
use crate::domain::time::Timestamp;
use crate::domain::token::{Renewal, Shown, Token, TokenSeed};
use crate::proxy::cookies;
use crate::proxy::head::forwarded::Scheme;
use crate::routing::names;

const HEADER: HeaderName = HeaderName::from_static("x-token");
const SEED: TokenSeed = TokenSeed::from_bytes([1; 16]);
const NOW: Timestamp = Timestamp::from_millis(1_000_000);

fn carrier() -> TokenCarrier {
    let renewal = Renewal {
        every: std::time::Duration::from_secs(600),
        overlap: std::time::Duration::from_secs(30),
    };
    TokenCarrier::new("token".to_owned(), Some(HEADER), renewal)
}

fn keys() -> Keyring {
    Keyring::new([b"key".as_slice()]).unwrap()
}

fn session() -> Session {
    Session {
        lineage: Lineage::from_bytes([2; 16]),
        generation: 0,
        app: "app".into(),
        started: NOW,
        until: None,
        login: None,
        device: None,
        policy: PolicyVersion(1),
        companions: Vec::new(),
        scopes: Vec::new(),
        token: Some(Token::at_login(SEED, NOW)),
        would_have_ended: WouldHaveEnded::default(),
    }
}

fn value(number: u32) -> String {
    let value: TokenValue = keys().token_value(SEED, session().lineage, number);
    value.reveal()
}

/// What is presented by these headers, and what is left of them.
fn taken(scheme: Scheme, told: &[(HeaderName, String)]) -> (PresentedToken, Vec<String>) {
    let mut headers = HeaderMap::new();
    for (name, value) in told {
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    let presented = take(&mut headers, &carrier(), scheme);
    let left = headers.iter();
    let left = left.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
    (presented, left.collect())
}

fn shown(scheme: Scheme, told: &[(HeaderName, String)]) -> Shown {
    taken(scheme, told).0.shown(&session(), &keys())
}

fn cookie(text: &str) -> (HeaderName, String) {
    (COOKIE, text.to_owned())
}

#[test]
fn a_token_is_found_wherever_it_stands_and_leaves_nothing_behind() {
    let value = value(3);
    for (told, left) in [
        (cookie(&format!("token={value}")), None),
        (
            cookie(&format!("a=1; token={value}; b=2")),
            Some("cookie: a=1; b=2"),
        ),
        (
            cookie(&format!("token=\"{value}\"; a=1")),
            Some("cookie: a=1"),
        ),
        (cookie(&format!("token = {value}")), None),
        ((HEADER, value.clone()), None),
    ] {
        let (presented, rest) = taken(Scheme::Http, std::slice::from_ref(&told));
        assert_eq!(
            presented.shown(&session(), &keys()),
            Shown::Value(3),
            "{told:?}"
        );
        assert_eq!(rest.first().map(String::as_str), left, "{told:?}");
    }
    let second = [cookie("a=1"), cookie(&format!("token={value}"))];
    assert_eq!(shown(Scheme::Http, &second), Shown::Value(3));
}

#[test]
fn over_tls_the_prefixed_cookie_counts_and_elsewhere_the_plain_one() {
    let plain = [cookie(&format!("token={}", value(3)))];
    let secured = [cookie(&format!("__Host-token={}", value(3)))];
    assert_eq!(shown(Scheme::Https, &secured), Shown::Value(3));
    assert_eq!(shown(Scheme::Http, &plain), Shown::Value(3));
    assert_eq!(shown(Scheme::Https, &plain), Shown::Nothing);
    assert_eq!(shown(Scheme::Http, &secured), Shown::Nothing);
    for scheme in [Scheme::Http, Scheme::Https] {
        for told in [&plain, &secured] {
            assert_eq!(taken(scheme, told).1, Vec::<String>::new());
        }
    }
}

#[test]
fn what_a_server_could_read_as_the_token_reaches_no_app() {
    for told in [
        "TOKEN=1",
        "__host-token=1",
        "tok%65n=1",
        "$token=1",
        "a=1, token=2",
        "a=\"1 token=2\"",
    ] {
        let left = taken(Scheme::Http, &[cookie(told)]).1;
        assert_eq!(left, Vec::<String>::new(), "{told}");
    }
    let others = [cookie("tokens=1; xtoken=2; __Host-tok=3")];
    let left = taken(Scheme::Http, &others).1;
    assert_eq!(left, ["cookie: tokens=1; xtoken=2; __Host-tok=3"]);
}

#[test]
fn the_newest_value_that_is_the_sessions_own_counts() {
    let other = keys().token_value(TokenSeed::from_bytes([9; 16]), session().lineage, 8);
    let (old, new) = (value(3), value(4));
    for (told, expected) in [
        (
            vec![cookie(&format!("token={old}; token={new}"))],
            Shown::Value(4),
        ),
        (
            vec![cookie(&format!("token={new}")), (HEADER, old.clone())],
            Shown::Value(4),
        ),
        (
            vec![cookie(&format!("token=x; token={new}"))],
            Shown::Value(4),
        ),
        (
            vec![cookie(&format!("token={}; token={old}", other.reveal()))],
            Shown::Value(3),
        ),
        (
            vec![cookie(&format!("token={}", other.reveal()))],
            Shown::Unknown,
        ),
        (vec![cookie("token=x")], Shown::Unknown),
        (vec![cookie("token=")], Shown::Nothing),
        (vec![(HEADER, String::new())], Shown::Nothing),
        (vec![cookie("a=1")], Shown::Nothing),
    ] {
        assert_eq!(shown(Scheme::Http, &told), expected, "{told:?}");
    }
}

#[test]
fn of_many_values_the_first_ones_are_looked_at() {
    let mut pairs: Vec<_> = (10..)
        .take(VALUES_MAX)
        .map(|n| format!("token={}", value(n)))
        .collect();
    let newest = 9 + VALUES_MAX as u32;
    assert_eq!(
        shown(Scheme::Http, &[cookie(&pairs.join(";"))]),
        Shown::Value(newest)
    );
    pairs.push(format!("token={}", value(99)));
    assert_eq!(
        shown(Scheme::Http, &[cookie(&pairs.join(";"))]),
        Shown::Value(newest)
    );
}

#[test]
fn a_session_without_a_token_knows_no_value() {
    let before = Session {
        token: None,
        ..session()
    };
    let (presented, _) = taken(Scheme::Http, &[cookie(&format!("token={}", value(1)))]);
    assert_eq!(presented.shown(&before, &keys()), Shown::Unknown);
}

#[test]
fn by_the_header_is_answered_who_sends_it_and_has_no_cookie() {
    let by_cookie = cookie(&format!("token={}", value(1)));
    let by_header = (HEADER, String::new());
    let is = |told: &[_]| taken(Scheme::Http, told).0.is_answered_by_header();
    assert!(!is(&[]));
    assert!(!is(std::slice::from_ref(&by_cookie)));
    assert!(is(std::slice::from_ref(&by_header)));
    assert!(!is(&[by_header, by_cookie]));
}

proptest! {
    #[test]
    fn whatever_a_client_sends_nothing_that_reads_as_the_token_is_left(
        pieces in vec(select(PIECES), 0..12),
    ) {
        let told = cookie(&pieces.concat());
        let mut headers = HeaderMap::new();
        headers.append(told.0, HeaderValue::from_str(&told.1).unwrap());
        take(&mut headers, &carrier(), Scheme::Http);
        for pair in cookies::pairs(&headers) {
            prop_assert!(!names::reads_as(pair.name(), "token"), "{:?}", headers);
            prop_assert!(!pair.hidden_names().any(|name| names::reads_as(name, "token")));
        }
    }

    #[test]
    fn any_bytes_are_a_value_that_says_itself_again_or_none(text in "[0-9a-f.]{0,50}|\\PC{0,60}") {
        if let Some(value) = TokenValue::parse(text.as_bytes()) {
            prop_assert_eq!(value.reveal(), text);
        }
    }
}

/// What a Cookie header is made of that somebody reads in his own way.
const PIECES: &[&str] = &[
    "token",
    "Token",
    "__Host-token",
    "tok%65n",
    "a",
    "=",
    "; ",
    ";",
    ",",
    "\"",
    " ",
    "$",
    "1.0f",
    "[",
];
