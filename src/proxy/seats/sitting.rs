//! Who sits on a user's seats: read from the records, since a seat tells no more than an id.

use std::time::Duration;

use crate::domain::cuts::Cuts;
use crate::domain::identity::Sid;
use crate::domain::resolve::Setting;
use crate::domain::seats::Occupant;
use crate::domain::session::{EndReason, Phase, Record, State};
use crate::domain::time::Timestamp;
use crate::proxy::succession::SUCCESSORS_MAX;
use crate::store::StoreError;
use crate::store::seat::Seat;
use crate::telemetry::metrics::StoreOp;

use super::counted::{Counted, Sitting};

/// How long a seat counts whose login is under way: what its writes take, and no more. One that
/// broke off keeps others out for as long.
pub(super) const UNDER_WAY_MAX: Duration = Duration::from_secs(15);

/// What is to become of whoever was met on a seat.
enum Met {
    /// He sits there.
    Sits { can_leave: bool },
    /// He is to end before the seats are counted, whoever logs in.
    Ends(EndReason),
    /// Nobody sits there.
    Nobody,
}

/// By what those who are met are judged.
#[derive(Clone, Copy)]
struct Judged<'a> {
    cuts: &'a Cuts,
    /// The ids that took the place of those that the login's request carried.
    heirs: &'a [Sid],
    now: Timestamp,
}

impl Counted<'_> {
    /// Who sits on these seats; those where nobody does are left. Whoever is past his limits, or
    /// never came alive in time, ends first.
    pub(super) async fn who_sits(
        &self,
        seats: Vec<Seat>,
        now: Timestamp,
    ) -> Result<Vec<Sitting>, StoreError> {
        let mut sitting = Vec::with_capacity(seats.len());
        let mut left = Vec::new();
        let mut heirs = Vec::new();
        let mut asked = Vec::with_capacity(seats.len());
        asked.extend(seats.into_iter().map(|seat| (seat, seat.sid)));
        for hop in 0..=SUCCESSORS_MAX {
            if asked.is_empty() {
                break;
            }
            let mut sids: Vec<Sid> = asked.iter().map(|(_, sid)| *sid).collect();
            if hop == 0 {
                sids.extend(&self.asked.presented);
            }
            let found = self.proxy.store.look_up(&sids);
            let found = self.proxy.timed(StoreOp::LookUp, found).await?;
            let presented = found.records.iter().skip(asked.len()).flatten();
            heirs.extend(presented.filter_map(|record| match record.state {
                State::Superseded { successor, .. } => Some(successor),
                State::Pending | State::Alive | State::Ended { .. } => None,
            }));
            let judged = Judged {
                cuts: &found.cuts,
                heirs: &heirs,
                now,
            };
            let mut moved = Vec::new();
            for ((seat, sid), record) in asked.into_iter().zip(found.records) {
                let Some(record) = record else {
                    left.push(seat);
                    continue;
                };
                match record.state {
                    State::Superseded { successor, .. } if hop < SUCCESSORS_MAX => {
                        moved.push((seat, successor));
                    }
                    _ => match self.meet(seat, sid, record, judged).await? {
                        Some(one) => sitting.push(one),
                        None => left.push(seat),
                    },
                }
            }
            asked = moved;
        }
        self.leave(&left).await;
        Ok(sitting)
    }

    async fn meet(
        &self,
        seat: Seat,
        sid: Sid,
        record: Record,
        judged: Judged<'_>,
    ) -> Result<Option<Sitting>, StoreError> {
        let now = judged.now;
        let met = self.judge(seat, sid, &record, judged);
        let can_leave = match &met {
            Met::Nobody => return Ok(None),
            Met::Sits { can_leave } => *can_leave,
            Met::Ends(_) => true,
        };
        let mut sitting = Sitting {
            seat,
            sid,
            occupant: Occupant {
                lineage: record.session.lineage,
                last_active: record.last_active,
                can_leave,
            },
            record,
        };
        if let Met::Ends(reason) = met {
            let end = self.end_of(&sitting, reason, now);
            if self.end(&sitting, end).await? {
                return Ok(None);
            }
            // He came back at the last moment: he may leave, judged by what is stored by then.
            sitting.occupant.last_active = now;
        }
        Ok(Some(sitting))
    }

    fn judge(&self, seat: Seat, sid: Sid, record: &Record, judged: Judged<'_>) -> Met {
        let Judged { cuts, heirs, now } = judged;
        let session = &record.session;
        let under_way = now.since(seat.taken) < UNDER_WAY_MAX;
        let is_his = session.user() == Some(&self.user);
        if !is_his {
            // An app that keeps its id: it is another's, or nobody's, until his login is written.
            return match under_way && record.state == State::Alive {
                true => Met::Sits { can_leave: false },
                false => Met::Nobody,
            };
        }
        let is_own = self.own.contains(&session.lineage);
        let is_heir = heirs.contains(&seat.sid) || heirs.contains(&sid);
        let is_carried = is_heir || self.asked.presented.contains(&seat.sid);
        let config = &self.asked.snapshot.config;
        let setting = Setting::of_app(config.bounds_of(&session.app));
        let phase = |record: &Record| record.phase(&config.policy, setting, cuts, now);
        let met = match phase(record) {
            // A rotation is under way, or broke off: its session is there like any other.
            Phase::Pending if sid != seat.sid => phase(&Record {
                state: State::Alive,
                ..record.clone()
            }),
            met => met,
        };
        match met {
            Phase::Ended(_) => Met::Nobody,
            // Rotated more often than anybody follows here; its end does.
            Phase::Superseded(_) => Met::Sits { can_leave: true },
            // A login sent twice: the one that came first took the place of what both carried.
            Phase::Pending if is_heir && !is_own => Met::Ends(EndReason::Reauthenticated),
            Phase::Pending if under_way => Met::Sits { can_leave: true },
            Phase::Pending => Met::Ends(EndReason::Displaced),
            Phase::Due(reason) => Met::Ends(reason),
            // The same browser had it, and could not be admitted with it.
            Phase::Live { .. } if is_carried && !is_own => Met::Ends(EndReason::Reauthenticated),
            Phase::Live { .. } => Met::Sits { can_leave: true },
        }
    }
}
