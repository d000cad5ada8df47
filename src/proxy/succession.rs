//! How an id comes to life: alone, by a rotation, or by a login.
//!
//! A login or a rotation spans two ids, which no single write covers. The successor is created
//! pending, the old id is claimed, then the successor is activated, or buried. Of all that try to
//! claim an id one succeeds; an end that comes in between finds the successor and is kept.

use std::sync::Arc;

use crate::domain::decide::Live;
use crate::domain::identity::Sid;
use crate::domain::session::{EndReason, Session};
use crate::domain::time::Timestamp;
use crate::store::StoreError;
use crate::store::event::SessionEvent;
use crate::store::op::{
    Activated, Activation, Claim, Claimed, ClaimedBy, Created, End, Ended, NewSession,
};
use crate::telemetry::metrics::StoreOp;

use super::Proxy;
use super::snapshot::AppRuntime;

/// Rotations that an end follows. A session that rotates faster than it can be followed would
/// have to do so at every one of these steps.
pub(super) const SUCCESSORS_MAX: usize = 8;

/// What became of a new id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Succession {
    /// It is alive.
    Alive,
    /// It must not reach the client: its predecessor was dead, or it was ended while pending.
    Dropped,
    /// The id is known already. A dead one stays dead.
    Taken,
    /// The store is at its bound.
    Full,
    /// Its user has as many sessions as he may have: it is recorded, and dead.
    NoSeat,
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

/// The session over which a login takes place.
pub(crate) struct Predecessor<'a> {
    pub(crate) app: &'a AppRuntime,
    pub(crate) live: &'a Live,
    /// The event of its end; none for an anonymous one, which is superseded in silence.
    pub(crate) end: Option<Box<SessionEvent>>,
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
        Created::Recorded => Succession::Alive,
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
        lineage: new.session.lineage,
        successor: new.sid,
        at: new.at,
        by: ClaimedBy::Succession,
    };
    match proxy
        .timed(StoreOp::Claim, proxy.store.claim(old, claim))
        .await?
    {
        Claimed::Yes { last_active } => activate(proxy, &new, last_active, None).await,
        Claimed::Ended(reason) => bury(proxy, &new, reason).await,
        // Somebody else's rotation won, or the old id is gone: nothing to inherit from.
        Claimed::Superseded(_) | Claimed::Unknown => bury(proxy, &new, EndReason::Revoked).await,
    }
}

/// Starts a new lineage at a login. An authenticated predecessor ends `reauthenticated`, with
/// its event; an anonymous one is superseded in silence. `has_seat` is asked once the successor is
/// pending, before anything of the predecessor changes.
pub(crate) async fn log_in(
    proxy: &Proxy,
    old: Option<Predecessor<'_>>,
    new: Successor,
    event: SessionEvent,
    has_seat: impl Future<Output = Result<bool, StoreError>>,
) -> Result<Succession, StoreError> {
    if let Some(refused) = create_pending(proxy, &new).await? {
        return Ok(refused);
    }
    if !has_seat.await? {
        bury(proxy, &new, EndReason::Displaced).await?;
        return Ok(Succession::NoSeat);
    }
    if let Some(old) = old {
        take_over(proxy, old, &new).await?;
    }
    activate(proxy, &new, new.at, Some(Box::new(event))).await
}

/// Takes the predecessor of a login out of service, and tells of its end at once: what comes
/// after it may fail, and the end would stand all the same.
///
/// Whatever the predecessor had come to, its user has proven himself anew: a reason that stands
/// there ended the old lineage, not the new one. Cuts cover the login by its instant.
async fn take_over(proxy: &Proxy, old: Predecessor<'_>, new: &Successor) -> Result<(), StoreError> {
    let Predecessor { app, live, end } = old;
    let lineage = live.session.lineage;
    let claim = Claim {
        lineage,
        successor: new.sid,
        at: new.at,
        by: end.clone().map_or(ClaimedBy::Succession, ClaimedBy::Login),
    };
    let claimed = proxy
        .timed(StoreOp::Claim, proxy.store.claim(live.sid, claim))
        .await?;
    let reason = EndReason::Reauthenticated;
    match (claimed, end) {
        (Claimed::Yes { .. }, Some(_)) => proxy.ended(app, &live.session, reason, new.at),
        // A rotation came first. What it led to may be pending, which no claim reaches.
        (Claimed::Superseded(successor), event @ Some(_)) => {
            let end = End {
                lineage,
                reason,
                at: new.at,
                if_last_active: None,
                event,
                forget_at: new.forget_at,
            };
            end_from(proxy, app, &live.session, successor, end).await?;
        }
        _ => {}
    }
    Ok(())
}

/// Ends a session, following its id where rotations replaced it meanwhile.
pub(crate) async fn end_from(
    proxy: &Proxy,
    app: &AppRuntime,
    session: &Session,
    mut sid: Sid,
    end: End,
) -> Result<Ended, StoreError> {
    for _ in 0..SUCCESSORS_MAX {
        let ended = proxy.store.end(sid, end.clone());
        match proxy.timed(StoreOp::End, ended).await? {
            Ended::Superseded(successor) => sid = successor,
            Ended::Now => {
                proxy.ended(app, session, end.reason, end.at);
                return Ok(Ended::Now);
            }
            ended => return Ok(ended),
        }
    }
    Ok(Ended::Superseded(sid))
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
            Activated::Yes => Succession::Alive,
            Activated::No => Succession::Dropped,
        },
    )
}

async fn bury(proxy: &Proxy, new: &Successor, reason: EndReason) -> Result<Succession, StoreError> {
    let end = End {
        lineage: new.session.lineage,
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

#[cfg(test)]
mod tests;
