//! The path: whatever a server makes of one that was accepted, it was judged as that or as stricter.

use percent_encoding::percent_decode;

use crate::routing::path::{NormalPath, normalise};

/// What the rule that every reading is tried with protects.
const PROTECTED: &str = "approvals";

/// Any path is refused, or read by no server as something that was judged more loosely.
pub fn path(bytes: &[u8]) {
    let Ok(raw) = str::from_utf8(bytes) else {
        return;
    };
    let normal = match normalise(raw) {
        Ok(normal) => normal,
        Err(problem) => {
            assert!(problem.code().starts_with("path_") && problem.sentence().ends_with('.'));
            return;
        }
    };
    is_resolved(raw, &normal);
    if raw == "*" {
        return;
    }
    let judged = segments_of_text(normal.as_str());
    for (server, read) in [
        ("Tomcat", tomcat as Server),
        (
            "one that resolves dots before it merges slashes",
            dots_first,
        ),
        (
            "one that merges slashes before it resolves dots",
            slashes_first,
        ),
    ] {
        assert_eq!(read(bytes), judged, "{server} reads {raw:?} otherwise");
    }
    for (server, read) in [
        ("one that decodes twice", twice as Server),
        ("one that takes overlong UTF-8", overlong),
        ("one that takes backslashes for slashes", backslashes),
    ] {
        let reached = read(bytes).first().is_some_and(|name| name == PROTECTED);
        let is_judged = judged.first().is_some_and(|name| name == PROTECTED);
        assert!(
            !reached || is_judged,
            "{server} reaches {PROTECTED} by {raw:?}"
        );
    }
}

/// Nothing is left that could be resolved once more.
fn is_resolved(raw: &str, normal: &NormalPath<'_>) {
    let path = normal.as_str();
    assert_eq!(normal.differs(), path != raw, "{raw:?}");
    assert!(path == "*" || path.starts_with('/'), "{raw:?}");
    assert!(!path.contains("//"), "{raw:?}");
    assert!(!path.contains(['\\', ';']), "{raw:?}");
    assert!(!path.bytes().any(|byte| byte.is_ascii_control()), "{raw:?}");
    assert!(
        !path.split('/').any(|name| name == "." || name == ".."),
        "{raw:?}"
    );
    // A percent sign in a normal path stands for itself, and would be read once more.
    if !path.contains('%') {
        let again = normalise(path).map(|again| again.as_str().to_owned());
        assert_eq!(again.as_deref(), Ok(path), "{raw:?}");
    }
}

/// From a raw path to the names on the way to what a server serves.
type Server = fn(&[u8]) -> Vec<String>;

/// Removes parameters, decodes, merges slashes, resolves dots.
fn tomcat(raw: &[u8]) -> Vec<String> {
    resolved(&merged(&decoded(&without_parameters(raw))))
}

fn dots_first(raw: &[u8]) -> Vec<String> {
    merged_names(resolved_with_empty(&decoded(&without_parameters(raw))))
}

/// Like nginx, which knows no parameters.
fn slashes_first(raw: &[u8]) -> Vec<String> {
    let names = resolved(&merged(&decoded(raw)));
    let bare = names
        .iter()
        .map(|name| name.split(';').next().unwrap_or(""));
    merged_names(bare.map(str::to_owned).collect())
}

fn twice(raw: &[u8]) -> Vec<String> {
    resolved(&merged(&without_parameters(&decoded(&decoded(raw)))))
}

fn overlong(raw: &[u8]) -> Vec<String> {
    resolved(&merged(&shortened(&decoded(&without_parameters(raw)))))
}

fn backslashes(raw: &[u8]) -> Vec<String> {
    let mut path = decoded(&without_parameters(raw));
    for byte in path.iter_mut().filter(|byte| **byte == b'\\') {
        *byte = b'/';
    }
    resolved(&merged(&path))
}

fn decoded(path: &[u8]) -> Vec<u8> {
    percent_decode(path).collect()
}

fn without_parameters(path: &[u8]) -> Vec<u8> {
    let segments = path.split(|byte| *byte == b'/');
    let names = segments.map(|segment| segment.split(|byte| *byte == b';').next().unwrap_or(b""));
    names.collect::<Vec<_>>().join(&b'/')
}

fn merged(path: &[u8]) -> Vec<u8> {
    let names = path
        .split(|byte| *byte == b'/')
        .filter(|name| !name.is_empty());
    names.collect::<Vec<_>>().join(&b'/')
}

fn merged_names(mut names: Vec<String>) -> Vec<String> {
    names.retain(|name| !name.is_empty());
    names
}

fn resolved(path: &[u8]) -> Vec<String> {
    merged_names(resolved_with_empty(path))
}

fn resolved_with_empty(path: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"." => {}
            b".." => drop(names.pop()),
            name => names.push(text(name)),
        }
    }
    names
}

/// UTF-8 as readers before RFC 3629 decode it: of up to six bytes, and of more than it takes.
fn shortened(path: &[u8]) -> Vec<u8> {
    let mut read = Vec::new();
    let mut rest = path;
    while let Some((&lead, after)) = rest.split_first() {
        let (more, bits) = match lead {
            0xc0..=0xdf => (1, lead & 0x1f),
            0xe0..=0xef => (2, lead & 0x0f),
            0xf0..=0xf7 => (3, lead & 0x07),
            0xf8..=0xfb => (4, lead & 0x03),
            0xfc..=0xfd => (5, lead & 0x01),
            _ => (0, 0),
        };
        let tail = after.get(..more).unwrap_or_default();
        let is_sequence = more > 0 && tail.len() == more && tail.iter().all(|b| b & 0xc0 == 0x80);
        let code = tail.iter().fold(u32::from(bits), |code, byte| {
            code << 6 | u32::from(byte & 0x3f)
        });
        match u8::try_from(code) {
            Ok(ascii) if is_sequence && ascii.is_ascii() => {
                read.push(ascii);
                rest = &after[more..];
            }
            _ => {
                read.push(lead);
                rest = after;
            }
        }
    }
    read
}

fn segments_of_text(path: &str) -> Vec<String> {
    let names = path.split('/').filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

/// As a normal path spells it: bytes that are no UTF-8 stay encoded.
fn text(name: &[u8]) -> String {
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| format!("%{byte:02X}")));
    }
    text
}
