//! From the raw form to the checked one: whatever means something is understood here, once.
//!
//! Each part returns `None` where it pushed a fault, and goes on to find the others first.

mod app;
mod cover;
mod device;
mod extractor;
mod fresh;
mod heir;
mod http_words;
mod limits;
mod listeners;
mod overlap;
mod parity;
mod passive;
mod pattern;
mod reach;
mod recipe;
mod records;
mod roles;
mod route;
mod seats;
mod secrets;
mod session;
mod standards;
mod store;
mod token;

use std::sync::Arc;

use crate::domain::policy::PolicyVersion;

use super::Config;
use super::fault::{At, Code, Fault, Findings, Place, line_of};
use super::raw::RawConfig;
use super::surroundings::Surroundings;

pub(super) use secrets::version_of;

/// Bytes of a name at most: it is repeated in every record and every series of a metric.
const NAME_BYTES_MAX: usize = 64;

/// What every part of the check may look at.
pub(super) struct Checker<'a> {
    pub(super) findings: &'a Findings,
    pub(super) surroundings: &'a Surroundings<'a>,
    pub(super) text: &'a str,
    pub(super) version: PolicyVersion,
}

impl Checker<'_> {
    /// The configuration, where nothing is wrong with it.
    pub(super) fn config(&self, raw: &RawConfig) -> Option<Config> {
        let listeners = self.listeners(&raw.listeners);
        let admin = self.admin(raw.admin.as_ref());
        let store = self.store(raw.store.as_ref());
        let keys = self.keys(raw.store.as_ref());
        let (mut rules, devices) = self.policy(raw);
        let anonymous = self.anonymous_caps(raw.anonymous.as_ref());
        let trusts_proxies = raw.listeners.iter().any(|listener| {
            let trusted = listener.value.trusted_proxies.as_ref();
            trusted.is_some_and(|list| !list.value.is_empty())
        });
        let apps = raw.apps.iter();
        let mut apps: Vec<_> = apps
            .map(|app| self.app(app, trusts_proxies, &mut rules))
            .collect();
        fresh::share(&mut apps);
        self.apps_between_them(&raw.apps, &apps);
        let compliance = self.compliance(raw);
        Some(Config {
            listeners,
            admin: admin?,
            store: store?,
            keys: Arc::new(keys?),
            policy: rules.policy,
            devices,
            lines: rules.lines,
            anonymous,
            apps: apps
                .into_iter()
                .map(|app| app.map(Arc::new))
                .collect::<Option<_>>()?,
            compliance: compliance?,
            records: self.records(raw.records.as_ref())?,
            waits: self.waits(raw.waits.as_ref()),
        })
    }

    fn error(&self, code: Code, place: &Place, message: impl std::fmt::Display, help: &str) {
        self.findings
            .push(Fault::error(code, place, message).help(help));
    }

    /// A name that labels metrics and hashes ids: short, and without what a log line could break on.
    fn label(&self, told: &At<String>) -> Option<Arc<str>> {
        let allowed = |c: char| c.is_alphanumeric() || "-_.".contains(c);
        let text = told.value.as_str();
        if (1..=NAME_BYTES_MAX).contains(&text.len()) && text.chars().all(allowed) {
            return Some(text.into());
        }
        let message = format!("{text:?} is no name");
        let help = format!("write up to {NAME_BYTES_MAX} letters, digits and any of - _ .");
        self.error(Code::Range, &told.place, message, &help);
        None
    }

    fn line(&self, place: &Place) -> usize {
        line_of(self.text, place.span.start)
    }

    /// A fault for each of `values` that an earlier one equals.
    fn no_duplicates<'v, T: PartialEq + 'v>(
        &self,
        values: impl IntoIterator<Item = (&'v T, &'v Place)>,
        help: &str,
    ) {
        let mut seen: Vec<(&T, &Place)> = Vec::new();
        for (value, place) in values {
            match seen.iter().find(|(earlier, _)| *earlier == value) {
                Some((_, first)) => self.findings.push(
                    Fault::error(Code::Duplicate, place, "said twice")
                        .label("again here")
                        .other(first, "first said here")
                        .help(help),
                ),
                None => seen.push((value, place)),
            }
        }
    }
}

/// The values of a list, or none.
fn items<T>(list: Option<&At<Vec<At<T>>>>) -> &[At<T>] {
    list.map_or(&[], |list| list.value.as_slice())
}

/// What `check` makes of each value, where none has a fault; all are looked at.
fn every<T, U>(list: &[T], check: impl Fn(&T) -> Option<U>) -> Option<Vec<U>> {
    let checked: Vec<Option<U>> = list.iter().map(check).collect();
    checked.into_iter().collect()
}
