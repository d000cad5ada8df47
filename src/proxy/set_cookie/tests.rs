use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue, header::SET_COOKIE};
use proptest::prelude::{any, prop_assert, proptest};

use super::super::head::forwarded::Scheme;
use super::{SetCookie, expire, last_of, parse};

/// 2020-01-01 00:00:00.
const NOW: u64 = 1_577_836_800;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

#[track_caller]
fn check(text: &str, name: &str, value: &str, path: Option<&str>, domain: Option<&str>) {
    let header = HeaderValue::from_str(text).unwrap();
    let cookie = parse(&header, now()).unwrap_or_else(|| panic!("{text:?} is no cookie"));
    let read = (
        cookie.name,
        cookie.value.as_bytes(),
        cookie.path,
        cookie.domain,
    );
    assert_eq!(read, (name, value.as_bytes(), path, domain), "{text:?}");
}

#[track_caller]
fn deletes(text: &str, expected: bool) {
    let header = HeaderValue::from_str(text).unwrap();
    assert_eq!(
        parse(&header, now()).map(|cookie| cookie.deletes),
        Some(expected),
        "{text:?}"
    );
}

#[test]
fn a_cookie_is_read_as_a_browser_reads_it() {
    check("S=a", "S", "a", None, None);
    check(" S = a ; x", "S", "a", None, None);
    check(
        "S=\"a b\"; Path=/app; HttpOnly",
        "S",
        "a b",
        Some("/app"),
        None,
    );
    check(
        "S=a:b=c==; path=/; DOMAIN=.Example.com; Secure",
        "S",
        "a:b=c==",
        Some("/"),
        Some("Example.com"),
    );
    check("S=a; Path=/x; Path=/y", "S", "a", Some("/y"), None);
    check("S=a; Path=/x; Path=y", "S", "a", None, None);
    check("S=a; Path; Domain=; Domain=.", "S", "a", None, None);
    check(
        "S=a,b; Expires=Wed, 01 Jan 2020 00:00:01 GMT; Path=/z",
        "S",
        "a,b",
        Some("/z"),
        None,
    );
    check(
        "ASP.NET_SessionId=a; path=/; HttpOnly; SameSite=Lax",
        "ASP.NET_SessionId",
        "a",
        Some("/"),
        None,
    );
}

#[test]
fn garbage_is_no_cookie() {
    for text in ["", ";", "S", "=a", " =a; Path=/", "; S=a", "Path"] {
        let header = HeaderValue::from_str(text).unwrap();
        assert_eq!(parse(&header, now()), None, "{text:?}");
    }
    assert_eq!(
        parse(&HeaderValue::from_bytes(b"\xff=a").unwrap(), now()),
        None
    );
}

#[test]
fn a_cookie_is_deleted_by_age_by_date_or_by_having_no_value() {
    deletes("S=a", false);
    deletes("S=", true);
    deletes("S=\"\"; Max-Age=60", true);
    deletes("S=a; Max-Age=0", true);
    deletes("S=a; Max-Age=00", true);
    deletes("S=a; Max-Age=-1", true);
    deletes("S=a; MAX-AGE=1", false);
    deletes("S=a; Max-Age=99999999999999999999999999", false);
    deletes("S=a; Max-Age=x", false);
    deletes("S=a; Max-Age=", false);
    deletes("S=a; Max-Age=-", false);
    deletes("S=a; Max-Age=+0", false);
    deletes("S=a; Expires=Tue, 31 Dec 2019 23:59:59 GMT", true);
    deletes("S=a; Expires=Wed, 01 Jan 2020 00:00:00 GMT", true);
    deletes("S=a; Expires=Wed, 01 Jan 2020 00:00:01 GMT", false);
    deletes(
        "S=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT; path=/",
        true,
    );
    deletes("S=a; Expires=never", false);
    deletes(
        "S=a; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        false,
    );
    deletes(
        "S=a; Expires=Fri, 01 Jan 2100 00:00:00 GMT; Max-Age=0",
        true,
    );
    deletes(
        "S=a; Max-Age=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        true,
    );
    deletes("S=a; Max-Age=60; Max-Age=0", true);
    deletes("S=a; Max-Age=0; Max-Age=60", false);
}

fn answer(cookies: &[&str]) -> HeaderMap {
    cookies
        .iter()
        .map(|cookie| (SET_COOKIE, HeaderValue::from_str(cookie).unwrap()))
        .collect()
}

