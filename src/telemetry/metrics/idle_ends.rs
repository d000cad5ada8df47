//! Who was ended by the idle timeout a moment ago: the memory behind `logins_after_idle_end`.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::session::UserName;
use crate::domain::time::Timestamp;

/// A login this soon after an idle end says that the limit interrupted somebody.
pub(super) const SOON: Duration = Duration::from_secs(120);

/// Idle ends that are remembered at most; what comes while all of them are recent is not counted.
const ENDS_MAX: usize = 10_000;

/// Recent idle ends, by a keyed hash of app and user: no name is kept.
#[derive(Default)]
pub(super) struct IdleEnds {
    hasher: RandomState,
    ends: Mutex<HashMap<u64, Timestamp>>,
}

impl IdleEnds {
    /// A session of this user was ended by the idle timeout.
    pub(super) fn ended(&self, app: &str, user: &UserName, at: Timestamp) {
        let key = self.key(app, user);
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if ends.len() >= ENDS_MAX {
            ends.retain(|_, end| at.since(*end) <= SOON);
        }
        if ends.len() < ENDS_MAX {
            ends.insert(key, at);
        }
    }

    /// This user logged in. Whether that was soon after an idle end, which is then forgotten.
    pub(super) fn logged_in(&self, app: &str, user: &UserName, at: Timestamp) -> bool {
        let key = self.key(app, user);
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        match ends.get(&key) {
            Some(end) if at >= *end => {
                let soon = at.since(*end) <= SOON;
                ends.remove(&key);
                soon
            }
            Some(_) | None => false,
        }
    }

    fn key(&self, app: &str, user: &UserName) -> u64 {
        self.hasher.hash_one((app, user.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::{ENDS_MAX, IdleEnds, SOON};
    use crate::domain::session::UserName;
    use crate::domain::time::Timestamp;

    const END: Timestamp = Timestamp::from_millis(1_000_000);

    fn user(name: &str) -> UserName {
        UserName::new(name).unwrap()
    }

    #[track_caller]
    fn check(app: &str, name: &str, millis_after: i64, soon: bool) {
        let ends = IdleEnds::default();
        ends.ended("shop", &user("buyer-1"), END);
        let at = END.as_millis().checked_add_signed(millis_after).unwrap();
        assert_eq!(
            ends.logged_in(app, &user(name), Timestamp::from_millis(at)),
            soon
        );
    }

    #[test]
    fn a_login_counts_until_two_minutes_after_the_idle_end() {
        check("shop", "buyer-1", -1, false);
        check("shop", "buyer-1", 0, true);
        check("shop", "buyer-1", 120_000, true);
        check("shop", "buyer-1", 120_001, false);
    }

    #[test]
    fn another_user_or_app_does_not_count() {
        check("shop", "buyer-2", 1, false);
        check("shelf", "buyer-1", 1, false);
    }

    #[test]
    fn one_idle_end_counts_once() {
        let ends = IdleEnds::default();
        ends.ended("shop", &user("buyer-1"), END);
        assert!(ends.logged_in("shop", &user("buyer-1"), END));
        assert!(!ends.logged_in("shop", &user("buyer-1"), END));
    }

    #[test]
    fn at_the_bound_only_what_is_old_makes_room() {
        let ends = IdleEnds::default();
        for n in 0..ENDS_MAX {
            ends.ended("shop", &user(&format!("u{n}")), END);
        }
        ends.ended("shop", &user("late"), END);
        assert!(!ends.logged_in("shop", &user("late"), END));

        let later = END.plus(SOON).plus(std::time::Duration::from_millis(1));
        ends.ended("shop", &user("later"), later);
        assert!(ends.logged_in("shop", &user("later"), later));
        assert!(!ends.logged_in("shop", &user("u0"), later));
    }
}
