//! The one connection to Redis, and the knowledge of whether it serves.
//!
//! All commands share one multiplexed connection. No operation waits longer than its deadline,
//! and while Redis is known to be down none waits at all: it fails with the reason of the outage.
//!
//! ```text
//!            first use, or broken: the next operation connects, within its own deadline
//!   Unconnected ──────────────────────────────────────────────────────────────────► Up
//!        │ that fails                                          several late answers, │
//!        ▼                                                     read-only, full, …    │
//!      Down ◄────────────────────────────────────────────────────────────────────────┘
//!        └─ `beat`, every `PROBE_EVERY`: a new connection on which a write succeeds ──► Up
//! ```
//!
//! `redis::aio::ConnectionManager` is not used: it makes commands wait for reconnections, keeps a
//! connection whose peer fell silent, and keeps one to a primary that became a replica.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Pipeline, RedisResult, Value};
use tokio::sync::{Mutex, Notify};
use tokio::time::{sleep, timeout};

use crate::clock::Clock;
use crate::domain::time::Timestamp;
use crate::store::{Health, StoreError};

use super::fault;

/// How often the heartbeat writes.
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// How long after a failed attempt the next one is made.
const PROBE_EVERY: Duration = Duration::from_millis(250);

/// How long a heartbeat may take, connecting included, where the deadline is not longer.
const BEAT_LIMIT: Duration = Duration::from_millis(500);

/// Late answers in a row that make a connection be given up.
const LATES_MAX: u32 = 3;

/// Commands that wait for the socket at most; more wait in their senders, within their deadlines.
const QUEUED_MAX: usize = 4096;

/// Whether a command is sent for the first time. A connection that broke leaves it open whether
/// the command was carried out, so whoever is asked again must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    First,
    Again,
}

impl Attempt {
    /// As scripts are told.
    pub(super) fn flag(self) -> &'static [u8] {
        match self {
            Self::First => b"",
            Self::Again => b"1",
        }
    }
}

enum State {
    Unconnected,
    Up(Arc<Line>),
    Down(StoreError),
}

/// One connection.
struct Line(MultiplexedConnection);

impl Line {
    async fn send(&self, commands: &Pipeline) -> RedisResult<Vec<Value>> {
        let mut connection = self.0.clone();
        connection
            .send_packed_commands(commands, 0, commands.len())
            .await
    }
}

/// The connection.
pub(super) struct Link {
    client: Client,
    settings: AsyncConnectionConfig,
    deadline: Duration,
    clock: Clock,
    state: ArcSwap<State>,
    /// Held while somebody connects.
    connecting: Mutex<()>,
    /// Late answers in a row.
    lates: AtomicU32,
    /// Milliseconds; `UP` while it serves.
    down_since: AtomicU64,
    /// Rung when it fell, so that the next beat comes at once.
    fallen: Notify,
}

const UP: u64 = u64::MAX;

impl Link {
    /// A link that connects when it is first used.
    pub(super) fn new(client: Client, deadline: Duration, clock: Clock) -> Self {
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(QUEUED_MAX);
        Self {
            client,
            settings,
            deadline,
            state: ArcSwap::from_pointee(State::Unconnected),
            connecting: Mutex::new(()),
            lates: AtomicU32::new(0),
            down_since: AtomicU64::new(clock.now().as_millis()),
            clock,
            fallen: Notify::new(),
        }
    }

    pub(super) fn health(&self) -> Health {
        match self.down_since.load(Ordering::Relaxed) {
            UP => Health::Up,
            since => Health::Down {
                since: Timestamp::from_millis(since),
            },
        }
    }

    /// Sends commands in one go and returns their answers, one for each; an answer may be an
    /// error of that command alone.
    pub(super) async fn call(
        &self,
        commands: impl Fn(Attempt) -> Pipeline,
    ) -> Result<Vec<Value>, StoreError> {
        let asked = self.in_time(self.ask(&commands)).await;
        asked.map(|(_, values)| values)
    }

