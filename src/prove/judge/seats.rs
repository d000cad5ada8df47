//! Whether everybody's sessions are counted, and how many anybody may have at a time.

use crate::config::app::App;
use crate::config::table::seats_origin;
use crate::domain::limits::{RoleId, Rule};
use crate::domain::policy::RoleName;
use crate::domain::resolve::Holder;
use crate::domain::seats::Seats;
use crate::prove::proof::{Finding, Person};
use crate::standards::Sessions;

use super::{Court, Opinion, nobody, of_app};

impl Court<'_> {
    /// How many sessions everybody may have in every app.
    pub(super) fn sessions(&self, asked: &Sessions) -> Opinion {
        let mut most: Option<(u32, String)> = None;
        let mut findings = Vec::new();
        let mut anybody = false;
        for app in &self.apps {
            for person in self.people(app, asked.who) {
                anybody = true;
                let seats = self.seats(&person);
                match seats.filter(|_| person != Person::Visitor) {
                    None => findings.push(self.unlimited(app, person)),
                    Some(seats) => {
                        let number = seats.limit.seats;
                        let finding = self.limited(app, person, seats);
                        if most.as_ref().is_none_or(|(most, _)| number > *most) {
                            let shown = format!("most {}, {}", finding.what, finding.place());
                            most = Some((number, shown));
                        }
                        if asked.at_most.is_some_and(|at_most| number > at_most) {
                            findings.push(finding);
                        }
                    }
                }
            }
            findings.extend(self.uncounted(app));
        }
        if !anybody {
            return Opinion::NotJudged(nobody(asked.who));
        }
        let shown = match (findings.first(), most) {
            (None, Some((_, shown))) => shown,
            (Some(first), _) => format!("{} {}", first.place(), first.what),
            (None, None) => "nobody logs in".to_owned(),
        };
        Opinion::Found { shown, findings }
    }

    fn seats(&self, person: &Person) -> Option<Seats> {
        self.config.policy.seats(match person {
            Person::Role(role) => Holder::Authenticated(std::slice::from_ref(role)),
            Person::Unmapped(_) => Holder::Authenticated(&[]),
            Person::Visitor => Holder::Anonymous,
        })
    }

    fn limited(&self, app: &App, person: Person, seats: Seats) -> Finding {
        let policy = &self.config.policy;
        let person = match (person, seats.rule) {
            (Person::Unmapped(_), Rule::Unmapped(id, _)) => {
                Person::Unmapped(Some(RoleName::new(policy.name_of_role(id))))
            }
            (person, _) => person,
        };
        let (number, origin) = (seats.limit.seats, seats_origin(self.config, seats));
        Finding {
            person: Some(person),
            line: self.config.lines.of_seats(seats.rule),
            ..of_app(app, format!("{number} ({origin})"))
        }
    }

    fn unlimited(&self, app: &App, person: Person) -> Finding {
        let lines = &self.config.lines;
        let roles = self.config.policy.roles.iter().enumerate();
        let line = roles
            .filter(|(_, role)| person == Person::Role(role.name.clone()))
            .find_map(|(index, _)| lines.of_seats(Rule::Role(RoleId::at(index), None)));
        let what = match person {
            Person::Visitor => "its logins are not known, so nobody's sessions are counted",
            _ => "as many sessions as he likes: no max_sessions",
        };
        Finding {
            line: line.or(lines.of_app(&app.name)),
            person: Some(person),
            ..of_app(app, what.to_owned())
        }
    }

    /// The logins of an app that do not tell whose session they begin.
    fn uncounted(&self, app: &App) -> Vec<Finding> {
        let logins = app.logins.iter().filter(|login| login.user.is_none());
        logins
            .map(|login| {
                let what = format!(
                    "the login {} does not tell who logs in, so his sessions are not counted",
                    login.label
                );
                self.at_app(app, what)
            })
            .collect()
    }
}
