//! Writing events: from a session at one instant to what is recorded of it.

use std::net::IpAddr;

use crate::domain::decide::Stale;
use crate::domain::limits::{DeviceId, Limit, Limits, RoleId, Rule};
use crate::domain::policy::Policy;
use crate::domain::seats::Seats;
use crate::domain::session::{EndReason, Session};
use crate::domain::time::Timestamp;

use super::{EventId, EventKind, LimitInForce, SeatsInForce, SessionEvent};

/// What an event tells of a session.
#[derive(Debug, Clone, Copy)]
pub struct EventFacts<'a> {
    /// The session. A login's event is told of the session that the login began.
    pub session: &'a Session,
    /// Its last active request.
    pub last_active: Timestamp,
    /// The limits in force.
    pub limits: &'a Limits,
    /// The policy that judged.
    pub policy: &'a Policy,
    /// When it happened.
    pub at: Timestamp,
    /// Whose request made it happen; none where nobody came back.
    pub client: Option<IpAddr>,
}

/// A login was seen to succeed.
pub fn login_event(facts: EventFacts<'_>) -> SessionEvent {
    event(
        facts,
        of_generation(facts.session, "login"),
        EventKind::Login,
        None,
    )
}

/// An id was adopted: somebody had logged in before the gateway was there.
pub fn adopted_event(facts: EventFacts<'_>) -> SessionEvent {
    let id = of_generation(facts.session, "login");
    event(facts, id, EventKind::Login, Some("adopted"))
}

/// A lineage ends. Whoever sees it first, the event has the same id.
pub fn end_event(facts: EventFacts<'_>, reason: EndReason) -> SessionEvent {
    let id = of_generation(facts.session, "end");
    event(facts, id, EventKind::End, Some(reason.as_str()))
}

/// What an end must be told of besides: that a copy of the session was in use.
pub fn alert_of(end: &SessionEvent) -> Option<SessionEvent> {
    let is_alarming = end.reason.as_deref() == Some(EndReason::TokenReuse.as_str());
    is_alarming.then(|| SessionEvent {
        id: EventId(format!("{}-alert", end.id.0)),
        event: EventKind::Alert,
        ..end.clone()
    })
}

/// A lineage would have ended by a limit that is only watched: `facts.limits` are those. Whoever
/// sees it first, the event has the same id.
pub fn would_end_event(facts: EventFacts<'_>, reason: EndReason) -> SessionEvent {
    let away = match reason {
        EndReason::IdleTimeout => format!("-{}", facts.last_active.as_millis()),
        _ => String::new(),
    };
    let id = of_generation(facts.session, &format!("would-{reason}{away}"));
    event(facts, id, EventKind::WouldEnd, Some(reason.as_str()))
}

/// A session goes on, on a device of another class than `before`.
pub fn device_event(facts: EventFacts<'_>, before: &str) -> SessionEvent {
    let at = facts.at.as_millis();
    let id = of_generation(facts.session, &format!("device-{at}"));
    SessionEvent {
        device_before: Some(before.to_owned()),
        ..event(facts, id, EventKind::Device, None)
    }
}

/// A request with a dead id was refused or stripped.
pub fn refusal_event(facts: EventFacts<'_>, stale: Stale, nonce: u32) -> SessionEvent {
    let id = of_instant(facts, nonce);
    event(facts, id, EventKind::Refusal, Some(stale_word(stale)))
}

/// A login is refused that the app let in. Its session never began.
pub fn login_refused_event(
    facts: EventFacts<'_>,
    reason: &'static str,
    seats: Seats,
    nonce: u32,
) -> SessionEvent {
    SessionEvent {
        max_sessions: Some(seats_in_force(facts.policy, seats)),
        ..event(
            facts,
            of_instant(facts, nonce),
            EventKind::Refusal,
            Some(reason),
        )
    }
}

/// Work that was under way at the absolute timeout is over: it finished, or was cut.
pub fn late_work_event(facts: EventFacts<'_>, how: &'static str, nonce: u32) -> SessionEvent {
    event(
        facts,
        of_instant(facts, nonce),
        EventKind::LateWork,
        Some(how),
    )
}

