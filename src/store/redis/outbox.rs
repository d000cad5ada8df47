//! The outbox: a stream of events for each bucket, appended to by the script that makes each true.
//!
//! Gateways read as one consumer group. What one has read is leased to it: it keeps the event and
//! hands it out again until it is acknowledged. When the lease is over, anybody may read it. All
//! share one consumer's name, since the lease hangs on the entry's age alone, and names that are
//! made up anew at every start would pile up in Redis.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{Pipeline, Value};

use crate::clock::monotonic;
use crate::store::StoreError;
use crate::store::event::{EventId, SessionEvent};

use super::keys::Bucket;
use super::link::Attempt;
use super::read::{bulk, list, unexpected};
use super::{RedisStore, fault};

/// The consumer group, and the one consumer in it.
const GROUP: &str = "audit";
const CONSUMER: &str = "curfew";

/// How long a read event is its reader's.
const LEASE: Duration = Duration::from_secs(30);

/// Events of one bucket that one read takes, so that it never holds more than 64 times as many
/// beyond what it was asked for.
const READ_AT_ONCE: usize = 32;

/// Acknowledged events that Redis could not be told of yet, at most. Beyond them the oldest is
/// dropped: it will be delivered once more.
const UNTOLD_MAX: usize = 65_536;

/// Where an entry stands: the instant Redis appended it, the event's own, the number within the
/// instant, and the bucket. Sorts in the order of appending, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    appended_ms: u64,
    at_ms: u64,
    number: u64,
    bucket: Bucket,
}

impl Place {
    fn entry(&self) -> String {
        format!("{}-{}", self.appended_ms, self.number)
    }
}

struct Leased {
    event: SessionEvent,
    until: Duration,
}

#[derive(Default)]
struct Held {
    leased: BTreeMap<Place, Leased>,
    /// Acknowledged by us, but not in Redis.
    untold: BTreeSet<Place>,
}

/// This gateway's part of the outbox.
#[derive(Default)]
pub(super) struct Outbox {
    held: Mutex<Held>,
}

impl Outbox {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops the leases that are over and tells how many are left.
    fn expire(&self, now: Duration) -> usize {
        let mut held = self.held();
        held.leased.retain(|_, leased| now < leased.until);
        held.leased.len()
    }

    fn lease(&self, place: Place, event: SessionEvent, until: Duration) {
        let mut held = self.held();
        if !held.untold.contains(&place) {
            held.leased.insert(place, Leased { event, until });
        }
    }

    fn first(&self, max: usize) -> Vec<SessionEvent> {
        let held = self.held();
        let first = held.leased.values().take(max);
        first.map(|leased| leased.event.clone()).collect()
    }

    /// Takes these out of the leases; returns all that Redis must be told of.
    fn acknowledged(&self, events: &[EventId]) -> Vec<Place> {
        let ids: HashSet<&EventId> = events.iter().collect();
        let mut held = self.held();
        let Held { leased, untold } = &mut *held;
        leased.retain(|place, leased| {
            let acknowledged = ids.contains(&leased.event.id);
            if acknowledged {
                untold.insert(*place);
            }
            !acknowledged
        });
        while untold.len() > UNTOLD_MAX {
            untold.pop_first();
        }
        untold.iter().copied().collect()
    }

    fn told(&self, places: &[Place]) {
        let mut held = self.held();
        for place in places {
            held.untold.remove(place);
        }
    }
}

impl RedisStore {
    pub(in crate::store) async fn read_events(
        &self,
        max: usize,
    ) -> Result<Vec<SessionEvent>, StoreError> {
        let now = monotonic();
        if self.outbox.expire(now) >= max {
            return Ok(self.outbox.first(max));
        }
        let buckets = self.buckets_with_events().await?;
        let read = self.fetch(&buckets, now).await;
        let first = self.outbox.first(max);
        match read {
            Err(fault) if first.is_empty() => Err(fault),
            _ => Ok(first),
        }
    }

    pub(in crate::store) async fn acknowledge(&self, events: &[EventId]) -> Result<(), StoreError> {
        let places = self.outbox.acknowledged(events);
        if places.is_empty() {
            return Ok(());
        }
        let commands = |_: Attempt| {
            let mut commands = Pipeline::with_capacity(2 * places.len());
            for place in &places {
                let (outbox, entry) = (place.bucket.outbox(), place.entry());
                commands.cmd("XACK").arg(&outbox).arg(GROUP).arg(&entry);
                commands.cmd("XDEL").arg(&outbox).arg(&entry);
            }
            commands
        };
        for answer in self.link.call(commands).await? {
            if let Value::ServerError(error) = answer {
                return Err(fault::of_answer(&error));
            }
        }
        self.outbox.told(&places);
        Ok(())
    }

