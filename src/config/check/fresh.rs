//! `max_auth_age`: whether it can ever ask for a login, and whether anybody could follow.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::Checker;
use super::limits::Told;
use super::route::{AppPlace, longest};
use crate::config::app::{App, LoginRecipe, Page};
use crate::config::fault::{At, Code, Fault};
use crate::config::raw::app::RawRoute;
use crate::domain::access::Access;
use crate::domain::limits::LimitKind;
use crate::domain::policy::Policy;

/// Gives each app the smallest of all ages of its namespace: a login at one app would be a fresh one
/// at the others.
pub(super) fn share(apps: &mut [Option<App>]) {
    let mut ages: HashMap<Arc<str>, Duration> = HashMap::new();
    for app in apps.iter().flatten() {
        if let Some(own) = app.freshest {
            let age = ages.entry(Arc::clone(&app.namespace)).or_insert(own);
            *age = own.min(*age);
        }
    }
    for app in apps.iter_mut().flatten() {
        app.freshest = ages.get(&app.namespace).copied();
    }
}

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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::config::load::parse_alone;

    const POLICY: &str = r#"
[[listeners]]
address = "127.0.0.1:0"
[roles.buyer]
idle = "15m"
absolute = "8h"
users = ["buyer"]
"#;

    fn app(name: &str, namespace: &str, ages: &[&str]) -> String {
        let routes = ages.iter().enumerate().map(|(index, age)| {
            format!("[[apps.routes]]\npath = \"/{name}/{index}\"\nmax_auth_age = \"{age}\"\n")
        });
        format!(
            "[[apps]]\nname = \"{name}\"\nnamespace = \"{namespace}\"\nprefix = \"/{name}\"\n\
             upstreams = [\"http://127.0.0.1:1\"]\nsession = {{ id = \"cookie:{namespace}\" }}\n\
             [[apps.logins]]\npath = \"/{name}/login\"\npage = \"/{name}/login\"\n\
             user = \"form:user\"\nsuccess = {{ new_session = true }}\n{}",
            routes.collect::<String>()
        )
    }

    #[test]
    fn no_app_with_the_same_sessions_takes_a_login_for_a_fresh_one_that_another_would_not() {
        let apps = [
            app("portal", "shared", &[]),
            app("orders", "shared", &["10m", "5m"]),
            app("bank", "shared", &["7m"]),
            app("wiki", "own", &[]),
        ];
        let policy = format!("{POLICY}{}", apps.concat());
        let config = parse_alone(&policy, "curfew.toml");
        let config = config.unwrap_or_else(|faults| panic!("{faults}")).config;
        let freshest: Vec<_> = config.apps.iter().map(|app| app.freshest).collect();
        let five = Some(Duration::from_secs(300));
        assert_eq!(freshest, [five, five, five, None]);
    }
}
