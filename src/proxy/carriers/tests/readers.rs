//! Servers that read cookies, targets and credentials each in their own way, and the promise against all of
//! them: if all presented ids are alive, none of them finds another; after a strip, none finds any.

use http::{HeaderValue, Request, request::Parts};
use percent_encoding::percent_decode;
use proptest::{
    collection::vec,
    prelude::{Strategy, prop_assert, prop_oneof, proptest},
    sample::select,
};

use super::{Strip, presented, shape, strip};

type Values = Vec<Vec<u8>>;
type Reader = fn(&[u8], &str) -> Values;

fn unquoted(value: &[u8]) -> Vec<u8> {
    let value = value.trim_ascii();
    value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""))
        .unwrap_or(value)
        .to_vec()
}

/// Node, Go, new Tomcat: cut at `;`, exact names.
fn rfc6265(header: &[u8], name: &str) -> Values {
    let pairs = header.split(|byte| *byte == b';').filter_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        (pair[..at].trim_ascii() == name.as_bytes()).then(|| unquoted(&pair[at + 1..]))
    });
    pairs.collect()
}

/// PHP: the name is decoded, cut at NUL and mangled; so is the value, which is decoded.
fn php(header: &[u8], name: &str) -> Values {
    let mangle = |name: &[u8]| -> Vec<u8> {
        let name = name
            .split(|byte| *byte == 0)
            .next()
            .unwrap()
            .trim_ascii_start();
        name.iter()
            .map(|byte| if b" .[".contains(byte) { b'_' } else { *byte })
            .collect()
    };
    let pairs = header.split(|byte| *byte == b';').filter_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let plus: Vec<u8> = pair[..at]
            .iter()
            .map(|byte| if *byte == b'+' { b' ' } else { *byte })
            .collect();
        let read: Vec<u8> = percent_decode(&plus).collect();
        (mangle(&read) == mangle(name.as_bytes()))
            .then(|| unquoted(&percent_decode(&pair[at + 1..]).collect::<Vec<_>>()))
    });
    pairs.collect()
}

/// ASP.NET: cut at `;` and `,`, no case, Latin-1 white space trimmed.
fn asp_net(header: &[u8], name: &str) -> Values {
    let blank = |letter: char| letter.is_whitespace();
    let text: String = header.iter().map(|byte| char::from(*byte)).collect();
    let pairs = text.split([';', ',']).filter_map(|pair| {
        let (read, value) = pair.split_once('=')?;
        let value: Vec<u8> = value
            .trim_matches(blank)
            .chars()
            .map(|letter| letter as u8)
            .collect();
        read.trim_matches(blank)
            .eq_ignore_ascii_case(name)
            .then(|| unquoted(&value))
    });
    pairs.collect()
}

/// Old Tomcat: separators before a name are skipped, quoted values with escapes hide what they hold, and
/// pairs end at `;` and `,`.
fn rfc2109(header: &[u8], name: &str) -> Values {
    let separator = |byte: u8| byte <= b' ' || b"\"(),/:;<=>?@[\\]{}".contains(&byte);
    let skip = |mut at: usize, wanted: &dyn Fn(u8) -> bool| {
        while header.get(at).is_some_and(|byte| wanted(*byte)) {
            at += 1;
        }
        at
    };
    let (mut at, mut found) = (0, Values::new());
    while at < header.len() {
        let start = skip(at, &|byte| separator(byte) || byte == b'$');
        at = skip(start, &|byte| !separator(byte));
        let read = &header[start..at];
        at = skip(at, &|byte| byte <= b' ');
        let mut value = Vec::new();
        if header.get(at) == Some(&b'=') {
            at = skip(at + 1, &|byte| byte <= b' ');
            if header.get(at) == Some(&b'"') {
                at += 1;
                while at < header.len() && header[at] != b'"' {
                    at += usize::from(header[at] == b'\\' && at + 1 < header.len());
                    value.push(header[at]);
                    at += 1;
                }
            } else {
                let end = skip(at, &|byte| !b";, \t".contains(&byte));
                value = header[at..end].to_vec();
            }
        }
        if read.eq_ignore_ascii_case(name.as_bytes()) {
            found.push(value);
        }
        at = skip(at, &|byte| byte != b';' && byte != b',') + 1;
    }
    found
}

