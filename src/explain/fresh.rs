//! How fresh a login a request asks for, and by which route.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::app::App;
use crate::domain::proof::LoginStep;

use super::RouteNamed;
use super::request::Found;
use super::telling::{for_people, millis};

/// The age of a login at which a request asks for a new one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthAgeSaid {
    /// Milliseconds.
    pub after_ms: u64,
    /// The same for people.
    pub after: String,
    /// The route that says so; of several that the request may be meant for, the strictest.
    pub by: RouteNamed,
}

/// The age that a request asks of its login. One that sends a login itself is asked by the strictest
/// of all routes, and then none is new enough.
pub(super) fn auth_age(
    app: &App,
    found: &Found,
    named: impl Fn(usize) -> Option<RouteNamed>,
) -> Option<AuthAgeSaid> {
    let asked = found.routed.proof.max_auth_age?;
    let is_attempt = found.routed.proof.step == LoginStep::Attempt;
    let routes = app.routes.iter().enumerate();
    let mut says = routes.filter(|(index, route)| {
        (is_attempt || found.is_meant_for(*index)) && route.rule.max_auth_age == Some(asked)
    });
    says.next().and_then(|(index, _)| {
        let age = match is_attempt {
            true => Duration::ZERO,
            false => asked,
        };
        Some(AuthAgeSaid {
            after_ms: millis(age),
            after: for_people(age),
            by: named(index)?,
        })
    })
}
