//! A session that is on record: where it stands, and what is left of each limit.

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::domain::cuts::Cuts;
use crate::domain::device::{Moved, OnDeviceChange};
use crate::domain::resolve::Setting;
use crate::domain::session::{EndReason, Phase, Record};
use crate::domain::time::Timestamp;

use super::request::{Described, Unanswerable};
use super::setting::setting;
use super::telling::millis;
use super::{Explanation, Who, explain, found};

/// A session, and why it has the limits it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionExplained {
    /// When it was asked, on the deployment clock, in milliseconds.
    pub at_ms: u64,
    /// What is on record.
    pub session: SessionSaid,
    /// Its limits under the policy in force; none where its app has left the configuration.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub explanation: Option<Explanation>,
}

/// What is on record of a session. Never a cookie, never an id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSaid {
    /// Its name in records.
    pub lineage: String,
    /// Its app.
    pub app: String,
    /// The user, where the login told one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user: Option<String>,
    /// His groups, as the app told them.
    pub groups: Vec<String>,
    /// The roles that his login gave him.
    pub roles: Vec<String>,
    /// The class of its device, where one is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub device: Option<String>,
    /// `live`; `due`, where its end is owed and not written yet; `ended`, `superseded` or `pending`.
    pub state: String,
    /// Why it ends or ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// The policy under which it was recorded.
    pub recorded_under: String,
    /// Milliseconds since it started.
    pub age_ms: u64,
    /// Milliseconds since its last active request.
    pub idle_ms: u64,
    /// While it lives: milliseconds that are left of each limit, and when the first is reached if
    /// nobody comes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub left: Option<Left>,
}

/// What is left of a session that lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Of the idle timeout.
    pub idle_ms: u64,
    /// Of the absolute timeout.
    pub absolute_ms: u64,
    /// When it ends if nobody comes, on the deployment clock.
    pub ends_at_ms: u64,
}

/// What the gateway knows at one instant.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The configuration in force.
    pub config: &'a Config,
    /// The session's record.
    pub record: &'a Record,
    /// The cuts that were read with it.
    pub cuts: &'a Cuts,
    /// The instant.
    pub now: Timestamp,
}

/// Explains a session; at a request, where one is described.
pub fn explain_session(
    known: Known<'_>,
    request: Option<&Described>,
) -> Result<SessionExplained, Unanswerable> {
    let Known {
        config,
        record,
        now,
        ..
    } = known;
    let app = config.app(&record.session.app);
    let (explanation, at) = match app {
        None => (None, Setting::default()),
        Some(app) => {
            let who = Who::Session(&record.session);
            let at = setting(config, app, request, found(app, request)?.as_ref());
            (Some(explain(config, app, who, request)?), at)
        }
    };
    Ok(SessionExplained {
        at_ms: now.as_millis(),
        session: said(known, at),
        explanation,
    })
}

/// Whether the described request would end a session that lives.
fn is_ended_by_its_device(known: Known<'_>, setting: Setting) -> bool {
    let moved = known
        .record
        .session
        .moved(&known.config.policy, setting.seen);
    (moved, setting.on_device_change) == (Moved::Yes, OnDeviceChange::End)
}

fn said(known: Known<'_>, setting: Setting) -> SessionSaid {
    let Known {
        config,
        record,
        cuts,
        now,
    } = known;
    let session = &record.session;
    let (state, reason) = match record.phase(&config.policy, setting, cuts, now) {
        Phase::Live { .. } if is_ended_by_its_device(known, setting) => {
            ("due", Some(EndReason::DeviceChanged))
        }
        Phase::Live { .. } => ("live", None),
        Phase::Due(reason) => ("due", Some(reason)),
        Phase::Ended(reason) => ("ended", Some(reason)),
        Phase::Superseded(_) => ("superseded", None),
        Phase::Pending => ("pending", None),
    };
    let limits = session.limits(&config.policy, setting);
    let (age, idle) = (now.since(session.started), now.since(record.last_active));
    let left = (state == "live").then(|| Left {
        idle_ms: millis(limits.idle.after.saturating_sub(idle)),
        absolute_ms: millis(limits.absolute.after.saturating_sub(age)),
        ends_at_ms: session
            .earliest_end(&limits, record.last_active)
            .as_millis(),
    });
    let groups = session
        .login
        .as_ref()
        .map_or(&[][..], |login| &login.groups);
    SessionSaid {
        lineage: session.lineage.to_string(),
        app: session.app.to_string(),
        user: session.user().map(|user| user.as_str().to_owned()),
        groups: groups.iter().map(ToString::to_string).collect(),
        roles: session.roles().iter().map(ToString::to_string).collect(),
        device: session.device.as_deref().map(str::to_owned),
        state: state.to_owned(),
        reason: reason.map(|reason| reason.as_str().to_owned()),
        recorded_under: session.policy.to_string(),
        age_ms: millis(age),
        idle_ms: millis(idle),
        left,
    }
}
