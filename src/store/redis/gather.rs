//! Look-ups that are asked for at the same moment go to Redis together.
//!
//! The first to ask stands aside until the other requests that are ready have asked too, and then
//! asks for all: one pipeline and one reading of the cuts' version instead of one for each. Nobody
//! joins what was sent already, so that no answer is older than its question.

use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use smallvec::SmallVec;
use tokio::sync::oneshot;

use crate::domain::identity::Sid;
use crate::store::{LookUp, StoreError};

/// Look-ups that go together at most. Whoever comes after them gathers anew.
const TOGETHER_MAX: usize = 256;

/// The sids of one look-up.
pub(super) type Sids = SmallVec<[Sid; 4]>;

/// What is being gathered.
#[derive(Default)]
pub(super) struct Gathering(Mutex<Option<Vec<Joined>>>);

/// A look-up that somebody else asks for.
pub(super) struct Joined {
    pub(super) sids: Sids,
    pub(super) told: oneshot::Sender<Result<LookUp, StoreError>>,
}

/// Whose turn it is.
pub(super) enum Turn<'a> {
    /// To ask for all.
    Ask(Round<'a>),
    /// To wait. An answer that never comes means that whoever asked was given up.
    Wait(oneshot::Receiver<Result<LookUp, StoreError>>),
}

impl Gathering {
    pub(super) fn join(&self, sids: &[Sid]) -> Turn<'_> {
        let mut gathered = self.lock();
        match &mut *gathered {
            Some(joined) if joined.len() < TOGETHER_MAX => {
                let (told, answer) = oneshot::channel();
                let sids = Sids::from_slice(sids);
                joined.push(Joined { sids, told });
                Turn::Wait(answer)
            }
            // The full ones are asked for by who gathered them; this one asks for itself alone.
            Some(_) => Turn::Ask(Round(None)),
            None => {
                *gathered = Some(Vec::new());
                Turn::Ask(Round(Some(self)))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Vec<Joined>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One gathering, which ends when it is closed or given up.
pub(super) struct Round<'a>(Option<&'a Gathering>);

impl Round<'_> {
    /// Those who joined. Whoever asks from now on gathers anew.
    pub(super) fn close(mut self) -> Vec<Joined> {
        self.take()
    }

    fn take(&mut self) -> Vec<Joined> {
        let gathering = self.0.take();
        let joined = gathering.and_then(|gathering| mem::take(&mut *gathering.lock()));
        joined.unwrap_or_default()
    }
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        drop(self.take());
    }
}

#[cfg(test)]
mod tests {
    use super::{Gathering, Turn};
    use crate::domain::identity::Sid;

    fn sid(n: u8) -> [Sid; 1] {
        [Sid::from_bytes([n; 16])]
    }

    #[tokio::test]
    async fn who_comes_before_the_close_is_asked_for_and_who_comes_after_it_gathers_anew() {
        let gathering = Gathering::default();
        let Turn::Ask(first) = gathering.join(&sid(1)) else {
            panic!("the first asks");
        };
        let Turn::Wait(_) = gathering.join(&sid(2)) else {
            panic!("the second joins");
        };
        let joined = first.close();
        assert_eq!(joined.len(), 1);
        assert_eq!(joined[0].sids[..], sid(2));
        let Turn::Ask(next) = gathering.join(&sid(3)) else {
            panic!("nobody joins what was sent");
        };
        assert!(next.close().is_empty());
    }

    #[tokio::test]
    async fn whoever_waits_for_one_that_was_given_up_is_told() {
        let gathering = Gathering::default();
        let Turn::Ask(first) = gathering.join(&sid(1)) else {
            panic!("the first asks");
        };
        let Turn::Wait(answer) = gathering.join(&sid(2)) else {
            panic!("the second joins");
        };
        drop(first);
        assert!(answer.await.is_err());
        let Turn::Ask(_) = gathering.join(&sid(3)) else {
            panic!("the gathering is over");
        };
    }
}
