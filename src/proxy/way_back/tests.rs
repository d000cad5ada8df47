use std::time::Duration;

use http::header::{COOKIE, HOST, REFERER};
use http::{HeaderMap, HeaderValue, Method, Request};

use super::{LIFE, TARGET_MAX, Target, WayBack, context, from_hex, hex, name, target};
use crate::config::app::App;
use crate::config::load::parse_alone;
use crate::domain::access::{Access, Activity, Client, LoginPage, OnStale, RequestFacts, Safety};
use crate::domain::identity::{Keyring, Lineage};
use crate::domain::time::Timestamp;
use crate::proxy::head::forwarded::Scheme;

const POLICY: &str = r#"
[[listeners]]
address = "127.0.0.1:0"
[roles.buyer]
idle = "15m"
absolute = "8h"
users = ["buyer"]
[[apps]]
name = "shop"
prefix = "/shop"
upstreams = ["http://127.0.0.1:1"]
session = { id = "cookie:SID", also = ["path:sid", "query:sid"] }
[[apps.logins]]
path = "/shop/login"
page = "/shop/login"
user = "form:user"
success = { new_session = true }
[[apps.logouts]]
path = "/shop/logout"
[[apps.routes]]
path = "/shop/approvals/**"
max_auth_age = "5m"
"#;

fn with_app<T>(test: impl FnOnce(&App, &Keyring) -> T) -> T {
    let config = parse_alone(POLICY, "curfew.toml").unwrap().config;
    let app = config.apps.first().unwrap();
    test(app, &Keyring::new([b"key".as_slice()]).unwrap())
}

fn facts(client: Client, safety: Safety) -> RequestFacts {
    RequestFacts {
        access: Access::Authenticated,
        activity: Activity::Active,
        on_stale: OnStale::Refuse,
        client,
        safety,
        login_page: LoginPage::Elsewhere,
    }
}

/// Where the user is of a page that is opened, with its query.
fn opened(path: &str) -> Option<String> {
    let (parts, ()) = Request::get(path).body(()).ok()?.into_parts();
    let facts = facts(Client::Navigation, Safety::Safe);
    with_app(|app, _| target(app, facts, &parts)).map(|target| target.as_str().to_owned())
}

/// Where he is of what a page sends.
fn sent_from(page: &str) -> Option<String> {
    let request = Request::builder()
        .method(Method::POST)
        .uri("/shop/approvals/7");
    let request = request
        .header(HOST, "shop.example.com")
        .header(REFERER, page);
    let (parts, ()) = request.body(()).ok()?.into_parts();
    [
        facts(Client::Script, Safety::Unsafe),
        facts(Client::Navigation, Safety::Unsafe),
    ]
    .map(|facts| with_app(|app, _| target(app, facts, &parts)))
    .map(|target| target.map(|target| target.as_str().to_owned()))
    .into_iter()
    .reduce(|one, other| (one == other).then_some(one).unwrap())
    .flatten()
}

#[test]
fn a_target_is_a_path_of_this_host_and_nothing_else() {
    for target in [
        "/",
        "/a/b?c=d//e",
        "/a;x=1",
        &format!("/{}", "a".repeat(TARGET_MAX - 1)),
    ] {
        assert_eq!(Target::new(target).unwrap().as_str(), target);
    }
    for target in [
        "",
        "a",
        "//elsewhere.example.com",
        "/a//elsewhere.example.com",
        "/\\elsewhere.example.com",
        "/a?b=\\c",
        "\\\\elsewhere.example.com",
        "https://elsewhere.example.com/",
        "javascript:alert(1)",
        "/a\r\nset-cookie: b=c",
        "/a\nb",
        "/a\tb",
        "/a b",
        "/\u{7f}",
        "/\u{e4}",
        &format!("/{}", "a".repeat(TARGET_MAX)),
    ] {
        assert_eq!(Target::new(target), None, "{target:?}");
    }
}

#[test]
fn who_opens_a_page_is_there_without_the_ids_in_its_address() {
    let at = |path: &str| Some(path.to_owned());
    assert_eq!(
        opened("/shop/approvals/7?page=2"),
        at("/shop/approvals/7?page=2")
    );
    assert_eq!(
        opened("/shop/approvals/7;sid=X?sid=Y&page=2"),
        at("/shop/approvals/7?page=2")
    );
    for path in [
        "/shop/logout",
        "/shop//approvals",
        "/shop/%2e%2e%2fx",
        "/elsewhere",
    ] {
        assert_eq!(opened(path), None, "{path}");
    }
}

