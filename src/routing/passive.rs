//! Whether a request is a person's, beyond what its route says.
//!
//! What opens a stream is passive: a page opens its WebSocket and its event stream again whenever
//! they break, with nobody in front of it.

use http::Method;
use http::header::ACCEPT;
use http::request::Parts;

use crate::config::app::App;
use crate::config::passive::PassiveRule;
use crate::domain::access::{Activity, Client};

use super::path::NormalPath;
use super::query::Met;
use super::{Routed, met, without_parameters};

/// Says of a routed request whether it is passive, or which answers would tell so.
///
/// Where servers read a request in two ways, either that is passive is enough.
pub(super) fn settle(
    routed: &mut Routed,
    app: &App,
    parts: &Parts,
    path: &NormalPath<'_>,
    client: Client,
) {
    routed.opens_stream = client == Client::Upgrade || asks_for_events(parts, client);
    if routed.rule.activity == Activity::Passive {
        return;
    }
    let raw = path.differs().then(|| without_parameters(parts.uri.path()));
    let is_meant = |rule: &PassiveRule| {
        let by = |path: &str| met(&rule.pattern, parts, path) != Met::Nowhere;
        by(path.as_str()) || raw.as_deref().is_some_and(by)
    };
    for rule in app.passivity.requests.iter().filter(|rule| is_meant(rule)) {
        if rule.status.is_empty() {
            routed.rule.activity = Activity::Passive;
            return;
        }
        routed.passive_at.extend(&rule.status);
    }
    if client == Client::Upgrade {
        let frames = app.passivity.frames.iter();
        // These make active: here, both readings must be meant.
        let frames = frames.filter(|rule| {
            let by_raw = raw.as_deref().is_none_or(|raw| rule.path.matches(raw));
            rule.path.matches(path.as_str()) && by_raw
        });
        routed.person_frames.extend(frames.cloned());
    }
    if routed.opens_stream {
        routed.rule.activity = Activity::Passive;
        routed.passive_at.clear();
    }
}

/// Whether events are asked for: an `EventSource` does so by GET, and accepts nothing else (HTML,
/// 9.2.2); what stands in for one may accept more, but no page.
fn asks_for_events(parts: &Parts, client: Client) -> bool {
    let values = parts.headers.get_all(ACCEPT);
    let ranges = || {
        let texts = values.iter().filter_map(|value| value.to_str().ok());
        texts
            .flat_map(|text| text.split(','))
            .map(|range| range.split(';').next().unwrap_or(range).trim())
    };
    let accepts = |kind: &str| ranges().any(|range| range.eq_ignore_ascii_case(kind));
    client == Client::Script
        && parts.method == Method::GET
        && accepts("text/event-stream")
        && !accepts("text/html")
}
