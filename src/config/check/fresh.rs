//! `max_auth_age`: whether it can ever ask for a login, and whether anybody could follow.

use std::time::Duration;

use super::Checker;
use super::limits::Told;
use super::route::{AppPlace, longest};
use crate::config::app::{LoginRecipe, Page};
use crate::config::fault::{At, Code, Fault};
use crate::config::raw::app::RawRoute;
use crate::domain::access::Access;
use crate::domain::limits::LimitKind;
use crate::domain::policy::Policy;

impl Checker<'_> {
    /// Whether a route can ever ask for a newer login: not where it needs none, and not where
    /// every session is over by then.
    pub(super) fn auth_age_applies(
        &self,
        told: Told<'_>,
        (access, app): (Access, &AppPlace<'_>),
        policy: &Policy,
    ) {
        if access != Access::Authenticated {
            let message = "a route that needs no login asks for no newer one";
            let help = "leave it out, or write access = \"authenticated\"";
            self.error(Code::Contradiction, &told.place, message, help);
            return;
        }
        let longest = longest(policy, LimitKind::Absolute, access, app.bounds);
        if let Some(longest) = longest.filter(|longest| told.value.0 >= *longest) {
            self.never_applies(told, longest, "no session here is older than");
        }
    }

    /// The smallest age at which any route asks for a new login; a warning where nobody can be
    /// sent to one, or where it may not be a real one.
    pub(super) fn freshest(
        &self,
        routes: &[At<RawRoute>],
        logins: &Option<Vec<LoginRecipe>>,
    ) -> Option<Duration> {
        let told = routes
            .iter()
            .filter_map(|raw| raw.value.max_auth_age.as_ref());
        let told = told.min_by_key(|told| told.value.0)?;
        let has_page = |recipe: &LoginRecipe| recipe.page != Page::None;
        if let Some(logins) = logins
            && !logins.iter().any(has_page)
        {
            let message = "nobody can be sent to log in again: no login has a page";
            let fault = Fault::warning(Code::NeverApplies, &told.place, message);
            let label = "a navigation gets a page that says so, and no way on";
            let help = "write where the form is shown, like page = \"/login\"";
            self.findings.push(fault.label(label).help(help));
        }
        Some(told.value.0)
    }
}
