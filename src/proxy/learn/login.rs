//! A login that succeeded: a new lineage, under a new id or under the one that the app kept.

use std::sync::Arc;

use crate::config::app::LoginRecipe;
use crate::domain::decide::Live;
use crate::domain::identity::Sid;
use crate::domain::resolve::Setting;
use crate::domain::session::{EndReason, Login, Session};
use crate::domain::token::{Token, TokenSeed};
use crate::proxy::Proxy;
use crate::proxy::answer_cookies::AnswerCookies;
use crate::proxy::error::ProxyError;
use crate::proxy::recipe::{AnswerView, Told};
use crate::proxy::seats::{Admission, Counting};
use crate::proxy::succession::{self, Predecessor, Succession, Successor};
use crate::store::event::SessionEvent;
use crate::store::event::build::{self, end_event};
use crate::store::op::{Bound, InPlaceLogin, Touched};
use crate::telemetry::metrics::{LoginOutcome, StoreOp};

use super::end::end;
use super::id::{blank, living, successor};
use super::lesson::{Asked, Lesson};

pub(super) async fn log_in(
    proxy: &Proxy,
    asked: &Asked,
    view: &AnswerView<'_>,
    issued: Option<Sid>,
    (recipe, told): (&LoginRecipe, Told),
) -> Result<Lesson, ProxyError> {
    if told.malformed {
        tracing::warn!(
            app = &*asked.app.app.name,
            recipe = &*recipe.label,
            "a login told its user or groups in a form that cannot be believed: strictest limits"
        );
    }
    let session = Arc::new(logged_in_session(proxy, asked, view.cookies, told));
    let counting = Counting::of(proxy, asked, &session, recipe.user.is_some());
    let kept = asked
        .live
        .as_ref()
        .filter(|live| issued.is_none_or(|sid| sid == live.sid));
    let lesson = match (kept, issued) {
        (Some(live), _) => log_in_place(proxy, asked, live, &session, &counting).await?,
        (None, Some(sid)) => log_in_anew(proxy, asked, sid, &session, &counting).await?,
        (None, None) => Lesson::Nothing,
    };
    let outcome = match &lesson {
        Lesson::LoginRefused(_) => Some(LoginOutcome::Refused),
        lesson => lesson.login().map(|_| LoginOutcome::Success),
    };
    if let (Some(outcome), Some(attempt)) = (outcome, &asked.attempt) {
        asked.app.metrics.login_seen(attempt.recipe, outcome);
    }
    if lesson.login().is_some() {
        asked.app.metrics.started(&session, asked.now);
        asked.app.relogged.remember(asked.presented.iter().copied());
    }
    Ok(lesson)
}

fn logged_in_session(proxy: &Proxy, asked: &Asked, cookies: &AnswerCookies, told: Told) -> Session {
    let policy = &asked.snapshot.config.policy;
    let user = told.user;
    let roles = if told.malformed {
        Vec::new()
    } else {
        policy.roles_of(user.as_ref().map(|user| user.as_str()), &told.groups)
    };
    let login = Login {
        admitted: asked.now,
        user,
        groups: told
            .groups
            .iter()
            .map(|group| Arc::from(group.as_str()))
            .collect(),
        roles,
        roles_learned: asked.now,
        is_doubtful: told.malformed,
    };
    let generation = asked
        .live
        .as_ref()
        .map_or(0, |live| live.session.generation + 1);
    let before = asked.live.as_ref().map(|live| &*live.session);
    let seed = || TokenSeed::from_bytes(proxy.entropy.bytes());
    let has_token = asked.app.app.token.is_some();
    Session {
        generation,
        login: Some(login),
        token: has_token.then(|| Token::at_login(seed(), asked.now)),
        ..blank(proxy, asked, before, cookies)
    }
}

async fn log_in_anew(
    proxy: &Proxy,
    asked: &Asked,
    sid: Sid,
    session: &Arc<Session>,
    counting: &Counting<'_>,
) -> Result<Lesson, ProxyError> {
    let event = login_event(asked, session);
    let old = asked.live.as_ref().map(|live| {
        let ends = live.session.is_authenticated();
        let end = || Box::new(end_event(asked.facts_of(live), EndReason::Reauthenticated));
        Predecessor {
            app: &asked.app,
            live,
            end: ends.then(end),
        }
    });
    let new = successor(asked, sid, Arc::clone(session), asked.now);
    let forget_at = new.forget_at;
    let has_seat = async {
        let admission = counting.admit(sid, forget_at).await?;
        Ok(admission != Admission::Refused)
    };
    match succession::log_in(proxy, old, new, event, has_seat).await? {
        Succession::Alive => Ok(Lesson::LoggedIn(Arc::clone(session))),
        Succession::Taken => said_again(proxy, asked, sid, session).await,
        // Where sessions are counted, another login took this one's seat before it came alive.
        Succession::Dropped | Succession::NoSeat => Ok(refused(counting, session, false)),
        Succession::Full => Err(ProxyError::StoreFull),
    }
}

