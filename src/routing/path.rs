//! The form of a path on which access is judged.
//!
//! Percent-decoded once, path parameters removed, slashes merged, dot segments resolved and never above
//! the root. What servers are known to read in different ways is refused, so that no reading of an
//! accepted path can reach a place that was judged as another:
//!
//! - encoded `/`, `\`, `;`, NUL and other control characters, and a raw `\`;
//! - a dot segment that only decoding reveals, that carries a path parameter, or that Windows would make
//!   of dots and spaces;
//! - `..` after an empty segment: servers that merge slashes first drop another segment than those that do not;
//! - a percent sign that was encoded itself, where decoding twice gives one of the above, or a plain letter
//!   or digit that nobody needs to encode;
//! - overlong UTF-8 and a malformed `%`.
//!
//! Other bytes that are no UTF-8 are allowed, since old apps write paths in Latin-1. They stay encoded.

use std::borrow::Cow;

/// A path as access rules see it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NormalPath<'a> {
    path: Cow<'a, str>,
    differs: bool,
}

impl NormalPath<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.path
    }

    /// Whether the path was spelled otherwise; the stricter access of both spellings then holds.
    pub(crate) fn differs(&self) -> bool {
        self.differs
    }
}

/// Why a path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PathProblem {
    NotAbsolute,
    EncodedSlash,
    Backslash,
    EncodedSemicolon,
    Nul,
    Control,
    Dots,
    MalformedPercent,
    DoubleEncoding,
    OverlongUtf8,
}

impl PathProblem {
    /// The machine-readable name of the problem.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::NotAbsolute => "path_not_absolute",
            Self::EncodedSlash => "path_encoded_slash",
            Self::Backslash => "path_backslash",
            Self::EncodedSemicolon => "path_encoded_semicolon",
            Self::Nul => "path_nul",
            Self::Control => "path_control_character",
            Self::Dots => "path_ambiguous_dots",
            Self::MalformedPercent => "path_malformed_percent",
            Self::DoubleEncoding => "path_double_encoding",
            Self::OverlongUtf8 => "path_overlong_utf8",
        }
    }

    /// What to tell the client.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::NotAbsolute => "The path does not begin with a slash.",
            Self::EncodedSlash => {
                "The path holds an encoded slash, which servers read in different ways."
            }
            Self::Backslash => "The path holds a backslash, which servers read in different ways.",
            Self::EncodedSemicolon => {
                "The path holds an encoded semicolon, which servers read in different ways."
            }
            Self::Nul => "The path holds a NUL character.",
            Self::Control => "The path holds a control character.",
            Self::Dots => "The path holds dots that servers resolve in different ways.",
            Self::MalformedPercent => {
                "The path holds a percent sign without two hexadecimal digits."
            }
            Self::DoubleEncoding => "The path is percent-encoded twice.",
            Self::OverlongUtf8 => "The path holds an overlong UTF-8 sequence.",
        }
    }
}

/// The normal form of `raw_path`, which is the path as it was sent, without the query.
/// A plain path is borrowed; `*` stays what it is.
pub(crate) fn normalise(raw_path: &str) -> Result<NormalPath<'_>, PathProblem> {
    if is_plain(raw_path) {
        return Ok(NormalPath {
            path: Cow::Borrowed(raw_path),
            differs: false,
        });
    }
    let Some(relative) = raw_path.strip_prefix('/') else {
        return Err(PathProblem::NotAbsolute);
    };
    let mut built = Builder::default();
    for raw_segment in relative.split('/') {
        built.push(raw_segment)?;
    }
    let path = built.finish();
    let differs = path != raw_path;
    Ok(NormalPath {
        path: Cow::Owned(path),
        differs,
    })
}

/// Whether nothing in the path needs a second look. `/.` is looked at again although most such paths are plain.
fn is_plain(path: &str) -> bool {
    if !path.starts_with('/') {
        return path == "*";
    }
    let mut after_slash = false;
    path.bytes().all(|byte| {
        let plain = match byte {
            b'%' | b';' | b'\\' | 0..=0x1f | 0x7f => false,
            b'/' | b'.' | b' ' | 0x80.. => !after_slash,
            _ => true,
        };
        after_slash = byte == b'/';
        plain
    })
}

