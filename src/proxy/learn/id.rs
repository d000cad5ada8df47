//! An id without a login: found, handed over by a rotation, or joined by its companions.

use std::sync::Arc;

use crate::config::app::App;
use crate::domain::decide::Live;
use crate::domain::identity::Sid;
use crate::domain::resolve::Setting;
use crate::domain::session::{Companion, Phase, Record, Session};
use crate::domain::time::Timestamp;
use crate::proxy::Proxy;
use crate::proxy::answer_cookies::AnswerCookies;
use crate::proxy::bind;
use crate::proxy::error::ProxyError;
use crate::proxy::seats;
use crate::proxy::succession::{self, Succession, Successor};
use crate::store::StoreError;
use crate::store::op::{Amended, Amendment, Bound};
use crate::telemetry::metrics::StoreOp;

use super::lesson::{Asked, Lesson};

/// An id that nobody logged in with. Above the caps it is not recorded, and so is not admitted.
pub(super) async fn found(
    proxy: &Proxy,
    asked: &Asked,
    cookies: &AnswerCookies,
    sid: Sid,
) -> Result<Lesson, ProxyError> {
    if !proxy.anonymous.admit(asked.client, asked.now) {
        asked.app.metrics.anonymous_unrecorded();
        return Ok(Lesson::NoRoom);
    }
    let session = Arc::new(blank(proxy, asked, None, cookies));
    let new = successor(asked, sid, session, asked.now);
    match succession::found(proxy, new).await? {
        Succession::Alive => Ok(Lesson::Found),
        Succession::Taken => taken(proxy, asked, sid).await,
        Succession::Dropped | Succession::NoSeat => Ok(Lesson::Dropped),
        Succession::Full => {
            asked.app.metrics.anonymous_unrecorded();
            Ok(Lesson::NoRoom)
        }
    }
}

/// An app that announces an id which is known: alive, it may just say it again; dead, it stays
/// dead whatever the app says.
async fn taken(proxy: &Proxy, asked: &Asked, sid: Sid) -> Result<Lesson, ProxyError> {
    // Only an anonymous session may be announced to a request that did not carry it: whoever
    // gets an authenticated one's id by an answer would be logged in without a login.
    let harmless = living(proxy, asked, sid)
        .await?
        .is_some_and(|session| !session.is_authenticated());
    Ok(if harmless {
        Lesson::Nothing
    } else {
        Lesson::Dropped
    })
}

/// The session of this app that is alive under an id.
pub(super) async fn living(
    proxy: &Proxy,
    asked: &Asked,
    sid: Sid,
) -> Result<Option<Arc<Session>>, ProxyError> {
    let found = proxy
        .timed(StoreOp::LookUp, proxy.store.look_up(&[sid]))
        .await?;
    let App { name, bounds, .. } = &*asked.app.app;
    let policy = &asked.snapshot.config.policy;
    let is_alive = |record: &Record| {
        let phase = record.phase(policy, Setting::of_app(*bounds), &found.cuts, asked.now);
        matches!(phase, Phase::Live { .. }) && record.session.app == *name
    };
    let record = found.records.into_iter().next().flatten();
    Ok(record.filter(is_alive).map(|record| record.session))
}

pub(super) async fn rotate(
    proxy: &Proxy,
    asked: &Asked,
    cookies: &AnswerCookies,
    live: &Live,
    sid: Sid,
) -> Result<Lesson, ProxyError> {
    let mut session = (*live.session).clone();
    session.companions = companions(asked, Some(&live.session), cookies);
    session.scopes = bind::scopes(&asked.app.app, Some(&live.session), cookies);
    let session = Arc::new(session);
    let new = successor(asked, sid, Arc::clone(&session), live.last_active);
    match succession::rotate(proxy, live.sid, new).await? {
        Succession::Alive => {
            follow_token(proxy, asked, live, sid, session).await?;
            proxy.streams.rename(live.session.lineage, live.sid, sid);
            seats::follow(proxy, asked, live, sid).await;
            Ok(Lesson::Rotated)
        }
        Succession::Dropped | Succession::Taken | Succession::NoSeat => Ok(Lesson::Dropped),
        Succession::Full => Err(ProxyError::StoreFull),
    }
}

/// Gives an id that replaced another one the token that this one had come to: what was read of it at
/// the beginning would set the token back. Nothing changes it any more, and nobody has the new id yet.
async fn follow_token(
    proxy: &Proxy,
    asked: &Asked,
    live: &Live,
    to: Sid,
    before: Arc<Session>,
) -> Result<(), StoreError> {
    if asked.app.app.token.is_none() {
        return Ok(());
    }
    let found = proxy
        .timed(StoreOp::LookUp, proxy.store.look_up(&[live.sid]))
        .await?;
    let Some(old) = found.records.into_iter().next().flatten() else {
        return Ok(());
    };
    let token = old.session.token;
    if old.session.lineage != before.lineage || token == before.token {
        return Ok(());
    }
    let after = Session {
        token,
        ..(*before).clone()
    };
    let new = successor(asked, to, Arc::new(after), live.last_active);
    let amendment = Amendment {
        before,
        due: new.due.unwrap_or(live.last_active),
        after: new.session,
        event: None,
    };
    let amended = proxy.store.amend(to, amendment);
    proxy.timed(StoreOp::Amend, amended).await.map(drop)
}

