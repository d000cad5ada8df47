//! The standards that the policy is to meet: that they, their clauses and those whom an exception
//! names exist. Whether the policy meets them is not asked here.

use std::sync::Arc;

use super::{Checker, every};
use crate::config::compliance::{Compliance, Demand, Exception};
use crate::config::fault::{At, Code};
use crate::config::raw::RawConfig;
use crate::config::raw::standard::{RawException, RawStandard};
use crate::config::value::did_you_mean;
use crate::domain::policy::RoleName;
use crate::standards::{self, Standard};

/// A list of names.
type Told<'a> = Option<&'a At<Vec<At<String>>>>;

impl Checker<'_> {
    pub(super) fn compliance(&self, raw: &RawConfig) -> Option<Compliance> {
        let names = raw.standards.iter().filter_map(|told| {
            let name = told.value.name.as_ref()?;
            Some((&name.value, &name.place))
        });
        self.no_duplicates(names, "write all exceptions from a standard under one");
        let known = Known::of(raw);
        let demands = every(&raw.standards, |told| self.demand(&told.value, &known));
        Some(Compliance {
            privileged: privileged(raw),
            demands: demands?,
        })
    }

    fn demand(&self, raw: &RawStandard, known: &Known<'_>) -> Option<Demand> {
        let standard = raw.name.as_ref().and_then(|told| self.standard(told));
        let apps = self.names_of("app", raw.apps.as_ref(), &known.apps);
        let exceptions = every(&raw.exceptions, |told| {
            self.exception(told, standard?, known)
        });
        Some(Demand {
            standard: standard?,
            apps: apps?,
            exceptions: exceptions?,
        })
    }

    fn standard(&self, told: &At<String>) -> Option<&'static Standard> {
        let standard = standards::named(&told.value);
        if standard.is_none() {
            let message = format!("no standard is called {:?}", told.value);
            let help = format!("write {}", did_you_mean(&told.value, standards::names()));
            self.error(Code::UnknownWord, &told.place, message, &help);
        }
        standard
    }

    fn exception(
        &self,
        told: &At<RawException>,
        standard: &Standard,
        known: &Known<'_>,
    ) -> Option<Exception> {
        let raw = &told.value;
        let clause = raw.clause.as_ref();
        let clause = clause.and_then(|clause| self.clause(clause, standard));
        let roles = self.names_of("role", raw.roles.as_ref(), &known.roles);
        let apps = self.names_of("app", raw.apps.as_ref(), &known.apps);
        let because = raw.because.as_ref().and_then(|told| self.because(told));
        Some(Exception {
            clause: clause?,
            roles: roles?.map(|names| names.iter().map(|name| RoleName::new(name)).collect()),
            apps: apps?,
            because: because?,
            line: self.line(&told.place),
        })
    }

    fn clause(&self, told: &At<String>, standard: &Standard) -> Option<String> {
        let clause = standard.clause(&told.value);
        if clause.is_none() {
            let message = format!("{} has no clause {:?} here", standard.name, told.value);
            let clauses = standard.clauses.iter().map(|clause| clause.id.as_str());
            let help = format!("write {}", did_you_mean(&told.value, clauses));
            self.error(Code::UnknownWord, &told.place, message, &help);
        }
        clause.map(|clause| clause.id.clone())
    }

    /// Names that must be known; an empty list would mean nobody to one reader and all to another.
    fn names_of(
        &self,
        what: &str,
        told: Told<'_>,
        known: &[&str],
    ) -> Option<Option<Vec<Arc<str>>>> {
        let Some(list) = told else {
            return Some(None);
        };
        if list.value.is_empty() {
            let help = format!("leave it out for every {what}");
            self.error(Code::MissingKey, &list.place, "nothing is in it", &help);
        }
        let named = list.value.iter().map(|name| (&name.value, &name.place));
        self.no_duplicates(named, "write it once");
        every(&list.value, |name| self.known_name(what, name, known)).map(Some)
    }

    fn known_name(&self, what: &str, told: &At<String>, known: &[&str]) -> Option<Arc<str>> {
        let name = told.value.as_str();
        if known.contains(&name) {
            return Some(name.into());
        }
        let message = format!("no {what} is called {name:?}");
        let help = format!("write {}", did_you_mean(name, known.iter().copied()));
        self.error(Code::UnknownWord, &told.place, message, &help);
        None
    }

    /// A reason, in one line.
    fn because(&self, told: &At<String>) -> Option<String> {
        let words: Vec<&str> = told.value.split_whitespace().collect();
        let because = words.join(" ");
        let help = "write why it is not met, and what protects instead";
        if because.is_empty() {
            self.error(Code::MissingKey, &told.place, "no reason is given", help);
            return None;
        }
        if because.contains(char::is_control) {
            self.error(Code::Range, &told.place, "holds control characters", help);
            return None;
        }
        Some(because)
    }
}

/// Whom an exception can name.
struct Known<'a> {
    roles: Vec<&'a str>,
    apps: Vec<&'a str>,
}

impl<'a> Known<'a> {
    fn of(raw: &'a RawConfig) -> Self {
        let apps = raw.apps.iter().filter_map(|app| app.value.name.as_ref());
        Self {
            roles: raw
                .roles
                .iter()
                .map(|(name, _)| name.value.as_str())
                .collect(),
            apps: apps.map(|name| name.value.as_str()).collect(),
        }
    }
}

/// The roles that say so themselves, or by the first that says anything of those that they extend.
fn privileged(raw: &RawConfig) -> Vec<RoleName> {
    let found = |name: &str| raw.roles.iter().find(|(known, _)| known.value == name);
    let is_privileged = |name: &str| {
        let mut next = found(name);
        // A chain is no longer than there are roles, unless it is a circle: a fault of its own.
        for _ in 0..raw.roles.len() {
            let Some((_, role)) = next else { break };
            if let Some(told) = &role.value.privileged {
                return told.value;
            }
            let parent = role.value.extends.as_ref();
            next = parent.and_then(|parent| found(&parent.value));
        }
        false
    };
    let names = raw.roles.iter().map(|(name, _)| name.value.as_str());
    names
        .filter(|name| is_privileged(name))
        .map(RoleName::new)
        .collect()
}
