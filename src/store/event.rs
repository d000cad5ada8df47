//! What is recorded of a session: one event per login, change of device, end and refusal of a
//! dead id.
//!
//! All but a refusal's event are appended to the outbox by the very write that makes it true,
//! so that there is exactly one however many gateways saw it happen.

pub mod build;

use serde::{Deserialize, Serialize};

/// Names an event: the same event has the same id, however often it is delivered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub String);

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A login was seen to succeed.
    Login,
    /// A session went on, on a device of another class.
    Device,
    /// A lineage ended.
    End,
    /// A lineage ended in a way that somebody should look at.
    Alert,
    /// A lineage would have ended, by a limit that is only watched.
    WouldEnd,
    /// A request with a dead id was refused or stripped.
    Refusal,
    /// Work that was under way at the absolute timeout is over.
    LateWork,
}

/// One limit, as an event tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitInForce {
    /// Milliseconds.
    pub after_ms: u64,
    /// The rule it came from, such as `role buyer`.
    pub rule: String,
}

/// How many sessions a user may have at a time, as an event tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatsInForce {
    /// The number.
    pub most: u32,
    /// The rule it came from, such as `role buyer`.
    pub rule: String,
}

/// One event. Instants and spans are in milliseconds. Never a cookie, never an id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEvent {
    /// Its id.
    pub id: EventId,
    /// What happened.
    pub event: EventKind,
    /// When, on the deployment clock.
    pub at_ms: u64,
    /// The session.
    pub lineage: String,
    /// The app.
    pub app: String,
    /// The user, where the login told one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user: Option<String>,
    /// The roles held.
    pub roles: Vec<String>,
    /// Why it ended, why the request was refused, `adopted` for a login that nobody saw, or how late
    /// work was over.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// The address of the client whose request made it happen; none where nobody came back.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub client: Option<String>,
    /// The class of its device, where the policy has classes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub device: Option<String>,
    /// Of a change of device, the class before.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub device_before: Option<String>,
    /// Since the session started.
    pub age_ms: u64,
    /// Since its last active request.
    pub idle_ms: u64,
    /// The idle timeout in force.
    pub idle_timeout: LimitInForce,
    /// The absolute timeout in force.
    pub absolute_timeout: LimitInForce,
    /// How many sessions the user may have, where this is why.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_sessions: Option<SeatsInForce>,
    /// The version of the policy that judged.
    pub policy: String,
}
