//! Ids in the request target: path parameters and query parameters.
//!
//! A path parameter begins at `;`, also at an encoded one, since some servers decode first. It ends at the next
//! one or at `/`. Values are compared as decoded: nobody writes white space or quotes around them. Query parameters are cut at `&` and at `;`, which some servers take for `&`.
//!
//! PHP without `use_only_cookies` takes `NAME=` from anywhere in the target if a `/`, `?` or `\` follows
//! (`php_session_initialize`). That is hidden, and so is an id that ends at a `;` of which servers think
//! differently: the caller refuses the request.

use std::{borrow::Cow, ops::Range};

use http::{Uri, uri::PathAndQuery};
use percent_encoding::percent_decode;

use crate::routing::names;

/// One parameter of a path or a query.
struct Parameter<'a> {
    /// Its place in the text, with the separator before it in a path, without any in a query.
    span: Range<usize>,
    name: &'a str,
    value: &'a str,
}

impl<'a> Parameter<'a> {
    fn of(text: &'a str, span: Range<usize>, start: usize) -> Self {
        let (name, value) = text[start..span.end]
            .split_once('=')
            .unwrap_or((&text[start..span.end], ""));
        Self { span, name, value }
    }

    fn reads_as(&self, name: &str) -> bool {
        names::reads_as(self.name.as_bytes(), name)
    }
}

/// The decoded values of the path parameters that read as `name`, anywhere in the path.
pub(super) fn path_ids<'a>(uri: &'a Uri, name: &'a str) -> impl Iterator<Item = Cow<'a, [u8]>> {
    let parameters = path_parameters(uri.path()).filter(move |parameter| parameter.reads_as(name));
    parameters.map(|parameter| percent_decode(parameter.value.as_bytes()).into())
}

/// The decoded values of the query parameters that read as `name`.
pub(super) fn query_ids<'a>(uri: &'a Uri, name: &'a str) -> impl Iterator<Item = Cow<'a, [u8]>> {
    let parameters =
        query_parameters(uri.query()).filter(move |parameter| parameter.reads_as(name));
    parameters.map(|parameter| form_decode(parameter.value))
}

/// Whether the value of a path id ends at an encoded `;`, which for some servers belongs to it.
pub(super) fn path_hides(uri: &Uri, name: &str) -> bool {
    let ends_encoded = |parameter: Parameter<'_>| {
        uri.path()[parameter.span.end..].starts_with('%') && parameter.reads_as(name)
    };
    path_parameters(uri.path()).any(ends_encoded)
}

/// Whether some server finds a query id where others see none, or reads another value.
pub(super) fn query_hides(uri: &Uri, name: &str) -> bool {
    let (Some(target), Some(query)) = (uri.path_and_query(), uri.query()) else {
        return searched(uri.path(), uri.path().len(), name);
    };
    let target = target.as_str();
    let ends_at_semicolon = |parameter: Parameter<'_>| {
        query[parameter.span.end..].starts_with(';') && parameter.reads_as(name)
    };
    searched(target, target.len() - query.len(), name)
        || query_parameters(Some(query)).any(ends_at_semicolon)
}

/// Whether `name=` stands in the target where no query parameter begins, and is followed by what PHP waits for.
fn searched(target: &str, query_start: usize, name: &str) -> bool {
    target.match_indices(name).any(|(at, _)| {
        let begins_parameter =
            at >= query_start && (at == query_start || target[..at].ends_with(['&', ';']));
        let after = &target[at + name.len()..];
        !begins_parameter && after.starts_with('=') && after.contains(['/', '?', '\\'])
    })
}

/// Removes the path parameters that read as `name`.
pub(super) fn strip_path(uri: &mut Uri, name: &str) {
    let path = uri.path();
    let mut kept = String::new();
    let mut end_of_last = 0;
    for parameter in path_parameters(path).filter(|parameter| parameter.reads_as(name)) {
        kept.push_str(&path[end_of_last..parameter.span.start]);
        end_of_last = parameter.span.end;
    }
    if end_of_last == 0 {
        return;
    }
    kept.push_str(&path[end_of_last..]);
    if let Some(query) = uri.query() {
        kept.push('?');
        kept.push_str(query);
    }
    replace(uri, kept);
}

/// Removes the query parameters that read as `name`, each with one separator; an empty query goes with its `?`.
pub(super) fn strip_query(uri: &mut Uri, name: &str) {
    let Some(query) = uri.query() else { return };
    if !query_parameters(Some(query)).any(|parameter| parameter.reads_as(name)) {
        return;
    }
    let mut kept = String::new();
    let mut ends_in_kept = false;
    for parameter in query_parameters(Some(query)) {
        ends_in_kept = !parameter.reads_as(name);
        if ends_in_kept {
            let end = (parameter.span.end + 1).min(query.len());
            kept.push_str(&query[parameter.span.start..end]);
        }
    }
    if !ends_in_kept {
        kept.pop();
    }
    let path = uri.path();
    let target = if kept.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{kept}")
    };
    replace(uri, target);
}

fn path_parameters(path: &str) -> impl Iterator<Item = Parameter<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let (start, delimiter) = next_semicolon(path, at)?;
        let after = start + delimiter;
        let next = next_semicolon(path, after).map_or(path.len(), |(next, _)| next);
        at = path[after..next]
            .find('/')
            .map_or(next, |slash| after + slash);
        Some(Parameter::of(path, start..at, after))
    })
}

/// Where the next `;` or `%3b` from `at` on begins, and its length.
fn next_semicolon(path: &str, at: usize) -> Option<(usize, usize)> {
    path.as_bytes()[at..]
        .iter()
        .enumerate()
        .find_map(|(offset, byte)| match byte {
            b';' => Some((at + offset, 1)),
            b'%' if path.as_bytes()[at + offset + 1..]
                .get(..2)?
                .eq_ignore_ascii_case(b"3b") =>
            {
                Some((at + offset, 3))
            }
            _ => None,
        })
}

fn query_parameters(query: Option<&str>) -> impl Iterator<Item = Parameter<'_>> {
    let mut start = 0;
    query
        .into_iter()
        .flat_map(|query| {
            query
                .split(['&', ';'])
                .map(move |piece| (query, piece.len()))
        })
        .map(move |(query, length)| {
            let span = start..start + length;
            start = span.end + 1;
            Parameter::of(query, span.clone(), span.start)
        })
}

/// Percent-decoded, `+` being a space.
fn form_decode(value: &str) -> Cow<'_, [u8]> {
    if value.contains('+') {
        let spaced = value.replace('+', " ");
        return Cow::Owned(percent_decode(spaced.as_bytes()).collect());
    }
    percent_decode(value.as_bytes()).into()
}

fn replace(uri: &mut Uri, target: String) {
    let mut parts = std::mem::take(uri).into_parts();
    let target = PathAndQuery::try_from(target)
        .expect("a target without some of its parameters is a target");
    parts.path_and_query = Some(target);
    *uri =
        Uri::from_parts(parts).expect("only the path and query were replaced, and they are there");
}