/// The segments so far. Empty ones are kept until the end, to notice a `..` that would drop one.
#[derive(Default)]
struct Builder {
    segments: Vec<String>,
    ends_in_slash: bool,
}

impl Builder {
    fn push(&mut self, raw_segment: &str) -> Result<(), PathProblem> {
        let (raw_name, parameters) = match raw_segment.split_once(';') {
            Some((name, parameters)) => (name, Some(parameters)),
            None => (raw_segment, None),
        };
        if let Some(parameters) = parameters {
            decode(parameters)?;
        }
        let name = decode(raw_name)?;
        let only_dots = name.contains('.') && name.chars().all(|c| c == '.' || c.is_whitespace());
        self.ends_in_slash = name.is_empty() || only_dots;
        if !only_dots {
            self.segments.push(name);
            return Ok(());
        }
        match (raw_name, parameters) {
            (".", None) => Ok(()),
            ("..", None) => match self.segments.pop() {
                Some(dropped) if dropped.is_empty() => Err(PathProblem::Dots),
                _ => Ok(()),
            },
            _ => Err(PathProblem::Dots),
        }
    }

    fn finish(self) -> String {
        let mut path = String::new();
        for name in self.segments.iter().filter(|name| !name.is_empty()) {
            path.push('/');
            path.push_str(name);
        }
        if self.ends_in_slash || path.is_empty() {
            path.push('/');
        }
        path
    }
}

/// Decodes once. Bytes that are no UTF-8 come back as `%XX`, so that the result is text.
fn decode(raw: &str) -> Result<String, PathProblem> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let encoded = hex_pair(rest).ok_or(PathProblem::MalformedPercent)?;
            rest = &rest[2..];
            refuse_encoded(encoded, rest)?;
            bytes.push(encoded);
        } else {
            refuse_raw(byte)?;
            bytes.push(byte);
        }
    }
    if is_overlong(&bytes) {
        return Err(PathProblem::OverlongUtf8);
    }
    Ok(text_of(&bytes))
}

fn refuse_raw(byte: u8) -> Result<(), PathProblem> {
    match byte {
        b'\\' => Err(PathProblem::Backslash),
        0 => Err(PathProblem::Nul),
        0x01..=0x1f | 0x7f => Err(PathProblem::Control),
        _ => Ok(()),
    }
}

fn refuse_encoded(byte: u8, after: &[u8]) -> Result<(), PathProblem> {
    match byte {
        b'/' => Err(PathProblem::EncodedSlash),
        b';' => Err(PathProblem::EncodedSemicolon),
        b'%' if hex_pair(after).is_some_and(is_dangerous_twice) => Err(PathProblem::DoubleEncoding),
        _ => refuse_raw(byte),
    }
}

/// 0xc0 and 0xc1 begin nothing but overlong sequences.
fn is_dangerous_twice(byte: u8) -> bool {
    matches!(
        byte,
        b'/' | b'\\' | b'.' | b';' | b'%' | 0..=0x1f | 0x7f | 0xc0 | 0xc1
    ) || byte.is_ascii_alphanumeric()
}

fn hex_pair(text: &[u8]) -> Option<u8> {
    let digit = |index: usize| char::from(*text.get(index)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

/// A lead byte and a continuation that spell a shorter character in more bytes (RFC 3629 section 3); of five
/// and six too, which readers of RFC 2279 still take.
fn is_overlong(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| {
        matches!(
            pair,
            [0xc0 | 0xc1, 0x80..=0xbf]
                | [0xe0, 0x80..=0x9f]
                | [0xf0, 0x80..=0x8f]
                | [0xf8, 0x80..=0x87]
                | [0xfc, 0x80..=0x83]
        )
    })
}

fn text_of(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests;
