//! Several logs as one, in the order of time: rotations of one log, and those of several gateways.
//!
//! A line is written with the last byte of its answer, and so behind lines of requests that came
//! later. What comes within a window is put in order; what comes later still is counted.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::io::{self, BufRead, Read};
use std::time::Duration;

use crate::domain::time::Timestamp;

use super::line::Line;

/// Bytes of a line, at most: a longer one is none of ours.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// How long a request may take and still be replayed where it came. Longer ones tell of themselves
/// by touches while they run, at the latest every ten seconds.
const WINDOW: Duration = Duration::from_secs(30);

/// Lines that wait to be put in order, at most. Beyond, the window is narrower.
const LINES_WAITING_MAX: usize = 65_536;

/// Broken lines that are shown.
const SHOWN_MAX: usize = 3;

/// How a compressed file begins (RFC 1952, 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// One log and what it is called.
pub struct Log<'a> {
    /// Its name.
    pub name: String,
    /// Where its lines come from.
    pub reader: Box<dyn BufRead + 'a>,
}

/// What could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Broken {
    /// How many lines.
    pub lines: u64,
    /// The first of them: where, and what is wrong.
    pub first: Vec<String>,
}

/// Logs that are read side by side.
pub struct Logs<'a> {
    sources: Vec<Source<'a>>,
    waiting: BinaryHeap<Waiting>,
    newest: Timestamp,
    given: Timestamp,
    numbered: u64,
    bytes: u64,
    late: u64,
    broken: Broken,
}

struct Source<'a> {
    log: Log<'a>,
    line: u64,
    next: Option<Line>,
}

/// A line; the earliest is the greatest, and of equals the one that was read first.
struct Waiting {
    line: Line,
    number: u64,
}

impl Waiting {
    fn key(&self) -> (Timestamp, u64) {
        (self.line.at(), self.number)
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

impl<'a> Logs<'a> {
    /// Begins to read.
    ///
    /// # Errors
    /// When one cannot be read, or is compressed.
    pub fn open(logs: Vec<Log<'a>>) -> io::Result<Self> {
        let mut all = Self {
            sources: Vec::new(),
            waiting: BinaryHeap::new(),
            newest: Timestamp::from_millis(0),
            given: Timestamp::from_millis(0),
            numbered: 0,
            bytes: 0,
            late: 0,
            broken: Broken::default(),
        };
        for mut log in logs {
            if log.reader.fill_buf()?.starts_with(&GZIP) {
                let message = format!(
                    "{} is compressed: zcat it, and read it with --log -",
                    log.name
                );
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
            let mut source = Source {
                log,
                line: 0,
                next: None,
            };
            source.next = source.read(&mut all.bytes, &mut all.broken)?;
            all.sources.push(source);
        }
        Ok(all)
    }

    /// The next line, in the order of time.
    ///
    /// # Errors
    /// When a log cannot be read.
    #[expect(clippy::should_implement_trait, reason = "it may fail")]
    pub fn next(&mut self) -> io::Result<Option<Line>> {
        while !self.is_settled() {
            let Some(line) = self.earliest()? else { break };
            self.newest = self.newest.max(line.at());
            let number = self.numbered;
            self.numbered += 1;
            self.waiting.push(Waiting { line, number });
        }
        let Some(Waiting { line, .. }) = self.waiting.pop() else {
            return Ok(None);
        };
        self.late += u64::from(line.at() < self.given);
        self.given = self.given.max(line.at());
        Ok(Some(line))
    }

    /// Bytes that were read.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Lines that came behind the window.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// What could not be read.
    pub fn broken(&self) -> &Broken {
        &self.broken
    }

    /// Whether the earliest line that waits is far enough behind the newest.
    fn is_settled(&self) -> bool {
        let settled = |waiting: &Waiting| self.newest.since(waiting.line.at()) > WINDOW;
        self.waiting.len() >= LINES_WAITING_MAX || self.waiting.peek().is_some_and(settled)
    }

    fn earliest(&mut self) -> io::Result<Option<Line>> {
        let heads = self.sources.iter().enumerate();
        let heads = heads.filter_map(|(index, source)| Some((source.next.as_ref()?.at(), index)));
        let Some((_, index)) = heads.min() else {
            return Ok(None);
        };
        let source = &mut self.sources[index];
        let next = source.read(&mut self.bytes, &mut self.broken)?;
        Ok(std::mem::replace(&mut source.next, next))
    }
}

impl Source<'_> {
    /// The next line that is one.
    fn read(&mut self, bytes: &mut u64, broken: &mut Broken) -> io::Result<Option<Line>> {
        let mut text = Vec::new();
        loop {
            text.clear();
            let most = LINE_BYTES_MAX as u64 + 1;
            let mut reader = self.log.reader.as_mut().take(most);
            let read = reader.read_until(b'\n', &mut text)?;
            if read == 0 {
                return Ok(None);
            }
            *bytes += read as u64;
            self.line += 1;
            let is_whole = text.len() <= LINE_BYTES_MAX;
            if !is_whole && text.last() != Some(&b'\n') {
                *bytes += self.log.reader.skip_until(b'\n')? as u64;
            }
            if text.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            match Line::read(&text) {
                Ok(line) if is_whole => return Ok(Some(line)),
                Ok(_) => self.tell(broken, "it is too long"),
                Err(error) => self.tell(broken, &error),
            }
        }
    }

    fn tell(&self, broken: &mut Broken, what: &str) {
        broken.lines += 1;
        if broken.first.len() < SHOWN_MAX {
            let Self { log, line, .. } = self;
            broken.first.push(format!("{}:{line}: {what}", log.name));
        }
    }
}
