//! The look-up: one round trip of plain commands.

use std::sync::Arc;

use redis::{Cmd, Pipeline, Value};
use smallvec::SmallVec;
use tokio::task::yield_now;

use crate::domain::cuts::{Cuts, Scope};
use crate::domain::identity::Sid;
use crate::domain::policy::RoleName;
use crate::domain::session::{Record, Session, State};
use crate::store::{LookUp, StoreError};

use super::gather::{Joined, Round, Turn};
use super::{RedisStore, codec, fault, keys};

impl RedisStore {
    /// One round trip, or two where somebody cut since the last one.
    pub(in crate::store) async fn look_up(&self, sids: &[Sid]) -> Result<LookUp, StoreError> {
        // Who waits needs no deadline of his own: it is that of whoever asked before him. What asks
        // is boxed, so that it is not moved about for those who wait.
        match self.look_ups.join(sids) {
            Turn::Ask(round) => Box::pin(self.link.in_time(self.ask_for_all(sids, round))).await,
            Turn::Wait(answer) => match answer.await {
                Ok(told) => told,
                Err(_) => Box::pin(self.link.in_time(self.read_for(sids, Vec::new()))).await,
            },
        }
    }

    async fn ask_for_all(&self, sids: &[Sid], round: Round<'_>) -> Result<LookUp, StoreError> {
        yield_now().await;
        self.read_for(sids, round.close()).await
    }

    /// Reads for one look-up and for those that joined it. A record that cannot be read fails the
    /// look-up that it was asked for by; an outage fails all.
    async fn read_for(&self, sids: &[Sid], joined: Vec<Joined>) -> Result<LookUp, StoreError> {
        let others = joined.iter().flat_map(|joined| &joined.sids);
        let all: Vec<Sid> = sids.iter().chain(others).copied().collect();
        let (answers, cuts) = match self.read_all(&all).await {
            Ok(read) => read,
            Err(error) => {
                for joined in joined {
                    joined.told.send(Err(error.clone())).ok();
                }
                return Err(error);
            }
        };
        let mut answers = answers.into_iter();
        let own = self.records(sids, &mut answers, &cuts);
        for Joined { sids, told } in joined {
            // Whoever has left meanwhile needs no answer.
            told.send(self.records(&sids, &mut answers, &cuts)).ok();
        }
        own
    }

    fn records(
        &self,
        sids: &[Sid],
        answers: &mut impl Iterator<Item = Value>,
        cuts: &Arc<Cuts>,
    ) -> Result<LookUp, StoreError> {
        // All of them are taken before one is found to be garbage.
        let answers: SmallVec<[Value; 4]> = answers.take(sids.len()).collect();
        let pairs = sids.iter().zip(answers);
        let records = pairs.map(|(sid, answer)| self.record(*sid, answer));
        Ok(LookUp {
            records: records.collect::<Result<_, _>>()?,
            cuts: Arc::clone(cuts),
        })
    }

    /// The answer to each sid, and the cuts. Their version is read after the records, so that a
    /// cut made meanwhile is seen.
    async fn read_all(&self, sids: &[Sid]) -> Result<(Vec<Value>, Arc<Cuts>), StoreError> {
        let (_, mut answers) = self.link.ask(&|_| look_up(sids)).await?;
        let version = match bulk(answers.pop().unwrap_or(Value::Nil))? {
            Some(text) => codec::decode_number(&text).ok_or_else(garbled_cuts)?,
            None => 0,
        };
        let mut cuts = self.cuts.load_full();
        if cuts.version() != version {
            let (_, answers) = self.link.ask(&|_| all_cuts()).await?;
            cuts = self.keep_cuts(answers.into_iter().next().unwrap_or(Value::Nil))?;
        }
        Ok((answers, cuts))
    }

    /// Keeps a table as the last one read.
    pub(super) fn keep_cuts(&self, table: Value) -> Result<Arc<Cuts>, StoreError> {
        let cuts = Arc::new(cuts(table)?);
        self.cuts.store(Arc::clone(&cuts));
        Ok(cuts)
    }

    fn record(&self, sid: Sid, answer: Value) -> Result<Option<Record>, StoreError> {
        let mut found = record(answer, |session| self.memo.decode(sid, session))?;
        if let Some(record) = &mut found
            && record.state == State::Alive
        {
            record.last_active = self.touches.latest(sid, record.last_active);
        }
        Ok(found)
    }
}

