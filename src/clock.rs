//! The one module that reads a clock.
//!
//! Instants that are compared between gateways are `Timestamp`s of the deployment clock: this
//! machine's monotonic clock (which counts suspension, so that a laptop's sleep is idle time) seen
//! through an offset that the store sets. A step of the wall clock moves nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, clock_gettime};

use crate::domain::time::Timestamp;

/// A clock; clones share its hand.
#[derive(Debug, Clone)]
pub struct Clock(Hand);

#[derive(Debug, Clone)]
enum Hand {
    System { offset_ms: Arc<AtomicI64> },
    Manual { now_ms: Arc<AtomicU64> },
}

impl Clock {
    /// The machine's clock, set to its wall clock as it reads at this moment.
    pub fn system() -> Self {
        let offset = wall_millis() as i64 - monotonic().as_millis() as i64;
        Self(Hand::System {
            offset_ms: Arc::new(AtomicI64::new(offset)),
        })
    }

    /// A clock that stands still until it is advanced.
    pub fn manual(start: Timestamp) -> Self {
        Self(Hand::Manual {
            now_ms: Arc::new(AtomicU64::new(start.as_millis())),
        })
    }

    /// The present instant on the deployment clock.
    pub fn now(&self) -> Timestamp {
        self.at(monotonic())
    }

    /// What the deployment clock read when the monotonic clock read `at`; a manual one stands still.
    pub fn at(&self, at: Duration) -> Timestamp {
        match &self.0 {
            Hand::System { offset_ms } => {
                let millis = at.as_millis() as i64 + offset_ms.load(Ordering::Relaxed);
                Timestamp::from_millis(millis.max(0) as u64)
            }
            Hand::Manual { now_ms } => Timestamp::from_millis(now_ms.load(Ordering::Relaxed)),
        }
    }

    /// Sets the deployment clock: it read `then` when the monotonic clock read `at`.
    /// A manual clock stays as it is.
    pub fn set(&self, then: Timestamp, at: Duration) {
        if let Hand::System { offset_ms } = &self.0 {
            let offset = then.as_millis() as i64 - at.as_millis() as i64;
            offset_ms.store(offset, Ordering::Relaxed);
        }
    }

    /// Moves a manual clock forward; the machine's own cannot be moved.
    pub fn advance(&self, by: Duration) {
        if let Hand::Manual { now_ms } = &self.0 {
            now_ms.fetch_add(by.as_millis() as u64, Ordering::Relaxed);
        }
    }

    /// Whether it is moved by hand.
    pub fn is_manual(&self) -> bool {
        matches!(self.0, Hand::Manual { .. })
    }
}

/// This machine's monotonic clock, counting suspension. For measuring spans, never for deadlines
/// that are shared.
pub fn monotonic() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        time.tv_nsec.unsigned_abs() as u32,
    )
}

/// The instant of the runtime's timers, for deadlines within this process.
pub fn instant() -> tokio::time::Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the module that reads a clock"
    )]
    tokio::time::Instant::now()
}

/// The wall clock, for what must be told in it: an `Expires` that an app set.
pub fn wall() -> SystemTime {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the module that reads a clock"
    )]
    SystemTime::now()
}

fn wall_millis() -> u64 {
    wall()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}