#[test]
fn who_sends_something_is_at_the_page_that_he_sends_it_from() {
    let page = "https://shop.example.com/shop/cart?item=1";
    assert_eq!(sent_from(page), Some("/shop/cart?item=1".to_owned()));
    for page in [
        "https://elsewhere.example.com/shop/cart",
        "https://shop.example.com:8443/shop/cart",
        "https://shop.example.com.elsewhere.example.com/shop/cart",
        "https://shop.example.com/other/page",
        "https://shop.example.com/shop/logout",
        "https://shop.example.com//elsewhere.example.com/shop",
        "/shop/cart",
        "null",
        "",
    ] {
        assert_eq!(sent_from(page), None, "{page}");
    }
}

fn told(target: &str) -> WayBack {
    WayBack {
        lineage: Lineage::from_bytes([3; 16]),
        user: None,
        until: Timestamp::from_millis(1_000).plus(LIFE),
        target: Target::new(target),
    }
}

/// What is read of a cookie with this value, so long after it was set.
fn read(app: &App, keys: &Keyring, value: &str, after: Duration) -> Option<WayBack> {
    let cookie = format!("a=b; {}={value}", name(Scheme::Https));
    let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::try_from(cookie).unwrap())]);
    let now = Timestamp::from_millis(1_000).plus(after);
    WayBack::of_request(&headers, Scheme::Https, app, keys, now)
}

#[test]
fn what_was_sealed_is_read_until_it_is_over() {
    with_app(|app, keys| {
        let told = told("/shop/approvals/7");
        let value = hex(&keys.seal(&context(app), [1; 12], &told.to_bytes()));
        let millisecond = Duration::from_millis(1);
        assert_eq!(read(app, keys, &value, LIFE - millisecond), Some(told));
        assert_eq!(read(app, keys, &value, LIFE), None);
        assert_eq!(read(app, keys, &value, LIFE + millisecond), None);
    });
}

#[test]
fn nothing_else_is_read() {
    with_app(|app, keys| {
        let told = told("/shop/approvals/7");
        let seal = |context: &[u8], bytes: &[u8]| hex(&keys.seal(context, [1; 12], bytes));
        let good = seal(&context(app), &told.to_bytes());
        assert!(read(app, keys, &good, Duration::ZERO).is_some());
        let mut next_version = told.to_bytes();
        next_version[0] += 1;
        for value in [
            "",
            "00",
            "x",
            &good[1..],
            &good[2..],
            &format!("{good}00"),
            &format!("{good}; {}={good}", name(Scheme::Https)),
            &seal(b"way back, app other", &told.to_bytes()),
            &seal(&context(app), &next_version),
            &seal(&context(app), &told.to_bytes()[..41]),
        ] {
            assert_eq!(read(app, keys, value, Duration::ZERO), None, "{value}");
        }
        let other = Keyring::new([b"other".as_slice()]).unwrap();
        assert_eq!(read(app, &other, &good, Duration::ZERO), None);
        let headers = format!("{}={good}", name(Scheme::Http));
        let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::try_from(headers).unwrap())]);
        let now = Timestamp::from_millis(1_000);
        let over_tls = WayBack::of_request(&headers, Scheme::Https, app, keys, now);
        assert_eq!(
            over_tls, None,
            "a cookie that any host of the domain can set"
        );
    });
}

#[test]
fn a_way_without_a_page_still_tells_whose_turn_it_is() {
    let told = told("//elsewhere.example.com");
    assert_eq!(told.target, None);
    assert_eq!(WayBack::from_bytes(&told.to_bytes()), Some(told));
}

#[test]
fn hexadecimal_is_read_as_it_is_written() {
    let bytes: Vec<u8> = (0..=255).collect();
    assert_eq!(from_hex(hex(&bytes).as_bytes()), Some(bytes));
    assert_eq!(from_hex(b"0"), None);
    assert_eq!(from_hex(b"0g"), None);
}
