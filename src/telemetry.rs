//! What the gateway tells of itself: numbers, an access log, events for the audit, and the
//! operator's log. Passed down, typed, never global; its methods are named for what happened.
//!
//! Records (audit, access log) may go to standard output, one JSON object a line; the operator's
//! log therefore goes to standard error, so that neither needs to be picked out of the other.

pub mod access_log;
pub mod build_info;
pub mod events;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(crate) mod lines;
pub mod log;
pub mod metrics;

use std::sync::Arc;

use access_log::AccessLog;
use events::EventFeed;
use metrics::Metrics;

/// All that a request reports to.
pub struct Telemetry {
    /// Numbers.
    pub metrics: Arc<Metrics>,
    /// One line per request.
    pub access: AccessLog,
    /// Refusals, for the audit.
    pub events: EventFeed,
}
