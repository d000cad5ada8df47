//! What an edit changes: two checked configurations, compared setting by setting.
//!
//! Compared is what applies, not how it is written: an inherited limit counts, a comment or the
//! spelling of a duration does not. A secret is never shown, only that it changed.

mod settings;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::Serialize;

use super::Config;
use settings::{Setting, Value, settings};

/// Changes that one diff tells; the others are counted.
pub const CHANGES_MAX: usize = 200;

/// Changes of one list, such as a role's users, that are told; the others are counted.
pub const MEMBERS_MAX: usize = 20;

/// Characters of a value that are told.
const VALUE_MAX: usize = 200;

/// Characters that are told of what two long values have in common before they differ.
const COMMON_MAX: usize = 100;

/// What is told of a secret.
const SECRET: &str = "(secret)";

/// What an edit changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// The changes: ceiling and roles first, then apps, then the rest.
    pub changes: Vec<Change>,
    /// How many more there are.
    pub left_out: usize,
}

impl Diff {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.left_out == 0
    }
}

/// One setting that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Which: `roles.buyer.idle`, `apps.procurement.routes POST /approvals/**`.
    pub key: String,
    /// What it was; none where it is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What it is; none where it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The line of the new file at which it, or the table that it belongs to, is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Whether a gateway takes it up at a start alone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub at_a_start: bool,
}

/// What changes from one configuration to another.
pub fn diff(before: &Config, after: &Config) -> Diff {
    let (old, new) = (settings(before), settings(after));
    let by_key = |settings: &[Setting]| -> HashMap<String, Value> {
        let settings = settings.iter();
        settings
            .map(|setting| (setting.key.clone(), setting.value.clone()))
            .collect()
    };
    let (old_values, new_values) = (by_key(&old), by_key(&new));
    let gone = old
        .into_iter()
        .filter(|old| !new_values.contains_key(&old.key));
    let gone = gone.map(|gone| Setting { line: None, ..gone });
    let mut all: Vec<Setting> = new.into_iter().chain(gone).collect();
    all.sort_by_key(|setting| setting.part);
    let mut diff = Diff::default();
    for setting in &all {
        let [old, new] = [&old_values, &new_values].map(|values| values.get(&setting.key));
        diff.compare(setting, old, new);
    }
    diff
}

impl Diff {
    fn compare(&mut self, setting: &Setting, old: Option<&Value>, new: Option<&Value>) {
        match (old, new) {
            (old, new) if old == new => {}
            (Some(Value::Many(_)) | None, Some(Value::Many(_)) | None) => {
                let (none, none_either) = (BTreeSet::new(), BTreeSet::new());
                let old = old.and_then(Value::members).unwrap_or(&none);
                let new = new.and_then(Value::members).unwrap_or(&none_either);
                self.compare_members(setting, old, new);
            }
            (Some(Value::Order(old)), Some(Value::Order(new))) => {
                let (old, new) = (in_both(old, new), in_both(new, old));
                if old != new {
                    self.tell(setting, Some(&old.join(", ")), Some(&new.join(", ")));
                }
            }
            // What is in an order that is new or gone is told by itself.
            (Some(Value::Order(_)) | None, Some(Value::Order(_)) | None) => {}
            (old, new) => self.tell(setting, old.map(Value::shown), new.map(Value::shown)),
        }
    }

    fn compare_members(
        &mut self,
        setting: &Setting,
        old: &BTreeSet<String>,
        new: &BTreeSet<String>,
    ) {
        let gone = old.difference(new).map(|gone| (Some(gone.as_str()), None));
        let added = new.difference(old).map(|new| (None, Some(new.as_str())));
        for (index, (before, after)) in gone.chain(added).enumerate() {
            match index < MEMBERS_MAX {
                true => self.tell(setting, before, after),
                false => self.left_out += 1,
            }
        }
    }

    fn tell(&mut self, setting: &Setting, before: Option<&str>, after: Option<&str>) {
        if self.changes.len() == CHANGES_MAX {
            self.left_out += 1;
            return;
        }
        let from = match (before, after) {
            (Some(before), Some(after)) => shown_from(before, after),
            _ => 0,
        };
        let shown = |text: &str| shortened(text, from);
        self.changes.push(Change {
            key: shortened(&setting.key, 0),
            before: before.map(shown),
            after: after.map(shown),
            line: setting.line,
            at_a_start: setting.at_a_start,
        });
    }
}

impl Value {
    fn members(&self) -> Option<&BTreeSet<String>> {
        match self {
            Self::Many(members) => Some(members),
            _ => None,
        }
    }

    /// Of what is one text, the text.
    fn shown(&self) -> &str {
        match self {
            Self::One(text) => text,
            Self::Secret(_) => SECRET,
            Self::Many(_) | Self::Order(_) => "",
        }
    }
}

/// Those of `list` that `other` has too, in the order of `list`.
fn in_both<'a>(list: &'a [String], other: &[String]) -> Vec<&'a str> {
    let other: HashSet<&String> = other.iter().collect();
    let both = list.iter().filter(|name| other.contains(name));
    both.map(String::as_str).collect()
}

/// From which character on two values are told: what they have in common is left out where it
/// would leave no room for the difference.
fn shown_from(before: &str, after: &str) -> usize {
    let is_same = |(before, after): &(char, char)| before == after;
    let same = before
        .chars()
        .zip(after.chars())
        .take_while(is_same)
        .count();
    let is_long = [before, after].map(|text| text.chars().nth(VALUE_MAX).is_some());
    match is_long.contains(&true) {
        true => same.saturating_sub(COMMON_MAX),
        false => 0,
    }
}

/// What is told of a text, from this character on.
fn shortened(text: &str, from: usize) -> String {
    let at = |index: usize| text.char_indices().nth(index).map(|(at, _)| at);
    let rest = &text[at(from).unwrap_or(text.len())..];
    let before = if from > 0 { "…" } else { "" };
    match rest.char_indices().nth(VALUE_MAX) {
        Some((end, _)) => format!("{before}{}…", &rest[..end]),
        None => format!("{before}{rest}"),
    }
}