fn shown(cookie: &SetCookie<'_>) -> String {
    format!(
        "{}={} {}",
        cookie.name,
        String::from_utf8_lossy(cookie.value.as_bytes()),
        cookie.path.unwrap_or("-")
    )
}

#[track_caller]
fn means(cookies: &[&str], expected: &str) {
    let headers = answer(cookies);
    let last = last_of(&headers, &["S"], "/", now());
    let set = last.iter().rfind(|cookie| !cookie.deletes);
    let meaning = match (set, last.is_empty()) {
        (Some(cookie), _) => shown(cookie),
        (None, true) => "nothing".to_owned(),
        (None, false) => "deleted".to_owned(),
    };
    assert_eq!(meaning, expected, "{cookies:?}");
}

#[test]
fn in_one_answer_the_last_cookie_of_a_scope_wins() {
    means(&[], "nothing");
    means(&["T=a", "s=a"], "nothing");
    means(&["S=a"], "S=a -");
    means(&["S=a", "S=b"], "S=b -");
    means(&["S=; Max-Age=0", "S=b"], "S=b -");
    means(&["S=b", "S=; Max-Age=0"], "deleted");
    means(&["S=b; Path=/", "S=; Path=/app"], "S=b /");
    means(&["S=; Path=/app", "S=b; Path=/"], "S=b /");
    means(&["S=a; Path=/", "S=b; Path=/app"], "S=b /app");
    means(
        &["S=a; Path=/; Domain=h", "S=; path=/; domain=.H"],
        "deleted",
    );
    means(&["S=a; Path=/; Domain=h", "S=; Path=/"], "S=a /");
}

#[test]
fn every_scope_that_is_left_is_told() {
    let headers = answer(&["S=a; Path=/", "T=x", "S=b; Path=/app", "S=c; Path=/", "G=1"]);
    let last: Vec<String> = last_of(&headers, &["S", "G"], "/", now())
        .iter()
        .map(shown)
        .collect();
    assert_eq!(last, ["S=b /app", "S=c /", "G=1 -"]);
}

#[test]
fn a_value_shows_itself_to_nobody() {
    let headers = answer(&["S=secret"]);
    assert!(!format!("{:?}", last_of(&headers, &["S"], "/", now())).contains("secret"));
}

#[test]
fn an_expired_cookie_is_gone_where_it_was_set() {
    let gone = "Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly";
    for (name, path, domain, transport, expected) in [
        ("S", "/", None, Scheme::Http, format!("S=; Path=/; {gone}")),
        (
            "S",
            "",
            Some(""),
            Scheme::Http,
            format!("S=; Path=/; {gone}"),
        ),
        (
            "S",
            "/app",
            Some("h"),
            Scheme::Https,
            format!("S=; Path=/app; Domain=h; {gone}; Secure"),
        ),
        (
            "__Host-S",
            "/app",
            Some("h"),
            Scheme::Http,
            format!("__Host-S=; Path=/; {gone}; Secure"),
        ),
        (
            "__secure-S",
            "/app",
            Some("h"),
            Scheme::Http,
            format!("__secure-S=; Path=/app; Domain=h; {gone}; Secure"),
        ),
    ] {
        let header = expire(name, path, domain, transport).unwrap();
        assert_eq!(header, expected);
        let read = parse(&header, now()).unwrap();
        assert!(read.deletes && read.name == name);
    }
}

#[test]
fn no_part_of_an_expired_cookie_can_add_another() {
    for (name, path, domain) in [
        ("S", "/; Domain=evil", None),
        ("S", "/\r\nSet-Cookie: a=b", None),
        ("S", "/", Some("h; Path=/x")),
        ("S; x", "/", None),
        ("S=x", "/", None),
    ] {
        assert_eq!(
            expire(name, path, domain, Scheme::Https),
            None,
            "{name:?} {path:?} {domain:?}"
        );
    }
}

proptest! {
    #[test]
    fn no_header_is_too_odd(bytes in any::<Vec<u8>>(), text in "(S=|[a;=\" ]|path=/|max-age=0|expires=){0,12}") {
        for bytes in [bytes.as_slice(), text.as_bytes()] {
            if let Ok(header) = HeaderValue::from_bytes(bytes)
                && let Some(cookie) = parse(&header, now())
            {
                prop_assert!(!cookie.name.is_empty() && !cookie.name.contains(['=', ';']));
                prop_assert!(cookie.deletes || !cookie.value.as_bytes().is_empty());
                prop_assert!(cookie.path.is_none_or(|path| path.starts_with('/')));
            }
        }
    }
}
