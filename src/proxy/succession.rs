//! How an id comes to life: alone, by a rotation, or by a login.
//!
//! A login or a rotation spans two ids, which no single write covers. The successor is created
//! pending, the old id is claimed, then the successor is activated, or buried. Of all that try to
//! claim an id one succeeds; an end that comes in between finds the successor and is kept.

use std::sync::Arc;

use crate::domain::identity::Sid;
use crate::domain::session::{EndReason, Session};
use crate::domain::time::Timestamp;
use crate::store::StoreError;
use crate::store::event::SessionEvent;
use crate::store::op::{
    Activated, Activation, Claim, Claimed, ClaimedBy, Created, End, NewSession,
};
use crate::telemetry::metrics::StoreOp;

use super::Proxy;

/// What became of a new id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Succession {
    /// It is alive. Where it took over from another, that one's end, if it had one.
    Alive {
        /// Whether an authenticated predecessor ended by it.
        reauthenticated: bool,
    },
    /// It must not reach the client: its predecessor was dead, or it was ended while pending.
    Dropped,
    /// The id is known already. A dead one stays dead.
    Taken,
    /// The store is at its bound.
    Full,
}

/// A new id and what shall become of it.
pub(crate) struct Successor {
    pub(crate) sid: Sid,
    pub(crate) session: Arc<Session>,
    /// The request that brought it about.
    pub(crate) at: Timestamp,
    /// The last activity that it begins with: never later than its predecessor's, where it
    /// inherits the clocks of one.
    pub(crate) last_active: Timestamp,
    /// When the sweeper shall look at it; none for an anonymous one.
    pub(crate) due: Option<Timestamp>,
    pub(crate) forget_at: Timestamp,
}

/// Records an id that takes over from nobody and whose login nobody saw.
pub(crate) async fn found(proxy: &Proxy, new: Successor) -> Result<Succession, StoreError> {
    let created = proxy
        .timed(
            StoreOp::Create,
            proxy.store.create(new.sid, new.to_record(false)),
        )
        .await?;
    Ok(match created {
        Created::Recorded => Succession::Alive {
            reauthenticated: false,
        },
        Created::Taken => Succession::Taken,
        Created::Full => Succession::Full,
    })
}

/// Hands a lineage over to the id that the app replaced the old one with; both clocks go on.
pub(crate) async fn rotate(
    proxy: &Proxy,
    old: Sid,
    new: Successor,
) -> Result<Succession, StoreError> {
    if let Some(refused) = create_pending(proxy, &new).await? {
        return Ok(refused);
    }
    let claim = Claim {
        successor: new.sid,
        at: new.at,
        by: ClaimedBy::Succession,
    };
    match proxy
        .timed(StoreOp::Claim, proxy.store.claim(old, claim))
        .await?
    {
        Claimed::Yes { last_active } => activate(proxy, &new, last_active, None, false).await,
        Claimed::Ended(reason) => bury(proxy, &new, reason).await,
        // Somebody else's rotation won, or the old id is gone: nothing to inherit from.
        Claimed::Superseded(_) | Claimed::Unknown => bury(proxy, &new, EndReason::Revoked).await,
    }
}

/// Starts a new lineage at a login. An authenticated predecessor ends `reauthenticated`, with
/// its event; an anonymous one is superseded in silence.
pub(crate) async fn log_in(
    proxy: &Proxy,
    old: Option<(Sid, Option<SessionEvent>)>,
    new: Successor,
    event: SessionEvent,
) -> Result<Succession, StoreError> {
    if let Some(refused) = create_pending(proxy, &new).await? {
        return Ok(refused);
    }
    let mut reauthenticated = false;
    if let Some((old, end)) = old {
        let by_login = end.is_some();
        let by = end.map_or(ClaimedBy::Succession, |end| ClaimedBy::Login(Box::new(end)));
        let claim = Claim {
            successor: new.sid,
            at: new.at,
            by,
        };
        let claimed = proxy
            .timed(StoreOp::Claim, proxy.store.claim(old, claim))
            .await?;
        // Whatever the predecessor had come to, its user has proven himself anew: a reason that
        // stands there ended the old lineage, not this one. Cuts cover the login by its instant.
        reauthenticated = by_login && matches!(claimed, Claimed::Yes { .. });
    }
    activate(proxy, &new, new.at, Some(Box::new(event)), reauthenticated).await
}

impl Successor {
    fn to_record(&self, pending: bool) -> NewSession {
        NewSession {
            session: Arc::clone(&self.session),
            last_active: self.last_active,
            pending,
            forget_at: self.forget_at,
        }
    }
}

async fn create_pending(proxy: &Proxy, new: &Successor) -> Result<Option<Succession>, StoreError> {
    Ok(
        match proxy
            .timed(
                StoreOp::Create,
                proxy.store.create(new.sid, new.to_record(true)),
            )
            .await?
        {
            Created::Recorded => None,
            Created::Taken => Some(Succession::Taken),
            Created::Full => Some(Succession::Full),
        },
    )
}

async fn activate(
    proxy: &Proxy,
    new: &Successor,
    last_active: Timestamp,
    event: Option<Box<SessionEvent>>,
    reauthenticated: bool,
) -> Result<Succession, StoreError> {
    let activation = Activation {
        last_active,
        due: new.due,
        event,
    };
    Ok(
        match proxy
            .timed(StoreOp::Activate, proxy.store.activate(new.sid, activation))
            .await?
        {
            Activated::Yes => Succession::Alive { reauthenticated },
            Activated::No => Succession::Dropped,
        },
    )
}

async fn bury(proxy: &Proxy, new: &Successor, reason: EndReason) -> Result<Succession, StoreError> {
    let end = End {
        reason,
        at: new.at,
        if_last_active: None,
        event: None,
        forget_at: new.forget_at,
    };
    proxy
        .timed(StoreOp::End, proxy.store.end(new.sid, end))
        .await?;
    Ok(Succession::Dropped)
}