/// The record in an answer; none where the answer has nothing at all.
pub(super) fn record(
    answer: Value,
    decode: impl FnOnce(Vec<u8>) -> Option<Arc<Session>>,
) -> Result<Option<Record>, StoreError> {
    let [session, last_active, state] = fields(answer)?;
    if session.is_none() && last_active.is_none() && state.is_none() {
        return Ok(None);
    }
    let record = || {
        Some(Record {
            state: codec::decode_state(&state?)?,
            last_active: codec::decode_instant(&last_active?)?,
            session: decode(session?)?,
        })
    };
    match record() {
        Some(record) => Ok(Some(record)),
        None => Err(StoreError::Garbled("a record".to_owned())),
    }
}

fn look_up(sids: &[Sid]) -> Pipeline {
    let mut commands = Pipeline::with_capacity(sids.len() + 1);
    for sid in sids {
        let key = keys::record(*sid);
        let mut command = Cmd::with_capacity(5, "HMGETdat".len() + key.len());
        command
            .arg("HMGET")
            .arg(&key[..])
            .arg("d")
            .arg("a")
            .arg("t");
        commands.add_command(command);
    }
    let mut command = Cmd::with_capacity(3, "HGET".len() + keys::CUTS.len() + 1);
    command.arg("HGET").arg(keys::CUTS).arg(keys::CUTS_VERSION);
    commands.add_command(command);
    commands
}

fn all_cuts() -> Pipeline {
    let mut commands = Pipeline::with_capacity(1);
    commands.cmd("HGETALL").arg(keys::CUTS);
    commands
}

fn fields(answer: Value) -> Result<[Option<Vec<u8>>; 3], StoreError> {
    let values = list(answer)?;
    let mut fields = [None, None, None];
    if values.len() != fields.len() {
        return Err(unexpected());
    }
    for (field, value) in fields.iter_mut().zip(values) {
        *field = bulk(value)?;
    }
    Ok(fields)
}

pub(super) fn cuts(table: Value) -> Result<Cuts, StoreError> {
    let fields = list(table)?;
    let mut version = 0;
    let mut entries = Vec::with_capacity(fields.len() / 2);
    let mut fields = fields.into_iter();
    while let (Some(scope), Some(value)) = (fields.next(), fields.next()) {
        let scope = bulk(scope)?.ok_or_else(unexpected)?;
        let value = bulk(value)?.ok_or_else(unexpected)?;
        if scope == keys::CUTS_VERSION.as_bytes() {
            version = codec::decode_number(&value).ok_or_else(garbled_cuts)?;
        } else {
            let scope = decode_scope(&scope).ok_or_else(garbled_cuts)?;
            entries.push((
                scope,
                codec::decode_instant(&value).ok_or_else(garbled_cuts)?,
            ));
        }
    }
    Ok(Cuts::new(version, entries))
}

/// A scope, as a field of the table.
pub(super) fn encode_scope(scope: &Scope) -> String {
    match scope {
        Scope::All => "all".to_owned(),
        Scope::User(user) => format!("u:{user}"),
        Scope::Lineage(lineage) => format!("l:{lineage}"),
        Scope::RolesOf(user) => format!("ru:{user}"),
        Scope::Role(role) => format!("r:{role}"),
    }
}

pub(super) fn decode_scope(field: &[u8]) -> Option<Scope> {
    let field = str::from_utf8(field).ok()?;
    match field.split_once(':') {
        None if field == "all" => Some(Scope::All),
        Some(("u", user)) => Some(Scope::User(user.to_owned())),
        Some(("ru", user)) => Some(Scope::RolesOf(user.to_owned())),
        Some(("r", role)) => Some(Scope::Role(RoleName::new(role))),
        Some(("l", lineage)) => lineage.parse().ok().map(Scope::Lineage),
        _ => None,
    }
}

/// A list, whatever it holds.
pub(super) fn list(value: Value) -> Result<Vec<Value>, StoreError> {
    match value {
        Value::Array(values) => Ok(values),
        Value::ServerError(error) => Err(fault::of_answer(&error)),
        _ => Err(unexpected()),
    }
}

/// A text, or nothing.
pub(super) fn bulk(value: Value) -> Result<Option<Vec<u8>>, StoreError> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(text) => Ok(Some(text)),
        Value::ServerError(error) => Err(fault::of_answer(&error)),
        _ => Err(unexpected()),
    }
}

/// A count.
pub(super) fn count(value: Value) -> Result<u64, StoreError> {
    match value {
        Value::Int(count) => u64::try_from(count).map_err(|_| unexpected()),
        Value::ServerError(error) => Err(fault::of_answer(&error)),
        _ => Err(unexpected()),
    }
}

/// An answer of a kind that the command does not have.
pub(super) fn unexpected() -> StoreError {
    StoreError::Garbled("an answer of another kind".to_owned())
}

fn garbled_cuts() -> StoreError {
    StoreError::Garbled("the table of cuts".to_owned())
}
