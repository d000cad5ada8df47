use http::{HeaderMap, HeaderValue, header::COOKIE};
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

use super::{Extracted, Kept, Pair, canonical, only, pairs, without};
use crate::routing::names;

fn headers(values: &[&str]) -> HeaderMap {
    values
        .iter()
        .map(|value| (COOKIE, HeaderValue::from_bytes(value.as_bytes()).unwrap()))
        .collect()
}

#[track_caller]
fn read(values: &[&str], expected: &[(&str, &str)]) {
    let headers = headers(values);
    let found: Vec<(&[u8], &[u8])> = pairs(&headers)
        .map(|pair| (pair.name(), pair.value()))
        .collect();
    let expected: Vec<(&[u8], &[u8])> = expected
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    assert_eq!(found, expected, "{values:?}");
}

#[test]
fn all_pairs_of_all_headers_are_read() {
    read(&[], &[]);
    read(&["", " ", ";", "; ;"], &[]);
    read(&["a=1"], &[("a", "1")]);
    read(
        &["a=1; b=2", "c=3;d=4"],
        &[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")],
    );
    read(&["a=1; a=2"], &[("a", "1"), ("a", "2")]);
    read(&["a"], &[("a", "")]);
    read(&[" a = 1 "], &[("a", "1")]);
    read(&["\ta\t=\t1\t"], &[("a", "1")]);
    read(&["a=b=c:d"], &[("a", "b=c:d")]);
    read(&["=a=1"], &[("a", "1")]);
    read(
        &["$Version=1; a=1; $Path=/"],
        &[("Version", "1"), ("a", "1"), ("Path", "/")],
    );
    read(
        &["a=\"x; S=evil; b=\""],
        &[("a", "\"x"), ("S", "evil"), ("b", "\"")],
    );
}

#[test]
fn a_quoted_value_is_the_same_value() {
    for (raw, value) in [
        ("v", "v"),
        ("\"v\"", "v"),
        (" \"v\"\t", "v"),
        ("\"\"v\"\"", "\"v\""),
        ("\"v", "\"v"),
        ("v\"", "v\""),
        ("\"", "\""),
        ("\"\"", ""),
        ("\" v \"", " v "),
        (" ", ""),
    ] {
        assert_eq!(canonical(raw.as_bytes()), value.as_bytes(), "{raw:?}");
    }
    assert_eq!(
        canonical(b"v\xa0"),
        b"v\xa0",
        "white space that only some servers trim makes another value"
    );
}

fn hides(pair: &Pair<'_>) -> bool {
    pair.hidden_names().any(|name| names::reads_as(name, "S"))
}

#[test]
fn a_name_that_only_some_readers_see_is_hidden() {
    for text in [
        "a=b, S=x",
        "a=b,S=x",
        "a=b,s=x",
        "a=b S=x",
        "a=b\tS = x",
        "a=\"b\"S=x",
        "a=\"b\" S=x",
        "a, S=x",
        "b\"S=x",
        "S=v, S=x",
        "a=b,$S=x",
        "a=b,\"S\"=x",
        "a=b,%53=x",
        "a=b,\u{a0}S=x",
        "a=b\u{a0}S=x",
        "a=b]S=x",
        "a=\"b\"=S=x",
        "a=\"b\"==S=x",
        "a=b,$=S=x",
        "a=b,S\u{a0}=x",
        "a=b,\u{ff33}=x",
        "a=b\\S=x",
        "\u{a0}S=x",
    ] {
        let headers = headers(&[text]);
        assert!(pairs(&headers).any(|pair| hides(&pair)), "{text:?}");
    }
    for text in [
        "S=x",
        " S=x",
        "a=b; S=x",
        "a=S=x",
        "a=S",
        "a=b,S",
        "a=b, XS=x",
        "a[S]=x",
        "\"S\"=x",
        "S =x",
        "=S=x",
        "a=b; \t@S=x",
    ] {
        let headers = headers(&[text]);
        assert!(!pairs(&headers).any(|pair| hides(&pair)), "{text:?}");
    }
}

#[test]
fn a_cookie_that_some_server_finds_twice_or_elsewhere_is_not_the_only_one() {
    let one = |value: &str| Extracted::Values(vec![value.to_owned()]);
    for (values, expected) in [
        (&["S=x; a=1"][..], one("x")),
        (&["a=1", "S=\"x\""], one("x")),
        (&["a=1"], Extracted::Absent),
        (&[], Extracted::Absent),
        (&["S=x; S=x"], Extracted::Malformed),
        (&["S=x", "S=y"], Extracted::Malformed),
        (&["S=x; $S=y"], Extracted::Malformed),
        (&["a=1, S=x"], Extracted::Malformed),
        (&["S=x; a=1, S=y"], Extracted::Malformed),
    ] {
        assert_eq!(only(&headers(values), "S"), expected, "{values:?}");
    }
    let mut latin = HeaderMap::new();
    latin.insert(COOKIE, HeaderValue::from_bytes(b"S=\xe9").unwrap());
    assert_eq!(only(&latin, "S"), Extracted::Malformed);
}

#[test]
fn a_removal_leaves_every_other_byte() {
    for (before, after) in [
        ("a=1; b=2", "a=1; b=2"),
        ("S=x; a=1", "a=1"),
        ("S=x;a=1", "a=1"),
        ("a=1; S=x", "a=1"),
        ("a=1; S=x; b=2", "a=1; b=2"),
        ("a=1;S=x; b=2", "a=1; b=2"),
        ("a=1; S=x;b=2", "a=1;b=2"),
        ("a=1;  S=x ;\tb = \"2\" ", "a=1;\tb = \"2\" "),
        ("S=x; S=y; a=1", "a=1"),
        (" a=1; S=x", " a=1"),
        ("a=1;; S=x;", "a=1;;"),
        ("S=x", ""),
        ("S=x; S=y", ""),
        ("S=x; ", ""),
        ("; S=x", ""),
        ("a=\"x; S=evil; b=\"", "a=\"x; b=\""),
    ] {
        let header = HeaderValue::from_str(before).unwrap();
        let kept = without(&header, |pair| pair.name() == b"S");
        let expected = match after {
            "" => Kept::Nothing,
            same if same == before => Kept::All,
            rest => Kept::Rest(HeaderValue::from_str(rest).unwrap()),
        };
        assert_eq!(kept, expected, "{before:?}");
    }
}

proptest! {
    #[test]
    fn what_is_kept_is_what_was_there(text in "([ab;=,\" \\\\\t]|S=|; |\\PC){0,24}") {
        let Ok(header) = HeaderValue::from_bytes(text.as_bytes()) else { return Ok(()) };
        let others = |text: &[u8]| -> Vec<Vec<u8>> {
            let pieces = text.split(|byte| *byte == b';').map(Pair::of);
            pieces.filter(|pair| !pair.text.is_empty() && pair.name() != b"S").map(|pair| pair.text.to_vec()).collect()
        };
        match without(&header, |pair| pair.name() == b"S") {
            Kept::All => prop_assert!(!pairs(&[(COOKIE, header)].into_iter().collect()).any(|pair| pair.name() == b"S")),
            Kept::Rest(rest) => {
                prop_assert_eq!(others(rest.as_bytes()), others(header.as_bytes()));
                prop_assert!(!pairs(&[(COOKIE, rest)].into_iter().collect()).any(|pair| pair.name() == b"S"));
            }
            Kept::Nothing => prop_assert!(others(header.as_bytes()).is_empty()),
        }
    }
}
