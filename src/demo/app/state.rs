//! What the application remembers while it runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::market::{self, Market, Prices};
use super::requisitions::Book;
use super::sessions::Sessions;

/// Price tickers open at once.
const TICKERS_MAX: usize = 256;

/// The running application.
pub(super) struct App {
    sessions: Mutex<Sessions>,
    book: Mutex<Book>,
    prices: watch::Receiver<Prices>,
    tickers: Arc<Semaphore>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl App {
    /// A fresh application whose prices move until `stop`.
    pub(super) fn start(stop: CancellationToken) -> Arc<Self> {
        let (publish, prices) = watch::channel(Market::opening().to_json());
        let tasks = TaskTracker::new();
        tasks.spawn(market::run(publish, stop.clone()));
        Arc::new(Self {
            sessions: Mutex::default(),
            book: Mutex::new(Book::with_samples()),
            prices,
            tickers: Arc::new(Semaphore::new(TICKERS_MAX)),
            tasks,
            stop,
        })
    }

    pub(super) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The prices from now on.
    pub(super) fn prices(&self) -> watch::Receiver<Prices> {
        self.prices.clone()
    }

    /// The places for price tickers.
    pub(super) fn tickers(&self) -> &Arc<Semaphore> {
        &self.tickers
    }

    /// Everything that runs beside the accept loop.
    pub(super) fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// Cancelled when the application is to end.
    pub(super) fn stop(&self) -> &CancellationToken {
        &self.stop
    }
}