/// The answer sets cookies that accompany an id that stays: they belong to it from now on.
pub(super) async fn bind_companions(
    proxy: &Proxy,
    asked: &Asked,
    cookies: &AnswerCookies,
    live: &Live,
) -> Result<(), StoreError> {
    let Some(session) = accompanied(asked, cookies, &live.session) else {
        return Ok(());
    };
    if session.token.is_some() {
        return join_companions(proxy, asked, cookies, live, session).await;
    }
    let bound = Bound {
        lineage: live.session.lineage,
        session: Arc::new(session),
        login: None,
    };
    proxy
        .timed(StoreOp::Bind, proxy.store.bind(live.sid, bound))
        .await
        .map(drop)
}

/// How often what an answer says of the companions is written anew, because something else was
/// written of the session since.
const ROUNDS_MAX: usize = 8;

/// The same for a session with a token, of which nothing may be set back: a value that was replaced
/// would be in force again, for whoever holds it.
async fn join_companions(
    proxy: &Proxy,
    asked: &Asked,
    cookies: &AnswerCookies,
    live: &Live,
    mut after: Session,
) -> Result<(), StoreError> {
    let mut before = Arc::clone(&live.session);
    for _ in 0..ROUNDS_MAX {
        let due = successor(asked, live.sid, Arc::new(after), live.last_active);
        let amendment = Amendment {
            before,
            due: due.due.unwrap_or(live.last_active),
            after: due.session,
            event: None,
        };
        let call = proxy.store.amend(live.sid, amendment);
        if proxy.timed(StoreOp::Amend, call).await? != Amended::Overtaken {
            return Ok(());
        }
        let found = proxy
            .timed(StoreOp::LookUp, proxy.store.look_up(&[live.sid]))
            .await?;
        let Some(record) = found.records.into_iter().next().flatten() else {
            return Ok(());
        };
        let same = record.session.lineage == live.session.lineage;
        match accompanied(asked, cookies, &record.session).filter(|_| same) {
            Some(joined) => (before, after) = (record.session, joined),
            None => return Ok(()),
        }
    }
    tracing::warn!(
        app = &*asked.app.app.name,
        "a session changed too often for the cookies that accompany it to be bound to it"
    );
    Ok(())
}

/// What stays of a session whose companions an answer changes; none where it changes nothing.
fn accompanied(asked: &Asked, cookies: &AnswerCookies, before: &Session) -> Option<Session> {
    let companions = companions(asked, Some(before), cookies);
    let scopes = bind::scopes(&asked.app.app, Some(before), cookies);
    let changes = companions != before.companions || scopes != before.scopes;
    changes.then(|| Session {
        companions,
        scopes,
        ..before.clone()
    })
}

fn companions(asked: &Asked, before: Option<&Session>, cookies: &AnswerCookies) -> Vec<Companion> {
    let keys = &asked.snapshot.config.keys;
    bind::companions(&asked.app.app, keys, before, cookies)
}

/// A session that begins with this request.
///
/// Of a predecessor, where a login has one, it takes over the group, which the app may go on
/// using; never an auth cookie: that would log its user in again after this session's end.
pub(super) fn blank(
    proxy: &Proxy,
    asked: &Asked,
    before: Option<&Session>,
    cookies: &AnswerCookies,
) -> Session {
    let mut companions = companions(asked, before, cookies);
    let auth_cookies = &asked.app.app.shape.auth_cookies;
    companions.retain(|companion| {
        let logs_in = auth_cookies.iter().any(|name| **name == *companion.name);
        !logs_in || cookies.value_of(&companion.name).is_some()
    });
    for companion in &mut companions {
        if auth_cookies.iter().any(|name| **name == *companion.name) {
            companion.previous = None;
        }
    }
    Session {
        lineage: proxy.entropy.lineage(),
        generation: 0,
        app: Arc::clone(&asked.app.app.name),
        started: asked.now,
        until: None,
        login: None,
        device: asked.snapshot.config.policy.device_on_record(asked.seen),
        policy: asked.snapshot.config.policy.version,
        companions,
        scopes: bind::scopes(&asked.app.app, before, cookies),
        token: None,
        would_have_ended: Default::default(),
    }
}

/// `last_active` is the last activity that the new id will have at the least: the sweeper may
/// look too early, never too late.
pub(super) fn successor(
    asked: &Asked,
    sid: Sid,
    session: Arc<Session>,
    last_active: Timestamp,
) -> Successor {
    let policy = &asked.snapshot.config.policy;
    let setting = Setting::of_app(asked.app.app.bounds);
    let authenticated = session.is_authenticated();
    let due = authenticated.then(|| session.due(policy, setting, last_active));
    let forget_at = asked.snapshot.config.forget_at(authenticated, asked.now);
    Successor {
        sid,
        session,
        at: asked.now,
        last_active,
        due,
        forget_at,
    }
}
