use std::{collections::HashSet, net::IpAddr};

use http::{HeaderMap, HeaderValue, Request, Version, request::Parts};
use ipnet::IpNet;
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

use crate::domain::access::Client;
use crate::routing::client::wants;

use super::{
    HEADERS_MAX, HeadProblem, TARGET_BYTES_MAX, check,
    forwarded::{HOPS_MAX, Origin, PeerAddress, Scheme, forwarded},
    host,
    hygiene::{ask_for_websocket, clean_request, clean_response},
};

fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .version(Version::HTTP_11);
    for (name, value) in headers {
        request = request.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    request.body(()).unwrap().into_parts().0
}

fn map(headers: &[(&str, &str)]) -> HeaderMap {
    request("GET", "/", headers).headers
}

#[track_caller]
fn passes(method: &str, target: &str, headers: &[(&str, &str)]) {
    assert_eq!(
        check(&request(method, target, headers)),
        Ok(()),
        "{method} {target} {headers:?}"
    );
}

#[track_caller]
fn refused(method: &str, target: &str, headers: &[(&str, &str)], problem: HeadProblem) {
    assert_eq!(
        check(&request(method, target, headers)),
        Err(problem),
        "{method} {target} {headers:?}"
    );
}

const HOST: (&str, &str) = ("host", "app.example");

#[test]
fn an_ordinary_request_passes() {
    passes("GET", "/a?b=c", &[HOST]);
    passes("POST", "/", &[HOST, ("content-length", "3")]);
    passes(
        "POST",
        "/",
        &[
            HOST,
            ("transfer-encoding", "Chunked"),
            ("expect", "100-Continue"),
        ],
    );
    passes("OPTIONS", "*", &[HOST]);
    passes(
        "PROPFIND",
        "/",
        &[HOST, ("upgrade", "h2c"), ("connection", "upgrade")],
    );
    passes("GET", "http://App.Example/a", &[HOST]);
    passes("GET", "http://app.example:80/a", &[HOST]);
    passes(
        "GET",
        "https://app.example/a",
        &[("host", "app.example:443")],
    );
    passes(
        "GET",
        "/",
        &[
            HOST,
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("content-length", "0"),
        ],
    );
}

#[test]
fn a_method_that_mirrors_or_tunnels_is_refused() {
    refused("CONNECT", "app.example:443", &[HOST], HeadProblem::Method);
    refused("TRACE", "/", &[HOST], HeadProblem::Method);
    refused("TRACK", "/", &[HOST], HeadProblem::Method);
}

#[test]
fn a_target_is_a_path_or_an_http_url() {
    refused("GET", "*", &[HOST], HeadProblem::TargetForm);
    refused("GET", "app.example:80", &[HOST], HeadProblem::TargetForm);
    refused(
        "GET",
        "ftp://app.example/",
        &[HOST],
        HeadProblem::TargetForm,
    );
    let target = |length: usize| format!("/{}", "a".repeat(length - 1));
    passes("GET", &target(TARGET_BYTES_MAX), &[HOST]);
    refused(
        "GET",
        &target(TARGET_BYTES_MAX + 1),
        &[HOST],
        HeadProblem::TargetTooLong,
    );
}

#[test]
fn as_many_headers_as_allowed_and_no_more() {
    let headers = |count: usize| [vec![HOST], vec![("x", "1"); count - 1]].concat();
    passes("GET", "/", &headers(HEADERS_MAX));
    refused(
        "GET",
        "/",
        &headers(HEADERS_MAX + 1),
        HeadProblem::TooManyHeaders,
    );
}

#[test]
fn a_request_has_one_host() {
    refused("GET", "/", &[], HeadProblem::HostMissing);
    refused("GET", "http://app.example/", &[], HeadProblem::HostMissing);
    refused("GET", "/", &[HOST, HOST], HeadProblem::HostRepeated);
    refused(
        "GET",
        "http://evil.example/",
        &[HOST],
        HeadProblem::HostMismatch,
    );
    refused(
        "GET",
        "http://app.example:81/",
        &[HOST],
        HeadProblem::HostMismatch,
    );
    refused(
        "GET",
        "http://a@app.example/",
        &[HOST],
        HeadProblem::HostInvalid,
    );
    for invalid in [
        "",
        "a b",
        "a,b",
        "a/b",
        "a@b",
        "a:b",
        "a:-1",
        "a:+80",
        "a:65536",
        "a:1:2",
        "a..b",
        ".",
        ".a",
        "[::1",
        "::1",
        "[::1]x",
        "[1.2.3.4]",
        "a\\b",
        "a?b",
        "a#b",
        "ä",
        "a%41",
        "a;b",
        "\"a\"",
    ] {
        refused("GET", "/", &[("host", invalid)], HeadProblem::HostInvalid);
    }
    let mut old = request("GET", "/", &[]);
    old.version = Version::HTTP_10;
    assert_eq!((check(&old), host(&old)), (Ok(()), None));
}