/// Python 2: looks for the next `key=value` anywhere; a value ends at whatever cannot stand in it.
fn python(header: &[u8], name: &str) -> Values {
    let legal =
        |byte: u8| byte.is_ascii_alphanumeric() || b"!#%&'~_`><@,:/$*+-.^|)(?}{=".contains(&byte);
    let run = |from: usize, wanted: &dyn Fn(u8) -> bool| {
        from + header[from..]
            .iter()
            .take_while(|byte| wanted(**byte))
            .count()
    };
    let (mut at, mut found) = (0, Values::new());
    while at < header.len() {
        let end = run(at, &|byte| legal(byte) && byte != b'=');
        let sign = run(end, &|byte| byte.is_ascii_whitespace());
        if end == at || header.get(sign) != Some(&b'=') {
            at = end.max(at + 1);
            continue;
        }
        let start = run(sign + 1, &|byte| byte.is_ascii_whitespace());
        let closing = header
            .get(start)
            .filter(|byte| **byte == b'"')
            .and_then(|_| {
                header[start + 1..]
                    .iter()
                    .position(|byte| *byte == b'"')
                    .map(|offset| start + offset + 2)
            });
        let stop = closing.unwrap_or_else(|| run(start, &legal));
        if &header[at..end] == name.as_bytes() {
            found.push(unquoted(&header[start..stop]));
        }
        at = stop.max(at + 1);
    }
    found
}

/// Each with what it joins several Cookie headers by: a comma where it also cuts at commas.
const READERS: [(&str, Reader, &[u8]); 5] = [
    ("rfc6265", rfc6265, b"; "),
    ("php", php, b"; "),
    ("asp_net", asp_net, b", "),
    ("rfc2109", rfc2109, b", "),
    ("python", python, b"; "),
];

/// What each reader finds in each header, and in all of them joined.
fn found(headers: &[Vec<u8>], name: &str) -> Vec<(&'static str, Vec<u8>)> {
    let mut found = Vec::new();
    for (reader, read, joint) in READERS {
        let texts = headers.iter().cloned().chain([headers.join(joint)]);
        found.extend(
            texts
                .flat_map(|text| read(&text, name))
                .map(|value| (reader, value)),
        );
    }
    found.retain(|(_, value)| !value.is_empty());
    found
}

