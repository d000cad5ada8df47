//! A user's seats: under which ids he has sessions, where the policy limits how many they may be.
//!
//! They lie apart from the records, so that no write covers both. What holds all the same: of any
//! two seats the later one was taken when the earlier one was there, and whoever takes one is told
//! of all the others. A seat is taken before its id comes alive; so whoever lets an id come alive
//! only when enough of the others are dead, never lets more live than may. What a record says
//! counts; a seat only leads to it, and one whose id is dead is left by whoever meets it.

use crate::domain::identity::Sid;
use crate::domain::time::Timestamp;

/// Seats of one user that are kept at most: those of a policy's largest limit, and many times as
/// many logins that broke off between two writes.
pub const SEATS_KEPT_MAX: usize = 1024;

/// A seat that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// By which id.
    pub sid: Sid,
    /// Since when: later than those that were there before, whatever a clock says.
    pub taken: Timestamp,
}

/// A seat to take.
#[derive(Debug, Clone, Copy)]
pub struct NewSeat {
    /// For which id: one that is known, and not alive yet for this user.
    pub sid: Sid,
    /// When.
    pub at: Timestamp,
    /// When it may be forgotten. Only collects garbage.
    pub forget_at: Timestamp,
}

/// All seats of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatsTaken {
    /// The one that this call took; none where `SEATS_KEPT_MAX` others are there.
    pub own: Option<Seat>,
    /// Those that are there besides, in no order.
    pub others: Vec<Seat>,
}
