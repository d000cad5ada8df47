//! The conditional writes: each one script.

use std::sync::Arc;
use std::time::Duration;

use redis::{Pipeline, Value};

use crate::clock::monotonic;
use crate::domain::cuts::{Cuts, Scope};
use crate::domain::identity::{Lineage, Sid};
use crate::domain::session::{EndReason, State};
use crate::domain::time::Timestamp;
use crate::store::StoreError;
use crate::store::event::SessionEvent;
use crate::store::op::{
    Activated, Activation, Claim, Claimed, ClaimedBy, Created, End, Ended, NewSession, Touched,
};

use super::keys::{self, Bucket};
use super::link::Attempt;
use super::read::{bulk, count, encode_scope, unexpected};
use super::touches::Offer;
use super::{KEPT_LONGER, RedisStore, codec};

/// Deferred touches that are written in one go.
const TOUCHES_AT_ONCE: usize = 256;

/// What a script found in place of the state it needed.
pub(super) enum Found {
    Alive,
    Pending,
    Ended(EndReason),
    Superseded(Sid),
    Unknown,
}

impl From<Found> for Touched {
    fn from(found: Found) -> Self {
        match found {
            Found::Alive => Self::Alive,
            Found::Ended(reason) => Self::Ended(reason),
            Found::Superseded(successor) => Self::Superseded(successor),
            Found::Pending | Found::Unknown => Self::Unknown,
        }
    }
}

impl RedisStore {
    /// A touch within a second of one that was written is deferred, and answered `Alive` without
    /// asking: the caller's look-up has just found the session alive, and a dead one's record
    /// refuses the touch whenever it comes.
    pub(in crate::store) async fn touch(
        &self,
        sid: Sid,
        at: Timestamp,
    ) -> Result<Touched, StoreError> {
        match self.touches.offer(sid, at) {
            Offer::Deferred => Ok(Touched::Alive),
            Offer::Write => self.write_touch(sid, at).await,
        }
    }

    async fn write_touch(&self, sid: Sid, at: Timestamp) -> Result<Touched, StoreError> {
        let (record, instant) = (keys::record(sid), digits(at));
        let call = |_: Attempt| {
            let script = &self.scripts.touch;
            script.on(&[&record], &[instant.as_bytes()])
        };
        let answer = self.link.run(&self.scripts.touch, call).await?;
        self.touched(sid, at, answer)
    }

    fn touched(&self, sid: Sid, at: Timestamp, answer: Value) -> Result<Touched, StoreError> {
        let touched = Touched::from(found(answer)?);
        match touched {
            Touched::Alive => self.touches.written(sid, at, monotonic()),
            _ => self.touches.forget(sid),
        }
        Ok(touched)
    }

    /// Writes the deferred touches whose second is over at `now`. Those that cannot be written
    /// wait for the next time.
    pub(super) async fn write_touches(&self, now: Duration) {
        let script = &self.scripts.touch;
        for touches in self.touches.over(now).chunks(TOUCHES_AT_ONCE) {
            let calls = |_: Attempt| {
                let mut calls = Pipeline::with_capacity(touches.len());
                for (sid, at) in touches {
                    calls.add_command(script.on(&[&keys::record(*sid)], &[digits(*at).as_bytes()]));
                }
                calls
            };
            let Ok(answers) = self.link.run_all(script, calls).await else {
                return;
            };
            for ((sid, at), answer) in touches.iter().zip(answers) {
                if let Err(error @ StoreError::Garbled(_)) = self.touched(*sid, *at, answer) {
                    tracing::warn!(%error, "a deferred touch is dropped");
                    self.touches.forget(*sid);
                }
            }
        }
    }

    pub(in crate::store) async fn create(
        &self,
        sid: Sid,
        new: NewSession,
    ) -> Result<Created, StoreError> {
        let script = &self.scripts.create;
        let fixed = codec::encode(&new.session);
        let state = codec::encode_state(if new.pending {
            State::Pending
        } else {
            State::Alive
        });
        let (last_active, kept) = (digits(new.last_active), self.kept(new.forget_at));
        let ids = Bucket::of(sid).ids(new.session.lineage);
        let call = |attempt: Attempt| {
            script.on(
                &[
                    &keys::record(sid),
                    Bucket::of(sid).due().as_bytes(),
                    ids.as_bytes(),
                ],
                &[
                    &keys::hex(sid),
                    &fixed,
                    last_active.as_bytes(),
                    state.as_bytes(),
                    kept.as_bytes(),
                    attempt.flag(),
                ],
            )
        };
        match self.link.run(script, call).await? {
            Value::Int(1) => Ok(Created::Recorded),
            Value::Int(0) => Ok(Created::Taken),
            _ => Err(unexpected()),
        }
    }

