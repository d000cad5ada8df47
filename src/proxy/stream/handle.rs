//! What a stream holds while it runs: its place in the registry, its counts, and its cut signal.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::domain::session::EndReason;

use super::progress::{Direction, Progress};
use super::registry::Registration;

/// A registered stream. Clones are the same stream, as the two bodies of one exchange are; the
/// last one to be dropped takes it out of the registry.
#[derive(Clone)]
pub(crate) struct StreamHandle(Arc<Open>);

struct Open {
    progress: Progress,
    signal: Arc<CutSignal>,
    /// Held for its drop.
    _registration: Registration,
}

impl StreamHandle {
    pub(super) fn new(signal: Arc<CutSignal>, registration: Registration) -> Self {
        Self(Arc::new(Open {
            progress: Progress::default(),
            signal,
            _registration: registration,
        }))
    }

    /// How far the stream got.
    pub(crate) fn progress(&self) -> &Progress {
        &self.0.progress
    }

    /// Why the stream is cut, once it is.
    pub(crate) fn cut_reason(&self) -> Option<EndReason> {
        self.0.signal.reason.get().copied()
    }

    /// Polls for the cut. Each direction has room for one waiter, the last that polled.
    pub(crate) fn poll_cut(&self, waiter: Direction, cx: &mut Context<'_>) -> Poll<EndReason> {
        self.0.signal.poll(waiter, cx)
    }
}

impl fmt::Debug for StreamHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamHandle")
            .field("progress", self.progress())
            .field("cut", &self.cut_reason())
            .finish_non_exhaustive()
    }
}

/// Given once; the first reason stands.
#[derive(Debug, Default)]
pub(super) struct CutSignal {
    reason: OnceLock<EndReason>,
    waiting: Mutex<[Option<Waker>; 2]>,
}

impl CutSignal {
    /// Cuts the stream and wakes who waits for it.
    pub(super) fn give(&self, reason: EndReason) {
        if self.reason.set(reason).is_err() {
            return;
        }
        let wakers = std::mem::take(&mut *self.lock());
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    fn poll(&self, waiter: Direction, cx: &mut Context<'_>) -> Poll<EndReason> {
        let mut waiting = self.lock();
        // Read under the lock: `give` sets the reason before it takes the wakers.
        if let Some(reason) = self.reason.get() {
            return Poll::Ready(*reason);
        }
        let waker = &mut waiting[waiter as usize];
        if !waker.as_ref().is_some_and(|old| old.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, [Option<Waker>; 2]> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
