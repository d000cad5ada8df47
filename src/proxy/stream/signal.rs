//! The signal that cuts one stream.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::domain::session::EndReason;

use super::progress::Direction;

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

    /// Polls for the cut. Each direction has room for one waiter, the last that polled.
    pub(super) fn poll(&self, waiter: Direction, cx: &mut Context<'_>) -> Poll<EndReason> {
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

    /// Why the stream is cut, once it is.
    pub(super) fn reason(&self) -> Option<EndReason> {
        self.reason.get().copied()
    }

    fn lock(&self) -> MutexGuard<'_, [Option<Waker>; 2]> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
