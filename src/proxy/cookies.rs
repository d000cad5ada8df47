//! Cookies of a request, as the most lenient of servers reads them.
//!
//! A header is cut at every `;`, inside quotes too, and a pair is known by every name that some server
//! could read into it (`names`). So whatever follows a `;` is seen, as RFC 6265 readers see it, and a
//! look-alike counts as one more id: it must be alive like the others. What only other readers see, a name
//! behind a comma, a quote, a bracket or white space within a pair (RFC 2109, Python), is *hidden*: the caller
//! refuses the request, since nobody can say which cookies the app would find.
//!
//! Values are compared in canonical form. Removal leaves every other byte as it was.

use http::{HeaderMap, HeaderValue, header::COOKIE};

use crate::routing::names;

use super::extracted::Extracted;

/// One `name=value` of a Cookie header.
#[derive(Clone, Copy)]
pub(crate) struct Pair<'a> {
    /// From the name on.
    text: &'a [u8],
    name: &'a [u8],
    value: &'a [u8],
}

/// What is left of a header after a removal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    All,
    Rest(HeaderValue),
    Nothing,
}

/// All pairs of all Cookie headers.
pub(crate) fn pairs(headers: &HeaderMap) -> impl Iterator<Item = Pair<'_>> {
    headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|header| header.as_bytes().split(is_separator))
        .map(Pair::of)
        .filter(|pair| !pair.text.is_empty())
}

/// The only cookie of this name, where no server finds another that it could take for it.
pub(crate) fn only(headers: &HeaderMap, name: &str) -> Extracted {
    let is_meant = |found: &[u8]| names::reads_as(found, name);
    let mut meant = pairs(headers).filter(|pair| is_meant(pair.name()));
    let hidden = pairs(headers).any(|pair| pair.hidden_names().any(is_meant));
    match (meant.next(), meant.next()) {
        (None, _) if !hidden => Extracted::Absent,
        (Some(pair), None) if !hidden && pair.name() == name.as_bytes() => {
            match std::str::from_utf8(pair.value()) {
                Ok(text) => Extracted::Values(vec![text.to_owned()]),
                Err(_) => Extracted::Malformed,
            }
        }
        _ => Extracted::Malformed,
    }
}

/// The value as ids are compared: without white space around it and without one pair of quotes.
pub(crate) fn canonical(raw: &[u8]) -> &[u8] {
    match names::trim(raw, is_blank) {
        [b'"', inner @ .., b'"'] => inner,
        bare => bare,
    }
}

/// The header without the pairs that `dropped` names; each takes one separator with it.
pub(crate) fn without(header: &HeaderValue, mut dropped: impl FnMut(&Pair<'_>) -> bool) -> Kept {
    let pieces: Vec<&[u8]> = header.as_bytes().split(is_separator).collect();
    let stays = |(_, text): &(usize, &[u8])| {
        let pair = Pair::of(text);
        pair.text.is_empty() || !dropped(&pair)
    };
    let kept: Vec<(usize, &[u8])> = pieces.iter().copied().enumerate().filter(stays).collect();
    if kept.len() == pieces.len() {
        return Kept::All;
    }
    let mut rest = kept
        .iter()
        .map(|(_, text)| *text)
        .collect::<Vec<_>>()
        .join(&b';');
    if kept.first().is_some_and(|(index, _)| *index > 0) {
        // The pair that moves to the front leaves the white space of its separator behind.
        let blanks = rest.iter().take_while(|byte| is_blank(**byte)).count();
        rest.drain(..blanks);
    }
    if rest
        .iter()
        .all(|byte| is_separator(byte) || is_blank(*byte))
    {
        return Kept::Nothing;
    }
    Kept::Rest(HeaderValue::from_bytes(&rest).expect("pieces of a header value are a header value"))
}

impl<'a> Pair<'a> {
    fn of(text: &'a [u8]) -> Self {
        let start = text
            .iter()
            .position(|byte| !names::is_padding(*byte))
            .unwrap_or(text.len());
        let text = &text[start..];
        match text.iter().position(|byte| *byte == b'=') {
            Some(at) => Self {
                text,
                name: names::trim(&text[..at], is_blank),
                value: &text[at + 1..],
            },
            None => Self {
                text,
                name: names::trim(text, is_blank),
                value: &[],
            },
        }
    }

    /// The name without the white space and separators in front of it.
    pub(crate) fn name(&self) -> &'a [u8] {
        self.name
    }

    /// The value in canonical form.
    pub(crate) fn value(&self) -> &'a [u8] {
        canonical(self.value)
    }

    /// What some reader takes for the name of a cookie within the pair, where RFC 6265 sees none.
    pub(crate) fn hidden_names(&self) -> impl Iterator<Item = &'a [u8]> {
        let rarer =
            (!self.text.is_ascii()).then(|| hidden_names(self.text, is_boundary_or_not_ascii));
        hidden_names(self.text, is_boundary).chain(rarer.into_iter().flatten())
    }
}

/// A hidden name follows a boundary, padding and `=` aside, and ends at `=`.
fn hidden_names(text: &[u8], boundary: fn(u8) -> bool) -> impl Iterator<Item = &[u8]> {
    let after_boundary = move |text| -> Option<&[u8]> {
        let last = <[u8]>::iter(text).rposition(|byte| boundary(*byte))?;
        Some(&text[last + 1..])
    };
    let end_of_names = text.iter().rposition(|byte| *byte == b'=').unwrap_or(0);
    let mut begun = false;
    text[..end_of_names]
        .split(|byte| *byte == b'=')
        .filter_map(move |piece| {
            let ends_name =
                |byte: u8| boundary(byte) && (is_blank(byte) || byte == b'"' || !byte.is_ascii());
            let end = piece.iter().rposition(|byte| !ends_name(*byte));
            let name = &piece[..end.map_or(0, |last| last + 1)];
            let hidden = after_boundary(name).or(begun.then_some(name));
            let tail = after_boundary(piece).or(begun.then_some(piece));
            begun = tail.is_some_and(|tail| tail.iter().all(|byte| names::is_padding(*byte)));
            hidden
        })
}

/// Where a reader that does not cut at `;` alone may begin a new name: RFC 2109 at a comma, Python at white
/// space and (before version 3) at whatever cannot stand in a value.
fn is_boundary(byte: u8) -> bool {
    matches!(byte, b',' | b'"' | b'[' | b']' | b'\\') || is_blank(byte)
}

/// The same for readers to whom other bytes are white space or end a value. To the rest they are letters.
fn is_boundary_or_not_ascii(byte: u8) -> bool {
    is_boundary(byte) || !byte.is_ascii()
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn is_separator(byte: &u8) -> bool {
    *byte == b';'
}

#[cfg(test)]
mod tests;
