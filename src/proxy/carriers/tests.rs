use http::{
    HeaderValue, Request,
    header::{AUTHORIZATION, COOKIE},
    request::Parts,
};

use super::{
    COMPANIONS_MAX, CarrierProblem, IDS_MAX, Presented, SessionId, Strip, presented, strip,
};
use crate::config::carrier::{AuthorizationRule, SessionShape};

mod readers;

fn shape(carriers: &[&str]) -> SessionShape {
    SessionShape {
        carriers: carriers
            .iter()
            .map(|carrier| carrier.parse().unwrap())
            .collect(),
        group: vec!["ROUTE".to_owned()],
        auth_cookies: vec!["remember-me".to_owned(), "sso".to_owned()],
        authorization: AuthorizationRule::Strip,
    }
}

fn every_carrier() -> SessionShape {
    shape(&[
        "cookie:JSESSIONID",
        "path:jsessionid",
        "query:PHPSESSID",
        "authorization:Token",
        "header:x-session",
    ])
}

fn request(target: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().uri(target);
    for (name, value) in headers {
        request = request.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    request.body(()).unwrap().into_parts().0
}

fn ids(presented: &Presented) -> Vec<&str> {
    presented
        .ids
        .iter()
        .map(|id| std::str::from_utf8(id.as_bytes()).unwrap())
        .collect()
}

#[track_caller]
fn presents(target: &str, headers: &[(&str, &str)], expected: &[&str]) {
    let presented = presented(&request(target, headers), &every_carrier());
    let presented =
        presented.unwrap_or_else(|problem| panic!("{target} {headers:?} is refused: {problem:?}"));
    assert_eq!(ids(&presented), expected, "{target} {headers:?}");
}

#[track_caller]
fn ambiguous(target: &str, headers: &[(&str, &str)]) {
    let presented = presented(&request(target, headers), &every_carrier());
    assert_eq!(
        presented,
        Err(CarrierProblem::Ambiguous),
        "{target} {headers:?}"
    );
}

#[test]
fn a_request_without_ids_presents_none() {
    presents("/", &[], &[]);
    presents(
        "/a;v=1?x=1",
        &[
            ("cookie", "csrf=1"),
            ("authorization", "Basic dXNlcg=="),
            ("x-other", "1"),
        ],
        &[],
    );
    presents(
        "/a;jsessionid=?PHPSESSID=",
        &[
            ("cookie", "JSESSIONID=; JSESSIONID=\"\""),
            ("x-session", ""),
        ],
        &[],
    );
}

#[test]
fn a_request_without_ids_allocates_nothing() {
    let parts = request(
        "/a?x=1",
        &[
            ("cookie", "csrf=1; lang=en"),
            ("authorization", "Basic dXNlcg=="),
        ],
    );
    let presented = presented(&parts, &every_carrier()).unwrap();
    let capacities = [
        presented.ids.capacity(),
        presented.group.capacity(),
        presented.auth_cookies.capacity(),
    ];
    assert_eq!(capacities, [0, 0, 0]);
}

#[test]
fn an_id_is_found_wherever_it_travels() {
    presents("/", &[("cookie", "JSESSIONID=a")], &["a"]);
    presents("/", &[("cookie", "x=1; JSESSIONID=\"a\"; y=2")], &["a"]);
    presents(
        "/",
        &[("cookie", "JSESSIONID=a; JSESSIONID=b")],
        &["a", "b"],
    );
    presents(
        "/",
        &[("cookie", "JSESSIONID=a"), ("cookie", "JSESSIONID=b")],
        &["a", "b"],
    );
    presents("/", &[("cookie", "x=\"1; JSESSIONID=a; y=\"")], &["a"]);
    presents(
        "/",
        &[("cookie", "$Version=1; jsessionid=a; $Path=/")],
        &["a"],
    );
    presents("/", &[("cookie", "JSESSIONID=a:b=c.d")], &["a:b=c.d"]);
    presents("/a;jsessionid=a", &[], &["a"]);
    presents("/a;JSessionId=a/b;v=1;jsessionid=b/c", &[], &["a", "b"]);
    presents("/;jsessionid=a?x=1", &[], &["a"]);
    presents("http://host/a;jsessionid=a", &[], &["a"]);
    presents("/a;j%73essionid=%61%20b", &[], &["a b"]);
    presents("/a%3Bjsessionid=a/b", &[], &["a"]);
    presents("/?PHPSESSID=a&x=1&PHPSESSID=b", &[], &["a", "b"]);
    presents("/?x=1;PHPSESSID=a", &[], &["a"]);
    presents("/?phpsessid=%61&%50HPSESSID=a+b", &[], &["a", "a b"]);
    presents("/", &[("authorization", "Token a")], &["a"]);
    presents("/", &[("authorization", "token  \"a\" ")], &["a"]);
    presents(
        "/",
        &[("authorization", "Basic x"), ("authorization", "Token a")],
        &["a"],
    );
    presents("/", &[("authorization", "Basic x, Token a")], &["a"]);
    presents("/", &[("authorization", "Token=a")], &["=a"]);
    presents("/", &[("authorization", "Tokens a")], &[]);
    presents(
        "/",
        &[("x-session", "a"), ("X-Session", " \"b\" ")],
        &["a", "b"],
    );
}

#[test]
fn the_same_id_from_several_carriers_is_one_id() {
    let headers = [
        ("cookie", "JSESSIONID=a; JSESSIONID=\"a\""),
        ("authorization", "Token a"),
        ("x-session", "a"),
    ];
    presents("/p;jsessionid=a?PHPSESSID=a", &headers, &["a"]);
}

#[test]
fn what_servers_read_in_different_ways_is_ambiguous() {
    ambiguous("/", &[("cookie", "x=1, JSESSIONID=a")]);
    ambiguous("/", &[("cookie", "x=1 JSESSIONID=a")]);
    ambiguous("/", &[("cookie", "x=\"1\"JSESSIONID=a")]);
    ambiguous("/", &[("cookie", "JSESSIONID=a, JSESSIONID=b")]);
    ambiguous("/", &[("cookie", "x=1, ROUTE=a")]);
    ambiguous("/", &[("cookie", "x=1, remember-me=a")]);
    ambiguous("/?PHPSESSID=a;x=1", &[]);
    ambiguous("/a;jsessionid=a%3Bx", &[]);
    ambiguous("/PHPSESSID=a/b", &[]);
    ambiguous("/?next=/p?PHPSESSID=a/b", &[]);
    ambiguous("/?xPHPSESSID=a&y=/", &[]);
    presents("/?xPHPSESSID=a", &[], &[]);
}

#[test]
fn as_many_ids_as_are_looked_up_and_no_more() {
    let many = |count: usize| {
        (0..count)
            .map(|id| format!("JSESSIONID={id}"))
            .collect::<Vec<_>>()
            .join("; ")
    };
    let with = |cookie: String| presented(&request("/", &[("cookie", &cookie)]), &every_carrier());
    assert_eq!(with(many(IDS_MAX)).unwrap().ids.len(), IDS_MAX);
    assert_eq!(with(many(IDS_MAX + 1)), Err(CarrierProblem::TooMany));
    let many = |count: usize| {
        (0..count)
            .map(|value| format!("sso={value}"))
            .collect::<Vec<_>>()
            .join("; ")
    };
    assert_eq!(
        with(many(COMPANIONS_MAX)).unwrap().auth_cookies.len(),
        COMPANIONS_MAX
    );
    assert_eq!(with(many(COMPANIONS_MAX + 1)), Err(CarrierProblem::TooMany));
}

#[test]
fn companions_are_told_by_their_place() {
    let cookie = "ROUTE=r; sso=\"s\"; route=q; sso=s; JSESSIONID=a; Remember-Me=m";
    let presented = presented(&request("/", &[("cookie", cookie)]), &every_carrier()).unwrap();
    let list = |companions: &[super::Companion]| -> Vec<(usize, Vec<u8>)> {
        companions
            .iter()
            .map(|companion| (companion.index, companion.value.to_vec()))
            .collect()
    };
    assert_eq!(
        list(&presented.group),
        [(0, b"r".to_vec()), (0, b"q".to_vec())]
    );
    assert_eq!(
        list(&presented.auth_cookies),
        [(1, b"s".to_vec()), (0, b"m".to_vec())]
    );
    assert_eq!(ids(&presented), ["a"]);
}

#[test]
fn an_exact_name_wins_over_a_look_alike() {
    let mut shape = shape(&["cookie:Session"]);
    shape.group = vec!["session".to_owned()];
    let presented =
        presented(&request("/", &[("cookie", "session=g; Session=a")]), &shape).unwrap();
    assert_eq!(ids(&presented), ["a"]);
    assert_eq!(&*presented.group[0].value, b"g");
}

#[test]
fn what_is_presented_shows_itself_to_nobody() {
    let cookie = "JSESSIONID=secret; ROUTE=secret; sso=secret";
    let presented = presented(&request("/", &[("cookie", cookie)]), &every_carrier()).unwrap();
    assert!(!format!("{presented:?}").contains("secret"));
    assert_eq!(
        format!("{:?}", SessionId::new(b"secret")),
        "SessionId(redacted)"
    );
}

#[track_caller]
fn stripped(
    target: &str,
    headers: &[(&str, &str)],
    target_left: &str,
    headers_left: &[(&str, &str)],
) {
    let mut parts = request(target, headers);
    strip(&mut parts, &every_carrier(), Strip::Session);
    let expected = request(target_left, headers_left);
    assert_eq!(parts.uri.to_string(), target_left, "{target}");
    assert_eq!(parts.headers, expected.headers, "{headers:?}");
}

#[test]
fn a_stripped_session_leaves_the_rest_as_it_was() {
    stripped(
        "/a?b=%20c;d",
        &[("cookie", "csrf=\"1\" ; x")],
        "/a?b=%20c;d",
        &[("cookie", "csrf=\"1\" ; x")],
    );
    stripped(
        "/",
        &[(
            "cookie",
            "JSESSIONID=a; csrf=1; ROUTE=r; x=2; remember-me=m",
        )],
        "/",
        &[("cookie", "csrf=1; x=2")],
    );
    stripped(
        "/",
        &[("cookie", "jsessionid=a"), ("cookie", "csrf=1")],
        "/",
        &[("cookie", "csrf=1")],
    );
    stripped(
        "/",
        &[("cookie", "JSESSIONID=a"), ("cookie", "ROUTE=")],
        "/",
        &[],
    );
    stripped("/a;jsessionid=x", &[], "/a", &[]);
    stripped(
        "/a;v=%31;jsessionid=x;w=2/b;JSESSIONID=y/?q=%2f",
        &[],
        "/a;v=%31;w=2/b/?q=%2f",
        &[],
    );
    stripped("/a%3bjsessionid=x/b;jsessionid", &[], "/a/b", &[]);
    stripped("/;jsessionid=x", &[], "/", &[]);
    stripped("/?PHPSESSID=x", &[], "/", &[]);
    stripped("/?a=%31&PHPSESSID=x&b=2", &[], "/?a=%31&b=2", &[]);
    stripped("/?PHPSESSID=x;b=2", &[], "/?b=2", &[]);
    stripped("/?b=2;PHPSESSID=x", &[], "/?b=2", &[]);
    stripped("/?b&&PHPSESSID=x&phpsessid", &[], "/?b&", &[]);
    stripped(
        "http://h:1/a;jsessionid=x?PHPSESSID=x",
        &[],
        "http://h:1/a",
        &[],
    );
    stripped(
        "/",
        &[
            ("authorization", "Basic x"),
            ("authorization", "Token a"),
            ("x-session", "s"),
        ],
        "/",
        &[],
    );
}

#[test]
fn authorization_that_may_pass_stays_unless_it_carries_an_id() {
    let mut shape = every_carrier();
    shape.authorization = AuthorizationRule::Pass;
    let sent = [
        ("authorization", "Basic x"),
        ("authorization", "Basic y, Token a"),
        ("authorization", "token b"),
    ];
    let mut parts = request("/", &sent);
    strip(&mut parts, &shape, Strip::Session);
    assert_eq!(
        parts.headers,
        request("/", &[("authorization", "Basic x")]).headers
    );
    let mut parts = request("/", &sent);
    strip(&mut parts, &shape, Strip::ForeignAuthorization);
    assert_eq!(parts.headers.get_all(AUTHORIZATION).iter().count(), 3);
}

#[test]
fn foreign_authorization_goes_and_a_carrier_stays() {
    let sent = [
        ("authorization", "Basic x, Token a"),
        ("authorization", "token b"),
        ("cookie", "JSESSIONID=a"),
    ];
    let mut parts = request("/", &sent);
    strip(&mut parts, &every_carrier(), Strip::ForeignAuthorization);
    assert_eq!(parts.headers, request("/", &sent[1..]).headers);
}

#[test]
fn only_failing_auth_cookies_go() {
    let mut parts = request(
        "/",
        &[(
            "cookie",
            "sso=old; JSESSIONID=a; SSO=\"new\"; remember-me=old",
        )],
    );
    strip(
        &mut parts,
        &every_carrier(),
        Strip::AuthCookies(&|index, value| index == 1 && value == b"old"),
    );
    assert_eq!(
        parts.headers[COOKIE],
        "JSESSIONID=a; SSO=\"new\"; remember-me=old"
    );
}
