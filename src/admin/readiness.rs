//! Whether a load balancer may send clients here.

use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

/// Latches that the parts of the gateway set. At first it is starting, and the store answers.
#[derive(Debug, Default)]
pub struct Readiness {
    started: AtomicBool,
    draining: AtomicBool,
    store_lost: AtomicBool,
}

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// Whether clients may be sent here.
    pub ready: bool,
    /// Where the gateway is in its life.
    pub stage: Stage,
    /// Whether sessions can be checked.
    pub store: StoreStanding,
}

/// Where the gateway is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Its start is not complete.
    Starting,
    /// It takes connections.
    Serving,
    /// It finishes what is under way, and stops. For good.
    Draining,
}

/// Whether sessions can be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreStanding {
    /// The store answers, or the policy knows what to do without it.
    Usable,
    /// It does not, and requests are denied for it.
    Lost,
}

impl Readiness {
    /// The start is complete.
    pub fn started(&self) {
        self.started.store(true, Ordering::Release);
    }

    /// The gateway stops; there is no way back.
    pub fn draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// The store does not answer, and requests are denied for it.
    pub fn store_lost(&self) {
        self.store_lost.store(true, Ordering::Release);
    }

    /// The store answers again.
    pub fn store_usable(&self) {
        self.store_lost.store(false, Ordering::Release);
    }

    /// How it stands now.
    pub fn standing(&self) -> Standing {
        let stage = if self.draining.load(Ordering::Acquire) {
            Stage::Draining
        } else if self.started.load(Ordering::Acquire) {
            Stage::Serving
        } else {
            Stage::Starting
        };
        let store = if self.store_lost.load(Ordering::Acquire) {
            StoreStanding::Lost
        } else {
            StoreStanding::Usable
        };
        Standing {
            ready: stage == Stage::Serving && store == StoreStanding::Usable,
            stage,
            store,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Readiness;

    #[test]
    fn it_is_ready_once_started_while_the_store_answers_until_it_drains() {
        let readiness = Readiness::default();
        let ready = || readiness.standing().ready;
        assert!(!ready());
        readiness.started();
        assert!(ready());
        readiness.store_lost();
        assert!(!ready());
        readiness.store_usable();
        assert!(ready());
        readiness.draining();
        readiness.started();
        assert!(!ready());
    }
}