    /// Holds an operation to the deadline.
    pub(super) async fn in_time<T>(
        &self,
        operation: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match timeout(self.deadline, operation).await {
            Ok(done) => done,
            Err(_) => Err(self.late(self.deadline)),
        }
    }

    /// Sends commands, once more on a new connection where the first one broke.
    pub(super) async fn ask(
        &self,
        commands: &impl Fn(Attempt) -> Pipeline,
    ) -> Result<(Attempt, Vec<Value>), StoreError> {
        let line = self.line().await?;
        match line.send(&commands(Attempt::First)).await {
            Ok(values) => return Ok((Attempt::First, self.heard(&line, values))),
            Err(error) if fault::is_broken(&error) => {
                self.replace(&line, State::Unconnected);
            }
            Err(error) => return Err(fault::of_connection(&error)),
        }
        let values = self.ask_once(&commands(Attempt::Again)).await?;
        Ok((Attempt::Again, values))
    }

    /// Sends commands. Where the connection breaks, Redis counts as down.
    pub(super) async fn ask_once(&self, commands: &Pipeline) -> Result<Vec<Value>, StoreError> {
        let line = self.line().await?;
        match line.send(commands).await {
            Ok(values) => Ok(self.heard(&line, values)),
            Err(error) => {
                let fault = fault::of_connection(&error);
                if fault::is_broken(&error) {
                    self.fall(&line, fault.clone());
                }
                Err(fault)
            }
        }
    }

    /// Waits until a beat is due: soon, where Redis is down; at once, where it has just fallen.
    pub(super) async fn next_beat(&self) {
        let wait = match **self.state.load() {
            State::Down(_) => PROBE_EVERY,
            State::Up(_) | State::Unconnected => BEAT_EVERY,
        };
        tokio::select! {
            () = sleep(wait) => {}
            () = self.fallen.notified() => {}
        }
    }

    /// Sends commands, the first of them a write, that decide whether Redis serves. Where there is
    /// no connection, on a new one, which is used from then on if the write succeeds.
    pub(super) async fn beat(&self, commands: &Pipeline) -> Result<Vec<Value>, StoreError> {
        let limit = self.deadline.max(BEAT_LIMIT);
        if let Some(Ok(line)) = self.known() {
            let fault = match timeout(limit, line.send(commands)).await {
                Ok(Ok(values)) => match written(values) {
                    Ok(values) => return Ok(values),
                    Err(fault) => fault,
                },
                Ok(Err(error)) => fault::of_connection(&error),
                Err(_) => StoreError::Late(limit),
            };
            // A connection that breaks is no outage, as long as another can be made.
            if !matches!(fault, StoreError::Unreachable(_)) {
                self.fall(&line, fault.clone());
                return Err(fault);
            }
            self.replace(&line, State::Unconnected);
        }
        let probed = match timeout(limit, self.probe(commands)).await {
            Ok(probed) => probed,
            Err(_) => Err(StoreError::Late(limit)),
        };
        probed.inspect_err(|fault| self.stay_down(fault.clone()))
    }

    async fn probe(&self, commands: &Pipeline) -> Result<Vec<Value>, StoreError> {
        let _connecting = self.connecting.lock().await;
        let line = self.connect().await?;
        let values = match line.send(commands).await {
            Ok(values) => written(values)?,
            Err(error) => return Err(fault::of_connection(&error)),
        };
        self.rise(line);
        Ok(values)
    }

    async fn line(&self) -> Result<Arc<Line>, StoreError> {
        if let Some(known) = self.known() {
            return known;
        }
        let _connecting = self.connecting.lock().await;
        // Somebody else may have connected, or failed to, meanwhile.
        if let Some(known) = self.known() {
            return known;
        }
        match self.connect().await {
            Ok(line) => Ok(self.rise(line)),
            Err(error) => {
                self.stay_down(error.clone());
                Err(error)
            }
        }
    }