fn parts(target: &str, name: &str, values: &[Vec<u8>]) -> Option<Parts> {
    let mut request = Request::builder().uri(target);
    for value in values {
        request = request.header(name, HeaderValue::from_bytes(value).ok()?);
    }
    Some(request.body(()).ok()?.into_parts().0)
}

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
    fn no_cookie_reader_finds_what_was_not_presented(headers in vec(hostile_cookie(NAMES), 1..3)) {
        let Some(parts) = parts("/", "cookie", &headers) else { return Ok(()) };
        let Ok(presented) = presented(&parts, &shape(&["cookie:my_sid"])) else { return Ok(()) };
        if presented.ids.iter().all(|id| id.as_bytes() == b"LIVE") {
            for (reader, value) in found(&headers, "my_sid") {
                prop_assert!(!presented.ids.is_empty() && value == b"LIVE", "{} finds {:?} in {:?}", reader, value, headers);
            }
        }
    }

    #[test]
    fn no_cookie_reader_finds_an_id_after_a_strip(headers in vec(hostile_cookie(NAMES), 1..3)) {
        let Some(mut parts) = parts("/", "cookie", &headers) else { return Ok(()) };
        strip(&mut parts, &shape(&["cookie:my_sid"]), Strip::Session);
        let left: Vec<Vec<u8>> = parts.headers.get_all("cookie").iter().map(|header| header.as_bytes().to_vec()).collect();
        let found = found(&left, "my_sid");
        prop_assert!(found.is_empty(), "{:?} in {:?}", found, left);
    }

    #[test]
    fn no_server_finds_an_id_in_the_target_that_was_not_presented(target in hostile_target()) {
        let Some(mut parts) = parts(&target, "x", &[]) else { return Ok(()) };
        let shape = shape(&["path:sid", "query:sid"]);
        let Ok(presented) = presented(&parts, &shape) else { return Ok(()) };
        if presented.ids.iter().all(|id| id.as_bytes() == b"LIVE") {
            for value in found_in_target(&target) {
                prop_assert!(value == "LIVE", "finds {:?} in {:?}", value, target);
            }
        }
        strip(&mut parts, &shape, Strip::Session);
        let left = parts.uri.to_string();
        prop_assert!(found_in_target(&left).is_empty(), "{:?} in {:?}, once {:?}", found_in_target(&left), left, target);
    }

    #[test]
    fn a_target_without_ids_is_left_alone(target in "/[a-z/;=&%2]{0,20}(\\?[a-z&;=/?]{0,20})?") {
        let Some(mut parts) = parts(&target, "x", &[]) else { return Ok(()) };
        let before = parts.uri.clone();
        strip(&mut parts, &shape(&["path:SID0", "query:SID0"]), Strip::Session);
        prop_assert!(parts.uri == before);
    }

    #[test]
    fn no_server_finds_credentials_that_were_not_presented(header in hostile_authorization()) {
        let Some(mut parts) = parts("/", "authorization", &[header.clone().into_bytes()]) else { return Ok(()) };
        let mut shape = shape(&["authorization:Token"]);
        let presented = presented(&parts, &shape).unwrap();
        if presented.ids.iter().all(|id| id.as_bytes() == b"LIVE") {
            prop_assert!(credentials(&header).iter().all(|value| value == "LIVE"), "{:?}", header);
        }
        shape.authorization = super::AuthorizationRule::Pass;
        strip(&mut parts, &shape, Strip::Session);
        let left: Vec<&HeaderValue> = parts.headers.get_all("authorization").iter().collect();
        prop_assert!(left.is_empty() || credentials(&header).is_empty(), "{:?}", header);
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

/// Tomcat (raw path parameters), a server that decodes first, PHP's search of the whole target, and query
/// readers that cut at `&` alone or at `;` too.
fn found_in_target(target: &str) -> Vec<String> {
    let decoded = |text: &str| {
        String::from_utf8_lossy(&percent_decode(text.as_bytes()).collect::<Vec<_>>()).into_owned()
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut found = Vec::new();
    let mut read = |piece: &str| {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        if decoded(name).eq_ignore_ascii_case("sid") {
            found.push(decoded(value));
        }
    };
    for segment in path.split('/') {
        segment.split(';').skip(1).for_each(&mut read);
        segment
            .replace("%3b", ";")
            .replace("%3B", ";")
            .split(';')
            .skip(1)
            .for_each(&mut read);
    }
    let query = query.replace('+', " ");
    query.split('&').for_each(&mut read);
    query.split(['&', ';']).for_each(&mut read);
    if let Some((_, after)) = target
        .split_once("sid")
        .and_then(|(before, after)| Some((before, after.strip_prefix('=')?)))
        && let Some(end) = after.find(['/', '?', '\\'])
        && !query.is_empty()
        && found.is_empty()
    {
        found.push(after[..end].to_owned());
    }
    found.retain(|value| !value.is_empty());
    found
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

/// One scheme and its value, or a list of them.
fn credentials(header: &str) -> Vec<String> {
    let read = |text: &str| {
        let (scheme, value) = text.trim().split_once(char::is_whitespace)?;
        let value = value.trim().trim_matches('"').to_owned();
        (scheme.eq_ignore_ascii_case("Token") && !value.is_empty()).then_some(value)
    };
    read(header)
        .into_iter()
        .chain(header.split(',').skip(1).filter_map(read))
        .collect()
}
