//! Users' seats. Each is that of a record which is kept as long, so that there are no more of them
//! than records.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use crate::domain::identity::{Sid, UserKey};
use crate::domain::time::Timestamp;
use crate::store::seat::{NewSeat, SEATS_KEPT_MAX, Seat, SeatsTaken};

use super::{SHARDS, lock};

/// Seats by user.
pub(in crate::store) struct UserSeats(Vec<Mutex<HashMap<UserKey, Row>>>);

struct Row {
    seats: Vec<Seat>,
    forget_at: Timestamp,
}

impl UserSeats {
    pub(super) fn new() -> Self {
        Self((0..SHARDS).map(|_| Mutex::default()).collect())
    }

    pub(in crate::store) fn take(&self, user: UserKey, new: NewSeat) -> SeatsTaken {
        let mut shard = self.shard(user);
        let row = shard.entry(user).or_insert(Row {
            seats: Vec::new(),
            forget_at: new.forget_at,
        });
        let last = row.seats.iter().map(|seat| seat.taken.as_millis()).max();
        let mut others = row.seats.clone();
        others.retain(|seat| seat.sid != new.sid);
        if others.len() >= SEATS_KEPT_MAX {
            return SeatsTaken { own: None, others };
        }
        let later = last.map_or(0, |last| last + 1);
        let own = Seat {
            sid: new.sid,
            taken: Timestamp::from_millis(later.max(new.at.as_millis())),
        };
        row.seats.retain(|seat| seat.sid != new.sid);
        row.seats.push(own);
        row.forget_at = row.forget_at.max(new.forget_at);
        SeatsTaken {
            own: Some(own),
            others,
        }
    }

    pub(in crate::store) fn leave(&self, user: UserKey, left: &[Seat]) {
        let mut shard = self.shard(user);
        if let Some(row) = shard.get_mut(&user) {
            row.seats.retain(|seat| !left.contains(seat));
            if row.seats.is_empty() {
                shard.remove(&user);
            }
        }
    }

    pub(in crate::store) fn hand_over(&self, user: UserKey, from: Sid, to: Sid) {
        let mut shard = self.shard(user);
        let Some(row) = shard.get_mut(&user) else {
            return;
        };
        if row.seats.iter().any(|seat| seat.sid == from) {
            row.seats.retain(|seat| seat.sid != to);
        }
        let handed_over = row.seats.iter_mut().find(|seat| seat.sid == from);
        if let Some(seat) = handed_over {
            seat.sid = to;
        }
    }

    pub(in crate::store) fn holds(&self, user: UserKey, seat: Seat) -> bool {
        let shard = self.shard(user);
        shard
            .get(&user)
            .is_some_and(|row| row.seats.contains(&seat))
    }

    /// Forgets what may be forgotten in one of the shards.
    pub(super) fn tidy(&self, shard: usize, now: Timestamp) {
        lock(&self.0[shard]).retain(|_, row| now < row.forget_at);
    }

    fn shard(&self, user: UserKey) -> MutexGuard<'_, HashMap<UserKey, Row>> {
        lock(&self.0[usize::from(user.as_bytes()[0])])
    }
}

#[cfg(test)]
mod tests {
    use super::{NewSeat, UserSeats};
    use crate::domain::identity::{Sid, UserKey};
    use crate::domain::time::Timestamp;
    use crate::store::memory::SHARDS;

    #[test]
    fn the_seats_of_a_user_are_forgotten_when_the_last_of_them_may_be() {
        let at = Timestamp::from_millis;
        let (seats, user) = (UserSeats::new(), UserKey::of("shop", "buyer-1"));
        for (n, forget_at) in [(1, 200), (2, 100)] {
            let sid = Sid::from_bytes([n; 16]);
            let new = NewSeat {
                sid,
                at: at(1),
                forget_at: at(forget_at),
            };
            assert_eq!(seats.take(user, new).others.len(), usize::from(n) - 1);
        }
        let others = |sid| {
            let new = NewSeat {
                sid: Sid::from_bytes([sid; 16]),
                at: at(1),
                forget_at: at(200),
            };
            seats.take(user, new).others.len()
        };
        (0..SHARDS).for_each(|shard| seats.tidy(shard, at(199)));
        assert_eq!(others(3), 2);
        (0..SHARDS).for_each(|shard| seats.tidy(shard, at(200)));
        assert_eq!(others(3), 0);
    }
}