#[test]
fn the_host_is_a_name_in_lower_case() {
    for (target, header, name) in [
        ("/", "app.example", "app.example"),
        ("/", "App.Example:8080", "app.example"),
        ("/", "app.example.", "app.example"),
        ("/", "app.example.:80", "app.example"),
        ("/", "app:", "app"),
        ("/", "10.0.0.1:80", "10.0.0.1"),
        ("/", "[2001:DB8::1]:80", "[2001:db8::1]"),
        ("/", "[::1]", "[::1]"),
        ("http://App.example:80/", "app.example", "app.example"),
    ] {
        let parts = request("GET", target, &[("host", header)]);
        assert_eq!(check(&parts), Ok(()), "{header}");
        assert_eq!(host(&parts).as_deref(), Some(name), "{header}");
    }
}

#[test]
fn a_body_is_framed_in_one_way() {
    use HeadProblem::{
        LengthInvalid, LengthWithTransferEncoding, TransferEncodingRepeated,
        TransferEncodingUnknown, UpgradeWithBody,
    };
    let te = |value| ("transfer-encoding", value);
    let cl = |value| ("content-length", value);
    for (headers, problem) in [
        (vec![te("gzip, chunked")], TransferEncodingUnknown),
        (vec![te("chunked, chunked")], TransferEncodingUnknown),
        (vec![te("identity")], TransferEncodingUnknown),
        (vec![te("xchunked")], TransferEncodingUnknown),
        (vec![te("\"chunked\"")], TransferEncodingUnknown),
        (vec![te("")], TransferEncodingUnknown),
        (vec![te("chunked"), te("chunked")], TransferEncodingRepeated),
        (
            vec![te("chunked"), te("identity")],
            TransferEncodingRepeated,
        ),
        (vec![te("chunked"), cl("3")], LengthWithTransferEncoding),
        (vec![cl("3"), cl("3")], LengthInvalid),
        (vec![cl("3, 3")], LengthInvalid),
        (vec![cl("+3")], LengthInvalid),
        (vec![cl("-3")], LengthInvalid),
        (vec![cl("0x3")], LengthInvalid),
        (vec![cl("")], LengthInvalid),
        (
            vec![("connection", "upgrade"), ("upgrade", "WebSocket"), cl("3")],
            UpgradeWithBody,
        ),
        (
            vec![
                ("connection", "upgrade"),
                ("upgrade", "websocket"),
                te("chunked"),
            ],
            UpgradeWithBody,
        ),
        (vec![("expect", "200-ok")], HeadProblem::Expectation),
        (
            vec![("expect", "100-continue"), ("expect", "x")],
            HeadProblem::Expectation,
        ),
    ] {
        refused("GET", "/", &[vec![HOST], headers].concat(), problem);
    }
    let mut old = request("POST", "/", &[te("chunked")]);
    old.version = Version::HTTP_10;
    assert_eq!(check(&old), Err(HeadProblem::TransferEncodingTooOld));
}

#[test]
fn every_problem_has_its_own_code() {
    use HeadProblem::{
        Expectation, HostInvalid, HostMismatch, HostMissing, HostRepeated, LengthInvalid,
        LengthWithTransferEncoding, Method, TargetForm, TargetTooLong, TooManyHeaders,
        TransferEncodingRepeated, TransferEncodingTooOld, TransferEncodingUnknown, UpgradeWithBody,
    };
    let problems = [
        (405, vec![Method]),
        (414, vec![TargetTooLong]),
        (431, vec![TooManyHeaders]),
        (501, vec![TransferEncodingUnknown]),
        (417, vec![Expectation]),
        (
            400,
            vec![
                TargetForm,
                HostMissing,
                HostRepeated,
                HostInvalid,
                HostMismatch,
                UpgradeWithBody,
            ],
        ),
        (
            400,
            vec![
                TransferEncodingRepeated,
                TransferEncodingTooOld,
                LengthWithTransferEncoding,
                LengthInvalid,
            ],
        ),
    ];
    let (mut codes, mut sentences) = (HashSet::new(), HashSet::new());
    for (status, problem) in problems
        .into_iter()
        .flat_map(|(status, group)| group.into_iter().map(move |one| (status, one)))
    {
        assert_eq!(problem.status().as_u16(), status, "{problem:?}");
        assert!(
            codes.insert(problem.code()) && sentences.insert(problem.sentence()),
            "{problem:?}"
        );
    }
}

