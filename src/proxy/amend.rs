//! What follows from a decision in the record of its session: one conditional write.

use std::sync::Arc;

use crate::domain::decide::{Live, Stale};
use crate::store::StoreError;
use crate::store::op::{Amended, Amendment};
use crate::telemetry::metrics::StoreOp;

use super::Proxy;
use super::exchange::Exchange;

/// What became of the write.
pub(super) enum Outcome {
    /// It is on record.
    Written,
    /// Something else stays of the session by now.
    Overtaken,
    /// The id is not alive any more.
    Gone(Stale),
}

impl Proxy {
    /// Changes what stays of the session of a request that goes on.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(super) async fn amend(
        &self,
        exchange: &mut Exchange,
        live: &mut Live,
        amendment: Amendment,
    ) -> Result<Outcome, StoreError> {
        let after = Arc::clone(&amendment.after);
        let call = self.store.amend(live.sid, amendment);
        Ok(match self.asked(exchange, StoreOp::Amend, call).await? {
            Amended::Yes => {
                live.session = after;
                Outcome::Written
            }
            Amended::Overtaken => Outcome::Overtaken,
            Amended::Ended(reason) => Outcome::Gone(Stale::Ended(reason)),
            Amended::Superseded(_) => Outcome::Gone(Stale::Superseded),
            Amended::Unknown => Outcome::Gone(Stale::Unknown),
        })
    }
}