    pub(in crate::store) async fn events_pending(&self) -> Result<u64, StoreError> {
        let lengths = self.outbox_lengths().await?;
        Ok(lengths.map(|(_, length)| length).sum())
    }

    async fn outbox_lengths(&self) -> Result<impl Iterator<Item = (Bucket, u64)>, StoreError> {
        self.of_all_buckets(|commands, bucket| {
            commands.cmd("XLEN").arg(bucket.outbox());
        })
        .await
    }

    async fn buckets_with_events(&self) -> Result<Vec<Bucket>, StoreError> {
        let lengths = self.outbox_lengths().await?;
        let filled = lengths.filter_map(|(bucket, length)| (length > 0).then_some(bucket));
        Ok(filled.collect())
    }

    async fn fetch(&self, buckets: &[Bucket], now: Duration) -> Result<(), StoreError> {
        let read = self.read(buckets, now).await?;
        let mut fault = read.fault;
        if !read.without_group.is_empty() {
            self.link
                .call(|_: Attempt| groups(&read.without_group))
                .await?;
            let read = self.read(&read.without_group, now).await?;
            fault = fault.or(read.fault);
        }
        fault.map_or(Ok(()), Err)
    }

    /// Reads what nobody has read, and what nobody acknowledged within its lease.
    async fn read(&self, buckets: &[Bucket], now: Duration) -> Result<Read, StoreError> {
        let mut read = Read::default();
        if buckets.is_empty() {
            return Ok(read);
        }
        let mut answers = self
            .link
            .call(|_: Attempt| reads(buckets))
            .await?
            .into_iter();
        for bucket in buckets {
            let [unread, abandoned] =
                [answers.next(), answers.next()].map(|answer| answer.unwrap_or(Value::Nil));
            if is_without_group(&unread) {
                read.without_group.push(*bucket);
                continue;
            }
            for entries in [of_reading(unread), of_claiming(abandoned)] {
                let leased = entries.and_then(|entries| self.lease(*bucket, entries, now));
                read.fault = leased.err().or(read.fault);
            }
        }
        Ok(read)
    }

    /// Keeps events for their reader. An entry that is none is left where it is: it must not hold
    /// up the others.
    fn lease(&self, bucket: Bucket, entries: Vec<Value>, now: Duration) -> Result<(), StoreError> {
        let mut kept = Ok(());
        for entry in entries {
            match decode(bucket, entry) {
                Ok((place, event)) => self.outbox.lease(place, event, now + LEASE),
                Err(fault) => kept = Err(fault),
            }
        }
        kept
    }
}

/// What a reading of several buckets left to tell.
#[derive(Default)]
struct Read {
    /// Where nobody has read before; these were not read either.
    without_group: Vec<Bucket>,
    fault: Option<StoreError>,
}

fn reads(buckets: &[Bucket]) -> Pipeline {
    let lease = LEASE.as_millis() as u64;
    let mut commands = Pipeline::with_capacity(2 * buckets.len());
    for bucket in buckets {
        let outbox = bucket.outbox();
        let command = commands
            .cmd("XREADGROUP")
            .arg("GROUP")
            .arg(GROUP)
            .arg(CONSUMER);
        let command = command.arg("COUNT").arg(READ_AT_ONCE).arg("STREAMS");
        command.arg(&outbox).arg(">");
        let command = commands
            .cmd("XAUTOCLAIM")
            .arg(&outbox)
            .arg(GROUP)
            .arg(CONSUMER);
        command.arg(lease).arg("0").arg("COUNT").arg(READ_AT_ONCE);
    }
    commands
}

/// Makes the group where it is missing; where it is not, the error says so and does no harm.
fn groups(buckets: &[Bucket]) -> Pipeline {
    let mut commands = Pipeline::with_capacity(buckets.len());
    for bucket in buckets {
        let command = commands.cmd("XGROUP").arg("CREATE").arg(bucket.outbox());
        command.arg(GROUP).arg("0").arg("MKSTREAM");
    }
    commands
}

fn is_without_group(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error) if error.code() == "NOGROUP")
}

