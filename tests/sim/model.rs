//! The shadow: what must be true, told without a store, a record or a rule of the domain.
//!
//! A life is a lineage; several ids may have been its own, one after the other.

use curfew::domain::decide::{Stale, Verdict};
use curfew::domain::session::EndReason;

/// Limits of a visitor, a buyer and an approver: idle and absolute, in milliseconds.
pub(super) const LIMITS: [(u64, u64); 3] = [(5_000, 30_000), (15_000, 60_000), (8_000, 40_000)];

#[derive(Clone, Copy)]
pub(super) struct Life {
    /// 0 for a visitor, else the user that logged in: 1 is a buyer, 2 an approver.
    pub(super) user: usize,
    pub(super) started: u64,
    pub(super) last_active: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Stands {
    Pending,
    Alive,
    Ended(EndReason),
    Superseded(usize),
}

#[derive(Default)]
pub(super) struct Model {
    pub(super) lives: Vec<Life>,
    /// Of each id, whose it is and how it stands.
    pub(super) ids: Vec<(usize, Stands)>,
    /// Whom (`None`: all) and when.
    pub(super) cuts: Vec<(Option<usize>, u64)>,
}

impl Model {
    pub(super) fn life(&self, id: usize) -> Life {
        self.lives[self.ids[id].0]
    }

    /// The end that a living id has coming.
    pub(super) fn due(&self, id: usize, now: u64) -> Option<EndReason> {
        let life = self.life(id);
        let (idle, absolute) = LIMITS[life.user];
        let covers = |cut: &(Option<usize>, u64)| {
            life.started <= cut.1 && cut.0.is_none_or(|user| user == life.user)
        };
        if self.cuts.iter().any(covers) {
            Some(EndReason::Revoked)
        } else if now >= life.started + absolute {
            Some(EndReason::AbsoluteTimeout)
        } else if now >= life.last_active + idle {
            Some(EndReason::IdleTimeout)
        } else {
            None
        }
    }

    /// What a request for a protected page with this id must be told.
    pub(super) fn verdict(&self, id: usize, now: u64) -> Verdict {
        let stale = match (self.ids[id].1, self.due(id, now)) {
            (Stands::Pending, _) => Stale::Unknown,
            (Stands::Ended(reason), _) | (Stands::Alive, Some(reason)) => Stale::Ended(reason),
            (Stands::Superseded(_), _) => Stale::Superseded,
            (Stands::Alive, None) if self.life(id).user == 0 => Stale::LoginRequired,
            (Stands::Alive, None) => return Verdict::Forward,
        };
        Verdict::Refuse(stale)
    }

    /// Moves a living id's clock, never back.
    pub(super) fn touch(&mut self, id: usize, at: u64) {
        if self.ids[id].1 == Stands::Alive {
            let life = &mut self.lives[self.ids[id].0];
            life.last_active = life.last_active.max(at);
        }
    }

    pub(super) fn alive(&self) -> usize {
        let users = self.ids.iter().filter(|id| self.lives[id.0].user > 0);
        users.filter(|id| id.1 == Stands::Alive).count()
    }
}
