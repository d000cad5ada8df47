//! Whether one path pattern matches everything that another one does. Says no where it cannot
//! tell: then nothing is reported.

/// Alternatives that one pattern is taken apart into; one with more of them is left whole.
const ALTERNATIVES_MAX: usize = 256;

/// The patterns without `{..}` that a pattern stands for.
pub(super) fn alternatives(pattern: &str) -> Vec<String> {
    let mut open = vec![pattern.to_owned()];
    let mut done = Vec::new();
    while let Some(text) = open.pop() {
        if open.len() + done.len() >= ALTERNATIVES_MAX {
            return vec![pattern.to_owned()];
        }
        match first_group(&text) {
            Some((before, choices, after)) => {
                let choices = choices.into_iter().rev();
                open.extend(choices.map(|choice| format!("{before}{choice}{after}")));
            }
            None => done.push(text),
        }
    }
    done
}

/// What stands before the first `{..}`, its choices, and what stands behind it.
fn first_group(text: &str) -> Option<(&str, Vec<&str>, &str)> {
    let start = text.find('{')?;
    let mut depth = 0_usize;
    let mut choice = start + 1;
    let mut choices = Vec::new();
    for (at, character) in text.char_indices().skip_while(|(at, _)| *at < start) {
        match character {
            '{' => depth += 1,
            ',' if depth == 1 => {
                choices.push(&text[choice..at]);
                choice = at + 1;
            }
            '}' if depth == 1 => {
                choices.push(&text[choice..at]);
                return Some((&text[..start], choices, &text[at + 1..]));
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Whether `wide` matches every path that `narrow`, a pattern without `{..}`, matches.
pub(super) fn covers(wide: &str, narrow: &str) -> bool {
    let narrow: Vec<&str> = narrow.split('/').collect();
    alternatives(wide).iter().any(|wide| {
        let wide: Vec<&str> = wide.split('/').collect();
        segments_cover(&wide, &narrow)
    })
}

fn segments_cover(wide: &[&str], narrow: &[&str]) -> bool {
    match (wide, narrow) {
        ([], []) => true,
        // At the end it matches one segment or more, an empty one included.
        (["**"], narrow) => !narrow.is_empty(),
        (["**", rest @ ..], narrow) => {
            segments_cover(rest, narrow)
                || narrow
                    .split_first()
                    .is_some_and(|(_, behind)| segments_cover(wide, behind))
        }
        ([_, ..], ["**", ..]) => false,
        ([one, wide @ ..], [other, narrow @ ..]) => {
            segment_covers(one, other) && segments_cover(wide, narrow)
        }
        ([], [_, ..]) | ([_, ..], []) => false,
    }
}

/// Whether one segment matches all that another one does.
fn segment_covers(wide: &str, narrow: &str) -> bool {
    if wide == narrow {
        return true;
    }
    let mut parts = wide.split('*');
    let (Some(start), Some(end), None) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    // What a pattern matches begins and ends as it does itself; stars are shorter than nothing.
    narrow.len() >= start.len() + end.len()
        && literal_start(narrow).starts_with(start)
        && narrow
            .rsplit('*')
            .next()
            .is_some_and(|last| last.ends_with(end))
}

/// What stands before the first wildcard.
pub(super) fn literal_start(pattern: &str) -> &str {
    let end = pattern.find(['*', '{']).unwrap_or(pattern.len());
    &pattern[..end]
}

#[cfg(test)]
mod tests {
    use globset::{GlobBuilder, GlobMatcher};
    use proptest::prelude::{prop_assert, proptest};

    use super::{alternatives, covers};

    #[test]
    fn a_pattern_covers_what_it_matches_all_of() {
        for (wide, narrow, covered) in [
            ("/**", "/a", true),
            ("/**", "/**", true),
            ("/**", "/a/**/b", true),
            ("/a/**", "/a/b/*", true),
            ("/a/**", "/a/", true),
            ("/a/**", "/a", false),
            ("/a/**", "/ab/c", false),
            ("/a/*", "/a/b", true),
            ("/a/*", "/a/*.css", true),
            ("/a/*", "/a/**", false),
            ("/*/b", "/a/b", true),
            ("/*/b", "/*/*", false),
            ("/**/b", "/b", true),
            ("/**/b", "/a/**/b", true),
            ("/**/b", "/a/**", false),
            ("/a/**/c", "/a/c", true),
            ("/*.css", "/main.css", true),
            ("/*.css", "/main-*.css", true),
            ("/*.css", "/*", false),
            ("/ab*ba", "/aba", false),
            ("/{a,b}/*", "/b/c", true),
            ("/{a,b}/*", "/c/c", false),
            ("/a", "/A", false),
        ] {
            assert_eq!(covers(wide, narrow), covered, "{wide} over {narrow}");
        }
    }

    #[test]
    fn a_pattern_falls_apart_into_its_alternatives() {
        assert_eq!(alternatives("/a"), ["/a"]);
        assert_eq!(alternatives("/{a,b}/{,c}"), ["/a/", "/a/c", "/b/", "/b/c"]);
        assert_eq!(alternatives("/{a,{b,c}d}"), ["/a", "/bd", "/cd"]);
        let many = "/{a,b}".repeat(20);
        assert_eq!(alternatives(&many), [many.as_str()]);
    }

    fn matcher(text: &str) -> Option<GlobMatcher> {
        let glob = GlobBuilder::new(text)
            .literal_separator(true)
            .backslash_escape(false)
            .empty_alternates(true)
            .build();
        Some(glob.ok()?.compile_matcher())
    }

    proptest! {
        #[test]
        fn what_is_said_to_be_covered_is_matched(
            wide in r"(/(\*\*|a?\*?b?|\{a,b\*\}|a)){1,3}",
            narrow in r"(/(\*\*|a?\*?b?|a)){1,3}",
            path in r"(/[ab]{0,2}){1,4}",
        ) {
            if let (Some(wide_glob), Some(narrow_glob)) = (matcher(&wide), matcher(&narrow))
                && covers(&wide, &narrow)
                && narrow_glob.is_match(&path)
            {
                prop_assert!(wide_glob.is_match(&path), "{wide} over {narrow} at {path}");
            }
        }
    }
}
