//! The few kinds of test: what of a policy does not meet one.

mod seats;

use std::sync::Arc;
use std::time::Duration;

use crate::config::app::{App, Route};
use crate::config::carrier::AuthorizationRule;
use crate::config::compliance::Demand;
use crate::config::table::origin;
use crate::config::{Config, Sink};
use crate::domain::device;
use crate::domain::limits::{DeviceId, Limit, LimitKind, RoleId, RouteBounds, Rule};
use crate::domain::policy::RoleName;
use crate::domain::rehearse::Mode;
use crate::domain::resolve::{Facts, Holder, Setting};
use crate::standards::{Test, Timeout, Who};

use super::proof::{Finding, Person};

/// What one test came to.
pub(super) enum Opinion {
    /// The policy cannot tell, and why.
    NotJudged(String),
    /// What was seen, in a line, and all that does not meet the test.
    Found {
        /// The line.
        shown: String,
        /// What does not meet it.
        findings: Vec<Finding>,
    },
}

/// A policy, and the apps of it that a standard is about.
pub(super) struct Court<'a> {
    config: &'a Config,
    apps: Vec<&'a Arc<App>>,
}

impl<'a> Court<'a> {
    pub(super) fn of(config: &'a Config, demand: &Demand) -> Self {
        let meant = |app: &&Arc<App>| {
            let named = demand.apps.as_ref();
            named.is_none_or(|names| names.contains(&app.name))
        };
        Self {
            config,
            apps: config.apps.iter().filter(meant).collect(),
        }
    }

    pub(super) fn app_names(&self) -> Vec<Arc<str>> {
        self.apps.iter().map(|app| Arc::clone(&app.name)).collect()
    }

    pub(super) fn judge(&self, test: &Test) -> Opinion {
        match test {
            Test::Idle(timeout) => self.timeout(LimitKind::Idle, timeout),
            Test::Absolute(timeout) => self.timeout(LimitKind::Absolute, timeout),
            Test::Sessions(sessions) => self.sessions(sessions),
            Test::Termination => found(
                "what ended is refused everywhere, and only a login begins anew",
                self.ends_nothing(),
            ),
            Test::Logout => found("every app with a login has a logout", self.no_logout()),
            Test::NewId => found("every login issues a new id", self.keeps_id()),
            Test::Revocation => found("the admin listener has a token", self.no_revocation()),
            Test::Audit => found("each login and end is recorded once", self.no_audit()),
            Test::NotJudged(why) => Opinion::NotJudged(why.reason.clone()),
        }
    }

    /// Everybody's limits in every app and on every route with limits of its own.
    fn timeout(&self, kind: LimitKind, asked: &Timeout) -> Opinion {
        let mut longest: Option<Finding> = None;
        let mut findings = Vec::new();
        for app in &self.apps {
            for person in self.people(app, asked.who) {
                for seen in self.limits(app, &person, kind) {
                    if seen.is_watched || asked.at_most.is_some_and(|most| seen.after > most) {
                        findings.push(self.finding(app, &seen, kind));
                    }
                    let before = longest.as_ref().and_then(|longest| longest.limit);
                    if before.is_none_or(|before| seen.after > before) {
                        longest = Some(self.finding(app, &seen, kind));
                    }
                }
            }
        }
        let Some(longest) = longest else {
            return Opinion::NotJudged(nobody(asked.who));
        };
        if asked.login_again {
            findings.extend(self.logs_in_by_itself());
        }
        let shown = format!("longest {}, {}", longest.what, longest.place());
        Opinion::Found { shown, findings }
    }

    /// Those of an app whose sessions a clause is about. Where no login is known, the gateway takes
    /// everybody for a visitor, whoever logged in to the app.
    fn people(&self, app: &App, who: Who) -> Vec<Person> {
        let unprivileged = who != Who::Privileged;
        if app.logins.is_empty() {
            let adopted = app.adopt_until.is_some().then_some(Person::Unmapped(None));
            let all = [Some(Person::Visitor), adopted].into_iter().flatten();
            return all.filter(|_| unprivileged).collect();
        }
        let privileged = &self.config.compliance.privileged;
        let meant = |role: &RoleName| match who {
            Who::Everybody => true,
            Who::Privileged => privileged.contains(role),
            Who::Unprivileged => !privileged.contains(role),
        };
        let roles = self.config.policy.roles.iter().map(|role| &role.name);
        let roles = roles.filter(|role| meant(role)).cloned();
        let others = unprivileged.then_some(Person::Unmapped(None));
        roles.map(Person::Role).chain(others).collect()
    }

    /// One person's limit in an app, and wherever a route or a class of devices makes it another
    /// one.
    fn limits(&self, app: &App, person: &Person, kind: LimitKind) -> Vec<Seen> {
        let everywhere = Setting::of_app(app.bounds);
        let with_limits = |route: &&Route| route.rule.limits != RouteBounds::default();
        let on_routes = app.routes.iter().filter(with_limits).map(|route| {
            let setting = Setting {
                route: route.rule.limits,
                ..everywhere
            };
            (setting, Some(route.pattern.text()))
        });
        let devices = (0..self.config.policy.devices.len()).map(|index| Some(DeviceId::at(index)));
        let devices: Vec<Option<DeviceId>> = [None].into_iter().chain(devices).collect();
        let mut seen: Vec<Seen> = Vec::new();
        for (setting, route) in [(everywhere, None)].into_iter().chain(on_routes) {
            for device in &devices {
                let here = self.limit(person, setting, *device, route.clone(), kind);
                if !seen.iter().any(|seen| {
                    (seen.after, seen.rule, seen.is_watched)
                        == (here.after, here.rule, here.is_watched)
                }) {
                    seen.push(here);
                }
            }
        }
        seen
    }

