//! Conditions on the parameters of a query.
//!
//! Of two parameters of one name some servers take the first, some the last; they read names as `names`
//! tells, and some part parameters at `;` too. What is granted by a condition is granted only where all
//! of them find it met, and what is demanded by one where any of them does.

use super::names;

/// At which servers a condition is met. The weakest of several conditions counts for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Met {
    Nowhere,
    Somewhere,
    Everywhere,
}

/// Whether a query has a parameter of that name, with that value where one is wanted.
pub(crate) fn has(query: &str, name: &str, value: Option<&str>) -> Met {
    let separators: [&[u8]; 2] = [b"&", b"&;"];
    let [one, other] = separators.map(|separators| parted_at(separators, query, name, value));
    if one == other { one } else { Met::Somewhere }
}

fn parted_at(separators: &[u8], query: &str, name: &str, value: Option<&str>) -> Met {
    let read: Vec<_> = fields(query.as_bytes(), separators)
        .filter(|field| names::reads_as(name_of(field), name))
        .filter_map(|field| form_urlencoded::parse(field).next())
        .collect();
    let fits = |found: &str| value.is_none_or(|value| found == value);
    match read.as_slice() {
        [(key, found)] if key == name && fits(found) => Met::Everywhere,
        read if read.iter().any(|(_, found)| fits(found)) => Met::Somewhere,
        _ => Met::Nowhere,
    }
}

/// The fields of a query or form, where any of `separators` parts them.
pub(crate) fn fields<'a>(text: &'a [u8], separators: &[u8]) -> impl Iterator<Item = &'a [u8]> {
    text.split(move |byte| separators.contains(byte))
}

/// A field's name as it is written.
pub(crate) fn name_of(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == b'=').next().unwrap_or(field)
}

#[cfg(test)]
mod tests {
    use super::{Met, has};

    #[track_caller]
    fn judged(query: &str, value: Option<&str>, met: Met) {
        assert_eq!(has(query, "action", value), met, "{query} {value:?}");
    }

    #[test]
    fn one_parameter_is_read_alike_by_all() {
        for query in ["action=login", "x=1&action=login&y", "%61ction=log%69n"] {
            judged(query, Some("login"), Met::Everywhere);
            judged(query, None, Met::Everywhere);
            judged(query, Some("approve"), Met::Nowhere);
        }
        judged("", None, Met::Nowhere);
        judged("reaction=login", None, Met::Nowhere);
    }

    #[test]
    fn no_second_parameter_or_disguise_meets_a_condition_for_all() {
        for query in [
            "action=login&action=approve",
            "action=approve&action=login",
            "action=login&action=login",
            "action=login&Action=approve",
            "action=login&action[]=approve",
            "action=login;action=approve",
            "x=1;action=login",
            "action=login;x=1",
            "ACTION=login",
        ] {
            judged(query, Some("login"), Met::Somewhere);
        }
        judged("action=login&action=approve", None, Met::Somewhere);
        judged("action=a&action=b", Some("login"), Met::Nowhere);
    }
}
