use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::{prop_assert, proptest};

use super::{DeviceRule, Devices, Seen, TextPattern, When};
use crate::domain::limits::DeviceId;

const NOTHING: When = When {
    user_agent: Vec::new(),
    mobile: None,
    platform: Vec::new(),
    headers: Vec::new(),
    networks: Vec::new(),
};

fn by_agent(patterns: &[&str]) -> When {
    When {
        user_agent: patterns
            .iter()
            .map(|text| TextPattern::within(text))
            .collect(),
        ..NOTHING
    }
}

fn by_network(networks: &[&str]) -> When {
    When {
        networks: networks.iter().map(|text| text.parse().unwrap()).collect(),
        ..NOTHING
    }
}

fn by_header(name: &'static str, pattern: &str) -> When {
    When {
        headers: vec![(HeaderName::from_static(name), TextPattern::whole(pattern))],
        ..NOTHING
    }
}

fn matches(when: &When, headers: &[(&'static str, &'static str)], client: &str) -> bool {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        })
        .collect();
    when.matches(&headers, Some(client.parse().unwrap()))
}

const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Mobile/15E148";

#[test]
fn a_pattern_of_a_text_may_have_gaps_and_any_case() {
    for (pattern, text, within, whole) in [
        ("iphone", IPHONE, true, false),
        ("Mozilla*iPhone*mobile", IPHONE, true, false),
        ("Mozilla*iPhone*mobile*", IPHONE, true, true),
        ("mobile*iphone", IPHONE, false, false),
        ("android", IPHONE, false, false),
        ("*", "", true, true),
        ("*", "x", true, true),
        ("a", "", false, false),
        ("a", "a", true, true),
        ("ab*ba", "aba", false, false),
        ("ab*ba", "abba", true, true),
        ("ab*ba", "xabba", true, false),
        ("ab*ba", "abbax", true, false),
        ("a*", "ba", true, false),
        ("*a", "ab", true, false),
    ] {
        let text = text.as_bytes();
        let found = [TextPattern::within(pattern), TextPattern::whole(pattern)];
        let found = found.map(|pattern| pattern.matches(text));
        assert_eq!(found, [within, whole], "{pattern}");
    }
}

#[test]
fn each_condition_looks_at_its_own_part_of_a_request() {
    let agent = by_agent(&["ipad", "iphone"]);
    assert!(matches(&agent, &[("user-agent", IPHONE)], "192.0.2.1"));
    assert!(!matches(&agent, &[("x-agent", IPHONE)], "192.0.2.1"));
    for (said, hint, expected) in [
        (true, "?1", true),
        (true, "?0", false),
        (false, "?0", true),
        (true, "1", false),
    ] {
        let when = When {
            mobile: Some(said),
            ..NOTHING
        };
        assert_eq!(
            matches(&when, &[("sec-ch-ua-mobile", hint)], "::1"),
            expected
        );
        assert!(!matches(&when, &[], "::1"), "no hint says nothing");
    }
    let platform = When {
        platform: vec!["Android".into(), "iOS".into()],
        ..NOTHING
    };
    let hint = |value| matches(&platform, &[("sec-ch-ua-platform", value)], "::1");
    assert!(hint("\"Android\"") && hint("\"ios\"") && !hint("\"Windows\""));
    let header = by_header("x-device", "handheld-*");
    assert!(matches(&header, &[("x-device", "HANDHELD-7")], "::1"));
    assert!(!matches(&header, &[("x-device", "my handheld-7")], "::1"));
    let network = by_network(&["10.20.0.0/16", "fd00::/8"]);
    for (client, expected) in [
        ("10.20.255.255", true),
        ("10.21.0.0", false),
        ("fd12::1", true),
        ("fe80::1", false),
    ] {
        assert_eq!(matches(&network, &[], client), expected, "{client}");
    }
}

#[test]
fn all_that_one_says_must_hold_and_the_first_class_that_matches_counts() {
    let office_phone = When {
        networks: by_network(&["10.0.0.0/8"]).networks,
        ..by_agent(&["mobile"])
    };
    let devices = Devices(
        [
            vec![office_phone],
            vec![by_agent(&["mobile"]), by_header("x-kiosk", "*")],
        ]
        .map(|when| DeviceRule { when })
        .into(),
    );
    let seen = |headers: &[(&'static str, &'static str)], client: &str| {
        let headers = headers.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        devices.seen(
            &headers.collect(),
            client.parse::<std::net::IpAddr>().unwrap(),
        )
    };
    let class = |index| Seen::On(Some(DeviceId::at(index)));
    assert_eq!(seen(&[("user-agent", IPHONE)], "10.1.1.1"), class(0));
    assert_eq!(seen(&[("user-agent", IPHONE)], "192.0.2.1"), class(1));
    assert_eq!(seen(&[("x-kiosk", "7")], "10.1.1.1"), class(1));
    assert_eq!(seen(&[], "10.1.1.1"), Seen::On(None));
    let none = Devices::default();
    assert_eq!(none.seen(&HeaderMap::new(), None), Seen::Nobody);
}

#[test]
fn a_condition_covers_whatever_is_narrower() {
    let both = When {
        mobile: Some(true),
        ..by_agent(&["iphone"])
    };
    for (wide, narrow, covers) in [
        (by_agent(&["phone"]), by_agent(&["iPhone*Safari"]), true),
        (by_agent(&["iphone"]), by_agent(&["phone"]), false),
        (by_agent(&["a", "b"]), by_agent(&["ab", "bc"]), true),
        (by_agent(&["a"]), by_agent(&["ab", "bc"]), false),
        (by_agent(&["a b"]), by_agent(&["a*b"]), false),
        (by_agent(&["iphone"]), both.clone(), true),
        (both.clone(), by_agent(&["iphone"]), false),
        (
            by_network(&["10.0.0.0/8"]),
            by_network(&["10.1.0.0/16"]),
            true,
        ),
        (
            by_network(&["10.1.0.0/16"]),
            by_network(&["10.0.0.0/8"]),
            false,
        ),
        (by_network(&["10.0.0.0/8"]), NOTHING, false),
        (by_header("x-a", "*"), by_header("x-a", "b"), true),
        (by_header("x-a", "b*"), by_header("x-a", "*"), false),
        (by_header("x-a", "*"), by_header("x-b", "b"), false),
    ] {
        assert_eq!(wide.covers(&narrow), covers, "{wide:?} over {narrow:?}");
    }
}

#[test]
fn a_network_that_has_everybody_is_no_condition() {
    let rule = |when: Vec<When>| DeviceRule { when }.is_by_network();
    assert!(rule(vec![by_network(&["10.0.0.0/8"])]));
    assert!(!rule(vec![by_network(&["10.0.0.0/8", "::/0"])]));
    assert!(!rule(vec![by_network(&["0.0.0.0/0"])]));
    assert!(!rule(vec![by_network(&["10.0.0.0/8"]), by_agent(&["x"])]));
}

proptest! {
    #[test]
    fn what_a_pattern_covers_it_matches(
        wide in "[ab*]{0,5}",
        narrow in "[ab*]{0,5}",
        text in "[ab]{0,8}",
    ) {
        for kind in [TextPattern::within, TextPattern::whole] {
            let (wide, narrow) = (kind(&wide), kind(&narrow));
            if wide.covers(&narrow) && narrow.matches(text.as_bytes()) {
                prop_assert!(wide.matches(text.as_bytes()), "{wide:?} over {narrow:?}: {text}");
            }
        }
    }
}
