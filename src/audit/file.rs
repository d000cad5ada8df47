//! The audit's lines, and how they reach the disk without holding up a worker of the runtime.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::task::spawn_blocking;

use crate::config::Sink;
use crate::domain::time::Timestamp;
use crate::telemetry::lines::{LineSink, append_line, rfc_3339};

/// A sink and the lines that it has not taken. Shared with a blocking thread while that writes;
/// nobody else holds the lock at that time.
pub(super) struct AuditFile(Arc<Mutex<Lines>>);

struct Lines {
    /// None where nothing is to be written.
    sink: Option<LineSink>,
    waiting: Vec<u8>,
    /// Bytes of `waiting` that the sink took and may not have on the disk.
    written: usize,
}

/// An event, and when it happened as people read it.
#[derive(Serialize)]
struct AuditLine<'a, E> {
    time: String,
    #[serde(flatten)]
    event: &'a E,
}

impl AuditFile {
    pub(super) fn open(sink: &Sink) -> io::Result<Self> {
        Ok(Self(Arc::new(Mutex::new(Lines {
            sink: LineSink::open(sink)?,
            waiting: Vec::new(),
            written: 0,
        }))))
    }

    /// Adds an event to what waits.
    pub(super) fn push(&self, at_ms: u64, event: &impl Serialize) {
        let mut lines = locked(&self.0);
        if lines.sink.is_some() {
            append_line(&mut lines.waiting, &line(at_ms, event));
        }
    }

    /// Whether nothing waits.
    pub(super) fn is_written(&self) -> bool {
        locked(&self.0).waiting.is_empty()
    }

    /// Returns once all that waits would survive a crash of the machine.
    pub(super) async fn write(&self) -> io::Result<()> {
        if self.is_written() {
            return Ok(());
        }
        let lines = Arc::clone(&self.0);
        spawn_blocking(move || locked(&lines).write())
            .await
            .unwrap_or_else(|stopped| Err(io::Error::other(stopped)))
    }

    /// Opens the file anew after a rotation; the old one stays in use if that fails.
    pub(super) async fn reopen(&self) {
        let lines = Arc::clone(&self.0);
        let reopened = spawn_blocking(move || locked(&lines).reopen())
            .await
            .unwrap_or_else(|stopped| Err(io::Error::other(stopped)));
        match reopened {
            Ok(()) => tracing::info!("the audit's file was opened anew"),
            Err(error) => {
                tracing::error!(%error, "the audit's file cannot be opened anew; the old one stays in use");
            }
        }
    }
}

pub(super) fn line<E: Serialize>(at_ms: u64, event: &E) -> impl Serialize + '_ {
    AuditLine {
        time: rfc_3339(Timestamp::from_millis(at_ms)),
        event,
    }
}

fn locked(lines: &Mutex<Lines>) -> MutexGuard<'_, Lines> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lines {
    fn write(&mut self) -> io::Result<()> {
        if let Some(sink) = &mut self.sink {
            sink.append(&self.waiting, &mut self.written)?;
            if let Err(error) = sink.sync() {
                // What a failed sync left on the disk is unknown, so all of it is written again.
                self.written = 0;
                return Err(error);
            }
        }
        self.waiting.clear();
        self.written = 0;
        Ok(())
    }

    fn reopen(&mut self) -> io::Result<()> {
        let Some(sink) = &mut self.sink else {
            return Ok(());
        };
        if sink.sync().is_err() {
            self.written = 0;
        }
        sink.reopen()
    }
}