/// The entries in an answer to XREADGROUP of one stream: `[[stream, entries]]`, or nothing.
pub(super) fn of_reading(answer: Value) -> Result<Vec<Value>, StoreError> {
    if answer == Value::Nil {
        return Ok(Vec::new());
    }
    let stream = list(answer)?.into_iter().next().ok_or_else(unexpected)?;
    let entries = list(stream)?.into_iter().nth(1).ok_or_else(unexpected)?;
    list(entries)
}

/// The entries in an answer to XAUTOCLAIM: `[cursor, entries, …]`. One that was deleted meanwhile
/// is nil on servers before 7.
pub(super) fn of_claiming(answer: Value) -> Result<Vec<Value>, StoreError> {
    let entries = list(answer)?.into_iter().nth(1).ok_or_else(unexpected)?;
    let mut entries = list(entries)?;
    entries.retain(|entry| *entry != Value::Nil);
    Ok(entries)
}

pub(super) fn decode(bucket: Bucket, entry: Value) -> Result<(Place, SessionEvent), StoreError> {
    let mut entry = list(entry)?.into_iter();
    let id = bulk(entry.next().unwrap_or(Value::Nil))?.unwrap_or_default();
    let fields = list(entry.next().unwrap_or(Value::Array(Vec::new())))?;
    let place = str::from_utf8(&id).ok().and_then(|id| {
        let (appended_ms, number) = id.split_once('-')?;
        Some((appended_ms.parse().ok()?, number.parse().ok()?))
    });
    let event = match <[Value; 2]>::try_from(fields) {
        Ok([Value::BulkString(name), Value::BulkString(json)]) if name == b"e" => {
            serde_json::from_slice::<SessionEvent>(&json).ok()
        }
        _ => None,
    };
    let ((appended_ms, number), event) = place
        .zip(event)
        .ok_or_else(|| StoreError::Garbled("an event".to_owned()))?;
    let place = Place {
        appended_ms,
        at_ms: event.at_ms,
        number,
        bucket,
    };
    Ok((place, event))
}

#[cfg(test)]
mod tests {
    use super::{Bucket, Duration, EventId, LEASE, Outbox, Place};
    use crate::store::event::{EventKind, LimitInForce, SessionEvent};

    fn place(appended_ms: u64) -> Place {
        Place {
            appended_ms,
            at_ms: 0,
            number: 0,
            bucket: Bucket::all().next().unwrap(),
        }
    }

    fn event(id: &str) -> SessionEvent {
        let limit = LimitInForce {
            after_ms: 1,
            rule: "role buyer".into(),
        };
        SessionEvent {
            id: EventId(id.to_owned()),
            event: EventKind::End,
            at_ms: 0,
            lineage: String::new(),
            app: String::new(),
            user: None,
            roles: Vec::new(),
            reason: None,
            client: None,
            device: None,
            device_before: None,
            age_ms: 0,
            idle_ms: 0,
            idle_timeout: limit.clone(),
            absolute_timeout: limit,
            max_sessions: None,
            policy: String::new(),
        }
    }

    fn ids(events: Vec<SessionEvent>) -> Vec<String> {
        events.into_iter().map(|event| event.id.0).collect()
    }

    #[test]
    fn what_is_leased_comes_again_in_its_order_until_the_lease_is_over() {
        let outbox = Outbox::default();
        outbox.lease(place(2), event("second"), LEASE);
        outbox.lease(place(1), event("first"), 2 * LEASE);
        for _ in 0..2 {
            assert_eq!(outbox.expire(LEASE - Duration::from_millis(1)), 2);
            assert_eq!(ids(outbox.first(10)), ["first", "second"]);
            assert_eq!(ids(outbox.first(1)), ["first"]);
        }
        assert_eq!(outbox.expire(LEASE), 1);
        assert_eq!(ids(outbox.first(10)), ["first"]);
    }

    #[test]
    fn what_is_acknowledged_never_comes_again_though_redis_does_not_know_it_yet() {
        let outbox = Outbox::default();
        outbox.lease(place(1), event("one"), LEASE);
        let acknowledged = [EventId("one".into()), EventId("unknown".into())];
        assert_eq!(outbox.acknowledged(&acknowledged), [place(1)]);
        // Redis hands it out once more, since it was not told.
        outbox.lease(place(1), event("one"), LEASE);
        assert_eq!(ids(outbox.first(10)), Vec::<String>::new());
        assert_eq!(
            outbox.acknowledged(&[]),
            [place(1)],
            "it is told the next time"
        );
        outbox.told(&[place(1)]);
        assert_eq!(outbox.acknowledged(&[]), []);
    }
}
