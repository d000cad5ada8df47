//! Patterns over normalised paths, and which requests are meant.

use globset::GlobBuilder;

use super::{Checker, items};
use crate::config::app::{PathPattern, RequestPattern};
use crate::config::fault::{At, Code};
use crate::config::reader::Pairs;

/// What the raw form says of the requests that are meant.
pub(super) struct RawPattern<'a> {
    pub(super) path: Option<&'a At<String>>,
    pub(super) methods: Option<&'a At<Vec<At<String>>>>,
    pub(super) query: Option<&'a Pairs<String>>,
    pub(super) headers: Option<&'a Pairs<String>>,
}

impl Checker<'_> {
    pub(super) fn request_pattern(&self, raw: RawPattern<'_>) -> Option<RequestPattern> {
        let methods = self.methods(items(raw.methods));
        let query = self.query_conditions(raw.query);
        let headers = self.header_conditions(raw.headers);
        Some(RequestPattern {
            path: self.path_pattern(raw.path?)?,
            methods,
            query,
            headers,
        })
    }

    pub(super) fn path_pattern(&self, told: &At<String>) -> Option<PathPattern> {
        if let Some((message, help)) = misfit(&told.value) {
            self.error(Code::Path, &told.place, message, &help);
            return None;
        }
        let glob = GlobBuilder::new(&told.value)
            .literal_separator(true)
            .backslash_escape(false)
            .build();
        match glob {
            Ok(glob) => Some(PathPattern {
                text: told.value.clone(),
                matcher: glob.compile_matcher(),
            }),
            Err(error) => {
                let message = format!("not a pattern: {}", error.kind());
                let help = "write `*` within a segment, `**` for any number of segments";
                self.error(Code::Path, &told.place, message, help);
                None
            }
        }
    }
}

/// Why a pattern could never match a normalised path, or would match others than it seems to.
fn misfit(text: &str) -> Option<(String, String)> {
    let say = |message: &str, help: String| Some((message.to_owned(), help));
    if !text.starts_with('/') {
        return say(
            "a path begins with `/`",
            format!("write {:?}", format!("/{text}")),
        );
    }
    if let Some((path, query)) = text.split_once('?') {
        let pairs: Vec<String> = form_urlencoded::parse(query.as_bytes())
            .map(|(name, value)| format!("{name} = {value:?}"))
            .collect();
        let help = format!(
            "write path = {path:?} and query = {{ {} }}",
            pairs.join(", ")
        );
        return say("a path holds no query", help);
    }
    if let Some(character) = text
        .chars()
        .find(|c| "[]\\#;".contains(*c) || c.is_control())
    {
        let message = format!("{character:?} is in no normalised path");
        return Some((message, "leave out what stands from there on".to_owned()));
    }
    if text.contains("//") {
        return say(
            "slashes are merged before matching",
            format!("write {:?}", merged(text)),
        );
    }
    if text.split('/').any(|segment| matches!(segment, "." | "..")) {
        let help = "write the path that they lead to".to_owned();
        return say("`.` and `..` are resolved before matching", help);
    }
    if text
        .split('/')
        .any(|segment| segment.contains("**") && segment != "**")
    {
        let help = "write `*` within a segment, or `/**` for all below".to_owned();
        return say("`**` is a whole segment", help);
    }
    if encodes_ascii(text) {
        let help = "write the character itself".to_owned();
        return say("paths are decoded before matching", help);
    }
    None
}

fn merged(text: &str) -> String {
    let mut merged = text.to_owned();
    while merged.contains("//") {
        merged = merged.replace("//", "/");
    }
    merged
}

/// Bytes above ASCII that are no UTF-8 stay encoded in a normalised path.
fn encodes_ascii(text: &str) -> bool {
    text.split('%').skip(1).any(|rest| {
        let digits = rest.as_bytes();
        digits.len() >= 2 && matches!(digits[0], b'0'..=b'7') && digits[1].is_ascii_hexdigit()
    })
}

#[cfg(test)]
mod tests {
    use super::misfit;

    #[test]
    fn a_pattern_that_could_match_no_normal_path_is_refused() {
        for (text, said) in [
            ("login", "begins with `/`"),
            ("/a?b=c", "no query"),
            ("/a;b", "no normalised path"),
            ("/a//b", "merged"),
            ("/a/../b", "resolved"),
            ("/a/b**", "whole segment"),
            ("/%61", "decoded"),
        ] {
            let (message, _) = misfit(text).unwrap();
            assert!(message.contains(said), "{text}: {message}");
        }
    }

    #[test]
    fn what_normal_paths_look_like_is_taken() {
        for text in [
            "/", "/**", "/a/**/b", "/*.css", "/caf%E9", "/a b", "/{a,b}/*", "/..a",
        ] {
            assert_eq!(misfit(text), None, "{text}");
        }
    }

    #[test]
    fn a_query_in_a_path_becomes_conditions_in_the_help() {
        let (_, help) = misfit("/index.php?action=login").unwrap();
        assert_eq!(
            help,
            "write path = \"/index.php\" and query = { action = \"login\" }"
        );
    }
}
