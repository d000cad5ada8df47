//! What the end-to-end tests are written with: an app that a test scripts and that remembers what
//! reached it, browsers with cookie jars, and a gateway between them whose clock is moved by hand.

pub(crate) mod answer;
pub(crate) mod app;
pub(crate) mod binary;
pub(crate) mod browser;
pub(crate) mod command;
pub(crate) mod demo;
pub(crate) mod gateway;
pub(crate) mod jar;
pub(crate) mod lossy;
pub(crate) mod raw;
pub(crate) mod redis;
pub(crate) mod tls;
pub(crate) mod websocket;

use std::time::Duration;

use curfew::clock::monotonic;

/// How long something that happens in the background may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Waits until `probe` finds something. For what the gateway does in the background; everything
/// that is over when an answer arrives is asserted at once.
pub(crate) async fn eventually<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = probe().await {
                return found;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking)
        .await
        .unwrap_or_else(|_| panic!("it never came to this: {what}"))
}

/// Waits for something that must come by itself.
pub(crate) async fn soon<T>(what: &str, waited: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, waited)
        .await
        .unwrap_or_else(|_| panic!("it never came to this: {what}"))
}

/// Seconds, minutes and hours, as a policy writes them.
pub(crate) fn span(text: &str) -> Duration {
    humantime::parse_duration(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
}

/// Waits until a condition holds. Tells how long it took; nothing where the limit was reached.
pub(crate) async fn within(
    limit: Duration,
    mut holds: impl AsyncFnMut() -> bool,
) -> Option<Duration> {
    let began = monotonic();
    loop {
        if holds().await {
            return Some(monotonic() - began);
        }
        if monotonic() - began > limit {
            return None;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
