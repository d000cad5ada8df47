//! Logins: what is believed of one is what every server reads.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::SystemTime;

use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode, response};
use serde_json::Value;

use crate::config::app::{App, LoginRecipe};
use crate::config::{Config, load};
use crate::domain::session::USER_BYTES_MAX;
use crate::proxy::answer_cookies::AnswerCookies;
use crate::proxy::extracted::Extracted;
use crate::proxy::form::Fields;
use crate::proxy::json::Json;
use crate::proxy::recipe::{AnswerView, RequestView, attempt};
use crate::routing::query::{Met, has};

use super::wire;

const FIELD: &str = "j_username";

/// A query, a media type, and the body of a login, in lines.
pub fn forms(bytes: &[u8]) {
    let (query, rest) = wire::first_line(bytes);
    let (kind, body) = wire::first_line(rest);
    let Ok((mut parts, ())) = Request::post([b"/?", query].concat())
        .body(())
        .map(Request::into_parts)
    else {
        return;
    };
    let Ok(kind) = HeaderValue::from_bytes(kind) else {
        return;
    };
    if !kind.is_empty() {
        parts.headers.append(CONTENT_TYPE, kind);
    }
    let query = parts.uri.query().unwrap_or_default().as_bytes();
    let fields = Fields::of(&parts, body);
    let in_form = fields.in_form(FIELD);
    all_read(&in_form, [body, query], &parts);
    if in_form != Extracted::Malformed {
        all_read(&fields.in_query(FIELD), [query, body], &parts);
    }
}

/// What is believed of the first text is what every server finds, whichever of both it prefers.
fn all_read(believed: &Extracted, [here, elsewhere]: [&[u8]; 2], parts: &Parts) {
    let context = || format!("{parts:?} {:?}", String::from_utf8_lossy(here));
    match believed {
        Extracted::Malformed => {}
        Extracted::Absent => {
            for reader in READERS {
                assert!(
                    values(here, reader).is_empty(),
                    "{reader:?} finds one in {}",
                    context()
                );
            }
        }
        Extracted::Values(values_read) => {
            let [value] = &values_read[..] else {
                panic!("a field has one value")
            };
            for reader in READERS {
                let (ours, others) = (values(here, reader), values(elsewhere, reader));
                let merged = [&ours[..], &others].concat();
                let ends = [ours.first(), ours.last(), merged.first(), merged.last()];
                assert_eq!(ends, [Some(value); 4], "{reader:?} in {}", context());
            }
        }
    }
}

/// How a server reads the fields of a query or a form.
#[derive(Debug, Clone, Copy)]
struct Reader {
    separators: &'static [u8],
    names: Names,
}

#[derive(Debug, Clone, Copy)]
enum Names {
    Exact,
    /// ASP.NET.
    InAnyCase,
    /// PHP makes `_` of what cannot stand in a variable's name.
    Mangled,
}

const READERS: [Reader; 6] = {
    const AMPERSAND: &[u8] = b"&";
    const BOTH: &[u8] = b"&;";
    const fn reader(separators: &'static [u8], names: Names) -> Reader {
        Reader { separators, names }
    }
    [
        reader(AMPERSAND, Names::Exact),
        reader(AMPERSAND, Names::InAnyCase),
        reader(AMPERSAND, Names::Mangled),
        reader(BOTH, Names::Exact),
        reader(BOTH, Names::InAnyCase),
        reader(BOTH, Names::Mangled),
    ]
};

fn values(text: &[u8], reader: Reader) -> Vec<String> {
    values_of(text, FIELD, reader)
}

fn values_of(text: &[u8], wanted: &str, reader: Reader) -> Vec<String> {
    let fields = text.split(|byte| reader.separators.contains(byte));
    let decoded = fields.filter_map(|field| form_urlencoded::parse(field).next());
    let is_wanted = |name: &str| match reader.names {
        Names::Exact => name == wanted,
        Names::InAnyCase => name.eq_ignore_ascii_case(wanted),
        Names::Mangled => mangled(name) == mangled(wanted),
    };
    let wanted = decoded.filter(|(name, _)| is_wanted(name));
    wanted.map(|(_, value)| value.into_owned()).collect()
}

fn mangled(name: &str) -> String {
    let name = name.split('\0').next().unwrap_or_default();
    name.trim_start_matches(' ').replace([' ', '.', '['], "_")
}

/// A query of which `action=login` is a condition.
pub fn query(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    for value in [Some("login"), None] {
        let met = has(text, "action", value);
        for reader in READERS {
            let found = values_of(bytes, "action", reader);
            let fits = |found: Option<&String>| {
                found.is_some_and(|found| value.is_none_or(|value| found == value))
            };
            let read = [fits(found.first()), fits(found.last())];
            match met {
                Met::Everywhere => assert_eq!(read, [true; 2], "{reader:?} in {text:?}"),
                Met::Nowhere => assert_eq!(read, [false; 2], "{reader:?} in {text:?}"),
                Met::Somewhere => {}
            }
        }
    }
}

