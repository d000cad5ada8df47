//! How fresh a login a request asks for, and by which route.

use serde::{Deserialize, Serialize};

use crate::config::app::App;

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

/// The age that a request asks of its login. One that tries a login itself is asked by the
/// strictest of all routes.
pub(super) fn auth_age(
    app: &App,
    found: &Found,
    named: impl Fn(usize) -> Option<RouteNamed>,
) -> Option<AuthAgeSaid> {
    let asked = found.routed.proof.max_auth_age?;
    let is_login = !found.routed.logins.is_empty();
    let routes = app.routes.iter().enumerate();
    let mut says = routes.filter(|(index, route)| {
        (is_login || found.is_meant_for(*index)) && route.rule.max_auth_age == Some(asked)
    });
    says.next().and_then(|(index, _)| {
        Some(AuthAgeSaid {
            after_ms: millis(asked),
            after: for_people(asked),
            by: named(index)?,
        })
    })
}
