//! How far an exchange got: bytes each way, readable by others while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// One of the two ways that bytes take through the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Direction {
    /// What the app answers.
    ToClient,
    /// What the client sends.
    ToUpstream,
}

/// The bytes that passed in each direction; clones see the same counts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress(Arc<[Way; 2]>);

#[derive(Debug, Default)]
struct Way {
    bytes: AtomicU64,
    finished: AtomicBool,
}

impl Progress {
    /// Bytes of content that were passed on so far.
    pub(crate) fn bytes(&self, direction: Direction) -> u64 {
        self.way(direction).bytes.load(Ordering::Relaxed)
    }

    /// Whether this direction came to its own end; a cut or broken one never does.
    pub(crate) fn is_finished(&self, direction: Direction) -> bool {
        self.way(direction).finished.load(Ordering::Acquire)
    }

    pub(super) fn add(&self, direction: Direction, bytes: usize) {
        self.way(direction)
            .bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn finish(&self, direction: Direction) {
        self.way(direction).finished.store(true, Ordering::Release);
    }

    fn way(&self, direction: Direction) -> &Way {
        &self.0[direction as usize]
    }
}
