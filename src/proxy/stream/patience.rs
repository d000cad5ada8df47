//! A wait with a limit, which costs a timer only once something does wait.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// How much longer something is waited for.
#[derive(Debug)]
pub(crate) struct Patience {
    limit: Duration,
    running: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// Lasts as long as this from the first wait on.
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            limit,
            running: None,
        }
    }

    /// How long it lasts.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// Waits; ready once nothing is left of it.
    pub(crate) fn poll_spent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        let running = self.running.get_or_insert_with(|| Box::pin(sleep(limit)));
        running.as_mut().poll(cx)
    }

    /// What was waited for has come: the next wait has all of it again.
    pub(crate) fn renew(&mut self) {
        self.running = None;
    }
}
