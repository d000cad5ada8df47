//! Whether each route can be reached: the first that matches wins, so an earlier one that covers
//! it makes it a dead letter.

use super::Checker;
use crate::config::app::{PathPattern, RequestPattern, Route};
use crate::config::fault::{At, Code, Fault};
use crate::config::raw::app::{RawApp, RawRoute};

impl Checker<'_> {
    pub(super) fn reachable(&self, raw: &[At<RawRoute>], routes: &[Option<Route>]) {
        for (index, route) in routes.iter().enumerate() {
            let Some(route) = route else { continue };
            let earlier = routes.iter().take(index).position(|earlier| {
                let earlier = earlier.as_ref();
                earlier.is_some_and(|earlier| covers(&earlier.pattern, &route.pattern))
            });
            let Some(earlier) = earlier else { continue };
            let fault = Fault::error(
                Code::Unreachable,
                &raw[index].place,
                "no request reaches this route",
            );
            self.findings.push(
                fault
                    .label("this route comes later")
                    .other(&raw[earlier].place, "matches all of them first")
                    .help("write the narrower route first"),
            );
        }
    }

    /// A fault for each path of an app that lies outside its prefix.
    pub(super) fn below_prefix(&self, app: &RawApp, prefix: Option<&str>) {
        let Some(prefix) = prefix.filter(|prefix| !prefix.is_empty()) else {
            return;
        };
        let logins = app.logins.iter().filter_map(|raw| raw.value.path.as_ref());
        let logouts = app.logouts.iter().filter_map(|raw| raw.value.path.as_ref());
        let routes = app.routes.iter().filter_map(|raw| raw.value.path.as_ref());
        for told in logins.chain(logouts).chain(routes) {
            let literal = literal_start(&told.value);
            let whole = literal.len() == told.value.len();
            let inside = literal == prefix || literal.starts_with(&format!("{prefix}/"));
            let around = !whole && prefix.starts_with(literal);
            if told.value.starts_with('/') && !inside && !around {
                let message = format!("outside the app's prefix {prefix:?}");
                let help = format!("write {:?}", format!("{prefix}{}", told.value));
                self.error(Code::Path, &told.place, message, &help);
            }
        }
    }
}

/// Whether every request that `later` means is meant by `earlier` too. Says no where it cannot
/// tell.
fn covers(earlier: &RequestPattern, later: &RequestPattern) -> bool {
    let methods = earlier.methods.is_empty()
        || (!later.methods.is_empty() && later.methods.iter().all(|m| earlier.methods.contains(m)));
    methods
        && path_covers(&earlier.path, &later.path)
        && conditions_cover(&earlier.query, &later.query)
        && conditions_cover(&earlier.headers, &later.headers)
}

/// Whether whoever meets the conditions of `later` meets those of `earlier`.
fn conditions_cover<N: PartialEq>(
    earlier: &[(N, Option<String>)],
    later: &[(N, Option<String>)],
) -> bool {
    earlier.iter().all(|(name, value)| {
        later
            .iter()
            .any(|(other, its)| name == other && (value.is_none() || value == its))
    })
}

fn path_covers(earlier: &PathPattern, later: &PathPattern) -> bool {
    if earlier.text == later.text {
        return true;
    }
    // A path without wildcards matches itself; a pattern is covered by `base/**` where it begins
    // with `base/`.
    if literal_start(&later.text).len() == later.text.len() {
        return earlier.matches(&later.text);
    }
    match earlier.text.strip_suffix("/**") {
        Some(base) if literal_start(base).len() == base.len() => {
            literal_start(&later.text).starts_with(&format!("{base}/"))
        }
        _ => false,
    }
}

/// What stands before the first wildcard.
fn literal_start(pattern: &str) -> &str {
    let end = pattern.find(['*', '{']).unwrap_or(pattern.len());
    &pattern[..end]
}
