//! Which streams run for which lineage, so that an end reaches them all.
//!
//! Between a request's verdict and `open`, the lineage may end and its streams be cut: a stream
//! registered just after that is not cut by it. The watcher closes this gap. It looks up the
//! sessions that `watched` names every 300 ms and cuts those it finds dead, so that such a stream
//! lives for one tick at most.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::decide::Live;
use crate::domain::identity::{Lineage, Sid};
use crate::domain::limits::RouteBounds;
use crate::domain::session::EndReason;
use crate::domain::time::Timestamp;

use super::signal::CutSignal;
use super::unsaid::{Moved, Unsaid};
use super::work::{Held, Owner, Work};

/// Streams that one gateway runs at a time, at most. More would be more connections than a
/// process has descriptors for; it bounds the registry at some 40 MiB.
pub(crate) const STREAMS_MAX: usize = 1 << 17;

/// Parts with a lock of their own: enough that cores seldom meet at one.
const SHARDS: usize = 64;

/// Whose stream it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamKey {
    /// What ends.
    pub(crate) lineage: Lineage,
    /// The id under which the session is looked up.
    pub(crate) sid: Sid,
    /// The app whose limits hold.
    pub(crate) app: Arc<str>,
    /// The limits of the route that it was opened on.
    pub(crate) route: RouteBounds,
}

impl StreamKey {
    /// That its work moved then.
    pub(crate) fn moved(&self, at: Timestamp) -> Moved {
        Moved {
            lineage: self.lineage,
            app: Arc::clone(&self.app),
            since: at,
            at,
        }
    }
}

impl StreamKey {
    /// The key of a stream that a live session holds.
    pub(crate) fn of(live: &Live, app: &Arc<str>) -> Self {
        Self {
            lineage: live.session.lineage,
            sid: live.sid,
            app: Arc::clone(app),
            route: live.route,
        }
    }
}

/// A session that holds streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Watched {
    /// Whose streams they are.
    pub(crate) key: StreamKey,
    /// How work among them holds its idle clock.
    pub(crate) held: Option<Held>,
    /// Whether work among them goes on behind the absolute timeout.
    pub(crate) drains: bool,
}

/// What runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum StreamKind {
    /// An upgraded connection.
    Tunnel,
    /// The bodies of one exchange.
    Body,
}

/// As many streams run as may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} streams are open, as many as may be")]
pub(crate) struct Full(usize);

/// Every stream that runs; clones are the same registry.
#[derive(Clone)]
pub(crate) struct StreamRegistry(Arc<Shared>);

struct Shared {
    streams_max: usize,
    /// Of each kind, how many run: also those that were cut and are closing.
    open: [AtomicUsize; 2],
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
    unsaid: Unsaid,
}

/// Streams that nobody cut yet, ordered so that those of a lineage stand together.
#[derive(Default)]
struct Shard {
    next: u64,
    streams: BTreeMap<(Lineage, u64), Entry>,
}

struct Entry {
    sid: Sid,
    app: Arc<str>,
    route: RouteBounds,
    signal: Arc<CutSignal>,
    /// None for what is no work: tunnels, event streams, passive requests.
    work: Option<Work>,
}

