//! Whether each route can be reached: the first that matches wins, so earlier ones that cover it
//! make it a dead letter.

use http::Method;

use super::Checker;
use super::cover::{alternatives, covers, literal_start};
use crate::config::app::{RequestPattern, Route};
use crate::config::fault::{At, Code, Fault};
use crate::config::raw::app::{RawApp, RawRoute};

impl Checker<'_> {
    pub(super) fn reachable(&self, raw: &[At<RawRoute>], routes: &[Option<Route>]) {
        for (index, route) in routes.iter().enumerate() {
            let Some(route) = route else { continue };
            let takers = takers(&routes[..index], &route.pattern).unwrap_or_default();
            let Some(first) = takers.first() else {
                continue;
            };
            let label = match takers.len() {
                1 => "matches all of them first",
                _ => "matches some of them first, and later ones the rest",
            };
            let fault = Fault::error(
                Code::Unreachable,
                &raw[index].place,
                "no request reaches this route",
            );
            self.findings.push(
                fault
                    .label("this route comes later")
                    .other(&raw[*first].place, label)
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
        let passive = app.passive.iter();
        let passive = passive.filter_map(|raw| raw.value.path.as_ref());
        let frames = app.person_frames.iter();
        let frames = frames.filter_map(|raw| raw.value.path.as_ref());
        let others = passive.chain(frames);
        for told in logins.chain(logouts).chain(routes).chain(others) {
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

/// The earlier routes that together take every request that `later` means; none where they leave
/// some, or where that cannot be told.
fn takers(earlier: &[Option<Route>], later: &RequestPattern) -> Option<Vec<usize>> {
    let methods: Vec<Option<&Method>> = match later.methods.as_slice() {
        [] => vec![None],
        methods => methods.iter().map(Some).collect(),
    };
    let mut takers = Vec::new();
    for path in alternatives(&later.path.text) {
        for method in &methods {
            let taker = earlier.iter().position(|route| {
                let pattern = route.as_ref().map(|route| &route.pattern);
                pattern.is_some_and(|earlier| takes(earlier, later, &path, *method))
            })?;
            if !takers.contains(&taker) {
                takers.push(taker);
            }
        }
    }
    Some(takers)
}

/// Whether `earlier` means all requests of `later` with one of its paths and methods; no method
/// stands for any.
fn takes(
    earlier: &RequestPattern,
    later: &RequestPattern,
    path: &str,
    method: Option<&Method>,
) -> bool {
    let any = earlier.methods.is_empty();
    (any || method.is_some_and(|method| earlier.methods.contains(method)))
        && covers(&earlier.path.text, path)
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