    pub(in crate::store) async fn claim(
        &self,
        sid: Sid,
        claim: Claim,
    ) -> Result<Claimed, StoreError> {
        self.write_pending(sid, None).await?;
        let script = &self.scripts.claim;
        let (lineage, at) = (claim.lineage.to_string(), claim.at);
        let (state, reason, event) = match &claim.by {
            ClaimedBy::Succession => {
                let successor = claim.successor;
                (State::Superseded { at, successor }, "", Vec::new())
            }
            ClaimedBy::Login(event) => {
                let reason = EndReason::Reauthenticated;
                (State::Ended { reason, at }, reason.as_str(), json(event))
            }
        };
        let state = codec::encode_state(state);
        let call = |attempt: Attempt| {
            let arguments: [&[u8]; 6] = [
                &keys::hex(sid),
                lineage.as_bytes(),
                state.as_bytes(),
                reason.as_bytes(),
                &event,
                attempt.flag(),
            ];
            on_all_keys(sid, &[claim.lineage], |keys| script.on(keys, &arguments))
        };
        let answer = self.link.run(script, call).await?;
        self.touches.forget(sid);
        if let Value::Array(handed_over) = answer {
            return Ok(Claimed::Yes {
                last_active: only_instant(handed_over)?,
            });
        }
        match found(answer)? {
            Found::Ended(reason) => Ok(Claimed::Ended(reason)),
            Found::Superseded(successor) => Ok(Claimed::Superseded(successor)),
            Found::Pending | Found::Unknown => Ok(Claimed::Unknown),
            Found::Alive => Err(unexpected()),
        }
    }

    pub(in crate::store) async fn activate(
        &self,
        sid: Sid,
        as_: Activation,
    ) -> Result<Activated, StoreError> {
        let script = &self.scripts.activate;
        let last_active = digits(as_.last_active);
        let due = as_.due.map(digits).unwrap_or_default();
        let event = as_.event.map(|event| json(&event)).unwrap_or_default();
        let call = |_: Attempt| {
            let bucket = Bucket::of(sid);
            script.on(
                &[
                    &keys::record(sid),
                    bucket.due().as_bytes(),
                    bucket.outbox().as_bytes(),
                ],
                &[
                    &keys::hex(sid),
                    last_active.as_bytes(),
                    due.as_bytes(),
                    &event,
                ],
            )
        };
        match found(self.link.run(script, call).await?)? {
            Found::Alive => Ok(Activated::Yes),
            Found::Pending => Err(unexpected()),
            Found::Ended(_) | Found::Superseded(_) | Found::Unknown => Ok(Activated::No),
        }
    }

    pub(in crate::store) async fn end(&self, sid: Sid, end: End) -> Result<Ended, StoreError> {
        self.write_pending(sid, end.if_last_active).await?;
        let script = &self.scripts.end;
        let (lineage, reason, at) = (end.lineage.to_string(), end.reason, end.at);
        let state = codec::encode_state(State::Ended { reason, at });
        let judged = end.if_last_active.map(digits).unwrap_or_default();
        let kept = self.kept(end.forget_at);
        let hex = keys::hex(sid);
        let lineages = [end.lineage];
        let events: Vec<_> = end.events().map(|event| json(&event)).collect();
        let call = |attempt: Attempt| {
            let mut arguments: Vec<&[u8]> = vec![
                &hex,
                lineage.as_bytes(),
                state.as_bytes(),
                reason.as_str().as_bytes(),
                judged.as_bytes(),
                kept.as_bytes(),
                attempt.flag(),
            ];
            arguments.extend(events.iter().map(Vec::as_slice));
            on_all_keys(sid, &lineages, |keys| script.on(keys, &arguments))
        };
        let answer = self.link.run(script, call).await?;
        if let Value::Array(touched) = answer {
            return Ok(Ended::Touched(only_instant(touched)?));
        }
        self.touches.forget(sid);
        if answer == Value::Int(1) {
            return Ok(Ended::Now);
        }
        match found(answer)? {
            Found::Ended(reason) => Ok(Ended::Before(reason)),
            Found::Superseded(successor) => Ok(Ended::Superseded(successor)),
            Found::Unknown => Ok(Ended::Unknown),
            Found::Alive | Found::Pending => Err(unexpected()),
        }
    }

