//! How many sessions a user may have at a time: his seats, and who leaves where all are taken.

use std::collections::HashSet;

use super::identity::Lineage;
use super::limits::Rule;
use super::time::Timestamp;

/// Seats that a rule may give, at most. All sessions of a user are looked up when he logs in.
pub const SEATS_MAX: u32 = 100;

/// How many sessions a user may have at a time, and what a login means where he has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SeatLimit {
    /// At least one.
    pub seats: u32,
    /// What a login means that finds none free.
    pub when_full: WhenFull,
}

/// What becomes of a login where all seats of its user are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum WhenFull {
    /// It is refused.
    Refuse,
    /// It goes on, and the session that was used least recently ends.
    #[default]
    Displace,
}

/// The limit in force for a user, and the rule that gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seats {
    /// What it says.
    pub limit: SeatLimit,
    /// The ceiling, or a role.
    pub rule: Rule,
}

impl SeatLimit {
    /// Whether it gives fewer seats, or as many and ends nobody's session for a login.
    pub fn is_stricter_than(self, other: Self) -> bool {
        (self.seats, self.when_full) < (other.seats, other.when_full)
    }
}

/// Somebody on a seat of the user who logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occupant {
    /// His session.
    pub lineage: Lineage,
    /// The last active request of it, or the login that is under way.
    pub last_active: Timestamp,
    /// Whether a login may end it: not one that keeps its id and is under way, of which there is
    /// nothing yet to end.
    pub can_leave: bool,
}

/// What a login is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seating {
    /// There is a seat.
    Free,
    /// There is one when these have ended, the least recently active first: places among the
    /// occupants.
    After(Vec<usize>),
    /// There is none.
    Full,
}

/// Finds a seat among those who sit there, each session once. `own` are the sessions that the login
/// itself begins and ends: they take none, and are never ended for it.
pub fn find_seat(occupants: &[Occupant], own: &[Lineage], limit: SeatLimit) -> Seating {
    let mut seen: HashSet<Lineage> = own.iter().copied().collect();
    let mut others: Vec<usize> = (0..occupants.len())
        .filter(|index| seen.insert(occupants[*index].lineage))
        .collect();
    let seats = limit.seats as usize;
    let too_many = (others.len() + 1).saturating_sub(seats);
    if too_many == 0 {
        return Seating::Free;
    }
    others.retain(|index| occupants[*index].can_leave);
    if limit.when_full == WhenFull::Refuse || others.len() < too_many || seats == 0 {
        return Seating::Full;
    }
    // Of equals the same one for everybody who chooses, so that two logins do not end two.
    others.sort_by_key(|index| (occupants[*index].last_active, occupants[*index].lineage));
    others.truncate(too_many);
    Seating::After(others)
}

#[cfg(test)]
mod tests;
