//! Writes on their way, and what becomes of them where they land.

use curfew::domain::session::EndReason;
use curfew::store::op::{Activated, Activation, Claim, Claimed, ClaimedBy, End, Ended, Touched};

use super::made::{lineage, sid, ts};
use super::{ANSWERS, World};
use crate::model::{LIMITS, Life, Stands};

/// A write that a gateway has decided on and that has not reached the store.
#[derive(Debug, Clone, Copy)]
pub(super) enum Flight {
    Touch {
        id: usize,
        at: u64,
    },
    End {
        id: usize,
        /// Whose end it is: another life may have got the id by a login.
        life: usize,
        reason: EndReason,
        judged: Option<u64>,
    },
    /// Of a successor whose claim failed: nothing is told.
    Bury {
        id: usize,
    },
    Claim {
        old: usize,
        new: usize,
    },
    Activate {
        id: usize,
        last_active: u64,
        login: bool,
    },
}

impl World {
    pub(super) async fn land(&mut self) {
        if self.flights.is_empty() {
            return;
        }
        let which = self.dice.below(self.flights.len());
        let flight = self.flights.swap_remove(which);
        self.note("lands", flight);
        match flight {
            Flight::Touch { id, at } => self.land_touch(id, at).await,
            Flight::End {
                id,
                life,
                reason,
                judged,
            } => self.land_end(id, life, reason, judged).await,
            Flight::Bury { id } => self.land_burial(id).await,
            Flight::Claim { old, new } => self.land_claim(old, new).await,
            Flight::Activate {
                id,
                last_active,
                login,
            } => {
                self.land_activation(id, last_active, login).await;
            }
        }
    }

    pub(super) async fn land_touch(&mut self, id: usize, at: u64) {
        let touched = self.store.touch(sid(id), ts(at)).await.expect(ANSWERS);
        let must_be = match self.model.ids[id].1 {
            Stands::Alive => Touched::Alive,
            Stands::Pending => Touched::Unknown,
            Stands::Ended(reason) => Touched::Ended(reason),
            Stands::Superseded(successor) => Touched::Superseded(sid(successor)),
        };
        self.agree("the touch", touched, must_be);
        self.model.touch(id, at);
    }

    async fn land_end(&mut self, id: usize, life: usize, reason: EndReason, judged: Option<u64>) {
        let Life {
            user, last_active, ..
        } = self.model.lives[life];
        let event = (user > 0).then(|| self.event(life, Some(reason)));
        let end = End {
            if_last_active: judged.map(ts),
            ..self.end_of(life, reason, event)
        };
        let ended = self.store.end(sid(id), end).await.expect(ANSWERS);
        let must_be = match self.model.ids[id].1 {
            Stands::Ended(reason) => Ended::Before(reason),
            Stands::Superseded(successor) => {
                self.flights.push(Flight::End {
                    id: successor,
                    life,
                    reason,
                    judged: None,
                });
                Ended::Superseded(sid(successor))
            }
            _ if self.model.ids[id].0 != life => Ended::Unknown,
            _ if judged.is_some_and(|judged| last_active > judged) => {
                Ended::Touched(ts(last_active))
            }
            Stands::Pending | Stands::Alive => {
                self.model.ids[id].1 = Stands::Ended(reason);
                if user > 0 {
                    self.untold.push_back((life, Some(reason)));
                }
                Ended::Now
            }
        };
        self.agree("the end", ended, must_be);
    }

    pub(super) async fn land_burial(&mut self, id: usize) {
        let end = self.end_of(self.model.ids[id].0, EndReason::Revoked, None);
        let ended = self.store.end(sid(id), end).await.expect(ANSWERS);
        let must_be = match self.model.ids[id].1 {
            Stands::Ended(reason) => Ended::Before(reason),
            _ => Ended::Now,
        };
        self.agree("the burial", ended, must_be);
        if ended == Ended::Now {
            self.model.ids[id].1 = Stands::Ended(EndReason::Revoked);
        }
    }

    /// A rotation hands over the clock; a login begins a life, whatever became of the old one.
    pub(super) async fn land_claim(&mut self, old: usize, new: usize) {
        let (life, stands) = self.model.ids[old];
        let login = life != self.model.ids[new].0;
        let over_login = login && self.model.life(old).user > 0;
        let reason = EndReason::Reauthenticated;
        let claim = Claim {
            lineage: lineage(life),
            successor: sid(new),
            at: ts(self.now),
            by: if over_login {
                ClaimedBy::Login(self.event(life, Some(reason)))
            } else {
                ClaimedBy::Succession
            },
        };
        let claimed = self.store.claim(sid(old), claim).await.expect(ANSWERS);
        let last_active = self.model.life(old).last_active;
        let must_be = match stands {
            Stands::Alive => Claimed::Yes {
                last_active: ts(last_active),
            },
            Stands::Pending => Claimed::Unknown,
            Stands::Ended(reason) => Claimed::Ended(reason),
            Stands::Superseded(successor) => Claimed::Superseded(sid(successor)),
        };
        self.agree("the claim", claimed, must_be);
        if stands == Stands::Alive && over_login {
            self.model.ids[old].1 = Stands::Ended(reason);
            self.untold.push_back((life, Some(reason)));
        } else if stands == Stands::Alive {
            self.model.ids[old].1 = Stands::Superseded(new);
        }
        self.flights.push(match (stands, login) {
            (_, true) => self.activation(new, self.model.life(new).started),
            (Stands::Alive, false) => self.activation(new, last_active),
            (_, false) => Flight::Bury { id: new },
        });
    }

    pub(super) fn activation(&self, id: usize, last_active: u64) -> Flight {
        let first = self
            .model
            .ids
            .iter()
            .position(|other| other.0 == self.model.ids[id].0);
        Flight::Activate {
            id,
            last_active,
            login: self.model.life(id).user > 0 && first == Some(id),
        }
    }

    pub(super) async fn land_activation(&mut self, id: usize, last_active: u64, login: bool) {
        let (life, stands) = self.model.ids[id];
        let (idle, _) = LIMITS[self.model.life(id).user];
        let as_ = Activation {
            last_active: ts(last_active),
            due: (self.model.life(id).user > 0).then(|| ts(last_active + idle)),
            event: login.then(|| self.event(life, None)),
        };
        let activated = self.store.activate(sid(id), as_).await.expect(ANSWERS);
        let must_be = match stands {
            Stands::Pending | Stands::Alive => Activated::Yes,
            Stands::Ended(_) | Stands::Superseded(_) => Activated::No,
        };
        self.agree("the activation", activated, must_be);
        if stands == Stands::Pending {
            self.model.ids[id].1 = Stands::Alive;
            if login {
                self.untold.push_back((life, None));
            }
        }
    }
}