fn refused(counting: &Counting<'_>, session: &Arc<Session>, in_place: bool) -> Lesson {
    let refusal = counting.refusal(session, in_place);
    refusal.map_or(Lesson::Dropped, |refusal| {
        Lesson::LoginRefused(Box::new(refusal))
    })
}

/// A login whose answer announces an id that is known. An app that has one token for each user says
/// it again while it is alive: then its session goes on, with its clocks. A dead one stays dead, and
/// another user's is nothing to announce.
async fn said_again(
    proxy: &Proxy,
    asked: &Asked,
    sid: Sid,
    login: &Session,
) -> Result<Lesson, ProxyError> {
    let user = |session: &Session| Some(session.login.as_ref()?.user.clone());
    let goes_on = living(proxy, asked, sid)
        .await?
        .is_some_and(|session| user(&session) == user(login));
    if !goes_on {
        return Ok(Lesson::Dropped);
    }
    if let Some(attempt) = &asked.attempt {
        let outcome = LoginOutcome::Unlearned;
        asked.app.metrics.login_seen(attempt.recipe, outcome);
    }
    Ok(Lesson::Nothing)
}

/// The app kept its id: the record begins a new generation in place, under a new lineage.
async fn log_in_place(
    proxy: &Proxy,
    asked: &Asked,
    live: &Live,
    session: &Arc<Session>,
    counting: &Counting<'_>,
) -> Result<Lesson, ProxyError> {
    let new = successor(asked, live.sid, Arc::clone(session), asked.now);
    let admission = counting.admit(new.sid, new.forget_at).await?;
    if admission == Admission::Refused {
        let reason = match live.session.is_authenticated() {
            true => EndReason::Reauthenticated,
            false => EndReason::Displaced,
        };
        end(proxy, asked, live, reason).await?;
        return Ok(refused(counting, session, true));
    }
    let forget_at = new.forget_at;
    let bound = proxy.store.bind(live.sid, bound(asked, live, new));
    match proxy.timed(StoreOp::Bind, bound).await? {
        Touched::Alive => {}
        Touched::Ended(_) => return Ok(refused(counting, session, true)),
        // The same login sent twice, or a rotation: what came first stands, and so does its cookie.
        Touched::Superseded(_) | Touched::Unknown => return Ok(Lesson::Dropped),
    }
    if live.session.is_authenticated() {
        let reason = EndReason::Reauthenticated;
        proxy.ended(&asked.app, &live.session, reason, asked.now);
    }
    if !counting.confirm(admission, live.sid, forget_at).await? {
        let logged_in = Live {
            session: Arc::clone(session),
            last_active: asked.now,
            limits: session.limits(
                &asked.snapshot.config.policy,
                Setting::of_app(asked.app.app.bounds),
            ),
            ..live.clone()
        };
        end(proxy, asked, &logged_in, EndReason::Displaced).await?;
        return Ok(refused(counting, session, true));
    }
    Ok(Lesson::LoggedInPlace(Arc::clone(session)))
}

/// What the record of a kept id becomes.
fn bound(asked: &Asked, live: &Live, new: Successor) -> Bound {
    let mut events: Vec<SessionEvent> = Vec::with_capacity(2);
    if live.session.is_authenticated() {
        events.push(end_event(asked.facts_of(live), EndReason::Reauthenticated));
    }
    events.push(login_event(asked, &new.session));
    let login = InPlaceLogin {
        last_active: asked.now,
        due: new.due.unwrap_or(asked.now),
        forget_at: new.forget_at,
        events,
    };
    Bound {
        lineage: live.session.lineage,
        session: new.session,
        login: Some(Box::new(login)),
    }
}

fn login_event(asked: &Asked, session: &Session) -> SessionEvent {
    let setting = Setting::of_app(asked.app.app.bounds);
    let limits = session.limits(&asked.snapshot.config.policy, setting);
    build::login_event(asked.facts(session, asked.now, &limits))
}
