//! How a name on the wire may be read.
//!
//! Servers disagree on names: ASP.NET ignores case, PHP turns `.`, space and `[` into `_`, decodes the
//! name and cuts it at NUL, RFC 2109 readers skip separators and `$` in front of it, others trim Latin-1
//! or Unicode white space, and Windows maps letters outside ASCII to the ASCII letters they resemble.
//! `reads_as` is true wherever one of them would take a name for the configured one. It may be true too
//! often: such a name is then one more id that must be alive, which is safe.

use std::borrow::Cow;

/// Whether some server could read `name` as `configured`.
pub(crate) fn reads_as(name: &[u8], configured: &str) -> bool {
    let configured = configured.as_bytes();
    if name
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    {
        return spells(name, configured);
    }
    let decoded = decode(name);
    let until_nul = decoded.split(|byte| *byte == 0).next().unwrap_or_default();
    let bare = trim(until_nul, is_skipped);
    let bare_ascii = trim(until_nul, |byte| is_skipped(byte) || !byte.is_ascii());
    [until_nul, bare, bare_ascii]
        .into_iter()
        .any(|reading| spells(reading, configured) || spells_in_utf8(reading, configured))
}

/// ASCII that some server skips around a name: white space, control characters, `$` and the separators of RFC 2616.
pub(crate) fn is_padding(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f || b"$\"(),/:;<=>?@[\\]{}".contains(&byte)
}

/// Padding, where `+` is an encoded space.
fn is_skipped(byte: u8) -> bool {
    is_padding(byte) || byte == b'+'
}

/// `text` without the bytes at both ends that `padding` names.
pub(crate) fn trim(text: &[u8], padding: impl Fn(u8) -> bool) -> &[u8] {
    let Some(start) = text.iter().position(|byte| !padding(*byte)) else {
        return &[];
    };
    let end = text
        .iter()
        .rposition(|byte| !padding(*byte))
        .map_or(start, |last| last + 1);
    &text[start..end]
}

/// Equal but for case and PHP's mangling; a byte outside ASCII may resemble any letter.
fn spells(name: &[u8], configured: &[u8]) -> bool {
    name.len() == configured.len()
        && name
            .iter()
            .zip(configured)
            .all(|(read, wanted)| !read.is_ascii() || fold(*read) == fold(*wanted))
}

fn spells_in_utf8(name: &[u8], configured: &[u8]) -> bool {
    let letters = String::from_utf8_lossy(name);
    let letters: Vec<u8> = letters
        .chars()
        .map(|letter| u8::try_from(letter).unwrap_or(0x80))
        .collect();
    spells(&letters, configured)
}

fn fold(byte: u8) -> u8 {
    match byte {
        b'.' | b' ' | b'[' | b'+' => b'_',
        other => other.to_ascii_lowercase(),
    }
}

/// Percent-decoded, once, with the `%uXXXX` that ASP.NET understands.
fn decode(name: &[u8]) -> Cow<'_, [u8]> {
    if !name.contains(&b'%') {
        return Cow::Borrowed(name);
    }
    let mut decoded = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            decoded.push(byte);
        } else if let Some(code) = after.get(..2).and_then(hex) {
            decoded.extend(u8::try_from(code));
            rest = &after[2..];
        } else if let Some(code) = after
            .strip_prefix(b"u")
            .and_then(|after| after.get(..4))
            .and_then(hex)
        {
            decoded.push(u8::try_from(code).unwrap_or(0xff));
            rest = &after[5..];
        } else {
            decoded.push(byte);
        }
    }
    Cow::Owned(decoded)
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |code, digit| {
        Some(code * 16 + char::from(*digit).to_digit(16)?)
    })
}

#[cfg(test)]
mod tests {
    use super::reads_as;

    #[test]
    fn a_name_is_known_in_every_disguise() {
        for (name, configured) in [
            ("JSESSIONID", "JSESSIONID"),
            ("jsessionid", "JSESSIONID"),
            ("$JSESSIONID", "JSESSIONID"),
            ("\"JSESSIONID\"", "JSESSIONID"),
            ("@JSESSIONID", "JSESSIONID"),
            ("%4aSESSIONID", "JSESSIONID"),
            ("%20JSESSIONID", "JSESSIONID"),
            ("+JSESSIONID", "JSESSIONID"),
            ("%u004aSESSIONID", "JSESSIONID"),
            ("%uff2aSESSIONID", "JSESSIONID"),
            ("PHPSESSID%00x", "PHPSESSID"),
            ("\u{a0}JSESSIONID", "JSESSIONID"),
            ("JSESSIONID\u{2003}", "JSESSIONID"),
            ("\u{feff}JSESSIONID", "JSESSIONID"),
            ("JSE\u{17f}SIONID", "JSESSIONID"),
            ("\u{ff2a}SESSIONID", "JSESSIONID"),
            ("%ef%bc%aaSESSIONID", "JSESSIONID"),
            ("my.session", "my_session"),
            ("my session", "my_session"),
            ("my[session", "my_session"),
            ("my+session", "my_session"),
            ("ASP_NET_SessionId", "ASP.NET_SessionId"),
            ("..Host-sid", "__Host-sid"),
            ("_ASPXAUTH", ".ASPXAUTH"),
        ] {
            assert!(reads_as(name.as_bytes(), configured), "{name:?}");
        }
        for padded in [
            b"\xa0JSESSIONID".as_slice(),
            b"\x85JSESSIONID",
            b"JSESSIONID\xa0",
            b"JS\xc5SSIONID",
        ] {
            assert!(reads_as(padded, "JSESSIONID"), "{padded:?}");
        }
    }

    #[test]
    fn another_name_is_another_name() {
        for name in [
            "",
            "JSESSIONI",
            "JSESSIONIDX",
            "XJSESSIONID",
            "JSESSION-ID",
            "JSESSIONIDSSO",
            "%4SESSIONID",
            "%zzJSESSIONID",
            "größe",
            "%",
            "%u",
            "%u00",
        ] {
            assert!(!reads_as(name.as_bytes(), "JSESSIONID"), "{name:?}");
        }
    }
}