#[track_caller]
fn cleaned(before: &[(&str, &str)], after: &[(&str, &str)]) {
    let mut headers = map(before);
    clean_request(&mut headers);
    assert_eq!(headers, map(after), "{before:?}");
}

#[test]
fn what_is_meant_for_one_hop_goes_no_further() {
    cleaned(
        &[HOST, ("cookie", "a"), ("x-a", "1")],
        &[HOST, ("cookie", "a"), ("x-a", "1")],
    );
    cleaned(
        &[
            ("connection", "close, X-A ,x-b"),
            ("connection", "x-c"),
            ("x-a", "1"),
            ("x-b", "2"),
            ("x-c", "3"),
            ("x-d", "4"),
        ],
        &[("x-d", "4")],
    );
    cleaned(&[HOST, ("connection", "host, ?, \"")], &[HOST]);
    for name in [
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "proxy-authenticate",
        "proxy-authorization",
        "http2-settings",
        "expect",
        "proxy",
        "cookie2",
        "x-original-url",
        "x-rewrite-url",
        "x_a",
        "x_forwarded_for",
        "x.a",
        "x!a",
        "host_",
    ] {
        cleaned(&[HOST, (name, "x"), (name, "y")], &[HOST]);
    }
}

#[test]
fn an_answer_loses_its_hop_and_gains_a_via() {
    let mut headers = map(&[
        ("connection", "x-a"),
        ("x-a", "1"),
        ("keep-alive", "5"),
        ("set-cookie", "a"),
        ("via", "1.0 x"),
        ("trailer", "t"),
    ]);
    clean_response(&mut headers);
    assert_eq!(
        headers,
        map(&[
            ("set-cookie", "a"),
            ("via", "1.0 x"),
            ("via", "1.1 curfew"),
            ("trailer", "t")
        ])
    );
}

#[test]
fn an_upgrade_is_asked_for_anew() {
    let mut headers = map(&[
        ("connection", "upgrade, x-a"),
        ("upgrade", "h2c, websocket"),
        ("x-a", "1"),
    ]);
    clean_request(&mut headers);
    ask_for_websocket(&mut headers);
    assert_eq!(
        headers,
        map(&[("connection", "upgrade"), ("upgrade", "websocket")])
    );
}

fn trusted() -> Vec<IpNet> {
    vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]
}

fn tell(peer: &str, headers: &[(&str, &str)], host: &str) -> (HeaderMap, Origin) {
    let mut headers = map(headers);
    let origin = forwarded(
        &mut headers,
        &PeerAddress::new(peer.parse().unwrap()),
        &trusted(),
        Scheme::Http,
        (!host.is_empty()).then(|| host.parse().unwrap()),
    );
    (headers, origin)
}

fn origin(address: &str, scheme: Scheme) -> Origin {
    Origin {
        address: address.parse().unwrap(),
        scheme,
    }
}

#[test]
fn an_untrusted_peer_is_the_client_whatever_it_says() {
    let lies = [
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil"),
        ("x-forwarded-prefix", "/evil"),
        ("x-forwarded-user", "root"),
        ("forwarded", "for=10.0.0.1"),
        ("x-real-ip", "10.0.0.1"),
        ("client-ip", "10.0.0.1"),
        ("true-client-ip", "10.0.0.1"),
        ("via", "1.1 evil"),
        ("x-other", "stays"),
    ];
    let (headers, client) = tell("192.0.2.1", &lies, "app.example:8080");
    assert_eq!(client, origin("192.0.2.1", Scheme::Http));
    let expected = map(&[
        ("x-other", "stays"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "app.example:8080"),
        (
            "forwarded",
            "for=192.0.2.1;host=\"app.example:8080\";proto=http",
        ),
        ("via", "1.1 curfew"),
    ]);
    assert_eq!(headers, expected);
}

