//! Moving a session's idle clock outside the look-up of a request.

use crate::domain::identity::Sid;
use crate::domain::time::Timestamp;
use crate::store::StoreError;
use crate::store::op::Touched;
use crate::telemetry::metrics::StoreOp;

use super::Proxy;

/// Rotations that a touch follows: more at once are none of a person's doing.
pub(super) const ROTATIONS_MAX: usize = 3;

impl Proxy {
    /// Moves the clock of a session to this instant, over rotations of its id. Whether it was
    /// alive to be moved.
    ///
    /// # Errors
    /// When the store does not answer.
    pub(super) async fn touch(&self, mut sid: Sid, at: Timestamp) -> Result<bool, StoreError> {
        for _ in 0..=ROTATIONS_MAX {
            let touch = self.store.touch(sid, at);
            match self.timed(StoreOp::Touch, touch).await? {
                Touched::Alive => return Ok(true),
                Touched::Superseded(successor) => sid = successor,
                Touched::Ended(_) | Touched::Unknown => return Ok(false),
            }
        }
        Ok(false)
    }
}