/// A body: what is said is what others read, and no object has a key that two readings share.
pub fn json(bytes: &[u8]) {
    let known = serde_json::from_slice::<Value>(bytes).ok();
    match Json::read(bytes) {
        Json::Said(value) => {
            has_no_twins(&value);
            assert_eq!(Some(value), known);
        }
        Json::None => assert_eq!(known, None),
        Json::Doubtful => {}
    }
}

fn has_no_twins(value: &Value) {
    match value {
        Value::Object(members) => {
            let folded: BTreeSet<String> =
                members.keys().map(|key| key.to_ascii_lowercase()).collect();
            assert_eq!(folded.len(), members.len(), "{value}");
            members.values().for_each(has_no_twins);
        }
        Value::Array(items) => items.iter().for_each(has_no_twins),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// An app that is logged in to in four ways.
const POLICY: &str = r#"
    listeners = [{ address = "127.0.0.1:0", trusted_proxies = ["10.0.0.0/8"] }]
    roles.buyer = { idle = "15m", absolute = "8h", users = ["buyer-1"] }

    [[apps]]
    name = "shop"
    upstreams = ["http://127.0.0.1:1"]
    session = { id = "cookie:SID" }

    [[apps.logins]]
    path = "/form"
    user = "form:j_username"
    success = { status = [302, 303], location_not = "/form*" }

    [[apps.logins]]
    path = "/json"
    json = { "/password" = "*" }
    user = "json:/users/0/name"
    groups = "answer-json:/groups"
    success = { json = { "/ok" = true } }

    [[apps.logins]]
    path = "/header"
    user = "header:x-user"
    groups = "answer-header:x-groups"
    success = { header = { x-ok = "1" } }

    [[apps.logins]]
    path = "/cookie"
    user = "answer-cookie:USER@:@1"
    success = { cookie = "USER", location = "/home*" }
    "#;

/// The recipe above whose user stands in a form, and the one whose user a proxy tells.
const BY_FORM: usize = 0;
const BY_HEADER: usize = 2;

static CONFIG: LazyLock<Config> = LazyLock::new(|| match load::parse_alone(POLICY, "fuzz.toml") {
    Ok(loaded) => loaded.config,
    Err(faults) => panic!("{faults}"),
});

/// A request and, behind a line of `--`, its answer: whatever they hold, what is told of the user is bounded,
/// and nobody believes of a client what only a proxy may say.
pub fn login(bytes: &[u8]) {
    let cut = bytes.windows(4).position(|window| window == b"\n--\n");
    let (request, answer) = match cut {
        Some(at) => (&bytes[..at], &bytes[at + 4..]),
        None => (bytes, &b""[..]),
    };
    let Some((parts, body)) = wire::request(request) else {
        return;
    };
    let Some((answer_parts, answer_body)) = answered(answer) else {
        return;
    };
    let app = &CONFIG.apps[0];
    let names = ["SID".to_owned(), "USER".to_owned()];
    let cookies = AnswerCookies::read(&answer_parts.headers, &names, parts.uri.path(), || {
        SystemTime::UNIX_EPOCH
    });
    let json: Option<Value> = serde_json::from_slice(answer_body).ok();
    let answer = AnswerView {
        parts: &answer_parts,
        cookies: &cookies,
        asked_path: parts.uri.path(),
        json: json.as_ref(),
    };
    for is_trusted in [false, true] {
        let view = RequestView {
            parts: &parts,
            body,
            is_trusted,
        };
        (0..app.logins.len()).for_each(|recipe| tells_a_user(app, recipe, &view, &answer));
    }
}

fn answered(bytes: &[u8]) -> Option<(response::Parts, &[u8])> {
    let (head, body) = wire::head_and_body(bytes);
    let (line, headers) = wire::first_line(head);
    let (mut parts, ()) = Response::new(()).into_parts();
    parts.status = StatusCode::from_bytes(line).ok()?;
    parts.headers = wire::header_lines(headers)?;
    Some((parts, body))
}

fn tells_a_user(app: &App, index: usize, request: &RequestView<'_>, answer: &AnswerView<'_>) {
    let recipe: &LoginRecipe = &app.logins[index];
    let Some(attempt) = attempt(&app.logins, &[index], request) else {
        assert!(!recipe.json.is_empty(), "only a body tells recipes apart");
        return;
    };
    assert_eq!(attempt.recipe, index);
    let told = attempt.told(recipe, answer);
    if let Some(user) = &told.user {
        assert!(
            user.as_str().len() <= USER_BYTES_MAX && !user.as_str().chars().any(char::is_control)
        );
    }
    assert!(told.groups.len() <= 64 && told.groups.iter().all(|group| group.len() <= 128));
    assert!(!told.malformed || told.groups.is_empty());
    assert!(
        told.user.is_some() || told.malformed,
        "nobody logs in unnamed and unnoticed"
    );
    if index == BY_HEADER && !request.is_trusted {
        assert_eq!(told.user, None);
    }
    if let (BY_FORM, Some(user)) = (index, &told.user) {
        let query = request.parts.uri.query().unwrap_or_default().as_bytes();
        let value = Extracted::Values(vec![user.as_str().to_owned()]);
        all_read(&value, [request.body, query], request.parts);
    }
    let [old, new] = [false, true].map(|new_id| answer.tells_success(&recipe.success, new_id));
    assert!(new || !old, "a new id makes no login fail");
}
