//! For a roll-out: ids that the app issued before the gateway was there become sessions.
//!
//! Nobody saw their logins, so they have the strictest limits, and all of them end at the app's
//! `adopt_until`. An id that died here is no candidate, because its tombstone is kept until then.
//! Adoption therefore stops where the store forgot: it holds a mark since the first adoption, and a
//! gateway that finds another mark than it saw before adopts no more.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::config::Caps;
use crate::domain::cuts::Cuts;
use crate::domain::decide::Found;
use crate::domain::identity::Sid;
use crate::domain::resolve::Setting;
use crate::domain::session::{Login, Record, Session, State};
use crate::domain::time::Timestamp;
use crate::store::StoreError;
use crate::store::event::build::{EventFacts, adopted_event};
use crate::store::op::{Activated, Activation, Created, NewSession};

use super::Proxy;
use super::bind;
use super::carriers::Presented;
use super::exchange::Exchange;
use super::snapshot::AppRuntime;

/// How many unknown ids one gateway adopts within `ADOPTION_WINDOW`. A whole office may come from
/// one address. All together are a tenth of what the default store holds, so that whoever guesses
/// ids does not fill it.
pub(super) const ADOPTIONS_MAX: Caps = Caps {
    total: 100_000,
    per_client: 1_000,
};

/// The span over which adoptions are counted.
pub(super) const ADOPTION_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

/// How often the gateway looks whether its marks are still there.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Proxy {
    /// Adopts a request's only id, where nobody knows it. Tells whether to look it up again.
    pub(super) async fn adopt(
        &self,
        exchange: &Exchange,
        app: &AppRuntime,
        presented: &Presented,
        found: &[Found],
        cuts: &Cuts,
    ) -> Result<bool, StoreError> {
        let [Found { sid, record, .. }] = found else {
            return Ok(false);
        };
        match record {
            None => {
                let session = self.candidate(exchange, app, presented).await?;
                match session.filter(|session| !cuts.cover(session)) {
                    Some(session) => self.record(exchange, app, *sid, Arc::new(session)).await,
                    None => Ok(false),
                }
            }
            // Somebody adopts it at this moment, or broke off in between.
            Some(record) if is_half_adopted(record) => {
                self.enliven(exchange, app, *sid, &record.session).await?;
                Ok(true)
            }
            Some(_) => Ok(false),
        }
    }

    /// What an unknown id would be adopted as; none where it would not.
    async fn candidate(
        &self,
        exchange: &Exchange,
        app: &AppRuntime,
        presented: &Presented,
    ) -> Result<Option<Session>, StoreError> {
        let now = exchange.now;
        let Some(until) = app.adoption.until(now) else {
            return Ok(None);
        };
        if !self.adoptions.admit(exchange.origin.address, now) {
            tracing::debug!(
                app = &*app.app.name,
                "an id is not adopted: a cap is reached"
            );
            return Ok(None);
        }
        let Some(mark) = self.look_at_mark(app, now).await? else {
            return Ok(None);
        };
        let config = &exchange.snapshot.config;
        let login = Login {
            // Before the gateway was there: a cut that was made since covers it.
            admitted: mark.min(now),
            user: None,
            groups: Vec::new(),
            roles: Vec::new(),
            roles_learned: now,
            is_doubtful: false,
        };
        Ok(Some(Session {
            lineage: self.entropy.lineage(),
            generation: 0,
            app: Arc::clone(&app.app.name),
            started: now,
            until: Some(until),
            login: Some(login),
            device: config.policy.device_on_record(exchange.setting.seen),
            policy: config.policy.version,
            companions: bind::adopted(presented, &app.app, &config.keys),
            scopes: Vec::new(),
            token: None,
            would_have_ended: Default::default(),
        }))
    }

    async fn record(
        &self,
        exchange: &Exchange,
        app: &AppRuntime,
        sid: Sid,
        session: Arc<Session>,
    ) -> Result<bool, StoreError> {
        let now = exchange.now;
        let new = NewSession {
            session: Arc::clone(&session),
            last_active: now,
            pending: true,
            forget_at: exchange.snapshot.config.forget_at(true, now),
        };
        match self.store.create(sid, new).await? {
            Created::Recorded => {}
            Created::Taken => return Ok(true),
            Created::Full => return Ok(false),
        }
        if self.enliven(exchange, app, sid, &session).await? == Activated::Yes {
            app.metrics.adopted(&session);
            let name = &*app.app.name;
            if app.adoption.is_first() {
                tracing::info!(app = name, "unknown ids are adopted; this is the first");
            }
            tracing::debug!(app = name, lineage = %session.lineage, "an unknown id is adopted");
        }
        Ok(true)
    }

    async fn enliven(
        &self,
        exchange: &Exchange,
        app: &AppRuntime,
        sid: Sid,
        session: &Session,
    ) -> Result<Activated, StoreError> {
        let policy = &exchange.snapshot.config.policy;
        let limits = session.limits(policy, Setting::of_app(app.app.bounds));
        let now = exchange.now;
        let event = adopted_event(EventFacts {
            session,
            last_active: now,
            limits: &limits,
            policy,
            at: now,
            client: Some(exchange.origin.address),
        });
        let activation = Activation {
            last_active: now,
            due: Some(session.due(policy, Setting::of_app(app.app.bounds), now)),
            event: Some(Box::new(event)),
        };
        self.store.activate(sid, activation).await
    }

    /// The store's mark, which is written where there is none; none where it is not the one that
    /// was there before.
    async fn look_at_mark(
        &self,
        app: &AppRuntime,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let name = &*app.app.name;
        let mark = self.store.adoption_mark(name, now).await?;
        Ok(app.adoption.see(name, mark).then_some(mark))
    }

    /// Looks at the marks of all apps that adopt, until told to stop: so that they are known before
    /// the first unknown id comes, and that it is told when one is lost.
    pub async fn watch_adoptions(self: Arc<Self>, shutdown: CancellationToken) {
        loop {
            let snapshot = self.snapshot.load_full();
            let now = self.clock.now();
            for app in &snapshot.apps {
                if app.adoption.until(now).is_some()
                    && let Err(error) = self.look_at_mark(app, now).await
                {
                    tracing::debug!(%error, "the mark of an adoption cannot be read");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }
}

fn is_half_adopted(record: &Record) -> bool {
    record.state == State::Pending && record.session.until.is_some()
}

#[cfg(test)]
mod tests;
