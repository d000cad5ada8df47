//! What the tests stand on: servers that are theirs alone, and waiting without sleeping blindly.

pub(crate) mod lossy;
pub(crate) mod redis;

use std::time::Duration;

use curfew::clock::monotonic;

/// How often a condition is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Waits until a condition holds. Tells how long it took; nothing where the limit was reached.
pub(crate) async fn eventually(
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
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
