//! Users' seats: of each user a sorted set of sids by when they were taken, in a slot of its own.

use redis::{Cmd, Pipeline, Value};

use crate::domain::identity::{Sid, UserKey};
use crate::store::StoreError;
use crate::store::seat::{NewSeat, SEATS_KEPT_MAX, Seat, SeatsTaken};

use super::link::Attempt;
use super::read::{bulk, list, unexpected};
use super::write::digits;
use super::{RedisStore, codec, keys};

impl RedisStore {
    pub(in crate::store) async fn take_seat(
        &self,
        user: UserKey,
        new: NewSeat,
    ) -> Result<SeatsTaken, StoreError> {
        let script = &self.scripts.take_seat;
        let (key, at) = (keys::seats(user), digits(new.at));
        let (kept, most) = (self.kept(new.forget_at), SEATS_KEPT_MAX.to_string());
        let call = |attempt: Attempt| {
            let arguments: [&[u8]; 5] = [
                &keys::hex(new.sid),
                at.as_bytes(),
                kept.as_bytes(),
                most.as_bytes(),
                attempt.flag(),
            ];
            script.on(&[key.as_bytes()], &arguments)
        };
        let answer = self.link.run(script, call).await?;
        taken(new.sid, list(answer)?)
    }

    pub(in crate::store) async fn leave_seats(
        &self,
        user: UserKey,
        left: &[Seat],
    ) -> Result<(), StoreError> {
        let told: Vec<([u8; 32], String)> = left
            .iter()
            .map(|seat| (keys::hex(seat.sid), digits(seat.taken)))
            .collect();
        let script = &self.scripts.leave_seats;
        let key = keys::seats(user);
        let call = |_: Attempt| {
            let seats = told.iter();
            let arguments: Vec<&[u8]> = seats
                .flat_map(|(sid, taken)| [&sid[..], taken.as_bytes()])
                .collect();
            script.on(&[key.as_bytes()], &arguments)
        };
        bulk(self.link.run(script, call).await?).map(drop)
    }

    pub(in crate::store) async fn hand_over_seat(
        &self,
        user: UserKey,
        from: Sid,
        to: Sid,
    ) -> Result<(), StoreError> {
        let script = &self.scripts.hand_over_seat;
        let key = keys::seats(user);
        let call = |_: Attempt| script.on(&[key.as_bytes()], &[&keys::hex(from), &keys::hex(to)]);
        bulk(self.link.run(script, call).await?).map(drop)
    }

    pub(in crate::store) async fn holds_seat(
        &self,
        user: UserKey,
        seat: Seat,
    ) -> Result<bool, StoreError> {
        let commands = |_: Attempt| {
            let mut command = Cmd::new();
            command.arg("ZSCORE").arg(keys::seats(user));
            command.arg(&keys::hex(seat.sid)[..]);
            let mut commands = Pipeline::with_capacity(1);
            commands.add_command(command);
            commands
        };
        let answers = self.link.call(commands).await?;
        let score = bulk(answers.into_iter().next().ok_or_else(unexpected)?)?;
        let taken = score.map(|text| codec::decode_instant(&text).ok_or_else(garbled));
        Ok(taken.transpose()? == Some(seat.taken))
    }
}

/// The seats in an answer of `take_seat.lua`.
pub(super) fn taken(own: Sid, answer: Vec<Value>) -> Result<SeatsTaken, StoreError> {
    let mut texts = answer
        .into_iter()
        .map(|value| bulk(value)?.ok_or_else(garbled));
    let instant = |text: Vec<u8>| codec::decode_instant(&text).ok_or_else(garbled);
    let since = instant(texts.next().ok_or_else(garbled)??)?;
    let mut others = Vec::new();
    while let Some(sid) = texts.next() {
        let sid = String::from_utf8(sid?).map_err(|_| garbled())?;
        others.push(Seat {
            sid: sid.parse().map_err(|_| garbled())?,
            taken: instant(texts.next().ok_or_else(garbled)??)?,
        });
    }
    let own = (since.as_millis() != 0).then_some(Seat {
        sid: own,
        taken: since,
    });
    Ok(SeatsTaken { own, others })
}

fn garbled() -> StoreError {
    StoreError::Garbled("a user's seats".to_owned())
}
