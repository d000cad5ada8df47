//! What the access log is told of a request, so that it can be replayed.

use std::sync::Arc;

use crate::domain::identity::Fingerprint;
use crate::domain::session::Session;
use crate::routing::Routed;
use crate::telemetry::access_log::{AccessEntry, Happened};

use super::snapshot::{AppRuntime, Snapshot};

/// The request's app and route are known.
pub(super) fn routed(entry: &mut AccessEntry, app: &AppRuntime, routed: &Routed, path: &str) {
    let route = routed.route.and_then(|index| app.app.routes.get(index));
    entry.app = Some(Arc::clone(&app.app.name));
    entry.route = routed.label.clone();
    entry.matched = route.map(|route| route.pattern.text());
    entry.access = Some(routed.rule.access);
    entry.activity = Some(routed.rule.activity);
    entry.stream = routed.opens_stream;
    entry.path = path.to_owned();
}

/// It began a session, which may have taken the place of another one.
pub(super) fn login(
    entry: &mut AccessEntry,
    app: Option<&AppRuntime>,
    snapshot: &Snapshot,
    session: &Arc<Session>,
) {
    entry.happened = Some(Happened::Login);
    entry.user = app.and_then(|app| pseudonym(app, snapshot, session));
    let before = entry.session.replace(Arc::clone(session));
    entry.before = before.map(|before| before.lineage);
}

/// A user as the log knows him.
pub(super) fn pseudonym(
    app: &AppRuntime,
    snapshot: &Snapshot,
    session: &Session,
) -> Option<Fingerprint> {
    let user = session.user()?.as_str().as_bytes();
    let keys = &snapshot.config.keys;
    Some(keys.fingerprint(&app.app.namespace, "user of the access log", user))
}
