//! `explain`: what the policy says of one request, which rule gives each limit, and why the others
//! do not.
//!
//! It judges nothing itself. The route is found by `routing`, the limits and their candidates come
//! from `resolve`, as for a request that is served; here they are put into words, each with its line.

mod fresh;
pub mod request;
pub mod seats;
pub mod session;
mod setting;
mod telling;

#[cfg(test)]
mod tests;

use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::config::app::App;
use crate::domain::access::{Access, OnStale};
use crate::domain::device::Seen;
use crate::domain::limits::{LimitKind, RouteBounds, Rule};
use crate::domain::resolve::{Candidate, Facts, Holder, Setting};
use crate::domain::session::Session;
use crate::routing::Routed;

pub use fresh::AuthAgeSaid;

use fresh::auth_age;
use request::{Described, Found};
use seats::{SeatCandidateSaid, SeatsSaid};
use setting::{besides, setting};
use telling::{Telling, for_people};

/// Whose limits are asked for.
#[derive(Debug, Clone, Copy)]
pub enum Who<'a> {
    /// Anybody like this.
    Anybody {
        /// What a login told of him, where there was one.
        holder: Holder<'a>,
        /// His device, where it is told by its class; else the request tells, or no class matches.
        device: Seen,
    },
    /// The owner of this session.
    Session(&'a Session),
}

/// What the policy says, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The version of the policy that was asked.
    pub policy: String,
    /// The app.
    pub app: String,
    /// The roles held; none where nobody logged in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub roles: Option<Vec<String>>,
    /// The class of the device, where the policy has classes and one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// What the route says, where a request was described.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request: Option<RouteSaid>,
    /// The idle timeout that holds.
    pub idle: LimitSaid,
    /// The absolute timeout that holds.
    pub absolute: LimitSaid,
    /// The limits that are only watched, where anything is in monitor mode.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub watched: Option<Watched>,
    /// Every rule that could have a say, in the order in which equal ones get the credit.
    pub candidates: Vec<CandidateSaid>,
    /// How many sessions the user may have at a time, where a rule says so.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_sessions: Option<SeatsSaid>,
    /// Every rule that could have a say in that.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub max_sessions_candidates: Vec<SeatCandidateSaid>,
}

/// A limit, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitSaid {
    /// Milliseconds.
    pub after_ms: u64,
    /// The same for people.
    pub after: String,
    /// The rule, as the audit names it.
    pub rule: String,
    /// The rule's line; none for a default.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<usize>,
}

/// What the limits would be if nothing were in monitor mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// The idle timeout.
    pub idle: LimitSaid,
    /// The absolute timeout.
    pub absolute: LimitSaid,
}

/// A rule and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CandidateSaid {
    /// The rule, as the audit names it.
    pub rule: String,
    /// Whether it is meant for such a session.
    pub applies: bool,
    /// What it says of the idle timeout, where it does.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub idle: Option<Outcome>,
    /// What it says of the absolute timeout, where it does.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub absolute: Option<Outcome>,
}

/// One limit of a rule, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Milliseconds.
    pub after_ms: u64,
    /// The same for people.
    pub after: String,
    /// Where it is written; none for a default.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<usize>,
    /// Whether it is the one that holds.
    pub wins: bool,
    /// Why it does or does not.
    pub why: String,
}

/// What the routes of the app say of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteSaid {
    /// The method.
    pub method: String,
    /// The path on which access is judged.
    pub path: String,
    /// The route that matched; none where what the app says of every other request holds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub route: Option<RouteNamed>,
    /// Routes that some servers would take it for: they make it stricter.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub stricter_by: Vec<RouteNamed>,
    /// `public`, `session` or `authenticated`.
    pub access: String,
    /// `active` or `passive`.
    pub activity: String,
    /// `refuse` or `strip`.
    pub on_stale: String,
    /// The age of a login at which it asks for a new one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_auth_age: Option<AuthAgeSaid>,
    /// The login recipes that it may be trying.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub logins: Vec<String>,
    /// What else is special about it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub notes: Vec<String>,
}

/// A route and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteNamed {
    /// Which requests are meant.
    pub requests: String,
    /// Its line.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<usize>,
}

