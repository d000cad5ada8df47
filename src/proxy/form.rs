//! The fields of a login that a browser sends as a form.
//!
//! Servers do not agree on them: some merge query and form and believe the one, some the other; of two
//! values some take the first, some the last; they read names as `names` tells, and bytes as the
//! charset says. A field is believed only where all of them must read the same, or whoever logs in
//! could tell the gateway of a user with longer limits than his own.

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http::request::Parts;

use crate::routing::{names, query};

use super::extracted::Extracted;

/// The media type of a form (HTML, 4.10.21).
const FORM: &str = "application/x-www-form-urlencoded";

/// How the names of charsets begin in which every ASCII byte means itself.
const ASCII_CHARSETS: &[&str] = &["utf-8", "utf8", "us-ascii", "iso-8859-", "windows-125"];

/// The fields of one request.
pub(crate) struct Fields<'a> {
    query: &'a [u8],
    /// None where the body is something else, or its bytes mean something else.
    form: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(parts: &'a Parts, body: &'a [u8]) -> Self {
        Self {
            query: parts.uri.query().unwrap_or_default().as_bytes(),
            form: is_form(&parts.headers).then_some(body),
        }
    }

    /// A field of the form.
    pub(crate) fn in_form(&self, name: &str) -> Extracted {
        match self.form {
            Some(form) => only(form, self.query, name),
            None => Extracted::Malformed,
        }
    }

    /// A parameter of the query.
    pub(crate) fn in_query(&self, name: &str) -> Extracted {
        only(self.query, self.form.unwrap_or_default(), name)
    }
}

/// The one field of that name in `here`, where no server finds another.
fn only(here: &[u8], elsewhere: &[u8], name: &str) -> Extracted {
    let [whole, parted]: [Option<String>; 2] =
        [&b"&"[..], b"&;"].map(|separators| first(here, separators, name));
    match (readings(here, name), readings(elsewhere, name)) {
        (0, _) => Extracted::Absent,
        (1, 0) if whole == parted => {
            whole.map_or(Extracted::Malformed, |value| Extracted::Values(vec![value]))
        }
        _ => Extracted::Malformed,
    }
}

/// The first value under exactly that name, where any of `separators` parts fields.
fn first(text: &[u8], separators: &[u8], name: &str) -> Option<String> {
    query::fields(text, separators)
        .filter_map(|field| form_urlencoded::parse(field).next())
        .find_map(|(key, value)| (key == name).then(|| value.into_owned()))
}

/// How many fields some server would take for `name`; some part them at `;` too.
fn readings(fields: &[u8], name: &str) -> usize {
    query::fields(fields, b"&;")
        .filter(|field| names::reads_as(query::name_of(field), name))
        .count()
}

/// Whether a body of this type is a form, for those servers that read it at all.
fn is_form(headers: &HeaderMap) -> bool {
    let mut kinds = headers.get_all(CONTENT_TYPE).iter();
    match (kinds.next(), kinds.next()) {
        (None, _) => true,
        (Some(kind), None) => kind.to_str().is_ok_and(|kind| {
            let kind = kind.to_ascii_lowercase();
            kind.split(';').next().map(str::trim) == Some(FORM) && speaks_ascii(&kind)
        }),
        (Some(_), Some(_)) => false,
    }
}

/// Whether every charset that some reader finds in a media type, in lower case, leaves ASCII alone.
fn speaks_ascii(kind: &str) -> bool {
    kind.match_indices("charset").all(|(at, word)| {
        let told = kind[at + word.len()..].trim_start_matches([' ', '\t', '=', '"', '\'']);
        ASCII_CHARSETS.iter().any(|known| told.starts_with(known))
    })
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::{Extracted, Fields};

    fn user(query: &str, kind: Option<&str>, body: &str) -> Extracted {
        let mut request = Request::post(format!("/login?{query}"));
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Fields::of(&parts, body.as_bytes()).in_form("j_username")
    }

    fn one(value: &str) -> Extracted {
        Extracted::Values(vec![value.to_owned()])
    }

    #[test]
    fn a_field_that_all_read_alike_is_believed() {
        for kind in [
            None,
            Some("application/x-www-form-urlencoded"),
            Some("Application/X-WWW-Form-URLEncoded; charset=UTF-8"),
            Some("application/x-www-form-urlencoded;charset=\"iso-8859-15\""),
        ] {
            let told = user("next=/a", kind, "j_username=a%26b&j_password=j_username");
            assert_eq!(told, one("a&b"), "{kind:?}");
        }
        assert_eq!(user("", None, "%6a_username=buyer"), one("buyer"));
    }

    #[test]
    fn a_field_that_some_find_elsewhere_too_is_not_believed() {
        for (query, body) in [
            ("", "j_username=buyer&j_username=buyer"),
            ("", "j_username=buyer&J_USERNAME=approver"),
            ("", "j_username=buyer&j.username=approver"),
            ("", "x=1;j_username=approver&j_username=buyer"),
            ("j_username=approver", "j_username=buyer"),
            ("%6a_username=approver", "j_username=buyer"),
            ("", "J_USERNAME=buyer"),
        ] {
            assert_eq!(
                user(query, None, body),
                Extracted::Malformed,
                "{query} {body}"
            );
        }
    }

    #[test]
    fn a_value_that_some_cut_at_a_semicolon_is_not_believed() {
        for body in [
            "j_username=buyer-1;x",
            "j_username=buyer-1;",
            "x=1;j_username=a",
        ] {
            assert_eq!(user("", None, body), Extracted::Malformed, "{body}");
        }
        assert_eq!(user("", None, "x=1;y&j_username=a%3Bb"), one("a;b"));
    }

    #[test]
    fn a_field_that_stands_only_in_the_query_is_none_of_the_form() {
        assert_eq!(
            user("j_username=buyer", None, "j_password=x"),
            Extracted::Absent
        );
    }

    #[test]
    fn a_body_that_is_no_form_or_not_in_ascii_is_not_believed() {
        for kind in [
            "text/plain",
            "multipart/form-data; boundary=x",
            "application/x-www-form-urlencoded; charset=IBM037",
            "application/x-www-form-urlencoded; charset=utf-8; charset=utf-16",
            "application/x-www-form-urlencoded; charset = \"cp500\"",
        ] {
            let told = user("", Some(kind), "j_username=buyer");
            assert_eq!(told, Extracted::Malformed, "{kind}");
        }
    }

    #[test]
    fn a_parameter_of_the_query_that_the_form_has_too_is_not_believed() {
        let (parts, ()) = Request::post("/login?user=buyer")
            .body(())
            .unwrap()
            .into_parts();
        assert_eq!(Fields::of(&parts, b"").in_query("user"), one("buyer"));
        assert_eq!(
            Fields::of(&parts, b"user=approver").in_query("user"),
            Extracted::Malformed
        );
    }
}
