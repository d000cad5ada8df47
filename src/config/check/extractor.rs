//! Extractors: where a value is found, in one text each, as it stands there or as a claim in it.

use http::HeaderName;

use super::Checker;
use crate::config::app::{Extractor, Source};
use crate::config::fault::{At, Code, Fault};
use crate::config::suggest::nearest;

/// The kinds, as they are spelled before the colon.
const KINDS: [&str; 9] = [
    "form",
    "query",
    "json",
    "header",
    "cookie",
    "answer-header",
    "answer-json",
    "answer-cookie",
    CLAIM,
];

/// The kind of a value within a token.
const CLAIM: &str = "claim";

/// What stands between a claim's name and the place of its token.
const IN: &str = " in ";

/// Parts of a cookie's value at most, so that a number is not a slip for something else.
const PART_MAX: usize = 32;

impl Checker<'_> {
    /// `KIND:NAME`, or `claim:NAME in KIND:NAME`.
    pub(super) fn extractor(&self, told: &At<String>) -> Option<Extractor> {
        let (kind, rest) = told.value.split_once(':').unwrap_or((&told.value, ""));
        if kind != CLAIM {
            let claim = None;
            return self.source(told).map(|source| Extractor { source, claim });
        }
        let Some((name, token)) = rest.split_once(IN) else {
            let message = format!("{:?} does not say in which token", told.value);
            let help =
                "write \"claim:NAME in answer-cookie:COOKIE\", or another part of the answer";
            self.error(Code::Extractor, &told.place, message, help);
            return None;
        };
        let token = At {
            value: token.trim().to_owned(),
            place: told.place.clone(),
        };
        let (claim, source) = (self.claim(told, name.trim()), self.source(&token));
        Some(Extractor {
            source: source?,
            claim: Some(claim?),
        })
    }

    /// A pointer into the claims. A name without a slash in front is one claim, whatever stands in
    /// it: names are often URLs (RFC 7519, 4.2).
    fn claim(&self, told: &At<String>, name: &str) -> Option<String> {
        if name.starts_with('/') {
            return self.json_pointer(told, name);
        }
        let name = self.named(told, name)?;
        Some(format!("/{}", name.replace('~', "~0").replace('/', "~1")))
    }

    fn source(&self, told: &At<String>) -> Option<Source> {
        let (kind, name) = told.value.split_once(':').unwrap_or((&told.value, ""));
        match kind {
            "form" => self.named(told, name).map(Source::Form),
            "query" => self.named(told, name).map(Source::Query),
            "json" => self.json_pointer(told, name).map(Source::Json),
            "header" => self.named_header(told, name).map(Source::Header),
            "cookie" => self.named_cookie(told, name).map(Source::Cookie),
            "answer-header" => self.named_header(told, name).map(Source::AnswerHeader),
            "answer-json" => self.json_pointer(told, name).map(Source::AnswerJson),
            "answer-cookie" => self.answer_cookie(told, name),
            CLAIM => {
                let message = "a claim stands in a token, not in another claim";
                let help = "write \"claim:/POINTER in answer-cookie:COOKIE\"";
                self.error(Code::Extractor, &told.place, message, help);
                None
            }
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

    fn named_cookie(&self, told: &At<String>, name: &str) -> Option<String> {
        let name = At {
            value: name.to_owned(),
            place: told.place.clone(),
        };
        self.cookie_name(&name)
    }

    /// `NAME`, or `NAME@SEPARATOR@PART`.
    fn answer_cookie(&self, told: &At<String>, text: &str) -> Option<Source> {
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
        let name = self.named_cookie(told, name)?;
        Some(Source::AnswerCookie { name, part })
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
