//! What becomes of each limit that could hold, in words.

use std::time::Duration;

use crate::config::Config;
use crate::config::app::App;
use crate::domain::limits::{LimitKind, Limits, Rule};
use crate::domain::rehearse::Mode;
use crate::domain::resolve::{Candidate, Holder};
use crate::store::event::build::rule_text;

use super::{CandidateSaid, LimitSaid, Outcome};

/// What is needed to tell of rules.
pub(super) struct Telling<'a> {
    pub(super) config: &'a Config,
    pub(super) app: &'a App,
    /// Those that are enforced.
    pub(super) limits: Limits,
    /// Those that are only watched.
    pub(super) watched: Option<Limits>,
    pub(super) holder: Holder<'a>,
}

impl Telling<'_> {
    pub(super) fn limit(&self, limits: Limits, kind: LimitKind) -> LimitSaid {
        let limit = limits.of(kind);
        LimitSaid {
            after_ms: millis(limit.after),
            after: for_people(limit.after),
            rule: self.name(limit.rule),
            line: self.line(limit.rule, kind),
        }
    }

    pub(super) fn candidate(&self, candidate: Candidate) -> CandidateSaid {
        let [idle, absolute] = LimitKind::BOTH.map(|kind| {
            let after = candidate.bounds.of(kind)?;
            let (wins, why) = self.outcome(candidate, after, kind);
            Some(Outcome {
                after_ms: millis(after),
                after: for_people(after),
                line: self.line(candidate.rule, kind),
                wins,
                why,
            })
        });
        CandidateSaid {
            rule: self.name(candidate.rule),
            applies: candidate.applies,
            idle,
            absolute,
        }
    }

    /// Whether a rule gives the limit of a kind, and why or why not.
    fn outcome(&self, candidate: Candidate, after: Duration, kind: LimitKind) -> (bool, String) {
        let limit = self.limits.of(kind);
        if !candidate.applies {
            let why = self.why_not(candidate.rule);
            return (false, format!("does not apply: {why}"));
        }
        if candidate.mode == Mode::Monitor {
            let watched = self.watched.map(|limits| limits.of(kind));
            let why = match watched {
                Some(limit) if limit.rule == candidate.rule => {
                    "watched, not enforced: the shortest of those that apply"
                }
                _ => "watched, not enforced: another is as short or shorter",
            };
            return (false, why.to_owned());
        }
        if candidate.rule == limit.rule {
            return (true, "wins: the shortest of those that apply".to_owned());
        }
        let winner = self.name(limit.rule);
        let why = if after == limit.after {
            format!("gives way: {winner} says the same and stands first")
        } else {
            let (after, limit) = (for_people(after), for_people(limit.after));
            format!("loses: {after} > {limit} of {winner}")
        };
        (false, why)
    }

    fn why_not(&self, rule: Rule) -> &'static str {
        let is_held = |role| match self.holder {
            Holder::Anonymous => false,
            Holder::Authenticated(held) => {
                let name = self.config.policy.name_of_role(role);
                held.iter().any(|held| held.as_str() == name)
            }
        };
        match (rule, self.holder) {
            (Rule::Anonymous, _) => "a login was seen",
            (Rule::Role(..) | Rule::RoleAge(_), Holder::Anonymous) => "no login was seen",
            (Rule::Role(role, _) | Rule::RoleAge(role), _) if !is_held(role) => "not held",
            (Rule::Role(_, None) | Rule::Unmapped(_, None), _) => {
                "the role says something else of this device"
            }
            (Rule::Role(..) | Rule::Unmapped(..) | Rule::Device(_), _) => "meant for other devices",
            (Rule::Route(_), _) => "meant for other requests",
            (Rule::Ceiling | Rule::App | Rule::Adoption | Rule::Monitor | Rule::RoleAge(_), _) => {
                "meant for other sessions"
            }
        }
    }

    fn name(&self, rule: Rule) -> String {
        rule_text(&self.config.policy, rule)
    }

    fn line(&self, rule: Rule, kind: LimitKind) -> Option<usize> {
        self.config.lines.of(&self.app.name, rule, kind)
    }
}

pub(super) fn for_people(span: Duration) -> String {
    humantime::format_duration(span).to_string()
}

pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