impl StreamRegistry {
    /// An empty registry with room for `streams_max` streams.
    pub(crate) fn new(streams_max: usize) -> Self {
        Self(Arc::new(Shared {
            streams_max,
            open: Default::default(),
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::default()),
            unsaid: Unsaid::default(),
        }))
    }

    /// Registers a stream until its registration is dropped.
    pub(super) fn register(
        &self,
        key: StreamKey,
        kind: StreamKind,
        work: Option<Work>,
    ) -> Result<(Arc<CutSignal>, Registration), Full> {
        self.reserve(kind)?;
        let signal = Arc::new(CutSignal::default());
        let StreamKey {
            lineage,
            sid,
            app,
            route,
        } = key;
        let entry = Entry {
            sid,
            app,
            route,
            signal: Arc::clone(&signal),
            work,
        };
        let mut shard = self.shard(lineage);
        let number = shard.next;
        shard.next += 1;
        shard.streams.insert((lineage, number), entry);
        drop(shard);
        let registration = Registration {
            registry: self.clone(),
            place: (lineage, number),
            kind,
        };
        Ok((signal, registration))
    }

    /// Cuts all streams of a lineage and answers how many there were. They are no longer watched.
    pub(crate) fn cut(&self, lineage: Lineage, reason: EndReason) -> usize {
        self.cut_those(lineage, reason, |_| true)
    }

    /// The same for those alone that were opened on a route with these limits.
    pub(crate) fn cut_on(&self, lineage: Lineage, route: RouteBounds, reason: EndReason) -> usize {
        self.cut_those(lineage, reason, |entry| entry.route == route)
    }

    /// At the absolute timeout of a lineage, or of one of its routes, which was reached at `over`:
    /// cuts all but the work that may still finish.
    pub(crate) fn cut_at_absolute(
        &self,
        lineage: Lineage,
        route: Option<RouteBounds>,
        (over, now): (Timestamp, Timestamp),
    ) -> usize {
        self.cut_those(lineage, EndReason::AbsoluteTimeout, |entry| {
            let drains = |work: &mut Work| work.may_drain(over, now);
            let is_meant = route.is_none_or(|route| entry.route == route);
            is_meant && !entry.work.as_mut().is_some_and(drains)
        })
    }

    fn cut_those(
        &self,
        lineage: Lineage,
        reason: EndReason,
        mut which: impl FnMut(&mut Entry) -> bool,
    ) -> usize {
        let cut: Vec<Entry> = self
            .shard(lineage)
            .streams
            .extract_if(all_of(lineage), |_, entry| which(entry))
            .map(|(_, entry)| entry)
            .collect();
        let count = cut.len();
        for entry in cut {
            entry.signal.give(reason);
            self.finish(lineage, entry, true);
        }
        count
    }

    /// The absolute timeout of streams of this key was put off.
    pub(crate) fn resume(&self, key: &StreamKey) {
        let mut shard = self.shard(key.lineage);
        for (_, entry) in shard.streams.range_mut(all_of(key.lineage)) {
            if let Some(work) = entry.work.as_mut().filter(|_| entry.route == key.route) {
                work.resume();
            }
        }
    }

    /// Cuts work that had its drain. Of its session, the store may know nothing any more.
    fn cut_spent(&self, now: Timestamp) {
        for shard in &self.0.shards {
            let is_spent =
                |entry: &Entry| entry.work.as_ref().is_some_and(|work| work.is_spent(now));
            let spent: Vec<_> = lock(shard)
                .streams
                .extract_if(.., |_, entry| is_spent(entry))
                .collect();
            for ((lineage, _), entry) in spent {
                entry.signal.give(EndReason::AbsoluteTimeout);
                self.finish(lineage, entry, true);
            }
        }
    }

    /// What is still to be told of work.
    pub(crate) fn unsaid(&self) -> &Unsaid {
        &self.0.unsaid
    }

    /// Remembers what is left to do for an entry that is gone.
    fn finish(&self, lineage: Lineage, entry: Entry, was_cut: bool) {
        let Entry { sid, app, work, .. } = entry;
        let of = Owner { lineage, sid, app };
        if let Some(finished) = work.and_then(|work| work.end(of, was_cut)) {
            self.0.unsaid.finished(finished);
        }
    }

    /// Looks at everything: the sessions that hold streams, each once for each route with limits
    /// of its own. What had its drain is cut.
    pub(crate) fn look(&self, now: Timestamp) -> Vec<Watched> {
        self.cut_spent(now);
        let mut watched = Vec::new();
        for shard in &self.0.shards {
            let mut shard = lock(shard);
            let first_of_shard = watched.len();
            for ((lineage, _), entry) in &mut shard.streams {
                let held = entry.work.as_mut().and_then(|work| work.look(now));
                let drains = entry.work.as_ref().is_some_and(Work::drains);
                let of_shard: &mut [Watched] = &mut watched[first_of_shard..];
                let mut of_lineage = of_shard
                    .iter_mut()
                    .rev()
                    .take_while(|seen| seen.key.lineage == *lineage);
                let is_its = |seen: &&mut Watched| {
                    seen.key.sid == entry.sid && seen.key.route == entry.route
                };
                match of_lineage.find(is_its) {
                    Some(seen) => {
                        seen.held = seen.held.max(held);
                        seen.drains |= drains;
                    }
                    None => watched.push(Watched {
                        key: StreamKey {
                            lineage: *lineage,
                            sid: entry.sid,
                            app: Arc::clone(&entry.app),
                            route: entry.route,
                        },
                        held,
                        drains,
                    }),
                }
            }
        }
        watched
    }

    /// Follows a rotation: streams of the lineage that were opened under `old` are looked up
    /// under `new` from now on.
    pub(crate) fn rename(&self, lineage: Lineage, old: Sid, new: Sid) {
        let mut shard = self.shard(lineage);
        for (_, entry) in shard.streams.range_mut(all_of(lineage)) {
            if entry.sid == old {
                entry.sid = new;
            }
        }
    }

    /// How many streams of a kind run, those that are closing included.
    pub(crate) fn len(&self, kind: StreamKind) -> usize {
        self.0.open[kind as usize].load(Ordering::SeqCst)
    }

    /// Counts one more of a kind, if there is room.
    fn reserve(&self, kind: StreamKind) -> Result<(), Full> {
        self.0.open[kind as usize].fetch_add(1, Ordering::SeqCst);
        // Added first and then summed, in one order for all (SeqCst): of several that race for
        // the last place, none can miss another.
        if self.len(StreamKind::Tunnel) + self.len(StreamKind::Body) > self.0.streams_max {
            self.release(kind);
            return Err(Full(self.0.streams_max));
        }
        Ok(())
    }

    fn release(&self, kind: StreamKind) {
        self.0.open[kind as usize].fetch_sub(1, Ordering::SeqCst);
    }

    fn shard(&self, lineage: Lineage) -> MutexGuard<'_, Shard> {
        let index = self.0.hasher.hash_one(lineage) as usize % SHARDS;
        lock(&self.0.shards[index])
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn all_of(lineage: Lineage) -> std::ops::RangeInclusive<(Lineage, u64)> {
    (lineage, 0)..=(lineage, u64::MAX)
}

/// A stream's place in the registry, given back on drop.
pub(super) struct Registration {
    registry: StreamRegistry,
    place: (Lineage, u64),
    kind: StreamKind,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let lineage = self.place.0;
        let entry = self.registry.shard(lineage).streams.remove(&self.place);
        if let Some(entry) = entry {
            self.registry.finish(lineage, entry, false);
        }
        self.registry.release(self.kind);
    }
}

#[cfg(test)]
mod tests;
