//! The touch of a request that only its answer tells to be a person's.

use crate::domain::access::Activity;
use crate::domain::decide::Decision;

use super::Proxy;
use super::exchange::Exchange;
use super::snapshot::AppRuntime;

impl Proxy {
    /// The answer's head tells whether its request was a person's: then the idle clock is moved to
    /// the instant at which it came. A session that ended meanwhile stays ended. Where the store
    /// does not answer, the work is done and is not taken back: the activity is lost.
    pub(super) async fn settle_activity(
        &self,
        exchange: &mut Exchange,
        app: &AppRuntime,
        decision: &Decision,
        is_passive: bool,
    ) {
        if is_passive {
            if let Some(entry) = &mut exchange.entry {
                entry.activity = Some(Activity::Passive);
            }
            return;
        }
        let Some(live) = &decision.live else { return };
        match self.touch(live.sid, exchange.now).await {
            Ok(true) => app.was_active(live, exchange.now),
            Ok(false) => {}
            Err(error) => tracing::debug!(%error, "an activity that its answer told is lost"),
        }
    }
}