/// Explains what limits a session of this app; at a request, where one is described.
pub fn explain(
    config: &Config,
    app: &App,
    who: Who<'_>,
    request: Option<&Described>,
) -> Result<Explanation, request::Unanswerable> {
    let found = found(app, request)?;
    let setting = setting(config, app, request, found.as_ref());
    let policy = &config.policy;
    let (limits, mut judged, facts) = match who {
        Who::Anybody { holder, device } => {
            let recorded = match (device, setting.seen) {
                (Seen::On(class), _) | (Seen::Nobody, Seen::On(class)) => class,
                (Seen::Nobody, Seen::Nobody) => None,
            };
            let setting = Setting {
                seen: Seen::Nobody,
                ..setting
            };
            let facts = Facts {
                holder,
                recorded,
                setting,
            };
            (policy.resolve_both(facts), policy.candidates(facts), facts)
        }
        Who::Session(session) => {
            let candidates = session.candidates(policy, setting);
            let limits = session.resolve(policy, setting);
            (limits, candidates, session.facts(policy, setting))
        }
    };
    tell_all_routes(&mut judged, app, found.as_ref());
    let telling = Telling {
        config,
        app,
        limits: limits.enforced,
        watched: limits.watched,
        holder: facts.holder,
    };
    let [idle, absolute] = LimitKind::BOTH.map(|kind| telling.limit(limits.enforced, kind));
    let watched = limits.watched.map(|limits| Watched {
        idle: telling.limit(limits, LimitKind::Idle),
        absolute: telling.limit(limits, LimitKind::Absolute),
    });
    let (max_sessions, max_sessions_candidates) = seats::explained(config, facts.holder);
    Ok(Explanation {
        policy: policy.version.to_string(),
        app: app.name.to_string(),
        roles: match facts.holder {
            Holder::Anonymous => None,
            Holder::Authenticated(held) => Some(held.iter().map(ToString::to_string).collect()),
        },
        device: match who {
            Who::Session(session) => session.device.as_deref().map(str::to_owned),
            Who::Anybody { .. } if policy.devices.is_empty() => None,
            Who::Anybody { .. } => Some(policy.name_of_device(facts.recorded).to_owned()),
        },
        request: found.map(|found| {
            let mut said = route_said(config, app, &found);
            said.notes.extend(besides(config, app, who, request));
            said
        }),
        idle,
        absolute,
        watched,
        candidates: judged
            .into_iter()
            .map(|candidate| telling.candidate(candidate))
            .collect(),
        max_sessions,
        max_sessions_candidates,
    })
}

fn found(app: &App, request: Option<&Described>) -> Result<Option<Found>, request::Unanswerable> {
    request.map(|request| request.find(app)).transpose()
}

/// Puts every route of the app with limits of its own in the place of those few that `resolve` was
/// told of: of several that a request may be meant for it is told the smallest limits alone.
fn tell_all_routes(judged: &mut Vec<Candidate>, app: &App, found: Option<&Found>) {
    judged.retain(|candidate| !matches!(candidate.rule, Rule::Route(_)));
    let is_ceiling = |candidate: &Candidate| candidate.rule == Rule::Ceiling;
    let before_the_ceiling = judged.iter().position(is_ceiling).unwrap_or(judged.len());
    let routes = app.routes.iter().enumerate().filter_map(|(index, route)| {
        let RouteBounds { idle, absolute } = route.rule.limits;
        let (_, id) = idle.or(absolute)?;
        Some(Candidate {
            rule: Rule::Route(id),
            bounds: route.rule.limits.bounds(),
            applies: found.is_some_and(|found| found.is_meant_for(index)),
            mode: app.bounds.mode,
        })
    });
    judged.splice(before_the_ceiling..before_the_ceiling, routes);
}

fn route_said(config: &Config, app: &App, found: &Found) -> RouteSaid {
    let routed = &found.routed;
    let named = |index: usize| {
        let route = app.routes.get(index)?;
        Some(RouteNamed {
            requests: route.pattern.text(),
            line: config.lines.of_route(&app.name, index),
        })
    };
    let [access, activity, on_stale] = routed.rule.words().map(str::to_owned);
    let recipes = routed.logins.iter();
    let logins = recipes.filter_map(|index| Some(app.logins.get(*index)?.label.to_string()));
    RouteSaid {
        method: found.method.to_string(),
        path: found.path.clone(),
        route: routed.route.and_then(named),
        stricter_by: routed.for_some.iter().copied().filter_map(named).collect(),
        access,
        activity,
        on_stale,
        max_auth_age: auth_age(app, found, named),
        logins: logins.collect(),
        notes: notes(app, routed, &found.method),
    }
}

fn notes(app: &App, routed: &Routed, method: &Method) -> Vec<String> {
    let route = routed.route.and_then(|index| app.routes.get(index));
    let ruled = route.map_or(app.fallback, |route| route.rule);
    let is_public = routed.rule.access == Access::Public;
    let mut notes = Vec::new();
    if is_public && ruled.access != Access::Public {
        let login = match routed.logins.is_empty() {
            true => "shows the login form",
            false => "tries a login",
        };
        notes.push(format!("{login}, which is public by itself"));
    }
    if routed.logout.is_some() {
        notes.push("logs out, where the app says so".to_owned());
    }
    if !is_public && !method.is_safe() && ruled.on_stale == OnStale::Strip {
        let unsafe_method = "refused when stale all the same: its method may change something";
        notes.push(unsafe_method.to_owned());
    }
    if !routed.passive_at.is_empty() {
        let statuses = routed.passive_at.iter().map(StatusCode::as_str);
        let statuses = statuses.collect::<Vec<_>>().join(", ");
        notes.push(format!("passive where the answer is {statuses}"));
    }
    if let Some(token) = app.token.as_ref().filter(|_| !is_public) {
        let every = for_people(token.renewal.every);
        notes.push(format!(
            "needs the companion token after a login, renewed every {every}"
        ));
    }
    for rule in &routed.person_frames {
        notes.push(format!("active are its frames: {}", rule.text()));
    }
    notes
}