    fn limit(
        &self,
        person: &Person,
        setting: Setting,
        device: Option<DeviceId>,
        route: Option<String>,
        kind: LimitKind,
    ) -> Seen {
        let policy = &self.config.policy;
        let holder = match person {
            Person::Role(role) => Holder::Authenticated(std::slice::from_ref(role)),
            Person::Unmapped(_) => Holder::Authenticated(&[]),
            Person::Visitor => Holder::Anonymous,
        };
        let facts = Facts {
            holder,
            recorded: device,
            setting: Setting {
                seen: device::Seen::On(device),
                ..setting
            },
        };
        let resolved = policy.resolve_both(facts);
        let Limit { after, rule } = resolved.enforced.of(kind);
        let watched = resolved.watched.map(|limits| limits.of(kind).after);
        let person = match (person, rule) {
            (Person::Unmapped(_), Rule::Unmapped(id, _) | Rule::RoleAge(id)) => {
                Person::Unmapped(Some(RoleName::new(policy.name_of_role(id))))
            }
            _ => person.clone(),
        };
        Seen {
            person,
            route,
            after,
            rule,
            is_watched: watched.is_some_and(|watched| watched < after),
        }
    }

    fn finding(&self, app: &App, seen: &Seen, kind: LimitKind) -> Finding {
        let after = humantime::format_duration(seen.after);
        let origin = origin(self.config, app, seen.rule, kind);
        Finding {
            person: Some(seen.person.clone()),
            route: seen.route.clone(),
            limit: Some(seen.after),
            line: self.config.lines.of(&app.name, seen.rule, kind),
            ..of_app(app, format!("{after} ({origin})"))
        }
    }

    fn logs_in_by_itself(&self) -> Vec<Finding> {
        let apps = self.apps.iter();
        let passing = apps.filter(|app| app.shape.authorization == AuthorizationRule::Pass);
        passing
            .map(|app| {
                let what = "passes Authorization on: a browser logs in again by itself";
                self.at_app(app, what.to_owned())
            })
            .collect()
    }

    /// Where nothing ends by time, or a browser logs in again by itself.
    fn ends_nothing(&self) -> Vec<Finding> {
        let monitored = self
            .apps
            .iter()
            .filter(|app| app.bounds.mode == Mode::Monitor);
        let what = || "mode = \"monitor\": its sessions are watched, not ended".to_owned();
        let apps = monitored.map(|app| self.at_app(app, what()));
        let roles = self.config.policy.roles.iter().enumerate();
        let roles = roles.filter(|(_, role)| role.mode == Mode::Monitor);
        let roles = roles.map(|(index, role)| {
            let rule = Rule::Role(RoleId::at(index), None);
            Finding {
                person: Some(Person::Role(role.name.clone())),
                line: self.config.lines.of("", rule, LimitKind::Idle),
                ..of_gateway(&what())
            }
        });
        apps.chain(roles).chain(self.logs_in_by_itself()).collect()
    }

    fn no_logout(&self) -> Vec<Finding> {
        let apps = self.apps.iter();
        let without = apps.filter(|app| !app.logins.is_empty() && app.logouts.is_empty());
        without
            .map(|app| self.at_app(app, "has logins and no [[apps.logouts]]".to_owned()))
            .collect()
    }

    fn keeps_id(&self) -> Vec<Finding> {
        let logins = self
            .apps
            .iter()
            .flat_map(|app| app.logins.iter().map(move |login| (app, login)));
        logins
            .filter(|(_, login)| login.same_id)
            .map(|(app, login)| {
                let what = format!("the login {} keeps the id it came with", login.label);
                self.at_app(app, what)
            })
            .collect()
    }

    fn no_revocation(&self) -> Vec<Finding> {
        let admin = self.config.admin.as_ref();
        let what = match admin {
            None => "there is no [admin], so nobody can revoke a session",
            Some(admin) if admin.token.is_none() => {
                "[admin] has no token, so nobody can revoke a session"
            }
            Some(_) => return Vec::new(),
        };
        vec![of_gateway(what)]
    }

    fn no_audit(&self) -> Vec<Finding> {
        match self.config.records.audit {
            Sink::Off => vec![of_gateway("records.audit is off")],
            Sink::Stdout | Sink::File(_) => Vec::new(),
        }
    }

    /// A fault of a whole app, which stands where the app does.
    fn at_app(&self, app: &App, what: String) -> Finding {
        Finding {
            line: self.config.lines.of(&app.name, Rule::App, LimitKind::Idle),
            ..of_app(app, what)
        }
    }
}

/// One person's limit somewhere.
struct Seen {
    person: Person,
    route: Option<String>,
    after: Duration,
    rule: Rule,
    /// Whether a shorter one is only watched.
    is_watched: bool,
}

fn nobody(who: Who) -> String {
    match who {
        Who::Privileged => "no role is marked `privileged = true`",
        Who::Everybody | Who::Unprivileged => "nobody to whom it applies",
    }
    .to_owned()
}

fn found(good: &str, findings: Vec<Finding>) -> Opinion {
    let shown = match findings.first() {
        None => good.to_owned(),
        Some(first) => format!("{} {}", first.place(), first.what),
    };
    Opinion::Found { shown, findings }
}

fn of_app(app: &App, what: String) -> Finding {
    Finding {
        app: Some(Arc::clone(&app.name)),
        ..of_gateway(&what)
    }
}

fn of_gateway(what: &str) -> Finding {
    Finding {
        app: None,
        person: None,
        route: None,
        limit: None,
        what: what.to_owned(),
        line: None,
        because: None,
    }
}
