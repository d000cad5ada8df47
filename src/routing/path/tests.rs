use std::borrow::Cow;

use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

use super::{PathProblem, normalise};

#[track_caller]
fn check(raw: &str, normal: &str) {
    let path = normalise(raw).unwrap_or_else(|problem| panic!("{raw} is refused: {problem:?}"));
    assert_eq!(path.as_str(), normal, "{raw}");
    assert_eq!(path.differs(), raw != normal, "{raw}");
}

#[track_caller]
fn refused(raw: &str, problem: PathProblem) {
    assert_eq!(normalise(raw), Err(problem), "{raw:?}");
}

#[test]
fn every_spelling_of_a_path_is_judged_as_that_path() {
    for raw in [
        "/approvals",
        "/%61pprovals",
        "/%61%70provals",
        "/x/../approvals",
        "/./approvals",
        "//approvals",
        "///approvals",
        "/approvals;x=1",
        "/approvals;jsessionid=AB%20C;y",
        "/;x=1/approvals",
        "/../approvals",
        "/../../approvals",
        "/a/b/../../approvals",
        "/a;x/../approvals",
        "/;/approvals",
    ] {
        check(raw, "/approvals");
    }
}

#[test]
fn a_trailing_slash_is_kept() {
    check("/", "/");
    check("//", "/");
    check("/;x", "/");
    check("/a/", "/a/");
    check("/a//", "/a/");
    check("/a/;x=1", "/a/");
    check("/a;x/", "/a/");
    check("/a/.", "/a/");
    check("/a/b/..", "/a/");
    check("/a/..", "/");
    check("/..", "/");
}

#[test]
fn dots_in_names_are_names() {
    check("/.well-known/x", "/.well-known/x");
    check("/..a", "/..a");
    check("/a..", "/a..");
    check("/a%2etxt", "/a.txt");
    check("/x.y/z.", "/x.y/z.");
}

#[test]
fn a_plain_path_is_borrowed() {
    for raw in ["/", "/a/b.html", "/a-b_c~d/", "/aü", "*", "/a=b,c"] {
        let path = normalise(raw).unwrap();
        assert!(matches!(path.path, Cow::Borrowed(_)), "{raw}");
        assert!(!path.differs());
    }
}

#[test]
fn bytes_that_are_no_utf8_stay_encoded() {
    check("/%C3%A9t%C3%A9", "/été");
    check("/%e9t%e9", "/%E9t%E9");
    check("/%E9t%E9", "/%E9t%E9");
    check("/%C0x", "/%C0x");
    check("/a%20b", "/a b");
    check("/100%25", "/100%");
    check("/100%25%20x", "/100% x");
    check("/a%2520b", "/a%20b");
}

#[test]
fn what_servers_read_in_different_ways_is_refused() {
    use PathProblem::{
        Backslash, Control, Dots, DoubleEncoding, EncodedSemicolon, EncodedSlash, MalformedPercent,
        NotAbsolute, Nul, OverlongUtf8,
    };
    for (raw, problem) in [
        ("/a%2fb", EncodedSlash),
        ("/a%2Fb", EncodedSlash),
        ("/x;y=%2f/a", EncodedSlash),
        ("/a\\b", Backslash),
        ("/a%5cb", Backslash),
        ("/a;x=\\", Backslash),
        ("/%2e%2e/a", Dots),
        ("/.%2e/a", Dots),
        ("/%2E./a", Dots),
        ("/%2e/a", Dots),
        ("/..;/a", Dots),
        ("/..;x=1/a", Dots),
        ("/.;/a", Dots),
        ("/.../a", Dots),
        ("/..%20/a", Dots),
        ("/%20../a", Dots),
        ("/..%c2%a0/a", Dots),
        ("/\u{a0}../a", Dots),
        ("/..%3b/a", EncodedSemicolon),
        ("/approvals%3Bx", EncodedSemicolon),
        ("/a//../b", Dots),
        ("/a//./../b", Dots),
        ("/a//b/../../c", Dots),
        ("/a/;x/../b", Dots),
        ("/a%00", Nul),
        ("/a\0", Nul),
        ("/a%0d%0a", Control),
        ("/a%7f", Control),
        ("/a\n", Control),
        ("/a;x=%09", Control),
        ("/a%", MalformedPercent),
        ("/a%4", MalformedPercent),
        ("/a%zz", MalformedPercent),
        ("/a%+4", MalformedPercent),
        ("/%u0061", MalformedPercent),
        ("/a;x=%g0", MalformedPercent),
        ("/%252e%252e/a", DoubleEncoding),
        ("/a%252fb", DoubleEncoding),
        ("/a%255cb", DoubleEncoding),
        ("/a%253bb", DoubleEncoding),
        ("/a%2500", DoubleEncoding),
        ("/a%252500", DoubleEncoding),
        ("/%2561pprovals", DoubleEncoding),
        ("/%25c0%25ae", DoubleEncoding),
        ("/%c0%af", OverlongUtf8),
        ("/%c0%ae%c0%ae/", OverlongUtf8),
        ("/%e0%80%af", OverlongUtf8),
        ("/%f0%80%80%af", OverlongUtf8),
        ("/%f8%80%80%80%af", OverlongUtf8),
        ("/%fc%80%80%80%80%af", OverlongUtf8),
        ("a", NotAbsolute),
        ("", NotAbsolute),
        ("**", NotAbsolute),
        ("..", NotAbsolute),
    ] {
        refused(raw, problem);
    }
}

proptest! {
    #[test]
    fn a_normal_path_holds_nothing_that_could_be_resolved_again(raw in "/([a./;%=]|%2e|%61|%2f|%25|\\PC){0,12}") {
        if let Ok(path) = normalise(&raw) {
            let normal = path.as_str();
            prop_assert!(normal.starts_with('/'));
            prop_assert!(!normal.contains("//"));
            prop_assert!(!normal.contains('\\'));
            prop_assert!(!normal.contains(';'));
            prop_assert!(!normal.split('/').any(|segment| segment == "." || segment == ".."));
            prop_assert_eq!(path.differs(), normal != raw);
        }
    }

    #[test]
    fn encoding_a_letter_changes_nothing(name in "[a-z]{1,8}", at in 0usize..8) {
        let at = at % name.len();
        let letter = name.as_bytes()[at];
        let raw = format!("/{}%{letter:02x}{}", &name[..at], &name[at + 1..]);
        let path = normalise(&raw).unwrap();
        prop_assert_eq!(path.as_str(), format!("/{name}"));
        prop_assert!(path.differs());
    }

    #[test]
    fn any_text_is_judged_or_refused(raw in "\\PC*|[\\x00-\\x7f]*") {
        if let Err(problem) = normalise(&raw) {
            prop_assert!(problem.code().starts_with("path_"));
            prop_assert!(problem.sentence().ends_with('.'));
        }
    }
}
