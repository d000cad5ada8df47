//! One session, as it goes on under the policy that is tried.

use std::sync::Arc;

use crate::domain::device::{OTHER, Seen};
use crate::domain::identity::{Fingerprint, Lineage};
use crate::domain::policy::{Policy, PolicyVersion, RoleName};
use crate::domain::rehearse::WouldHaveEnded;
use crate::domain::session::{EndReason, Login, Record, Session, State};
use crate::domain::time::Timestamp;

use super::line::Line;

/// A session and what has become of it.
pub(super) struct Life {
    pub(super) record: Record,
    pub(super) role: usize,
    pub(super) user: Option<Fingerprint>,
    pub(super) standing: Standing,
    /// When it is looked at again, or forgotten.
    pub(super) due: Timestamp,
    /// Whether it is counted that its user was really turned away.
    pub(super) turned_away: bool,
}

/// What has become of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It goes on.
    Live,
    /// The policy would have ended it, and its user may come back.
    Cut {
        reason: EndReason,
        at: Timestamp,
        /// Whether a request met the end.
        met: bool,
    },
    /// It really ended.
    Over,
}

impl Life {
    /// The session of a line that is the first to tell of it.
    pub(super) fn first_seen(
        line: &Line,
        policy: PolicyVersion,
        lineage: Lineage,
        role: usize,
        last_active: Timestamp,
    ) -> Self {
        let started = line.started();
        let held = line.roles.as_deref().unwrap_or_default();
        let login = line.authenticated.unwrap_or_default().then(|| Login {
            admitted: started,
            user: None,
            groups: Vec::new(),
            roles: held.iter().map(|role| RoleName::new(role)).collect(),
            roles_learned: started,
            is_doubtful: false,
        });
        let session = Session {
            lineage,
            generation: 0,
            app: line.app.as_deref().unwrap_or_default().into(),
            started,
            until: line.until(),
            login,
            device: line.device.as_deref().map(Arc::from),
            // Mappings are not tried: it has the roles that this policy would have given it.
            policy,
            companions: Vec::new(),
            scopes: Vec::new(),
            token: None,
            would_have_ended: WouldHaveEnded::default(),
        };
        Self {
            record: Record {
                session: Arc::new(session),
                last_active,
                state: State::Alive,
            },
            role,
            user: line.user(),
            standing: Standing::Live,
            due: last_active,
            turned_away: false,
        }
    }

    /// Its user was active.
    pub(super) fn touch(&mut self, at: Timestamp) {
        self.record.last_active = self.record.last_active.max(at);
    }

    /// Its user has logged in again after an end that nobody recorded: both clocks start anew.
    pub(super) fn begin_again(&mut self, at: Timestamp) {
        let session = Arc::make_mut(&mut self.record.session);
        session.started = at;
        session.until = None;
        self.record.last_active = at;
        self.standing = Standing::Live;
    }
}

/// On what a request was made, as far as this policy knows its class; none where it should and
/// does not.
pub(super) fn seen(policy: &Policy, line: &Line) -> Option<Seen> {
    if policy.devices.is_empty() {
        return Some(Seen::Nobody);
    }
    match line.device.as_deref()? {
        OTHER => Some(Seen::On(None)),
        name => policy.device_named(name).map(|id| Seen::On(Some(id))),
    }
}
