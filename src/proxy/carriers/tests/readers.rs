//! Hostile cookies, targets and credentials, made of what servers read in different ways. The promises are
//! those of the fuzz checks: if all presented ids are alive, no server finds another; after a strip, none finds any.

use http::Request;
use proptest::{
    collection::vec,
    prelude::{Strategy, prop_assert, prop_oneof, proptest},
    sample::select,
};

use super::{Strip, shape, strip};
use crate::proxy::fuzz::carriers::{authorization, cookies, target};

fn hostile_cookie(names: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<u8>> {
    let glue: &[&[u8]] = &[
        b"=",
        b"=",
        b"=",
        b"=",
        b"; ",
        b"; ",
        b";",
        b",",
        b", ",
        b" ",
        b"\t",
        b"\"",
        b"\"",
        b"\\",
        b"[",
        b"]",
        b"$",
        b"@",
        b"%00",
        b"%20",
        b"\xa0",
        b"\x85",
        b"\xe2\x80\x83",
        b"$Version=1",
        b"a",
        b"x=y",
        b"+",
        b"{",
    ];
    let values: &[&[u8]] = &[b"LIVE", b"LIVE", b"dead", b"\"LIVE\"", b"\"dead\""];
    let piece = prop_oneof![3 => select(names), 3 => select(values), 6 => select(glue)];
    vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

const NAMES: &[&[u8]] = &[
    b"my_sid=",
    b"my_sid",
    b"MY_SID=",
    b"my.sid=",
    b"my sid=",
    b"my[sid=",
    b"%6dy_sid=",
    b"my%5Fsid=",
    b"$my_sid=",
    b"\"my_sid\"=",
];

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(4096))]

    #[test]
    fn no_cookie_reader_finds_what_was_not_presented_or_what_was_stripped(headers in vec(hostile_cookie(NAMES), 1..3)) {
        cookies(&headers.join(&b'\n'));
    }

    #[test]
    fn no_server_finds_an_id_in_the_target_that_was_not_presented_or_was_stripped(text in hostile_target()) {
        target(text.as_bytes());
    }

    #[test]
    fn a_target_without_ids_is_left_alone(target in "/[a-z/;=&%2]{0,20}(\\?[a-z&;=/?]{0,20})?") {
        let Ok(request) = Request::get(&target).body(()) else { return Ok(()) };
        let (mut parts, ()) = request.into_parts();
        let before = parts.uri.clone();
        strip(&mut parts, &shape(&["path:SID0", "query:SID0"]), Strip::Session);
        prop_assert!(parts.uri == before);
    }

    #[test]
    fn no_server_finds_credentials_that_were_not_presented_or_were_stripped(header in hostile_authorization()) {
        authorization(header.as_bytes());
    }
}

fn hostile_target() -> impl Strategy<Value = String> {
    let names = select(&["sid=", "SID=", "%73id=", "sid", "xsid="][..]);
    let values = select(&["LIVE", "dead", "%64ead", "x"][..]);
    let glue = select(
        &[
            ";", "%3b", "%3B", "/", "/a", "&", "&amp;", "=", "%", "+", "?", "b",
        ][..],
    );
    let text = || {
        vec(
            prop_oneof![names.clone(), values.clone(), glue.clone()],
            0..10,
        )
        .prop_map(|pieces| pieces.concat())
    };
    (text(), text()).prop_map(|(path, query)| format!("/{}?{query}", path.replace('?', "")))
}

fn hostile_authorization() -> impl Strategy<Value = String> {
    let piece = select(
        &[
            "Token", "token", "Basic", " ", " ", ", ", ",", "LIVE", "dead", "\"", "=", ":",
            "\u{a0}", "\t", "x",
        ][..],
    );
    vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}
