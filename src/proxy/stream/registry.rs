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

use super::signal::CutSignal;

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
}

impl StreamRegistry {
    /// An empty registry with room for `streams_max` streams.
    pub(crate) fn new(streams_max: usize) -> Self {
        Self(Arc::new(Shared {
            streams_max,
            open: Default::default(),
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::default()),
        }))
    }

    /// Registers a stream until its registration is dropped.
    pub(super) fn register(
        &self,
        key: StreamKey,
        kind: StreamKind,
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

    fn cut_those(
        &self,
        lineage: Lineage,
        reason: EndReason,
        which: impl Fn(&Entry) -> bool,
    ) -> usize {
        let cut: Vec<Entry> = self
            .shard(lineage)
            .streams
            .extract_if(all_of(lineage), |_, entry| which(entry))
            .map(|(_, entry)| entry)
            .collect();
        for entry in &cut {
            entry.signal.give(reason);
        }
        cut.len()
    }

    /// The sessions that hold streams, each once for each route with limits of its own.
    pub(crate) fn watched(&self) -> Vec<StreamKey> {
        let mut watched = Vec::new();
        for shard in &self.0.shards {
            let shard = lock(shard);
            let first_of_shard = watched.len();
            for ((lineage, _), entry) in &shard.streams {
                let of_shard: &[StreamKey] = &watched[first_of_shard..];
                let mut of_lineage = of_shard
                    .iter()
                    .rev()
                    .take_while(|key| key.lineage == *lineage);
                if !of_lineage.any(|key| key.sid == entry.sid && key.route == entry.route) {
                    watched.push(StreamKey {
                        lineage: *lineage,
                        sid: entry.sid,
                        app: Arc::clone(&entry.app),
                        route: entry.route,
                    });
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

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.registry
            .shard(self.place.0)
            .streams
            .remove(&self.place);
        self.registry.release(self.kind);
    }
}

#[cfg(test)]
mod tests;