#[test]
fn a_trusted_peer_is_believed_and_the_client_behind_it_is_not() {
    let told = [
        ("x-forwarded-for", "10.9.9.9, evil, 198.51.100.7"),
        ("x-forwarded-for", "10.0.0.2:4711"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "public.example"),
        ("x-forwarded-port", "443"),
        ("forwarded", "for=evil"),
        ("via", "1.1 front"),
    ];
    let (headers, client) = tell("10.0.0.1", &told, "inner");
    assert_eq!(client, origin("198.51.100.7", Scheme::Https));
    let expected = map(&[
        ("x-forwarded-for", "198.51.100.7, 10.0.0.2, 10.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "public.example"),
        ("x-forwarded-port", "443"),
        (
            "forwarded",
            "for=198.51.100.7;host=\"public.example\";proto=https, for=10.0.0.2, for=10.0.0.1",
        ),
        ("via", "1.1 front"),
        ("via", "1.1 curfew"),
    ]);
    assert_eq!(headers, expected);
}

#[test]
fn the_client_is_the_first_untrusted_address_from_the_right() {
    for (peer, chain, client) in [
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "198.51.100.7, 10.1.1.1", "198.51.100.7"),
        ("10.0.0.1", "10.2.2.2, 10.1.1.1", "10.2.2.2"),
        ("10.0.0.1", "198.51.100.7, unknown, 10.1.1.1", "10.1.1.1"),
        ("10.0.0.1", "198.51.100.7:1234", "198.51.100.7"),
        ("10.0.0.1", "[2001:db8::1]:1234", "2001:db8::1"),
        ("10.0.0.1", "[2001:db8::1]", "2001:db8::1"),
        ("10.0.0.1", "::ffff:10.1.1.1", "10.1.1.1"),
        ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("fd00::1", "2001:db8::2", "2001:db8::2"),
        ("10.0.0.1", "\u{e4}", "10.0.0.1"),
    ] {
        let (_, told) = tell(peer, &[("x-forwarded-for", chain)], "h");
        assert_eq!(
            told.address,
            client.parse::<IpAddr>().unwrap(),
            "{peer} behind {chain:?}"
        );
    }
}

#[test]
fn a_chain_is_walked_back_so_far_and_no_further() {
    let chain = |trusted: usize| format!("198.51.100.7{}", ", 10.1.1.1".repeat(trusted));
    let client = |trusted: usize| {
        tell("10.0.0.1", &[("x-forwarded-for", &chain(trusted))], "h")
            .1
            .address
            .to_string()
    };
    assert_eq!(client(HOPS_MAX - 1), "198.51.100.7");
    assert_eq!(client(HOPS_MAX), "10.1.1.1");
}

#[test]
fn an_address_of_version_six_is_quoted() {
    let (headers, _) = tell("2001:db8::1", &[], "[2001:db8::2]:80");
    assert_eq!(headers["x-forwarded-for"], "2001:db8::1");
    assert_eq!(
        headers["forwarded"],
        "for=\"[2001:db8::1]\";host=\"[2001:db8::2]:80\";proto=http"
    );
}

#[test]
fn what_a_trusted_peer_says_badly_is_not_passed_on() {
    let (headers, _) = tell("192.0.2.1", &[], "");
    assert_eq!(headers["forwarded"], "for=192.0.2.1;proto=http");
    assert!(!headers.contains_key("x-forwarded-host"));
    let told = [
        ("x-forwarded-proto", "https, http"),
        ("x-forwarded-host", "a\";for=evil"),
        ("x-forwarded-for", "198.51.100.7"),
    ];
    let (headers, client) = tell("10.0.0.1", &told, "h");
    assert_eq!(client.scheme, Scheme::Http);
    assert_eq!(headers["x-forwarded-proto"], "http");
    assert_eq!(headers["x-forwarded-host"], "h");
    let repeated = [
        ("x-forwarded-proto", "https"),
        ("x-forwarded-proto", "https"),
    ];
    assert_eq!(tell("10.0.0.1", &repeated, "h").1.scheme, Scheme::Http);
}

#[track_caller]
fn is(client: Client, method: &str, headers: &[(&str, &str)]) {
    assert_eq!(
        wants(&request(method, "/", headers)),
        client,
        "{method} {headers:?}"
    );
}

