//! Patterns over normalised paths, and which requests are meant.

use globset::{GlobBuilder, GlobMatcher};

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
        self.pattern(told, misfit(&told.value))
    }

    /// A pattern over where a `Location` leads to: a path, and a query where it has one.
    pub(super) fn target_pattern(&self, told: &At<String>) -> Option<PathPattern> {
        let path = told.value.split('?').next().unwrap_or_default();
        self.pattern(told, misfit(path))
    }

    fn pattern(&self, told: &At<String>, misfit: Option<(String, String)>) -> Option<PathPattern> {
        if let Some((message, help)) = misfit {
            self.error(Code::Path, &told.place, message, &help);
            return None;
        }
        match compile(&told.value) {
            Ok(matcher) => Some(PathPattern {
                text: told.value.clone(),
                matcher,
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

fn compile(text: &str) -> Result<GlobMatcher, globset::Error> {
    // A question mark is itself here, not any character.
    let glob = GlobBuilder::new(&text.replace('?', "[?]"))
        .literal_separator(true)
        .backslash_escape(false)
        .empty_alternates(true)
        .build()?;
    Ok(glob.compile_matcher())
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
    if encodes_ascii(text) {
        let help = "write the character itself".to_owned();
        return say("paths are decoded before matching", help);
    }
    text.split('/').find_map(misfit_segment)
}

fn misfit_segment(segment: &str) -> Option<(String, String)> {
    let (message, help) = match segment {
        "." | ".." => (
            "`.` and `..` are resolved before matching",
            "write the path that they lead to",
        ),
        _ if segment.contains("**") && segment != "**" => (
            "`**` is a whole segment",
            "write `*` within a segment, or `/**` for all below",
        ),
        _ => return None,
    };
    Some((message.to_owned(), help.to_owned()))
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
    use super::{compile, misfit};
    use crate::config::app::PathPattern;

    fn pattern(text: &str) -> PathPattern {
        PathPattern {
            text: text.to_owned(),
            matcher: compile(text).unwrap(),
        }
    }

    #[test]
    fn one_star_stays_within_a_segment_and_two_do_not() {
        for (text, path, matches) in [
            ("/", "/", true),
            ("/", "/a", false),
            ("/**", "/", true),
            ("/**", "/a/b", true),
            ("/a/**", "/a/", true),
            ("/a/**", "/a/b/c", true),
            ("/a/**", "/a", false),
            ("/a/**", "/ab", false),
            ("/a/*", "/a/b", true),
            ("/a/*", "/a/b/c", false),
            ("/**/login", "/login", true),
            ("/**/login", "/a/b/login", true),
            ("/**/login", "/a/xlogin", false),
            ("/*.css", "/a.css", true),
            ("/*.css", "/a/b.css", false),
            ("/{css,js}/*", "/js/a", true),
            ("/a/{,b}", "/a/", true),
            ("/a/{,b}", "/a/b", true),
            ("/a", "/A", false),
        ] {
            assert_eq!(pattern(text).matches(path), matches, "{text} {path}");
        }
    }

    #[test]
    fn a_query_counts_where_the_pattern_has_one() {
        for (text, target, matches) in [
            ("/login", "/login", true),
            ("/login", "/login?error=1", true),
            ("/login", "/loginx", false),
            ("/?a=home", "/?a=home", true),
            ("/?a=home", "/?a=login", false),
            ("/?a=home", "/", false),
            ("/?a=*", "/?a=home&b=1", true),
            ("/x?a", "/xya", false),
        ] {
            assert_eq!(
                pattern(text).matches_target(target),
                matches,
                "{text} {target}"
            );
        }
    }

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