/// `nonce` is random: several of a session's may happen in a millisecond.
fn of_instant(facts: EventFacts<'_>, nonce: u32) -> EventId {
    let at = facts.at.as_millis();
    EventId(format!("{}-{at}-{nonce:08x}", facts.session.lineage))
}

/// A login that keeps the id ends one generation and begins the next.
fn of_generation(session: &Session, what: &str) -> EventId {
    EventId(format!("{}-{}-{what}", session.lineage, session.generation))
}

fn event(
    facts: EventFacts<'_>,
    id: EventId,
    event: EventKind,
    reason: Option<&'static str>,
) -> SessionEvent {
    let EventFacts {
        session,
        at,
        limits,
        ..
    } = facts;
    SessionEvent {
        id,
        event,
        at_ms: at.as_millis(),
        lineage: session.lineage.to_string(),
        app: session.app.to_string(),
        user: session.user().map(|user| user.as_str().to_owned()),
        roles: session.roles().iter().map(ToString::to_string).collect(),
        reason: reason.map(str::to_owned),
        client: facts.client.map(|client| client.to_string()),
        device: session.device.as_deref().map(str::to_owned),
        device_before: None,
        age_ms: at.as_millis().saturating_sub(session.started.as_millis()),
        idle_ms: at.as_millis().saturating_sub(facts.last_active.as_millis()),
        idle_timeout: in_force(facts.policy, limits.idle),
        absolute_timeout: in_force(facts.policy, limits.absolute),
        max_sessions: None,
        policy: facts.policy.version.to_string(),
    }
}

fn in_force(policy: &Policy, limit: Limit) -> LimitInForce {
    LimitInForce {
        after_ms: u64::try_from(limit.after.as_millis()).unwrap_or(u64::MAX),
        rule: rule_text(policy, limit.rule),
    }
}

/// How many sessions a user may have, and the rule that says so.
pub fn seats_in_force(policy: &Policy, seats: Seats) -> SeatsInForce {
    SeatsInForce {
        most: seats.limit.seats,
        rule: rule_text(policy, seats.rule),
    }
}

/// How records and people are told where a limit came from.
pub fn rule_text(policy: &Policy, rule: Rule) -> String {
    match rule {
        Rule::Ceiling => "ceiling".to_owned(),
        Rule::App => "app".to_owned(),
        Rule::Role(id, device) => format!("role {}", role_text(policy, id, device)),
        Rule::Unmapped(id, device) => {
            format!("strictest of all roles ({})", role_text(policy, id, device))
        }
        Rule::RoleAge(id) => format!("max_role_age of {}", policy.name_of_role(id)),
        Rule::Device(id) => format!("device {}", policy.name_of_device(Some(id))),
        Rule::Anonymous => "anonymous".to_owned(),
        Rule::Route(id) => {
            let route = policy.route(id);
            format!("route {}", route.map_or("", |route| &route.label))
        }
        Rule::Adoption => "adoption".to_owned(),
        Rule::Monitor => "monitor".to_owned(),
    }
}

/// A role, and where what it says of a class of devices counts, that class.
fn role_text(policy: &Policy, role: RoleId, device: Option<DeviceId>) -> String {
    let name = policy.name_of_role(role);
    match device {
        None => name.to_owned(),
        Some(_) => format!("{name} on {}", policy.name_of_device(device)),
    }
}

/// The word for a stale request in records. An end is told by its reason.
pub fn stale_word(stale: Stale) -> &'static str {
    match stale {
        Stale::NoSession => "no_session",
        Stale::LoginRequired => "login_required",
        Stale::Unknown => "unknown",
        Stale::Ended(reason) => reason.as_str(),
        Stale::Superseded => "superseded",
        Stale::Mixed => "mixed",
        Stale::Partial => "partial",
        Stale::Foreign => "foreign",
        Stale::DeviceChanged => "device_changed",
        Stale::TokenMissing => "token_missing",
        Stale::TokenUnknown => "token_unknown",
        Stale::LoginTooOld => "login_too_old",
    }
}

#[cfg(test)]
mod tests;
