//! The access log: one JSON object per request, on a line of its own.
//!
//! It is lossy by decision: a request never waits for a disk. What finds the queue full is counted,
//! and said once in the operator's log. A thread of its own formats and writes.

mod entry;

#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prometheus::IntCounter;
use tokio::sync::{mpsc, oneshot};

use crate::config::Sink;

use super::lines::{LineSink, append_line};
use super::metrics::Metrics;

pub use entry::{AccessEntry, Happened, Touch, TouchedBy};

/// Requests that wait to be written, at most.
pub const ENTRIES_WAITING_MAX: usize = 16_384;

/// Lines that are written by one system call, at most.
const BATCH_MAX: usize = 512;

/// How long `flush` waits for the disk.
const FLUSH_WAIT: Duration = Duration::from_secs(2);

/// Where requests report that they were answered. Switched off, it costs a comparison.
pub struct AccessLog(Option<Queue>);

struct Queue {
    outgoing: mpsc::Sender<Message>,
    reopen: Arc<AtomicBool>,
    dropped: IntCounter,
    full: AtomicBool,
}

enum Message {
    Entry(Box<AccessEntry>),
    Touch(Vec<u8>),
    Flush(oneshot::Sender<()>),
}

impl AccessLog {
    /// Whether anything is written.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Writes nothing.
    pub fn off() -> Self {
        Self(None)
    }

    /// Opens the sink and starts its writer, which ends with the log.
    pub fn start(sink: &Sink, metrics: &Metrics) -> io::Result<Self> {
        let Some(sink) = LineSink::open(sink)? else {
            return Ok(Self::off());
        };
        let (outgoing, incoming) = mpsc::channel(ENTRIES_WAITING_MAX);
        let reopen = Arc::new(AtomicBool::new(false));
        let writer = Writer {
            sink,
            reopen: Arc::clone(&reopen),
            dropped: metrics.access_lines_dropped(),
            failing: false,
        };
        std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || writer.run(incoming))?;
        Ok(Self(Some(Queue {
            outgoing,
            reopen,
            dropped: metrics.access_lines_dropped(),
            full: AtomicBool::new(false),
        })))
    }

    /// A request was answered. `entry` is called only where somebody wants to know.
    pub fn record(&self, entry: impl FnOnce() -> AccessEntry) {
        if let Some(queue) = &self.0 {
            queue.push(Message::Entry(Box::new(entry())));
        }
    }

    /// A session was touched by what is no request of its own.
    pub fn touched(&self, touch: Touch<'_>) {
        if let Some(queue) = &self.0 {
            let mut line = Vec::new();
            append_line(&mut line, &touch.line());
            queue.push(Message::Touch(line));
        }
    }

    /// Opens the file anew before the next line: a rotation has moved it away.
    pub fn reopen(&self) {
        if let Some(queue) = &self.0 {
            queue.reopen.store(true, Ordering::Release);
        }
    }

    /// Waits until what was recorded before is written; not longer than two seconds.
    pub async fn flush(&self) {
        let Some(queue) = &self.0 else { return };
        let (done, written) = oneshot::channel();
        let flushed = async {
            if queue.outgoing.send(Message::Flush(done)).await.is_ok() {
                // An error means that the writer is gone: then there is nothing to wait for.
                written.await.unwrap_or_default();
            }
        };
        if tokio::time::timeout(FLUSH_WAIT, flushed).await.is_err() {
            tracing::warn!("the access log could not be written to its end");
        }
    }
}

impl Queue {
    fn push(&self, message: Message) {
        if self.outgoing.try_send(message).is_err() {
            self.dropped.inc();
            if !self.full.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    waiting = ENTRIES_WAITING_MAX,
                    "requests come faster than the access log is written; some are missing from it"
                );
            }
        } else if self.full.load(Ordering::Relaxed) {
            self.full.store(false, Ordering::Relaxed);
        }
    }
}

struct Writer {
    sink: LineSink,
    reopen: Arc<AtomicBool>,
    dropped: IntCounter,
    failing: bool,
}

impl Writer {
    fn run(mut self, mut incoming: mpsc::Receiver<Message>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        let mut lines = Vec::new();
        let mut flushed = Vec::new();
        while incoming.blocking_recv_many(&mut batch, BATCH_MAX) > 0 {
            for message in batch.drain(..) {
                match message {
                    Message::Entry(entry) => append_line(&mut lines, &entry.line()),
                    Message::Touch(line) => lines.extend_from_slice(&line),
                    Message::Flush(done) => flushed.push(done),
                }
            }
            self.write(&mut lines);
            for done in flushed.drain(..) {
                // Nobody may be waiting any more.
                done.send(()).unwrap_or_default();
            }
        }
    }

    fn write(&mut self, lines: &mut Vec<u8>) {
        if self.reopen.swap(false, Ordering::Acquire)
            && let Err(error) = self.sink.reopen()
        {
            tracing::error!(%error, "the access log cannot be reopened; the old file stays in use");
        }
        let mut written = 0;
        match self.sink.append(lines, &mut written) {
            Ok(()) => self.failing = false,
            Err(error) => {
                let lost = lines[written..].iter().filter(|byte| **byte == b'\n');
                self.dropped.inc_by(lost.count() as u64);
                if !self.failing {
                    tracing::error!(%error, "the access log cannot be written; lines are lost");
                }
                self.failing = true;
            }
        }
        lines.clear();
    }
}