    pub(in crate::store) async fn cut(
        &self,
        scope: Scope,
        at: Timestamp,
        horizon: Timestamp,
    ) -> Result<Arc<Cuts>, StoreError> {
        let script = &self.scripts.cut;
        let (field, at, horizon) = (encode_scope(&scope), digits(at), digits(horizon));
        let call = |_: Attempt| {
            script.on(
                &[keys::CUTS.as_bytes()],
                &[field.as_bytes(), at.as_bytes(), horizon.as_bytes()],
            )
        };
        let table = self.link.run(script, call).await?;
        self.keep_cuts(table)
    }

    /// Two plain commands in one round trip: the first alone guards the write.
    pub(in crate::store) async fn adoption_mark(
        &self,
        app: &str,
        now: Timestamp,
    ) -> Result<Timestamp, StoreError> {
        let commands = |_: Attempt| {
            let mut commands = Pipeline::with_capacity(2);
            let set = commands.cmd("HSETNX").arg(keys::ADOPTION).arg(app);
            set.arg(now.as_millis());
            commands.cmd("HGET").arg(keys::ADOPTION).arg(app);
            commands
        };
        let mut answers = self.link.call(commands).await?.into_iter();
        let mut answer = || answers.next().ok_or_else(unexpected);
        count(answer()?)?;
        bulk(answer()?)?
            .and_then(|text| codec::decode_instant(&text))
            .ok_or_else(|| StoreError::Garbled("an adoption's beginning".to_owned()))
    }

    /// Writes a deferred touch that is later than what somebody judged by, so that the script
    /// which takes the id out of service sees it.
    async fn write_pending(&self, sid: Sid, judged: Option<Timestamp>) -> Result<(), StoreError> {
        if let Some(pending) = self.touches.pending(sid)
            && judged.is_none_or(|judged| pending > judged)
        {
            self.write_touch(sid, pending).await?;
        }
        Ok(())
    }

    /// Milliseconds for which Redis shall keep what may be forgotten at `forget_at`.
    pub(super) fn kept(&self, forget_at: Timestamp) -> String {
        let wanted = forget_at.since(self.clock.now());
        wanted.saturating_add(KEPT_LONGER).as_millis().to_string()
    }
}

/// With the keys that a script on an id may touch: those of its bucket, and where the ids of these
/// lineages are.
pub(super) fn on_all_keys<T>(
    sid: Sid,
    lineages: &[Lineage],
    call: impl FnOnce(&[&[u8]]) -> T,
) -> T {
    let bucket = Bucket::of(sid);
    let record = keys::record(sid);
    let of_bucket = [bucket.due(), bucket.outbox(), bucket.version()];
    let ids = lineages.iter().map(|lineage| bucket.ids(*lineage));
    let others: Vec<String> = of_bucket.into_iter().chain(ids).collect();
    let mut all: Vec<&[u8]> = vec![&record];
    all.extend(others.iter().map(String::as_bytes));
    call(&all)
}

/// The state in a script's answer.
pub(super) fn found(answer: Value) -> Result<Found, StoreError> {
    let Some(text) = bulk(answer)? else {
        return Ok(Found::Unknown);
    };
    match codec::decode_state(&text) {
        Some(State::Alive) => Ok(Found::Alive),
        Some(State::Pending) => Ok(Found::Pending),
        Some(State::Ended { reason, .. }) => Ok(Found::Ended(reason)),
        Some(State::Superseded { successor, .. }) => Ok(Found::Superseded(successor)),
        None => Err(StoreError::Garbled("a state".to_owned())),
    }
}

fn only_instant(values: Vec<Value>) -> Result<Timestamp, StoreError> {
    let text = bulk(values.into_iter().next().unwrap_or(Value::Nil))?;
    text.and_then(|text| codec::decode_instant(&text))
        .ok_or_else(|| StoreError::Garbled("an activity".to_owned()))
}

pub(super) fn digits(at: Timestamp) -> String {
    at.as_millis().to_string()
}

pub(super) fn json(event: &SessionEvent) -> Vec<u8> {
    serde_json::to_vec(event).expect("texts and numbers serialize")
}
