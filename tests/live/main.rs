//! The few tests that wait for real time: what a clock that is moved by hand cannot show, because
//! what matters is when the gateway looks at it. They run side by side, and first of all.

#[path = "../it"]
mod it {
    #[expect(dead_code, reason = "the integration tests use the rest of it")]
    pub(crate) mod harness;
}

mod demo;
mod idle;
mod open;
mod pair;
mod streams;
mod work;

use std::time::Duration;

use curfew::clock::monotonic;

/// How much earlier than its limit a session may end: clocks are not read all at once.
const EARLY: Duration = Duration::from_millis(200);

/// How much later a client may learn of it.
const LATE: Duration = Duration::from_secs(1);

/// What a busy machine may add until the test knows it too.
const NOISE: Duration = Duration::from_millis(500);

/// When something happened: not before `after`, and not later than `before`.
#[derive(Debug, Clone, Copy)]
struct When {
    after: Duration,
    before: Duration,
}

/// Does something, and tells when.
async fn timed<T>(done: impl Future<Output = T>) -> (T, When) {
    let after = monotonic();
    let result = done.await;
    let before = monotonic();
    (result, When { after, before })
}

/// Whether somebody learned at `told` of an end that fell due so long after `since`.
#[track_caller]
fn in_time(what: &str, since: When, limit: Duration, told: Duration) {
    let (earliest, latest) = (since.after + limit - EARLY, since.before + limit + LATE);
    assert!(
        told >= earliest,
        "{what} ended {:?} too early",
        earliest - told
    );
    assert!(
        told <= latest + NOISE,
        "{what} ended {:?} too late",
        told - latest
    );
}