    fn known(&self) -> Option<Result<Arc<Line>, StoreError>> {
        match &**self.state.load() {
            State::Up(line) => Some(Ok(Arc::clone(line))),
            State::Down(error) => Some(Err(error.clone())),
            State::Unconnected => None,
        }
    }

    /// Once more where a connection broke while it was made: that alone is no outage.
    async fn connect(&self) -> Result<Line, StoreError> {
        match self.connect_once().await {
            Err(StoreError::Unreachable(_)) => self.connect_once().await,
            connected => connected,
        }
    }

    async fn connect_once(&self) -> Result<Line, StoreError> {
        self.client
            .get_multiplexed_async_connection_with_config(&self.settings)
            .await
            .map(Line)
            .map_err(|error| fault::of_connection(&error))
    }

    fn rise(&self, line: Line) -> Arc<Line> {
        let line = Arc::new(line);
        self.state.store(Arc::new(State::Up(Arc::clone(&line))));
        self.lates.store(0, Ordering::Relaxed);
        if self.down_since.swap(UP, Ordering::Relaxed) != UP {
            tracing::info!("the store serves");
        }
        line
    }

    /// Looks through answers for one that tells of an outage.
    fn heard(&self, line: &Arc<Line>, values: Vec<Value>) -> Vec<Value> {
        // Mostly zero: a plain load does not take the line from other cores.
        if self.lates.load(Ordering::Relaxed) != 0 {
            self.lates.store(0, Ordering::Relaxed);
        }
        for value in &values {
            if let Value::ServerError(error) = value
                && fault::is_outage(error)
            {
                self.fall(line, fault::of_answer(error));
            }
        }
        values
    }

    fn late(&self, limit: Duration) -> StoreError {
        let late = StoreError::Late(limit);
        let lates = self.lates.fetch_add(1, Ordering::Relaxed) + 1;
        let line = match &**self.state.load() {
            State::Up(line) => Some(Arc::clone(line)),
            State::Down(_) => return late,
            State::Unconnected => None,
        };
        match line {
            Some(line) if lates >= LATES_MAX => self.fall(&line, late.clone()),
            Some(_) => {}
            None => self.stay_down(late.clone()),
        }
        late
    }

    /// Gives up a connection for an outage, unless it has been given up already.
    fn fall(&self, line: &Arc<Line>, error: StoreError) {
        if self.replace(line, State::Down(error.clone())) {
            self.note_down(&error);
            self.fallen.notify_one();
        }
    }

    fn replace(&self, line: &Arc<Line>, state: State) -> bool {
        let seen = self.state.load();
        if !matches!(&**seen, State::Up(current) if Arc::ptr_eq(current, line)) {
            return false;
        }
        let before = self.state.compare_and_swap(&seen, Arc::new(state));
        Arc::ptr_eq(&before, &seen)
    }

    /// Nobody could connect. Where somebody else could meanwhile, that stands.
    fn stay_down(&self, error: StoreError) {
        let seen = self.state.load();
        if matches!(**seen, State::Up(_)) {
            return;
        }
        self.note_down(&error);
        self.state
            .compare_and_swap(&seen, Arc::new(State::Down(error)));
    }

    /// An outage that goes on keeps its beginning, and is told once.
    fn note_down(&self, error: &StoreError) {
        let now = self.clock.now().as_millis();
        let begins =
            self.down_since
                .compare_exchange(UP, now, Ordering::Relaxed, Ordering::Relaxed);
        if begins.is_ok() {
            tracing::warn!(%error, "the store does not serve");
        }
    }
}

/// The answers to a beat, where its write succeeded.
fn written(values: Vec<Value>) -> Result<Vec<Value>, StoreError> {
    match values.first() {
        Some(Value::ServerError(error)) => Err(fault::of_answer(error)),
        Some(_) => Ok(values),
        None => Err(StoreError::Garbled("no answer to a command".to_owned())),
    }
}
