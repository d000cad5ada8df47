//! Where a session is judged that makes a described request, and what it meets there besides limits.

use crate::config::Config;
use crate::config::app::App;
use crate::domain::device::{Moved, OTHER, OnDeviceChange, Seen};
use crate::domain::limits::RouteBounds;
use crate::domain::policy::Policy;
use crate::domain::proof::Proof;
use crate::domain::resolve::Setting;
use crate::domain::session::Session;

use super::Who;
use super::request::{Described, Found};

/// Where a session is judged: in its app, at a request where there is one.
pub(super) fn setting(
    config: &Config,
    app: &App,
    request: Option<&Described>,
    found: Option<&Found>,
) -> Setting {
    Setting {
        app: app.bounds,
        route: found.map_or(RouteBounds::default(), |found| found.routed.rule.limits),
        seen: request.map_or(Seen::Nobody, |request| request.seen(&config.devices)),
        on_device_change: app.on_device_change,
        proof: found.map_or(Proof::default(), |found| found.routed.proof),
    }
}

/// What must be known of a described request besides what its route says.
pub(super) fn besides(
    config: &Config,
    app: &App,
    who: Who<'_>,
    request: Option<&Described>,
) -> Vec<String> {
    let setting = setting(config, app, request, None);
    let elsewhere = request.and_then(|request| request.answered_elsewhere(config, app));
    let change = match who {
        Who::Session(session) => change_said(&config.policy, session, setting),
        Who::Anybody { .. } => None,
    };
    elsewhere.map(not_here).into_iter().chain(change).collect()
}

/// That the described request is none of this app's.
fn not_here(answering: Option<&App>) -> String {
    match answering {
        Some(other) => format!("the app {} answers there, and not this one", other.name),
        None => "no app answers there".to_owned(),
    }
}

/// What becomes of a session that makes the request on a device of another class.
fn change_said(policy: &Policy, session: &Session, setting: Setting) -> Option<String> {
    let (Moved::Yes, Seen::On(now)) = (session.moved(policy, setting.seen), setting.seen) else {
        return None;
    };
    let what = match setting.on_device_change {
        OnDeviceChange::Record => "the change is told, and the session goes on",
        OnDeviceChange::Reauthenticate => "refused there until its user logs in on that device",
        OnDeviceChange::End => "it ends the session",
    };
    let now = policy.name_of_device(now);
    let before = session.device.as_deref().unwrap_or(OTHER);
    Some(format!(
        "on a device {now}, and the session began on {before}: {what}"
    ))
}
