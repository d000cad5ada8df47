//! What a stream holds while it runs: its place in the registry, its counts, and its cut signal.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::clock::Clock;
use crate::domain::session::EndReason;

use super::progress::{Direction, Progress};
use super::registry::{Full, Registration, StreamKey, StreamKind, StreamRegistry};
use super::signal::CutSignal;
use super::work::{Pace, Terms, Work};

/// A registered stream. Clones are the same stream, as the two bodies of one exchange are; the
/// last one to be dropped takes it out of the registry.
#[derive(Clone)]
pub(crate) struct StreamHandle(Arc<Open>);

struct Open {
    progress: Progress,
    /// None for what is no work.
    pace: Option<Pace>,
    signal: Arc<CutSignal>,
    /// Held for its drop.
    _registration: Registration,
}

impl StreamRegistry {
    /// Registers a stream until its handle is dropped.
    pub(crate) fn open(&self, key: StreamKey, kind: StreamKind) -> Result<StreamHandle, Full> {
        let (signal, registration) = self.register(key, kind, None)?;
        Ok(StreamHandle(Arc::new(Open {
            progress: Progress::default(),
            pace: None,
            signal,
            _registration: registration,
        })))
    }

    /// Registers the bodies of an exchange that is work, of which so much has passed, until the
    /// handle's last clone is dropped.
    pub(crate) fn open_work(
        &self,
        key: StreamKey,
        terms: Terms,
        progress: Progress,
        clock: &Clock,
    ) -> Result<StreamHandle, Full> {
        let pace = Pace::new(clock.clone(), terms.began);
        let work = Work::new(terms, pace.clone(), progress.clone());
        let (signal, registration) = self.register(key, StreamKind::Body, Some(work))?;
        Ok(StreamHandle(Arc::new(Open {
            progress,
            pace: Some(pace),
            signal,
            _registration: registration,
        })))
    }
}

impl StreamHandle {
    /// The head of the answer has come: the app is no longer waited for.
    pub(crate) fn answered(&self) {
        if let Some(pace) = &self.0.pace {
            pace.answered();
        }
    }

    /// It turned out to be no person's: what it did moves no clock.
    pub(crate) fn disown(&self) {
        if let Some(pace) = &self.0.pace {
            pace.disown();
        }
    }

    /// Bytes passed.
    pub(super) fn moved(&self) {
        if let Some(pace) = &self.0.pace {
            pace.moved();
        }
    }

    /// How far the stream got.
    pub(crate) fn progress(&self) -> &Progress {
        &self.0.progress
    }

    /// Why the stream is cut, once it is.
    pub(crate) fn cut_reason(&self) -> Option<EndReason> {
        self.0.signal.reason()
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
