//! The due index: when to look at whom. A living authenticated id has exactly one entry.

use std::time::Duration;

use redis::{Pipeline, Value};

use crate::domain::identity::Sid;
use crate::domain::time::Timestamp;
use crate::store::StoreError;

use super::keys::{self, Bucket};
use super::link::Attempt;
use super::read::{bulk, count, list};
use super::write::found;
use super::{RedisStore, fault};

/// Ids of one bucket that one round of `rearm_all` moves: 64 buckets take some 20 ms.
const REARMED_AT_ONCE: usize = 250;

impl RedisStore {
    /// One round trip where nothing is due, two where something is.
    pub(in crate::store) async fn claim_due(
        &self,
        now: Timestamp,
        lease: Duration,
        max: usize,
    ) -> Result<Vec<Sid>, StoreError> {
        let allotted = allot(self.count_due(now).await?, max);
        if allotted.is_empty() {
            return Ok(Vec::new());
        }
        let script = &self.scripts.claim_due;
        let (now, until) = (
            now.as_millis().to_string(),
            now.plus(lease).as_millis().to_string(),
        );
        let calls = |_: Attempt| {
            let mut calls = Pipeline::with_capacity(allotted.len());
            for (bucket, max) in &allotted {
                calls.add_command(script.on(
                    &[bucket.due().as_bytes()],
                    &[now.as_bytes(), until.as_bytes(), max.to_string().as_bytes()],
                ));
            }
            calls
        };
        let answers = self.link.run_all(script, calls).await?;
        claimed(answers)
    }

    async fn count_due(&self, now: Timestamp) -> Result<Vec<(Bucket, usize)>, StoreError> {
        let now = now.as_millis();
        let counted = self.of_all_buckets(|commands, bucket| {
            commands
                .cmd("ZCOUNT")
                .arg(bucket.due())
                .arg("-inf")
                .arg(now);
        });
        let counted = counted.await?;
        Ok(counted
            .map(|(bucket, due)| (bucket, due as usize))
            .collect())
    }

    pub(in crate::store) async fn rearm(&self, sid: Sid, at: Timestamp) -> Result<(), StoreError> {
        let script = &self.scripts.rearm;
        let at = at.as_millis().to_string();
        let call = |_: Attempt| {
            script.on(
                &[&keys::record(sid), Bucket::of(sid).due().as_bytes()],
                &[&keys::hex(sid), at.as_bytes()],
            )
        };
        let answer = self.link.run(script, call).await?;
        found(answer).map(drop)
    }

    /// In rounds, so that no other command waits long.
    pub(in crate::store) async fn rearm_all(&self, now: Timestamp) -> Result<(), StoreError> {
        let script = &self.scripts.rearm_all;
        let (now, max) = (now.as_millis().to_string(), REARMED_AT_ONCE.to_string());
        let mut left: Vec<Bucket> = Bucket::all().collect();
        while !left.is_empty() {
            let calls = |_: Attempt| {
                let mut calls = Pipeline::with_capacity(left.len());
                for bucket in &left {
                    calls.add_command(script.on(
                        &[bucket.due().as_bytes()],
                        &[now.as_bytes(), max.as_bytes()],
                    ));
                }
                calls
            };
            let answers = self.link.run_all(script, calls).await?;
            let mut more = Vec::new();
            for (bucket, answer) in left.iter().zip(answers) {
                if count(answer)? > 0 {
                    more.push(*bucket);
                }
            }
            left = more;
        }
        Ok(())
    }

    pub(in crate::store) async fn alive(&self) -> Result<u64, StoreError> {
        let watched = self.of_all_buckets(|commands, bucket| {
            commands.cmd("ZCARD").arg(bucket.due());
        });
        Ok(watched.await?.map(|(_, watched)| watched).sum())
    }

    /// Asks every bucket for a number, in one round trip.
    pub(super) async fn of_all_buckets(
        &self,
        ask: impl Fn(&mut Pipeline, Bucket),
    ) -> Result<impl Iterator<Item = (Bucket, u64)>, StoreError> {
        let commands = |_: Attempt| {
            let mut commands = Pipeline::with_capacity(usize::from(keys::BUCKETS));
            Bucket::all().for_each(|bucket| ask(&mut commands, bucket));
            commands
        };
        let answers = self.link.call(commands).await?;
        let counted = answers
            .into_iter()
            .map(count)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Bucket::all().zip(counted))
    }
}

/// How many each bucket may hand out, so that it is `max` in all.
///
/// Where all buckets together have more, each gives some, so that none waits for the others.
fn allot(due: Vec<(Bucket, usize)>, max: usize) -> Vec<(Bucket, usize)> {
    let mut waiting: Vec<_> = due.into_iter().filter(|(_, due)| *due > 0).collect();
    // The shortest first: what it leaves of its share is for those after it.
    waiting.sort_by_key(|(_, due)| *due);
    let mut left = max;
    let mut buckets = waiting.len();
    for (_, due) in &mut waiting {
        let share = left.div_ceil(buckets);
        *due = share.min(*due);
        left -= *due;
        buckets -= 1;
    }
    waiting.retain(|(_, allotted)| *allotted > 0);
    waiting
}

/// The sids in the answers. A member that is none is left where it is, and told of where nothing
/// else was due: it must not keep the ends of others from being written.
pub(super) fn claimed(answers: Vec<Value>) -> Result<Vec<Sid>, StoreError> {
    let mut sids = Vec::new();
    let mut fault = None;
    for answer in answers {
        if let Value::ServerError(error) = answer {
            fault = Some(fault::of_answer(&error));
            continue;
        }
        for member in list(answer)? {
            let member = bulk(member)?.unwrap_or_default();
            match str::from_utf8(&member).map(str::parse) {
                Ok(Ok(sid)) => sids.push(sid),
                _ => fault = Some(StoreError::Garbled("a due sid".to_owned())),
            }
        }
    }
    match fault {
        Some(fault) if sids.is_empty() => Err(fault),
        _ => Ok(sids),
    }
}

#[cfg(test)]
mod tests {
    use super::allot;
    use crate::store::redis::keys::Bucket;

    #[track_caller]
    fn check(due: &[usize], max: usize, expected: &[usize]) {
        let due: Vec<_> = Bucket::all().zip(due.iter().copied()).collect();
        let mut allotted = allot(due, max);
        allotted.sort();
        let allotted: Vec<usize> = allotted.iter().map(|(_, allotted)| *allotted).collect();
        assert_eq!(allotted, expected);
    }

    #[test]
    fn every_bucket_gives_what_it_has_or_its_share() {
        check(&[], 10, &[]);
        check(&[0, 0], 10, &[]);
        check(&[3, 0, 7], 10, &[3, 7]);
        check(&[3, 0, 8], 10, &[3, 7]);
        check(&[1, 9, 9], 10, &[1, 5, 4]);
        check(&[5, 5, 5], 2, &[1, 1]);
        check(&[5], 0, &[]);
    }
}
