//! How many sessions a user may have at a time, put into words.

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::config::table::when_full;
use crate::domain::limits::Rule;
use crate::domain::resolve::{Holder, SeatCandidate};
use crate::domain::seats::Seats;
use crate::store::event::build::rule_text;

/// A limit of sessions, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatsSaid {
    /// How many.
    pub most: u32,
    /// What a login means that is one too many: `displace` or `refuse`.
    pub on_max_sessions: String,
    /// The rule, as the audit names it.
    pub rule: String,
    /// Its line.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<usize>,
}

/// A rule that limits sessions, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatCandidateSaid {
    /// What it says.
    #[serde(flatten)]
    pub said: SeatsSaid,
    /// Whether it is meant for such a user.
    pub applies: bool,
    /// Whether it is the one that holds.
    pub wins: bool,
    /// Why it does or does not.
    pub why: String,
}

/// The limit that holds, and every rule that could have a say.
pub(super) fn explained(
    config: &Config,
    holder: Holder<'_>,
) -> (Option<SeatsSaid>, Vec<SeatCandidateSaid>) {
    let in_force = config.policy.seats(holder);
    let candidates = config.policy.seat_candidates(holder).into_iter();
    let candidates = candidates.map(|candidate| {
        let (wins, why) = outcome(config, holder, candidate, in_force);
        SeatCandidateSaid {
            said: said(config, candidate.seats),
            applies: candidate.applies,
            wins,
            why,
        }
    });
    (
        in_force.map(|seats| said(config, seats)),
        candidates.collect(),
    )
}

fn said(config: &Config, seats: Seats) -> SeatsSaid {
    SeatsSaid {
        most: seats.limit.seats,
        on_max_sessions: when_full(seats.limit).to_owned(),
        rule: rule_text(&config.policy, seats.rule),
        line: config.lines.of_seats(seats.rule),
    }
}

fn outcome(
    config: &Config,
    holder: Holder<'_>,
    candidate: SeatCandidate,
    in_force: Option<Seats>,
) -> (bool, String) {
    let why_not = match (holder, candidate.seats.rule) {
        (Holder::Authenticated(_), Rule::Role(..)) => "not held",
        _ => "no login was seen",
    };
    match in_force {
        Some(winner) if candidate.applies => {
            if candidate.seats == winner {
                return (true, "wins: the fewest of those that apply".to_owned());
            }
            let rule = rule_text(&config.policy, winner.rule);
            let (most, fewest) = (candidate.seats.limit.seats, winner.limit.seats);
            let why = if candidate.seats.limit == winner.limit {
                format!("gives way: {rule} says the same and stands first")
            } else if most == fewest {
                format!("gives way: {rule} says as many, and refuses")
            } else {
                format!("loses: {most} > {fewest} of {rule}")
            };
            (false, why)
        }
        _ => (false, format!("does not apply: {why_not}")),
    }
}
