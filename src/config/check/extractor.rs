//! Extractors: where a value is found, in one text each.

use http::HeaderName;

use super::Checker;
use crate::config::app::Extractor;
use crate::config::fault::{At, Code, Fault};
use crate::config::suggest::nearest;

/// The kinds, as they are spelled before the colon.
const KINDS: [&str; 7] = [
    "form",
    "query",
    "json",
    "header",
    "answer-header",
    "answer-json",
    "answer-cookie",
];

/// Parts of a cookie's value at most, so that a number is not a slip for something else.
const PART_MAX: usize = 32;

impl Checker<'_> {
    pub(super) fn extractor(&self, told: &At<String>) -> Option<Extractor> {
        let (kind, name) = told.value.split_once(':').unwrap_or((&told.value, ""));
        match kind {
            "form" => self.named(told, name).map(Extractor::Form),
            "query" => self.named(told, name).map(Extractor::Query),
            "json" => self.json_pointer(told, name).map(Extractor::Json),
            "header" => self.named_header(told, name).map(Extractor::Header),
            "answer-header" => self.named_header(told, name).map(Extractor::AnswerHeader),
            "answer-json" => self.json_pointer(told, name).map(Extractor::AnswerJson),
            "answer-cookie" => self.answer_cookie(told, name),
            _ => {
                self.unknown_kind(told, kind);
                None
            }
        }
    }

    fn unknown_kind(&self, told: &At<String>, kind: &str) {
        let message = format!("{:?} does not say where the value is found", told.value);
        let help = match nearest(kind, KINDS) {
            Some(near) => format!("write {near:?}, a colon and the name"),
            None => format!(
                "write one of {} with a colon and the name",
                KINDS.join(", ")
            ),
        };
        self.error(Code::Extractor, &told.place, message, &help);
    }

    fn named(&self, told: &At<String>, name: &str) -> Option<String> {
        if !name.is_empty() {
            return Some(name.to_owned());
        }
        let help = format!("write \"{}:NAME\"", told.value.trim_end_matches(':'));
        self.error(Code::Extractor, &told.place, "a name is missing", &help);
        None
    }

    fn named_header(&self, told: &At<String>, name: &str) -> Option<HeaderName> {
        let name = At {
            value: self.named(told, name)?,
            place: told.place.clone(),
        };
        self.header_name(&name)
    }

    /// `NAME`, or `NAME@SEPARATOR@PART`.
    fn answer_cookie(&self, told: &At<String>, text: &str) -> Option<Extractor> {
        let (name, part) = match text.split_once('@') {
            Some((name, part)) => (name, Some(part)),
            None => (text, None),
        };
        let part = match part.map(cookie_part) {
            None => None,
            Some(Some(part)) => Some(part),
            Some(None) => {
                self.no_part(told);
                return None;
            }
        };
        let name = At {
            value: name.to_owned(),
            place: told.place.clone(),
        };
        let name = self.cookie_name(&name)?;
        Some(Extractor::AnswerCookie { name, part })
    }

    fn no_part(&self, told: &At<String>) {
        let fault = Fault::error(
            Code::Extractor,
            &told.place,
            "not a separator of one character and the number of a part",
        );
        self.findings.push(
            fault.help("write \"answer-cookie:NAME@:@0\" for what stands before the first `:`"),
        );
    }
}

/// `:@0`: what separates the parts of a cookie's value, and which of them is meant.
fn cookie_part(text: &str) -> Option<(char, usize)> {
    let separator = text.chars().next()?;
    let number = text.strip_prefix(separator)?.strip_prefix('@')?;
    let number = number.parse().ok().filter(|number| *number < PART_MAX)?;
    Some((separator, number))
}

#[cfg(test)]
mod tests {
    use super::cookie_part;

    #[test]
    fn a_part_is_a_separator_and_a_number() {
        for (text, part) in [
            (":@0", Some((':', 0))),
            ("@@1", Some(('@', 1))),
            ("|@31", Some(('|', 31))),
            ("|@32", None),
            ("", None),
            (":", None),
            (":@", None),
            ("::@0", None),
            (":@-1", None),
        ] {
            assert_eq!(cookie_part(text), part, "{text}");
        }
    }
}