#[test]
fn a_page_is_told_from_a_script() {
    const PAGE: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    const NAVIGATE: (&str, &str) = ("sec-fetch-mode", "navigate");
    is(Client::Navigation, "GET", &[PAGE]);
    is(Client::Navigation, "HEAD", &[PAGE]);
    is(
        Client::Navigation,
        "POST",
        &[("accept", "application/xml, Text/HTML ; q=0.9")],
    );
    is(
        Client::Navigation,
        "GET",
        &[NAVIGATE, ("sec-fetch-dest", "document")],
    );
    is(
        Client::Navigation,
        "GET",
        &[NAVIGATE, ("sec-fetch-dest", "iframe")],
    );
    is(
        Client::Navigation,
        "GET",
        &[NAVIGATE, ("sec-fetch-dest", "frame")],
    );
    is(Client::Navigation, "POST", &[NAVIGATE]);
    is(
        Client::Script,
        "GET",
        &[NAVIGATE, ("sec-fetch-dest", "embed"), PAGE],
    );
    is(Client::Script, "GET", &[("sec-fetch-mode", "cors"), PAGE]);
    is(
        Client::Script,
        "GET",
        &[("sec-fetch-mode", "no-cors"), PAGE],
    );
    is(Client::Script, "GET", &[]);
    is(Client::Script, "GET", &[("accept", "*/*")]);
    is(Client::Script, "GET", &[("accept", "application/json")]);
    is(Client::Script, "GET", &[("accept", "text/html;q=0")]);
    is(
        Client::Script,
        "GET",
        &[("accept", "text/html; q=0.00, */*")],
    );
    is(
        Client::Script,
        "GET",
        &[PAGE, ("x-requested-with", "xmlhttprequest")],
    );
    is(Client::Script, "PUT", &[PAGE]);
    is(Client::Script, "DELETE", &[PAGE]);
}

#[test]
fn an_upgrade_is_one_to_websocket() {
    is(
        Client::Upgrade,
        "GET",
        &[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
        ],
    );
    is(
        Client::Upgrade,
        "GET",
        &[
            ("connection", "upgrade"),
            ("upgrade", "h2c, websocket"),
            ("sec-fetch-mode", "websocket"),
        ],
    );
    is(
        Client::Script,
        "GET",
        &[("connection", "upgrade"), ("upgrade", "h2c")],
    );
    is(Client::Script, "GET", &[("upgrade", "websocket")]);
    is(Client::Script, "GET", &[("connection", "upgrade")]);
    is(
        Client::Script,
        "POST",
        &[("connection", "upgrade"), ("upgrade", "websocket")],
    );
}

proptest! {
    #[test]
    fn nothing_a_client_sends_is_told_in_its_name(lie in "[ -~]{0,40}", name in "(x-forwarded-[a-z]{1,6}|forwarded|x-real-ip|via)") {
        let (headers, client) = tell("192.0.2.1", &[(&name, &lie)], "h");
        prop_assert_eq!(client, origin("192.0.2.1", Scheme::Http));
        prop_assert_eq!(headers, tell("192.0.2.1", &[], "h").0);
    }

    #[test]
    fn a_chain_starts_with_the_client_and_ends_with_the_peer(chain in "([0-9.]{7,9}|10\\.0\\.0\\.[1-9]|[, a-f:]){0,8}") {
        let (headers, client) = tell("10.0.0.1", &[("x-forwarded-for", &chain)], "h");
        let told: Vec<IpAddr> = headers["x-forwarded-for"].to_str().unwrap().split(", ").map(|hop| hop.parse().unwrap()).collect();
        prop_assert_eq!(told.first(), Some(&client.address));
        prop_assert_eq!(told.last(), Some(&"10.0.0.1".parse().unwrap()));
        prop_assert!(told.iter().skip(1).all(|hop| trusted().iter().any(|network| network.contains(hop))));
    }

    #[test]
    fn a_cleaned_head_names_no_hop(connection in "[ -~]{0,30}", name in "[!#-'*+.^_`|~a-z0-9-]{1,12}") {
        let mut headers = map(&[HOST, ("connection", &connection), (&name, "x")]);
        clean_request(&mut headers);
        prop_assert!(!headers.contains_key("connection"));
        prop_assert!(headers.keys().all(|name| name.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')));
        prop_assert!(headers.contains_key("host"));
    }
}
