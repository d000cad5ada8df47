//! Servers that read cookies, targets and credentials each in their own way.

use percent_encoding::percent_decode;

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
            .unwrap_or_default()
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
pub(super) fn found(headers: &[Vec<u8>], name: &str) -> Vec<(&'static str, Vec<u8>)> {
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

/// Tomcat (raw path parameters), a server that decodes first, PHP's search of the whole target, and query
/// readers that cut at `&` alone or at `;` too.
pub(super) fn found_in_target(target: &str) -> Vec<String> {
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

/// One scheme and its value, or a list of them.
pub(super) fn credentials(header: &str) -> Vec<String> {
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
