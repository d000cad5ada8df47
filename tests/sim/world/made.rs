//! What the numbers of the model stand for in the store.

use std::sync::Arc;
use std::time::Duration;

use curfew::domain::identity::{Lineage, Sid};
use curfew::domain::limits::Bounds;
use curfew::domain::policy::{Policy, PolicyVersion, Role, RoleName};
use curfew::domain::session::{EndReason, Login, Session, UserName};
use curfew::domain::time::Timestamp;
use curfew::store::event::{EventId, EventKind, LimitInForce, SessionEvent};
use curfew::store::op::{End, NewSession};

use super::World;
use crate::model::{LIMITS, Life, Stands};

impl World {
    pub(super) fn new_session(&self, life: usize, stands: Stands) -> NewSession {
        let Life {
            user,
            started,
            last_active,
        } = self.model.lives[life];
        let login = (user > 0).then(|| Login {
            admitted: ts(started),
            user: UserName::new(&user_name(user)),
            groups: Vec::new(),
            roles: vec![self.policy.roles[user - 1].name.clone()],
            roles_learned: ts(started),
            is_doubtful: false,
        });
        let session = Session {
            lineage: lineage(life),
            generation: 0,
            app: "procurement".into(),
            started: ts(started),
            until: None,
            login,
            device: None,
            policy: self.policy.version,
            companions: Vec::new(),
            scopes: Vec::new(),
            token: None,
            would_have_ended: Default::default(),
        };
        NewSession {
            session: Arc::new(session),
            last_active: ts(last_active),
            pending: stands == Stands::Pending,
            forget_at: ts(u64::MAX),
        }
    }

    pub(super) fn end_of(
        &self,
        life: usize,
        reason: EndReason,
        event: Option<Box<SessionEvent>>,
    ) -> End {
        End {
            lineage: lineage(life),
            reason,
            at: ts(self.now),
            if_last_active: None,
            event,
            forget_at: ts(u64::MAX),
        }
    }

    pub(super) fn event(&self, life: usize, reason: Option<EndReason>) -> Box<SessionEvent> {
        let kind = if reason.is_some() {
            EventKind::End
        } else {
            EventKind::Login
        };
        let limit = |after_ms| LimitInForce {
            after_ms,
            rule: String::new(),
        };
        let Life {
            user,
            started,
            last_active,
        } = self.model.lives[life];
        Box::new(SessionEvent {
            id: EventId(format!("{life}-{kind:?}")),
            event: kind,
            at_ms: self.now,
            lineage: lineage(life).to_string(),
            app: "procurement".into(),
            user: Some(user_name(user)),
            roles: Vec::new(),
            reason: reason.map(|reason| reason.as_str().to_owned()),
            client: None,
            device: None,
            device_before: None,
            age_ms: self.now.saturating_sub(started),
            idle_ms: self.now.saturating_sub(last_active),
            idle_timeout: limit(LIMITS[user].0),
            absolute_timeout: limit(LIMITS[user].1),
            max_sessions: None,
            policy: self.policy.version.to_string(),
        })
    }
}

pub(super) fn ts(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn name(n: usize, kind: u8) -> [u8; 16] {
    let mut name = [kind; 16];
    // The first byte chooses the shard: neighbours shall not share one.
    name[..8].copy_from_slice(&(n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    name
}

pub(super) fn sid(id: usize) -> Sid {
    Sid::from_bytes(name(id, 0))
}

pub(super) fn lineage(life: usize) -> Lineage {
    Lineage::from_bytes(name(life, 0xff))
}

pub(super) fn user_name(user: usize) -> String {
    format!("user-{user}")
}

pub(super) fn policy() -> Policy {
    let duration = |index: usize| {
        let (idle, absolute) = LIMITS[index];
        (Duration::from_millis(idle), Duration::from_millis(absolute))
    };
    let role = |name, index| {
        let (idle, absolute) = duration(index);
        Role {
            name: RoleName::new(name),
            idle,
            absolute,
            users: [].into(),
            groups: [].into(),
            ..Role::default()
        }
    };
    let (anonymous_idle, anonymous_absolute) = duration(0);
    Policy {
        version: PolicyVersion(1),
        ceiling: Bounds::default(),
        anonymous_idle,
        anonymous_absolute,
        roles: vec![role("buyer", 1), role("approver", 2)],
        ..Policy::default()
    }
}
