//! What can be said of a request of which method and normalised path are known, and nothing else:
//! one that was logged.

use http::request::Parts;
use http::{Method, Request};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::config::app::{App, RequestPattern};
use crate::domain::access::{Activity, Client};
use crate::domain::limits::RouteBounds;

use super::path::{NormalPath, normalise};
use super::query::Met;
use super::{Routed, met, route};

/// What a normalised path may hold and a request's target may not.
const NOT_IN_A_TARGET: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A request as the access log tells it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Logged<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    /// Which requests its route was meant for, or what the route is called.
    pub(crate) route: Option<&'a str>,
    pub(crate) activity: Activity,
    pub(crate) opens_stream: bool,
    /// The status of its answer, where the app gave one.
    pub(crate) status: Option<u16>,
}

/// What the routes of an app make of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Replayed {
    pub(crate) activity: Activity,
    pub(crate) limits: RouteBounds,
    /// Whether that hangs on what the log does not tell, so that what was judged then was kept.
    pub(crate) is_guess: bool,
}

/// Routes it anew. Where a rule that may be meant for it asks for a query or for headers, the
/// activity stays what it was, and so does the route as far as this app has it.
pub(crate) fn replay(app: &App, logged: Logged<'_>) -> Replayed {
    let Some((routed, hangs)) = routed_anew(app, logged) else {
        return kept(app, logged, RouteBounds::default());
    };
    if hangs {
        return kept(app, logged, routed.rule.limits);
    }
    let by_answer = || {
        logged.status.is_none_or(|status| {
            routed
                .passive_at
                .iter()
                .any(|passive| passive.as_u16() == status)
        })
    };
    let is_passive = routed.rule.activity == Activity::Passive
        || logged.opens_stream
        || (!routed.passive_at.is_empty() && by_answer());
    Replayed {
        activity: match is_passive {
            true => Activity::Passive,
            false => Activity::Active,
        },
        limits: routed.rule.limits,
        is_guess: false,
    }
}

fn kept(app: &App, logged: Logged<'_>, otherwise: RouteBounds) -> Replayed {
    let is_it = |route: &&crate::config::app::Route| {
        Some(&*route.pattern.text()) == logged.route || Some(&*route.label) == logged.route
    };
    let found = app.routes.iter().find(is_it);
    Replayed {
        activity: logged.activity,
        limits: found.map_or(otherwise, |route| route.rule.limits),
        is_guess: true,
    }
}

fn routed_anew(app: &App, logged: Logged<'_>) -> Option<(Routed, bool)> {
    let target = utf8_percent_encode(logged.path, NOT_IN_A_TARGET).to_string();
    let method = logged.method.parse::<Method>().ok()?;
    let request = Request::builder().method(method).uri(target).body(());
    let (parts, ()) = request.ok()?.into_parts();
    let path = normalise(parts.uri.path()).ok()?;
    // Who waited is not known; what opened a stream is told apart.
    let routed = route(app, &parts, &path, Client::Navigation);
    let hangs = hangs_on_more(app, &parts, &path);
    Some((routed, hangs))
}

/// Whether any rule asks such a request for its query or for its headers.
fn hangs_on_more(app: &App, parts: &Parts, path: &NormalPath<'_>) -> bool {
    let asks = |pattern: &RequestPattern| {
        let asks = !pattern.query.is_empty() || !pattern.headers.is_empty();
        let bare = RequestPattern {
            query: Vec::new(),
            headers: Vec::new(),
            ..pattern.clone()
        };
        asks && met(&bare, parts, path.as_str()) != Met::Nowhere
    };
    app.routes.iter().any(|route| asks(&route.pattern))
        || app
            .passivity
            .requests
            .iter()
            .any(|rule| asks(&rule.pattern))
}
